//! HTTP+SSE, the transport of 2024-11-05, for clients that know no other.
//!
//! A GET opens a stream whose first event names the address to post to; answers come back on the stream. It carries
//! nothing else: clients of this transport break on notifications, on requests of the server and on other events. The
//! session is the stream and ends with it. Nobody's memory is filled by a client that does not read: what is asked and
//! not yet taken is counted, and more of it is refused. A request that was taken is answered even when the daemon stops:
//! the stream ends after the last answer, or after an error in its place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, Uri, request::Parts};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backend::{Backend, ListChanges},
    endpoint::Endpoint,
    envelope::{Envelope, Kind, RpcError},
    events,
    fast::{HANDSHAKE, error_answer},
    lanes::{self, Incoming},
    principal::Principal,
    running::{Running, Ticket},
};
use crate::{
    gate::Caller,
    problem::Problem,
    secret::{NoRandomness, random_bytes},
};

/// Requests of one session that may be unanswered, or answered and not yet taken.
const WAITING: u16 = 32;
/// The revision that this transport belongs to.
pub(super) const VERSION: &str = "2024-11-05";
/// What is agreed on with a client that asks for a revision nobody knows: the latest one that begins with a handshake.
const LATEST: &str = "2025-11-25";
/// How long before the end of a stop the requests that are left get an error: it has to reach their clients, too.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How the transport behaves.
#[derive(Debug, Clone)]
pub struct LegacySse {
    /// Streams that one key may hold open at a time.
    pub streams_per_key: usize,
    /// Ends every stream, as soon as what was asked on it is answered.
    pub stop: CancellationToken,
    /// How long a stop may take.
    pub shutdown: Duration,
    /// Runs what answers.
    pub tasks: TaskTracker,
}

impl LegacySse {
    /// Comes when the time of a stop is nearly over.
    async fn nearly_over(&self) {
        self.stop.cancelled().await;
        sleep(self.shutdown.saturating_sub(LAST_WORD)).await;
    }
}

/// The open streams.
#[derive(Debug)]
pub(super) struct Streams {
    settings: LegacySse,
    open: Arc<Mutex<HashMap<String, Arc<Session>>>>,
}

/// One open stream.
#[derive(Debug)]
struct Session {
    principal: Principal,
    answers: mpsc::Sender<Answered>,
    room: Arc<Semaphore>,
    running: Running,
    /// The revision agreed on in the handshake.
    version: OnceLock<&'static str>,
    ended: CancellationToken,
}

/// An answer, and the room it takes until it is sent.
#[derive(Debug)]
struct Answered {
    text: String,
    _room: OwnedSemaphorePermit,
}

/// Takes the session out when its stream is dropped, however that comes about.
struct Closing {
    open: Arc<Mutex<HashMap<String, Arc<Session>>>>,
    id: String,
    ended: CancellationToken,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.ended.cancel();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Streams {
    pub(super) fn new(settings: LegacySse) -> Self {
        Self { settings, open: Arc::default() }
    }

    /// Opens a stream for the caller. `path` is where the endpoint is to be found, as the client sees it; `changes` end when
    /// the caller is no longer let in, and the stream with them.
    pub(super) fn open(&self, caller: &Caller, path: &str, changes: Option<ListChanges>) -> Response {
        let id = match new_id() {
            Ok(id) => id,
            Err(error) => return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "randomness", error.to_string()).into_response(),
        };
        let (sender, answers) = mpsc::channel(WAITING.into());
        let room = Arc::new(Semaphore::new(WAITING.into()));
        let session = Arc::new(Session {
            principal: Principal::of(caller),
            answers: sender,
            room: Arc::clone(&room),
            running: Running::default(),
            version: OnceLock::new(),
            ended: CancellationToken::new(),
        });
        let closing = Closing { open: Arc::clone(&self.open), id: id.clone(), ended: session.ended.clone() };
        if let Err(problem) = self.add(&id, session) {
            return problem.into_response();
        }
        let hello = events::event("endpoint", &format!("{path}/messages?sessionId={id}"));
        let changes = changes.unwrap_or_else(|| stream::pending().boxed());
        let source = Source { answers, changes, room, stop: self.settings.stop.clone() };
        events::response(stream::unfold((Some(hello), source, closing), |(hello, mut source, closing)| async move {
            let chunk = match hello {
                Some(hello) => hello,
                None => source.next().await?,
            };
            Some((chunk, (None, source, closing)))
        }))
    }

    /// How many streams are open.
    pub(super) fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn add(&self, id: &str, session: Arc<Session>) -> Result<(), Problem> {
        let max = self.settings.streams_per_key;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().filter(|other| other.principal == session.principal).count() >= max {
            let detail =
                format!("This key holds {max} event streams open, which is all it may (`mcp.legacy_sse_streams`). Close one first.");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-streams", detail).with_retry_after(5));
        }
        open.insert(id.to_owned(), session);
        Ok(())
    }

    /// The session that the address names, if it is the caller's.
    fn find(&self, caller: &Caller, uri: &Uri) -> Result<Arc<Session>, Problem> {
        let id = session_id(uri).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "session",
                "Post to the address that the stream's `endpoint` event named, with its sessionId.",
            )
        })?;
        let found = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        found.filter(|session| session.principal == Principal::of(caller)).ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "session",
                "There is no such session: it ends with its event stream. Open the stream again.",
            )
        })
    }
}

/// What goes onto a stream, and what ends it.
struct Source {
    answers: mpsc::Receiver<Answered>,
    changes: ListChanges,
    /// The session's: all of it is free when nothing is unanswered and every answer was taken.
    room: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Source {
    /// The next thing to send; nothing when the stream is to end.
    async fn next(&mut self) -> Option<Bytes> {
        // This transport tells of no change; that they end is what matters.
        let gone = async { while self.changes.next().await.is_some() {} };
        let done = async {
            self.stop.cancelled().await;
            drop(self.room.acquire_many(WAITING.into()).await);
        };
        tokio::select! {
            // What is ready goes out before the end.
            biased;
            () = gone => None,
            answer = self.answers.recv() => answer.map(|answer| events::event("message", &answer.text)),
            () = done => None,
            () = sleep(events::KEEP_ALIVE) => Some(events::COMMENT),
        }
    }
}

fn new_id() -> Result<String, NoRandomness> {
    Ok(random_bytes::<16>()?.iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}")))
}

pub(super) fn session_id(uri: &Uri) -> Option<&str> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| matches!(*name, "sessionId" | "session_id")).map(|(_, id)| id)
}

/// Takes one message for a session: 202 at once, and the answer on the stream.
pub(super) fn take<B: Backend>(endpoint: &Endpoint<B>, streams: &Streams, caller: &Caller, parts: Parts, body: Bytes) -> Response {
    let session = match streams.find(caller, &parts.uri) {
        Ok(session) => session,
        Err(problem) => return problem.into_response(),
    };
    // What has no id cannot be answered on the stream: the one who posted it hears of it.
    let bad = |error: &RpcError, id| lanes::json(error_answer(StatusCode::BAD_REQUEST, id, error.code, &error.message));
    let Ok(text) = std::str::from_utf8(&body) else {
        return bad(&RpcError::invalid_request("the body is not UTF-8"), None);
    };
    match Envelope::read(text) {
        Err((error, id)) => bad(&error, id),
        Ok((_, Kind::Answer)) => bad(&RpcError::invalid_request("this server sent no request that could be answered"), None),
        Ok((message, Kind::Notification)) => {
            session.running.hear(&message);
            StatusCode::ACCEPTED.into_response()
        }
        Ok((message, Kind::Request)) => {
            let room = Arc::clone(&session.room).try_acquire_owned();
            // Asked once the place is taken: from then on a stop waits for it.
            if streams.settings.stop.is_cancelled() {
                return stopping().into_response();
            }
            let Ok(room) = room else { return waiting().into_response() };
            let parts = as_streamable(parts, &session, &message);
            let ticket = message.id.map(|id| session.running.begin(id));
            let incoming = Incoming { caller: caller.clone(), parts, session: None, may_open: false };
            let asked = Asked { incoming, body, ticket, room, settings: streams.settings.clone() };
            streams.settings.tasks.spawn(work(endpoint.clone(), session, asked));
            StatusCode::ACCEPTED.into_response()
        }
    }
}

fn waiting() -> Problem {
    let detail = format!("{WAITING} requests of this session are unanswered, or answered and not yet read. Read the stream first.");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "unread-answers", detail).with_retry_after(1)
}

fn stopping() -> Problem {
    let detail = "The daemon is stopping and takes no new requests. Open the stream again in a moment.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail).with_retry_after(5)
}

/// The head as a client of streamable HTTP would send it in the revision that was agreed on.
fn as_streamable(mut parts: Parts, session: &Session, message: &Envelope<'_>) -> Parts {
    #[derive(Deserialize)]
    struct Hello<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        version: &'a str,
    }
    parts.headers.remove("mcp-session-id");
    if message.method.as_deref() == Some("initialize") {
        // What names no revision is no handshake, and will be told so.
        if let Some(asked) = message.params.and_then(|params| serde_json::from_str::<Hello<'_>>(params.get()).ok()) {
            let agreed = HANDSHAKE.into_iter().find(|known| *known == asked.version).unwrap_or(LATEST);
            let _once = session.version.set(agreed);
        }
    } else if !parts.headers.contains_key("mcp-protocol-version") {
        let version = session.version.get().copied().unwrap_or(VERSION);
        parts.headers.insert("mcp-protocol-version", HeaderValue::from_static(version));
    }
    parts
}

/// A request on its way to its answer.
struct Asked {
    incoming: Incoming,
    body: Bytes,
    ticket: Option<Ticket>,
    room: OwnedSemaphorePermit,
    settings: LegacySse,
}

/// Answers one request on its session's stream, as long as that is open, the client wants the answer and a stop allows.
async fn work<B: Backend>(endpoint: Endpoint<B>, session: Arc<Session>, asked: Asked) {
    let Asked { mut incoming, body, ticket, room, settings } = asked;
    incoming.parts.extensions.insert(incoming.caller.clone());
    let cancelled = ticket.as_ref().map(|ticket| ticket.cancelled.clone()).unwrap_or_default();
    let answer = async { lanes::final_answer(lanes::answer(&endpoint, incoming, body.clone()).await).await };
    let answer = tokio::select! {
        () = session.ended.cancelled() => return,
        () = cancelled.cancelled() => return,
        answer = answer => answer,
        () = settings.nearly_over() => Some(unanswered()),
    };
    let Some(text) = std::str::from_utf8(&body).ok().and_then(|request| fitting(request, answer.as_deref())) else { return };
    // There is room for every answer: one that does not fit belongs to a stream that is gone.
    if session.answers.try_send(Answered { text, _room: room }).is_err() {
        tracing::debug!("an answer came too late for its event stream");
    }
}

/// What a request gets that a stop did not leave time for.
fn unanswered() -> String {
    let why = "the daemon stopped before the request was answered; open the event stream again, and repeat the request";
    String::from_utf8(error_answer(StatusCode::OK, None, -32603, why).1).unwrap_or_default()
}

/// An answer that names its request; one that names none would end some clients.
fn fitting(request: &str, answer: Option<&str>) -> Option<String> {
    let id = Envelope::read(request).ok()?.0.id?;
    let read = answer.map(|text| (text, Envelope::read(text)));
    if let Some((text, Ok((message, Kind::Answer)))) = &read
        && same(message.id, id)
    {
        return Some((*text).to_owned());
    }
    let why = match answer.map(serde_json::from_str::<ErrorOnly>) {
        Some(Ok(error)) => RpcError { code: error.error.code, message: error.error.message },
        _ => RpcError { code: -32603, message: "Internal error: the request has no answer".to_owned() },
    };
    String::from_utf8(error_answer(StatusCode::OK, Some(id), why.code, &why.message).1).ok()
}

/// Whether two ids are the same value, however they are written.
pub(super) fn same(one: Option<&RawValue>, other: &RawValue) -> bool {
    let value = |id: &RawValue| serde_json::from_str::<serde_json::Value>(id.get()).ok();
    one.is_some_and(|one| one.get() == other.get() || value(one) == value(other))
}

#[derive(Deserialize)]
struct ErrorOnly {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: i32,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_request() {
        let request = r#"{"jsonrpc":"2.0","id":"a1","method":"ping"}"#;
        let good = r#"{"jsonrpc":"2.0","id":"a1","result":{}}"#;
        assert_eq!(fitting(request, Some(good)).as_deref(), Some(good));
        for answer in [
            Some(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"no"}}"#),
            Some(r#"{"jsonrpc":"2.0","id":"other","result":{}}"#),
            Some("Unsupported"),
            None,
        ] {
            let text = fitting(request, answer).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(value["id"] == "a1" && value["error"]["code"].is_i64(), "{text}");
        }
    }

    #[test]
    fn session_ids_are_long_and_found_in_the_query() {
        let id = new_id().unwrap();
        assert!(id.len() == 32 && id != new_id().unwrap());
        let uri: Uri = format!("/mcp/messages?a=b&sessionId={id}").parse().unwrap();
        assert_eq!(session_id(&uri), Some(id.as_str()));
        assert_eq!(session_id(&Uri::from_static("/mcp/messages")), None);
    }
}
