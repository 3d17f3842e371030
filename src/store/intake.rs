//! The beginning of a registration: accepted with its job in one transaction, or recorded as skipped.
//!
//! A user has one row for ever. It is found again by the event's id or the user's; a row that was skipped while a switch
//! was off becomes a run when the user is sent again with the switch on.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError,
    jobs::{self, NewJob, Priority},
    rows,
};

/// What the app told us about the new user, normalised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The app's user id.
    pub user_id: String,
    /// Name as typed.
    pub username: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Picture.
    pub avatar: Option<String>,
    /// Role names.
    pub roles: Vec<String>,
    /// When the user registered, in milliseconds.
    pub registered_at: i64,
}

/// A registration about to be accepted.
#[derive(Debug, Clone)]
pub struct NewRegistration {
    /// UUID v7.
    pub id: String,
    /// UUID v7 of its job.
    pub job_id: String,
    /// Name of the job's handler.
    pub job_kind: &'static str,
    /// Id of the delivery, when it has one.
    pub event_id: Option<String>,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
    /// What the app sent.
    pub profile: Profile,
    /// Why nothing is to be done about it; none to do it.
    pub skip: Option<&'static str>,
    /// The time.
    pub now: i64,
    /// When the welcome must be there.
    pub deadline_at: i64,
    /// The trace that it is part of.
    pub traceparent: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is new, and durable; its job waits.
    New(String),
    /// The event or the user was accepted before; this is that run.
    Known(String),
    /// It is on record, and nothing is done about it.
    Skipped {
        /// Its row.
        id: String,
        /// Why.
        reason: String,
        /// Whether this delivery made the row.
        is_new: bool,
    },
    /// The event id was used for another body.
    OtherBody,
}

impl Store {
    /// Accepts a registration with its job. Returns after the commit: then it is durable.
    pub async fn accept_registration(&self, new: NewRegistration) -> Result<Accepted, StoreError> {
        self.write_first(move |db| accept(db, &new)).await
    }

    /// Accepts several in one commit, in their order. An error is all of theirs: none is accepted.
    pub async fn accept_registrations(&self, new: Vec<NewRegistration>) -> Result<Vec<Accepted>, StoreError> {
        self.write(move |db| new.iter().map(|new| accept(db, new)).collect()).await
    }

    /// How many registrations are accepted and not finished: those whose job waits or runs. It takes as long as they are many.
    pub async fn count_backlog(&self, job_kind: &'static str) -> Result<u32, StoreError> {
        self.scan(move |db| db.prepare_cached(BACKLOG)?.query_row([job_kind], |row| row.get(0))).await
    }
}

/// Through the partial indexes of jobs that are not over: finished ones, which are far more, are not looked at.
const BACKLOG: &str = "SELECT (SELECT count(*) FROM jobs INDEXED BY jobs_due WHERE state = 'ready' AND kind = ?1)
    + (SELECT count(*) FROM jobs INDEXED BY jobs_held WHERE state = 'running' AND kind = ?1)";
const ADD: &str =
    "INSERT INTO registrations (id, event_id, user_id, body_hash, profile, state, skip_reason, accepted_at, deadline_at, finished_at, traceparent)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING";
const REVIVE: &str =
    "UPDATE registrations SET state = 'accepted', skip_reason = NULL, finished_at = NULL, event_id = coalesce(?2, event_id),
    body_hash = ?3, profile = ?4, accepted_at = ?5, deadline_at = ?6, traceparent = ?7 WHERE id = ?1 AND state = 'skipped'";
const BY_EVENT: &str = "SELECT id, state, skip_reason, body_hash FROM registrations WHERE event_id = ?1";
const BY_USER: &str = "SELECT id, state, skip_reason, body_hash FROM registrations WHERE user_id = ?1";

fn accept(db: &Connection, new: &NewRegistration) -> Result<Accepted, StoreError> {
    let state = if new.skip.is_some() { "skipped" } else { "accepted" };
    let added = db.prepare_cached(ADD)?.execute(params![
        new.id,
        new.event_id,
        new.profile.user_id,
        new.body_hash,
        serde_json::to_string(&new.profile)?,
        state,
        new.skip,
        new.now,
        new.deadline_at,
        new.skip.map(|_| new.now),
        new.traceparent
    ])?;
    match new.skip {
        _ if added == 0 => known(db, new),
        Some(reason) => Ok(Accepted::Skipped { id: new.id.clone(), reason: reason.to_owned(), is_new: true }),
        None => start(db, new, &new.id),
    }
}

fn start(db: &Connection, new: &NewRegistration, id: &str) -> Result<Accepted, StoreError> {
    let job = NewJob { id: new.job_id.clone(), kind: new.job_kind, subject_id: id.to_owned(), run_at: new.now, priority: Priority::Urgent };
    jobs::enqueue(db, &job, new.now)?;
    Ok(Accepted::New(id.to_owned()))
}

/// A row that stands for the event or the user already.
struct Row {
    id: String,
    skipped: bool,
    reason: Option<String>,
    body_hash: [u8; 32],
}

fn find(db: &Connection, sql: &str, key: &str) -> Result<Option<Row>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        let state: String = row.get(1)?;
        Ok(Row { id: row.get(0)?, skipped: state == "skipped", reason: row.get(2)?, body_hash: row.get(3)? })
    };
    Ok(rows::one(db, sql, [key], read)?)
}

/// The event id decides first: the same id with another body is a mistake of the sender's, not a repetition.
fn known(db: &Connection, new: &NewRegistration) -> Result<Accepted, StoreError> {
    let by_event = new.event_id.as_deref().map(|id| find(db, BY_EVENT, id)).transpose()?.flatten();
    let row = match by_event {
        Some(row) if row.body_hash != new.body_hash => return Ok(Accepted::OtherBody),
        Some(row) => row,
        None => find(db, BY_USER, &new.profile.user_id)?
            .ok_or_else(|| StoreError::Engine("a registration is known by neither its event nor its user".into()))?,
    };
    match (row.skipped, new.skip) {
        (false, _) => Ok(Accepted::Known(row.id)),
        (true, None) => revive(db, new, &row.id),
        (true, Some(now)) => Ok(Accepted::Skipped { id: row.id, reason: row.reason.unwrap_or_else(|| now.to_owned()), is_new: false }),
    }
}

fn revive(db: &Connection, new: &NewRegistration, id: &str) -> Result<Accepted, StoreError> {
    db.prepare_cached(REVIVE)?.execute(params![
        id,
        new.event_id,
        new.body_hash,
        serde_json::to_string(&new.profile)?,
        new.now,
        new.deadline_at,
        new.traceparent
    ])?;
    start(db, new, id)
}

#[cfg(test)]
mod tests;
