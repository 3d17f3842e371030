//! `job verify`: every rule held against the rows, and what breaks it by name.

use clap::Args;
use serde_json::json;

use crate::{
    admin::calls::verify::{Moment, measures},
    app::DataDir,
    cli::{Fault, exit, output},
    config::Config,
    store::verify::{self, Backlog, Check},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// Nothing may be left to do either: for after a drill, when all work has ended
    #[arg(long)]
    drained: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Reads the database alone, and changes nothing.
pub(in crate::cli) fn verify(args: &VerifyArgs, config: &Config, now: i64) -> anyhow::Result<u8> {
    let missing = || {
        Fault::new(exit::NOT_FOUND, format!("there is no database in {}; name its directory with --data-dir", config.data_dir.display()))
    };
    if !config.data_dir.is_dir() {
        // Opening a directory makes it; this verb makes nothing.
        return Err(missing().into());
    }
    let dir = DataDir::open(&config.data_dir)?;
    let path = dir.database();
    if !path.exists() {
        return Err(missing().into());
    }
    let moment = Moment { now, drained: args.drained, daemon_runs: dir.is_served() };
    let checks = verify::verify(&path, &measures(&path, config, moment)?)?;
    // Work that is due now or in a second; what is planned for later is no backlog.
    let backlog = verify::backlog(&path, now + 1_000)?;
    let broken: usize = checks.iter().map(|check| check.broken).sum();
    if args.json {
        output::json(&json!({"ok": broken == 0, "findings": broken, "backlog": backlog, "checks": checks}))?;
    } else {
        show(&checks, backlog)?;
    }
    Ok(if broken == 0 { exit::OK } else { exit::FAILURE })
}

fn show(checks: &[Check], backlog: Backlog) -> anyhow::Result<()> {
    output::table(
        &["CHECK", "ROWS", "FINDINGS", "WHAT HOLDS"],
        checks
            .iter()
            .map(|check| vec![check.name.to_owned(), check.looked_at.to_string(), check.broken.to_string(), check.holds.to_owned()]),
    )?;
    output::say(format_args!("\n{} registrations under way, {} jobs due", backlog.runs, backlog.jobs))?;
    for check in checks {
        for finding in &check.findings {
            output::say(format_args!("{}: {finding}", check.name))?;
        }
        if check.broken > check.findings.len() {
            output::say(format_args!("{}: and {} more", check.name, check.broken - check.findings.len()))?;
        }
    }
    Ok(())
}
