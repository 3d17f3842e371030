//! Durable jobs: claimed under a lease, finished only by the holder, rescued when the holder is gone.
//!
//! A payload is an id; what it means is the handler's business. Enqueueing happens in the transaction of whoever
//! makes the work (see [`enqueue`]), so that neither exists without the other.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, rows};

/// Which jobs go first among those that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A customer waits.
    Urgent = 0,
    /// Somebody is to be told.
    Normal = 5,
    /// Nobody waits.
    Bulk = 9,
}

const PRIORITIES: [Priority; 3] = [Priority::Urgent, Priority::Normal, Priority::Bulk];

/// A job about to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// UUID v7.
    pub id: String,
    /// Name of its handler.
    pub kind: &'static str,
    /// What it is about.
    pub subject_id: String,
    /// Not before.
    pub run_at: i64,
    /// How soon among those that are due.
    pub priority: Priority,
}

/// A job in somebody's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// UUID v7.
    pub id: String,
    /// Name of its handler.
    pub kind: String,
    /// What it is about.
    pub subject_id: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// Proof that it is ours.
    pub lease_token: String,
}

/// Who claims, and for how long.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The process.
    pub boot_id: String,
    /// A fresh random token.
    pub lease_token: String,
    /// The time.
    pub now: i64,
    /// When we may be taken for dead.
    pub lease_until: i64,
    /// How many at most.
    pub most: usize,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The work is done.
    Done,
    /// Try again at this time.
    Retry {
        /// Not before.
        run_at: i64,
        /// Why.
        error: String,
    },
    /// The work goes on at this time; nothing failed.
    Later {
        /// Not before.
        run_at: i64,
    },
    /// Given up.
    Dead {
        /// Why.
        error: String,
    },
    /// Put back as if never claimed: the process stops.
    Released,
}

impl Store {
    /// Adds a job by itself.
    pub async fn add_job(&self, job: NewJob, now: i64) -> Result<(), StoreError> {
        self.write(move |db| Ok(enqueue(db, &job, now)?)).await
    }

    /// Takes jobs that are due, the most urgent first.
    pub async fn claim_jobs(&self, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError> {
        self.write(move |db| {
            let mut claimed = Vec::new();
            for priority in PRIORITIES {
                let room = claim.most.saturating_sub(claimed.len());
                if room > 0 {
                    claimed.extend(claim_of(db, &claim, priority, room)?);
                }
            }
            Ok(claimed)
        })
        .await
    }

    /// Says that the holder lives. False when the job is no longer ours.
    pub async fn extend_lease(&self, job: &ClaimedJob, lease_until: i64) -> Result<bool, StoreError> {
        let job = job.clone();
        self.write(move |db| {
            let changed = db
                .prepare_cached("UPDATE jobs SET lease_until = ?3 WHERE id = ?1 AND lease_token = ?2 AND state = 'running'")?
                .execute(params![job.id, job.lease_token, lease_until])?;
            Ok(changed == 1)
        })
        .await
    }

    /// Writes down how a try ended. False when the job is no longer ours: then nothing is changed.
    pub async fn end_job(&self, job: &ClaimedJob, ending: Ending, now: i64) -> Result<bool, StoreError> {
        let job = job.clone();
        self.write(move |db| {
            let (state, attempts_back, run_at, error, finished_at) = match ending {
                Ending::Done => ("done", 0, None, None, Some(now)),
                Ending::Retry { run_at, error } => ("ready", 0, Some(run_at), Some(error), None),
                Ending::Later { run_at } => ("ready", 1, Some(run_at), None, None),
                Ending::Dead { error } => ("dead", 0, None, Some(error), Some(now)),
                Ending::Released => ("ready", 1, None, None, None),
            };
            let changed = db
                .prepare_cached(
                    "UPDATE jobs SET state = ?3, attempt = attempt - ?4, run_at = coalesce(?5, run_at), last_error = coalesce(?6, last_error),
                        finished_at = ?7, lease_token = NULL, lease_until = NULL, boot_id = NULL
                      WHERE id = ?1 AND lease_token = ?2 AND state = 'running'",
                )?
                .execute(params![job.id, job.lease_token, state, attempts_back, run_at, error, finished_at])?;
            Ok(changed == 1)
        })
        .await
    }

    /// Puts back what processes of other boots held. Only for the process that holds the data directory's lock: then
    /// the others are dead for certain. A crash costs no attempt.
    ///
    /// Jobs made later than `now` waited for a clock that has been set back since: they are due.
    pub async fn rescue_orphans(&self, boot_id: &str, now: i64) -> Result<usize, StoreError> {
        let boot = boot_id.to_owned();
        self.write(move |db| {
            db.execute("UPDATE jobs SET run_at = ?1 WHERE state = 'ready' AND run_at > ?1 AND created_at > ?1", [now])?;
            Ok(db.execute(
                "UPDATE jobs SET state = 'ready', attempt = max(attempt - 1, 0), lease_token = NULL, lease_until = NULL, boot_id = NULL
                  WHERE state = 'running' AND boot_id IS NOT ?1",
                [boot],
            )?)
        })
        .await
    }

    /// Puts back jobs whose lease ran out: their worker hangs.
    pub async fn expire_leases(&self, now: i64) -> Result<usize, StoreError> {
        self.write(move |db| {
            Ok(db.execute(
                "UPDATE jobs SET state = 'ready', lease_token = NULL, lease_until = NULL, boot_id = NULL WHERE state = 'running' AND lease_until < ?1",
                [now],
            )?)
        })
        .await
    }

    /// Moves the times of jobs that wait for later than `now` by `moved` milliseconds, as the clock was moved.
    pub async fn shift_jobs(&self, moved: i64, now: i64) -> Result<usize, StoreError> {
        self.write(move |db| {
            Ok(db.execute("UPDATE jobs SET run_at = run_at + ?1 WHERE state = 'ready' AND run_at > ?2", params![moved, now])?)
        })
        .await
    }

    /// Whether a lease ran out: asked before [`Self::expire_leases`], so that an idle queue writes nothing.
    pub fn has_expired_lease(&self, now: i64) -> Result<bool, StoreError> {
        self.point(|db| {
            db.prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND lease_until < ?1)")?
                .query_row([now], |row| row.get(0))
        })
    }

    /// When the next waiting job is due.
    pub fn next_job(&self) -> Result<Option<i64>, StoreError> {
        self.point(|db| {
            let mut next = None;
            for priority in PRIORITIES {
                let due: Option<i64> = db
                    .prepare_cached("SELECT run_at FROM jobs WHERE state = 'ready' AND priority = ?1 ORDER BY run_at LIMIT 1")?
                    .query_row([priority as i64], |row| row.get(0))
                    .optional()?;
                next = next.into_iter().chain(due).min();
            }
            Ok(next)
        })
    }
}

const CLAIM: &str = "UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_token = ?1, lease_until = ?2, boot_id = ?3
    WHERE id IN (SELECT id FROM jobs WHERE state = 'ready' AND priority = ?4 AND run_at <= ?5 ORDER BY run_at LIMIT ?6)
    RETURNING id, kind, subject_id, attempt, lease_token";

fn claim_of(db: &Connection, claim: &Claim, priority: Priority, room: usize) -> rusqlite::Result<Vec<ClaimedJob>> {
    let room = i64::try_from(room).unwrap_or(i64::MAX);
    let holder = params![claim.lease_token, claim.lease_until, claim.boot_id, priority as i64, claim.now, room];
    rows::all(db, CLAIM, holder, |row| {
        Ok(ClaimedJob { id: row.get(0)?, kind: row.get(1)?, subject_id: row.get(2)?, attempt: row.get(3)?, lease_token: row.get(4)? })
    })
}

/// Adds a job in the transaction of whoever makes the work. A second one for the same subject is the first one.
pub(super) fn enqueue(db: &Connection, job: &NewJob, now: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO jobs (id, kind, subject_id, state, priority, run_at, created_at) VALUES (?1, ?2, ?3, 'ready', ?4, ?5, ?6)
         ON CONFLICT (kind, subject_id) DO NOTHING",
    )?
    .execute(params![job.id, job.kind, job.subject_id, job.priority as i64, job.run_at, now])?;
    Ok(())
}
