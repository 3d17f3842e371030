//! Streamable HTTP: one POST for each message; the answer is JSON, or an event stream that holds it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::{
    HttpTarget, Limits, McpError,
    message::{self, Outgoing, Read},
};
use crate::outbound::{
    event_stream::{self, EventSource},
    http_client::{HttpClient, explain, retry_after_seconds},
};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// How much of an answer that is no JSON-RPC an error shows.
const MAX_DETAIL: usize = 500;

/// One address of a server.
pub(super) struct HttpWire {
    http: HttpClient,
    target: HttpTarget,
    limits: Limits,
    session: Option<HeaderValue>,
}

impl HttpWire {
    pub(super) fn new(http: HttpClient, target: HttpTarget, limits: Limits) -> Self {
        Self { http, target, limits, session: None }
    }

    pub(super) fn host(&self) -> String {
        self.target.host()
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn url(&self) -> &Url {
        &self.target.url
    }

    /// Sends to another path of the same server.
    pub(super) fn move_to(&mut self, url: Url) {
        self.target.url = url;
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&mut self, message: &Outgoing<'_>, headers: HeaderMap) -> Result<Value, McpError> {
        let (host, after) = (self.host(), self.limits.timeout);
        tokio::time::timeout(after, self.ask_untimed(message, headers)).await.unwrap_or(Err(McpError::Timeout { host, after }))
    }

    async fn ask_untimed(&mut self, message: &Outgoing<'_>, headers: HeaderMap) -> Result<Value, McpError> {
        let response = self.post(message, headers).await?;
        let (status, id) = (response.status(), message.id.unwrap_or_default());
        if message.method == "initialize" && status.is_success() {
            self.session = response.headers().get(SESSION).cloned();
        }
        if status.is_success() && is_event_stream(response.headers()) {
            return self.of_events(response, id).await;
        }
        self.of_body(response, id).await
    }

    /// Sends what is not answered: a notification, or on HTTP+SSE a request whose answer comes elsewhere.
    pub(super) async fn tell(&self, message: &Outgoing<'_>, headers: HeaderMap) -> Result<(), McpError> {
        let sent = async {
            let response = self.post(message, headers).await?;
            if response.status().is_success() { Ok(()) } else { self.of_body(response, message.id.unwrap_or_default()).await.map(drop) }
        };
        let after = self.limits.timeout;
        tokio::time::timeout(after, sent).await.unwrap_or_else(|_| Err(McpError::Timeout { host: self.host(), after }))
    }

    /// Ends a session, if there is one. A server that refuses to has no more of our time.
    pub(super) async fn close(&mut self) {
        if self.session.is_some() {
            let ended = self.send(Method::DELETE, HeaderMap::new(), Bytes::new());
            if !matches!(tokio::time::timeout(self.limits.timeout, ended).await, Ok(Ok(_))) {
                tracing::debug!(host = self.host(), "the session could not be ended");
            }
            self.session = None;
        }
    }

    /// Sends a request that is answered by a stream without end, and reads its first message.
    pub(super) async fn first(&self, message: &Outgoing<'_>, headers: HeaderMap) -> Result<(), McpError> {
        let (host, after, id) = (self.host(), self.limits.timeout, message.id.unwrap_or_default());
        let first = async {
            let response = self.post(message, headers).await?;
            if !response.status().is_success() || !is_event_stream(response.headers()) {
                return self.of_body(response, id).await.map(drop);
            }
            match next_message(&mut self.events(response, after), id, &host).await? {
                Read::Answer(answer) => answer.map(drop),
                Read::Other => Ok(()),
            }
        };
        tokio::time::timeout(after, first).await.unwrap_or(Err(McpError::Timeout { host, after }))
    }

    /// Opens the event stream of HTTP+SSE.
    pub(super) async fn open_stream(&self) -> Result<EventSource, McpError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        let opened = async {
            let response = self.send(Method::GET, headers, Bytes::new()).await?;
            if response.status().is_success() && is_event_stream(response.headers()) {
                // The stream may rest for long between two answers: each answer has a limit of its own.
                return Ok(self.events(response, Duration::from_hours(1)));
            }
            match self.of_body(response, 0).await {
                Err(error) => Err(error),
                Ok(_) => Err(self.not_mcp("the GET was answered with something that is no event stream".into())),
            }
        };
        let after = self.limits.timeout;
        tokio::time::timeout(after, opened).await.unwrap_or_else(|_| Err(McpError::Timeout { host: self.host(), after }))
    }

    async fn post(&self, message: &Outgoing<'_>, mut headers: HeaderMap) -> Result<reqwest::Response, McpError> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        self.send(Method::POST, headers, message.text().into()).await
    }

    async fn send(&self, method: Method, mut headers: HeaderMap, body: Bytes) -> Result<reqwest::Response, McpError> {
        headers.extend(self.target.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        let request = self.http.raw().request(method, self.target.url.clone()).headers(headers).body(body);
        request.send().await.map_err(|error| self.unreachable(error))
    }

    async fn of_body(&self, mut response: reqwest::Response, id: u64) -> Result<Value, McpError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > self.limits.max_bytes {
                return Err(McpError::TooLarge { host: self.host(), max: self.limits.max_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&body);
        match message::read(&text, id, Some(status)) {
            Ok(Read::Answer(answer)) if status.is_success() || answer.is_err() => answer,
            _ if !status.is_success() => {
                let detail = detail(&text, status);
                Err(McpError::Refused { host: self.host(), status, detail, retry_after: retry_after_seconds(&headers) })
            }
            Ok(_) => Err(self.not_mcp("the answer is a message of another kind".into())),
            Err(why) => Err(self.not_mcp(why)),
        }
    }

    async fn of_events(&self, response: reqwest::Response, id: u64) -> Result<Value, McpError> {
        let mut events = self.events(response, self.limits.timeout);
        next_answer(&mut events, id, &self.host()).await
    }

    fn events(&self, response: reqwest::Response, idle: Duration) -> EventSource {
        let limits = event_stream::Limits { idle, event: self.limits.max_bytes, run: self.limits.max_bytes.saturating_mul(8) };
        EventSource::new(response.bytes_stream().map_err(explain), limits)
    }

    fn unreachable(&self, error: reqwest::Error) -> McpError {
        McpError::Unreachable { host: self.host(), why: explain(error) }
    }

    fn not_mcp(&self, why: String) -> McpError {
        McpError::NotMcp { host: self.host(), why }
    }
}

/// Reads a stream up to the answer to `id`.
pub(super) async fn next_answer(events: &mut EventSource, id: u64, host: &str) -> Result<Value, McpError> {
    loop {
        if let Read::Answer(answer) = next_message(events, id, host).await? {
            return answer;
        }
    }
}

async fn next_message(events: &mut EventSource, id: u64, host: &str) -> Result<Read, McpError> {
    loop {
        let event = events.next().await.map_err(|fault| McpError::of_stream(host, fault))?;
        let ended = || McpError::NotMcp { host: host.to_owned(), why: "the stream ended before the answer".into() };
        let event = event.ok_or_else(ended)?;
        if event.event == "message" && !event.data.trim().is_empty() {
            return message::read(&event.data, id, None).map_err(|why| McpError::NotMcp { host: host.to_owned(), why });
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"))
}

/// What a body that is no JSON-RPC says of its status: the `detail` of a problem, or its beginning.
fn detail(text: &str, status: StatusCode) -> String {
    let problem = serde_json::from_str::<Value>(text).ok();
    let said = problem
        .as_ref()
        .and_then(|body| ["detail", "error_description", "title", "message"].into_iter().find_map(|name| body.get(name)?.as_str()));
    let said = said.unwrap_or(text).trim();
    if said.is_empty() {
        return status.canonical_reason().unwrap_or("no reason was given").to_owned();
    }
    said.chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect()
}
