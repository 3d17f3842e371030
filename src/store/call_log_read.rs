//! The call log, read back: newest first, by any filter, however long it is.
//!
//! A page never reads more rows than it is allowed to, nor for longer. What an index serves (a run, an app, a tool, what
//! failed, a group) is found along that index; any other filter walks along the log itself and says how far it came.
//! Rows are tried in Rust and not by the engine, so that what was read can be counted and the walk can be ended.
//!
//! The log is in the order in which calls ended, and a call takes minutes at most ([`LONGEST_CALL_MS`]): so a time has a
//! place in it, which is found by halving. After a clock was set back, ranges that end in the hour that came twice may
//! miss calls of it on that walk; no index would be wrong, but each would cost every call something.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rusqlite::{Connection, Row, named_params, params};

use self::filter::Way;
pub use self::{
    filter::CallFilter,
    names::{CallNames, KnownKey},
};
use super::{Store, StoreError, rows};

mod filter;
mod names;

/// By how much the order of ends may differ from the order of arrivals: timeouts are 300 s at most, and rows wait for a
/// second.
const LONGEST_CALL_MS: i64 = 15 * 60_000;
/// After so many rows the clock is looked at.
const LOOK_EVERY: u32 = 128;

/// A place in the log, from which a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the call there arrived.
    pub at: i64,
    /// Its number in the log.
    pub id: i64,
}

/// How far one page may go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Calls on the page.
    pub rows: usize,
    /// Rows that may be read for it.
    pub read: u32,
    /// How long that may take.
    pub time: Duration,
    /// Whether arguments and results are wanted too.
    pub bodies: bool,
}

/// A call, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCall {
    /// Its number in the log.
    pub id: i64,
    /// UUID v7 of the call.
    pub call_id: String,
    /// Tool asked for.
    pub tool_name: String,
    /// Group asked for.
    pub group_id: Option<String>,
    /// Key used.
    pub key_id: Option<String>,
    /// Id the caller gives itself.
    pub app_id: Option<String>,
    /// Run whose subject it was about.
    pub registration_id: Option<String>,
    /// Name and version of the client.
    pub client_name: Option<String>,
    /// `http`, `stdio` or `cli`.
    pub channel: String,
    /// Protocol revision spoken.
    pub protocol: String,
    /// Whether the tool answered with a result.
    pub success: bool,
    /// How it ended.
    pub outcome: String,
    /// Why not, as the caller was told.
    pub error_message: Option<String>,
    /// Time in dispatch, in milliseconds.
    pub duration_ms: i64,
    /// When it arrived, in milliseconds.
    pub created_at: i64,
    /// Arguments as the log holds them, where bodies are wanted.
    pub request_data: Option<String>,
    /// Result as the log holds it, where bodies are wanted.
    pub response_data: Option<String>,
}

/// One page of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallPage {
    /// The calls, newest first.
    pub calls: Vec<LoggedCall>,
    /// Rows that were read for them.
    pub read: u32,
    /// Where the next page begins; none at the end.
    pub next: Option<Place>,
    /// Whether it ends here because enough was read, and not because it is full.
    pub ended_early: bool,
}

/// What came since the last time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latest {
    /// The calls that fit, in the order they ended.
    pub calls: Vec<LoggedCall>,
    /// The number of the last call that was looked at.
    pub seen: i64,
    /// Calls that were not looked at or not taken, because more came than one look takes.
    pub left_out: i64,
}

impl Store {
    /// Calls that fit, newest first, from a place on.
    pub async fn calls_page(&self, filter: CallFilter, from: Option<Place>, bounds: Bounds) -> Result<CallPage, StoreError> {
        self.scan(move |db| match Way::of(&filter) {
            Way::Log => along_the_log(db, &filter, from, bounds),
            way => along_an_index(db, way, &filter, (from, bounds)),
        })
        .await
    }

    /// One call with what the log holds of its arguments and result.
    pub fn logged_call(&self, call_id: &str) -> Result<Option<LoggedCall>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, {BODIES} FROM mcp_call_logs WHERE call_id = ?1");
        self.point(|db| rows::one(db, &sql, [call_id], |row| logged(row, true)))
    }

    /// The number of the newest call; 0 in an empty log.
    pub fn newest_call(&self) -> Result<i64, StoreError> {
        self.point(newest)
    }

    /// What came after the call with the number `after`.
    pub async fn calls_after(&self, filter: CallFilter, after: i64, bounds: Bounds) -> Result<Latest, StoreError> {
        self.scan(move |db| latest(db, &filter, after, bounds)).await
    }
}

mod column {
    pub(super) const TOOL: usize = 2;
    pub(super) const GROUP: usize = 3;
    pub(super) const KEY: usize = 4;
    pub(super) const APP: usize = 5;
    pub(super) const RUN: usize = 6;
    pub(super) const CLIENT: usize = 7;
    pub(super) const CHANNEL: usize = 8;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const SUCCESS: usize = 10;
    pub(super) const OUTCOME: usize = 11;
    pub(super) const ERROR: usize = 12;
    pub(super) const DURATION: usize = 13;
    pub(super) const AT: usize = 14;
}

/// What a row is tried by comes first, in the order of [`logged`].
const COLUMNS: &str = "id, call_id, tool_name, group_id, key_id, caller_app_id, registration_id, client_name, channel, protocol,
    success, outcome, error_message, duration_ms, created_at";
const BODIES: &str = "request_data, response_data";
const NO_BODIES: &str = "NULL, NULL";

fn along_an_index(db: &Connection, way: Way, filter: &CallFilter, (from, bounds): (Option<Place>, Bounds)) -> rusqlite::Result<CallPage> {
    let newest = Place { at: filter.until.map_or(i64::MAX, |until| until.saturating_sub(1)), id: i64::MAX };
    let from = from.filter(|from| from.at <= newest.at).unwrap_or(newest);
    let sql = way.sql(filter.wanted_success(), if bounds.bodies { BODIES } else { NO_BODIES });
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query(named_params! {
        ":value": way.value(filter), ":since": filter.since.unwrap_or(i64::MIN), ":at": from.at, ":id": from.id, ":read": bounds.read,
    })?;
    walk(found, filter, bounds)
}

fn along_the_log(db: &Connection, filter: &CallFilter, from: Option<Place>, bounds: Bounds) -> rusqlite::Result<CallPage> {
    let lowest = match filter.since {
        None => i64::MIN,
        Some(since) => first_since(db, since.saturating_sub(LONGEST_CALL_MS))?,
    };
    let above = match filter.until {
        None => i64::MAX,
        Some(until) => first_since(db, until.saturating_add(LONGEST_CALL_MS))?,
    };
    let above = from.map_or(above, |from| from.id.min(above));
    let bodies = if bounds.bodies { BODIES } else { NO_BODIES };
    let sql = format!("SELECT {COLUMNS}, {bodies} FROM mcp_call_logs WHERE id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?3");
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query(params![above, lowest, bounds.read])?;
    walk(found, filter, bounds)
}

/// Takes what fits, until the page is full and one more is known, or enough was read.
fn walk(mut found: rusqlite::Rows<'_>, filter: &CallFilter, bounds: Bounds) -> rusqlite::Result<CallPage> {
    let began = Instant::now();
    let mut page = CallPage::default();
    while let Some(row) = found.next()? {
        page.read += 1;
        let here = Place { id: row.get(0)?, at: row.get(column::AT)? };
        if filter.fits(row)? {
            if page.calls.len() == bounds.rows {
                page.next = page.calls.last().map(|call| Place { id: call.id, at: call.created_at });
                return Ok(page);
            }
            page.calls.push(logged(row, bounds.bodies)?);
        }
        let too_long = page.read.is_multiple_of(LOOK_EVERY) && began.elapsed() >= bounds.time;
        if page.read >= bounds.read || too_long {
            (page.next, page.ended_early) = (Some(here), true);
            return Ok(page);
        }
    }
    Ok(page)
}

/// The lowest number whose call arrived at `at` or later, as far as numbers rise with time.
fn first_since(db: &Connection, at: i64) -> rusqlite::Result<i64> {
    let mut probe = db.prepare_cached("SELECT id, created_at FROM mcp_call_logs WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    let oldest = rows::one(db, "SELECT id FROM mcp_call_logs ORDER BY id LIMIT 1", [], |row| row.get::<_, i64>(0))?;
    let (mut low, mut high) = (oldest.unwrap_or_default(), newest(db)?.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let found = probe.query([middle])?.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        match found.transpose()? {
            Some((id, arrived)) if arrived < at => low = id + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

fn newest(db: &Connection) -> rusqlite::Result<i64> {
    let newest = rows::one(db, "SELECT id FROM mcp_call_logs ORDER BY id DESC LIMIT 1", [], |row| row.get(0))?;
    Ok(newest.unwrap_or_default())
}

fn latest(db: &Connection, filter: &CallFilter, after: i64, bounds: Bounds) -> rusqlite::Result<Latest> {
    let newest = newest(db)?;
    let from = after.max(newest.saturating_sub(bounds.read.into()));
    let sql = format!("SELECT {COLUMNS}, {NO_BODIES} FROM mcp_call_logs WHERE id > ?1 AND id <= ?2 ORDER BY id");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query([from, newest])?;
    let mut calls = VecDeque::new();
    let mut left_out = (from - after).max(0);
    while let Some(row) = found.next()? {
        if filter.fits(row)? {
            calls.push_back(logged(row, false)?);
            if calls.len() > bounds.rows {
                calls.pop_front();
                left_out += 1;
            }
        }
    }
    Ok(Latest { calls: calls.into(), seen: newest, left_out })
}

fn logged(row: &Row<'_>, bodies: bool) -> rusqlite::Result<LoggedCall> {
    Ok(LoggedCall {
        id: row.get(0)?,
        call_id: row.get(1)?,
        tool_name: row.get(column::TOOL)?,
        group_id: row.get(column::GROUP)?,
        key_id: row.get(column::KEY)?,
        app_id: row.get(column::APP)?,
        registration_id: row.get(column::RUN)?,
        client_name: row.get(column::CLIENT)?,
        channel: row.get(column::CHANNEL)?,
        protocol: row.get(column::PROTOCOL)?,
        success: row.get(column::SUCCESS)?,
        outcome: row.get(column::OUTCOME)?,
        error_message: row.get(column::ERROR)?,
        duration_ms: row.get(column::DURATION)?,
        created_at: row.get(column::AT)?,
        request_data: if bodies { row.get(15)? } else { None },
        response_data: if bodies { row.get(16)? } else { None },
    })
}

#[cfg(test)]
#[path = "call_log_read_tests.rs"]
mod tests;
