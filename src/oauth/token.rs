//! `POST /oauth/token`: codes, refresh tokens and clients' own credentials become tokens (RFC 6749 §4.1.3, §4.4, §6).

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use serde_json::json;

use super::{OauthState, Shared, reply};
use crate::gate::oauth::{OauthError, grants::Issued};

pub(super) async fn token(State(state): State<OauthState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let base = match state.base(&parts.uri, &parts.headers) {
        Ok(base) => base,
        Err(problem) => return problem.into_response(),
    };
    let response = match issued(&state, &parts, body, &base).await {
        Ok(issued) => reply::fresh(StatusCode::OK, &answer(&issued)),
        Err(error) => {
            tracing::info!(error = error.error, reason = error.description, "a request for tokens was refused");
            reply::error(&error)
        }
    };
    reply::shared(response, &parts.headers)
}

async fn issued(state: &Shared, parts: &Parts, body: Body, base: &str) -> Result<Issued, OauthError> {
    let params = reply::form(state, parts, body).await?;
    if let Some(name) = params.repeated().filter(|name| *name != "resource") {
        return Err(OauthError::invalid_request(format!("the parameter {} came more than once", reply::ascii(name))));
    }
    if params.repeats("resource") {
        return Err(OauthError::new("invalid_target", "a token is for one resource; send `resource` once"));
    }
    let grant_type = params.get("grant_type").ok_or_else(|| OauthError::invalid_request("the parameter grant_type is missing"))?;
    let client = state.authenticated(&parts.headers, &params)?;
    let policy = state.parts.gate.policy().current()?;
    let grants = &state.parts.grants;
    match grant_type {
        "authorization_code" => grants.redeem(&client, &params, &policy).await,
        "refresh_token" => grants.refresh(&client, &params, &policy).await,
        "client_credentials" => grants.by_itself(&client, &params, (&policy, base)).await,
        _ => Err(OauthError::new("unsupported_grant_type", "grant_type must be authorization_code, refresh_token or client_credentials")),
    }
}

/// RFC 6749 §5.1.
fn answer(issued: &Issued) -> serde_json::Value {
    let mut answer = json!({
        "access_token": issued.access.expose(), "token_type": "Bearer", "expires_in": issued.expires_in, "scope": issued.scopes.join(" "),
    });
    if let (Some(object), Some(refresh)) = (answer.as_object_mut(), &issued.refresh) {
        object.insert("refresh_token".into(), refresh.expose().into());
    }
    answer
}
