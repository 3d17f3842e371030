//! Limits: what each key and tool may be asked, where each number is from, and changing them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CallError, Calls, Field, groups::check::done, keys::KeyView, said, stale, tools::policy_of};
use crate::{
    gate::{
        GroupPolicy,
        limits::{Rule, Rules, ToolRules},
    },
    store::{
        audit::By,
        limits::{Kind, LimitRow, LimitsChange, Scope},
        policy::Written,
    },
};

/// The highest value of a limit.
pub const HIGHEST: u32 = 60_000_000;

/// One limit in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitView {
    /// The group.
    pub group: String,
    /// For whom: `each key`, a key by its name and last four characters, or a tool.
    pub whose: String,
    /// Its name.
    pub limit: String,
    /// The value; 0 is no limit.
    pub value: u32,
    /// The time it is counted over.
    pub window: String,
    /// Where it is from: settings, subject-scoped, group, key or tool.
    pub from: String,
    /// Calls on the key's present day, for the limit of a day.
    pub used_today: Option<u32>,
    /// The key, for a limit of a key.
    #[serde(skip)]
    pub key_id: Option<String>,
    /// The tool, for a limit of a tool.
    #[serde(skip)]
    pub tool: Option<String>,
}

/// For whom a limit is set: each key of a group, one of them, or one tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whose {
    /// Id of the key.
    pub key_id: Option<String>,
    /// The tool, for everybody together.
    pub tool: Option<String>,
}

/// Limits to be set or taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitChange {
    /// The group.
    pub server_code: String,
    /// Id of a key, for a limit of that key alone.
    #[serde(default)]
    pub key_id: Option<String>,
    /// A tool, for a limit of that tool for everybody together.
    #[serde(default)]
    pub tool: Option<String>,
    /// Names of limits with their values: 0 is no limit, null takes a limit away so that the next wider one counts.
    #[schema(value_type = Object)]
    pub limits: serde_json::Map<String, serde_json::Value>,
}

impl Calls {
    /// Every limit in force, of all groups or of one.
    pub fn limits(&self, code: Option<&str>) -> Result<Vec<LimitView>, CallError> {
        let groups = match code {
            Some(code) => vec![self.group_policy(code)?],
            None => self.gate.policy().current()?.groups().to_vec(),
        };
        let days = self.store.day_counts()?;
        let now = self.clock.now_ms();
        let mut lines = Vec::new();
        for group in groups {
            let of_key = |key: Option<&KeyView>| group.limits.rules(key.map(|key| key.id.as_str()));
            lines.extend(key_lines(&group, None, &of_key(None), None));
            for key in self.keys(&group.group.server_code)?.iter().filter(|key| key.in_force()) {
                let rules = of_key(Some(key));
                let today = rules.day_at(now);
                let used = days.iter().find(|count| *count.principal == *key.id && count.day == today).map_or(0, |count| count.calls);
                // What is the same for every key is said once; the calls of the day are its own.
                let own = key_lines(&group, Some(key), &rules, Some(used));
                lines.extend(own.into_iter().filter(|line| line.from == "key" || line.limit == Kind::CallsPerDay.as_str()));
            }
            for tool in &group.tools {
                lines.extend(tool_lines(&group, &tool.tool_name, &group.limits.tool_rules(&tool.tool_name)));
            }
        }
        Ok(lines)
    }

    /// The version of a group's limits, which a change names: another one after every change of one of them.
    pub fn limits_version(&self, code: &str) -> Result<i64, CallError> {
        Ok(self.store.limits_version(&self.group_policy(code)?.group.id)?)
    }

    /// Sets limits, all or none; in force at once.
    pub async fn set_limits(&self, code: &str, whose: &Whose, limits: &[(Kind, u32)], by: &By) -> Result<(), CallError> {
        let place = self.place(code, whose)?;
        self.write_limits(&place, (limits, &[]), None, by).await.map(drop)
    }

    /// Takes limits away, so that the next wider ones count: those named, or all. Says how many there were.
    pub async fn clear_limits(&self, code: &str, whose: &Whose, kinds: &[Kind], by: &By) -> Result<usize, CallError> {
        let place = self.place(code, whose)?;
        let kinds = if kinds.is_empty() { &Kind::ALL[..] } else { kinds };
        self.write_limits(&place, (&[], kinds), None, by).await
    }

    /// Sets and takes away as one body says, all or none. Returns what is in force then. `seen` is the version of the
    /// group's limits the change was made on, if one was.
    pub async fn change_limits(&self, change: &LimitChange, seen: Option<i64>, by: &By) -> Result<Vec<LimitView>, CallError> {
        let whose = Whose { key_id: change.key_id.clone(), tool: change.tool.clone() };
        if whose.key_id.is_some() && whose.tool.is_some() {
            return Err(CallError::invalid(
                "/tool",
                "限额要么针对一个密钥，要么针对一个工具",
                "a limit is of one key or of one tool, not of both",
            ));
        }
        let (set, cleared) = read(&change.limits)?;
        let place = self.place(&change.server_code, &whose)?;
        self.write_limits(&place, (&set, &cleared), seen, by).await?;
        self.limits(Some(&change.server_code))
    }

    /// Sets some and takes others away in one write. Says how many were there of those that were taken away.
    async fn write_limits(
        &self,
        place: &Place,
        (set, cleared): (&[(Kind, u32)], &[Kind]),
        seen: Option<i64>,
        by: &By,
    ) -> Result<usize, CallError> {
        let mut wrong = Vec::new();
        for (kind, value) in set {
            place.check(*kind, *value, &mut wrong);
        }
        done(wrong)?;
        let change = LimitsChange {
            group_id: place.group.group.id.clone(),
            set: set.iter().map(|(kind, value)| place.row(*kind, *value, by)).collect(),
            cleared: cleared.iter().map(|kind| place.row(*kind, 0, by)).collect(),
        };
        let code = place.group.group.server_code.as_str();
        match self.store.change_limits(change, seen, by.clone()).await? {
            Written::Stale(_) => Err(stale(&self.limits(Some(code))?, self.limits_version(code)?)),
            Written::Done(gone) => {
                tracing::info!(group.code = code, actor = by.actor, "limits were changed");
                Ok(gone)
            }
        }
    }

    fn place(&self, code: &str, whose: &Whose) -> Result<Place, CallError> {
        let group = self.group_policy(code)?;
        if let Some(tool) = &whose.tool {
            policy_of(&group, tool)?;
        }
        if let Some(id) = &whose.key_id {
            self.key(code, id)?;
        }
        Ok(Place { group, whose: whose.clone() })
    }
}

/// The limit of this name, or which there are.
pub fn kind(name: &str) -> Result<Kind, CallError> {
    Kind::parse(name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::as_str).join(", ");
        let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
        CallError::invalid("/limits", format!("没有限额 {name}；可选：{names}"), format!("there is no limit {name}; there are: {names}"))
    })
}

type Read = (Vec<(Kind, u32)>, Vec<Kind>);

/// Limits by name: a number sets one, null takes it away.
fn read(limits: &serde_json::Map<String, serde_json::Value>) -> Result<Read, CallError> {
    let (mut set, mut cleared, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in limits {
        let pointer = || format!("/limits/{}", name.replace('~', "~0").replace('/', "~1"));
        match (kind(name), value.as_u64().map(u32::try_from)) {
            (Err(CallError::Invalid(fields)), _) => {
                wrong.extend(fields.into_iter().map(|field| Field { pointer: pointer(), ..field }));
            }
            (Err(other), _) => return Err(other),
            (Ok(kind), _) if value.is_null() => cleared.push(kind),
            (Ok(kind), Some(Ok(value))) => set.push((kind, value)),
            (Ok(_), _) => wrong.push(Field { pointer: pointer(), text: no_value() }),
        }
    }
    done(wrong)?;
    Ok((set, cleared))
}

fn no_value() -> crate::config::Bilingual {
    said(format!("请填写 0（不限）到 {HIGHEST} 的整数"), format!("write a whole number from 0 (no limit) to {HIGHEST}"))
}

/// For whom a limit is set.
struct Place {
    group: Arc<GroupPolicy>,
    whose: Whose,
}

impl Place {
    fn scope(&self) -> Scope {
        match (&self.whose.key_id, &self.whose.tool) {
            (Some(_), _) => Scope::Key,
            (None, Some(_)) => Scope::Tool,
            (None, None) => Scope::Group,
        }
    }

    fn check(&self, kind: Kind, value: u32, wrong: &mut Vec<Field>) {
        let name = kind.as_str();
        if self.scope() == Scope::Tool && !kind.fits_tool() {
            let text = said(
                format!("工具没有 {name}；它只有 call_per_minute 和 concurrent_calls"),
                format!("a tool has no {name}; it has call_per_minute and concurrent_calls"),
            );
            wrong.push(Field { pointer: format!("/limits/{name}"), text });
        } else if value > HIGHEST {
            wrong.push(Field { pointer: format!("/limits/{name}"), text: no_value() });
        }
    }

    fn row(&self, kind: Kind, value: u32, by: &By) -> LimitRow {
        LimitRow {
            scope: self.scope(),
            group_id: self.group.group.id.clone(),
            key_id: self.whose.key_id.clone(),
            tool_name: self.whose.tool.clone().filter(|_| self.whose.key_id.is_none()),
            kind,
            value,
            updated_by: by.actor.clone(),
            updated_at: by.at,
        }
    }
}

fn key_lines(group: &GroupPolicy, key: Option<&KeyView>, rules: &Rules, used: Option<u32>) -> Vec<LimitView> {
    let line = |(kind, rule): (Kind, Rule)| LimitView {
        group: group.group.server_code.clone(),
        whose: key.map_or_else(|| "each key".to_owned(), |key| format!("key {} …{}", key.name, key.hint)),
        limit: kind.as_str().to_owned(),
        value: rule.value,
        window: kind.window().to_owned(),
        from: rule.origin.as_str().to_owned(),
        used_today: used.filter(|_| kind == Kind::CallsPerDay),
        key_id: key.map(|key| key.id.clone()),
        tool: None,
    };
    rules.all().into_iter().map(line).collect()
}

fn tool_lines(group: &GroupPolicy, tool: &str, rules: &ToolRules) -> Vec<LimitView> {
    let set = [(Kind::CallPerMinute, rules.call), (Kind::ConcurrentCalls, rules.concurrent)];
    let line = |(kind, value): (Kind, u32)| LimitView {
        group: group.group.server_code.clone(),
        whose: format!("tool {tool}"),
        limit: kind.as_str().to_owned(),
        value,
        window: kind.window().to_owned(),
        from: "tool".to_owned(),
        used_today: None,
        key_id: None,
        tool: Some(tool.to_owned()),
    };
    set.into_iter().filter(|(_, value)| *value > 0).map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_sets_a_limit_and_null_takes_it_away() {
        let of = |value: serde_json::Value| read(value.as_object().unwrap());
        let (set, cleared) = of(json!({"call_per_minute": 600, "calls_per_day": null})).unwrap();
        assert_eq!((set, cleared), (vec![(Kind::CallPerMinute, 600)], vec![Kind::CallsPerDay]));
        let wrong = of(json!({"calls": 1, "call_per_minute": -1, "other_per_minute": "x", "list_per_minute": 1.5})).unwrap_err();
        let CallError::Invalid(fields) = wrong else { panic!("{wrong:?}") };
        assert_eq!(fields.len(), 4);
        assert!(fields.iter().all(|field| field.pointer.starts_with("/limits/")), "{fields:?}");
    }
}
