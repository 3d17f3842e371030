//! What is measured of a message, and what a trace shows of it. Calls are measured where they are done.

use std::time::{Duration, Instant};

use axum::{body::Body, response::Response};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use rmcp::{RoleServer, service::RequestContext};
use serde::Deserialize;

use super::envelope::{Envelope, Kind};
use crate::{
    dispatch::Traced,
    telemetry::{
        figures,
        trace::{self, Attribute, Done, Place},
    },
};

/// How a message was answered, as far as its lane knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With what it asked for.
    Good,
    /// With this error of JSON-RPC.
    Code(i32),
    /// The answer must be looked at.
    Look,
}

/// A body that was no message.
pub(super) fn unreadable(code: i32, began: Instant) {
    figures::operation(None, Some(code), began.elapsed());
}

/// A message was answered.
pub(super) async fn answered(message: &Envelope<'_>, kind: Kind, (response, ending): (Response, Ending), began: Instant) -> Response {
    let took = began.elapsed();
    let Some(method) = message.method.as_deref().filter(|_| kind != Kind::Answer) else { return response };
    if method == "tools/call" {
        // What the dispatch has seen, it has timed; it answers with 200 or with the status of a limit.
        if ending == Ending::Code(-32602) || response.status() == http::StatusCode::BAD_REQUEST {
            figures::malformed_call(took);
        }
        return response;
    }
    let (response, code) = match ending {
        Ending::Good => (response, None),
        Ending::Code(code) => (response, Some(code)),
        Ending::Look => looked_at(response).await,
    };
    let (method, error_type) = figures::operation(Some(method), code, took);
    if kind == Kind::Request && trace::is_on() {
        span(message, (method, error_type), took);
    }
    response
}

/// The code of the error in an answer, if it is one. Streams are left as they are: they began well.
async fn looked_at(response: Response) -> (Response, Option<i32>) {
    #[derive(Deserialize)]
    struct Failed {
        error: Code,
    }
    #[derive(Deserialize)]
    struct Code {
        code: i32,
    }
    let bad = !response.status().is_success();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return (response, bad.then_some(0));
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let code = serde_json::from_slice::<Failed>(&body).ok().map(|failed| failed.error.code);
    (Response::from_parts(parts, Body::from(body)), code.or(bad.then_some(0)))
}

fn span(message: &Envelope<'_>, (method, error_type): (&'static str, &'static str), took: Duration) {
    let parent = message.params.and_then(|params| serde_json::from_str::<Params<'_>>(params.get()).ok()).and_then(|params| params.place());
    let mut attributes: Vec<(&'static str, Attribute)> = vec![("mcp.method.name", method.into()), ("network.transport", "tcp".into())];
    attributes.extend(message.id.map(|id| ("jsonrpc.request.id", request_id(id.get()).into())));
    let error_type = Some(error_type).filter(|kind| !kind.is_empty());
    Done { name: method.into(), kind: trace::Kind::Server, parent, took, attributes, error_type }.send();
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default)]
    traceparent: Option<std::borrow::Cow<'a, str>>,
}

impl Params<'_> {
    fn place(&self) -> Option<Place> {
        Place::read(self.meta.as_ref()?.traceparent.as_deref()?)
    }
}

/// What a span is made of, where spans are sent: the request's own word comes before its header's.
pub(super) fn traced(said: Option<&str>, headers: Option<&HeaderMap>, id: &str) -> Option<Box<Traced>> {
    if !trace::is_on() {
        return None;
    }
    let header = || headers?.get("traceparent")?.to_str().ok();
    let parent = said.or_else(header).and_then(Place::read);
    Some(Box::new(Traced { parent, request_id: Some(request_id(id)) }))
}

/// The same of a request that rmcp hands on.
pub(super) fn traced_by_rmcp(ctx: &RequestContext<RoleServer>) -> Option<Box<Traced>> {
    let headers = ctx.extensions.get::<http::request::Parts>().map(|parts| &parts.headers);
    traced(ctx.meta.0.get_traceparent(), headers, &ctx.id.to_string())
}

/// An id as it is shown: a client may choose a long one.
fn request_id(id: &str) -> String {
    id.trim_matches('"').chars().filter(|c| !c.is_control()).take(64).collect()
}
