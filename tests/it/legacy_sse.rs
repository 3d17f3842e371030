//! HTTP+SSE of 2024-11-05, as the clients that still speak it expect it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    events::Events,
    harness::{Answer, App, Era},
    modern::long_call,
    oauth_kit::{REDIRECT, sent_back, text},
};

const ID: &str = "5f2a9c0de4b1476688aa01f3c7d95e2b";

/// One client: its stream, and where it posts to.
struct Client {
    events: Events,
    post: String,
    bearer: String,
}

impl Client {
    async fn connect(app: &App, path: &str, code: &str) -> Self {
        let bearer = format!("Bearer {}", app.key(code));
        let url = format!("{}{path}", app.mcp_root());
        let mut events = Events::open("GET", &url, &[("authorization", &bearer), ("accept", "text/event-stream")], "").await;
        assert_eq!(events.status, 200, "{path}");
        let hello = events.next().await.unwrap();
        assert_eq!(hello.name, "endpoint");
        Self { events, post: hello.data, bearer }
    }

    async fn send(&self, app: &App, body: &Value) -> Answer {
        post(app, &self.post, &self.bearer, body.to_string()).await
    }

    /// Asks and waits for the answer.
    async fn ask(&mut self, app: &App, id: Value, method: &str, params: Value) -> Value {
        let sent = self.send(app, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        assert_eq!(sent.status, 202, "{sent:?}");
        let event = self.events.next().await.unwrap();
        assert_eq!(event.name, "message");
        let answer = event.json();
        assert_eq!(answer["id"], id);
        answer
    }
}

async fn post(app: &App, path: &str, bearer: &str, body: String) -> Answer {
    let url = format!("{}{path}", app.mcp_root());
    app.send("POST", &url, &[("authorization", bearer), ("content-type", "application/json")], body).await
}

/// Holds up every write of the daemon, and with it a call that stores something, until the transaction ends.
fn held_up(app: &App) -> rusqlite::Connection {
    let lock = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    lock
}

/// A call that stores what it made.
fn plan() -> Value {
    json!({"jsonrpc": "2.0", "id": "plan", "method": "tools/call", "params": long_call()})
}

fn hello(version: &str) -> Value {
    json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "mcp_sse", "version": "0.1"}})
}

async fn open_refused(app: &App, path: &str, code: &str) -> Answer {
    let bearer = format!("Bearer {}", app.key(code));
    app.send("GET", &format!("{}{path}", app.mcp_root()), &[("authorization", &bearer), ("accept", "text/event-stream")], "").await
}

#[tokio::test]
async fn the_first_event_is_a_relative_address_at_once() {
    let app = App::start(&[]).await;
    for (path, at) in [
        ("/mcp", "/mcp/messages?sessionId="),
        ("/sse", "/mcp/messages?sessionId="),
        ("/server/system_tools/mcp", "/server/system_tools/mcp/messages?sessionId="),
        ("/server/system_tools/sse", "/server/system_tools/mcp/messages?sessionId="),
    ] {
        let start = Instant::now();
        let client = Client::connect(&app, path, "system_tools").await;
        assert!(start.elapsed() < Duration::from_secs(1), "{path}");
        let id = client.post.strip_prefix(at).unwrap_or_else(|| panic!("{path}: {}", client.post));
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        let headers = &client.events.headers;
        assert_eq!((headers["content-type"].as_bytes(), headers["x-accel-buffering"].as_bytes()), (&b"text/event-stream"[..], &b"no"[..]));
    }
}

#[tokio::test]
async fn the_address_has_the_public_prefix_and_is_answered_with_it_and_without() {
    let app = App::start(&[("mcp.public_url", "https://clinic.example/apps/anmei")]).await;
    for path in ["/mcp", "/apps/anmei/mcp", "/apps/anmei/server/system_tools/sse"] {
        let mut client = Client::connect(&app, path, "system_tools").await;
        assert!(client.post.starts_with("/apps/anmei/"), "{}", client.post);
        assert_eq!(client.ask(&app, json!(1), "ping", json!({})).await["result"], json!({}));
        client.post = client.post.replace("/apps/anmei", "");
        assert_eq!(client.ask(&app, json!(2), "ping", json!({})).await["result"], json!({}));
    }
}

#[tokio::test]
async fn a_whole_conversation_on_both_lanes_is_messages_and_nothing_else() {
    for fast_lane in ["true", "false"] {
        let app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let mut client = Client::connect(&app, "/mcp", "system_tools").await;
        let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "mcp_sse", "version": "0.1"}});
        let answer = client.ask(&app, json!(0), "initialize", hello).await;
        assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
        let told = client.send(&app, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        assert_eq!((told.status.as_u16(), told.body.as_str()), (202, ""));
        let list = client.ask(&app, json!(ID), "tools/list", json!({})).await;
        assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 2);
        for (method, member) in
            [("resources/list", "resources"), ("resources/templates/list", "resourceTemplates"), ("prompts/list", "prompts")]
        {
            assert_eq!(client.ask(&app, json!(ID), method, json!({})).await["result"][member], json!([]));
        }
        let call = json!({"name": "get_user_profile", "arguments": {"user_id": "usr_zhangwei"}});
        let result = client.ask(&app, json!("c"), "tools/call", call).await;
        assert_eq!(result["result"]["structuredContent"]["username"], "张伟");
        let unknown = client.ask(&app, json!(9), "no/such", json!({})).await;
        assert_eq!(unknown["error"]["code"], -32601);
        app.ok(&["tool", "disable", "system_tools", "search_users"]);
        assert!(client.events.is_silent(Duration::from_millis(900)).await, "no notification, no other event");
        assert_eq!(client.ask(&app, json!(10), "tools/list", json!({})).await["result"]["tools"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_revision_that_was_agreed_on_is_the_one_that_is_spoken() {
    let mut app = App::with_records(&[]).await;
    for (asked, agreed) in [("1999-01-01", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("2024-11-05", "2024-11-05")] {
        let mut client = Client::connect(&app, "/mcp", "system_tools").await;
        assert_eq!(client.ask(&app, json!(0), "initialize", hello(asked)).await["result"]["protocolVersion"], agreed, "{asked}");
        let call = json!({"name": "get_user_profile", "arguments": {"user_id": "usr_anna"}});
        assert!(client.ask(&app, json!(1), "tools/call", call).await["result"]["structuredContent"].is_object(), "{asked}");
    }
    app.stop().await;
    for version in ["2025-11-25", "2025-06-18", "2024-11-05"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM mcp_call_logs WHERE protocol = '{version}'")), 1, "{version}");
    }
}

/// All that the plugin does for one entry of its configuration at each tool call, and the call.
async fn as_the_plugin(app: &App, code: &str, call: Value) {
    let mut client = Client::connect(app, "/mcp", code).await;
    let lists = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"];
    let asked =
        [("initialize", hello("2024-11-05"))].into_iter().chain(lists.map(|method| (method, json!({})))).chain([("tools/call", call)]);
    for (method, params) in asked {
        let answer = client.ask(app, json!(ID), method, params).await;
        assert!(answer["result"].is_object(), "{code} {method}: {answer}");
        if method == "initialize" {
            assert_eq!(client.send(app, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await.status, 202);
        }
    }
}

#[tokio::test]
async fn the_plugin_with_four_entries_at_once_meets_no_limit() {
    let app = App::with_records(&[]).await;
    let entries = [
        ("system_tools", json!({"name": "get_user_profile", "arguments": {"user_id": "usr_anna"}})),
        ("consultation_tools", json!({"name": "get_customer_preferences", "arguments": {"user_id": "usr_zhangwei"}})),
        ("medical_tools", long_call()),
        ("project_tools", json!({"name": "get_service_info", "arguments": {}})),
    ];
    let app = &app;
    let repeated = entries.map(|(code, call)| async move {
        for _ in 0..8 {
            as_the_plugin(app, code, call.clone()).await;
        }
    });
    futures_util::future::join_all(repeated).await;
}

/// The SDK for TypeScript sends the version that was agreed on when it connects again.
#[tokio::test]
async fn a_client_that_connects_again_is_known_at_sse_whatever_its_version() {
    let app = App::start(&[]).await;
    let bearer = format!("Bearer {}", app.key("system_tools"));
    for (path, accept, version, status) in [
        ("/sse", "text/event-stream", Some("2025-11-25"), 200),
        ("/server/system_tools/sse", "text/event-stream", Some("2025-06-18"), 200),
        ("/sse", "*/*", Some("2024-11-05"), 200),
        ("/sse", "*/*", None, 200),
        ("/sse", "application/json", None, 405),
        ("/mcp", "text/event-stream", Some("2024-11-05"), 200),
        ("/mcp", "text/event-stream", Some("2025-11-25"), 405),
        ("/mcp", "*/*", Some("2024-11-05"), 405),
    ] {
        let mut headers = vec![("authorization", bearer.as_str()), ("accept", accept)];
        headers.extend(version.map(|version| ("mcp-protocol-version", version)));
        let mut events = Events::open("GET", &format!("{}{path}", app.mcp_root()), &headers, "").await;
        assert_eq!(events.status, status, "{path} {accept} {version:?}");
        if status == 200 {
            assert_eq!(events.next().await.unwrap().name, "endpoint", "{path} {accept} {version:?}");
        }
    }
}

/// Its client would never learn the session's id: nobody could use it, or end it.
#[tokio::test]
async fn a_handshake_here_or_in_a_batch_opens_no_session_of_the_other_transport() {
    let app = App::start(&[("mcp.sessions", "true"), ("mcp.max_sessions", "1")]).await;
    for _ in 0..3 {
        let mut client = Client::connect(&app, "/mcp", "system_tools").await;
        let answer = client.ask(&app, json!(0), "initialize", hello("2024-11-05")).await;
        assert_eq!(answer["result"]["protocolVersion"], "2024-11-05", "{answer}");
    }
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let batch = json!([{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2025-03-26")}]);
    let answer = app.send("POST", &app.root_url(), &headers, batch.to_string()).await;
    assert!(answer.status == 200 && answer.json()[0]["result"]["protocolVersion"] == "2025-03-26", "{answer:?}");
    assert!(!answer.headers.contains_key("mcp-session-id"), "{answer:?}");
    let key = app.key("system_tools");
    let opened = app.rpc(Era::Silent, &app.root_url(), Some(&key), "initialize", hello("2025-11-25")).await;
    assert!(opened.status == 200 && opened.headers.contains_key("mcp-session-id"), "there is room for the only one: {opened:?}");
}

#[tokio::test]
async fn a_token_that_only_reads_hears_from_its_post_which_scope_a_call_needs() {
    let app = App::with_records(&[]).await;
    app.ok(&["tool", "alias", "consultation_tools", "write_summary", "create_consultation_summary", "--until", "2030-01-01"]);
    let (client, url, key) = (app.client().await, app.group_url("consultation_tools"), app.key("consultation_tools"));
    let page = app.page(&App::request(&client, &url)).await;
    let back = sent_back(&app.answer(&page, &[("action", "allow"), ("key", &key)]).await, REDIRECT);
    let tokens = app.token(&App::exchange(&client, &back["code"])).await.json();
    let bearer = format!("Bearer {}", text(&tokens, "access_token"));
    let mut events = Events::open("GET", &url, &[("authorization", &bearer), ("accept", "text/event-stream")], "").await;
    let address = events.next().await.unwrap().data;
    for tool in ["create_consultation_summary", "dify__create_consultation_summary", "write_summary"] {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        let refused = post(&app, &address, &bearer, call.to_string()).await;
        assert_eq!(refused.status, 403, "{tool} {refused:?}");
        let challenge = refused.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("insufficient_scope") && challenge.contains("tools:write"), "{tool} {challenge}");
    }
    assert!(events.is_silent(Duration::from_millis(300)).await, "whoever posted heard of it");
}

#[tokio::test]
async fn what_has_no_id_is_told_to_whoever_posted_it_and_never_on_the_stream() {
    let app = App::start(&[]).await;
    let mut client = Client::connect(&app, "/mcp", "system_tools").await;
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#, -32602),
    ] {
        let answer = post(&app, &client.post, &client.bearer, body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"]["code"].clone()), (400, json!(code)), "{body}");
    }
    let typed = app.send("POST", &format!("{}{}", app.mcp_root(), client.post), &[("authorization", &client.bearer)], "{}").await;
    assert_eq!(typed.status, 415);
    assert!(client.events.is_silent(Duration::from_millis(300)).await);
    let bad = client.ask(&app, json!("x"), "tools/call", json!({"name": 7})).await;
    assert_eq!(bad["error"]["code"], -32602, "an error with an id is an answer like any other");
}

#[tokio::test]
async fn a_session_is_its_openers_and_ends_with_its_stream() {
    let app = App::start(&[]).await;
    let mut client = Client::connect(&app, "/mcp", "system_tools").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let other = format!("Bearer {}", app.key("medical_tools"));
    assert_eq!(post(&app, &client.post, &other, ping.clone()).await.status, 404, "another key");
    let own_group = client.post.replace("/mcp/messages", "/server/system_tools/mcp/messages");
    assert_eq!(post(&app, &own_group, &client.bearer, ping.clone()).await.status, 202, "the same key by another address");
    assert_eq!(client.events.next().await.unwrap().json()["id"], 1);
    let no_key =
        app.send("POST", &format!("{}{}", app.mcp_root(), client.post), &[("content-type", "application/json")], ping.clone()).await;
    assert_eq!(no_key.status, 401);
    let made_up = format!("/mcp/messages?sessionId={ID}");
    assert_eq!(post(&app, &made_up, &client.bearer, ping.clone()).await.status, 404, "an id that nobody has");
    assert_eq!(post(&app, "/mcp/messages", &client.bearer, ping.clone()).await.status, 400, "no id");
    let (address, bearer) = (client.post.clone(), client.bearer.clone());
    drop(client);
    let until = Instant::now() + Duration::from_secs(5);
    while post(&app, &address, &bearer, ping.clone()).await.status != 404 {
        assert!(Instant::now() < until, "the session outlives its stream");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stream_ends_within_a_second_of_what_opened_it() {
    let app = App::start(&[("oauth.access_token_lifetime", "60s")]).await;
    let mut by_key = Client::connect(&app, "/sse", "system_tools").await;
    let tokens = app.tokens(&app.client().await, "medical_tools").await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
    let mut by_token = Events::open("GET", &app.group_url("medical_tools"), &headers, "").await;
    assert_eq!(by_token.next().await.unwrap().name, "endpoint");
    app.ok(&["key", "revoke", "system_tools"]);
    let revoked = Instant::now();
    assert_eq!(by_key.events.next().await, None);
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    assert!(by_token.is_silent(Duration::from_millis(300)).await, "what a token of another group opened goes on");
    let grants = app.ok_json(&["oauth", "grants", "list"]);
    app.ok(&["oauth", "grants", "revoke", grants[0]["id"].as_str().unwrap()]);
    let revoked = Instant::now();
    assert_eq!(by_token.next().await, None);
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
}

#[tokio::test]
async fn streams_are_capped_per_key_and_a_closed_one_makes_room() {
    let app = App::start(&[("mcp.legacy_sse_streams", "2")]).await;
    let first = Client::connect(&app, "/mcp", "system_tools").await;
    let _second = Client::connect(&app, "/sse", "system_tools").await;
    let refused = open_refused(&app, "/mcp", "system_tools").await;
    assert!(refused.status == 429 && refused.body.contains("mcp.legacy_sse_streams"), "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"));
    let _other_key = Client::connect(&app, "/mcp", "medical_tools").await;
    drop(first);
    let until = Instant::now() + Duration::from_secs(5);
    while open_refused_or_open(&app).await == 429 {
        assert!(Instant::now() < until, "the closed stream still counts");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn open_refused_or_open(app: &App) -> u16 {
    let bearer = format!("Bearer {}", app.key("system_tools"));
    Events::open("GET", &app.root_url(), &[("authorization", &bearer), ("accept", "text/event-stream")], "").await.status.as_u16()
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let app = App::start(&[("mcp.legacy_sse", "false")]).await;
    for path in ["/mcp", "/sse", "/server/system_tools/mcp"] {
        assert_eq!(open_refused(&app, path, "system_tools").await.status, 405, "{path}");
    }
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let answer = post(&app, &format!("/mcp/messages?sessionId={ID}"), &bearer, "{}".to_owned()).await;
    assert!(answer.status == 404 && answer.body.contains("mcp.legacy_sse"), "{answer:?}");
}

#[tokio::test]
async fn a_comment_comes_at_least_every_fifteen_seconds() {
    let app = App::start(&[]).await;
    let mut client = Client::connect(&app, "/mcp", "system_tools").await;
    client.events.comment(Duration::from_secs(14)).await;
    assert_eq!(client.ask(&app, json!(1), "ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn a_message_is_accepted_before_its_answer_is_there() {
    let app = App::with_records(&[]).await;
    let mut client = Client::connect(&app, "/mcp", "medical_tools").await;
    let (lock, start) = (held_up(&app), Instant::now());
    assert_eq!(client.send(&app, &plan()).await.status, 202);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(client.events.is_silent(Duration::from_millis(300)).await, "the call is not done yet");
    lock.execute_batch("ROLLBACK").unwrap();
    let answer = client.events.next().await.unwrap().json();
    assert!(answer["id"] == "plan" && answer["result"]["structuredContent"]["plan_id"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_of_what_was_accepted() {
    let mut app = App::with_records(&[]).await;
    let mut client = Client::connect(&app, "/mcp", "medical_tools").await;
    let lock = held_up(&app);
    assert_eq!(client.send(&app, &plan()).await.status, 202);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (stopped, answer) = tokio::join!(app.stop(), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        lock.execute_batch("ROLLBACK").unwrap();
        client.events.next().await.unwrap().json()
    });
    assert!(answer["id"] == "plan" && answer["result"]["structuredContent"]["plan_id"].is_string(), "{answer}");
    assert_eq!((stopped, client.events.next().await), (Some(0), None));
}

#[tokio::test]
async fn what_a_stop_leaves_no_time_for_is_answered_with_an_error() {
    let mut app = App::with_records(&[("http.shutdown_timeout", "2s")]).await;
    let mut client = Client::connect(&app, "/mcp", "medical_tools").await;
    let lock = held_up(&app);
    assert_eq!(client.send(&app, &plan()).await.status, 202);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (stopped, answer) = tokio::join!(app.stop(), async {
        let answer = client.events.next().await.unwrap().json();
        lock.execute_batch("ROLLBACK").unwrap();
        answer
    });
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("plan"), &json!(-32603)), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("repeat the request"), "{answer}");
    assert_eq!((stopped, client.events.next().await), (Some(0), None));
}

#[tokio::test]
async fn a_stop_ends_the_streams_and_waits_for_none() {
    let mut app = App::start(&[]).await;
    let mut client = Client::connect(&app, "/mcp", "system_tools").await;
    let start = Instant::now();
    assert_eq!(app.stop().await, Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(client.events.next().await, None);
}

/// A client that asks and never reads: its answers are bounded, its connection is cut, and others do not notice.
#[tokio::test]
async fn a_client_that_does_not_read_is_held_to_its_room_and_cut() {
    let app = App::start(&[("http.write_timeout", "5s")]).await;
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let mut socket = TcpStream::connect(app.mcp_root().trim_start_matches("http://")).unwrap();
    write!(socket, "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let mut head = [0; 4096];
    let mut text = String::new();
    while !text.contains("sessionId=") || !text.ends_with("\n\n\r\n") {
        let read = socket.read(&mut head).unwrap();
        text.push_str(std::str::from_utf8(&head[..read]).unwrap());
    }
    let address = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
    let ask = json!({"jsonrpc": "2.0", "id": "x".repeat(200_000), "method": "ping"}).to_string();
    let (before, until) = (app.memory_kib(), Instant::now() + Duration::from_mins(1));
    let mut held = false;
    loop {
        match post(&app, &address, &bearer, ask.clone()).await.status.as_u16() {
            202 => {}
            429 => held = true,
            404 => break,
            other => panic!("{other}"),
        }
        assert!(Instant::now() < until, "the connection is not cut");
    }
    assert!(held, "the room for unread answers has no end");
    let grown = app.memory_kib().saturating_sub(before);
    assert!(grown < 60_000, "{grown} KiB more");
    assert_eq!(app.send("GET", &format!("{}/healthz", app.mcp_root()), &[], "").await.status, 200);
}
