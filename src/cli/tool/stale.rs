//! `tool stale`: who still works from an old list.

use clap::Args;

use super::super::{fault, output};
use crate::app::Core;

#[derive(Debug, Args)]
pub(in super::super) struct StaleArgs {
    /// Only this group
    #[arg(long, value_name = "CODE")]
    group: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StaleArgs, core: &Core) -> anyhow::Result<()> {
    let callers = core.calls(None).stale_callers(args.group.as_deref()).map_err(fault)?;
    if args.json {
        return output::json(&callers);
    }
    if callers.is_empty() {
        return output::say("nobody works from an old list");
    }
    output::table(
        &["GROUP", "WHO", "CLIENT", "CALLED", "WHY", "CALLS", "LAST"],
        callers.into_iter().map(|caller| {
            vec![
                caller.server_code,
                caller.who,
                caller.client.unwrap_or_else(|| "-".into()),
                caller.called,
                caller.reason.replace('_', " "),
                caller.calls.to_string(),
                caller.last_at,
            ]
        }),
    )
}
