//! The database file: sound, at this version's schema, its log short, and not from the future.

use std::path::Path;

use super::finding::{Finding, Report};
use crate::{
    admin::calls::health,
    cli::{Fault, exit},
    clock::rfc3339,
    config::Config,
    store::verify::{Checkup, checkup},
};

/// Rows this far ahead of the clock say that one of the two is wrong.
const AHEAD_MS: i64 = 60_000;
/// No machine that runs this program lives before it was written.
const EARLIEST_MS: i64 = 1_767_225_600_000;

/// A verb that needs a database makes none.
pub(super) fn must_be_there(config: &Config) -> anyhow::Result<()> {
    let path = config.in_data_dir("anmei-mcp.sqlite3");
    if path.exists() {
        return Ok(());
    }
    let text = format!("there is no database in {}; name its directory with --data-dir", config.data_dir.display());
    Err(Fault::new(exit::NOT_FOUND, text).into())
}

/// Whether the database can be worked with.
pub(super) fn examine(report: &mut Report, path: &Path, now: i64) -> bool {
    let shown = path.display();
    if !path.exists() {
        let fix = "`anmei-mcp serve` makes it at the first start; if there was one, restore it from a backup";
        report.add(Finding::failed("database", format!("{shown} is not there"), fix));
        return false;
    }
    let found = match checkup(path) {
        Ok(found) => found,
        Err(error) => {
            report.add(Finding::failed("database", error.to_string(), "what is wrong and what to do is in the text"));
            return false;
        }
    };
    let usable = schema(report, &found) & soundness(report, &found);
    report.add(health::wal(found.wal_bytes).into());
    clock(report, &found, now);
    usable
}

fn schema(report: &mut Report, found: &Checkup) -> bool {
    let (version, known) = (found.version, found.known);
    if version == known {
        report.add(Finding::ok("migrations", format!("schema version {version}, this program's")));
        return true;
    }
    if version < known {
        let fix = "make a copy of the data directory, then start `anmei-mcp serve`: it brings the schema up to date";
        report.add(Finding::failed("migrations", format!("schema version {version}; this program's is {known}"), fix));
    } else {
        let fix = "run the newer anmei-mcp that wrote it, or restore a backup from before the upgrade";
        report.add(Finding::failed("migrations", format!("schema version {version}; this program knows up to {known}"), fix));
    }
    false
}

fn soundness(report: &mut Report, found: &Checkup) -> bool {
    let fix = "stop the daemon, keep a copy of the whole data directory, and restore the database from a backup";
    for fault in found.faults.iter().take(5) {
        report.add(Finding::failed("database", fault.clone(), fix));
    }
    if found.faults.is_empty() {
        let mib = found.bytes / (1024 * 1024);
        report.add(Finding::ok("database", format!("{mib} MiB, sound: integrity and references were checked")));
    } else if found.faults.len() > 5 {
        report.add(Finding::failed("database", format!("and {} more", found.faults.len() - 5), fix));
    }
    found.faults.is_empty()
}

fn clock(report: &mut Report, found: &Checkup, now: i64) {
    let fix = "set the machine's clock, and keep it right (timedatectl set-ntp true): signatures, tokens and quotas depend on it";
    if now < EARLIEST_MS {
        report.add(Finding::failed("clock", format!("it is {}, the machine says", rfc3339(now)), fix));
    } else if let Some(latest) = found.latest_ms.filter(|latest| *latest > now + AHEAD_MS) {
        report.add(Finding::failed(
            "clock",
            format!("the machine says {}, and the newest row is of {}", rfc3339(now), rfc3339(latest)),
            fix,
        ));
    } else {
        report.add(Finding::ok("clock", rfc3339(now)));
    }
}
