//! `limit`: what each key and tool may be asked; in force for the next request in every process.

use clap::{Args, Subcommand};

use super::{Fault, exit, fault, output};
use crate::{
    admin::calls::{
        Calls,
        limits::{HIGHEST, LimitView, Whose},
    },
    app::Core,
    store::limits::Kind,
};

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
        whose: WhoseArgs,
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
        whose: WhoseArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct WhoseArgs {
    /// Only this key, by its name or its last four characters
    #[arg(long, value_name = "KEY", conflicts_with = "tool")]
    key: Option<String>,
    /// This tool, for everybody together
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
}

pub(super) async fn run(command: LimitCommand, core: &Core) -> anyhow::Result<u8> {
    let calls = core.calls(None);
    match command {
        LimitCommand::List { code, json } => list(&calls, code.as_deref(), json)?,
        LimitCommand::Set { code, limits, whose, json } => {
            let whose = whose.found(&calls, &code)?;
            calls.set_limits(&code, &whose, &limits, &super::by(core, None)).await.map_err(fault)?;
            changed(&calls, &code, json)?;
        }
        LimitCommand::Clear { code, limits, whose, json } => {
            let found = whose.found(&calls, &code)?;
            let cleared = calls.clear_limits(&code, &found, &limits, &super::by(core, None)).await.map_err(fault)?;
            if cleared == 0 {
                let name = whose.name(&calls, &code, &found)?;
                let text = format!("nothing of that was set for {name}; `anmei-mcp limit list {code}` shows what is");
                return Err(Fault::new(exit::NOT_FOUND, text).into());
            }
            changed(&calls, &code, json)?;
        }
    }
    Ok(exit::OK)
}

impl WhoseArgs {
    fn found(&self, calls: &Calls, code: &str) -> anyhow::Result<Whose> {
        let key = self.key.as_deref().map(|wanted| calls.key_in_force(code, wanted)).transpose().map_err(fault)?;
        Ok(Whose { key_id: key.map(|key| key.id), tool: self.tool.clone() })
    }

    /// For whom, in words.
    fn name(&self, calls: &Calls, code: &str, found: &Whose) -> anyhow::Result<String> {
        Ok(match (&found.key_id, &self.tool) {
            (Some(id), _) => format!("the key {} of {code}", calls.key(code, id).map_err(fault)?.name),
            (None, Some(tool)) => format!("the tool {tool} of {code}"),
            (None, None) => format!("the keys of {code}"),
        })
    }
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

fn changed(calls: &Calls, code: &str, as_json: bool) -> anyhow::Result<()> {
    list(calls, Some(code), as_json)?;
    if as_json { Ok(()) } else { output::say("in force for the next request in every process") }
}

fn list(calls: &Calls, code: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let lines = calls.limits(code).map_err(fault)?;
    if as_json {
        return output::json(&lines);
    }
    output::table(&["GROUP", "WHOSE", "LIMIT", "VALUE", "IN", "FROM", "TODAY"], lines.into_iter().map(row))
}

fn row(line: LimitView) -> Vec<String> {
    let value = if line.value == 0 { "none".into() } else { line.value.to_string() };
    let used = line.used_today.map_or_else(|| "-".into(), |used| used.to_string());
    vec![line.group, line.whose, line.limit, value, line.window, line.from, used]
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
