//! Sessions of handshake clients (2025-03-26 to 2025-11-25), for those who want them: an id, a stream for notifications,
//! and an end.
//!
//! rmcp keeps the session's state and speaks its protocol. What it leaves open is held here: sessions are counted,
//! belong to whoever opened them, of whom none may have them all, expire by silence and not by the clock of the last
//! message, end with the key that opened them, and no request is left without an answer when one ends under it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures_util::{
    Stream, StreamExt, future,
    stream::{self, BoxStream},
};
use http::{HeaderMap, StatusCode, request::Parts};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        SessionManager, StreamableHttpServerConfig, StreamableHttpService,
        session::local::{LocalSessionManager, SessionConfig},
    },
};
use serde_json::value::RawValue;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backend::ListChanges,
    envelope::{Envelope, Kind},
    events,
    fast::error_answer,
    legacy::same,
    places::Place,
    principal::Principal,
    running::Running,
    seats::Seats,
};
use crate::{
    gate::{Caller, Gate},
    problem::Problem,
};

/// The header that names a session.
const ID: &str = "mcp-session-id";
/// How long a session may stay without its first message after the handshake.
const UNCONFIRMED: Duration = Duration::from_mins(1);
/// What a client hears of a change of its list.
const LIST_CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// How sessions behave.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// A session that is silent for so long ends. An open stream and a running call are not silence.
    pub timeout: Duration,
    /// Sessions at once; one holder of a credential has at most a quarter of them, and one in any case.
    pub max: usize,
    /// Names a time after which to reconnect, in an event without data, at the head of each stream. Some clients
    /// cannot read such an event.
    pub retry: Option<Duration>,
    /// Ends every stream.
    pub stop: CancellationToken,
    /// Runs what ends silent sessions.
    pub tasks: TaskTracker,
}

/// All sessions.
pub(super) struct Sessions<H: ServerHandler> {
    service: StreamableHttpService<H, LocalSessionManager>,
    book: Arc<Book>,
    stop: CancellationToken,
}

/// Who holds which session.
struct Book {
    manager: Arc<LocalSessionManager>,
    open: Mutex<HashMap<String, Arc<Session>>>,
    seats: Seats,
    timeout: Duration,
    gate: Arc<Gate>,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    seat: Place,
    /// Its opener, as they were let in.
    opener: Caller,
    pub(super) running: Running,
    last: Mutex<Instant>,
    /// Open streams and running requests.
    active: AtomicUsize,
    /// Whether the client went on after the handshake.
    confirmed: AtomicBool,
    /// Its own open streams by their numbers, the newest last.
    streams: Mutex<Vec<u64>>,
    ended: CancellationToken,
}

/// Something of a session that is going on.
#[derive(Debug)]
pub(super) struct Active(Arc<Session>);

impl Session {
    fn new(seat: Place, opener: Caller) -> Self {
        Self {
            seat,
            opener,
            running: Running::default(),
            last: Mutex::new(Instant::now()),
            active: AtomicUsize::new(0),
            confirmed: AtomicBool::new(false),
            streams: Mutex::default(),
            ended: CancellationToken::new(),
        }
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(self: &Arc<Self>) -> Active {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.confirmed.store(true, Ordering::Relaxed);
        Active(Arc::clone(self))
    }

    fn expired(&self, timeout: Duration) -> bool {
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        let limit = if confirmed { timeout } else { timeout.min(UNCONFIRMED) };
        self.active.load(Ordering::Relaxed) == 0 && self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= limit
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H: ServerHandler> Sessions<H> {
    /// Sessions whose handlers come from `factory`.
    pub(super) fn new(
        factory: impl Fn() -> H + Send + Sync + 'static,
        max_body: usize,
        settings: SessionSettings,
        gate: Arc<Gate>,
    ) -> Self {
        let mut config = SessionConfig::default();
        // rmcp counts messages only: it would end a session under an open stream or a long call.
        config.keep_alive = None;
        config.sse_retry = settings.retry;
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        let manager = Arc::new(manager);
        let http = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(true)
            .with_sse_retry(settings.retry)
            .with_sse_keep_alive(Some(events::KEEP_ALIVE))
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(max_body);
        let service = StreamableHttpService::new(move || Ok(factory()), Arc::clone(&manager), http);
        let seats = Seats::new(settings.max);
        let book = Arc::new(Book { manager, open: Mutex::default(), seats, timeout: settings.timeout, gate });
        settings.tasks.spawn(sweep(Arc::clone(&book), settings.stop.clone()));
        Self { service, book, stop: settings.stop }
    }

    /// How many sessions there are.
    pub(super) fn count(&self) -> usize {
        self.book.open().len()
    }

    /// The session that a request names, if it is the caller's; nothing if it names none.
    pub(super) fn named(&self, caller: &Caller, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Problem> {
        let Some(id) = headers.get(ID) else { return Ok(None) };
        let found = id.to_str().ok().and_then(|id| self.book.open().get(id).cloned());
        let found = found.filter(|session| session.seat.is_of(&Principal::of(caller)));
        found.map(Some).ok_or_else(unknown)
    }

    /// The handshake that opens a session.
    pub(super) async fn begin(&self, caller: &Caller, parts: Parts, body: Bytes) -> Response {
        let seat = match self.book.seats.take(Principal::of(caller)) {
            Ok(seat) => seat,
            Err(problem) => return problem.into_response(),
        };
        let response = self.service.handle(http::Request::from_parts(parts, http_body_util::Full::new(body))).await;
        if let Some(id) = response.headers().get(ID).and_then(|id| id.to_str().ok()) {
            self.book.open().insert(id.to_owned(), Arc::new(Session::new(seat, caller.clone())));
        }
        response.map(Body::new)
    }

    /// Passes a message of a session on; an answer comes, whatever happens to the session meanwhile.
    pub(super) async fn pass(&self, session: &Arc<Session>, id: Option<&RawValue>, parts: Parts, body: Bytes) -> Response {
        let active = session.enter();
        let response = self.service.handle(http::Request::from_parts(parts, http_body_util::Full::new(body))).await.map(Body::new);
        let streamed = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        match id {
            Some(id) if streamed => response.map(|body| Body::from_stream(answered(body, id.to_owned(), active))),
            _ => response,
        }
    }

    /// The stream of a session: what the server has to say by itself, and of the list's `changes` as long as no newer one does.
    pub(super) async fn listen(&self, session: &Arc<Session>, parts: Parts, changes: Option<ListChanges>) -> Response {
        let active = session.enter();
        let own = is_own(&parts.headers);
        let empty = http_body_util::Empty::<Bytes>::new();
        let response = self.service.handle(http::Request::from_parts(parts, empty)).await.map(Body::new);
        if response.status() != StatusCode::OK {
            return response;
        }
        let changes = until_gone(changes, own.then(|| Telling::begin(session)));
        let over = future::select(Box::pin(session.ended.clone().cancelled_owned()), Box::pin(self.stop.clone().cancelled_owned()));
        response.map(|body| {
            let said = body.into_data_stream().filter_map(|chunk| future::ready(chunk.ok()));
            let stream = either(said, changes).take_until(over);
            Body::from_stream(holding(stream, active))
        })
    }

    /// Ends the session that a request names.
    pub(super) async fn end(&self, caller: &Caller, headers: &HeaderMap) -> Response {
        match self.named(caller, headers) {
            Err(problem) => problem.into_response(),
            Ok(None) => {
                let detail = "Name the session to end in the header `Mcp-Session-Id`.";
                Problem::new(StatusCode::BAD_REQUEST, "session", detail).into_response()
            }
            Ok(Some(_)) => {
                if let Some(id) = headers.get(ID).and_then(|id| id.to_str().ok()) {
                    self.book.end(id).await;
                }
                // Clients log anything else as a failure.
                StatusCode::OK.into_response()
            }
        }
    }
}

/// Whether a GET opens a stream of the session itself, or goes on with one. Events of a request's stream have ids of two
/// parts, its own of one.
fn is_own(headers: &HeaderMap) -> bool {
    headers.get("last-event-id").is_none_or(|id| !id.as_bytes().contains(&b'/'))
}

/// What a stream has to say of changes while it is the one that tells. Ends when the caller is no longer let in.
fn until_gone(changes: Option<ListChanges>, telling: Option<Telling>) -> BoxStream<'static, Bytes> {
    let Some(changes) = changes else { return stream::pending().boxed() };
    let tells = move || telling.as_ref().is_some_and(Telling::is_newest);
    changes.filter_map(move |()| future::ready(tells().then(|| events::event("message", LIST_CHANGED)))).boxed()
}

impl Book {
    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end(&self, id: &str) {
        let session = self.open().remove(id);
        if let Some(session) = session {
            session.ended.cancel();
        }
        if let Err(error) = self.manager.close_session(&id.into()).await {
            tracing::debug!(%error, "a session was over before it was ended");
        }
    }

    /// The sessions that are to end: silent for too long, over on rmcp's side, or of a key that no longer opens its group.
    async fn due(&self) -> Vec<String> {
        let alive = self.manager.sessions.read().await;
        // The gate may ask the database: nobody waits for that.
        let open: Vec<_> = self.open().iter().map(|(id, session)| (id.clone(), Arc::clone(session))).collect();
        let over = |id: &str, session: &Session| session.expired(self.timeout) || !alive.contains_key(id) || self.is_barred(session);
        open.into_iter().filter(|(id, session)| over(id, session)).map(|(id, _)| id).collect()
    }

    /// Whether its key opens nothing any more. That a token has ended says nothing: its holder comes with the next one.
    fn is_barred(&self, session: &Session) -> bool {
        session.opener.key_id().is_some() && !self.gate.still_admits(&session.opener)
    }
}

/// Ends silent sessions until `stop`.
async fn sweep(book: Arc<Book>, stop: CancellationToken) {
    let every = (book.timeout / 4).clamp(Duration::from_millis(100), Duration::from_secs(15));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        for id in book.due().await {
            book.end(&id).await;
        }
    }
}

/// One open stream among those of its session. A change is told on one of them only: the newest, since of an older one
/// nobody may know yet that its client is gone.
struct Telling {
    session: Arc<Session>,
    number: u64,
}

impl Telling {
    fn begin(session: &Arc<Session>) -> Self {
        let mut streams = session.streams();
        let number = streams.last().map_or(0, |newest| newest + 1);
        streams.push(number);
        Self { session: Arc::clone(session), number }
    }

    fn is_newest(&self) -> bool {
        self.session.streams().last() == Some(&self.number)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.session.streams().retain(|number| *number != self.number);
    }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "session", "There is no such session: it ended or expired. Begin a new one with `initialize`.")
}

/// Both streams, until the first of them ends.
fn either<T>(one: impl Stream<Item = T>, other: impl Stream<Item = T>) -> impl Stream<Item = T> {
    let end = || stream::once(future::ready(None));
    stream::select(one.map(Some).chain(end()), other.map(Some).chain(end()))
        .take_while(|item| future::ready(item.is_some()))
        .filter_map(future::ready)
}

/// A stream with something that is given back when it ends.
pub(super) fn holding<T, G>(
    stream: impl Stream<Item = T> + Send + 'static,
    held: G,
) -> impl Stream<Item = Result<T, std::convert::Infallible>>
where
    T: Send + 'static,
    G: Send + 'static,
{
    stream::unfold((stream.boxed(), held), |(mut stream, held)| async move {
        let item = stream.next().await?;
        Some((Ok(item), (stream, held)))
    })
}

/// A stream in which the answer to `id` comes, and if it does not, an error that says so.
fn answered(body: Body, id: Box<RawValue>, active: Active) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let chunks = body.into_data_stream().boxed();
    stream::unfold(Some((chunks, id, false, active)), |state| async move {
        let (mut chunks, id, seen, active) = state?;
        match chunks.next().await {
            Some(Ok(chunk)) => {
                let seen = seen || holds_answer(&chunk, &id);
                Some((Ok(chunk), Some((chunks, id, seen, active))))
            }
            _ if seen => None,
            _ => Some((Ok(lost(&id)), None)),
        }
    })
}

/// Whether an event holds the answer. rmcp writes each event as one chunk.
fn holds_answer(chunk: &[u8], id: &RawValue) -> bool {
    let Ok(text) = std::str::from_utf8(chunk) else { return false };
    let mut data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.any(|data| matches!(Envelope::read(data.trim()), Ok((message, Kind::Answer)) if same(message.id, id)))
}

fn lost(id: &RawValue) -> Bytes {
    let (_, error) =
        error_answer(StatusCode::OK, Some(id), -32603, "the request ended without a result: its session is over, or it was cancelled");
    events::event("message", &String::from_utf8(error).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_answer_is_told_from_what_comes_before_it() {
        let progress = b"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":0}}\n\n";
        assert!(!holds_answer(progress, &id("0")));
        assert!(!holds_answer(b": keep-alive\n\n", &id("0")));
        assert!(holds_answer(b"id: 0/0\ndata: {\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}\n\n", &id("0")));
        assert!(!holds_answer(b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n", &id("0")));
    }

    #[test]
    fn what_goes_on_with_a_requests_stream_is_no_stream_of_the_session() {
        for (last, own) in [(None, true), (Some("0"), true), (Some("12"), true), (Some("0/0"), false), (Some("3/17"), false)] {
            let headers: HeaderMap =
                last.map(|id| (http::HeaderName::from_static("last-event-id"), id.parse().unwrap())).into_iter().collect();
            assert_eq!(is_own(&headers), own, "{last:?}");
        }
    }

    #[tokio::test]
    async fn both_streams_end_with_the_first_that_does() {
        let endless = stream::pending::<u8>();
        let text: Vec<_> = either(stream::iter([1, 2]), endless).collect().await;
        assert_eq!(text, [1, 2]);
    }
}
