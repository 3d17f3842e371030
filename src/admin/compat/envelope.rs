//! The envelope of the existing app: `{success, message, data}`. A refusal keeps its status.

use axum::{
    Json,
    body::to_bytes,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::header;
use serde::Serialize;
use serde_json::{Value, json};

use crate::problem::Problem;

/// The paths that answer so.
const PATHS: &str = "/mcp/admin/";
/// Longest refusal that is read.
const LONGEST: usize = 256 * 1024;

/// An answer.
#[derive(Debug, Serialize)]
pub(super) struct Envelope {
    success: bool,
    message: String,
    data: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_immediately: Option<bool>,
}

impl Envelope {
    /// Something that worked.
    pub(super) fn new(message: &str, data: &impl Serialize) -> Self {
        let data = serde_json::to_value(data).unwrap_or_default();
        Self { success: true, message: message.to_owned(), data, effective_immediately: None }
    }

    /// A change: it is in force for the next request, in every process.
    pub(super) fn changed(message: &str, data: &impl Serialize) -> Self {
        Self { effective_immediately: Some(true), ..Self::new(message, data) }
    }
}

impl IntoResponse for Envelope {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// Puts problem bodies into the envelope, on the paths of the existing app: those of the door as well, which is why this
/// stands before it.
pub(in crate::admin) async fn enveloped(request: Request, next: Next) -> Response {
    let ours = request.uri().path().starts_with(PATHS);
    let response = next.run(request).await;
    if !ours {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind != Some("application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, LONGEST).await.unwrap_or_default();
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else { return parts.status.into_response() };
    let mut answer = Json(envelope(&problem)).into_response();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    *answer.status_mut() = parts.status;
    answer.headers_mut().extend(parts.headers);
    answer
}

fn envelope(problem: &Problem) -> Value {
    let details = problem.errors.iter().map(|error| format!("{}: {}", error.pointer.trim_start_matches('/'), error.detail));
    let message: Vec<_> = std::iter::once(problem.detail.clone()).chain(details).collect();
    json!({"success": false, "message": message.join(" "), "data": null})
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_refusal_says_everything_in_its_message() {
        let problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "有误。").with_field("/timeout_seconds", "须为 1 到 300 秒");
        assert_eq!(envelope(&problem), json!({"success": false, "message": "有误。 timeout_seconds: 须为 1 到 300 秒", "data": null}));
    }

    #[test]
    fn a_change_says_that_it_is_in_force() {
        let text = serde_json::to_value(Envelope::changed("好", &json!({"a": 1}))).unwrap();
        assert_eq!(text, json!({"success": true, "message": "好", "data": {"a": 1}, "effective_immediately": true}));
        assert!(serde_json::to_value(Envelope::new("好", &1)).unwrap().get("effective_immediately").is_none());
    }
}
