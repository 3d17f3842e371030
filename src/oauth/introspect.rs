//! `POST /oauth/introspect`: our own resource servers ask about a token (RFC 7662).
//!
//! Only a confidential client with that right hears anything, and only of tokens for its groups; to it, whatever is not in
//! force, not an access token or not its business looks the same.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use serde_json::{Value, json};

use super::{OauthState, Shared, reply};
use crate::gate::oauth::OauthError;

pub(super) async fn introspect(State(state): State<OauthState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let base = match state.base(&parts.uri, &parts.headers) {
        Ok(base) => base,
        Err(problem) => return problem.into_response(),
    };
    match inspected(&state, &parts, body, &base).await {
        Ok(value) => reply::fresh(StatusCode::OK, &value),
        Err(error) => reply::error(&error),
    }
}

async fn inspected(state: &Shared, parts: &Parts, body: Body, issuer: &str) -> Result<Value, OauthError> {
    let params = reply::form(state, parts, body).await?;
    if params.repeated().is_some() {
        return Err(OauthError::invalid_request("a parameter came more than once"));
    }
    let client = state.authenticated(&parts.headers, &params)?;
    if !client.is_confidential() || !client.may_introspect {
        return Err(OauthError::invalid_client("this client may not ask about tokens"));
    }
    let text = params.get("token").ok_or_else(|| OauthError::invalid_request("the parameter token is missing"))?;
    let policy = state.parts.gate.policy().current()?;
    let Some((token, grant)) = state.parts.grants.inspect(&client, text, &policy)? else { return Ok(json!({"active": false})) };
    Ok(json!({
        "active": true, "scope": token.scopes.join(" "), "client_id": grant.client_id, "token_type": "Bearer",
        "exp": token.expires_at.min(grant.expires_at) / 1000, "iat": token.created_at / 1000, "aud": token.audience, "iss": issuer,
        "sub": grant.account_id.as_deref().unwrap_or(&grant.id), "jti": token.id,
    }))
}
