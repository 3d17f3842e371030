//! What is deleted, what never is, and in which bites.

use super::*;
use crate::store::rows_for_tests::{Bench, DAY, Run, T0};

const OLD: i64 = T0 - 40 * DAY;
const CUTOFFS: Cutoffs = Cutoffs { jobs: T0 - 30 * DAY, deliveries: T0 - 30 * DAY, call_log: T0 - 30 * DAY, subjects: T0, tasks: T0 };

fn push(bench: &Bench, id: &str, delivered_at: Option<i64>) {
    bench.sql(
        "INSERT INTO pushes (id, channel, reason, subject_id, payload, created_at, delivered_at) VALUES (?1, 'a', 'alert', ?1, '{}', 0, ?2)",
        &[&id, &delivered_at],
    );
}

#[tokio::test]
async fn what_is_settled_and_old_goes_and_everything_else_stays() {
    let bench = Bench::new();
    for (id, state) in [("done", "done"), ("open", "accepted"), ("dead", "dead_letter")] {
        bench.run(Run { id, state, accepted_at: OLD, finished_at: Some(OLD), ..Run::default() });
        bench.says(id, OLD);
        bench.job("registration", id, if id == "open" { "ready" } else { id });
        bench.sql("INSERT INTO subjects (id, registration_id, user_id, expires_at) VALUES (?1, ?1, ?1, ?2)", &[&id, &OLD]);
        bench.call(id, ("g", "agent"), "answered", 1);
        let delivered = (id == "done").then_some(OLD);
        bench.sql(
            "INSERT INTO outgoing_events (id, kind, subject_id, registration_id, payload, created_at, delivered_at) VALUES (?1, 'k', ?1, ?1, '{}', 0, ?2)",
            &[&id, &delivered],
        );
        bench.sql("INSERT INTO event_attempts (event_id, attempt, attempted_at, duration_ms) VALUES (?1, 1, 0, 0)", &[&id]);
        bench.sql(
            "INSERT INTO notifications (id, registration_id, kind, recipient_id, payload, created_at, acked_at) VALUES (?1, ?1, 'k', 'c', '{}', 0, ?2)",
            &[&id, &delivered],
        );
    }
    bench.sql("UPDATE jobs SET finished_at = ?1 WHERE state <> 'ready'", &[&OLD]);
    bench.job("new", "n", "done");
    push(&bench, "delivered", Some(OLD));
    push(&bench, "latest", Some(OLD + 1));
    push(&bench, "never", None);
    for at in [OLD, OLD + 1, T0] {
        bench.sql(
            "INSERT INTO mcp_call_logs (call_id, tool_name, channel, protocol, success, outcome, duration_ms, created_at) VALUES (?1, 't', 'cli', '', 1, 'ok', 1, ?1)",
            &[&at],
        );
    }
    bench.sql(
        "INSERT INTO mcp_tool_groups (id, server_code, name, created_by, created_at, updated_at) VALUES ('g', 'g', 'g', 'cli', 0, 0)",
        &[],
    );
    for (id, at) in [("forgotten", T0), ("asked", T0 + 1)] {
        bench.sql(
            "INSERT INTO mcp_tasks (id, principal, group_id, tool_name, channel, created_at, updated_at, deadline_at, expires_at)
             VALUES (?1, 'k', 'g', 't', 'http', 0, 0, 0, ?2)",
            &[&id, &at],
        );
    }
    for (called, at) in [("gave_up", OLD), ("goes_on", T0)] {
        bench.sql(
            "INSERT INTO mcp_stale_calls (principal, group_id, called, reason, calls, first_at, last_at) VALUES ('k', 'g', ?1, 'renamed', 1, 0, ?2)",
            &[&called, &at],
        );
    }

    let pruned = bench.store.prune(CUTOFFS).await.unwrap();
    assert_eq!(pruned, Pruned { jobs: 1, notifications: 1, pushes: 1, events: 1, calls: 2, subjects: 1, tasks: 1, stale_callers: 1 });
    assert_eq!(bench.texts("SELECT subject_id FROM jobs ORDER BY 1"), ["dead", "n", "open"]);
    assert_eq!(bench.texts("SELECT id FROM subjects ORDER BY 1"), ["dead", "open"]);
    assert_eq!(bench.texts("SELECT id FROM outgoing_events ORDER BY 1"), ["dead", "open"]);
    assert_eq!(bench.texts("SELECT event_id FROM event_attempts ORDER BY 1"), ["dead", "open"]);
    assert_eq!(bench.texts("SELECT id FROM notifications ORDER BY 1"), ["dead", "open"]);
    assert_eq!(bench.texts("SELECT id FROM pushes ORDER BY 1"), ["latest", "never"]);
    assert_eq!(bench.texts("SELECT id FROM mcp_tasks"), ["asked"]);
    assert_eq!(bench.texts("SELECT called FROM mcp_stale_calls"), ["goes_on"]);
    for table in ["registrations", "conversations", "messages", "agent_calls", "users"] {
        assert_eq!(bench.number(&format!("SELECT count(*) FROM {table}")), 3, "{table}");
    }
    assert_eq!(bench.store.prune(CUTOFFS).await.unwrap().total(), 0);
}

#[tokio::test]
async fn many_rows_are_deleted_bite_by_bite() {
    let bench = Bench::new();
    let many = 2 * BITE + 1;
    bench.sql(
        "INSERT INTO mcp_call_logs (call_id, tool_name, channel, protocol, success, outcome, duration_ms, created_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT i, 't', 'cli', '', 1, 'ok', 1, i FROM n",
        &[&many],
    );
    let rule = CALLS.find;
    let first = bench.store.scan(move |db| keys(db, rule, params![T0, BITE])).await.unwrap();
    assert_eq!(first.len(), usize::try_from(BITE).unwrap());
    assert_eq!(bench.store.prune(CUTOFFS).await.unwrap().calls, usize::try_from(many).unwrap());
}

#[tokio::test]
async fn a_long_write_ahead_log_is_emptied_and_writing_goes_on() {
    let bench = Bench::new();
    for n in 0..200 {
        bench.store.keep_meta(format!("k{n}").leak(), "x".repeat(2_000)).await.unwrap();
    }
    let wal = PathBuf::from(format!("{}-wal", bench.store.path().display()));
    let length = std::fs::metadata(&wal).unwrap().len();
    assert_eq!(bench.store.empty_long_wal(length).await.unwrap(), None, "it is not longer than that");
    assert_eq!(bench.store.empty_long_wal(length - 1).await.unwrap(), Some(length));
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), 0);
    bench.store.keep_meta("after", "y".into()).await.unwrap();
    assert_eq!(bench.store.meta("after").unwrap().as_deref(), Some("y"));
}
