//! The client against servers that behave, and against some that do not.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response, Sse, sse::Event},
    routing::{any, get, post},
};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    outbound::http_client::{HttpClient, ProxyUse},
    secret::SecretText,
};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(2), max_bytes: 20_000 };

/// What a stand-in was asked.
type Asked = Arc<std::sync::Mutex<Vec<(Method, HeaderMap, Value)>>>;

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
    root
}

fn http() -> HttpClient {
    HttpClient::new(ProxyUse::Direct).unwrap()
}

fn target(url: &str) -> HttpTarget {
    HttpTarget::new(url, Some(&SecretText::new("mcp_key_t0ps3cret"))).unwrap()
}

/// The result of a server with two pages of tools.
fn result(asked: &Value) -> Value {
    let params = &asked["params"];
    match asked["method"].as_str().unwrap_or_default() {
        "server/discover" => {
            json!({"supportedVersions": ["2026-07-28"], "instructions": "做什么用", "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "stand-in", "version": "3"}}})
        }
        "initialize" => {
            json!({"protocolVersion": params["protocolVersion"], "serverInfo": {"name": "stand-in", "version": "3"}, "capabilities": {}})
        }
        "tools/list" if params.get("cursor").is_none() => {
            json!({"tools": [{"name": "a", "inputSchema": {"type": "object"}}], "nextCursor": "p2"})
        }
        "tools/list" => json!({"tools": [{"name": "b", "description": "B", "inputSchema": {"type": "object"}}]}),
        "tools/call" => {
            json!({"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "structuredContent": params["arguments"], "isError": true})
        }
        _ => Value::Null,
    }
}

fn answer(asked: &Value) -> Value {
    match result(asked) {
        Value::Null => json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no such method"}}),
        result => json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}),
    }
}

async fn streamable(State((asked, as_events)): State<(Asked, bool)>, method: Method, headers: HeaderMap, body: String) -> Response {
    let message: Value = serde_json::from_str(&body).unwrap_or_default();
    asked.lock().unwrap().push((method.clone(), headers, message.clone()));
    if method == Method::DELETE {
        return StatusCode::OK.into_response();
    }
    if message.get("id").is_none() {
        return StatusCode::ACCEPTED.into_response();
    }
    let answer = answer(&message);
    let session = [("mcp-session-id", "s1")];
    if answer.get("error").is_some() {
        return (StatusCode::NOT_FOUND, Json(answer)).into_response();
    }
    if as_events {
        let events = [
            Event::default().data(""),
            Event::default().data(json!({"jsonrpc": "2.0", "method": "notifications/x"}).to_string()),
            Event::default().data(answer.to_string()),
        ];
        return (session, Sse::new(futures_util::stream::iter(events.map(Ok::<_, Infallible>)))).into_response();
    }
    (session, Json(answer)).into_response()
}

#[tokio::test]
async fn streamable_http_in_both_dialects_and_both_forms_of_answer() {
    for as_events in [false, true] {
        let asked = Asked::default();
        let root = serve(Router::new().route("/mcp", any(streamable)).with_state((Arc::clone(&asked), as_events))).await;
        for dialect in [Dialect::Modern, Dialect::Handshake("2025-06-18")] {
            let mut client = McpClient::over_http(http(), target(&format!("{root}/mcp")), dialect, LIMITS);
            let facts = client.connect().await.unwrap();
            assert_eq!((facts.name.as_str(), facts.version.as_str(), facts.protocol.as_str()), ("stand-in", "3", dialect.version()));
            assert_eq!(facts.instructions.is_some(), dialect == Dialect::Modern);
            let names: Vec<_> = client.tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
            assert_eq!(names, ["a", "b"]);
            let reply = client.call("a", json!({"x": 1})).await.unwrap();
            assert_eq!(reply, CallReply { is_error: true, text: "one\ntwo".into(), structured: Some(json!({"x": 1})) });
            let error = client.request("no/such", json!({})).await.unwrap_err();
            assert!(matches!(&error, McpError::Rpc { code: -32601, status: Some(StatusCode::NOT_FOUND), .. }), "{error:?}");
            client.close().await;
        }
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert!(asked.iter().all(|(_, headers, _)| headers["authorization"] == "Bearer mcp_key_t0ps3cret"));
        let calls: Vec<_> = asked.iter().filter(|(.., message)| message["method"] == "tools/call").collect();
        assert_eq!(calls[0].1["mcp-name"], "a");
        assert!(calls[0].1.get("mcp-session-id").is_none() && calls[1].1["mcp-session-id"] == "s1");
        assert_eq!(calls[1].1["mcp-protocol-version"], "2025-06-18");
        assert_eq!(asked.iter().filter(|(method, ..)| method == Method::DELETE).count(), 1, "a session is ended, and only a session");
    }
}

type Stream = Arc<std::sync::Mutex<Option<mpsc::UnboundedSender<String>>>>;

fn old_transport(endpoint: &'static str) -> Router {
    let stream = Stream::default();
    let open = async move |State(stream): State<Stream>| {
        let (sender, receiver) = mpsc::unbounded_channel::<String>();
        *stream.lock().unwrap() = Some(sender);
        let first = futures_util::stream::once(async move { Ok::<_, Infallible>(Event::default().event("endpoint").data(endpoint)) });
        let rest = futures_util::stream::unfold(receiver, |mut receiver| async move {
            Some((Ok(Event::default().data(receiver.recv().await?)), receiver))
        });
        Sse::new(futures_util::StreamExt::chain(first, rest))
    };
    let post_to = async |State(stream): State<Stream>, Json(message): Json<Value>| {
        if message.get("id").is_some() {
            stream.lock().unwrap().as_ref().unwrap().send(answer(&message).to_string()).unwrap();
        }
        StatusCode::ACCEPTED
    };
    Router::new().route("/sse", get(open)).route("/messages", post(post_to)).with_state(stream)
}

#[tokio::test]
async fn the_old_transport_and_an_address_elsewhere() {
    let root = serve(old_transport("/messages?sessionId=1")).await;
    let mut client = McpClient::over_sse(http(), target(&format!("{root}/sse")), LIMITS);
    assert_eq!(client.connect().await.unwrap().protocol, "2024-11-05");
    assert_eq!(client.tools().await.unwrap().len(), 2);
    assert!(matches!(client.request("no/such", json!({})).await, Err(McpError::Rpc { code: -32601, status: None, .. })));
    client.close().await;
    let root = serve(old_transport("http://127.0.0.1:1/messages")).await;
    let error = McpClient::over_sse(http(), target(&format!("{root}/sse")), LIMITS).connect().await.unwrap_err();
    assert!(error.to_string().contains("another origin"), "{error}");
}

#[tokio::test]
async fn servers_that_do_not_behave_are_named_and_secrets_are_not() {
    let problem = || async { (StatusCode::FORBIDDEN, [("retry-after", "7")], Json(json!({"detail": "This key opens another group."}))) };
    let router = Router::new()
        .route("/forbidden", any(problem))
        .route("/page", any(|| async { axum::response::Html("<html>hello</html>") }))
        .route("/large", any(|| async { "x".repeat(30_000) }))
        .route("/other", any(|| async { Json(json!({"jsonrpc": "2.0", "id": 99, "result": {}})) }))
        .route("/silent", any(|| async { tokio::time::sleep(Duration::from_secs(30)).await }));
    let root = serve(router).await;
    let ask = async |path: &str| {
        let limits = Limits { timeout: Duration::from_millis(300), ..LIMITS };
        let mut client = McpClient::over_http(http(), target(&format!("{root}{path}")), Dialect::Modern, limits);
        client.connect().await.unwrap_err()
    };
    let refused = ask("/forbidden").await;
    assert!(refused.is_refusal());
    assert!(
        matches!(&refused, McpError::Refused { detail, retry_after: Some(wait), .. } if detail == "This key opens another group." && wait.as_secs() == 7),
        "{refused:?}"
    );
    assert!(matches!(ask("/page").await, McpError::NotMcp { .. }));
    assert!(matches!(ask("/other").await, McpError::NotMcp { .. }));
    assert!(matches!(ask("/large").await, McpError::TooLarge { max: 20_000, .. }));
    assert!(matches!(ask("/silent").await, McpError::Timeout { .. }));
    let absent =
        McpClient::over_http(http(), target("http://u:hunter2@127.0.0.1:1/mcp"), Dialect::Modern, LIMITS).connect().await.unwrap_err();
    assert!(matches!(absent, McpError::Unreachable { .. }));
    for text in [format!("{absent:?} {absent}"), format!("{:?}", target("http://u:hunter2@127.0.0.1:1/mcp"))] {
        assert!(!text.contains("hunter2") && !text.contains("t0ps3cret"), "{text}");
    }
    for bad in ["", "ftp://a/mcp", "http://", "/mcp"] {
        assert!(matches!(HttpTarget::new(bad, None), Err(McpError::Target(_))), "{bad}");
    }
    assert!(HttpTarget::new("http://a/mcp", Some(&SecretText::new("a\nb"))).is_err());
}

fn shell(script: &str) -> McpClient {
    let program = Program {
        path: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: vec![("ANSWER".into(), SecretText::new("from the environment"))],
    };
    McpClient::over_stdio(program, Dialect::Handshake("2025-11-25"), LIMITS)
}

#[tokio::test]
async fn a_program_answers_by_lines_and_its_end_is_told() {
    let mut client = shell(
        r#"read a; echo; echo '{"jsonrpc":"2.0","method":"notifications/x"}'
           echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"'"$ANSWER"'","version":"1"}}}'
           read b; read c; echo "the disk is gone" >&2; exit 3"#,
    );
    let facts = client.connect().await.unwrap();
    assert_eq!((facts.name.as_str(), facts.protocol.as_str()), ("from the environment", "2025-06-18"));
    let error = client.tools().await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("the disk is gone"), "{error}");
    client.close().await;
    let missing = Program { path: "/nonexistent/mcp".into(), args: Vec::new(), env: Vec::new() };
    let error = McpClient::over_stdio(missing, Dialect::Modern, LIMITS).connect().await.unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/mcp: cannot be started"), "{error}");
    assert!(matches!(shell("echo hello; sleep 5").connect().await, Err(McpError::NotMcp { .. })));
    assert!(matches!(shell("head -c 30000 /dev/zero; sleep 5").connect().await, Err(McpError::TooLarge { .. })));
    assert!(matches!(shell("sleep 5").connect().await, Err(McpError::Timeout { .. })));
}
