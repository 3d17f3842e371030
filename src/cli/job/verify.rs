//! `job verify`: every rule held against the rows, and what breaks it by name.

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    app::DataDir,
    cli::{Fault, exit, output},
    config::{Config, HumanDuration},
    settings::Settings,
    store::verify::{self, Backlog, Check, Measures},
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
    let checks = verify::verify(&path, &measures(&dir, config, Moment { now, drained: args.drained })?)?;
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

/// When, and after what.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Moment {
    /// The time.
    pub(in crate::cli) now: i64,
    /// Whether nothing should be left to do.
    pub(in crate::cli) drained: bool,
}

/// What the rules are measured by: the settings as they are stored, and whether a daemon works on the directory.
pub(in crate::cli) fn measures(dir: &DataDir, config: &Config, moment: Moment) -> anyhow::Result<Measures> {
    let stored = verify::settings(&dir.database())?;
    let standard = Settings::default();
    let ms = |waits: Vec<HumanDuration>| waits.into_iter().map(HumanDuration::as_ms).collect();
    Ok(Measures {
        now: moment.now,
        daemon_runs: dir.is_served(),
        drained: moment.drained,
        events: config.outbound.webhook_url.is_some(),
        run_waits: ms(setting(&stored, "retry.delays", standard.retry.delays)),
        event_waits: ms(setting(&stored, "events.delays", standard.events.delays)),
        deliveries_kept: setting(&stored, "retention.deliveries", standard.retention.deliveries).as_ms(),
    })
}

fn setting<T: DeserializeOwned>(stored: &[(String, Value)], name: &str, standard: T) -> T {
    let value = stored.iter().find(|(stored, _)| stored == name).map(|(_, value)| value.clone());
    value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or(standard)
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
