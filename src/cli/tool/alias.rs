//! `tool alias`: names that old clients call, until a sunset.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Args;
use serde_json::json;

use super::super::{by, fault, output};
use crate::{
    app::Core,
    clock::rfc3339,
    store::{audit::By, stale::Seen},
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
    core.calls(None).set_alias(code, (old, new, until), Seen::Whatever, &by).await.map_err(fault)?;
    output::say(format_args!("{code} answers calls of {old} with {new} until {}; in force for the next request", rfc3339(until)))
}

async fn remove(core: &Core, code: &str, old: &str, by: By) -> anyhow::Result<()> {
    core.calls(None).remove_alias(code, old, None, &by).await.map_err(fault)?;
    output::say(format_args!("{code} does not know {old} any more; in force for the next request"))
}

fn list(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let aliases = core.calls(None).aliases(code).map_err(fault)?;
    if as_json {
        let facts = aliases.iter().map(|one| json!({"alias": one.alias, "tool_name": one.tool_name, "until": one.until, "by": one.by}));
        return output::json(&facts.collect::<Vec<_>>());
    }
    output::table(
        &["OLD NAME", "TOOL", "UNTIL", "IN FORCE", "BY"],
        aliases.into_iter().map(|one| vec![one.alias, one.tool_name, one.until, output::yes(one.in_force), one.by]),
    )
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
}
