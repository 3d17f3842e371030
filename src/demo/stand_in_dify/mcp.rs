//! Calls an MCP server the way Dify's native client (1.14) does.
//!
//! For each tool call: `initialize` with id 0 and protocol 2025-06-18, `notifications/initialized` without params,
//! `tools/list` without params, `tools/call` without `_meta`; never an `MCP-Protocol-Version` header; a connection of
//! its own, closed afterwards; a session, if one is given out, is carried and deleted. `isError` is not looked at by
//! Dify; it is kept here for the ledger alone. `traceparent` goes along as an installation with tracing sends it. It refuses what Dify refuses: a request answered 202, a result without
//! `content`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::McpServer;
use crate::outbound::http_client::{Call, HttpClient, Reply};

const PROTOCOL: &str = "2025-06-18";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BODY: usize = 4 * 1024 * 1024;

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observation {
    /// Its text blocks, joined: what the model reads.
    pub(super) text: String,
    /// Whether the server called it an error.
    pub(super) is_error: bool,
}

/// Whom to call, and as part of which trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) server: &'a McpServer,
    pub(super) traceparent: Option<&'a str>,
}

/// One conversation with a server.
struct Conversation<'a> {
    http: &'a HttpClient,
    server: &'a McpServer,
    traceparent: Option<&'a str>,
    url: Url,
    session: Option<HeaderValue>,
}

/// The names of a server's tools, as Dify stores them at "Update".
pub(super) async fn list_tools(http: &HttpClient, server: &McpServer) -> Result<Vec<String>, String> {
    let mut conversation = Conversation::open(http, Caller { server, traceparent: None }).await?;
    let listed = conversation.request(1, "tools/list", None, true).await?;
    conversation.close().await;
    let tools = listed.get("tools").and_then(Value::as_array).ok_or("tools/list answered no list of tools")?;
    Ok(tools.iter().filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned)).collect())
}

/// One tool call, with everything Dify does around it.
pub(super) async fn call_tool(
    http: &HttpClient,
    caller: Caller<'_>,
    tool: &str,
    arguments: &Map<String, Value>,
) -> Result<Observation, String> {
    let mut conversation = Conversation::open(http, caller).await?;
    conversation.request(1, "tools/list", None, false).await?;
    let params = json!({ "name": tool, "arguments": arguments });
    let result = conversation.request(2, "tools/call", Some(params), true).await?;
    conversation.close().await;
    let content = result.get("content").and_then(Value::as_array).ok_or("the result has no content")?;
    let texts: Vec<&str> = content.iter().filter_map(|block| block.get("text")?.as_str()).collect();
    let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or_default();
    Ok(Observation { text: texts.join("\n"), is_error })
}

impl<'a> Conversation<'a> {
    async fn open(http: &'a HttpClient, Caller { server, traceparent }: Caller<'a>) -> Result<Self, String> {
        let url = Url::parse(&server.url).map_err(|error| format!("{} has no proper URL: {error}", server.name))?;
        let mut conversation = Self { http, server, traceparent, url, session: None };
        let params = json!({
            "protocolVersion": PROTOCOL,
            "capabilities": { "sampling": {}, "roots": { "listChanged": true } },
            "clientInfo": { "name": "Dify", "version": "1.14.0" },
        });
        let initialized = conversation.request(0, "initialize", Some(params), false).await?;
        match initialized.get("protocolVersion").and_then(Value::as_str) {
            Some(version) if version <= PROTOCOL => {}
            other => return Err(format!("Unsupported protocol version from the server: {}", other.unwrap_or("none"))),
        }
        let reply = conversation.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }), false).await?;
        if reply.status.is_success() { Ok(conversation) } else { Err(refused(&reply)) }
    }

    async fn request(&mut self, id: u64, method: &str, params: Option<Value>, last: bool) -> Result<Value, String> {
        let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        if let (Some(params), Some(fields)) = (params, message.as_object_mut()) {
            fields.insert("params".into(), params);
        }
        let reply = self.send(&message, last).await?;
        if reply.status == StatusCode::ACCEPTED {
            return Err(format!("{method} was answered 202: Dify would wait for ever"));
        }
        if !reply.status.is_success() {
            return Err(refused(&reply));
        }
        if let Some(session) = reply.headers.get(SESSION) {
            self.session = Some(session.clone());
        }
        let mut answer =
            answer_to(id, &reply).ok_or_else(|| format!("{method} was answered without its response: Dify would wait for ever"))?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(format!("{method} failed: {}", answer.get("error").unwrap_or(&Value::Null))),
        }
    }

    /// `last` closes the connection, if there is no session to be deleted on it.
    async fn send(&self, message: &Value, last: bool) -> Result<Reply, String> {
        let mut headers = self.headers()?;
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if last && self.session.is_none() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.exchange(Method::POST, headers, Some(Bytes::from(message.to_string()))).await
    }

    async fn close(self) {
        if self.session.is_none() {
            return;
        }
        let Ok(mut headers) = self.headers() else { return };
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Err(why) = self.exchange(Method::DELETE, headers, None).await {
            tracing::debug!(%why, "the stand-in could not delete its session");
        }
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.server.key.expose()))
            .map_err(|_| "the server's key is no header value".to_owned())?;
        bearer.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, bearer);
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        if let Some(traceparent) = self.traceparent.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert("traceparent", traceparent);
        }
        Ok(headers)
    }

    async fn exchange(&self, method: Method, headers: HeaderMap, body: Option<Bytes>) -> Result<Reply, String> {
        let call = Call { method, url: self.url.clone(), headers, body, timeout: TIMEOUT, max_bytes: MAX_BODY };
        self.http.exchange(call).await.map_err(|error| error.to_string())
    }
}

fn refused(reply: &Reply) -> String {
    let body: String = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
    format!("the server answered {}: {body}", reply.status.as_u16())
}

/// The response to a request, as JSON or in a stream's events.
fn answer_to(id: u64, reply: &Reply) -> Option<Value> {
    let text = std::str::from_utf8(&reply.body).ok()?;
    let is_stream = reply.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return serde_json::from_str(text).ok();
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let mut messages = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    messages.find(|message| message.get("id").and_then(Value::as_u64) == Some(id))
}
