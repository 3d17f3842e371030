//! One message to the server, and everything it says to it: JSON, or an event stream.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{MAX_MESSAGE, message::Message};
use crate::outbound::{
    event_stream::{EventSource, Limits, StreamFault},
    http_client::{HttpClient, explain},
    mcp_client::{Dialect, HttpTarget},
};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// Longest silence of a stream; servers send something at least every minute.
const IDLE: Duration = Duration::from_mins(10);
/// How much of an answer that is no JSON-RPC a failure shows.
const MAX_DETAIL: usize = 500;

/// Why a message did not get through.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// No connection, or it broke.
    #[error("cannot reach {host}: {why}")]
    Unreachable { host: String, why: String },
    /// An HTTP status without an answer in JSON-RPC.
    #[error("{host} answered {status}: {detail}")]
    Refused { host: String, status: StatusCode, detail: String },
    /// What came is no answer.
    #[error("{host} gave no answer to this request: {why}")]
    NoAnswer { host: String, why: String },
    /// It took too long.
    #[error("the server did not take the message within {} s", .0.as_secs())]
    Slow(Duration),
}

impl Fault {
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }
}

/// What goes with a message.
#[derive(Debug, Default)]
pub(super) struct Passage<'a> {
    /// Of a request: the id that its answer has.
    pub(super) id: Option<&'a Value>,
    pub(super) session: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
}

/// What the answer to `initialize` told beside itself.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) session: Option<HeaderValue>,
    pub(super) revision: Option<String>,
}

/// The headers of a message: those of a request that names its revision, or the revision that was agreed on.
pub(super) fn headers(message: &Message, revision: Option<&str>) -> HeaderMap {
    match message.revision() {
        Some(named) => Dialect::Modern.headers(&message.method, &message.params, named),
        None => agreed(revision),
    }
}

/// The revision that was agreed on.
pub(super) fn agreed(revision: Option<&str>) -> HeaderMap {
    let version = revision.and_then(|revision| HeaderValue::from_str(revision).ok());
    version.map(|version| (HeaderName::from_static("mcp-protocol-version"), version)).into_iter().collect()
}

/// The way to one server.
pub(super) struct Wire {
    http: HttpClient,
    target: HttpTarget,
}

impl Wire {
    pub(super) fn new(http: HttpClient, target: HttpTarget) -> Self {
        Self { http, target }
    }

    /// Sends a message; passes on all that comes back, up to the answer.
    pub(super) async fn exchange(&self, text: &str, passage: &Passage<'_>, out: &mpsc::Sender<String>) -> Result<Heard, Fault> {
        let mut headers = passage.headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let response = self.send(Method::POST, headers, passage, text.to_owned()).await?;
        let mut heard = Heard { session: response.headers().get(SESSION).cloned(), revision: None };
        let status = response.status();
        if status.is_success() && is_event_stream(response.headers()) {
            self.pass_events(response, passage, &mut heard, out).await?;
            return Ok(heard);
        }
        let body = self.body(response).await?;
        let Some(id) = passage.id else {
            return if status.is_success() { Ok(heard) } else { Err(self.refused(status, &body)) };
        };
        let message = serde_json::from_slice::<Value>(&body).ok().filter(|message| is_answer(message, id) || is_failure(message));
        match message {
            Some(message) => {
                heard.revision = revision_in(&message);
                say(out, with_id(message, id)).await;
                Ok(heard)
            }
            None if status.is_success() => Err(self.no_answer(&format!("its {status} held none"))),
            None => Err(self.refused(status, &body)),
        }
    }

    /// Opens the stream of what the server says by itself, and passes it on. Whether anything came; an error when there
    /// is no such stream.
    pub(super) async fn listen(
        &self,
        passage: &Passage<'_>,
        last: &mut Option<HeaderValue>,
        out: &mpsc::Sender<String>,
    ) -> Result<bool, Fault> {
        let mut headers = passage.headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(last) = last {
            headers.insert(LAST_EVENT, last.clone());
        }
        let response = self.send(Method::GET, headers, passage, String::new()).await?;
        let status = response.status();
        if !status.is_success() || !is_event_stream(response.headers()) {
            let body = self.body(response).await?;
            return Err(self.refused(status, &body));
        }
        let (mut events, mut any) = (events(response), false);
        while let Ok(Some(event)) = events.next().await {
            if let Ok(id) = HeaderValue::from_str(&event.id)
                && !event.id.is_empty()
            {
                *last = Some(id);
            }
            if let Some(message) = message_of(&event.event, &event.data) {
                any = true;
                say(out, message).await;
            }
        }
        Ok(any)
    }

    /// Ends a session.
    pub(super) async fn delete(&self, session: HeaderValue) {
        let passage = Passage { session: Some(session), ..Passage::default() };
        if let Err(fault) = self.send(Method::DELETE, HeaderMap::new(), &passage, String::new()).await {
            tracing::debug!(error = %fault, "the session could not be ended");
        }
    }

    async fn pass_events(
        &self,
        response: reqwest::Response,
        passage: &Passage<'_>,
        heard: &mut Heard,
        out: &mpsc::Sender<String>,
    ) -> Result<(), Fault> {
        let mut events = events(response);
        loop {
            let event = match events.next().await {
                Ok(Some(event)) => event,
                Ok(None) if passage.id.is_none() => return Ok(()),
                Ok(None) => return Err(self.no_answer("the stream ended before it")),
                Err(fault) => return Err(self.no_answer(&why(fault))),
            };
            let Some(message) = message_of(&event.event, &event.data) else { continue };
            let answered = passage.id.is_some_and(|id| is_answer(&message, id));
            if answered {
                heard.revision = revision_in(&message);
            }
            say(out, message).await;
            if answered {
                return Ok(());
            }
        }
    }

    async fn send(&self, method: Method, mut headers: HeaderMap, passage: &Passage<'_>, body: String) -> Result<reqwest::Response, Fault> {
        headers.extend(self.target.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(session) = &passage.session {
            headers.insert(SESSION, session.clone());
        }
        let sent = self.http.raw().request(method, self.target.url.clone()).headers(headers).body(body).send();
        sent.await.map_err(|error| self.unreachable(error))
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<BytesMut, Fault> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > MAX_MESSAGE {
                return Err(self.no_answer(&format!("it is larger than {MAX_MESSAGE} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, error: reqwest::Error) -> Fault {
        Fault::Unreachable { host: self.target.host(), why: explain(error) }
    }

    fn no_answer(&self, why: &str) -> Fault {
        Fault::NoAnswer { host: self.target.host(), why: why.to_owned() }
    }

    /// What a body says of its status: the `detail` of a problem, or its beginning.
    fn refused(&self, status: StatusCode, body: &[u8]) -> Fault {
        let problem: Option<Value> = serde_json::from_slice(body).ok();
        let said = problem
            .as_ref()
            .and_then(|body| ["detail", "error_description", "title"].into_iter().find_map(|name| body.get(name)?.as_str()));
        let text = said.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
        let detail = text.chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect();
        Fault::Refused { host: self.target.host(), status, detail }
    }
}

fn events(response: reqwest::Response) -> EventSource {
    // A run may last for days: it has no cap of its own.
    EventSource::new(response.bytes_stream().map_err(explain), Limits { idle: IDLE, event: MAX_MESSAGE, run: usize::MAX / 2 })
}

fn message_of(event: &str, data: &str) -> Option<Value> {
    let is_message = (event == "message" || event.is_empty()) && !data.trim().is_empty();
    is_message.then(|| serde_json::from_str::<Value>(data).ok().filter(Value::is_object)).flatten()
}

fn is_answer(message: &Value, id: &Value) -> bool {
    message.get("method").is_none() && message.get("id") == Some(id)
}

/// An error that could not name its request.
fn is_failure(message: &Value) -> bool {
    message.get("error").is_some_and(Value::is_object) && message.get("id").is_none_or(Value::is_null)
}

fn with_id(mut message: Value, id: &Value) -> Value {
    if let Some(members) = message.as_object_mut() {
        members.insert("id".into(), id.clone());
    }
    message
}

fn revision_in(message: &Value) -> Option<String> {
    message.get("result")?.get("protocolVersion")?.as_str().map(str::to_owned)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"))
}

fn why(fault: StreamFault) -> String {
    match fault {
        StreamFault::Transport(why) | StreamFault::Malformed(why) => why,
        StreamFault::Idle(after) => format!("nothing came for {} s", after.as_secs()),
        StreamFault::TooLarge(what, max) => format!("its {what} is larger than {max} bytes"),
    }
}

async fn say(out: &mpsc::Sender<String>, message: Value) {
    if out.send(message.to_string()).await.is_err() {
        tracing::debug!("the host does not read any more");
    }
}
