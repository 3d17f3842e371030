//! Is everything that was accepted still there, once? The proof over the rows themselves.
//!
//! Reads the file alone and read-only, so that it can be asked beside a running daemon, after a crash, or of a backup.
//! All rules see one snapshot. What a rule says holds at every moment between two commits, except for those marked
//! [`Rule::drained`]: they hold once nothing is left to do. It changes nothing, and it repairs nothing.

mod checkup;
mod rules;

use std::{collections::BTreeMap, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, ToSql};
use serde::Serialize;
use serde_json::Value;

pub use self::checkup::{Checkup, checkup};
use self::rules::{RULES, Rule};
use super::{OpenError, StoreError, rows};

/// Findings of one rule that are named; the rest is counted.
const NAMED: usize = 50;

/// What the rules are measured by.
#[derive(Debug, Clone)]
pub struct Measures {
    /// The time.
    pub now: i64,
    /// Whether a daemon works on the directory at this moment.
    pub daemon_runs: bool,
    /// Whether nothing should be left to do.
    pub drained: bool,
    /// Whether events are sent to other systems.
    pub events: bool,
    /// Waits between the tries of a run, in milliseconds.
    pub run_waits: Vec<i64>,
    /// Waits between the tries of an event, in milliseconds.
    pub event_waits: Vec<i64>,
    /// How long delivered notices and events are kept, in milliseconds.
    pub deliveries_kept: i64,
}

/// What one rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Short name.
    pub name: &'static str,
    /// What must hold.
    pub holds: &'static str,
    /// Rows it was held against.
    pub looked_at: i64,
    /// Rows that break it.
    pub broken: usize,
    /// Which they are; the first fifty.
    pub findings: Vec<String>,
}

/// What is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Runs that have not ended.
    pub runs: i64,
    /// Jobs that are being worked on, or due by a given time.
    pub jobs: i64,
}

impl Backlog {
    /// Nothing is left.
    pub fn is_empty(self) -> bool {
        self.runs == 0 && self.jobs == 0
    }
}

/// Holds every rule against the database at `path`.
pub fn verify(path: &Path, measures: &Measures) -> Result<Vec<Check>, VerifyError> {
    let db = open(path)?;
    // One snapshot for all rules: a daemon may be committing meanwhile.
    let snapshot = db.unchecked_transaction()?;
    let mut checks: Vec<Check> =
        RULES.iter().filter(|rule| applies(rule, measures)).map(|rule| hold(&snapshot, rule, measures)).collect::<Result<_, _>>()?;
    checks.push(integrity(&snapshot)?);
    checks.push(foreign_keys(&snapshot)?);
    Ok(checks)
}

/// What is left to do, counting jobs that are due by `until`.
pub fn backlog(path: &Path, until: i64) -> Result<Backlog, VerifyError> {
    let db = open(path)?;
    let sql = "SELECT (SELECT count(*) FROM registrations WHERE state = 'accepted'),
                      (SELECT count(*) FROM jobs WHERE state = 'running' OR state = 'ready' AND run_at <= ?1)";
    Ok(db.query_row(sql, [until], |row| Ok(Backlog { runs: row.get(0)?, jobs: row.get(1)? }))?)
}

/// What the rows say of effects outside, to be compared with what the other side saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// Questions to agents that were written down, by registration.
    pub questions: BTreeMap<String, i64>,
    /// Ids of the events and pushes that count as delivered.
    pub delivered: Vec<String>,
}

/// What the rows say of effects outside.
pub fn outside(path: &Path) -> Result<Outside, VerifyError> {
    let db = open(path)?;
    let questions = "SELECT registration_id, count(*) FROM agent_calls WHERE state <> 'refused' GROUP BY registration_id";
    let delivered = "SELECT id FROM outgoing_events WHERE delivered_at IS NOT NULL
        UNION ALL SELECT id FROM pushes WHERE delivered_at IS NOT NULL";
    Ok(Outside {
        questions: rows::all(&db, questions, [], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect(),
        delivered: rows::all(&db, delivered, [], |row| row.get(0))?,
    })
}

/// The stored settings, by name: what has none has its default.
pub fn settings(path: &Path) -> Result<Vec<(String, Value)>, VerifyError> {
    let db = open(path)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, rows::Json<Value>>(1)?.0));
    Ok(rows::all(&db, "SELECT name, value FROM system_settings", [], read)?)
}

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A question to it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for VerifyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

fn open(path: &Path) -> Result<Connection, VerifyError> {
    let unusable = |error: rusqlite::Error| OpenError::Unusable { path: path.to_owned(), why: error.to_string() };
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(unusable)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;")?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = super::migrate::version();
    match version {
        found if found == known => Ok(db),
        found if found > known => Err(OpenError::Newer { path: path.to_owned(), found, known }.into()),
        found => {
            let why =
                format!("its schema version is {found} and this program's is {known}: a start of `anmei-mcp serve` brings it up to date");
            Err(OpenError::Unusable { path: path.to_owned(), why }.into())
        }
    }
}

fn applies(rule: &Rule, measures: &Measures) -> bool {
    measures.drained || !rule.drained
}

fn hold(db: &Connection, rule: &Rule, measures: &Measures) -> Result<Check, VerifyError> {
    let looked_at = db.query_row(&format!("SELECT count(*) FROM {}", rule.among), [], |row| row.get(0))?;
    let mut statement = db.prepare(rule.breaches)?;
    bind(&mut statement, measures)?;
    let mut rows = statement.raw_query();
    let mut check = Check { name: rule.name, holds: rule.holds, looked_at, broken: 0, findings: Vec::new() };
    while let Some(row) = rows.next()? {
        note(&mut check, row.get(0)?);
    }
    Ok(check)
}

fn note(check: &mut Check, finding: String) {
    check.broken += 1;
    if check.findings.len() < NAMED {
        check.findings.push(finding);
    }
}

/// A rule names the measures it needs.
fn bind(statement: &mut rusqlite::Statement<'_>, measures: &Measures) -> rusqlite::Result<()> {
    let waits = |waits: &[i64]| serde_json::to_string(waits).unwrap_or_else(|_| "[]".into());
    let measures: [(&str, &dyn ToSql); 6] = [
        (":daemon_runs", &measures.daemon_runs),
        (":events", &measures.events),
        (":run_waits", &waits(&measures.run_waits)),
        (":event_waits", &waits(&measures.event_waits)),
        (":kept_since", &measures.now.saturating_sub(measures.deliveries_kept)),
        (":now", &measures.now),
    ];
    for (name, value) in measures {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    Ok(())
}

fn integrity(db: &Connection) -> Result<Check, VerifyError> {
    let mut check =
        Check { name: "integrity", holds: "the file is sound (PRAGMA integrity_check)", looked_at: 0, broken: 0, findings: Vec::new() };
    check.looked_at = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let mut statement = db.prepare("PRAGMA integrity_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            note(&mut check, said);
        }
    }
    Ok(check)
}

fn foreign_keys(db: &Connection) -> Result<Check, VerifyError> {
    let mut check = Check {
        name: "foreign_keys",
        holds: "every reference has its row (PRAGMA foreign_key_check)",
        looked_at: 0,
        broken: 0,
        findings: Vec::new(),
    };
    check.looked_at = db.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))?;
    let mut statement = db.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, row_id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        note(&mut check, format!("{table} row {} refers to nothing in {parent}", row_id.unwrap_or_default()));
    }
    Ok(check)
}

#[cfg(test)]
mod tests;
