//! Pushes to people who are not connected: one row for each channel, sent by a job of its own, so that a channel that
//! fails is tried again alone.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::{
    Store, StoreError,
    jobs::{self, NewJob, Priority},
    rows,
};
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

/// A push to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPush {
    /// UUID v7; receivers drop a repeated one by it.
    pub id: String,
    /// Name of the channel.
    pub channel: String,
    /// What it is about.
    pub reason: String,
    /// The registration or the alert.
    pub subject_id: String,
    /// Title, body, link, data.
    pub payload: Value,
    /// When the channel took it.
    pub delivered_at: Option<i64>,
}

impl StoredPush {
    /// Whom it is for: what it is about decides, or the level of an escalation.
    pub fn audience(&self) -> Audience {
        let target = self.payload.pointer("/data/target").and_then(Value::as_str);
        match (self.reason.as_str(), target) {
            ("alert" | "resolved", _) | (_, Some("administrator")) => Audience::Administrators,
            (_, Some("supervisors")) => Audience::Supervisors,
            _ => Audience::Consultants,
        }
    }
}

/// Whom a push is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who takes customers.
    Consultants,
    /// Those who hear of customers nobody claims.
    Supervisors,
    /// Those who keep the daemon running.
    Administrators,
}

impl Store {
    /// Adds pushes with their jobs. Says how many are new.
    pub async fn add_pushes(&self, push: NewPush, now: i64) -> Result<usize, StoreError> {
        self.write(move |db| Ok(add(db, &push, now)?)).await
    }

    /// A push to be sent.
    pub fn push(&self, id: &str) -> Result<Option<StoredPush>, StoreError> {
        self.point(|db| {
            let sql = "SELECT id, channel, reason, subject_id, payload, delivered_at FROM pushes WHERE id = ?1";
            rows::one(db, sql, [id], |row| {
                Ok(StoredPush {
                    id: row.get(0)?,
                    channel: row.get(1)?,
                    reason: row.get(2)?,
                    subject_id: row.get(3)?,
                    payload: rows::json(row, 4)?,
                    delivered_at: row.get(5)?,
                })
            })
        })
    }

    /// Writes down how an attempt went: delivered at a time, or why not.
    pub async fn note_push(&self, push_id: &str, outcome: Result<i64, String>) -> Result<(), StoreError> {
        let id = push_id.to_owned();
        self.write(move |db| {
            let (at, error) = match outcome {
                Ok(at) => (Some(at), None),
                Err(error) => (None, Some(error)),
            };
            db.prepare_cached("UPDATE pushes SET delivered_at = coalesce(delivered_at, ?2), last_error = ?3 WHERE id = ?1")?
                .execute(params![id, at, error])?;
            Ok(())
        })
        .await
    }

    /// Accounts and e-mail addresses of those a push is for.
    pub async fn people(&self, audience: Audience) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.scan(move |db| {
            let sql = match audience {
                Audience::Consultants => IN_ROLE.replace("{role}", "consultant"),
                Audience::Administrators => IN_ROLE.replace("{role}", "admin"),
                Audience::Supervisors => SUPERVISORS.to_owned(),
            };
            rows::all(db, &sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .await
    }
}

const IN_ROLE: &str = r#"SELECT id, email FROM users
    WHERE is_active = 1 AND roles <> '["customer"]' AND EXISTS (SELECT 1 FROM json_each(roles) WHERE value = '{role}') ORDER BY id"#;
const SUPERVISORS: &str = "SELECT u.id, u.email FROM users u JOIN consultants c ON c.user_id = u.id
    WHERE u.is_active = 1 AND c.is_supervisor = 1 ORDER BY u.id";

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
