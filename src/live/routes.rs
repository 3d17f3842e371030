//! The routes, and what is checked before a connection is upgraded: host, origin, room, protocol.

use std::sync::Arc;

use axum::{
    Router,
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::{
    LiveState, PROTOCOL, Shared,
    close::Close,
    connection::{self, Credential},
    frames::MAX_MESSAGE,
    rest,
    token::TokenError,
    who::Who,
};
use crate::{problem::Problem, secret::SecretText, store::StoreError};

/// Marks the token in the list of protocols.
const BEARER: &str = "bearer.";
/// Names under which people put tokens into addresses.
const TOKEN_PARAMETERS: [&str; 9] =
    ["token", "access_token", "jwt", "bearer", "auth", "authorization", "api_key", "id_token", "live_token"];
/// Messages up to this size are read, to be refused in words; larger ones end the connection unread.
const HARD_LIMIT: usize = 4 * MAX_MESSAGE;
/// The usual 128 KiB a connection would add up.
const SOCKET_BUFFER: usize = 16 * 1024;

/// The routes.
pub fn router(state: LiveState) -> Router {
    Router::new()
        .route("/live/ws", get(connect))
        .route("/live/presence", get(rest::presence))
        .route("/live/claims", post(rest::claim))
        .route("/live/notifications", get(rest::notifications))
        .with_state(state)
}

async fn connect(
    State(LiveState(live)): State<LiveState>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgraded(&live, &uri, &headers, upgrade) {
        Ok(response) => response,
        Err(problem) => refused(problem),
    }
}

fn upgraded(
    live: &Arc<Shared>,
    uri: &Uri,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    live.settings.origins.check(uri, headers)?;
    let upgrade = upgrade.map_err(|rejection| {
        let detail = format!("This address speaks WebSocket: {rejection}. Offer the protocol {PROTOCOL}.");
        Problem::new(StatusCode::UPGRADE_REQUIRED, "websocket", detail)
    })?;
    let offered = protocols(headers);
    if !offered.is_empty() && !offered.contains(&PROTOCOL) {
        let detail = format!("None of the offered protocols is spoken here. Send `Sec-WebSocket-Protocol: {PROTOCOL}, bearer.<token>`.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "protocol", detail));
    }
    let room = Arc::clone(&live.room).try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-connections", "All live connections are in use (`live.max_connections`).")
    })?;
    let (live, credential) = (Arc::clone(live), credential(uri, headers, &offered));
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(HARD_LIMIT)
        .max_frame_size(HARD_LIMIT)
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(SOCKET_BUFFER);
    let tasks = live.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            connection::serve(live, socket, credential).await;
            drop(room);
        })
    }))
}

fn protocols(headers: &HeaderMap) -> Vec<&str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect()
}

fn credential(uri: &Uri, headers: &HeaderMap, offered: &[&str]) -> Credential {
    if token_in_url(uri) {
        return Credential::InUrl;
    }
    let in_protocols = offered.iter().find_map(|name| name.strip_prefix(BEARER)).map(SecretText::new);
    in_protocols.or_else(|| authorization(headers)).map_or(Credential::Later, Credential::Token)
}

/// Addresses are written to logs and histories, so a token in one is given away already.
fn token_in_url(uri: &Uri) -> bool {
    let parameters = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    parameters.into_iter().any(|(name, _)| TOKEN_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()))
}

fn authorization(headers: &HeaderMap) -> Option<SecretText> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretText::new(token.trim()))
}

impl Shared {
    /// Who makes a REST call.
    pub(super) async fn caller(&self, uri: &Uri, headers: &HeaderMap) -> Result<Who, Problem> {
        self.settings.origins.check(uri, headers)?;
        if token_in_url(uri) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "token-in-url", Close::TokenInUrl.reason()));
        }
        let Some(token) = authorization(headers) else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Send `Authorization: Bearer <token>`."));
        };
        let who = self.tokens.verify(token.expose()).await.map_err(problem)?;
        match self.is_revoked(&who) {
            Ok(false) => Ok(who),
            Ok(true) => Err(problem(TokenError::Revoked)),
            Err(error) => {
                tracing::error!(%error, "whether a live token was revoked could not be read");
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", Close::Unavailable.reason()))
            }
        }
    }

    /// Whether the token somebody came with was taken back.
    pub(super) fn is_revoked(&self, who: &Who) -> Result<bool, StoreError> {
        self.store.live_token_is_revoked(who.token_id.as_deref(), &who.user_id, who.issued_at)
    }
}

fn problem(error: TokenError) -> Problem {
    let (status, name) = match error {
        TokenError::NoRole => (StatusCode::FORBIDDEN, "forbidden"),
        TokenError::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        _ => (StatusCode::UNAUTHORIZED, "unauthorized"),
    };
    Problem::new(status, name, error.to_string())
}

/// A refusal as a response.
pub(super) fn refused(problem: Problem) -> Response {
    let mut response = problem.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"anmei-mcp live\""));
    }
    if response.status() == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}
