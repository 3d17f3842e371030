//! How the automation is doing, asked of the rows: what the watcher's conditions are decided by.
//!
//! These are asked every few seconds, so each has an index behind it, and none writes.

use rusqlite::params;

use super::{Store, StoreError, figures::Share, pushes::PUSH_JOB, rows};

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// Name of its handler.
    pub kind: String,
    /// What it is about.
    pub subject_id: String,
    /// Why.
    pub error: Option<String>,
    /// When.
    pub at: i64,
}

/// Registrations that came since the last one that ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrivals {
    /// How many.
    pub count: i64,
    /// When the first of them was accepted.
    pub first_at: Option<i64>,
    /// When a run last ended well, if one ever did.
    pub last_success_at: Option<i64>,
}

/// A channel whose latest push was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingChannel {
    /// Its name.
    pub channel: String,
    /// Whether it is one of those for administrators.
    pub for_administrators: bool,
    /// Pushes given up since it last took one.
    pub pushes: i64,
    /// Why, the last time.
    pub error: Option<String>,
    /// When the last of them was given up.
    pub at: i64,
}

impl Store {
    /// Jobs given up, oldest first, and how many there are in all. Pushes are told of by their channel.
    pub fn dead_jobs(&self, most: usize) -> Result<(Vec<DeadJob>, i64), StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.point(|db| {
            let sql = "SELECT kind, subject_id, last_error, finished_at FROM jobs WHERE state = 'dead' AND kind <> ?1
                ORDER BY finished_at, id LIMIT ?2";
            let dead = rows::all(db, sql, params![PUSH_JOB, most], |row| {
                Ok(DeadJob { kind: row.get(0)?, subject_id: row.get(1)?, error: row.get(2)?, at: row.get(3)? })
            })?;
            let count = "SELECT count(*) FROM jobs WHERE state = 'dead' AND kind <> ?1";
            let total = db.prepare_cached(count)?.query_row([PUSH_JOB], |row| row.get(0))?;
            Ok((dead, total))
        })
    }

    /// How the job about something stands.
    pub fn job_state(&self, kind: &str, subject_id: &str) -> Result<Option<String>, StoreError> {
        self.point(|db| rows::one(db, "SELECT state FROM jobs WHERE kind = ?1 AND subject_id = ?2", [kind, subject_id], |row| row.get(0)))
    }

    /// How many of the runs that ended in a period brought the customer a welcome. A run that was skipped or cancelled
    /// was not to bring one.
    pub async fn automation_success(&self, since: i64) -> Result<Share, StoreError> {
        self.share(AUTOMATION, since).await
    }

    /// In how many of the runs accepted in a period, of those that asked an agent, one answered: in time or late, at
    /// the first question or a later one. A question whose process was killed says nothing of the agent.
    pub async fn agent_success(&self, since: i64) -> Result<Share, StoreError> {
        self.share(AGENTS, since).await
    }

    async fn share(&self, sql: &'static str, since: i64) -> Result<Share, StoreError> {
        self.scan(move |db| Share::read(db, sql, [since])).await
    }

    /// Registrations accepted after `after` and after the last run that ended well.
    pub fn arrivals_without_success(&self, after: i64) -> Result<Arrivals, StoreError> {
        self.point(|db| {
            let last_success_at: Option<i64> = rows::one(db, LAST_SUCCESS, [], |row| row.get(0))?;
            let from = last_success_at.map_or(after, |at| at.max(after));
            db.prepare_cached(ARRIVALS)?
                .query_row([from], |row| Ok(Arrivals { count: row.get(0)?, first_at: row.get(1)?, last_success_at }))
        })
    }

    /// Channels that have taken nothing since they last gave a push up.
    pub fn failing_channels(&self) -> Result<Vec<FailingChannel>, StoreError> {
        self.point(|db| {
            rows::all(db, FAILING, [PUSH_JOB], |row| {
                Ok(FailingChannel {
                    channel: row.get(0)?,
                    for_administrators: row.get(1)?,
                    pushes: row.get(2)?,
                    at: row.get(3)?,
                    error: row.get(4)?,
                })
            })
        })
    }
}

// SQLite's planner counts on few rows of a state or a kind; of all that ended, most are done. So the index of the time is
// named where it would choose the other.
const AUTOMATION: &str = "SELECT coalesce(sum(state IN ('done', 'done_with_fallback')), 0), count(*)
    FROM registrations INDEXED BY registrations_by_end
    WHERE finished_at IS NOT NULL AND finished_at >= ?1 AND state IN ('done', 'done_with_fallback', 'dead_letter')";
const AGENTS: &str = "SELECT coalesce(sum(answered), 0), count(answered) FROM run_figures WHERE accepted_at >= ?1";
const LAST_SUCCESS: &str = "SELECT finished_at FROM registrations INDEXED BY registrations_by_end
    WHERE finished_at IS NOT NULL AND state IN ('done', 'done_with_fallback') ORDER BY finished_at DESC LIMIT 1";
// The narrow rows: while nothing ends well, this is asked again and again of ever more arrivals.
const ARRIVALS: &str =
    "SELECT count(*), min(accepted_at) FROM run_figures WHERE accepted_at > ?1 AND state NOT IN ('skipped', 'cancelled')";
// SQLite takes the bare column `last_error` from the row that has the max().
const FAILING: &str = "SELECT channel, admins, count(*), max(at), last_error FROM (
        SELECT p.channel, p.reason IN ('alert', 'resolved') AS admins, j.finished_at AS at, coalesce(p.last_error, j.last_error) AS last_error
        FROM jobs j INDEXED BY jobs_dead CROSS JOIN pushes p ON p.id = j.subject_id WHERE j.state = 'dead' AND j.kind = ?1) AS dead
    WHERE NOT EXISTS (SELECT 1 FROM pushes q WHERE q.channel = dead.channel AND q.delivered_at >= dead.at
        AND (q.reason IN ('alert', 'resolved')) = dead.admins)
    GROUP BY channel, admins ORDER BY channel, admins";

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn what_is_asked_every_few_seconds_reads_no_more_than_it_is_asked_for() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
        for (sql, index) in [
            (AUTOMATION, "COVERING INDEX registrations_by_end (finished_at>?)"),
            (AGENTS, "run_figures USING PRIMARY KEY (accepted_at>?)"),
            (LAST_SUCCESS, "COVERING INDEX registrations_by_end"),
            (ARRIVALS, "run_figures USING PRIMARY KEY (accepted_at>?)"),
            (FAILING, "USING INDEX jobs_dead"),
        ] {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        }
    }
}
