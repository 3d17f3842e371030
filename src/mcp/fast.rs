//! The fast lane: `tools/call` and `tools/list` of stateless clients, without a service per request.
//!
//! It steps aside (`None`) for everything that is not plain: rmcp then answers, with its own checks and its own words.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    backend::{Asked, Backend, Busy, CallAnswer},
    envelope::{CallParams, Envelope, ListParams, Meta},
};
use crate::{
    dispatch::{Channel, Client},
    gate::Caller,
};

/// The revision whose clients need no handshake.
pub(super) const MODERN: &str = "2026-07-28";
/// The revisions whose clients send nothing but the version header with each request.
pub(super) const HANDSHAKE: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// A JSON-RPC answer: status and body.
pub(super) type Answer = (StatusCode, Vec<u8>);

/// Which dialect a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    Modern,
    Handshake(&'static str),
}

impl Era {
    fn version(self) -> &'static str {
        match self {
            Self::Modern => MODERN,
            Self::Handshake(version) => version,
        }
    }
}

/// What the lane answers with; the error is a limit that is reached.
pub(super) type Answered = Result<Answer, Box<Busy>>;

/// Answers the request, or steps aside.
pub(super) async fn answer<B: Backend>(backend: &B, caller: &Caller, headers: &HeaderMap, message: &Envelope<'_>) -> Option<Answered> {
    let id = message.id?;
    match message.method.as_deref()? {
        "tools/call" => {
            let params: CallParams<'_> = serde_json::from_str(message.params?.get()).ok()?;
            let era = era(headers, params.meta.as_ref(), "tools/call", Some(&params.name))?;
            let asked = Asked { caller, headers, protocol: era.version(), meta: params.meta.as_ref(), id: id.get() };
            if !backend.takes(&asked, &params.name) {
                return None;
            }
            let arguments = params.arguments.map(|object| object.0);
            Some(call_answer(id, era, backend, &backend.call(&asked, &params.name, arguments).await))
        }
        "tools/list" => {
            let params = message.params.map_or(Ok(ListParams::default()), |params| serde_json::from_str(params.get())).ok()?;
            let era = era(headers, params.meta.as_ref(), "tools/list", None)?;
            let listing = backend.list(&Asked { caller, headers, protocol: era.version(), meta: params.meta.as_ref(), id: id.get() })?;
            Some(Ok(list_answer(id, era, backend, &listing.json)))
        }
        _ => None,
    }
}

/// The era of a request that is in order, and nothing for one that is not.
fn era(headers: &HeaderMap, meta: Option<&Meta<'_>>, method: &str, name: Option<&str>) -> Option<Era> {
    let version = single(headers, "mcp-protocol-version")?;
    match meta.and_then(|meta| meta.version.as_deref()) {
        None if version.is_empty() => Some(Era::Handshake("2025-03-26")),
        None => HANDSHAKE.into_iter().find(|known| *known == version).map(Era::Handshake),
        Some(MODERN) => {
            let in_order = version == MODERN
                && meta.is_some_and(|meta| meta.capabilities.is_some())
                && single(headers, "mcp-method")? == method
                && name.is_none_or(|name| single(headers, "mcp-name") == Some(name));
            in_order.then_some(Era::Modern)
        }
        Some(_) => None,
    }
}

/// Whether the headers say that a request is of the revision without sessions.
pub(super) fn is_modern(headers: &HeaderMap) -> bool {
    headers.get("mcp-protocol-version").is_some_and(|version| version == MODERN)
}

/// The value of a header that comes once, or empty when it does not come; nothing when it comes twice or is no text.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(""),
        (Some(value), None) => value.to_str().ok().map(str::trim),
        (Some(_), Some(_)) => None,
    }
}

/// The client of an HTTP request, as the call log keeps it.
pub(super) fn http_client(headers: &HeaderMap, protocol: impl Into<Cow<'static, str>>, said: Option<String>) -> Client {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(|text| text.chars().take(100).collect::<String>());
    Client {
        channel: Channel::Http,
        protocol: protocol.into(),
        name: said.or_else(|| text("user-agent")),
        app_id: text("x-app-id"),
        traced: None,
    }
}

#[derive(Serialize)]
struct Response<'a, R> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: R,
}

#[derive(Serialize)]
struct ErrorResponse<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    content: [TextBlock<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a RawValue>,
    is_error: bool,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct TextBlock<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    tools: &'a RawValue,
}

fn call_answer<B: Backend>(id: &RawValue, era: Era, backend: &B, answer: &CallAnswer) -> Answered {
    let modern = era == Era::Modern;
    let (text, structured, is_error) = match answer {
        CallAnswer::Json(json) => (json, serde_json::from_str::<&RawValue>(json).ok(), false),
        CallAnswer::Failed(text) => (text, None, true),
        CallAnswer::UnknownTool(text) => return Ok(error_answer(StatusCode::OK, Some(id), -32602, text)),
        CallAnswer::Error { code, message } => return Ok(error_answer(StatusCode::OK, Some(id), *code, message)),
        CallAnswer::Result(result) if modern => return Ok(respond(id, completed(result, backend.server_meta()))),
        CallAnswer::Result(result) | CallAnswer::Whole(result) => return Ok(respond(id, result)),
        CallAnswer::Busy(busy) => return Err(busy.clone()),
    };
    let result = CallResult {
        result_type: modern.then_some("complete"),
        content: [TextBlock { kind: "text", text: Cow::Borrowed(text) }],
        structured_content: structured,
        is_error,
        meta: modern.then_some(backend.server_meta()),
    };
    Ok(respond(id, result))
}

/// A result object with what 2026-07-28 wants in each.
fn completed(result: &RawValue, meta: &RawValue) -> Option<Box<RawValue>> {
    let members = result.get().trim().strip_prefix('{')?.trim_start();
    let comma = if members.starts_with('}') { "" } else { "," };
    RawValue::from_string(format!("{{\"resultType\":\"complete\",\"_meta\":{}{comma}{members}", meta.get())).ok()
}

fn list_answer<B: Backend>(id: &RawValue, era: Era, backend: &B, tools: &RawValue) -> Answer {
    let modern = era == Era::Modern;
    let result = ListResult {
        result_type: modern.then_some("complete"),
        meta: modern.then_some(backend.server_meta()),
        ttl_ms: modern.then_some(backend.list_ttl_ms()),
        // A list is filtered by key: a shared cache must never hand it to another one.
        cache_scope: modern.then_some("private"),
        tools,
    };
    respond(id, result)
}

fn respond<R: Serialize>(id: &RawValue, result: R) -> Answer {
    match serde_json::to_vec(&Response { jsonrpc: "2.0", id, result }) {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => error_answer(StatusCode::OK, Some(id), -32603, &format!("Internal error: the result cannot be written: {error}")),
    }
}

/// A JSON-RPC error.
pub(super) fn error_answer(status: StatusCode, id: Option<&RawValue>, code: i32, message: &str) -> Answer {
    let body = ErrorResponse { jsonrpc: "2.0", id, error: ErrorBody { code, message, data: None } };
    (status, serde_json::to_vec(&body).unwrap_or_default())
}

/// The JSON-RPC error of a limit.
pub(super) fn busy_answer(id: Option<&RawValue>, busy: &Busy) -> Answer {
    let error = ErrorBody { code: busy.code, message: &busy.message, data: Some(&busy.data) };
    let body = ErrorResponse { jsonrpc: "2.0", id, error };
    (StatusCode::TOO_MANY_REQUESTS, serde_json::to_vec(&body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_result_gets_the_members_of_the_modern_revision() {
        let (meta, raw) = (RawValue::from_string("{\"m\":1}".into()).unwrap(), |text: &str| RawValue::from_string(text.into()).unwrap());
        let made = completed(&raw("{\"content\":[]}"), &meta).unwrap();
        assert_eq!(made.get(), "{\"resultType\":\"complete\",\"_meta\":{\"m\":1},\"content\":[]}");
        assert_eq!(completed(&raw("{ }"), &meta).unwrap().get(), "{\"resultType\":\"complete\",\"_meta\":{\"m\":1}}");
        assert!(completed(&raw("[]"), &meta).is_none());
    }
}
