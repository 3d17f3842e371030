//! Answers to programs: JSON, never cached, readable by pages of allowed origins only; and forms, read with limits.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};

use super::{OauthState, Shared};
use crate::gate::oauth::{OauthError, params::Params};

/// Largest body of any request here.
const MAX_BODY: usize = 64 * 1024;
/// What belongs into bodies and headers, where no log and no history keeps it.
const SECRETS: [&str; 7] = ["client_secret", "code", "code_verifier", "refresh_token", "token", "access_token", "password"];

/// A value that no cache keeps (RFC 6749 §5.1).
pub(super) fn fresh(status: StatusCode, value: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, value.to_string()).into_response()
}

/// An error of the RFCs.
pub(super) fn error(error: &OauthError) -> Response {
    let mut response = fresh(error.status(), &json!({"error": error.error, "error_description": ascii(&error.description)}));
    if error.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"anmei-mcp\""));
    }
    if error.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The characters that RFC 6749 §5.2 allows in a description.
pub(super) fn ascii(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '\'' }).collect()
}

/// Lets pages of an allowed origin read the answer. The origin was checked before.
pub(super) fn shared(mut response: Response, headers: &HeaderMap) -> Response {
    if let Some(origin) = headers.get(header::ORIGIN) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_name(header::ORIGIN));
    response
}

/// What browsers ask before they send a request across origins.
pub(super) async fn preflight(State(state): State<OauthState>, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(problem) = state.base(&uri, &headers) {
        return problem.into_response();
    }
    let allowed: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, mcp-protocol-version"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    shared((StatusCode::NO_CONTENT, allowed).into_response(), &headers)
}

/// A body, whole.
pub(super) async fn body(state: &Shared, body: Body) -> Result<Vec<u8>, OauthError> {
    match tokio::time::timeout(state.settings.body_timeout, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(_)) => Err(OauthError::invalid_request("the body is longer than 64 KiB or broke off")),
        Err(_) => Err(OauthError::invalid_request("the body did not arrive in time")),
    }
}

/// The parameters of a form. Secrets in the address are refused: addresses end up in logs.
pub(super) async fn form(state: &Shared, parts: &Parts, content: Body) -> Result<Params, OauthError> {
    if !has_type(&parts.headers, "application/x-www-form-urlencoded") {
        return Err(OauthError::invalid_request("send the parameters as application/x-www-form-urlencoded in the body"));
    }
    let query = Params::read(parts.uri.query().unwrap_or_default());
    if SECRETS.iter().any(|name| query.get(name).is_some()) {
        return Err(OauthError::invalid_request("parameters belong into the body, not into the address"));
    }
    let body = body(state, content).await?;
    let text = std::str::from_utf8(&body).map_err(|_| OauthError::invalid_request("the body is not UTF-8"))?;
    Ok(Params::read(text))
}

/// Whether the body says it is of a type.
pub(super) fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}
