//! `tool alias`: names that old clients call, until a sunset.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Args;
use serde_json::json;

use super::super::{Fault, by, exit, group, output};
use crate::{
    app::Core,
    clock::rfc3339,
    store::{audit::By, stale::ToolAlias},
};

#[derive(Debug, Args)]
pub(in super::super) struct AliasArgs {
    /// Server code of the group
    code: String,
    /// The name that old clients call; without it, the group's aliases are listed
    #[arg(requires = "change")]
    old: Option<String>,
    /// The tool of the group that answers
    #[arg(group = "change", requires = "until")]
    new: Option<String>,
    /// From when on the old name is refused, with the new name in the answer: 2027-06-30 (UTC), or a time such as 2027-06-30T18:00:00+08:00
    #[arg(long, value_name = "DATE", value_parser = moment, conflicts_with = "remove")]
    until: Option<i64>,
    /// Forgets the old name at once
    #[arg(long, group = "change")]
    remove: bool,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: AliasArgs, core: &Core) -> anyhow::Result<()> {
    let by = by(core, args.reason.as_deref());
    match (&args.old, &args.new, args.until) {
        (Some(old), Some(new), Some(until)) => set(core, &args.code, (old, new, until), by).await,
        (Some(old), ..) => remove(core, &args.code, old, by).await,
        (None, ..) => list(core, &args.code, args.json),
    }
}

async fn set(core: &Core, code: &str, (old, new, until): (&str, &str, i64), by: By) -> anyhow::Result<()> {
    let group = group::find(core, code)?;
    let offered = |name: &str| group.tools.iter().any(|tool| tool.tool_name == name && tool.enabled);
    if !is_name(old) {
        return Err(usage(format!("{old} is no tool's name: 1 to 64 of a-z, 0-9 and _, beginning with a letter")));
    }
    if offered(old) {
        return Err(usage(format!("{code} offers {old} itself; `anmei-mcp tool disable {code} {old}` first")));
    }
    if !offered(new) {
        return Err(Fault::new(
            exit::NOT_FOUND,
            format!("{code} does not offer {new}; `anmei-mcp tool list --group {code}` shows what it has"),
        )
        .into());
    }
    if until <= by.at {
        return Err(usage(format!("--until {} has passed", rfc3339(until))));
    }
    let alias = ToolAlias { group_id: group.group.id.clone(), alias: old.to_owned(), tool_name: new.to_owned(), until, created_at: by.at };
    core.store.set_alias(alias, by).await?;
    output::say(format_args!("{code} answers calls of {old} with {new} until {}; in force for the next request", rfc3339(until)))
}

async fn remove(core: &Core, code: &str, old: &str, by: By) -> anyhow::Result<()> {
    let group = group::find(core, code)?;
    core.store.remove_alias(&group.group.id, old, by).await?;
    output::say(format_args!("{code} does not know {old} any more; in force for the next request"))
}

fn list(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let group = group::find(core, code)?;
    let offers = core.dispatch.catalogue().definitions_of(&group);
    let of_product = offers.iter().flat_map(|known| {
        let definition = &known.tool.definition;
        definition.former_names.iter().map(|former| (former.name.to_owned(), definition.about.name.to_owned(), former.until_ms, "product"))
    });
    let of_group = group.aliases.iter().map(|alias| (alias.alias.clone(), alias.tool_name.clone(), alias.until, "group"));
    let rows: Vec<_> = of_group.chain(of_product).collect();
    if as_json {
        return output::json(
            &rows
                .iter()
                .map(|(old, new, until, by)| json!({"alias": old, "tool_name": new, "until": rfc3339(*until), "by": by}))
                .collect::<Vec<_>>(),
        );
    }
    let now = core.clock.now_ms();
    output::table(
        &["OLD NAME", "TOOL", "UNTIL", "IN FORCE", "BY"],
        rows.into_iter().map(|(old, new, until, by)| vec![old, new, rfc3339(until), output::yes(now < until), by.to_owned()]),
    )
}

fn usage(text: String) -> anyhow::Error {
    Fault::new(exit::USAGE, text).into()
}

fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    plain && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase())
}

/// A day begins at midnight UTC.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| "a day such as 2027-06-30, or a time such as 2027-06-30T18:00:00+08:00")?;
    Ok(time.with_timezone(&Utc).timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_a_moment_are_understood_and_nothing_else() {
        assert_eq!(moment("2027-01-01"), Ok(1_798_761_600_000));
        assert_eq!(moment("2027-01-01T08:00:00+08:00"), Ok(1_798_761_600_000));
        for bad in ["", "tomorrow", "2027-13-01", "2027-01-01T08:00"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_one_that_a_tool_could_have() {
        assert!(is_name("find_users") && is_name("a1"));
        for bad in ["", "Find", "a b", "1a", "server__tool!", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
