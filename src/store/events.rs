//! Events for other systems: stored with what they tell of, in one transaction, and sent by a job of their own.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::{
    StoreError,
    jobs::{self, NewJob, Priority},
};

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
