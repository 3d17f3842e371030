//! One URL for every revision of the protocol: `/mcp`, and `/server/{server_code}/mcp` for each group.
//!
//! The order is fixed: Host and Origin, admission, size, JSON, then the lane. Nothing of a body is read before its
//! sender was let in. What is served is a [`Backend`]'s business.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderMap, Method, StatusCode, header, request::Parts};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager};

use super::{
    backend::Backend,
    events, fast, intake,
    lanes::{self, Incoming},
    legacy::{self, LegacySse, Streams},
    sessions::{Session, SessionSettings, Sessions},
    subscriptions::Subscriptions,
};
use crate::{
    gate::{Caller, Gate, Presented, Refusal, oauth::challenge::Challenges, origins::Origins},
    http::PeerAddress,
    problem::Problem,
};

/// How the endpoint behaves.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// Which hosts and origins may reach it.
    pub origins: Origins,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Longest a body may take to arrive.
    pub body_timeout: Duration,
    /// Whether the hot methods are answered without rmcp.
    pub fast_lane: bool,
    /// Where a client that is not let in is sent to, when there is somewhere.
    pub challenges: Option<Arc<Challenges>>,
    /// The prefix under which a proxy offers the endpoint, such as `/anmei`; empty without one.
    pub public_path: String,
    /// HTTP+SSE of 2024-11-05, where it is served.
    pub legacy_sse: Option<LegacySse>,
    /// Subscriptions that one key may hold open at a time.
    pub subscriptions_per_key: usize,
    /// Sessions for handshake clients, where they are wanted.
    pub sessions: Option<SessionSettings>,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            origins: Origins::new(&["localhost", "127.0.0.1", "::1"].map(str::to_owned), &[], "mcp"),
            max_body: 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            fast_lane: true,
            challenges: None,
            public_path: String::new(),
            legacy_sse: None,
            subscriptions_per_key: 64,
            sessions: None,
        }
    }
}

/// A place where a backend is served. Cheap to clone.
pub struct Endpoint<B: Backend>(Arc<Shared<B>>);

pub struct Shared<B: Backend> {
    pub(super) backend: Arc<B>,
    pub(super) settings: EndpointSettings,
    pub(super) service: StreamableHttpService<B::Handler, NeverSessionManager>,
    /// Sessions of handshake clients, where they are wanted.
    pub(super) sessions: Option<Sessions<B::Handler>>,
    /// How many wait for changes of their lists.
    pub(super) subscriptions: Subscriptions,
    legacy: Option<Streams>,
    gate: Arc<Gate>,
}

impl<B: Backend> Clone for Endpoint<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Backend> std::fmt::Debug for Endpoint<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<B: Backend> std::ops::Deref for Endpoint<B> {
    type Target = Shared<B>;

    fn deref(&self) -> &Shared<B> {
        &self.0
    }
}

impl<B: Backend> Endpoint<B> {
    /// Puts the endpoint together; `gate` decides who gets in.
    pub fn new(backend: B, gate: Arc<Gate>, settings: EndpointSettings) -> Self {
        let backend = Arc::new(backend);
        // Stateless JSON: a restart loses no session and nothing has to be capped. Host, Origin and size are checked
        // here before rmcp sees anything.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_retry(None)
            .with_sse_keep_alive(Some(events::KEEP_ALIVE))
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(settings.max_body);
        let factory = Arc::clone(&backend);
        let service = StreamableHttpService::new(move || Ok(factory.handler()), Arc::new(NeverSessionManager::default()), config);
        let factory = Arc::clone(&backend);
        let sessions =
            settings.sessions.clone().map(|wanted| Sessions::new(move || factory.handler(), settings.max_body, wanted, Arc::clone(&gate)));
        let legacy = settings.legacy_sse.clone().map(Streams::new);
        let subscriptions = Subscriptions::new(settings.subscriptions_per_key);
        Self(Arc::new(Shared { backend, settings, service, sessions, subscriptions, legacy, gate }))
    }
}

impl<B: Backend> Endpoint<B> {
    /// Who holds something open at this moment.
    pub fn held(&self) -> Held {
        Held { sessions: self.sessions.as_ref().map_or(0, Sessions::count), event_streams: self.legacy.as_ref().map_or(0, Streams::count) }
    }
}

/// What clients hold open at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Sessions of handshake clients.
    pub sessions: usize,
    /// Event streams of HTTP+SSE.
    pub event_streams: usize,
}

/// The routes, and the same ones under the public prefix: proxies differ in whether they take it away.
pub fn router<B: Backend>(endpoint: Endpoint<B>) -> Router {
    let prefix = endpoint.settings.public_path.clone();
    let routes = routes::<B>().with_state(endpoint);
    if prefix.is_empty() { routes } else { routes.clone().nest(&prefix, routes) }
}

/// The routes by themselves: every one of them is behind the gate.
pub fn routes<B: Backend>() -> Router<Endpoint<B>> {
    Router::new()
        .route("/mcp", any(on_root::<B>))
        .route("/server/{server_code}/mcp", any(on_group::<B>))
        // Names that clients of 2024-11-05 expect.
        .route("/sse", any(on_root::<B>))
        .route("/server/{server_code}/sse", any(on_group::<B>))
        .route("/mcp/messages", any(on_root_message::<B>))
        .route("/server/{server_code}/mcp/messages", any(on_group_message::<B>))
}

async fn on_root<B: Backend>(State(endpoint): State<Endpoint<B>>, request: Request) -> Response {
    serve(&endpoint, None, request).await
}

async fn on_group<B: Backend>(State(endpoint): State<Endpoint<B>>, Path(code): Path<String>, request: Request) -> Response {
    serve(&endpoint, Some(&code), request).await
}

async fn on_root_message<B: Backend>(State(endpoint): State<Endpoint<B>>, request: Request) -> Response {
    message(&endpoint, None, request).await
}

async fn on_group_message<B: Backend>(State(endpoint): State<Endpoint<B>>, Path(code): Path<String>, request: Request) -> Response {
    message(&endpoint, Some(&code), request).await
}

async fn serve<B: Backend>(endpoint: &Endpoint<B>, code: Option<&str>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match admit(endpoint, code, &parts).await {
        Ok(caller) => caller,
        Err(refused) => return *refused,
    };
    if parts.method != Method::POST {
        parts.extensions.insert(caller.clone());
        return besides(endpoint, &caller, code, parts).await;
    }
    let body = match take_body(endpoint, &parts, body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    if let Some(refusal) = lanes::too_little(&*endpoint.backend, &caller, &body) {
        return refuse(endpoint, &refusal, (&parts, code)).await;
    }
    let session = match session(endpoint, &caller, &parts.headers) {
        Ok(session) => session,
        Err(problem) => return problem.into_response(),
    };
    parts.extensions.insert(caller.clone());
    let only_events = intake::accepts_only_events(&parts.headers);
    let response = lanes::answer(endpoint, Incoming { caller, parts, session, may_open: true }, body).await;
    if only_events { lanes::as_event(response).await } else { response }
}

/// What the request shows of itself.
fn presented<'a>(parts: &'a Parts, code: Option<&'a str>) -> Presented<'a> {
    Presented {
        authorization: parts.headers.get(header::AUTHORIZATION),
        code,
        path: Some(parts.uri.path()),
        address: address(parts),
        client: parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()),
    }
}

fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<PeerAddress>().map(|peer| peer.client(&parts.headers))
}

/// A message of a client of 2024-11-05; its answer goes to the stream.
async fn message<B: Backend>(endpoint: &Endpoint<B>, code: Option<&str>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match admit(endpoint, code, &parts).await {
        Ok(caller) => caller,
        Err(refused) => return *refused,
    };
    let Some(streams) = &endpoint.legacy else { return off().into_response() };
    if parts.method != Method::POST {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Messages are sent with POST.").into_response();
    }
    let body = match take_body(endpoint, &parts, body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    if let Some(refusal) = lanes::too_little(&*endpoint.backend, &caller, &body) {
        return refuse(endpoint, &refusal, (&parts, code)).await;
    }
    legacy::take(endpoint, streams, &caller, parts, body)
}

/// Host and Origin, then the key.
async fn admit<B: Backend>(endpoint: &Endpoint<B>, code: Option<&str>, parts: &Parts) -> Result<Caller, Box<Response>> {
    if let Err(problem) = endpoint.settings.origins.check(&parts.uri, &parts.headers) {
        return Err(Box::new(problem.into_response()));
    }
    match endpoint.gate.admit(presented(parts, code)).await {
        Ok(caller) => Ok(caller),
        Err(refusal) => Err(Box::new(refuse(endpoint, &refusal, (parts, code)).await)),
    }
}

async fn take_body<B: Backend>(endpoint: &Endpoint<B>, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    intake::is_json(&parts.headers)?;
    intake::read(body, endpoint.settings.max_body, endpoint.settings.body_timeout).await
}

/// The session a request is part of. Clients of 2026-07-28 have none, whatever they send.
fn session<B: Backend>(endpoint: &Endpoint<B>, caller: &Caller, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Problem> {
    match &endpoint.sessions {
        Some(sessions) if !fast::is_modern(headers) => sessions.named(caller, headers),
        _ => Ok(None),
    }
}

/// What is no POST: the streams of both older transports, and the end of a session.
async fn besides<B: Backend>(endpoint: &Endpoint<B>, caller: &Caller, code: Option<&str>, parts: Parts) -> Response {
    let session = match session(endpoint, caller, &parts.headers) {
        Ok(session) => session,
        Err(problem) => return problem.into_response(),
    };
    match (&parts.method, &endpoint.sessions, session) {
        (&Method::GET, Some(sessions), Some(session)) => {
            let changes = endpoint.backend.changes(caller);
            return sessions.listen(&session, parts, changes).await;
        }
        (&Method::DELETE, Some(sessions), _) if !fast::is_modern(&parts.headers) => return sessions.end(caller, &parts.headers).await,
        _ => {}
    }
    match &endpoint.legacy {
        Some(streams) if parts.method == Method::GET && is_legacy(&parts) => {
            let group = code.map(|code| format!("/server/{code}")).unwrap_or_default();
            let path = format!("{}{group}/mcp", endpoint.settings.public_path);
            streams.open(caller, &path, endpoint.backend.changes(caller))
        }
        _ => no_stream().into_response(),
    }
}

/// Whether a GET is of a client of 2024-11-05. A later one that looks for notifications has a session, or says its
/// version. At `/sse` nothing else is looked for: there a version is that of a client which connects again.
fn is_legacy(parts: &Parts) -> bool {
    let headers = &parts.headers;
    if ["mcp-session-id", "last-event-id"].iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    if parts.uri.path().ends_with("/sse") {
        return intake::accepts_events(headers);
    }
    let later = headers.get("mcp-protocol-version").is_some_and(|version| version != legacy::VERSION);
    !later && intake::names_events(headers)
}

async fn refuse<B: Backend>(endpoint: &Endpoint<B>, refusal: &Refusal, (parts, code): (&Parts, Option<&str>)) -> Response {
    if let Refusal::Unavailable(why) = refusal {
        tracing::error!(error = %why, "a key could not be checked");
    }
    if endpoint.gate.notes(refusal, address(parts)) {
        endpoint.backend.refused(refusal, &parts.headers).await;
    }
    let mut response = refusal.problem().into_response();
    let challenges = endpoint.settings.challenges.as_ref();
    let asked = (parts.uri.path(), code);
    let challenge = challenges.map_or_else(|| refusal.challenge(None), |challenges| challenges.answer(refusal, &parts.headers, asked));
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// GET has nothing to stream and DELETE nothing to end.
fn no_stream() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "This endpoint takes POST; there is no session to stream or to end.")
}

fn off() -> Problem {
    let detail = "HTTP+SSE of 2024-11-05 is switched off (`mcp.legacy_sse`): use streamable HTTP, at the address that ends in /mcp.";
    Problem::new(StatusCode::NOT_FOUND, "legacy-sse-off", detail)
}
