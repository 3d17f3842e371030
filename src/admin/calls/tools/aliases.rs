//! Names that old clients call, until a sunset.

use serde::Serialize;
use utoipa::ToSchema;

use super::StaleCallerView;
use crate::{
    admin::calls::{CallError, Calls, keys::End, stale},
    clock::rfc3339,
    store::{
        audit::By,
        policy::Written,
        stale::{Seen, ToolAlias},
    },
};

/// An old name of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AliasView {
    /// The old name.
    pub alias: String,
    /// The tool that answers.
    pub tool_name: String,
    /// From when on the old name is refused, with the new one in the answer.
    pub until: String,
    /// Who says so: the group or the product.
    pub by: String,
    /// The version of one that the group has, which a change names; the product's are not changed.
    pub version: Option<i64>,
    /// Whether it is understood at this moment.
    #[serde(skip)]
    pub in_force: bool,
}

/// From when on an old name is refused, as it is written: a date, a moment, or a length of time from now on.
pub(in crate::admin) fn until(text: &str, now: i64) -> Result<i64, CallError> {
    match End::read(Some(text), "/until")? {
        Some(End::At(at)) => Ok(at),
        Some(End::In(length)) => Ok(now.saturating_add(length)),
        None => Err(CallError::invalid("/until", "请填写截止时间", "say until when")),
    }
}

impl Calls {
    /// Who still calls a tool of a group by one of these names, the latest first.
    pub fn callers_by_name(&self, code: &str, names: &[&str]) -> Result<Vec<StaleCallerView>, CallError> {
        let by_name =
            |caller: &StaleCallerView| matches!(caller.reason.as_str(), "renamed" | "sunset") && names.contains(&caller.called.as_str());
        Ok(self.stale_callers(Some(code))?.into_iter().filter(by_name).collect())
    }

    /// The old names that a group understands.
    pub fn aliases(&self, code: &str) -> Result<Vec<AliasView>, CallError> {
        let group = self.group_policy(code)?;
        let now = self.clock.now_ms();
        let of_product = |alias: &str, tool_name: &str, until: i64| AliasView {
            alias: alias.to_owned(),
            tool_name: tool_name.to_owned(),
            until: rfc3339(until),
            by: "product".to_owned(),
            version: None,
            in_force: now < until,
        };
        let offers = self.dispatch.catalogue().definitions_of(&group);
        let former = offers.iter().flat_map(|known| {
            let definition = &known.tool.definition;
            definition.former_names.iter().map(move |former| (former.name, definition.about.name, former.until_ms))
        });
        let own = group.aliases.iter().map(|alias| of_group(alias, now));
        Ok(own.chain(former.map(|(old, new, until)| of_product(old, new, until))).collect())
    }

    /// An old name that a group has, with its version.
    pub fn alias(&self, code: &str, old: &str) -> Result<(AliasView, i64), CallError> {
        let group = self.group_policy(code)?;
        let found = group.aliases.iter().find(|alias| alias.alias == old);
        found
            .map(|alias| (of_group(alias, self.clock.now_ms()), alias.created_at))
            .ok_or_else(|| CallError::not_found(format!("分组 {code} 没有旧名称 {old}"), format!("{code} has no old name {old}")))
    }

    /// Lets a group answer calls of an old name until a moment. Returns the version of that name.
    pub async fn set_alias(&self, code: &str, (old, new, until): (&str, &str, i64), seen: Seen, by: &By) -> Result<i64, CallError> {
        let group = self.group_policy(code)?;
        let offered = |name: &str| group.tools.iter().any(|tool| tool.tool_name == name && tool.enabled);
        if !is_tool_name(old) {
            return Err(CallError::invalid(
                "/alias",
                format!("{old} 不是工具名：1 到 64 个 a-z、0-9、_，以字母开头"),
                format!("{old} is no tool's name: 1 to 64 of a-z, 0-9 and _, beginning with a letter"),
            ));
        }
        if offered(old) {
            return Err(CallError::invalid(
                "/alias",
                format!("分组 {code} 自己提供 {old}；请先停用它（`anmei-mcp tool disable {code} {old}`）"),
                format!("{code} offers {old} itself; `anmei-mcp tool disable {code} {old}` first"),
            ));
        }
        if !offered(new) {
            return Err(CallError::not_found(
                format!("分组 {code} 不提供 {new}；`anmei-mcp tool list --group {code}` 列出它有的工具"),
                format!("{code} does not offer {new}; `anmei-mcp tool list --group {code}` shows what it has"),
            ));
        }
        if until <= by.at {
            let at = rfc3339(until);
            return Err(CallError::invalid("/until", format!("{at} 已经过去"), format!("--until {at} has passed")));
        }
        let alias =
            ToolAlias { group_id: group.group.id.clone(), alias: old.to_owned(), tool_name: new.to_owned(), until, created_at: by.at };
        match self.store.set_alias(alias, seen, by.clone()).await? {
            Written::Stale(now) => Err(self.stale_alias(&now)),
            Written::Done(now) => Ok(now.created_at),
        }
    }

    /// Forgets an old name at once. `seen` is its version; without one it is forgotten whatever it stands for.
    pub async fn remove_alias(&self, code: &str, old: &str, seen: Option<i64>, by: &By) -> Result<(), CallError> {
        let group = self.group_policy(code)?;
        match self.store.remove_alias(&group.group.id, old, seen, by.clone()).await? {
            Written::Stale(now) => Err(self.stale_alias(&now)),
            Written::Done(_) => Ok(()),
        }
    }

    fn stale_alias(&self, now: &ToolAlias) -> CallError {
        stale(&of_group(now, self.clock.now_ms()), now.created_at)
    }
}

fn of_group(alias: &ToolAlias, now: i64) -> AliasView {
    AliasView {
        alias: alias.alias.clone(),
        tool_name: alias.tool_name.clone(),
        until: rfc3339(alias.until),
        by: "group".to_owned(),
        version: Some(alias.created_at),
        in_force: now < alias.until,
    }
}

/// Whether a tool could be called so.
pub fn is_tool_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    plain && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_date_a_moment_or_a_length() {
        assert_eq!((until("2027-06-30T00:00:00Z", 7).unwrap(), until("1h", 7).unwrap()), (1_814_313_600_000, 3_600_007));
        for bad in ["", " ", "soon"] {
            assert!(matches!(until(bad, 7), Err(CallError::Invalid(fields)) if fields[0].pointer == "/until"), "{bad}");
        }
    }

    #[test]
    fn a_name_is_one_that_a_tool_could_have() {
        assert!(is_tool_name("find_users") && is_tool_name("a1"));
        for bad in ["", "Find", "a b", "1a", "server__tool!", &"a".repeat(65)] {
            assert!(!is_tool_name(bad), "{bad}");
        }
    }
}
