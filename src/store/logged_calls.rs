//! Who called a tool or a group lately, from the call log: the newest rows of an index, so that a log of any size is read
//! for milliseconds.

use rusqlite::{Connection, Row, params};

use super::{Store, StoreError, rows};

/// What the call log says of one call, without what was sent and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCall {
    /// The tool.
    pub tool_name: String,
    /// The key used.
    pub key_id: Option<String>,
    /// Name and version of the client.
    pub client_name: Option<String>,
    /// Id the caller gives itself.
    pub caller_app_id: Option<String>,
    /// How it reached us.
    pub channel: String,
    /// Whether the tool answered with a result.
    pub success: bool,
    /// Time in dispatch, in milliseconds.
    pub duration_ms: i64,
    /// When it arrived, in milliseconds.
    pub created_at: i64,
}

/// The newest calls since a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCalls {
    /// The calls, those of each outcome from the newest on.
    pub calls: Vec<LoggedCall>,
    /// Whether these are all of them; else there were more than were read.
    pub complete: bool,
}

/// Which calls are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// Every call of a group.
    Group(String),
    /// Those of one tool of a group.
    Tool {
        /// The group.
        group_id: String,
        /// The tool.
        tool_name: String,
    },
}

impl Store {
    /// Calls since `since`; of each outcome no more than the newest `most` rows of the log are looked at.
    pub async fn logged_calls(&self, of: Of, since: i64, most: u32) -> Result<LoggedCalls, StoreError> {
        self.scan(move |db| match &of {
            Of::Group(group) => {
                let calls = rows::all(db, OF_GROUP, params![group, since, most], call)?;
                let complete = calls.len() < most as usize;
                Ok(LoggedCalls { calls: calls.into_iter().map(|(_, call)| call).collect(), complete })
            }
            Of::Tool { group_id, tool_name } => of_tool(db, (group_id, tool_name), since, most),
        })
        .await
    }
}

const OF_GROUP: &str = "SELECT group_id, tool_name, key_id, client_name, caller_app_id, channel, success, duration_ms, created_at
    FROM mcp_call_logs WHERE group_id = ?1 AND created_at >= ?2 ORDER BY created_at DESC LIMIT ?3";
const OF_TOOL: &str = "SELECT group_id, tool_name, key_id, client_name, caller_app_id, channel, success, duration_ms, created_at
    FROM mcp_call_logs WHERE tool_name = ?1 AND success = ?4 AND created_at >= ?2 ORDER BY created_at DESC LIMIT ?3";

/// The index is by tool and success: each of the two is read from its newest row on.
fn of_tool(db: &Connection, (group, tool): (&str, &str), since: i64, most: u32) -> rusqlite::Result<LoggedCalls> {
    let mut found = LoggedCalls { calls: Vec::new(), complete: true };
    for success in [true, false] {
        let calls = rows::all(db, OF_TOOL, params![tool, since, most, success], call)?;
        found.complete &= calls.len() < most as usize;
        found.calls.extend(calls.into_iter().filter(|(of, _)| of.as_deref() == Some(group)).map(|(_, call)| call));
    }
    Ok(found)
}

fn call(row: &Row<'_>) -> rusqlite::Result<(Option<String>, LoggedCall)> {
    let call = LoggedCall {
        tool_name: row.get(1)?,
        key_id: row.get(2)?,
        client_name: row.get(3)?,
        caller_app_id: row.get(4)?,
        channel: row.get(5)?,
        success: row.get(6)?,
        duration_ms: row.get(7)?,
        created_at: row.get(8)?,
    };
    Ok((row.get(0)?, call))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows_for_tests::Bench;

    fn bench() -> Bench {
        let bench = Bench::new();
        for (id, tool, group, success, at) in
            [(1, "t", "g", 1, 10), (2, "t", "g", 0, 20), (3, "t", "other", 1, 30), (4, "u", "g", 1, 40), (5, "t", "g", 1, 50)]
        {
            bench
                .db
                .execute(
                    "INSERT INTO mcp_call_logs (id, call_id, tool_name, group_id, channel, protocol, success, outcome, duration_ms, created_at)
                     VALUES (?1, ?1, ?2, ?3, 'http', '', ?4, 'ok', 5, ?5)",
                    params![id, tool, group, success, at],
                )
                .unwrap();
        }
        bench
    }

    #[tokio::test]
    async fn calls_are_those_of_the_group_since_the_moment_and_no_more_than_asked_for() {
        let bench = bench();
        let times = async |of: Of, since: i64, most: u32| {
            let found = bench.store.logged_calls(of, since, most).await.unwrap();
            (found.calls.iter().map(|call| call.created_at).collect::<Vec<_>>(), found.complete)
        };
        let tool = || Of::Tool { group_id: "g".into(), tool_name: "t".into() };
        assert_eq!(times(tool(), 0, 9).await, (vec![50, 10, 20], true));
        assert_eq!(times(tool(), 20, 9).await, (vec![50, 20], true));
        assert_eq!(times(tool(), 0, 2).await, (vec![50, 20], false), "what belongs to another group was looked at, too");
        assert_eq!(times(Of::Group("g".into()), 0, 3).await, (vec![50, 40, 20], false));
        assert_eq!(times(Of::Group("nobody".into()), 0, 3).await, (vec![], true));
    }

    #[test]
    fn a_log_of_any_size_is_read_by_its_indexes() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(super::super::migrate::SCHEMA).unwrap();
        for (sql, index) in [(OF_GROUP, "mcp_call_logs_by_group"), (OF_TOOL, "mcp_call_logs_by_tool")] {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = statement.parameter_count();
            let plan: Vec<String> =
                statement.query_map(rusqlite::params_from_iter(vec![""; count]), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let plan = plan.join("; ");
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
