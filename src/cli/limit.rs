//! `limit`: what each key and tool may be asked; in force for the next request in every process.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Fault, exit, group, key, output};
use crate::{
    app::Core,
    gate::{
        GroupPolicy,
        limits::{Rule, Rules, ToolRules},
    },
    store::{
        keys::Key,
        limits::{Kind, LimitRow, Scope},
    },
};

/// The highest value of a limit.
const HIGHEST: u32 = 60_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum LimitCommand {
    /// Every limit in force, where it is from, and what was used today
    List {
        /// Only this group
        code: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Sets limits for each key of a group, for one key, or for one tool; all or none, in force at once
    Set {
        /// Server code of the group
        code: String,
        /// Limits with their values, such as `call_per_minute=600`; 0 is no limit. Of a key: `list_per_minute`, `call_per_minute`,
        /// `other_per_minute`, `concurrent_calls`, `calls_per_day`; of a tool: `call_per_minute`, `concurrent_calls`
        #[arg(required = true, value_name = "LIMIT=VALUE", value_parser = assignment)]
        limits: Vec<(Kind, u32)>,
        #[command(flatten)]
        whose: Whose,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Takes limits away that were set, so that the group's, or else the settings' (`limits.*`), count again
    Clear {
        /// Server code of the group
        code: String,
        /// The limits; all of them when none is named
        #[arg(value_name = "LIMIT", value_parser = kind)]
        limits: Vec<Kind>,
        #[command(flatten)]
        whose: Whose,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// Only this key, by its name or its last four characters
    #[arg(long, value_name = "KEY", conflicts_with = "tool")]
    key: Option<String>,
    /// This tool, for everybody together
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
}

pub(super) async fn run(command: LimitCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        LimitCommand::List { code, json } => list(core, code.as_deref(), json)?,
        LimitCommand::Set { code, limits, whose, json } => {
            let place = Place::find(core, &code, &whose)?;
            if let Some((kind, _)) = limits.iter().find(|(kind, _)| !place.takes(*kind)) {
                return Err(no_limit_of_tools(*kind));
            }
            let rows = limits.iter().map(|(kind, value)| place.row(*kind, *value)).collect();
            core.store.set_limits(rows, super::by(core, None)).await?;
            changed(core, &code, json)?;
        }
        LimitCommand::Clear { code, limits, whose, json } => {
            let place = Place::find(core, &code, &whose)?;
            let kinds = if limits.is_empty() { Kind::ALL.to_vec() } else { limits };
            let cleared =
                core.store.clear_limits(kinds.into_iter().map(|kind| place.row(kind, 0)).collect(), super::by(core, None)).await?;
            if cleared == 0 {
                let text = format!("nothing of that was set for {}; `anmei-mcp limit list {code}` shows what is", place.name);
                return Err(Fault::new(exit::NOT_FOUND, text).into());
            }
            changed(core, &code, json)?;
        }
    }
    Ok(exit::OK)
}

fn kind(text: &str) -> Result<Kind, String> {
    let names = Kind::ALL.map(Kind::as_str).join(", ");
    Kind::parse(text).ok_or_else(|| format!("there is no limit {text}; there are: {names}"))
}

fn assignment(text: &str) -> Result<(Kind, u32), String> {
    let (name, value) = text.split_once('=').ok_or("write LIMIT=VALUE, such as call_per_minute=600")?;
    let value: u32 = value
        .trim()
        .parse()
        .ok()
        .filter(|value| *value <= HIGHEST)
        .ok_or_else(|| format!("{value} is no value: write a whole number from 0 (no limit) to {HIGHEST}"))?;
    Ok((kind(name.trim())?, value))
}

fn no_limit_of_tools(kind: Kind) -> anyhow::Error {
    Fault::new(exit::USAGE, format!("a tool has no {}; it has call_per_minute and concurrent_calls", kind.as_str())).into()
}

/// For whom a limit is set.
struct Place {
    scope: Scope,
    group_id: String,
    key_id: Option<String>,
    tool_name: Option<String>,
    name: String,
    by: String,
    at: i64,
}

impl Place {
    fn find(core: &Core, code: &str, whose: &Whose) -> anyhow::Result<Self> {
        let group = group::find(core, code)?;
        let key = whose.key.as_deref().map(|wanted| key::open::find(core, code, wanted)).transpose()?;
        let (scope, name) = match (&key, &whose.tool) {
            (Some(key), _) => (Scope::Key, format!("the key {} of {code}", key.name)),
            (None, Some(tool)) => (Scope::Tool, format!("the tool {tool} of {code}")),
            (None, None) => (Scope::Group, format!("the keys of {code}")),
        };
        if let Some(tool) = &whose.tool {
            has_tool(&group, tool)?;
        }
        let (at, by) = (core.clock.now_ms(), super::by(core, None).actor);
        Ok(Self { scope, group_id: group.group.id.clone(), key_id: key.map(|key| key.id), tool_name: whose.tool.clone(), name, by, at })
    }

    fn takes(&self, kind: Kind) -> bool {
        self.scope != Scope::Tool || kind.fits_tool()
    }

    fn row(&self, kind: Kind, value: u32) -> LimitRow {
        LimitRow {
            scope: self.scope,
            group_id: self.group_id.clone(),
            key_id: self.key_id.clone(),
            tool_name: self.tool_name.clone(),
            kind,
            value,
            updated_by: self.by.clone(),
            updated_at: self.at,
        }
    }
}

fn has_tool(group: &GroupPolicy, tool: &str) -> anyhow::Result<()> {
    if group.tools.iter().any(|policy| policy.tool_name == tool) {
        return Ok(());
    }
    let names: Vec<_> = group.tools.iter().map(|policy| policy.tool_name.as_str()).collect();
    let text = format!("{} has no tool {tool}; it has: {}", group.group.server_code, names.join(", "));
    Err(Fault::new(exit::NOT_FOUND, text).into())
}

fn changed(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    list(core, Some(code), as_json)?;
    if as_json { Ok(()) } else { output::say("in force for the next request in every process") }
}

/// One line of the list.
struct Line {
    group: String,
    whose: String,
    kind: Kind,
    value: u32,
    from: &'static str,
    used: Option<u32>,
}

impl Line {
    fn facts(&self) -> Value {
        json!({
            "group": self.group, "whose": self.whose, "limit": self.kind.as_str(), "value": self.value, "window": self.kind.window(),
            "from": self.from, "used_today": self.used,
        })
    }

    fn row(self) -> Vec<String> {
        let value = if self.value == 0 { "none".into() } else { self.value.to_string() };
        let used = self.used.map_or_else(|| "-".into(), |used| used.to_string());
        vec![self.group, self.whose, self.kind.as_str().into(), value, self.kind.window().into(), self.from.into(), used]
    }
}

fn list(core: &Core, code: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let lines = lines(core, code)?;
    if as_json {
        return output::json(&lines.iter().map(Line::facts).collect::<Vec<_>>());
    }
    output::table(&["GROUP", "WHOSE", "LIMIT", "VALUE", "IN", "FROM", "TODAY"], lines.into_iter().map(Line::row))
}

fn lines(core: &Core, code: Option<&str>) -> anyhow::Result<Vec<Line>> {
    let policy = core.gate.policy().current()?;
    let groups = match code {
        Some(code) => vec![group::find(core, code)?],
        None => policy.groups().to_vec(),
    };
    let mut lines = Vec::new();
    let days = core.store.day_counts()?;
    for group in groups {
        let of_key = |key: Option<&Key>| group.limits.rules(key.map(|key| key.id.as_str()));
        lines.extend(key_lines(&group, "each key", &of_key(None), None));
        for key in key::open::all_in_force(core, &group.group.id)? {
            let rules = of_key(Some(&key));
            let today = rules.day_at(core.clock.now_ms());
            let used = days.iter().find(|count| *count.principal == *key.id && count.day == today).map_or(0, |count| count.calls);
            let whose = format!("key {} …{}", key.name, key.hint);
            // What is the same for every key is said once; the calls of the day are its own.
            let own = key_lines(&group, &whose, &rules, Some(used));
            lines.extend(own.into_iter().filter(|line| line.from == "key" || line.kind == Kind::CallsPerDay));
        }
        for tool in &group.tools {
            lines.extend(tool_lines(&group, &tool.tool_name, &group.limits.tool_rules(&tool.tool_name)));
        }
    }
    Ok(lines)
}

fn key_lines(group: &GroupPolicy, whose: &str, rules: &Rules, used: Option<u32>) -> Vec<Line> {
    let line = |(kind, rule): (Kind, Rule)| Line {
        group: group.group.server_code.clone(),
        whose: whose.to_owned(),
        kind,
        value: rule.value,
        from: rule.origin.as_str(),
        used: used.filter(|_| kind == Kind::CallsPerDay),
    };
    rules.all().into_iter().map(line).collect()
}

fn tool_lines(group: &GroupPolicy, tool: &str, rules: &ToolRules) -> Vec<Line> {
    let set = [(Kind::CallPerMinute, rules.call), (Kind::ConcurrentCalls, rules.concurrent)];
    let line = |(kind, value): (Kind, u32)| Line {
        group: group.group.server_code.clone(),
        whose: format!("tool {tool}"),
        kind,
        value,
        from: "tool",
        used: None,
    };
    set.into_iter().filter(|(_, value)| *value > 0).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_typed_with_their_value() {
        assert_eq!(assignment("call_per_minute=600"), Ok((Kind::CallPerMinute, 600)));
        assert_eq!(assignment("calls_per_day = 0"), Ok((Kind::CallsPerDay, 0)));
        for (bad, said) in [
            ("call_per_minute", "LIMIT=VALUE"),
            ("call_per_minute=", "whole number"),
            ("call_per_minute=-1", "whole number"),
            ("call_per_minute=60000001", "60000000"),
            ("calls=1", "list_per_minute"),
        ] {
            assert!(assignment(bad).unwrap_err().contains(said), "{bad}");
        }
    }
}
