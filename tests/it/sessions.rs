//! Sessions of handshake clients: off unless asked for; capped, bound to their opener, ended by silence.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    events::Events,
    harness::{Answer, App, Era},
    modern::{busy_clinic, ended, is_progress_and_answer, long_call},
};

const BOTH: &str = "application/json, text/event-stream";

/// A session as a client holds it.
struct Session {
    id: String,
    headers: Vec<(String, String)>,
    url: String,
}

impl Session {
    async fn begin(app: &App, code: &str) -> Self {
        let answer = initialize(app, code).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let mut headers = vec![("authorization", format!("Bearer {}", app.key(code))), ("content-type", "application/json".to_owned())];
        headers.extend([("accept", BOTH.to_owned()), ("mcp-session-id", id.clone()), ("mcp-protocol-version", "2025-11-25".to_owned())]);
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let session = Self { id, headers, url: app.group_url(code) };
        assert_eq!(session.send(app, "POST", &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await.status, 202);
        session
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    async fn send(&self, app: &App, method: &str, body: &Value) -> Answer {
        app.send(method, &self.url, &self.headers(), if body.is_null() { String::new() } else { body.to_string() }).await
    }

    async fn ask(&self, app: &App, method: &str, params: Value) -> Value {
        let answer = self.send(app, "POST", &json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        message(&answer)
    }

    async fn listen(&self) -> Events {
        let events = Events::open("GET", &self.url, &self.headers(), "").await;
        assert_eq!((events.status.as_u16(), events.headers["content-type"].as_bytes()), (200, &b"text/event-stream"[..]));
        events
    }
}

async fn initialize(app: &App, code: &str) -> Answer {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}});
    app.rpc(Era::Silent, &app.group_url(code), Some(&app.key(code)), "initialize", params).await
}

/// The answer in a body, whichever of both types it has.
pub(crate) fn message(answer: &Answer) -> Value {
    let text = answer.body.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&answer.body);
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[tokio::test]
async fn a_session_serves_on_both_lanes_and_ends_when_told() {
    for fast_lane in ["true", "false"] {
        let app = App::with_records(&[("mcp.sessions", "true"), ("mcp.fast_lane", fast_lane)]).await;
        let session = Session::begin(&app, "system_tools").await;
        assert_eq!(session.ask(&app, "ping", json!({})).await["result"], json!({}));
        assert_eq!(session.ask(&app, "tools/list", json!({})).await["result"]["tools"].as_array().unwrap().len(), 2);
        let call = json!({"name": "get_user_profile", "arguments": {"user_id": "usr_zhangwei"}});
        let called = session.ask(&app, "tools/call", call).await;
        assert_eq!((&called["id"], &called["result"]["structuredContent"]["username"]), (&json!(0), &json!("张伟")));
        let ended = session.send(&app, "DELETE", &Value::Null).await;
        assert_eq!((ended.status.as_u16(), ended.body.as_str()), (200, ""));
        for (method, body) in
            [("POST", json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})), ("GET", Value::Null), ("DELETE", Value::Null)]
        {
            let gone = session.send(&app, method, &body).await;
            assert!(gone.status == 404 && gone.body.contains("initialize"), "{method}: {gone:?}");
        }
    }
}

#[tokio::test]
async fn a_session_is_an_offer_and_not_a_duty() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let key = app.key("system_tools");
    for era in [Era::Silent, Era::Modern, Era::Handshake("2025-06-18")] {
        for method in ["ping", "tools/list"] {
            let expected = if era == Era::Modern && method == "ping" { 404 } else { 200 };
            assert_eq!(app.rpc(era, &app.root_url(), Some(&key), method, json!({})).await.status, expected, "{era:?} {method}");
        }
    }
    let (mut headers, body) = Era::Modern.request(Some(&key), "tools/list", json!({}));
    headers.push(("mcp-session-id".into(), "left over from another life".into()));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(app.send("POST", &app.root_url(), &headers, body.to_string()).await.status, 200, "2026-07-28 ignores the header");
}

#[tokio::test]
async fn a_session_is_its_openers_alone() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let session = Session::begin(&app, "system_tools").await;
    let other = format!("Bearer {}", app.key("medical_tools"));
    for (method, id) in
        [("POST", session.id.as_str()), ("GET", &session.id), ("DELETE", &session.id), ("POST", "made-up"), ("GET", "made-up")]
    {
        let headers = [("authorization", other.as_str()), ("content-type", "application/json"), ("accept", BOTH), ("mcp-session-id", id)];
        let answer = app.send(method, &app.root_url(), &headers, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
        assert_eq!(answer.status, 404, "{method} {id}: {answer:?}");
    }
    assert_eq!(session.ask(&app, "ping", json!({})).await["result"], json!({}), "nobody else ended it");
}

#[tokio::test]
async fn sessions_are_capped_and_the_refusal_says_what_to_do() {
    let app = App::start(&[("mcp.sessions", "true"), ("mcp.max_sessions", "2")]).await;
    let first = Session::begin(&app, "system_tools").await;
    let _second = Session::begin(&app, "medical_tools").await;
    let refused = initialize(&app, "system_tools").await;
    assert!(refused.status == 503 && refused.body.contains("mcp.max_sessions"), "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "30");
    let key = app.key("system_tools");
    assert_eq!(app.rpc(Era::Silent, &app.root_url(), Some(&key), "tools/list", json!({})).await.status, 200, "others go on");
    assert_eq!(first.send(&app, "DELETE", &Value::Null).await.status, 200);
    assert_eq!(initialize(&app, "system_tools").await.status, 200);
}

#[tokio::test]
async fn silence_ends_a_session_and_an_open_stream_is_no_silence() {
    let app = App::start(&[("mcp.sessions", "true"), ("mcp.session_timeout", "1s")]).await;
    let session = Session::begin(&app, "system_tools").await;
    let stream = session.listen().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(session.ask(&app, "ping", json!({})).await["result"], json!({}), "the stream kept it");
    drop(stream);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(session.send(&app, "POST", &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await.status, 404);
}

#[tokio::test]
async fn a_change_by_another_process_reaches_the_stream_within_a_second_and_once() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let session = Session::begin(&app, "system_tools").await;
    let (mut older, mut stream) = (session.listen().await, session.listen().await);
    app.ok(&["tool", "disable", "medical_tools", "optimize_plan"]);
    assert!(stream.is_silent(Duration::from_millis(900)).await, "another group's change");
    app.ok(&["tool", "disable", "system_tools", "search_users"]);
    let start = Instant::now();
    let told = stream.next().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!((told.name.as_str(), told.json()), ("message", json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})));
    assert!(stream.is_silent(Duration::from_millis(600)).await && older.is_silent(Duration::from_millis(100)).await);
    assert_eq!(session.ask(&app, "tools/list", json!({})).await["result"]["tools"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn whichever_stream_is_left_tells_of_the_next_change() {
    for older_is_left in [false, true] {
        let app = App::start(&[("mcp.sessions", "true")]).await;
        let session = Session::begin(&app, "system_tools").await;
        let (older, newer) = (session.listen().await, session.listen().await);
        let (gone, mut left) = if older_is_left { (newer, older) } else { (older, newer) };
        drop(gone);
        tokio::time::sleep(Duration::from_millis(300)).await;
        app.ok(&["tool", "disable", "system_tools", "search_users"]);
        let start = Instant::now();
        assert_eq!(left.next().await.unwrap().json()["method"], "notifications/tools/list_changed");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_key_holds_no_more_than_its_share_of_the_sessions() {
    let app = App::start(&[("mcp.sessions", "true"), ("mcp.max_sessions", "8")]).await;
    let first = Session::begin(&app, "system_tools").await;
    let _second = Session::begin(&app, "system_tools").await;
    let refused = initialize(&app, "system_tools").await;
    assert!(refused.status == 429 && refused.body.contains("mcp.max_sessions"), "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "30");
    let _anothers = Session::begin(&app, "medical_tools").await;
    assert_eq!(first.send(&app, "DELETE", &Value::Null).await.status, 200);
    assert_eq!(initialize(&app, "system_tools").await.status, 200);
}

/// Without waiting for the silence that would end them.
#[tokio::test]
async fn the_sessions_of_a_revoked_key_make_room() {
    let app = App::start(&[("mcp.sessions", "true"), ("mcp.max_sessions", "1"), ("mcp.session_timeout", "12s")]).await;
    let _session = Session::begin(&app, "system_tools").await;
    assert_eq!(initialize(&app, "medical_tools").await.status, 503);
    app.ok(&["key", "revoke", "system_tools"]);
    let revoked = Instant::now();
    while initialize(&app, "medical_tools").await.status != 200 {
        assert!(revoked.elapsed() < Duration::from_secs(8), "it holds its place");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn delete_and_a_stop_end_the_streams() {
    let mut app = App::start(&[("mcp.sessions", "true")]).await;
    let (one, other) = (Session::begin(&app, "system_tools").await, Session::begin(&app, "medical_tools").await);
    let (mut first, mut second) = (one.listen().await, other.listen().await);
    assert_eq!(one.send(&app, "DELETE", &Value::Null).await.status, 200);
    assert_eq!(first.next().await, None);
    let start = Instant::now();
    assert_eq!(app.stop().await, Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(second.next().await, None);
}

/// The write that the call waits for is held up by a lock, so that the session ends in the middle of it.
#[tokio::test]
async fn a_request_is_answered_even_if_its_session_ends_under_it() {
    let app = App::with_records(&[("mcp.sessions", "true"), ("mcp.fast_lane", "false")]).await;
    let session = Session::begin(&app, "consultation_tools").await;
    let lock = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let arguments =
        json!({"consultation_data": {"customer_id": "usr_zhangwei", "type": "skin", "notes": "客户想了解光子嫩肤，预算三千元。"}});
    let body = json!({"jsonrpc": "2.0", "id": "held", "method": "tools/call",
        "params": {"name": "create_consultation_summary", "arguments": arguments}});
    let mut events = Events::open("POST", &session.url, &session.headers(), body.to_string()).await;
    assert_eq!(events.status, 200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(session.send(&app, "DELETE", &Value::Null).await.status, 200);
    let answer = events.next().await.unwrap().json();
    assert!(answer["id"] == "held" && answer["error"]["message"].as_str().unwrap().contains("session"), "{answer}");
    assert_eq!(events.next().await, None);
    lock.execute_batch("ROLLBACK").unwrap();
}

/// A call of the long tool that asks to be told how far it is.
fn long_request(id: &str) -> Value {
    let mut params = long_call();
    params["_meta"] = json!({"progressToken": "how far"});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

#[tokio::test]
async fn progress_comes_on_the_stream_of_its_call() {
    let mut app = App::idle(&[("mcp.sessions", "true")]);
    busy_clinic(&app);
    app.spawn().await;
    let session = Session::begin(&app, "medical_tools").await;
    let mut events = Events::open("POST", &session.url, &session.headers(), long_request("plan").to_string()).await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last: &Value| last.get("id").is_none()) {
        heard.push(events.next().await.unwrap().json());
    }
    is_progress_and_answer(&heard);
}

#[tokio::test]
async fn a_cancelled_notification_ends_the_work_of_its_session_alone() {
    let mut app = App::idle(&[("mcp.sessions", "true")]);
    busy_clinic(&app);
    app.spawn().await;
    let (session, other) = (Session::begin(&app, "medical_tools").await, Session::begin(&app, "medical_tools").await);
    let mut events = Events::open("POST", &session.url, &session.headers(), long_request("plan").to_string()).await;
    assert!(events.next().await.unwrap().json()["params"]["progress"].is_number(), "it is at work");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "plan", "reason": "enough"}});
    assert_eq!(other.send(&app, "POST", &cancel).await.status, 202, "the other session has no such request");
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'cancelled'"), 0);
    assert_eq!(session.send(&app, "POST", &cancel).await.status, 202);
    ended(&app, "cancelled").await;
    assert_eq!(app.count("SELECT count(*) FROM plans"), 0);
    assert_eq!(session.ask(&app, "ping", json!({})).await["result"], json!({}), "the session goes on");
}

#[tokio::test]
async fn a_session_ends_within_a_second_of_its_keys_revocation() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let (session, other) = (Session::begin(&app, "system_tools").await, Session::begin(&app, "medical_tools").await);
    let (mut stream, mut others) = (session.listen().await, other.listen().await);
    app.ok(&["key", "revoke", "system_tools"]);
    let revoked = Instant::now();
    assert_eq!(stream.next().await, None);
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    assert_eq!(session.send(&app, "POST", &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await.status, 401);
    assert!(others.is_silent(Duration::from_millis(300)).await, "other keys' sessions go on");
}
