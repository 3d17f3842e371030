//! HTTP+SSE of 2024-11-05, as the clients that still speak it expect it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    events::Events,
    harness::{Answer, App},
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
