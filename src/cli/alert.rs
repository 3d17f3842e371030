//! `alert`: what is wrong now, and what was.

use clap::Subcommand;
use serde_json::json;

use super::{exit, output};
use crate::{app::Core, store::alerts::Alert};

/// Resolved alerts shown with --all, the latest ones.
const SHOWN: usize = 200;

#[derive(Debug, Subcommand)]
pub(super) enum AlertCommand {
    /// Alerts that are open
    List {
        /// Those that are resolved as well, the latest first
        #[arg(long)]
        all: bool,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: AlertCommand, core: &Core) -> anyhow::Result<u8> {
    let AlertCommand::List { all, json: as_json } = command;
    let alerts = if all { core.store.latest_alerts(SHOWN).await? } else { core.store.open_alerts()? };
    if as_json {
        output::json(&json!(alerts))?;
    } else if alerts.is_empty() {
        output::say("没有告警 / no alerts")?;
    } else {
        output::table(&["SINCE", "RESOLVED", "SEVERITY", "CONDITION", "WHAT"], alerts.into_iter().map(row))?;
    }
    Ok(exit::OK)
}

fn row(alert: Alert) -> Vec<String> {
    let (opened, resolved) = (output::moment(Some(alert.opened_at)), output::moment(alert.resolved_at));
    vec![opened, resolved, alert.severity, alert.condition, alert.summary]
}
