//! What the database says of a scenario.
//!
//! A step's row is stamped when the step begins. What counts here is the end of the step as it is on record, which is
//! taken within the transaction that makes the row.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anmei_mcp::{registration::RUN_JOB, store::events::EVENT_JOB};
use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, Row};
use serde::Serialize;

use crate::consultants::{Arrivals, CONSULTANTS};

/// A welcome is due so long after acceptance.
pub(crate) const DEADLINE_MS: f64 = 3_000.0;

/// The figures of one scenario.
#[derive(Serialize)]
pub(crate) struct Rows {
    /// Registrations that ended with exactly one conversation, one welcome, and a notice for each consultant.
    pub(crate) whole: u64,
    pub(crate) welcome_by_deadline_pct: f64,
    pub(crate) welcome_p50_ms: f64,
    pub(crate) welcome_p99_ms: f64,
    pub(crate) conversation_p50_ms: f64,
    pub(crate) conversation_p99_ms: f64,
    /// Until the notice had arrived at every consultant.
    pub(crate) notice_p50_ms: f64,
    pub(crate) notice_p99_ms: f64,
    /// Until the notices of all consultants were stored.
    pub(crate) notice_stored_p99_ms: f64,
    /// An agent wrote the welcome, or the message that followed it.
    pub(crate) agent_success_pct: f64,
    /// An agent wrote the welcome itself.
    pub(crate) agent_in_time_pct: f64,
    pub(crate) rungs: BTreeMap<String, i64>,
    /// Questions to agents, by how they ended.
    pub(crate) agent_calls: BTreeMap<String, i64>,
    pub(crate) events_made: u64,
    pub(crate) events_undelivered: u64,
    pub(crate) event_p99_ms: f64,
}

const RUNS: &str = "
    SELECT (SELECT count(*) FROM conversations WHERE registration_id = r.id),
           (SELECT count(*) FROM messages WHERE registration_id = r.id),
           (SELECT count(*) FROM notifications WHERE registration_id = r.id AND kind = 'new_customer' AND level = 0),
           r.state IN ('done', 'done_with_fallback'),
           coalesce(r.welcome_rung, 'none'),
           coalesce(r.late_outcome IN ('appended', 'replaced'), 0),
           max(r.welcome_at, (SELECT max(started_at + duration_ms) FROM registration_steps
                               WHERE registration_id = r.id AND step = 'deliver_welcome' AND state = 'done')) - r.accepted_at,
           (SELECT max(started_at + duration_ms) FROM registration_steps
             WHERE registration_id = r.id AND step = 'open_conversation' AND state = 'done') - r.accepted_at,
           (SELECT max(started_at + duration_ms) FROM registration_steps
             WHERE registration_id = r.id AND step = 'notify_consultants' AND state = 'done') - r.accepted_at,
           r.id, r.accepted_at
      FROM registrations r WHERE r.accepted_at >= ?1";
const AGENT_CALLS: &str = "SELECT state || coalesce(': ' || error_kind, ''), count(*) FROM agent_calls
     WHERE registration_id IN (SELECT id FROM registrations WHERE accepted_at >= ?1) GROUP BY 1";
const EVENTS: &str = "SELECT delivered_at - created_at FROM outgoing_events
     WHERE registration_id IN (SELECT id FROM registrations WHERE accepted_at >= ?1)";

/// One registration.
struct Run {
    conversations: i64,
    welcomes: i64,
    notices: i64,
    ended: bool,
    rung: String,
    followed: bool,
    /// Milliseconds from acceptance.
    welcome: Option<f64>,
    conversation: Option<f64>,
    notice_stored: Option<f64>,
    /// At every consultant.
    notice: Option<f64>,
}

impl Run {
    fn of(row: &Row<'_>, arrivals: &Arrivals) -> rusqlite::Result<Self> {
        let (id, accepted_at): (String, i64) = (row.get(9)?, row.get(10)?);
        let at_all = arrivals.get(&id).filter(|at| at.len() as i64 == CONSULTANTS);
        Ok(Self {
            conversations: row.get(0)?,
            welcomes: row.get(1)?,
            notices: row.get(2)?,
            ended: row.get(3)?,
            rung: row.get(4)?,
            followed: row.get(5)?,
            welcome: row.get(6)?,
            conversation: row.get(7)?,
            notice_stored: row.get(8)?,
            notice: at_all.and_then(|at| at.values().max()).map(|last| (last - accepted_at) as f64),
        })
    }

    fn is_whole(&self) -> bool {
        self.ended && self.conversations == 1 && self.welcomes == 1 && self.notices == CONSULTANTS
    }

    fn by_agent(&self) -> bool {
        matches!(self.rung.as_str(), "agent" | "fallback_agent")
    }
}

/// Reads what registrations accepted since then became; the daemon must not run.
pub(crate) fn read(database: &Path, since: i64, arrivals: &Arrivals) -> Result<Rows> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let runs = all(&db, RUNS, since, |row| Run::of(row, arrivals))?;
    let events = all(&db, EVENTS, since, |row| row.get::<_, Option<f64>>(0))?;
    let agent_calls = all(&db, AGENT_CALLS, since, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let share = |wanted: &dyn Fn(&Run) -> bool| runs.iter().filter(|run| wanted(run)).count() as f64 * 100.0 / runs.len().max(1) as f64;
    let time = |of: fn(&Run) -> Option<f64>, part: f64| quantile(runs.iter().map(of), part);
    let mut rungs = BTreeMap::new();
    for run in &runs {
        *rungs.entry(run.rung.clone()).or_default() += 1;
    }
    Ok(Rows {
        whole: runs.iter().filter(|run| run.is_whole()).count() as u64,
        welcome_by_deadline_pct: share(&|run| run.welcome.is_some_and(|ms| ms <= DEADLINE_MS)),
        welcome_p50_ms: time(|run| run.welcome, 0.5),
        welcome_p99_ms: time(|run| run.welcome, 0.99),
        conversation_p50_ms: time(|run| run.conversation, 0.5),
        conversation_p99_ms: time(|run| run.conversation, 0.99),
        notice_p50_ms: time(|run| run.notice, 0.5),
        notice_p99_ms: time(|run| run.notice, 0.99),
        notice_stored_p99_ms: time(|run| run.notice_stored, 0.99),
        agent_success_pct: share(&|run| run.by_agent() || run.followed),
        agent_in_time_pct: share(&Run::by_agent),
        rungs,
        agent_calls: agent_calls.into_iter().collect(),
        events_made: events.len() as u64,
        events_undelivered: events.iter().filter(|delivered| delivered.is_none()).count() as u64,
        event_p99_ms: quantile(events.iter().copied(), 0.99),
    })
}

/// Jobs that are not done: registrations, and events of them. The daemon may run.
pub(crate) fn left_to_do(database: &Path) -> Result<i64> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(Duration::from_secs(5))?;
    let sql = "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running') AND kind IN (?1, ?2)";
    db.query_row(sql, [RUN_JOB, EVENT_JOB], |row| row.get(0)).context("counting the jobs that are left")
}

fn all<T>(db: &Connection, sql: &str, since: i64, of: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([since], of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The time that `share` of all did not exceed; what never came is later than everything.
fn quantile(times: impl Iterator<Item = Option<f64>>, share: f64) -> f64 {
    let mut times: Vec<f64> = times.map(|time| time.unwrap_or(f64::MAX)).collect();
    times.sort_by(f64::total_cmp);
    let rank = ((times.len() as f64) * share).ceil().max(1.0) as usize;
    times.get(rank - 1).copied().unwrap_or_default()
}
