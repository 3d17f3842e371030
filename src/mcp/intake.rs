//! From a request to the bytes of its body: what it must say of itself, how large it may be, how long it may take.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::Problem;

/// Whether a body is announced as JSON.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json"));
    if json {
        Ok(())
    } else {
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Send the body as `Content-Type: application/json`."))
    }
}

/// The whole body.
pub(super) async fn read(body: Body, max: usize, timeout: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(timeout, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("The body is larger than {max} bytes (`mcp.max_body`).")))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body", "The body ended before it was complete.")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive in time.")),
    }
}

/// Whether the client takes an event stream and nothing else.
pub(super) fn accepts_only_events(headers: &HeaderMap) -> bool {
    let mut any = false;
    let only = accepted(headers).all(|range| {
        any = true;
        is_events(range)
    });
    any && only
}

/// Whether the client takes an event stream at all; one that does not say takes anything.
pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    let mut any = false;
    let takes = accepted(headers).any(|range| {
        any = true;
        is_events(range) || matches!(range.split(';').next().unwrap_or_default().trim(), "*/*" | "text/*")
    });
    takes || !any
}

fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
}

fn is_events(range: &str) -> bool {
    range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_client_accepts_is_read_as_it_is_written() {
        for (accept, takes, nothing_else) in [
            (None, true, false),
            (Some("application/json"), false, false),
            (Some("application/json, text/event-stream"), true, false),
            (Some("Text/Event-Stream;q=0.9"), true, true),
            (Some("*/*"), true, false),
            (Some("text/*, application/json"), true, false),
        ] {
            let headers: HeaderMap = accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept))).into_iter().collect();
            assert_eq!((accepts_events(&headers), accepts_only_events(&headers)), (takes, nothing_else), "{accept:?}");
        }
    }
}
