//! One URL for every revision of the protocol: `/mcp`, and `/server/{server_code}/mcp` for each group.
//!
//! The order is fixed: Host and Origin, admission, size, JSON, then the lane. Nothing of a body is read before its
//! sender was let in. What is served is a [`Backend`]'s business.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderMap, Method, StatusCode, header, request::Parts};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager};

use super::{backend::Backend, intake, lanes};
use crate::{
    gate::{Gate, Presented, Refusal, oauth::challenge::Challenges, origins::Origins},
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
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            origins: Origins::new(&["localhost", "127.0.0.1", "::1"].map(str::to_owned), &[], "mcp"),
            max_body: 1024 * 1024,
            body_timeout: Duration::from_mins(1),
            fast_lane: true,
            challenges: None,
            public_path: String::new(),
        }
    }
}

/// A place where a backend is served. Cheap to clone.
pub struct Endpoint<B: Backend>(Arc<Shared<B>>);

pub struct Shared<B: Backend> {
    pub(super) backend: Arc<B>,
    pub(super) settings: EndpointSettings,
    pub(super) service: StreamableHttpService<B::Handler, NeverSessionManager>,
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
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(settings.max_body);
        let factory = Arc::clone(&backend);
        let service = StreamableHttpService::new(move || Ok(factory.handler()), Arc::new(NeverSessionManager::default()), config);
        Self(Arc::new(Shared { backend, settings, service, gate }))
    }
}

/// The routes, and the same ones under the public prefix: proxies differ in whether they take it away.
pub fn router<B: Backend>(endpoint: Endpoint<B>) -> Router {
    let prefix = endpoint.settings.public_path.clone();
    let routes = Router::new().route("/mcp", any(on_root::<B>)).route("/server/{server_code}/mcp", any(on_group::<B>)).with_state(endpoint);
    if prefix.is_empty() { routes } else { routes.clone().nest(&prefix, routes) }
}

async fn on_root<B: Backend>(State(endpoint): State<Endpoint<B>>, request: Request) -> Response {
    serve(&endpoint, None, request).await
}

async fn on_group<B: Backend>(State(endpoint): State<Endpoint<B>>, Path(code): Path<String>, request: Request) -> Response {
    serve(&endpoint, Some(&code), request).await
}

async fn serve<B: Backend>(endpoint: &Endpoint<B>, code: Option<&str>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(problem) = endpoint.settings.origins.check(&parts.uri, &parts.headers) {
        return problem.into_response();
    }
    let caller = match endpoint.gate.admit(presented(&parts, code)).await {
        Ok(caller) => caller,
        Err(refusal) => return refuse(endpoint, &refusal, (&parts.headers, code)).await,
    };
    if parts.method != Method::POST {
        return no_stream().into_response();
    }
    if let Err(problem) = intake::is_json(&parts.headers) {
        return problem.into_response();
    }
    let body = match intake::read(body, endpoint.settings.max_body, endpoint.settings.body_timeout).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    if let Some(refusal) = lanes::too_little(&*endpoint.backend, &caller, &body) {
        return refuse(endpoint, &refusal, (&parts.headers, code)).await;
    }
    parts.extensions.insert(caller.clone());
    let only_events = intake::accepts_only_events(&parts.headers);
    let response = lanes::answer(endpoint, &caller, parts, body).await;
    if only_events { lanes::as_event(response).await } else { response }
}

/// What the request shows of itself.
fn presented<'a>(parts: &'a Parts, code: Option<&'a str>) -> Presented<'a> {
    Presented {
        authorization: parts.headers.get(header::AUTHORIZATION),
        code,
        path: Some(parts.uri.path()),
        address: parts.extensions.get::<PeerAddress>().map(|peer| peer.client(&parts.headers)),
        client: parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()),
    }
}

async fn refuse<B: Backend>(endpoint: &Endpoint<B>, refusal: &Refusal, (headers, code): (&HeaderMap, Option<&str>)) -> Response {
    if let Refusal::Unavailable(why) = refusal {
        tracing::error!(error = %why, "a key could not be checked");
    }
    if refusal.recorded() {
        endpoint.backend.refused(refusal, headers).await;
    }
    let mut response = refusal.problem().into_response();
    let challenges = endpoint.settings.challenges.as_ref();
    let challenge = challenges.map_or_else(|| refusal.challenge(None), |challenges| challenges.answer(refusal, headers, code));
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// There are no sessions, so GET has nothing to stream and DELETE nothing to end.
fn no_stream() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "This endpoint takes POST only; there is no session to stream or to end.")
}
