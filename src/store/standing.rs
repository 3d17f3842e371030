//! How much there is of what, at this moment: what a scrape reads. Every query is bounded by what waits, or by a limit.

use rusqlite::params;

use super::{Store, StoreError, claims, rows};

/// Most jobs that are counted of each state; more is as bad.
const MOST_JOBS: i64 = 100_000;

/// What stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Jobs that wait or run, by kind.
    pub jobs: Vec<(String, i64)>,
    /// Jobs that were given up.
    pub dead: i64,
    /// Since when the job that is due longest has been due.
    pub oldest_due: Option<i64>,
    /// Customers of the last days whom nobody has claimed.
    pub unclaimed: i64,
}

/// Through the partial indexes of jobs that are not over: finished ones, which are far more, are not looked at.
const PENDING: &str = "SELECT kind, count(*) FROM (
        SELECT kind FROM (SELECT kind FROM jobs INDEXED BY jobs_due WHERE state = 'ready' LIMIT ?1)
        UNION ALL SELECT kind FROM (SELECT kind FROM jobs INDEXED BY jobs_held WHERE state = 'running' LIMIT ?1))
    GROUP BY kind ORDER BY kind";
const DEAD: &str = "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_dead WHERE state = 'dead' LIMIT ?1)";
/// The index begins with the priority, of which there are three.
const OLDEST: &str = "SELECT min(at) FROM (
        SELECT (SELECT min(run_at) FROM jobs INDEXED BY jobs_due WHERE state = 'ready' AND priority = p.value AND run_at <= ?1) AS at
        FROM json_each('[0, 5, 9]') AS p)";

impl Store {
    /// What stands now. Customers are counted of registrations since `since`.
    pub async fn standing(&self, now: i64, since: i64) -> Result<Standing, StoreError> {
        self.scan(move |db| {
            Ok(Standing {
                jobs: rows::all(db, PENDING, [MOST_JOBS], |row| Ok((row.get(0)?, row.get(1)?)))?,
                dead: db.prepare_cached(DEAD)?.query_row([MOST_JOBS], |row| row.get(0))?,
                oldest_due: db.prepare_cached(OLDEST)?.query_row([now], |row| row.get(0))?,
                unclaimed: db.prepare_cached(claims::UNCLAIMED)?.query_row(params![since], |row| row.get(0))?,
            })
        })
        .await
    }

    /// Sizes of the database file and of its write-ahead log, in bytes.
    pub fn file_sizes(&self) -> std::io::Result<(u64, u64)> {
        let database = std::fs::metadata(self.path())?.len();
        // Without a write since the start there is none.
        let wal = std::fs::metadata(format!("{}-wal", self.path().display())).map_or(0, |file| file.len());
        Ok((database, wal))
    }

    /// Version of the database engine.
    pub fn engine() -> &'static str {
        rusqlite::version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrate::SCHEMA;

    /// A scrape comes every few seconds, whatever the tables hold.
    #[test]
    fn nothing_that_is_over_is_looked_at() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        let plan = |sql: &str| {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = plan.parameter_count();
            let rows = plan.query_map(rusqlite::params_from_iter((0..count).map(|_| 1)), |row| row.get::<_, String>(3)).unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>().join(" / ")
        };
        for (sql, indexes) in [
            (PENDING, &["jobs_due", "jobs_held"][..]),
            (DEAD, &["jobs_dead"]),
            (OLDEST, &["jobs_due (priority=? AND run_at<?)"]),
            (claims::UNCLAIMED, &["registrations_unclaimed (accepted_at>?)"]),
        ] {
            let plan = plan(sql);
            assert!(indexes.iter().all(|index| plan.contains(index)), "{sql}: {plan}");
            assert!(!plan.contains("SCAN jobs /") && !plan.contains("SCAN registrations"), "{sql}: {plan}");
        }
    }

    #[tokio::test]
    async fn an_empty_database_has_nothing_that_waits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("db")).unwrap();
        assert_eq!(store.standing(1, 0).await.unwrap(), Standing::default());
        assert!(store.file_sizes().unwrap().0 > 0);
    }
}
