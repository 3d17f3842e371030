//! The call log: appended in groups, read back newest first.

use std::{borrow::Cow, sync::Arc};

use rusqlite::{Row, params};
use serde::Serialize;

use super::{
    Store, StoreError, figures, rows,
    stale::{self, StaleCall},
};

/// One call or refusal, as it is stored. Thousands wait in memory: what many have in common is shared, and
/// texts take no more than they are long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallRow {
    /// UUID v7 of the call.
    pub call_id: Box<str>,
    /// Tool asked for.
    pub tool_name: Cow<'static, str>,
    /// Group asked for.
    pub group_id: Option<Arc<str>>,
    /// Key used.
    pub key_id: Option<Arc<str>>,
    /// Id the caller gives itself.
    pub caller_app_id: Option<Box<str>>,
    /// Run whose subject it was about.
    pub registration_id: Option<Box<str>>,
    /// Name and version of the client.
    pub client_name: Option<Box<str>>,
    /// `http`, `stdio`, `cli` or `admin`.
    pub channel: &'static str,
    /// Protocol revision spoken.
    pub protocol: Cow<'static, str>,
    /// Arguments as JSON text, redacted by whoever made the row.
    pub request_data: Option<Box<str>>,
    /// Result as JSON text, redacted by whoever made the row.
    pub response_data: Option<Box<str>>,
    /// Whether the tool answered with a result.
    pub success: bool,
    /// How it ended.
    pub outcome: &'static str,
    /// Why not, as the caller was told.
    pub error_message: Option<Box<str>>,
    /// Time in dispatch, rounded up.
    pub duration_ms: i64,
    /// When the call arrived.
    pub created_at: i64,
    /// Whether the caller works from an old list. Counted beside the log.
    pub stale: Option<Box<StaleCall>>,
}

/// A call that an agent made for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunCall {
    /// UUID v7 of the call.
    pub call_id: String,
    /// Tool asked for.
    pub tool_name: String,
    /// How it ended.
    pub outcome: String,
    /// Time in dispatch, in milliseconds.
    pub duration_ms: i64,
    /// When it arrived, in milliseconds.
    pub created_at: i64,
}

impl Store {
    /// Appends rows in one commit.
    pub async fn append_calls(&self, rows: Arc<Vec<CallRow>>) -> Result<(), StoreError> {
        self.write(move |db| {
            let mut insert = db.prepare_cached(
                "INSERT INTO mcp_call_logs (call_id, tool_name, group_id, key_id, caller_app_id, registration_id, client_name, channel, protocol,
                    request_data, response_data, success, outcome, error_message, duration_ms, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?;
            for row in rows.iter() {
                insert.execute(params![
                    row.call_id,
                    row.tool_name,
                    row.group_id,
                    row.key_id,
                    row.caller_app_id,
                    row.registration_id,
                    row.client_name,
                    row.channel,
                    row.protocol,
                    row.request_data,
                    row.response_data,
                    row.success,
                    row.outcome,
                    row.error_message,
                    row.duration_ms,
                    row.created_at
                ])?;
                if let Some(call) = &row.stale {
                    stale::count(db, call, row)?;
                }
            }
            figures::calls::count(db, rows.iter().map(Into::into), 0)
        })
        .await
    }

    /// The calls made for a run, in the order they came.
    pub fn calls_of_run(&self, registration_id: &str) -> Result<Vec<RunCall>, StoreError> {
        self.point(|db| rows::all(db, CALLS_OF_RUN, [registration_id], run_call))
    }

    /// How many calls are logged, by outcome.
    pub async fn count_calls(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.scan(|db| {
            db.prepare_cached("SELECT outcome, count(*) FROM mcp_call_logs GROUP BY outcome ORDER BY outcome")?
                .query_map([], |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .await
    }
}

const CALLS_OF_RUN: &str = "SELECT call_id, tool_name, outcome, duration_ms, created_at FROM mcp_call_logs
    WHERE registration_id = ?1 ORDER BY created_at, id";

fn run_call(row: &Row<'_>) -> rusqlite::Result<RunCall> {
    Ok(RunCall { call_id: row.get(0)?, tool_name: row.get(1)?, outcome: row.get(2)?, duration_ms: row.get(3)?, created_at: row.get(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(call_id: &str, run: Option<&str>, created_at: i64) -> CallRow {
        CallRow {
            call_id: call_id.into(),
            tool_name: "get_user_profile".into(),
            group_id: None,
            key_id: None,
            caller_app_id: None,
            registration_id: run.map(Into::into),
            client_name: None,
            channel: "http",
            protocol: "".into(),
            request_data: None,
            response_data: None,
            success: true,
            outcome: "ok",
            error_message: None,
            duration_ms: 3,
            created_at,
            stale: None,
        }
    }

    #[tokio::test]
    async fn the_calls_of_a_run_are_its_own_in_the_order_they_came() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
        let rows = [row("b", Some("run_1"), 20), row("x", Some("run_2"), 15), row("y", None, 16), row("a", Some("run_1"), 10)];
        store.append_calls(rows.to_vec().into()).await.unwrap();
        let calls = store.calls_of_run("run_1").unwrap();
        let told: Vec<_> =
            calls.iter().map(|call| (call.call_id.as_str(), call.outcome.as_str(), call.duration_ms, call.created_at)).collect();
        assert_eq!(told, [("a", "ok", 3, 10), ("b", "ok", 3, 20)]);
        assert_eq!(store.calls_of_run("run_3").unwrap(), []);
    }

    #[test]
    fn the_calls_of_a_run_are_found_by_an_index() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch(super::super::migrate::SCHEMA).unwrap();
        let plan: String = db.query_row(&format!("EXPLAIN QUERY PLAN {CALLS_OF_RUN}"), [""], |row| row.get(3)).unwrap();
        assert!(plan.contains("mcp_call_logs_by_run"), "{plan}");
    }
}
