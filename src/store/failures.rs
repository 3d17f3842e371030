//! What failed lately: calls of tools, steps of registrations, questions to agents. Each is found along an index that
//! holds failures only; no more than so many are read, and how many there are is counted no further than [`COUNTED`].

use rusqlite::{Row, params};

use super::{Store, StoreError, rows};

/// Up to so many failures are counted.
pub const COUNTED: i64 = 100_000;

/// Where something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailedIn {
    /// A call of a tool, or a request that was refused.
    Call,
    /// A step of a registration.
    Step,
    /// A question to an agent.
    Agent,
}

impl FailedIn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Call, Self::Step, Self::Agent];

    fn sql(self) -> &'static str {
        match self {
            Self::Call => {
                "SELECT tool_name, outcome, error_message, created_at, call_id FROM mcp_call_logs INDEXED BY mcp_call_logs_failed
                  WHERE success = 0 AND created_at >= ?1 AND created_at < ?2 ORDER BY created_at DESC LIMIT ?3"
            }
            Self::Step => {
                "SELECT step, state, error, started_at, registration_id FROM registration_steps INDEXED BY registration_steps_failed
                  WHERE state = 'failed' AND started_at >= ?1 AND started_at < ?2 ORDER BY started_at DESC LIMIT ?3"
            }
            Self::Agent => {
                "SELECT coalesce(a.app_name || ' v' || a.version, c.agent_id), c.error_kind, c.error, c.started_at, c.registration_id
                   FROM agent_calls c INDEXED BY agent_calls_failed LEFT JOIN dify_configs a ON a.id = c.agent_id
                  WHERE c.error_kind IS NOT NULL AND c.started_at >= ?1 AND c.started_at < ?2 ORDER BY c.started_at DESC LIMIT ?3"
            }
        }
    }

    fn count(self) -> &'static str {
        match self {
            Self::Call => {
                "SELECT count(*) FROM (SELECT 1 FROM mcp_call_logs INDEXED BY mcp_call_logs_failed
                  WHERE success = 0 AND created_at >= ?1 AND created_at < ?2 LIMIT ?3)"
            }
            Self::Step => {
                "SELECT count(*) FROM (SELECT 1 FROM registration_steps INDEXED BY registration_steps_failed
                  WHERE state = 'failed' AND started_at >= ?1 AND started_at < ?2 LIMIT ?3)"
            }
            Self::Agent => {
                "SELECT count(*) FROM (SELECT 1 FROM agent_calls INDEXED BY agent_calls_failed
                  WHERE error_kind IS NOT NULL AND started_at >= ?1 AND started_at < ?2 LIMIT ?3)"
            }
        }
    }
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The tool, the step, or the agent with its version.
    pub what: String,
    /// How it ended: an outcome of the call log, `failed`, or the kind of an agent's error.
    pub outcome: String,
    /// Why, in words.
    pub error: Option<String>,
    /// When, in milliseconds.
    pub at: i64,
    /// The call's id, or the run's.
    pub id: String,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures {
    /// The latest of them, newest first.
    pub latest: Vec<Failure>,
    /// How many there are; [`COUNTED`] when there may be more.
    pub count: i64,
}

impl Store {
    /// What failed from `since` on and before `until`, in milliseconds; at most `most` of it is read.
    pub async fn failures(&self, failed_in: FailedIn, (since, until): (i64, i64), most: u32) -> Result<Failures, StoreError> {
        self.scan(move |db| {
            let latest = rows::all(db, failed_in.sql(), params![since, until, most], failure)?;
            let count = rows::one(db, failed_in.count(), params![since, until, COUNTED], |row| row.get(0))?;
            Ok(Failures { latest, count: count.unwrap_or_default() })
        })
        .await
    }
}

fn failure(row: &Row<'_>) -> rusqlite::Result<Failure> {
    Ok(Failure { what: row.get(0)?, outcome: row.get(1)?, error: row.get(2)?, at: row.get(3)?, id: row.get(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows_for_tests::{Bench, Run, T0};

    #[tokio::test]
    async fn failures_of_every_kind_are_found_newest_first_and_counted() {
        let bench = Bench::new();
        bench.run(Run { id: "run_1", state: "done", accepted_at: T0, ..Run::default() });
        bench.sql(
            "INSERT INTO mcp_call_logs (call_id, tool_name, channel, protocol, success, outcome, error_message, duration_ms, created_at)
             VALUES ('a', 't', 'http', '', 0, 'timeout', 'slow', 1, ?1), ('b', 't', 'http', '', 1, 'ok', NULL, 1, ?1 + 1),
                    ('c', 't', 'http', '', 0, 'refused', NULL, 1, ?1 + 2), ('d', 't', 'http', '', 0, 'refused', NULL, 1, ?1 + 9)",
            &[&T0],
        );
        bench.sql(
            "INSERT INTO registration_steps (registration_id, step, attempt, state, started_at, duration_ms, detail, error)
             VALUES ('run_1', 'deliver_welcome', 1, 'failed', ?1, 1, '{}', 'no room'), ('run_1', 'deliver_welcome', 2, 'done', ?1, 1, '{}', NULL)",
            &[&T0],
        );
        bench.sql(
            "INSERT INTO agent_calls (id, registration_id, agent_id, rung, state, started_at, error_kind, error)
             VALUES ('q', 'run_1', 'gone', 'agent', 'failed', ?1, 'rate_limited', '429'), ('r', 'run_1', 'gone', 'agent', 'answered', ?1, NULL, NULL)",
            &[&T0],
        );
        let of = async |failed_in, most| bench.store.failures(failed_in, (T0, T0 + 5), most).await.unwrap();
        let ids = |failures: &Failures| failures.latest.iter().map(|failure| failure.id.clone()).collect::<Vec<_>>();
        let calls = of(FailedIn::Call, 10).await;
        assert_eq!((ids(&calls), calls.count), (vec!["c".to_owned(), "a".to_owned()], 2));
        assert_eq!((of(FailedIn::Call, 1).await.latest.len(), of(FailedIn::Call, 1).await.count), (1, 2));
        let step = of(FailedIn::Step, 10).await.latest.remove(0);
        assert_eq!((step.what.as_str(), step.outcome.as_str(), step.error.as_deref()), ("deliver_welcome", "failed", Some("no room")));
        let agents = of(FailedIn::Agent, 10).await;
        assert_eq!((agents.count, agents.latest[0].what.as_str(), agents.latest[0].outcome.as_str()), (1, "gone", "rate_limited"));
    }
}
