//! A host on one side, a server of each kind on the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{BufReader, DuplexStream, Lines};

use super::*;
use crate::{outbound::http_client::ProxyUse, secret::SecretText};

/// What the server heard: method, session, revision, body.
type Heard = Arc<Mutex<Vec<(Method, Option<String>, Option<String>, Value)>>>;

#[derive(Clone, Default)]
struct Server {
    heard: Heard,
    /// How often it was started: an older session is forgotten.
    epoch: Arc<AtomicUsize>,
    /// Requests that were dropped before they were answered.
    cut: Arc<AtomicUsize>,
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn events(messages: Vec<Value>) -> Response {
    let events = stream::iter(messages).map(|message| format!("event: message\ndata: {message}\n\n"));
    let body = Body::from_stream(events.map(Ok::<_, std::convert::Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn json_answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn serve(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let session = text(&parts.headers, "mcp-session-id");
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let revision = text(&parts.headers, "mcp-protocol-version");
    server.heard.lock().unwrap().push((parts.method.clone(), session.clone(), revision, message.clone()));
    if text(&parts.headers, "authorization").as_deref() != Some("Bearer right") {
        return (StatusCode::UNAUTHORIZED, r#"{"detail": "No such key. Ask for one."}"#).into_response();
    }
    if parts.method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let current = format!("s{}", server.epoch.load(Ordering::SeqCst));
    let method = message["method"].as_str().unwrap_or_default();
    if method != "initialize" && session.is_some_and(|session| session != current) {
        return (StatusCode::NOT_FOUND, "session not found").into_response();
    }
    let id = message["id"].clone();
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
    match method {
        "initialize" => {
            let mut answer = json_answer(&result(json!({"protocolVersion": "2025-06-18"})));
            answer.headers_mut().insert("mcp-session-id", current.parse().unwrap());
            answer
        }
        "progress" => events(vec![
            json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}),
            result(json!({"done": true})),
            json!({"jsonrpc": "2.0", "method": "after/the/answer"}),
        ]),
        "broken" => events(vec![json!({"jsonrpc": "2.0", "method": "notifications/message"})]),
        "hang" => {
            let _counted = CountDrop(server.cut);
            std::future::pending().await
        }
        "error" => {
            (StatusCode::BAD_REQUEST, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"headers disagree"}}"#).into_response()
        }
        _ if id.is_null() => StatusCode::ACCEPTED.into_response(),
        _ => json_answer(&result(json!({"method": method}))),
    }
}

/// A host that speaks to a server through the bridge.
struct Host {
    to: Option<DuplexStream>,
    from: Lines<BufReader<DuplexStream>>,
    server: Server,
    bridged: tokio::task::JoinHandle<io::Result<()>>,
}

impl Host {
    async fn with_key(key: &str) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (server, url) = (Server::default(), format!("http://{}/mcp", listener.local_addr().unwrap()));
        let app = Router::new().route("/mcp", any(serve)).with_state(server.clone());
        let tasks = TaskTracker::new();
        tasks.spawn(async move { axum::serve(listener, app).await });
        let target = HttpTarget::new(&url, Some(&SecretText::new(key))).unwrap();
        let ((to, input), (output, from)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
        let http = HttpClient::new(ProxyUse::Direct).unwrap();
        let bridged = tasks.spawn(bridge((http, target), BufReader::new(input), output, CancellationToken::new()));
        Self { to: Some(to), from: BufReader::new(from).lines(), server, bridged }
    }

    async fn open() -> Self {
        Self::with_key("right").await
    }

    async fn say(&mut self, text: &str) {
        self.to.as_mut().unwrap().write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, id: u64, method: &str) {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method}).to_string()).await;
    }

    async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(5), self.from.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line.expect("the bridge ended")).unwrap()
    }

    async fn begin(&mut self) {
        self.ask(0, "initialize").await;
        assert_eq!(self.hear().await["result"]["protocolVersion"], "2025-06-18");
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    }

    fn heard(&self, method: &str) -> Vec<(Option<String>, Option<String>)> {
        let heard = self.server.heard.lock().unwrap();
        heard.iter().filter(|one| one.3["method"] == method).map(|one| (one.1.clone(), one.2.clone())).collect()
    }
}

#[tokio::test]
async fn messages_pass_with_the_session_and_the_revision_and_the_end_of_input_ends_all() {
    let mut host = Host::open().await;
    host.begin().await;
    host.ask(1, "tools/list").await;
    host.ask(2, "tools/list").await;
    let mut ids = vec![host.hear().await["id"].as_u64().unwrap(), host.hear().await["id"].as_u64().unwrap()];
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
    assert_eq!(host.heard("initialize"), [(None, None)]);
    let agreed = (Some("s0".to_owned()), Some("2025-06-18".to_owned()));
    assert_eq!(host.heard("notifications/initialized"), std::slice::from_ref(&agreed));
    assert_eq!(host.heard("tools/list"), [agreed.clone(), agreed]);
    host.ask(3, "last").await;
    drop(host.to.take());
    assert_eq!(host.hear().await["id"], 3, "what was asked before the end is answered");
    assert!(host.from.next_line().await.unwrap().is_none());
    host.bridged.await.unwrap().unwrap();
    let heard = host.server.heard.lock().unwrap();
    assert!(heard.iter().any(|one| one.0 == Method::DELETE && one.1.as_deref() == Some("s0")), "the session is ended");
}

#[tokio::test]
async fn what_the_server_says_before_its_answer_passes_too() {
    let mut host = Host::open().await;
    host.begin().await;
    host.ask(1, "progress").await;
    assert_eq!(host.hear().await["method"], "notifications/progress");
    assert_eq!(host.hear().await["result"]["done"], true);
    host.ask(2, "broken").await;
    assert_eq!(host.hear().await["method"], "notifications/message");
    let failed = host.hear().await;
    assert!(failed["id"] == 2 && failed["error"]["message"].as_str().unwrap().contains("the stream ended before it"), "{failed}");
}

#[tokio::test]
async fn a_cancelled_request_is_cut_off_at_the_server_and_not_answered() {
    let mut host = Host::open().await;
    host.begin().await;
    host.ask(7, "hang").await;
    host.ask(8, "after").await;
    assert_eq!(host.hear().await["id"], 8, "others go on");
    host.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    while host.server.cut.load(Ordering::SeqCst) == 0 {
        assert!(tokio::time::Instant::now() < until, "the server still works on it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(host.heard("notifications/cancelled").len(), 1);
    host.ask(9, "after").await;
    assert_eq!(host.hear().await["id"], 9, "no answer to what was cancelled");
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_made_anew() {
    let mut host = Host::open().await;
    host.begin().await;
    host.server.epoch.store(1, Ordering::SeqCst);
    host.ask(1, "tools/list").await;
    assert_eq!(host.hear().await["result"]["method"], "tools/list");
    assert_eq!(host.heard("initialize").len(), 2);
    let sessions: Vec<_> = host.heard("tools/list").into_iter().map(|(session, _)| session.unwrap()).collect();
    assert_eq!(sessions, ["s0", "s1"]);
}

#[tokio::test]
async fn a_request_that_names_its_revision_goes_with_its_headers() {
    let mut host = Host::open().await;
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    host.say(&json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "t", "_meta": meta}}).to_string()).await;
    assert_eq!(host.hear().await["id"], "a");
    assert_eq!(host.heard("tools/call"), [(None, Some("2026-07-28".to_owned()))]);
}

#[tokio::test]
async fn failures_are_errors_of_the_request_and_never_show_the_key() {
    let mut host = Host::with_key("wrong-key").await;
    host.ask(1, "initialize").await;
    let refused = host.hear().await;
    assert_eq!((&refused["id"], &refused["error"]["data"]["status"]), (&json!(1), &json!(401)), "{refused}");
    assert!(refused.to_string().contains("No such key. Ask for one.") && !refused.to_string().contains("wrong-key"), "{refused}");
    let mut host = Host::open().await;
    host.ask(2, "error").await;
    let failed = host.hear().await;
    assert_eq!(
        (&failed["id"], &failed["error"]["code"]),
        (&json!(2), &json!(-32001)),
        "the server's own error, for this request: {failed}"
    );
    for (line, code) in [("{", -32700), ("[]", -32600), (r#"{"id": 4}"#, -32600), (r#"{"id": {}, "method": "x"}"#, -32600)] {
        host.say(line).await;
        assert_eq!(host.hear().await["error"]["code"], code, "{line}");
    }
}
