//! Runs before every route of the admin side: is the request allowed to be here, and who sent it.
//!
//! It lets people through whom it does not know: whether a route is for them is decided by what the route asks for (see
//! `extract`). What it refuses by itself is a host or an origin that is not allowed, a token that is none, and a request
//! with a session's cookie that no page of ours sent.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{cookie, door::address, extract::is_panel, forms};
use crate::{
    admin::{
        Who,
        api::frame::ApiError,
        calls::{CallError, Recognised, said},
        language,
        panel::frame::refusal,
        state::AdminState,
    },
    store::StoreError,
};

/// Largest body of a request.
const MAX_BODY: usize = 1024 * 1024;
/// A link on another site brings no cookie along; this page asks once more, from here.
const ONCE_MORE: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0\">\
                         <title>anmei-mcp</title></head><body></body></html>";

/// Why a request goes no further.
enum Stop {
    /// For programs and people.
    Refused(StatusCode, &'static str, CallError),
    /// A page to be asked for again.
    OnceMore,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.into())
    }
}

/// Looks at a request, and passes it on with whoever sent it in its extensions.
pub(in crate::admin) async fn guard(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(problem) = state.settings().check(&parts.uri, &parts.headers) {
        return problem.into_response();
    }
    let whole = match admit(&state, &mut parts, body).await {
        Ok(body) => body,
        Err(Stop::OnceMore) => return Html(ONCE_MORE).into_response(),
        Err(Stop::Refused(status, kind, error)) => return refused(&parts, status, kind, error),
    };
    next.run(Request::from_parts(parts, whole)).await
}

/// Puts whoever sent the request into its extensions, and gives its body back.
async fn admit(state: &AdminState, parts: &mut Parts, body: Body) -> Result<Body, Stop> {
    let language = language::of(&parts.headers);
    let address = address(parts.extensions.get(), &parts.headers);
    let body = Body::new(Limited::new(body, MAX_BODY));
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(bearer).unwrap_or_default();
        let found = state.calls().by_token(token).await?;
        let who = found.ok_or_else(unknown_token)?.who(address, language);
        parts.extensions.insert(who);
        return Ok(body);
    }
    let found = by_cookie(state, parts).await?;
    let who = found.map(|found| found.who(address, language));
    if who.is_none() && comes_from_elsewhere(parts) {
        return Err(Stop::OnceMore);
    }
    let body = if parts.method.is_safe() { body } else { checked(state, parts, who.as_ref(), body).await? };
    if let Some(who) = who {
        parts.extensions.insert(who);
    }
    Ok(body)
}

async fn by_cookie(state: &AdminState, parts: &Parts) -> Result<Option<Recognised>, StoreError> {
    let encrypted = state.settings().came_encrypted(&parts.headers);
    let Some(cookie) = cookie::shown(&parts.headers, encrypted) else { return Ok(None) };
    // Files are the same for everybody.
    if parts.uri.path().starts_with("/panel/assets/") {
        return Ok(None);
    }
    // A page that is left open and renews itself is nobody at work.
    let renews = parts.headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    state.calls().by_cookie(&cookie, !renews).await
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unknown_token() -> Stop {
    let text = said(
        "令牌无效、已过期或已吊销。请在面板的“我的安全”页面新建一个 API 令牌。",
        "This token is not one, has ended, or was revoked. Make another on the panel's page \"My security\".",
    );
    Stop::Refused(StatusCode::UNAUTHORIZED, "unauthorized", CallError::Forbidden(text))
}

/// Somebody followed a link on another site: the browser keeps a strict cookie to itself, once.
fn comes_from_elsewhere(parts: &Parts) -> bool {
    let is = |name: &str, wanted: &[&str]| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| wanted.contains(&value))
    };
    is_panel(parts.uri.path())
        && parts.method == http::Method::GET
        && is("sec-fetch-site", &["cross-site", "same-site"])
        && is("sec-fetch-mode", &["navigate"])
        && is("sec-fetch-dest", &["document"])
}

/// Whether a page of ours sent a change. A request without a session and outside the panel has nothing to lose: it gets
/// no further than the extractors.
async fn checked(state: &AdminState, parts: &Parts, who: Option<&Who>, body: Body) -> Result<Body, Stop> {
    if who.is_none() && !is_panel(parts.uri.path()) {
        return Ok(body);
    }
    if !forms::from_our_page(&parts.headers, state.settings()) {
        return Err(forged());
    }
    let Some(who) = who else { return Ok(body) };
    if let Some(token) = forms::header_token(&parts.headers) {
        return if forms::fits(token, &who.csrf) { Ok(body) } else { Err(forged()) };
    }
    let kind = forms::kind(&parts.headers).ok_or_else(forged)?;
    let whole = collected(body).await?;
    let token = forms::field_token(&kind, &whole).unwrap_or_default();
    if forms::fits(&token, &who.csrf) { Ok(Body::from(whole)) } else { Err(forged()) }
}

fn forged() -> Stop {
    let text = said(
        "这个请求不是由本面板的页面发出的，或页面已过期。请刷新页面后重试。程序请使用 API 令牌（Authorization: Bearer）。",
        "This request was not sent by a page of this panel, or the page is out of date. Reload the page and try again. \
         Programs use an API token (Authorization: Bearer).",
    );
    Stop::Refused(StatusCode::FORBIDDEN, "csrf", CallError::Forbidden(text))
}

async fn collected(body: Body) -> Result<Bytes, Stop> {
    body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(<dyn std::error::Error + 'static>::is::<LengthLimitError>);
        if too_large {
            let text = said("提交的内容过大，最大 1 MiB。", "Too much was sent; 1 MiB is the most.");
            return Stop::Refused(StatusCode::PAYLOAD_TOO_LARGE, "too-large", CallError::Conflict(text));
        }
        let text = said("请求体没有完整到达。", "The body did not arrive whole.");
        Stop::Refused(StatusCode::BAD_REQUEST, "body", CallError::Conflict(text))
    })
}

fn refused(parts: &Parts, status: StatusCode, kind: &'static str, error: CallError) -> Response {
    if is_panel(parts.uri.path()) {
        return refusal(status, &error, &parts.uri, &parts.headers);
    }
    let mut response = match error {
        CallError::Forbidden(text) | CallError::Conflict(text) => ApiError::new(status, kind, text).into_response(),
        other => ApiError::from(other).into_response(),
    };
    challenge(&mut response, &parts.headers);
    response
}

/// Who is not let in is told how to be (RFC 6750, section 3).
pub(super) fn challenge(response: &mut Response, asked: &HeaderMap) {
    if response.status() == StatusCode::UNAUTHORIZED {
        let invalid = asked.contains_key(header::AUTHORIZATION);
        let value = if invalid { "Bearer realm=\"anmei-mcp\", error=\"invalid_token\"" } else { "Bearer realm=\"anmei-mcp\"" };
        response.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static(value));
    }
}
