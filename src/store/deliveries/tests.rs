//! Lists of notices and pushes by state, and what can be sent again.

use serde_json::json;

use super::*;
use crate::store::rows_for_tests::{Bench, T0};

fn by() -> By {
    By::new("account:xu", T0 + 9)
}

fn add_push(bench: &Bench, id: &str, channel: &str, job: &str) {
    bench.sql(
        "INSERT INTO pushes (id, channel, reason, subject_id, payload, created_at, last_error) VALUES (?1, ?2, 'alert', ?1, '{}', 0, 'refused')",
        &[&id, &channel],
    );
    bench.job("push", id, job);
    if job == "done" {
        bench.sql("UPDATE pushes SET delivered_at = 5 WHERE id = ?1", &[&id]);
    }
}

async fn pushed(bench: &Bench, filter: PushFilter) -> Vec<String> {
    bench.store.pushes(PushFilter { limit: 10, ..filter }).await.unwrap().items.into_iter().map(|push| push.id).collect()
}

#[tokio::test]
async fn pushes_are_listed_by_state_and_page_by_page() {
    let bench = Bench::new();
    for (id, channel, job) in [("p1", "a", "done"), ("p2", "b", "dead"), ("p3", "a", "ready"), ("p4", "a", "cancelled")] {
        add_push(&bench, id, channel, job);
    }
    let of = |state| PushFilter { state: Some(state), ..PushFilter::default() };
    assert_eq!(pushed(&bench, PushFilter::default()).await, ["p4", "p3", "p2", "p1"]);
    assert_eq!(pushed(&bench, PushFilter { after: Some("p3".into()), ..PushFilter::default() }).await, ["p2", "p1"]);
    assert_eq!(pushed(&bench, of(PushState::GivenUp)).await, ["p4", "p2"]);
    assert_eq!(pushed(&bench, of(PushState::Waiting)).await, ["p3"]);
    assert_eq!(pushed(&bench, PushFilter { channel: Some("a".into()), ..of(PushState::Delivered) }).await, ["p1"]);
}

#[tokio::test]
async fn only_what_was_given_up_is_sent_again() {
    let bench = Bench::new();
    for (id, job) in [("p1", "done"), ("p2", "dead"), ("p3", "ready"), ("p4", "dead")] {
        add_push(&bench, id, "a", job);
    }
    bench.sql("DELETE FROM jobs WHERE subject_id = 'p4'", &[]);
    for id in ["p1", "p3"] {
        assert!(matches!(bench.store.resend_push(id, by()).await, Err(StoreError::Conflict(_))), "{id}");
    }
    assert!(matches!(bench.store.resend_push("nothing", by()).await, Err(StoreError::NotFound(_))));
    for id in ["p2", "p4"] {
        bench.store.resend_push(id, by()).await.unwrap();
        assert_eq!(bench.store.listed_push(id).unwrap().unwrap().state, PushState::Waiting);
    }
    assert_eq!(bench.number("SELECT run_at FROM jobs WHERE subject_id = 'p4' AND state = 'ready'"), T0 + 9);
    assert_eq!(
        bench.texts("SELECT action || ' ' || object FROM audit_log ORDER BY seq"),
        ["push.resend push/a/p2", "push.resend push/a/p4"]
    );
}

#[tokio::test]
async fn notices_are_listed_by_state_with_whom_they_are_for() {
    let bench = Bench::new();
    let run = bench.store.registration_for_test("c1").await;
    for (id, recipient) in [("n1", "c1"), ("n2", ""), ("n3", "gone")] {
        bench.store.notify_as_for_test(id, &run, recipient, json!({"title": "t"})).await;
    }
    bench.sql("INSERT INTO users (id, username, registered_at, created_at, updated_at) VALUES ('c1', '<b>林</b>', 1, 1, 1)", &[]);
    bench.sql("UPDATE notifications SET sent_at = 6, acked_at = 7 WHERE id = 'n1'", &[]);
    bench.sql("UPDATE notifications SET sent_at = 6 WHERE id = 'n2'", &[]);
    let all = bench.store.notices(NoticeFilter { limit: 10, ..NoticeFilter::default() }).await.unwrap().items;
    let told: Vec<_> = all.iter().map(|notice| (notice.id.as_str(), notice.state().as_str(), notice.recipient.as_deref())).collect();
    assert_eq!(told, [("n3", "waiting", None), ("n2", "sent", None), ("n1", "acknowledged", Some("<b>林</b>"))]);
    for (state, id) in NoticeState::ALL.into_iter().zip(["n3", "n2", "n1"]) {
        let found = bench.store.notices(NoticeFilter { state: Some(state), limit: 10, ..NoticeFilter::default() }).await.unwrap().items;
        assert_eq!(found.iter().map(|notice| notice.id.as_str()).collect::<Vec<_>>(), [id], "{state:?}");
    }
    let of = NoticeFilter { recipient_id: Some("gone".into()), registration_id: Some(run), limit: 10, ..NoticeFilter::default() };
    assert_eq!(bench.store.notices(of).await.unwrap().items.len(), 1);
}

/// Lists stay fast when there are millions of rows: each walks an index in the list's order, or looks one run up.
#[test]
fn every_list_has_its_index() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
    let plan = |sql: &str| {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines: Vec<String> = statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
        lines.join("; ")
    };
    for (state, index) in [
        (None, "autoindex_notifications_1"),
        (Some(NoticeState::Waiting), "notifications_open"),
        (Some(NoticeState::Sent), "notifications_open"),
    ] {
        let plan = plan(&notices(state, false));
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{state:?}: {plan}");
    }
    assert!(plan(&notices(Some(NoticeState::Waiting), true)).contains("(registration_id=?"));
    for (state, index) in
        [(None, "autoindex_pushes_1"), (Some(PushState::Waiting), "pushes_waiting"), (Some(PushState::GivenUp), "pushes_waiting")]
    {
        let plan = plan(&pushes(state, false));
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{state:?}: {plan}");
    }
    assert!(plan(&pushes(None, true)).contains("(reason=? AND subject_id=?"));
}
