//! Jobs in an operator's hands: looked at, tried again, taken back, gone through anew.
//!
//! Every change is guarded by the state it was decided on, in one transaction with what it means for the run and with
//! its row in the audit log: a job that a worker holds is left alone. Nothing here can make an effect twice: the steps
//! skip what is done.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::json;

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    jobs::{self, NewJob, Priority},
    page::Page,
    reach::{self, TOP},
    rows,
};
use crate::{ids::new_id_at, telemetry::figures};

/// Name of the job that carries a registration.
const RUN_JOB: &str = "registration";

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// UUID v7.
    pub id: String,
    /// Name of its handler.
    pub kind: String,
    /// What it is about.
    pub subject_id: String,
    /// `ready`, `running`, `done`, `dead` or `cancelled`.
    pub state: String,
    /// 0 goes first.
    pub priority: i64,
    /// Tries begun that count.
    pub attempt: i64,
    /// Not before.
    pub run_at: i64,
    /// When its holder is taken for dead.
    pub lease_until: Option<i64>,
    /// The process that holds it.
    pub boot_id: Option<String>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: i64,
    /// When it was done or given up.
    pub finished_at: Option<i64>,
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only in this state.
    pub state: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only about this.
    pub subject_id: Option<String>,
    /// Only those that come after this id in the list.
    pub after: Option<String>,
    /// The latest so many.
    pub limit: u32,
}

/// How many jobs wait, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct JobCounts {
    /// Due by now.
    pub due: i64,
    /// Due later: planned, or tried again after a wait.
    pub later: i64,
    /// In a worker's hands.
    pub running: i64,
    /// Given up: somebody has to look.
    pub dead: i64,
}

impl Store {
    /// Jobs, the latest first. A page may be short and still have a next one, where few rows fit the filter.
    pub async fn jobs(&self, filter: JobFilter) -> Result<Page<Job, String>, StoreError> {
        self.scan(move |db| {
            let JobFilter { state, kind, subject_id, after, limit } = filter;
            let (sql, after) = (list(state.as_deref(), subject_id.is_some()), after.unwrap_or_else(|| TOP.to_owned()));
            // The other states are few, and have indexes of their own.
            let walks = subject_id.is_none() && matches!(state.as_deref(), None | Some("done")) && (state.is_some() || kind.is_some());
            let end = if walks { reach::end(db, WALK, [&after])? } else { None };
            let least = end.as_deref().unwrap_or_default();
            let found = rows::all(db, &sql, params![state, kind, subject_id, after, least, i64::from(limit) + 1], job)?;
            Ok(reach::page(found, limit, end, |job: &Job| job.id.clone()))
        })
        .await
    }

    /// How many jobs are in each state, but for those that are done.
    pub async fn count_jobs(&self, now: i64) -> Result<JobCounts, StoreError> {
        self.scan(move |db| {
            db.prepare_cached(
                "SELECT (SELECT count(*) FROM jobs WHERE state = 'ready' AND run_at <= ?1), (SELECT count(*) FROM jobs WHERE state = 'ready' AND run_at > ?1),
                    (SELECT count(*) FROM jobs WHERE state = 'running'), (SELECT count(*) FROM jobs WHERE state = 'dead')",
            )?
            .query_row([now], |row| Ok(JobCounts { due: row.get(0)?, later: row.get(1)?, running: row.get(2)?, dead: row.get(3)? }))
        })
        .await
    }

    /// The job with this id, or the one that carries this registration.
    pub fn job(&self, id: &str) -> Result<Option<Job>, StoreError> {
        self.point(|db| find(db, id))
    }

    /// A job that was given up or cancelled is due now, and its tries are counted anew. A run goes on with it.
    pub async fn retry_job(&self, id: &str, by: By) -> Result<Job, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let job = found(db, &id)?;
            if !matches!(job.state.as_str(), "dead" | "cancelled") {
                return Err(StoreError::Conflict(format!(
                    "the job {} is {}: only a dead or cancelled one is tried again",
                    job.id, job.state
                )));
            }
            make_ready(db, &job.id, by.at)?;
            match job.kind.as_str() {
                RUN_JOB => reopen(db, &job.subject_id, by.at)?,
                "outgoing_event" => {
                    db.execute("UPDATE outgoing_events SET given_up_at = NULL WHERE id = ?1 AND delivered_at IS NULL", [&job.subject_id])?;
                }
                _ => {}
            }
            changed(db, "job.retry", &job, &by)
        })
        .await
    }

    /// A job that waits is not done. A run ends with it.
    pub async fn cancel_job(&self, id: &str, by: By) -> Result<Job, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let job = found(db, &id)?;
            if job.state != "ready" {
                return Err(StoreError::Conflict(format!("the job {} is {}: only one that waits can be cancelled", job.id, job.state)));
            }
            db.execute("UPDATE jobs SET state = 'cancelled', finished_at = ?2 WHERE id = ?1", params![job.id, by.at])?;
            if job.kind == RUN_JOB {
                let sql = "UPDATE registrations SET state = 'cancelled', finished_at = ?2 WHERE id = ?1 AND state = 'accepted'";
                db.execute(sql, params![job.subject_id, by.at])?;
            }
            if job.kind == "outgoing_event" {
                db.execute(
                    "UPDATE outgoing_events SET given_up_at = ?2 WHERE id = ?1 AND delivered_at IS NULL",
                    params![job.subject_id, by.at],
                )?;
            }
            changed(db, "job.cancel", &job, &by)
        })
        .await
        .inspect(|job| {
            if job.kind == RUN_JOB {
                figures::registration("cancelled");
            }
        })
    }

    /// A run that has ended goes through its steps again: those that are done are skipped. Its job may have been pruned.
    pub async fn replay_registration(&self, registration_id: &str, by: By) -> Result<Job, StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            let state: Option<String> =
                db.query_row("SELECT state FROM registrations WHERE id = ?1", [&id], |row| row.get(0)).optional()?;
            let state = state.ok_or_else(|| StoreError::NotFound(format!("there is no registration {id}")))?;
            let sql = "SELECT id, state FROM jobs WHERE kind = ?1 AND subject_id = ?2";
            let known: Option<(String, String)> =
                db.query_row(sql, params![RUN_JOB, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            if let Some((job, held @ ("ready" | "running"))) = known.as_ref().map(|(job, state)| (job, state.as_str())) {
                return Err(StoreError::Conflict(format!(
                    "the registration {id} is {state} and its job {job} is {held}: it is still worked on"
                )));
            }
            match &known {
                Some((job, _)) => make_ready(db, job, by.at)?,
                None => add_run_job(db, &id, by.at)?,
            }
            reopen(db, &id, by.at)?;
            let job = found(db, &id)?;
            let change = Change::new("registration.replay", format!("registration/{id}")).before(json!({"state": state}));
            audit::append(db, &by, &change.after(json!({"state": "accepted", "job_id": job.id})))?;
            Ok(job)
        })
        .await
    }
}

/// All jobs, the latest first.
const WALK: &str = "SELECT id FROM jobs WHERE id < ?1 ORDER BY id DESC";
const COLUMNS: &str = "id, kind, subject_id, state, priority, attempt, run_at, lease_until, boot_id, last_error, created_at, finished_at";

/// Kinds of jobs: with them, the index by kind and subject is found.
const KINDS: &str = "'registration', 'outgoing_event', 'notice_ack', 'escalation', 'push', 'feedback'";

/// Ids sort by time. Of the states in which few jobs are, each has an index of its own; the others are most of the table.
fn list(state: Option<&str>, of_subject: bool) -> String {
    if of_subject {
        return format!(
            "SELECT {COLUMNS} FROM jobs WHERE kind IN ({KINDS}) AND subject_id = ?3 AND (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR kind = ?2)
                AND id < ?4 AND id >= ?5 ORDER BY id DESC LIMIT ?6"
        );
    }
    let (index, state) = match state {
        Some("dead") => ("INDEXED BY jobs_dead", "state = 'dead' AND"),
        Some("running") => ("INDEXED BY jobs_held", "state = 'running' AND"),
        Some("ready") => ("INDEXED BY jobs_due", "state = 'ready' AND"),
        Some("cancelled") => ("INDEXED BY jobs_cancelled", "state = 'cancelled' AND"),
        _ => ("", ""),
    };
    format!(
        "SELECT {COLUMNS} FROM jobs {index} WHERE {state} (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR kind = ?2)
            AND ?3 IS NULL AND id < ?4 AND id >= ?5 ORDER BY id DESC LIMIT ?6"
    )
}

fn find(db: &Connection, id: &str) -> rusqlite::Result<Option<Job>> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1 OR kind = ?2 AND subject_id = ?1");
    rows::one(db, &sql, params![id, RUN_JOB], job)
}

fn found(db: &Connection, id: &str) -> Result<Job, StoreError> {
    find(db, id)?.ok_or_else(|| StoreError::NotFound(format!("there is no job {id}, and no job that carries a registration of this id")))
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get(0)?,
        kind: row.get(1)?,
        subject_id: row.get(2)?,
        state: row.get(3)?,
        priority: row.get(4)?,
        attempt: row.get(5)?,
        run_at: row.get(6)?,
        lease_until: row.get(7)?,
        boot_id: row.get(8)?,
        last_error: row.get(9)?,
        created_at: row.get(10)?,
        finished_at: row.get(11)?,
    })
}

/// What an operator did to a job. Returns what it is then.
fn changed(db: &Connection, action: &'static str, before: &Job, by: &By) -> Result<Job, StoreError> {
    let after = found(db, &before.id)?;
    let facts = |job: &Job| json!({"job_id": job.id, "state": job.state, "attempt": job.attempt, "last_error": job.last_error});
    let object = if before.kind == RUN_JOB { "registration".to_owned() } else { format!("job/{}", before.kind) };
    let change = Change::new(action, format!("{object}/{}", before.subject_id)).before(facts(before)).after(facts(&after));
    audit::append(db, by, &change)?;
    Ok(after)
}

/// Makes the job that sends something due now, with all its tries: the one there is, or a new one if that was pruned.
pub(super) fn send_again(db: &Connection, kind: &'static str, subject_id: &str, now: i64) -> Result<(), StoreError> {
    let job = NewJob { id: new_id_at(now), kind, subject_id: subject_id.to_owned(), run_at: now, priority: Priority::Normal };
    jobs::enqueue(db, &job, now)?;
    let known = "SELECT id FROM jobs WHERE kind = ?1 AND subject_id = ?2";
    if let Some(known) = rows::one(db, known, params![kind, subject_id], |row| row.get::<_, String>(0))? {
        make_ready(db, &known, now)?;
        let sql = "UPDATE jobs SET run_at = min(run_at, ?2), last_error = NULL WHERE id = ?1 AND state = 'ready'";
        db.execute(sql, params![known, now])?;
    }
    Ok(())
}

fn make_ready(db: &Connection, job_id: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE jobs SET state = 'ready', attempt = 0, run_at = ?2, finished_at = NULL, lease_token = NULL, lease_until = NULL, boot_id = NULL
        WHERE id = ?1 AND state IN ('done', 'dead', 'cancelled')";
    db.execute(sql, params![job_id, now]).map(drop)
}

fn add_run_job(db: &Connection, registration_id: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO jobs (id, kind, subject_id, state, priority, run_at, created_at) VALUES (?1, ?2, ?3, 'ready', 5, ?4, ?4)";
    db.execute(sql, params![new_id_at(now), RUN_JOB, registration_id, now]).map(drop)
}

/// The run is under way again. Without a welcome so far, it has the time for one that it had at first.
fn reopen(db: &Connection, registration_id: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE registrations SET state = 'accepted', finished_at = NULL, skip_reason = NULL,
        deadline_at = CASE WHEN welcome_text IS NULL THEN ?2 + deadline_at - accepted_at ELSE deadline_at END WHERE id = ?1";
    db.execute(sql, params![registration_id, now]).map(drop)
}

#[cfg(test)]
mod tests;
