//! From the bytes of a body to an answer: the message is read strictly, then a lane is taken.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use serde_json::value::RawValue;

use super::{
    backend::{Backend, Busy},
    endpoint::Endpoint,
    envelope::{CallParams, Envelope, Kind, Object, RpcError},
    fast::{self, Answer, Answered, error_answer},
    intake,
    observed::{self, Ending},
    places::Place,
    progress::AnswerOnly,
    sessions::Session,
    subscriptions::{self, held_open},
};
use crate::gate::{Caller, Credential, Refusal};

/// Most messages in a batch.
const BATCH: usize = 50;

/// A request that was let in.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    /// Whose it is; also among the extensions of `parts`.
    pub(super) caller: Caller,
    pub(super) parts: Parts,
    /// The session it is part of.
    pub(super) session: Option<Arc<Session>>,
    /// Whether an `initialize` may open a session: only where the client sees the head of the answer, which names it.
    pub(super) may_open: bool,
}

/// Answers what a body holds: one message, or a batch.
pub(super) async fn answer<B: Backend>(endpoint: &Endpoint<B>, incoming: Incoming, body: Bytes) -> Response {
    let Ok(text) = std::str::from_utf8(&body) else {
        return json(error_answer(StatusCode::BAD_REQUEST, None, -32700, "Parse error: the body is not UTF-8"));
    };
    if text.trim_start().starts_with('[') {
        return batch(endpoint, &incoming, text).await;
    }
    one(endpoint, incoming, text, &body).await
}

/// Whether the caller's token covers the call that a body asks for. Keys cover everything and cost nothing here; of a
/// batch, the dispatch refuses each call by itself.
pub(super) fn too_little<B: Backend>(backend: &B, caller: &Caller, body: &[u8]) -> Option<Refusal> {
    if !matches!(caller.credential, Credential::Token(_)) {
        return None;
    }
    let (message, _) = Envelope::read(std::str::from_utf8(body).ok()?).ok()?;
    let params = message.params.filter(|_| message.method.as_deref() == Some("tools/call"))?;
    let params: CallParams<'_> = serde_json::from_str(params.get()).ok()?;
    backend.lacks(caller, &params.name)
}

/// One message: `text` is what `body` holds.
async fn one<B: Backend>(endpoint: &Endpoint<B>, incoming: Incoming, text: &str, body: &Bytes) -> Response {
    let began = Instant::now();
    let (message, kind) = match Envelope::read(text) {
        Ok(read) => read,
        Err((error, id)) => {
            observed::unreadable(error.code, began);
            return json(error_answer(StatusCode::BAD_REQUEST, id, error.code, &error.message));
        }
    };
    let ended = through_a_lane(endpoint, incoming, (&message, kind), body).await;
    observed::answered(&message, kind, ended, began).await
}

async fn through_a_lane<B: Backend>(
    endpoint: &Endpoint<B>,
    incoming: Incoming,
    (message, kind): (&Envelope<'_>, Kind),
    body: &Bytes,
) -> (Response, Ending) {
    if kind == Kind::Request
        && let Err(busy) = admit(endpoint, &incoming, message).await
    {
        return (come_again(message.id, &busy), Ending::Code(busy.code));
    }
    if endpoint.settings.fast_lane
        && kind == Kind::Request
        && let Some(answer) = fast(endpoint, &incoming, message).await
    {
        return match answer {
            Ok(answer) => (json(answer), Ending::Good),
            Err(busy) => (come_again(message.id, &busy), Ending::Code(busy.code)),
        };
    }
    if kind == Kind::Answer && incoming.session.is_none() {
        let why = RpcError::invalid_request("this server sent no request that could be answered");
        return (json(error_answer(StatusCode::BAD_REQUEST, None, why.code, &why.message)), Ending::Code(why.code));
    }
    if let Some(error) = misshapen(message) {
        return (json(error_answer(StatusCode::BAD_REQUEST, message.id, error.code, &error.message)), Ending::Code(error.code));
    }
    let place = match subscribes(endpoint, &incoming, (message, kind)) {
        Ok(place) => place,
        Err(busy) => return (come_again(message.id, &busy), Ending::Code(busy.code)),
    };
    let response = held_open(through_rmcp(endpoint, incoming, message, body.clone()).await, place);
    let response = in_json_rpc(response, message.id).await;
    let acknowledges = response.status() == StatusCode::OK && matches!(message.method.as_deref(), Some("tasks/cancel" | "tasks/update"));
    let response = if acknowledges { named(response, endpoint.backend.server_meta()).await } else { response };
    (response, Ending::Look)
}

/// Both are of 2026-07-28, where every result names the server; rmcp's acknowledgement has no room for it.
async fn named(response: Response, meta: &RawValue) -> Response {
    let text = text_of(response).await.unwrap_or_default();
    let text =
        text.replacen(r#""result":{"resultType":"complete"}"#, &format!(r#""result":{{"resultType":"complete","_meta":{meta}}}"#), 1);
    json((StatusCode::OK, text.into_bytes()))
}

/// Whether the caller may ask one more thing; calls are counted where they are done.
async fn admit<B: Backend>(endpoint: &Endpoint<B>, incoming: &Incoming, message: &Envelope<'_>) -> Result<(), Box<Busy>> {
    match message.method.as_deref() {
        Some("tools/call") | None => Ok(()),
        Some(method) => endpoint.backend.admit(&incoming.caller, &incoming.parts.headers, method).await,
    }
}

/// The place of a subscription, if the message asks for one. It is taken here: the handler behind rmcp hears of a subscription
/// when its stream has begun, and a stream has no status any more.
fn subscribes<B: Backend>(
    endpoint: &Endpoint<B>,
    incoming: &Incoming,
    (message, kind): (&Envelope<'_>, Kind),
) -> Result<Option<Place>, Box<Busy>> {
    if kind != Kind::Request || message.method.as_deref() != Some(subscriptions::LISTEN) {
        return Ok(None);
    }
    endpoint.subscriptions.enter(&incoming.caller).map(Some)
}

/// The answer of a limit that is reached.
fn come_again(id: Option<&RawValue>, busy: &Busy) -> Response {
    until_then(json(fast::busy_answer(id, busy)), busy.retry_after)
}

fn until_then(mut response: Response, seconds: u64) -> Response {
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Where a handler behind rmcp says that it answered with a limit, and for how many seconds: its errors have no status.
#[derive(Debug, Clone, Default)]
pub(super) struct Limited(Arc<OnceLock<u64>>);

impl Limited {
    pub(super) fn until(&self, seconds: u64) {
        // Of two answers to one request the first counts.
        let _said = self.0.set(seconds);
    }
}

/// The fast lane. Within a session the client may cancel by the request's id; else it hangs up.
async fn fast<B: Backend>(endpoint: &Endpoint<B>, incoming: &Incoming, message: &Envelope<'_>) -> Option<Answered> {
    let answer = fast::answer(&*endpoint.backend, &incoming.caller, &incoming.parts.headers, message);
    let (Some(session), Some(id)) = (&incoming.session, message.id) else { return answer.await };
    let (_active, ticket) = (session.enter(), session.running.begin(id));
    tokio::select! {
        answer = answer => answer,
        () = ticket.cancelled.cancelled() => Some(Ok(error_answer(StatusCode::OK, Some(id), -32603, "the request was cancelled"))),
    }
}

/// Parameters that rmcp would take for an unknown method.
pub(super) fn misshapen(message: &Envelope<'_>) -> Option<RpcError> {
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Shape {
        name: String,
        #[serde(default)]
        arguments: Option<Object>,
    }
    if message.method.as_deref() != Some("tools/call") {
        return None;
    }
    let params = message.params.map_or("{}", RawValue::get);
    serde_json::from_str::<Shape>(params).err().map(|error| RpcError::invalid_params(format_args!("tools/call: {error}")))
}

async fn through_rmcp<B: Backend>(endpoint: &Endpoint<B>, incoming: Incoming, message: &Envelope<'_>, body: Bytes) -> Response {
    let Incoming { caller, mut parts, session, may_open } = incoming;
    if !intake::accepts_events(&parts.headers) {
        parts.extensions.insert(AnswerOnly);
    }
    // rmcp insists on both types; a client that names fewer (or none) is answered all the same.
    parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let limited = Limited::default();
    parts.extensions.insert(limited.clone());
    let response = match (&endpoint.sessions, session) {
        (Some(sessions), Some(session)) => {
            session.running.hear(message);
            sessions.pass(&session, message.id, parts, body).await
        }
        (Some(sessions), None) if may_open && is_handshake(message, &parts) => sessions.begin(&caller, parts, body).await,
        _ => {
            let request = http::Request::from_parts(parts, http_body_util::Full::new(body));
            endpoint.service.handle(request).await.map(Body::new)
        }
    };
    match limited.0.get() {
        Some(seconds) => until_then(response, *seconds),
        None => response,
    }
}

/// Whether a request opens a session; 2026-07-28 knows none.
fn is_handshake(message: &Envelope<'_>, parts: &Parts) -> bool {
    message.id.is_some() && message.method.as_deref() == Some("initialize") && !fast::is_modern(&parts.headers)
}

/// rmcp refuses some headers in plain text; a client reads JSON-RPC.
async fn in_json_rpc(response: Response, id: Option<&RawValue>) -> Response {
    let status = response.status();
    if !status.is_client_error() || response.headers().contains_key(header::CONTENT_TYPE) {
        return response;
    }
    let text = text_of(response).await.unwrap_or_default();
    let why = RpcError::invalid_request(text.trim_start_matches("Bad Request: "));
    json(error_answer(status, id, why.code, &why.message))
}

/// A JSON-RPC batch: part of 2025-03-26 and of no other revision.
async fn batch<B: Backend>(endpoint: &Endpoint<B>, incoming: &Incoming, text: &str) -> Response {
    let bad = |error: RpcError| json(error_answer(StatusCode::BAD_REQUEST, None, error.code, &error.message));
    let version = incoming.parts.headers.get("mcp-protocol-version").map_or("2025-03-26", |value| value.to_str().unwrap_or_default());
    let messages: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(messages) => messages,
        Err(error) => return bad(RpcError::parse(&error)),
    };
    if version != "2025-03-26" {
        return bad(RpcError::invalid_request("one message per request; batches ended with revision 2025-03-26"));
    }
    if messages.is_empty() || messages.len() > BATCH {
        return bad(RpcError::invalid_request(format_args!("a batch holds 1 to {BATCH} messages")));
    }
    let mut answers = Vec::new();
    for message in messages {
        let body = Bytes::copy_from_slice(message.get().as_bytes());
        let incoming = Incoming { may_open: false, ..incoming.clone() };
        let response = Box::pin(one(endpoint, incoming, message.get(), &body)).await;
        answers.extend(final_answer(response).await);
    }
    if answers.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    json((StatusCode::OK, format!("[{}]", answers.join(",")).into_bytes()))
}

/// The one answer in a response, whether it is JSON or the last message of an event stream.
pub(super) async fn final_answer(response: Response) -> Option<String> {
    let streamed = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let text = text_of(response).await?;
    if !streamed {
        return Some(text);
    }
    let messages = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    messages.rev().find(|text| matches!(Envelope::read(text), Ok((_, Kind::Answer)))).map(str::to_owned)
}

/// The text of a response, if it has one.
async fn text_of(response: Response) -> Option<String> {
    let body = response.into_body().collect().await.ok()?.to_bytes();
    String::from_utf8(body.to_vec()).ok().filter(|text| !text.is_empty())
}

pub(super) fn json((status, body): Answer) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The same answer as one event of a stream that then ends.
pub(super) async fn as_event(response: Response) -> Response {
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return response;
    }
    let status = response.status();
    let Some(text) = text_of(response).await else { return status.into_response() };
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (status, headers, format!("event: message\ndata: {text}\n\n")).into_response()
}
