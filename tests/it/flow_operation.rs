//! What operators do and see: a run that fails for good, a receiver that is gone, ratings, and an agent that is set up
//! wrongly.

use std::time::{Duration, Instant};

use anmei_mcp::demo::stand_in_dify::{Behaviour, StandIn};
use serde_json::{Value, json};

use crate::{
    harness::{App, HOOK_KEY, HOOK_SECRET},
    registration::{add_agent_as, agent, new_user, receiver},
};

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_run_that_fails_for_good_is_a_dead_letter_with_an_alert_and_a_retry_carries_it_on() {
    let (url, mut events) = receiver(http::StatusCode::NO_CONTENT).await;
    let app = App::start(&[("retry.delays", "50ms, 50ms"), ("outbound.webhook_url", &url), ("outbound.webhook_secret", HOOK_SECRET)]).await;
    let rows = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    rows.execute_batch("CREATE TRIGGER broken BEFORE INSERT ON conversations BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END")
        .unwrap();
    let accepted = app.register(None, &new_user(1)).await.json();
    let run = app.finished(&accepted).await;
    assert_eq!(run["state"], "dead_letter", "{run}");
    let failed = run["steps"].as_array().unwrap().iter().filter(|step| step["state"] == "failed").count();
    assert_eq!(failed, 3, "each try is on record: {run}");
    let (_, told) = tokio::time::timeout(Duration::from_secs(5), events.recv()).await.unwrap().unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!((&told["type"], &told["data"]["registration_id"]), (&json!("registration.failed"), &run["registration_id"]));
    until("an alert", || app.count("SELECT count(*) FROM alerts WHERE condition = 'dead_letter' AND resolved_at IS NULL") == 1).await;
    rows.execute_batch("DROP TRIGGER broken").unwrap();
    app.ok(&["job", "retry", run["registration_id"].as_str().unwrap()]);
    until("the run's end", || app.count("SELECT count(*) FROM registrations WHERE state = 'done_with_fallback'") == 1).await;
    until("the alert's end", || app.count("SELECT count(*) FROM alerts WHERE condition = 'dead_letter' AND resolved_at IS NOT NULL") == 1)
        .await;
    assert_eq!((app.count("SELECT count(*) FROM conversations"), app.count("SELECT count(*) FROM messages")), (1, 1));
}

#[tokio::test]
async fn a_receiver_that_fails_for_too_long_is_taken_out_of_use_and_put_back() {
    let (url, mut heard) = receiver(http::StatusCode::SERVICE_UNAVAILABLE).await;
    let app = App::start(&[
        ("outbound.webhook_url", &url),
        ("outbound.webhook_secret", HOOK_SECRET),
        ("events.delays", "600ms, 600ms, 600ms, 600ms, 600ms, 600ms"),
        ("events.disable_after", "1s"),
    ])
    .await;
    app.finished(&app.register(None, &new_user(1)).await.json()).await;
    let disabled = || app.ok_json(&["event", "list"])["endpoint"]["disabled_at"].is_i64();
    until("the receiver out of use", disabled).await;
    until("an alert", || app.count("SELECT count(*) FROM alerts WHERE condition = 'events_disabled'") == 1).await;
    while tokio::time::timeout(Duration::from_millis(900), heard.recv()).await.is_ok() {}
    let waiting = app.ok_json(&["event", "list", "--state", "waiting"])["events"].as_array().unwrap().len();
    assert_eq!(waiting, 4, "events wait and cost no attempt");
    app.ok(&["event", "enable"]);
    assert!(app.ok_json(&["event", "list"])["endpoint"]["disabled_at"].is_null());
}

#[tokio::test]
async fn a_rating_reaches_the_agent_that_wrote_the_welcome() {
    let app = App::start(&[]).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 0 }).await;
    let run = app.finished(&app.register(None, &new_user(1)).await.json()).await;
    let bearer = format!("Bearer {HOOK_KEY}");
    let body = json!({"registration_id": run["registration_id"], "rating": 2, "comment": "太长了"}).to_string();
    let url = format!("{}/hooks/feedback", app.hook_root());
    let rated = app.send("POST", &url, &[("authorization", &bearer), ("content-type", "application/json")], body).await;
    assert_eq!(rated.status, 200, "{rated:?}");
    until("Dify has it", || dify.ledger.runs()[0].feedback == Some(("dislike".to_owned(), "太长了".to_owned()))).await;
    until("it is noted", || app.count("SELECT count(*) FROM feedback WHERE forwarded_at IS NOT NULL") == 1).await;
    let figures = app.ok_json(&["agent", "figures"]);
    assert!(figures.to_string().contains("\"管家\"") || figures.to_string().contains("管家"), "{figures}");
}

// The stand-in answers on a thread of its own while the command is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn checking_an_agent_says_what_is_wrong_with_it() {
    let app = App::start(&[]).await;
    let dify = StandIn::start(([127, 0, 0, 1], 0).into(), StandIn::default()).await.unwrap();
    add_agent_as(&app, &dify, "good", &[]);
    let said = app.ok(&["agent", "check", "good"]);
    assert!(said.contains("input user_id (required): the fact user_id"), "{said}");
    app.ok(&["agent", "set", "good", "--input", "username=username"]);
    let unmapped = app.cli(&["agent", "check", "good"]);
    let told = String::from_utf8_lossy(&unmapped.stderr).into_owned();
    assert!(unmapped.status.code() == Some(1) && told.contains("required inputs without a value: user_id"), "{told}");
    app.ok(&["agent", "set", "good", "--input", "user_id=user_id", "--kind", "workflow"]);
    let kind = app.cli(&["agent", "check", "good"]);
    assert!(kind.status.code() == Some(1) && String::from_utf8_lossy(&kind.stderr).contains("agent-chat"), "{kind:?}");
    let bad = app.cli(&["agent", "set", "good", "--input", "user_id=phone"]);
    assert!(bad.status.code() == Some(2) && String::from_utf8_lossy(&bad.stderr).contains("there is no fact phone"), "{bad:?}");
}
