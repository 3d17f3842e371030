//! Pushes to people who are not connected: one row for each channel, sent by a job of its own, so that a channel that
//! fails is tried again alone.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::jobs::{self, NewJob, Priority};
use crate::ids::new_id_at;

/// Name of the job that sends a push.
pub const PUSH_JOB: &str = "push";

/// What is to be pushed over some channels.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPush {
    /// `new_customer`, `escalation`, `alert` or `resolved`.
    pub reason: &'static str,
    /// The registration or the alert.
    pub subject_id: String,
    /// Escalation level.
    pub level: i64,
    /// Title, body, link, data, severity.
    pub payload: Value,
    /// Names of the channels.
    pub channels: Vec<String>,
}

/// Adds pushes in the transaction of whoever decided them: one of a kind for each channel.
pub(super) fn add(db: &Connection, push: &NewPush, now: i64) -> rusqlite::Result<usize> {
    let mut insert = db.prepare_cached(
        "INSERT INTO pushes (id, channel, reason, subject_id, level, payload, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO NOTHING",
    )?;
    let mut added = 0;
    for channel in &push.channels {
        let id = new_id_at(now);
        if insert.execute(params![id, channel, push.reason, push.subject_id, push.level, push.payload.to_string(), now])? == 1 {
            added += 1;
            let job = NewJob { id: new_id_at(now), kind: PUSH_JOB, subject_id: id, run_at: now, priority: Priority::Normal };
            jobs::enqueue(db, &job, now)?;
        }
    }
    Ok(added)
}
