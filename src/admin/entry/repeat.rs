//! Requests that were sent twice: a POST with an `Idempotency-Key` is done once, and answered the same each time.
//!
//! The key belongs to whoever sends it and to the route. What came of the first request is kept for a day, sealed, for
//! some answers hold a key that is shown once. A request that failed may be sent again as if it were the first.
//!
//! Whoever sends it may go before it is answered, which is when it is sent again: it is done to its end all the same, and
//! its answer is kept.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};

use crate::{
    admin::{
        Who,
        api::frame::ApiError,
        calls::{CallError, Calls, said},
        state::AdminState,
    },
    store::idempotency::{Known, RequestKey},
};

/// Name of the header.
const HEADER: &str = "idempotency-key";
/// Most characters of a key.
const LONGEST: usize = 128;
/// What is kept of an answer's headers.
const KEPT: [header::HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Does a request with a key once.
pub(in crate::admin) async fn once(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let who = request.extensions().get::<Who>();
    let (Some(value), Some(who)) = (request.headers().get(HEADER), who) else { return next.run(request).await };
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let Some(key) = plain(value) else {
        let text =
            said("Idempotency-Key 必须是 1 到 128 个可见 ASCII 字符。", "Idempotency-Key must be 1 to 128 visible ASCII characters.");
        return ApiError::new(StatusCode::BAD_REQUEST, "idempotency-key", text).into_response();
    };
    let route = format!("{} {}", request.method(), request.uri().path());
    let key = RequestKey { account_id: who.account_id.clone(), route, key };
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        let text = said("请求体过大（最大 1 MiB），或没有完整到达。", "The body is larger than 1 MiB, or did not arrive whole.");
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text).into_response();
    };
    let calls = state.calls().clone();
    let Ok(answer) = state.tasks().spawn(async move { repeated(&calls, key, (parts, body), next).await }).await else {
        let text = said("处理此请求时出错；详情见日志。", "Something went wrong with this request; the log says what.");
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text).into_response();
    };
    answer.unwrap_or_else(|error| ApiError::from(error).into_response())
}

async fn repeated(calls: &Calls, key: RequestKey, (parts, body): (Parts, Bytes), next: Next) -> Result<Response, CallError> {
    let asked = match parts.uri.query() {
        Some(query) => [query.as_bytes(), b"\n", &body].concat().into(),
        None => body.clone(),
    };
    let hash = calls.master.fingerprint("admin_idempotency/body", &asked);
    match calls.store.begin_request(key.clone(), hash, calls.clock.now_ms()).await? {
        Known::New => {}
        Known::Answered(sealed) => return Ok(opened(calls, &key, &sealed)?.answer()),
        Known::OtherBody => return Err(other_body()),
        Known::Unknown => return Err(unknown()),
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        calls.store.end_request(key, None).await?;
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let kept = Kept::of(head.status, &head.headers, &body);
    let sealed = calls.master.seal(&purpose(&key), &serde_json::to_vec(&kept).unwrap_or_default());
    match sealed {
        Ok(sealed) => calls.store.end_request(key, Some(sealed)).await?,
        // It was done; a second request will be told that nobody knows.
        Err(error) => tracing::error!(%error, "an answer could not be kept for a repeated request"),
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

impl Kept {
    fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let pair = |name: &header::HeaderName| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned()));
        Self { status: status.as_u16(), headers: KEPT.iter().filter_map(pair).collect(), body: String::from_utf8_lossy(body).into_owned() }
    }

    fn answer(self) -> Response {
        let mut response = (StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK), self.body).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (header::HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        response
    }
}

fn opened(calls: &Calls, key: &RequestKey, sealed: &[u8]) -> Result<Kept, CallError> {
    let open = calls.master.open(&purpose(key), sealed).ok().and_then(|text| serde_json::from_slice(&text).ok());
    open.ok_or_else(unknown)
}

fn purpose(key: &RequestKey) -> String {
    format!("admin_idempotency/{}/{}/{}", key.account_id, key.route, key.key)
}

fn plain(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    ((1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

fn other_body() -> CallError {
    CallError::Invalid(vec![crate::admin::Field {
        pointer: String::new(),
        text: said("这个 Idempotency-Key 已用于另一个请求体或查询参数", "this Idempotency-Key came with another body or query before"),
    }])
}

fn unknown() -> CallError {
    CallError::conflict(
        "同一个 Idempotency-Key 的请求正在处理，或其结果未知。请先查询是否已经生效，再用新的 Idempotency-Key 重试。",
        "A request with this Idempotency-Key is under way, or nobody knows what became of it. See whether it was done; if not, \
         send it with another Idempotency-Key.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_again_as_it_was() {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::LOCATION, HeaderValue::from_static("/api/v1/groups/g")),
            (header::SET_COOKIE, HeaderValue::from_static("secret")),
        ]);
        let again = Kept::of(StatusCode::CREATED, &headers, b"{\"id\":1}").answer();
        assert_eq!((again.status(), &again.headers()[header::LOCATION]), (StatusCode::CREATED, &headers[header::LOCATION]));
        assert!(!again.headers().contains_key(header::SET_COOKIE));
    }

    #[test]
    fn keys_are_plain() {
        assert!(plain(&HeaderValue::from_static("a1-b2")).is_some());
        for bad in ["", "a b", "\u{e9}"] {
            assert!(plain(&HeaderValue::from_bytes(bad.as_bytes()).unwrap()).is_none(), "{bad}");
        }
    }
}
