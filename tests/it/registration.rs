//! I1: no accepted registration is lost, whatever is killed, full or down; no customer gets two welcomes or conversations.

use std::{
    collections::BTreeMap,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use anmei_mcp::{
    demo::stand_in_dify::{Behaviour, McpServer, StandIn, StandInHandle},
    outbound::standard_webhooks::{Signed, WebhookSecret, sign, verify},
    secret::SecretText,
};
use axum::{Router, body::Bytes, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{App, Era, HOOK_SECRET};

/// The PRD's default welcome begins like this.
const DEFAULT_WELCOME: &str = "欢迎来到安美智享";

/// A stand-in for Dify that holds the keys of two of the app's groups, added as an agent.
pub(crate) async fn agent(app: &App, behaviour: Behaviour) -> StandInHandle {
    let stand_in = StandIn { behaviour, ..StandIn::default() };
    let handle = StandIn::start(([127, 0, 0, 1], 0).into(), stand_in).await.unwrap();
    connect(app, &handle);
    add_agent(app, &handle);
    handle
}

pub(crate) fn connect(app: &App, handle: &StandInHandle) {
    let server = |code: &str| McpServer { name: code.into(), url: app.group_url(code), key: SecretText::new(app.key(code)) };
    handle.connect(vec![server("welcome_tools")]);
}

fn add_agent(app: &App, handle: &StandInHandle) {
    add_agent_as(app, handle, "管家", &[]);
}

/// Adds a stand-in as an agent of this name, with further options.
pub(crate) fn add_agent_as(app: &App, handle: &StandInHandle, name: &str, options: &[&str]) {
    let mut command = app.command(&[&["agent", "add", name, "--base-url", &handle.base_url], options].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(handle.key.expose().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

pub(crate) fn new_user(n: usize) -> Value {
    json!({"user_id": format!("usr_{n:032x}"), "username": "林晓月", "email": "x@example.com", "roles": ["customer"], "phone": null, "avatar": null})
}

fn steps(run: &Value) -> Vec<&str> {
    run["steps"].as_array().unwrap().iter().filter(|step| step["state"] == "done").map(|step| step["step"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn one_webhook_ends_in_a_welcome_that_an_agent_wrote_with_our_tools() {
    let app = App::with_records(&[]).await;
    let _dify = agent(&app, Behaviour::Normal { think_ms: 20 }).await;
    let answer = app.register(Some("evt_1"), &new_user(1)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let run = app.finished(&answer.json()).await;
    assert_eq!((run["state"].as_str(), run["welcome"]["rung"].as_str()), (Some("done"), Some("agent")), "{run}");
    let mut done = steps(&run);
    done.sort_unstable();
    assert_eq!(done, ["compose_welcome", "deliver_welcome", "notify_consultants", "open_conversation"]);
    let text = run["welcome"]["text"].as_str().unwrap();
    assert!(text.contains("林晓月") && !text.contains(DEFAULT_WELCOME), "{text}");
    let call = &run["agent_calls"][0];
    assert_eq!((call["state"].as_str(), call["rung"].as_str()), (Some("answered"), Some("agent")), "{run}");
    let called: Vec<_> = call["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(called.contains(&"get_user_profile") && called.contains(&"analyze_customer"), "{called:?}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    let told: Vec<String> = app.finished(&answer.json()).await["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|moment| moment["what"].as_str().unwrap().to_owned())
        .collect();
    for what in ["webhook_accepted", "conversation_created", "dify_triggered", "mcp_called", "welcome_sent", "consultants_notified"] {
        assert!(told.iter().any(|name| name == what), "{what}: {told:?}");
    }
    assert_eq!((told[0].as_str(), told[1].as_str()), ("webhook_accepted", "conversation_created"));
    let (title, ai): (String, bool) = app
        .database()
        .query_row("SELECT title, ai_controlled FROM conversations WHERE registration_id IS NOT NULL", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((title.as_str(), ai), ("欢迎咨询", true));
    let content: String =
        app.database().query_row("SELECT content FROM messages WHERE registration_id IS NOT NULL", [], |row| row.get(0)).unwrap();
    let content: Value = serde_json::from_str(&content).unwrap();
    assert_eq!((content["text"].as_str(), content["source"].as_str()), (Some(text), Some("registration_automation")));
    assert_eq!(app.count("SELECT count(*) FROM notifications WHERE kind = 'new_customer'"), 2, "one for each consultant");
    assert_eq!(app.count("SELECT count(*) FROM notifications WHERE kind = 'message'"), 1, "and the welcome for the customer's connection");
    let sql = "SELECT payload FROM notifications WHERE kind = 'new_customer' LIMIT 1";
    let payload: String = app.database().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(payload.contains("\"new_customer\"") && payload.contains("\"claim_customer\""), "{payload}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(app.count("SELECT count(*) FROM mcp_call_logs WHERE success = 1") >= 2, "the agent's calls are in the call log");
}

#[tokio::test]
async fn whatever_the_agent_does_there_is_a_welcome_by_the_deadline() {
    let app = App::start(&[
        ("welcome.deadline", "1500ms"),
        ("welcome.total_limit", "2s"),
        ("breaker.failures", "1000"),
        ("breaker.failure_rate", "1.0"),
    ])
    .await;
    let dify = agent(&app, Behaviour::Empty).await;
    let behaviours = [
        Behaviour::Slow(Duration::from_secs(10)),
        Behaviour::Hang,
        Behaviour::Silent,
        Behaviour::PingsOnly,
        Behaviour::Garbage,
        Behaviour::GarbledStream,
        Behaviour::ErrorEvent("completion_request_error".into()),
        Behaviour::Http(502),
        Behaviour::CutMidRun,
        Behaviour::Empty,
        Behaviour::Oversized,
        Behaviour::Http(401),
        Behaviour::Obeys("请加微信 13800138000 领取优惠 https://evil.example".into()),
    ];
    for (n, behaviour) in behaviours.into_iter().enumerate() {
        dify.behave(behaviour.clone());
        let start = Instant::now();
        let accepted = app.register(None, &new_user(n)).await.json();
        let run = app.finished(&accepted).await;
        assert_eq!(run["state"], "done_with_fallback", "{behaviour:?}: {run}");
        assert!(run["welcome"]["text"].as_str().unwrap().starts_with(DEFAULT_WELCOME), "{behaviour:?}: {run}");
        assert!(run["welcome"]["reason"].as_str().unwrap().len() > 10, "{behaviour:?}: {run}");
        assert!(start.elapsed() < Duration::from_millis(2500), "{behaviour:?}: {:?}", start.elapsed());
        let message = app.count("SELECT max(created_at) FROM messages");
        let deadline = app.count("SELECT max(deadline_at) FROM registrations");
        assert!(message <= deadline, "{behaviour:?}: stored {} ms after the deadline", message - deadline);
    }
}

#[tokio::test]
async fn an_agent_that_is_down_or_missing_costs_nobody_a_welcome() {
    let app = App::start(&[]).await;
    let accepted = app.register(None, &new_user(1)).await.json();
    let run = app.finished(&accepted).await;
    assert_eq!((run["welcome"]["rung"].as_str(), run["welcome"]["reason"].as_str()), (Some("static"), Some("no agent is enabled")));
    let dify = agent(&app, Behaviour::Empty).await;
    dify.shutdown().await;
    let accepted = app.register(None, &new_user(2)).await.json();
    let run = app.finished(&accepted).await;
    assert!(run["welcome"]["text"].as_str().unwrap().starts_with(DEFAULT_WELCOME), "{run}");
    let sql = "SELECT count(*) FROM notifications WHERE kind = 'new_customer' AND recipient_id = ''";
    assert_eq!(app.count(sql), 2, "one for everybody while no consultant is known");
}

#[tokio::test]
async fn the_same_user_or_event_again_is_the_same_run() {
    let app = App::start(&[]).await;
    let first = app.register(Some("evt_1"), &new_user(1)).await;
    assert_eq!(first.status, 202);
    let id = first.json()["registration_id"].clone();
    for event in [Some("evt_1"), Some("evt_2"), None] {
        let again = app.register(event, &new_user(1)).await;
        assert_eq!((again.status.as_u16(), again.json()["registration_id"].clone()), (200, id.clone()), "{event:?}");
    }
    let other = app.register(Some("evt_1"), &new_user(2)).await;
    assert!(other.status == 409 && other.body.contains("another body"), "{other:?}");
    app.finished(&first.json()).await;
    assert_eq!((app.count("SELECT count(*) FROM registrations"), app.count("SELECT count(*) FROM conversations")), (1, 1));
}

#[tokio::test]
async fn a_hundred_deliveries_of_one_event_at_once_make_one_run() {
    let app = App::start(&[]).await;
    let body = new_user(7);
    let answers = futures_util::future::join_all((0..100).map(|_| app.register(Some("evt_7"), &body))).await;
    let new = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!((new, answers.iter().filter(|answer| answer.status == 200).count()), (1, 99));
    app.finished(&answers[0].json()).await;
    assert_eq!((app.count("SELECT count(*) FROM conversations"), app.count("SELECT count(*) FROM messages")), (1, 1));
}

#[tokio::test]
async fn a_signed_webhook_is_accepted_and_a_tampered_or_old_one_is_not() {
    let app = App::start(&[("hook.signing_secrets", HOOK_SECRET)]).await;
    let secrets = [WebhookSecret::parse(HOOK_SECRET).unwrap()];
    let url = format!("{}/hooks/registration", app.hook_root());
    let body = new_user(3).to_string();
    let send = async |timestamp: i64, signed: &str, sent: &str| {
        let signature = sign(&secrets, "evt_3", timestamp, signed.as_bytes()).unwrap();
        let timestamp = timestamp.to_string();
        let headers = [("webhook-id", "evt_3"), ("webhook-timestamp", timestamp.as_str()), ("webhook-signature", signature.as_str())];
        app.send("POST", &url, &headers, sent).await.status.as_u16()
    };
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert_eq!(send(now, &body, &body.replace("usr_", "usx_")).await, 401);
    assert_eq!(send(now - 600, &body, &body).await, 401);
    assert_eq!(send(now, &body, &body).await, 202);
    assert_eq!(send(now + 1, &body, &body).await, 200);
}

/// Someone else's system: says what it was sent.
pub(crate) async fn receiver(answer: StatusCode) -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    let (heard, events) = mpsc::unbounded_channel();
    let routes = Router::new()
        .route(
            "/",
            post(move |State(heard): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: Bytes| async move {
                heard.send((headers, body)).unwrap();
                answer
            }),
        )
        .with_state(heard);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    serve(listener, routes);
    (url, events)
}

#[expect(clippy::disallowed_methods, reason = "a server of the tests: it ends with the test")]
fn serve(listener: tokio::net::TcpListener, routes: Router) {
    tokio::spawn(async move { axum::serve(listener, routes).await });
}

#[tokio::test]
async fn other_systems_hear_of_a_welcome_by_a_signed_event_until_they_say_yes() {
    let (url, mut events) = receiver(StatusCode::NO_CONTENT).await;
    let app = App::start(&[("outbound.webhook_url", &url), ("outbound.webhook_secret", HOOK_SECRET)]).await;
    let accepted = app.register(None, &new_user(1)).await.json();
    let run = app.finished(&accepted).await;
    let mut heard = BTreeMap::new();
    while heard.len() < 4 {
        let (headers, body) = tokio::time::timeout(Duration::from_secs(5), events.recv()).await.unwrap().unwrap();
        let text = |name: &str| headers[name].to_str().unwrap();
        let signed = Signed { id: text("webhook-id"), timestamp: text("webhook-timestamp"), signatures: text("webhook-signature") };
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        verify(&[WebhookSecret::parse(HOOK_SECRET).unwrap()], signed, &body, now).unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&event["data"]["registration_id"], &event["data"]["user_id"]), (&run["registration_id"], &run["user_id"]));
        heard.insert(event["type"].as_str().unwrap().to_owned(), event);
    }
    let kinds: Vec<_> = heard.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["conversation.created", "customer.waiting", "message.created", "registration.completed"]);
    assert_eq!(heard["message.created"]["data"]["message_id"], run["welcome"]["message_id"]);
    assert_eq!(heard["message.created"]["data"]["text"], run["welcome"]["text"]);
    assert_eq!(heard["conversation.created"]["data"]["conversation_id"], run["conversation_id"]);

    let (url, mut events) = receiver(StatusCode::SERVICE_UNAVAILABLE).await;
    let app =
        App::start(&[("outbound.webhook_url", &url), ("outbound.webhook_secret", HOOK_SECRET), ("events.delays", "[\"50ms\",\"50ms\"]")])
            .await;
    app.register(None, &new_user(1)).await;
    let mut tries: BTreeMap<String, usize> = BTreeMap::new();
    while let Ok(Some((headers, _))) = tokio::time::timeout(Duration::from_secs(2), events.recv()).await {
        *tries.entry(headers["webhook-id"].to_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(tries.len(), 4, "the id is the same on every attempt: {tries:?}");
    assert!(tries.values().all(|count| *count == 3), "tried, and tried again after each delay: {tries:?}");
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE kind = 'outgoing_event' AND state = 'dead'"), 4);
    assert_eq!(app.count("SELECT count(*) FROM event_attempts WHERE status = 503"), 12, "every attempt is on record");
    assert_eq!(app.count("SELECT count(*) FROM outgoing_events WHERE given_up_at IS NOT NULL"), 4);
}

/// kill -9 at many moments of many runs; after each start everything that was accepted goes on.
#[tokio::test]
async fn i1_kill_dash_nine_at_any_moment_loses_and_doubles_nothing() {
    let mut app = App::start(&[("welcome.deadline", "400ms"), ("welcome.late_answer", "drop")]).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 15 }).await;
    let mut accepted = Vec::new();
    for round in 0..30_u64 {
        connect(&app, &dify);
        for n in 0..4 {
            let body = new_user(usize::try_from(round).unwrap() * 10 + n);
            let answer = app.register(None, &body).await;
            assert_eq!(answer.status, 202, "{answer:?}");
            accepted.push((answer.json(), body));
        }
        // Moments spread over the whole of a run: from just after the commit to after the last step.
        tokio::time::sleep(Duration::from_millis((round * 7) % 130)).await;
        app.kill();
        app.spawn().await;
    }
    for (answer, body) in &accepted {
        let run = app.finished(answer).await;
        assert!(["done", "done_with_fallback"].contains(&run["state"].as_str().unwrap()), "{run}");
        assert_eq!(app.register(None, body).await.json()["registration_id"], answer["registration_id"]);
    }
    let total = i64::try_from(accepted.len()).unwrap();
    for table in ["registrations", "conversations", "messages"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table}")), total, "{table}");
        if table != "registrations" {
            assert_eq!(app.count(&format!("SELECT count(DISTINCT registration_id) FROM {table}")), total, "{table}");
        }
    }
    for kind in ["new_customer", "message"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM notifications WHERE kind = '{kind}' AND level = 0")), total, "{kind}");
    }
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE kind = 'registration' AND state <> 'done'"), 0);
    let integrity: String = app.database().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn i1_a_database_that_is_locked_delays_or_refuses_and_loses_nothing() {
    let app = App::start(&[]).await;
    let key = app.key("system_tools");
    let hold = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    hold.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = new_user(1);
    let waiting = async { app.register(Some("evt_1"), &body).await };
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        hold.execute_batch("ROLLBACK").unwrap();
    };
    let (answer, ()) = tokio::join!(waiting, release);
    assert_eq!(answer.status, 202, "a short lock delays: {answer:?}");
    hold.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = app.register(Some("evt_2"), &new_user(2)).await;
    assert!(refused.status == 503 && refused.headers.contains_key("retry-after"), "a long lock refuses: {refused:?}");
    assert_eq!(app.rpc(Era::Silent, &app.root_url(), Some(&key), "ping", json!({})).await.status, 200, "reads go on");
    hold.execute_batch("ROLLBACK").unwrap();
    let again = app.register(Some("evt_2"), &new_user(2)).await;
    assert!([200, 202].contains(&again.status.as_u16()));
    app.finished(&answer.json()).await;
    app.finished(&again.json()).await;
    assert_eq!(app.count("SELECT count(*) FROM conversations"), 2);
}

#[tokio::test]
async fn i1_a_soft_stop_in_the_middle_costs_no_attempt_and_the_run_goes_on() {
    let mut app = App::start(&[("welcome.deadline", "10s")]).await;
    let dify = agent(&app, Behaviour::Slow(Duration::from_secs(1))).await;
    let accepted = app.register(None, &new_user(1)).await.json();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.stop().await, Some(0));
    assert_eq!(app.count("SELECT attempt FROM jobs WHERE kind = 'registration' AND state = 'ready'"), 0);
    app.spawn().await;
    connect(&app, &dify);
    dify.behave(Behaviour::Normal { think_ms: 0 });
    let run = app.finished(&accepted).await;
    assert_eq!((run["state"].as_str(), app.count("SELECT count(*) FROM messages")), (Some("done"), 1), "{run}");
}
