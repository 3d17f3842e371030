//! One URL for every revision of the protocol: `/mcp`, and `/server/{server_code}/mcp` for each group.
//!
//! The order is fixed: Host and Origin, admission, size, JSON, then the lane. Nothing of a body is read before its
//! sender was let in.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager};
use serde_json::value::{RawValue, to_raw_value};
use tokio_util::sync::CancellationToken;

use super::{
    envelope::{Envelope, Kind, RpcError},
    fast::{self, Answer, error_answer},
    handler::{Handler, Scope, ServerSettings},
};
use crate::{
    dispatch::Dispatch,
    gate::{Caller, Gate, Refusal, origins::Origins},
    problem::Problem,
};

/// How the endpoint behaves.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// What the server says of itself.
    pub server: ServerSettings,
    /// Which hosts and origins may reach it.
    pub origins: Origins,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Longest a body may take to arrive.
    pub body_timeout: Duration,
    /// Whether the hot methods are answered without rmcp.
    pub fast_lane: bool,
}

/// What the endpoint works with.
#[derive(Clone)]
pub struct McpState(Arc<Shared>);

pub struct Shared {
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) settings: ServerSettings,
    pub(super) server_meta: Box<RawValue>,
    gate: Arc<Gate>,
    endpoint: EndpointSettings,
    service: StreamableHttpService<Handler, NeverSessionManager>,
}

impl std::ops::Deref for McpState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl McpState {
    /// Puts the endpoint together. `stop` ends subscriptions.
    pub fn new(dispatch: Arc<Dispatch>, gate: Arc<Gate>, endpoint: EndpointSettings, stop: CancellationToken) -> Self {
        let settings = endpoint.server.clone();
        let handler = Handler {
            dispatch: Arc::clone(&dispatch),
            gate: Arc::clone(&gate),
            settings: Arc::new(settings.clone()),
            scope: Scope::Request,
            stop,
        };
        // Stateless JSON: a restart loses no session and nothing has to be capped. Host, Origin and size are checked
        // here before rmcp sees anything.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_retry(None)
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(endpoint.max_body);
        let service = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
        let server_meta = to_raw_value(&settings.meta()).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(Arc::new(Shared { dispatch, settings, server_meta, gate, endpoint, service }))
    }
}

/// The routes.
pub fn router(state: McpState) -> Router {
    Router::new().route("/mcp", any(on_root)).route("/server/{server_code}/mcp", any(on_group)).with_state(state)
}

async fn on_root(State(state): State<McpState>, request: Request) -> Response {
    serve(&state, None, request).await
}

async fn on_group(State(state): State<McpState>, Path(code): Path<String>, request: Request) -> Response {
    serve(&state, Some(&code), request).await
}

async fn serve(state: &McpState, code: Option<&str>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(problem) = state.endpoint.origins.check(&parts.uri, &parts.headers) {
        return problem.into_response();
    }
    let caller = match state.gate.admit(parts.headers.get(header::AUTHORIZATION), code) {
        Ok(caller) => caller,
        Err(refusal) => return refuse(state, &refusal, &parts.headers).await,
    };
    if let Err(problem) = acceptable(&parts) {
        return problem.into_response();
    }
    let body = match read(body, state.endpoint.max_body, state.endpoint.body_timeout).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    parts.extensions.insert(caller.clone());
    let only_events = accepts_only_events(&parts.headers);
    let response = answer(state, &caller, parts, body).await;
    if only_events { as_event(response).await } else { response }
}

async fn refuse(state: &McpState, refusal: &Refusal, headers: &HeaderMap) -> Response {
    if let Refusal::Unavailable(why) = refusal {
        tracing::error!(error = %why, "a key could not be checked");
    }
    let version = headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok()).unwrap_or_default();
    state.dispatch.refused(refusal, "", fast::http_client(headers, &version.chars().take(20).collect::<String>(), None)).await;
    let mut response = refusal.problem().into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = match refusal {
            Refusal::NoKey => "Bearer realm=\"anmei-mcp\"",
            _ => "Bearer realm=\"anmei-mcp\", error=\"invalid_token\"",
        };
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// Method and type of the request. There are no sessions, so GET has nothing to stream and DELETE nothing to end.
fn acceptable(parts: &Parts) -> Result<(), Problem> {
    if parts.method != Method::POST {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "This endpoint takes POST only; there is no session to stream or to end.",
        ));
    }
    let json = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json"));
    if json {
        Ok(())
    } else {
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Send the body as `Content-Type: application/json`."))
    }
}

async fn read(body: Body, max: usize, timeout: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(timeout, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("The body is larger than {max} bytes (`mcp.max_body`).")))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body", "The body ended before it was complete.")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive in time.")),
    }
}

async fn answer(state: &McpState, caller: &Caller, parts: Parts, body: Bytes) -> Response {
    let Ok(text) = std::str::from_utf8(&body) else {
        return json(error_answer(StatusCode::BAD_REQUEST, None, -32700, "Parse error: the body is not UTF-8"));
    };
    if text.trim_start().starts_with('[') {
        return batch(state, caller, &parts, text).await;
    }
    one(state, caller, parts, text, &body).await
}

/// One message: `text` is what `body` holds.
async fn one(state: &McpState, caller: &Caller, parts: Parts, text: &str, body: &Bytes) -> Response {
    let (message, kind) = match Envelope::read(text) {
        Ok(read) => read,
        Err((error, id)) => return json(error_answer(StatusCode::BAD_REQUEST, id, error.code, &error.message)),
    };
    if state.endpoint.fast_lane
        && kind == Kind::Request
        && let Some(answer) = fast::answer(state, caller, &parts.headers, &message).await
    {
        return json(answer);
    }
    if kind == Kind::Answer {
        let why = RpcError::invalid_request("this server sent no request that could be answered");
        return json(error_answer(StatusCode::BAD_REQUEST, None, why.code, &why.message));
    }
    if let Some(error) = misshapen(&message) {
        return json(error_answer(StatusCode::BAD_REQUEST, message.id, error.code, &error.message));
    }
    let response = through_rmcp(state, parts, body.clone()).await;
    in_json_rpc(response, message.id).await
}

/// Parameters that rmcp would take for an unknown method.
fn misshapen(message: &Envelope<'_>) -> Option<RpcError> {
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Shape {
        name: String,
        #[serde(default)]
        arguments: Option<super::envelope::Object>,
    }
    if message.method.as_deref() != Some("tools/call") {
        return None;
    }
    let params = message.params.map_or("{}", RawValue::get);
    serde_json::from_str::<Shape>(params).err().map(|error| RpcError::invalid_params(format_args!("tools/call: {error}")))
}

async fn through_rmcp(state: &McpState, mut parts: Parts, body: Bytes) -> Response {
    // rmcp insists on both types; a client that names fewer (or none) is answered all the same.
    parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let request = http::Request::from_parts(parts, http_body_util::Full::new(body));
    state.service.handle(request).await.map(Body::new)
}

/// rmcp refuses some headers in plain text; a client reads JSON-RPC.
async fn in_json_rpc(response: Response, id: Option<&RawValue>) -> Response {
    let status = response.status();
    if !status.is_client_error() || response.headers().contains_key(header::CONTENT_TYPE) {
        return response;
    }
    let text = json_of(response).await.unwrap_or_default();
    let why = RpcError::invalid_request(text.trim_start_matches("Bad Request: "));
    json(error_answer(status, id, why.code, &why.message))
}

/// A JSON-RPC batch: part of 2025-03-26 and of no other revision.
async fn batch(state: &McpState, caller: &Caller, parts: &Parts, text: &str) -> Response {
    let bad = |error: RpcError| json(error_answer(StatusCode::BAD_REQUEST, None, error.code, &error.message));
    let version = parts.headers.get("mcp-protocol-version").map_or("2025-03-26", |value| value.to_str().unwrap_or_default());
    let messages: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(messages) => messages,
        Err(error) => return bad(RpcError::parse(&error)),
    };
    if version != "2025-03-26" {
        return bad(RpcError::invalid_request("one message per request; batches ended with revision 2025-03-26"));
    }
    if messages.is_empty() || messages.len() > 50 {
        return bad(RpcError::invalid_request("a batch holds 1 to 50 messages"));
    }
    let mut answers = Vec::new();
    for message in messages {
        let body = Bytes::copy_from_slice(message.get().as_bytes());
        let response = Box::pin(one(state, caller, parts.clone(), message.get(), &body)).await;
        answers.extend(json_of(response).await);
    }
    if answers.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    json((StatusCode::OK, format!("[{}]", answers.join(",")).into_bytes()))
}

/// The JSON text of a response, if it has one.
async fn json_of(response: Response) -> Option<String> {
    let body = response.into_body().collect().await.ok()?.to_bytes();
    String::from_utf8(body.to_vec()).ok().filter(|text| !text.is_empty())
}

fn json((status, body): Answer) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Whether the client takes an event stream and nothing else.
fn accepts_only_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut any = false;
    let only = accepted.all(|range| {
        any = true;
        range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
    });
    any && only
}

/// The same answer as one event of a stream that then ends.
async fn as_event(response: Response) -> Response {
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return response;
    }
    let status = response.status();
    let Some(text) = json_of(response).await else { return status.into_response() };
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (status, headers, format!("event: message\ndata: {text}\n\n")).into_response()
}
