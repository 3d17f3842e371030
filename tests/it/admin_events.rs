//! Events, pushes, channels, alerts and jobs through the admin side's front door.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, routing::post};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    admin_kit::Person,
    harness::{App, HOOK_SECRET},
    registration::{new_user, receiver},
};

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A group's robot that takes what it is sent while `takes` says so, and keeps all of it.
async fn robot(takes: Arc<AtomicBool>) -> (String, mpsc::UnboundedReceiver<Value>) {
    let (tell, told) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/send",
        post(move |Json(body): Json<Value>| {
            tell.send(body).unwrap();
            let code = if takes.load(Ordering::SeqCst) { 0 } else { 93_000 };
            async move { Json(json!({"errcode": code, "errmsg": "key=t0ps3cret"})) }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/send?key=t0ps3cret", listener.local_addr().unwrap());
    serve(listener, app);
    (url, told)
}

#[expect(clippy::disallowed_methods, reason = "a server of the tests: it ends with the test")]
fn serve(listener: tokio::net::TcpListener, routes: Router) {
    tokio::spawn(async move { axum::serve(listener, routes).await });
}

#[tokio::test]
async fn an_event_is_listed_with_its_attempts_and_sent_again_under_the_same_id() {
    let (url, mut heard) = receiver(StatusCode::NO_CONTENT).await;
    let app = App::start(&[("outbound.webhook_url", &url), ("outbound.webhook_secret", HOOK_SECRET)]).await;
    let (operator, auditor) = (Person::new(&app, "operator"), Person::new(&app, "auditor"));
    let run = app.finished(&app.register(None, &new_user(1)).await.json()).await;
    until("all events arrive", || app.count("SELECT count(*) FROM outgoing_events WHERE delivered_at IS NOT NULL") == 4).await;
    while heard.try_recv().is_ok() {}

    let first = operator.get(&app, "/events?limit=3").await;
    let rest = operator.get(&app, &format!("/events?limit=3&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((first["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (3, 1));
    assert!(rest["next_cursor"].is_null());
    let run_id = run["registration_id"].as_str().unwrap();
    let of_run = operator.get(&app, &format!("/events?kind=message.created&state=delivered&registration_id={run_id}")).await;
    let id = of_run["items"][0]["id"].as_str().unwrap().to_owned();
    let detail = operator.get(&app, &format!("/events/{id}")).await;
    assert_eq!((&detail["attempts"][0]["status"], &detail["state"]), (&json!(204), &json!("delivered")), "{detail}");
    assert!(detail["body"]["data"]["text"].is_string());
    assert!(auditor.get(&app, &format!("/events/{id}")).await["body"]["data"]["text"].is_null(), "words are not an auditor's to read here");

    let replayed = operator.post(&app, &format!("/events/{id}/replay?reason=lost"), Value::Null).await;
    assert_eq!(replayed["state"], "waiting");
    let (headers, body) = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.unwrap().unwrap();
    assert_eq!(headers["webhook-id"], id.as_str());
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), detail["body"], "byte for byte what was told before");
    until("the second attempt", || app.count(&format!("SELECT count(*) FROM event_attempts WHERE event_id = '{id}'")) == 2).await;

    let endpoint = operator.get(&app, "/events/endpoint").await;
    assert_eq!((&endpoint["configured"], &endpoint["disabled_at"]), (&json!(true), &Value::Null), "{endpoint}");
    let refused = auditor.ask(&app, ("POST", &format!("/events/{id}/replay")), &[], Value::Null).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for (path, status) in [("/events/msg_9", 404), ("/events?state=lost", 422), ("/events?limit=0", 422), ("/events?cursor=x", 422)] {
        assert_eq!(operator.ask(&app, ("GET", path), &[], Value::Null).await.status, status, "{path}");
    }
    let audited = app.ok(&["audit", "list", "--json"]);
    assert!(audited.contains(&format!("event/{id}")) && audited.contains("\"lost\""), "{audited}");
    let page = operator.page(&app, &format!("/panel/notifications/events/{id}"), "zh-CN").await;
    assert!(page.status == StatusCode::OK && page.body.contains(&id), "{page:?}");
    let done = operator.form(&app, &format!("/panel/notifications/events/{id}/replay"), &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_channel_is_previewed_and_tested_and_a_push_it_refused_is_sent_again() {
    let takes = Arc::new(AtomicBool::new(false));
    let (url, mut told) = robot(Arc::clone(&takes)).await;
    let channels = json!([{"kind": "wecom", "name": "前台群", "url": url}]).to_string();
    let app =
        App::start(&[("notice.channels", &channels), ("notice.ack_timeout", "50ms"), ("notice.push_body", "{username} 在等您")]).await;
    let operator = Person::new(&app, "operator");
    let listed = operator.get(&app, "/channels").await;
    assert!(listed["items"][0]["address"].as_str().unwrap().ends_with("/send?key=***"), "{listed}");
    let path = "/channels/%E5%89%8D%E5%8F%B0%E7%BE%A4";
    let preview = operator.post(&app, &format!("{path}/preview"), json!({"username": "<@all>"})).await;
    assert!(!preview["shown"].as_str().unwrap().contains("<@all>"), "{preview}");
    assert!(told.try_recv().is_err(), "nothing is sent for a preview");
    let test = operator.post(&app, &format!("{path}/test"), json!({})).await;
    assert!(test["ok"] == false && test["problem"]["en"].as_str().unwrap().contains("93000"), "{test}");
    takes.store(true, Ordering::SeqCst);
    let test = operator.post(&app, &format!("{path}/test"), json!({})).await;
    assert_eq!(test["ok"], true, "{test}");
    let sent = std::iter::from_fn(|| told.try_recv().ok()).map(|body| body["markdown"]["content"].clone()).collect::<Vec<_>>();
    assert!(sent.len() == 2 && sent.iter().all(|text| text.as_str().unwrap().contains("测试")), "{sent:?}");

    takes.store(false, Ordering::SeqCst);
    app.finished(&app.register(None, &new_user(1)).await.json()).await;
    until("the push is given up", || app.count("SELECT count(*) FROM jobs WHERE kind = 'push' AND state = 'dead'") == 1).await;
    let pushes = operator.get(&app, "/pushes?state=given_up&channel=%E5%89%8D%E5%8F%B0%E7%BE%A4").await;
    let push = &pushes["items"][0];
    assert!(push["last_error"].as_str().unwrap().contains("93000") && push["body"] == "林晓月 在等您", "{pushes}");
    while told.try_recv().is_ok() {}
    takes.store(true, Ordering::SeqCst);
    let again = operator.post(&app, &format!("/pushes/{}/resend", push["id"].as_str().unwrap()), Value::Null).await;
    assert_eq!(again["state"], "waiting");
    let heard = tokio::time::timeout(Duration::from_secs(5), told.recv()).await.unwrap().unwrap();
    assert!(heard.to_string().contains("林晓月 在等您"), "{heard}");
    until("it is delivered", || app.count("SELECT count(*) FROM pushes WHERE delivered_at IS NOT NULL") == 1).await;
    let late = operator.ask(&app, ("POST", &format!("/pushes/{}/resend", push["id"].as_str().unwrap())), &[], Value::Null).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{late:?}");
    let notices = operator.get(&app, "/notifications?kind=new_customer").await;
    assert_eq!((&notices["items"][0]["state"], &notices["items"][0]["recipient_id"]), (&json!("waiting"), &json!("")), "{notices}");

    let page = operator.form(&app, "/panel/notifications/channels", &[("channel", "consultants/前台群"), ("push_title", "来客")]).await;
    assert!(page.status == StatusCode::OK && page.body.contains("The channel took it"), "{}", page.body);
    let seen = app.log() + &app.ok(&["audit", "list", "--json"]) + &pushes.to_string() + &test.to_string() + &page.body;
    assert!(!seen.contains("t0ps3cret"), "an address came out");
    assert!(seen.contains("channel.test") && seen.contains("push.resend"));
}

#[tokio::test]
async fn a_dead_letter_is_seen_as_job_and_alert_and_tried_again() {
    let app = App::start(&[("retry.delays", "50ms")]).await;
    let operator = Person::new(&app, "operator");
    app.change("CREATE TRIGGER broken BEFORE INSERT ON conversations BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END");
    let run = app.finished(&app.register(None, &new_user(1)).await.json()).await;
    let id = run["registration_id"].as_str().unwrap().to_owned();
    until("an alert", || app.count("SELECT count(*) FROM alerts WHERE resolved_at IS NULL") == 1).await;
    let alerts = operator.get(&app, "/alerts?open=true").await;
    assert_eq!(
        (&alerts["items"][0]["condition"], &alerts["items"][0]["severity"]),
        (&json!("dead_letter"), &json!("critical")),
        "{alerts}"
    );
    let dead = operator.get(&app, "/jobs?state=dead").await;
    assert_eq!((&dead["items"][0]["kind"], &dead["items"][0]["subject_id"]), (&json!("registration"), &json!(id)), "{dead}");
    let detail = operator.get(&app, &format!("/jobs/{id}")).await;
    assert!(detail["steps"].as_array().unwrap().iter().any(|step| step["state"] == "failed"), "{detail}");
    assert_eq!(operator.get(&app, "/jobs/counts").await["dead"], 1);
    let page = operator.page(&app, "/panel/jobs?state=dead", "en").await;
    assert!(page.body.contains(&format!("/panel/registrations/{id}")) && page.body.contains("as the test wants it"), "{}", page.body);
    assert!(operator.page(&app, "/panel/alerts", "zh-CN").await.body.contains("任务失败"));

    app.change("DROP TRIGGER broken");
    let retried = operator.post(&app, &format!("/jobs/{id}/retry?reason=fixed"), Value::Null).await;
    assert_eq!(retried["state"], "ready");
    until("the run's end", || app.count("SELECT count(*) FROM registrations WHERE state = 'done_with_fallback'") == 1).await;
    until("the alert's end", || app.count("SELECT count(*) FROM alerts WHERE resolved_at IS NULL") == 0).await;
    assert_eq!(operator.get(&app, "/alerts?open=false").await["items"].as_array().unwrap().len(), 1);
    let done = operator.ask(&app, ("POST", &format!("/jobs/{id}/cancel")), &[], Value::Null).await;
    assert_eq!(done.status, StatusCode::CONFLICT, "{done:?}");
    let proof = operator.post(&app, "/jobs/verify", Value::Null).await;
    assert_eq!((&proof["ok"], &proof["findings"]), (&json!(true), &json!(0)), "{proof}");
    assert!(operator.form(&app, "/panel/jobs/verify", &[]).await.body.contains("Every rule holds"));
}

#[tokio::test]
async fn every_page_is_there_in_both_languages_and_names_are_text() {
    let app = App::start(&[]).await;
    let auditor = Person::new(&app, "auditor");
    let mut user = new_user(1);
    user["username"] = json!("<script>alert(1)</script>");
    app.finished(&app.register(None, &user).await.json()).await;
    let job = app.ok_json(&["job", "list"])[0]["id"].as_str().unwrap().to_owned();
    let job = format!("/panel/jobs/{job}");
    for path in [
        "/panel/agents",
        "/panel/notifications",
        "/panel/notifications/pushes",
        "/panel/notifications/events",
        "/panel/notifications/channels",
        "/panel/alerts",
        "/panel/jobs",
        &job,
        "/panel/notifications?state=sent&kind=message",
    ] {
        for language in ["zh-CN", "en"] {
            let page = auditor.page(&app, path, language).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {page:?}");
            assert!(page.body.contains(&format!("<html lang=\"{language}\"")), "{path}");
            assert!(!page.body.contains("<script>alert"), "{path}");
            assert!(!page.body.contains("style=") && !page.body.contains("onclick"), "{path}");
        }
    }
    for (path, status) in
        [("/panel/jobs/nothing", 404), ("/panel/jobs?state=lost", 422), ("/panel/agents/nobody", 404), ("/panel/agents/new", 403)]
    {
        assert_eq!(auditor.page(&app, path, "en").await.status, status, "{path}");
    }
    let stranger = app.send("GET", &format!("{}/panel/jobs?state=dead", app.admin_root()), &[], "").await;
    let to = stranger.headers["location"].to_str().unwrap();
    assert!(stranger.status == StatusCode::SEE_OTHER && to == "/panel/sign-in?next=%2Fpanel%2Fjobs%3Fstate%3Ddead", "{to}");
}
