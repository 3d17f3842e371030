//! Registrations, carried step by step once they are accepted (see `intake`).
//!
//! Every step writes its effect and the record of itself together, and is a no-op when it was done before. That, and
//! the UNIQUE columns behind it, is why a crash at any point leads to one conversation and one welcome (invariant I1).

use std::sync::LazyLock;

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::Value;

pub use super::intake::{Accepted, NewRegistration, Profile};
use super::{
    Store, StoreError,
    figures::steps::{self, Try},
    rows,
};

/// A run as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// UUID v7.
    pub id: String,
    /// What the app sent.
    pub profile: Profile,
    /// How far it came.
    pub state: String,
    /// When it was accepted.
    pub accepted_at: i64,
    /// When the welcome must be there.
    pub deadline_at: i64,
    /// The conversation opened for it.
    pub conversation_id: Option<String>,
    /// The welcome, once composed.
    pub welcome_text: Option<String>,
    /// Which rung wrote it.
    pub welcome_rung: Option<String>,
    /// Why that rung.
    pub welcome_reason: Option<String>,
    /// The stored message.
    pub welcome_message_id: Option<String>,
    /// When it was stored.
    pub welcome_at: Option<i64>,
    /// What became of an answer after the deadline.
    pub late_outcome: Option<String>,
    /// Why nothing was done.
    pub skip_reason: Option<String>,
    /// What kind of new customer it is.
    pub segment: Option<String>,
    /// The agent chosen first: the variant of this run.
    pub agent_id: Option<String>,
    /// The consultant the customer was offered to first.
    pub assigned_to: Option<String>,
    /// When the last step was done.
    pub finished_at: Option<i64>,
    /// The trace that the run is part of.
    pub traceparent: Option<String>,
}

/// One try of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// Name of the step.
    pub step: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// `done` or `failed`.
    pub state: String,
    /// When the try began.
    pub started_at: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// The same beginning on the clock that never jumps: of a record that is being written, it decides the duration.
    #[serde(skip)]
    pub began: Option<std::time::Instant>,
    /// What it made.
    pub detail: Value,
    /// Why it failed.
    pub error: Option<String>,
}

impl Store {
    /// One run.
    pub fn registration(&self, id: &str) -> Result<Option<Registration>, StoreError> {
        self.point(|db| rows::one(db, &BY_ID, [id], registration))
    }

    /// The trace that a run is part of.
    pub fn traceparent_of(&self, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT traceparent FROM registrations WHERE id = ?1";
        self.point(|db| rows::one(db, sql, [id], |row| row.get::<_, Option<String>>(0)).map(Option::flatten))
    }

    /// Its steps, in the order they ended.
    pub fn registration_steps(&self, id: &str) -> Result<Vec<StepRecord>, StoreError> {
        self.point(|db| rows::all(db, STEPS, [id], step))
    }

    /// How many runs are in each state.
    pub async fn count_registrations(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.scan(|db| {
            rows::all(db, "SELECT state, count(*) FROM registrations GROUP BY state ORDER BY state", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .await
    }
}

const COLUMNS: &str = "SELECT id, profile, state, accepted_at, deadline_at, conversation_id, welcome_text, welcome_rung, welcome_reason,
    welcome_message_id, welcome_at, late_outcome, skip_reason, segment, agent_id, assigned_to, finished_at,
    traceparent FROM registrations";
pub(super) static BY_ID: LazyLock<String> = LazyLock::new(|| format!("{COLUMNS} WHERE id = ?1"));
pub(super) static BY_CONVERSATION: LazyLock<String> =
    LazyLock::new(|| format!("{COLUMNS} WHERE id = (SELECT registration_id FROM conversations WHERE id = ?1)"));
pub(super) const STEPS: &str = "SELECT step, attempt, state, started_at, duration_ms, detail, error FROM registration_steps
    WHERE registration_id = ?1 ORDER BY started_at + duration_ms, started_at, step, attempt";

pub(super) fn registration(row: &Row<'_>) -> rusqlite::Result<Registration> {
    Ok(Registration {
        id: row.get(0)?,
        profile: rows::json(row, 1)?,
        state: row.get(2)?,
        accepted_at: row.get(3)?,
        deadline_at: row.get(4)?,
        conversation_id: row.get(5)?,
        welcome_text: row.get(6)?,
        welcome_rung: row.get(7)?,
        welcome_reason: row.get(8)?,
        welcome_message_id: row.get(9)?,
        welcome_at: row.get(10)?,
        late_outcome: row.get(11)?,
        skip_reason: row.get(12)?,
        segment: row.get(13)?,
        agent_id: row.get(14)?,
        assigned_to: row.get(15)?,
        finished_at: row.get(16)?,
        traceparent: row.get(17)?,
    })
}

pub(super) fn step(row: &Row<'_>) -> rusqlite::Result<StepRecord> {
    Ok(StepRecord {
        step: row.get(0)?,
        attempt: row.get(1)?,
        state: row.get(2)?,
        started_at: row.get(3)?,
        duration_ms: row.get(4)?,
        began: None,
        detail: rows::json(row, 5)?,
        error: row.get(6)?,
    })
}

/// Records a try. A crash between two tries can make the same attempt run again: the later record stands.
pub(super) fn insert_step(db: &Connection, registration_id: &str, record: &StepRecord) -> Result<(), StoreError> {
    let duration_ms = record.began.map_or(record.duration_ms, |began| i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX));
    let key = params![registration_id, record.step, record.attempt];
    let replaced: Option<(String, i64, i64)> = rows::one(db, RECORDED, key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let counted = |state, at, duration_ms| Try { step: &record.step, attempt: record.attempt, state, at, duration_ms };
    if let Some((state, at, duration_ms)) = &replaced {
        steps::take_off(db, &counted(state, *at, *duration_ms))?;
    }
    db.prepare_cached(RECORD)?.execute(params![
        registration_id,
        record.step,
        record.attempt,
        record.state,
        record.started_at,
        duration_ms,
        record.detail.to_string(),
        record.error
    ])?;
    steps::count(db, &counted(&record.state, record.started_at, duration_ms))
}

const RECORDED: &str =
    "SELECT state, started_at, duration_ms FROM registration_steps WHERE registration_id = ?1 AND step = ?2 AND attempt = ?3";
const RECORD: &str = "INSERT INTO registration_steps (registration_id, step, attempt, state, started_at, duration_ms, detail, error)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (registration_id, step, attempt) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,
        duration_ms = excluded.duration_ms, detail = excluded.detail, error = excluded.error";
