//! Events for other systems: stored with what they tell of, in one transaction, and sent by a job of their own. What people
//! see of them, and do, is in [`admin`].

mod admin;

use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

use super::{
    Store, StoreError,
    jobs::{self, NewJob, Priority},
    rows,
};

pub use self::admin::{EventFilter, ListedEvent};

/// Name of the job that sends an event.
pub const EVENT_JOB: &str = "outgoing_event";

/// An event about to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingEvent {
    /// Its `webhook-id`.
    pub id: String,
    /// UUID v7 of the job that sends it.
    pub job_id: String,
    /// Kind of event.
    pub kind: &'static str,
    /// What it tells of: one event of a kind for each.
    pub subject_id: String,
    /// The body.
    pub payload: Value,
}

impl OutgoingEvent {
    /// The same event about `id`, which is in its data as `field`.
    #[must_use]
    pub fn about(mut self, field: &str, id: &str) -> Self {
        if let Some(data) = self.payload.get_mut("data").and_then(Value::as_object_mut) {
            data.insert(field.to_owned(), id.into());
        }
        id.clone_into(&mut self.subject_id);
        self
    }
}

/// An event to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its `webhook-id`.
    pub id: String,
    /// Kind of event.
    pub kind: String,
    /// The run.
    pub registration_id: String,
    /// The body, byte for byte as it is signed.
    pub payload: String,
    /// When it was made.
    pub created_at: i64,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was given up.
    pub given_up_at: Option<i64>,
}

/// One attempt to send an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventAttempt {
    /// 1 for the first.
    pub attempt: u32,
    /// When it was sent.
    pub attempted_at: i64,
    /// How long the receiver took.
    pub duration_ms: i64,
    /// Its HTTP status, when it answered.
    pub status: Option<u16>,
    /// What went wrong; nothing when it was delivered.
    pub error: Option<String>,
}

/// How an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It is still to be delivered.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// The last attempt had failed.
    GivenUp,
}

impl EventState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::GivenUp];

    /// The state of an event that was delivered and given up at these times.
    pub fn of(delivered_at: Option<i64>, given_up_at: Option<i64>) -> Self {
        match (delivered_at, given_up_at) {
            (Some(_), _) => Self::Delivered,
            (None, Some(_)) => Self::GivenUp,
            (None, None) => Self::Waiting,
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }
}

/// How the receiver is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// First failure after the last success.
    pub failing_since: Option<i64>,
    /// When it was taken out of use.
    pub disabled_at: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Store {
    /// An event to be sent.
    pub fn outgoing_event(&self, id: &str) -> Result<Option<StoredEvent>, StoreError> {
        self.point(|db| {
            let sql = "SELECT id, kind, registration_id, payload, created_at, delivered_at, given_up_at FROM outgoing_events WHERE id = ?1";
            rows::one(db, sql, [id], |row| {
                Ok(StoredEvent {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    registration_id: row.get(2)?,
                    payload: row.get(3)?,
                    created_at: row.get(4)?,
                    delivered_at: row.get(5)?,
                    given_up_at: row.get(6)?,
                })
            })
        })
    }

    /// How the receiver is doing.
    pub fn event_endpoint(&self) -> Result<Endpoint, StoreError> {
        self.point(endpoint)
    }

    /// The attempts to send an event, in order.
    pub fn event_attempts(&self, event_id: &str) -> Result<Vec<EventAttempt>, StoreError> {
        self.point(|db| {
            let sql = "SELECT attempt, attempted_at, duration_ms, status, error FROM event_attempts WHERE event_id = ?1 ORDER BY attempt";
            rows::all(db, sql, [event_id], |row| {
                Ok(EventAttempt {
                    attempt: row.get(0)?,
                    attempted_at: row.get(1)?,
                    duration_ms: row.get(2)?,
                    status: row.get(3)?,
                    error: row.get(4)?,
                })
            })
        })
    }

    /// Writes down an attempt and what it says of the receiver. A success makes a failing receiver a good one again.
    pub async fn note_event_attempt(&self, event_id: &str, attempt: EventAttempt) -> Result<Endpoint, StoreError> {
        let id = event_id.to_owned();
        self.write(move |db| {
            let ended_at = attempt.attempted_at + attempt.duration_ms;
            db.prepare_cached(
                "INSERT INTO event_attempts (event_id, attempt, attempted_at, duration_ms, status, error)
                 VALUES (?1, (SELECT coalesce(max(attempt), 0) + 1 FROM event_attempts WHERE event_id = ?1), ?2, ?3, ?4, ?5)",
            )?
            .execute(params![id, attempt.attempted_at, attempt.duration_ms, attempt.status, attempt.error])?;
            if attempt.error.is_none() {
                let sql = "UPDATE outgoing_events SET delivered_at = coalesce(delivered_at, ?2), given_up_at = NULL WHERE id = ?1";
                db.prepare_cached(sql)?.execute(params![id, ended_at])?;
                db.prepare_cached("UPDATE event_endpoint SET failing_since = NULL WHERE failing_since IS NOT NULL")?.execute([])?;
            } else {
                db.prepare_cached("UPDATE event_endpoint SET failing_since = ?1 WHERE failing_since IS NULL")?.execute([ended_at])?;
            }
            Ok(endpoint(db)?)
        })
        .await
    }

    /// Notes that an event was given up.
    pub async fn give_event_up(&self, event_id: &str, now: i64) -> Result<(), StoreError> {
        let id = event_id.to_owned();
        self.write(move |db| {
            db.execute("UPDATE outgoing_events SET given_up_at = ?2 WHERE id = ?1 AND delivered_at IS NULL", params![id, now])?;
            Ok(())
        })
        .await
    }
}

fn endpoint(db: &Connection) -> rusqlite::Result<Endpoint> {
    db.prepare_cached("SELECT failing_since, disabled_at, reason FROM event_endpoint")?
        .query_row([], |row| Ok(Endpoint { failing_since: row.get(0)?, disabled_at: row.get(1)?, reason: row.get(2)? }))
}

/// Adds an event with the job that sends it, in the transaction of whoever made what it tells of.
pub(super) fn add(db: &Connection, registration_id: &str, event: &OutgoingEvent, now: i64) -> Result<(), StoreError> {
    let added = db
        .prepare_cached(
            "INSERT INTO outgoing_events (id, kind, subject_id, registration_id, payload, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (kind, subject_id) DO NOTHING",
        )?
        .execute(params![event.id, event.kind, event.subject_id, registration_id, event.payload.to_string(), now])?;
    if added == 1 {
        let job =
            NewJob { id: event.job_id.clone(), kind: EVENT_JOB, subject_id: event.id.clone(), run_at: now, priority: Priority::Normal };
        jobs::enqueue(db, &job, now)?;
    }
    Ok(())
}
