//! What every answer carries, and what pages of other origins may read.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::admin::state::{AdminState, EntrySettings};

/// Nothing from outside, nothing inline, no frame around us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Two years: what the lists of browsers ask for.
const TRANSPORT: &str = "max-age=63072000";

/// The headers of every answer. `Cache-Control` and a stricter policy of a route's own are left alone.
pub(in crate::admin) async fn carried(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let settings = state.settings();
    let page = foreign_page(request.headers(), settings);
    let asks_first = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &page {
        Some(_) if asks_first => preflight(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let Some(page) = page {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, location, content-disposition, retry-after"));
    }
    if !settings.pages.is_empty() {
        headers.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
    }
    put(headers, settings.is_encrypted());
    response
}

fn put(headers: &mut HeaderMap, encrypted: bool) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store")] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if encrypted {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TRANSPORT));
    }
}

/// The origin of a page that may read our answers, if one asks. It has a token and no session: credentials of the
/// browser are not allowed.
fn foreign_page(headers: &HeaderMap, settings: &EntrySettings) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let text = origin.to_str().ok()?.to_ascii_lowercase();
    settings.pages.contains(&text).then(|| origin.clone())
}

fn preflight() -> Response {
    let allowed: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match, idempotency-key"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Admin;

    #[test]
    fn what_a_route_says_of_caching_stays_and_the_rest_is_the_same_everywhere() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        put(&mut headers, false);
        assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=3600");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'; script-src 'self'; "));
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        put(&mut headers, true);
        assert!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn only_pages_that_are_listed_read_answers() {
        let settings = EntrySettings::of(&Admin { allowed_origins: vec!["https://app.clinic.cn".into()], ..Admin::default() });
        let of = |origin: &'static str| {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            foreign_page(&headers, &settings).is_some()
        };
        assert!(of("https://app.clinic.cn") && !of("https://evil.example") && !of("null"));
    }
}
