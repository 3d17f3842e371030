//! `POST /oauth/register`: clients introduce themselves (RFC 7591).
//!
//! Open to everybody, because some clients have no other way in, and therefore worth nothing by itself: a client that
//! registered can ask a person, and that is all. Registrations are few per address and hour, few in all, and those that
//! never got anything are forgotten.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};

use super::{OauthState, Shared, authorize::address, reply};
use crate::{
    gate::oauth::{OauthError, registration},
    ids::new_id,
    store::oauth_clients::{Client, ClientKind, Registered},
};

pub(super) async fn register(State(state): State<OauthState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(problem) = state.base(&parts.uri, &parts.headers) {
        return problem.into_response();
    }
    let response = match registered(&state, &parts, body).await {
        Ok(client) => reply::fresh(StatusCode::CREATED, &registration::answer(&client)),
        Err((error, wait)) => {
            let mut response = reply::error(&error);
            if let Some(seconds) = wait {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    };
    reply::shared(response, &parts.headers)
}

/// An error, and after how many seconds it may pass.
type Refused = (OauthError, Option<u64>);

async fn registered(state: &Shared, parts: &Parts, body: Body) -> Result<Client, Refused> {
    let settings = &state.settings;
    let plain = |error| (error, None);
    if !settings.registration {
        let why = "registration is switched off here (oauth.registration); an operator adds clients with `anmei-mcp oauth client add`";
        return Err(plain(OauthError::new("access_denied", why)));
    }
    if !reply::has_type(&parts.headers, "application/json") {
        return Err(plain(OauthError::new("invalid_client_metadata", "send the metadata as application/json")));
    }
    let body = reply::body(state, body).await.map_err(plain)?;
    let metadata = registration::read(&body, &settings.redirects).map_err(plain)?;
    let now = state.parts.clock.now_ms();
    state.registrations.take(address(parts), now).map_err(|seconds| {
        (OauthError::new("slow_down", "too many registrations from this address; keep the client_id of the first one"), Some(seconds))
    })?;
    let client = Client {
        id: format!("client_{}", new_id(state.parts.clock.as_ref())),
        kind: ClientKind::Dynamic,
        name: metadata.name,
        uri: metadata.uri,
        redirect_uris: metadata.redirect_uris,
        grant_types: metadata.grant_types,
        secret_hash: None,
        groups: Vec::new(),
        may_write: false,
        may_introspect: false,
        created_by: "registration".to_owned(),
        created_at: now,
        used_at: None,
        revoked_at: None,
    };
    let unused_since = now - settings.unused_client_ms;
    match state.parts.store.register_client(client.clone(), settings.max_clients, unused_since).await {
        Ok(Registered::Added) => {
            tracing::info!(oauth.client = client.id, name = client.name, "a client registered itself");
            Ok(client)
        }
        Ok(Registered::Full) => {
            tracing::warn!(most = settings.max_clients, "no further client may register (oauth.max_clients)");
            Err((OauthError::new("temporarily_unavailable", "too many clients are registered; try again later"), Some(3600)))
        }
        Err(error) => Err(plain(error.into())),
    }
}
