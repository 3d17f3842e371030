//! Events and jobs page by page, sent again and tried again, with what is written down of it.

use super::*;
use crate::{
    admin::calls::{
        bench::{Bench, by},
        jobs::JobsWanted,
    },
    store::rows_for_tests::T0,
};

async fn bench() -> Bench {
    let bench = Bench::with(|config| config.outbound.webhook_url = Some("https://user:pw@app.example.cn:8443/in?k=t0ps3cret".into())).await;
    let run = bench.calls.store.registration_for_test("c1").await;
    for (n, state) in ["done", "dead", "ready"].into_iter().enumerate() {
        let (id, at) = (format!("msg_{n}"), T0 + n as i64 / 2);
        bench
            .db
            .execute(
                "INSERT INTO outgoing_events (id, kind, subject_id, registration_id, payload, created_at, delivered_at, given_up_at)
                 VALUES (?1, 'message.created', ?1, ?2, '{\"type\":\"message.created\",\"data\":{\"text\":\"您好\",\"rung\":\"agent\"}}', ?3, ?4, ?5)",
                (&id, &run, at, (n == 0).then_some(at), (n == 1).then_some(at)),
            )
            .unwrap();
        bench
            .db
            .execute(
                "INSERT INTO jobs (id, kind, subject_id, state, attempt, run_at, created_at, finished_at, last_error)
                 VALUES ('job-' || ?1, 'outgoing_event', ?1, ?2, 7, ?3, ?3, iif(?2 = 'ready', NULL, ?3), 'refused')",
                (&id, state, at + 60_000),
            )
            .unwrap();
    }
    bench.db.execute("INSERT INTO event_attempts VALUES ('msg_1', 1, 5, 20, 503, 'overloaded')", []).unwrap();
    bench
}

fn wanted(limit: u32) -> EventsWanted {
    EventsWanted { limit, ..EventsWanted::default() }
}

#[tokio::test]
async fn events_are_listed_page_by_page_and_by_state() {
    let bench = bench().await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = bench.calls.events(EventsWanted { cursor, ..wanted(1) }).await.unwrap();
        seen.extend(page.items.into_iter().map(|event| event.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["msg_2", "msg_1", "msg_0"]);
    for (state, id) in [("waiting", "msg_2"), ("given_up", "msg_1"), ("delivered", "msg_0")] {
        let found = bench.calls.events(EventsWanted { state: Some(state.into()), ..wanted(9) }).await.unwrap().items;
        assert_eq!(found.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), [id], "{state}");
    }
    let unknown = bench.calls.events(EventsWanted { state: Some("lost".into()), ..wanted(9) }).await.unwrap_err();
    assert!(matches!(&unknown, CallError::Invalid(fields) if fields[0].pointer == "/state"), "{unknown:?}");
    let run = bench.text("SELECT registration_id FROM outgoing_events LIMIT 1");
    let of_run = bench.calls.events(EventsWanted { registration_id: Some(run), ..wanted(9) }).await.unwrap().items;
    assert_eq!(of_run.len(), 3);
    assert!(bench.calls.events(EventsWanted { kind: Some("other".into()), ..wanted(9) }).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn an_event_is_shown_with_its_attempts_and_without_words_for_whoever_reads_none() {
    let bench = bench().await;
    let event = bench.calls.event("msg_1", Words::Shown).unwrap();
    assert_eq!((event.state.as_str(), event.attempts[0].status, &event.body["data"]["text"]), ("given_up", Some(503), &"您好".into()));
    let withheld = bench.calls.event("msg_1", Words::Withheld).unwrap();
    assert_eq!((&withheld.body["data"]["text"], &withheld.body["data"]["rung"]), (&Value::Null, &"agent".into()));
    assert!(matches!(bench.calls.event("msg_9", Words::Shown), Err(CallError::NotFound(_))));
}

#[tokio::test]
async fn an_event_is_sent_again_whatever_became_of_it_and_at_once() {
    let bench = bench().await;
    for id in ["msg_0", "msg_1", "msg_2"] {
        assert_eq!(bench.calls.replay_event(id, &by()).await.unwrap().state, "waiting");
        let due = format!("SELECT state || run_at || attempt FROM jobs WHERE subject_id = '{id}'");
        assert!(bench.text(&due).starts_with(&format!("ready{T0}")), "{id}: {}", bench.text(&due));
    }
    assert!(matches!(bench.calls.replay_event("msg_9", &by()).await, Err(CallError::NotFound(_))));
    assert_eq!(bench.audited().matches("event.replay event/msg_").count(), 3, "{}", bench.audited());
}

#[tokio::test]
async fn the_receiver_is_named_by_its_host_and_put_back_once() {
    let bench = bench().await;
    bench.calls.store.set_event_endpoint(Some("503 for a day".into()), By::new("daemon", T0)).await.unwrap();
    let endpoint = bench.calls.event_endpoint().await.unwrap();
    assert_eq!(
        (endpoint.host.as_deref(), endpoint.reason.as_deref(), endpoint.waiting),
        (Some("app.example.cn:8443"), Some("503 for a day"), 1)
    );
    for _ in 0..2 {
        assert_eq!(bench.calls.enable_event_endpoint(&by()).await.unwrap().disabled_at, None);
    }
    assert_eq!(bench.audited().matches("events.enable").count(), 1, "what changes nothing leaves no trace");
}

#[tokio::test]
async fn jobs_are_listed_tried_again_and_taken_back() {
    let bench = bench().await;
    let of = |state: Option<&str>, limit| JobsWanted {
        state: state.map(str::to_owned),
        kind: Some("outgoing_event".into()),
        limit,
        ..JobsWanted::default()
    };
    let first = bench.calls.jobs(of(None, 2)).await.unwrap();
    assert_eq!(first.items.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["job-msg_2", "job-msg_1"]);
    let rest = bench.calls.jobs(JobsWanted { cursor: first.next_cursor, ..of(None, 2) }).await.unwrap();
    assert_eq!((rest.items[0].id.as_str(), rest.next_cursor), ("job-msg_0", None));
    for (state, id) in [("done", "job-msg_0"), ("dead", "job-msg_1"), ("ready", "job-msg_2")] {
        assert_eq!(bench.calls.jobs(of(Some(state), 9)).await.unwrap().items[0].id, id);
    }
    assert!(matches!(bench.calls.jobs(of(Some("lost"), 9)).await, Err(CallError::Invalid(_))));
    assert!(bench.calls.jobs(of(Some("running"), 9)).await.unwrap().items.is_empty());
    assert_eq!(bench.calls.job_counts().await.unwrap().dead, 1);

    assert_eq!(bench.calls.retry_job("job-msg_1", &by()).await.unwrap().state, "ready");
    assert_eq!(bench.calls.event("msg_1", Words::Shown).unwrap().state, "waiting", "what it is about goes on with it");
    assert!(matches!(bench.calls.retry_job("job-msg_0", &by()).await, Err(CallError::Conflict(_))), "what is done is not tried again");
    assert_eq!(bench.calls.cancel_job("job-msg_2", &by()).await.unwrap().state, "cancelled");
    assert_eq!(bench.calls.jobs(of(Some("cancelled"), 9)).await.unwrap().items.len(), 1);
    assert!(matches!(bench.calls.cancel_job("nothing", &by()).await, Err(CallError::NotFound(_))));
    for line in ["job.retry job/outgoing_event/msg_1", "job.cancel job/outgoing_event/msg_2"] {
        assert!(bench.audited().contains(line), "{line}: {}", bench.audited());
    }
}

#[tokio::test]
async fn the_rows_are_held_against_the_rules() {
    let bench = Bench::new().await;
    let proof = bench.calls.verify_jobs().await.unwrap();
    assert!(proof.ok && proof.checks.len() > 10, "{proof:?}");
}
