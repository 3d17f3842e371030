//! `POST /oauth/revoke`: a client gives back what it got (RFC 7009). Either token ends the whole grant.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header, request::Parts};

use super::{OauthState, Shared, reply};
use crate::gate::oauth::OauthError;

pub(super) async fn revoke(State(state): State<OauthState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(problem) = state.base(&parts.uri, &parts.headers) {
        return problem.into_response();
    }
    let response = match revoked(&state, &parts, body).await {
        // A token nobody knows is as revoked as can be (§2.2).
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(error) => reply::error(&error),
    };
    reply::shared(response, &parts.headers)
}

async fn revoked(state: &Shared, parts: &Parts, body: Body) -> Result<(), OauthError> {
    let params = reply::form(state, parts, body).await?;
    if params.repeated().is_some() {
        return Err(OauthError::invalid_request("a parameter came more than once"));
    }
    let client = state.authenticated(&parts.headers, &params)?;
    let token = params.get("token").ok_or_else(|| OauthError::invalid_request("the parameter token is missing"))?;
    if state.parts.grants.revoke(&client, token).await? {
        tracing::info!(oauth.client = client.id, "a client gave its grant back");
    }
    Ok(())
}
