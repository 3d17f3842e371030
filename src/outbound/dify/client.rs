//! Asks one Dify app: for a welcome, for an answer that was lost on the way, and whether it is the app it should be.
//!
//! Every call takes its limit of time; the stream's is a deadline, because a welcome is worth nothing after it. The
//! caller learns Dify's ids from the first event on, so that it can store them before anything else can fail. It refuses
//! base URLs that are no http address, and keys that no header can carry. The key leaves in one header, to one origin.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    answer::Answer,
    ask::{AgentKind, AppInfo, Ask, InputField, Parameters, Progress},
    error::DifyError,
    events::Failure,
    run::Run,
    stream::{Events, Limits, StreamFault},
};
use crate::{
    outbound::http_client::{Call, HttpClient, HttpError, Reply, explain, host_of, retry_after_seconds},
    secret::SecretText,
};

/// Limit for everything but a run.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body of an answer that is no stream.
const MAX_BODY: usize = 1024 * 1024;
/// How much of Dify's own words an error shows.
const MAX_MESSAGE: usize = 200;

/// One Dify app.
#[derive(Clone)]
pub struct DifyClient {
    http: HttpClient,
    base: Url,
    host: String,
    key: SecretText,
    authorization: HeaderValue,
    kind: AgentKind,
    limits: Limits,
}

impl DifyClient {
    /// The app behind `key` at `base_url`, which is the installation's root, with or without `/v1`.
    pub fn new(http: HttpClient, base_url: &str, key: SecretText, kind: AgentKind) -> Result<Self, DifyError> {
        let (base, authorization) = (parse_base(base_url)?, authorization(&key)?);
        Ok(Self { http, host: host_of(&base), base, key, authorization, kind, limits: Limits::default() })
    }

    /// Another limit for the longest time without a byte (30 s by default; Dify pings every 10 s).
    #[must_use]
    pub fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.limits.idle = idle;
        self
    }

    /// The kind of app it is taken for.
    pub fn kind(&self) -> AgentKind {
        self.kind
    }

    /// Asks, and follows the stream to its end, until `deadline` or until `cancel` is called.
    ///
    /// The run goes on at Dify after a deadline, a cancellation or a cut: [`stop`](Self::stop) it, or ask
    /// [`find_answer`](Self::find_answer) for what it made.
    pub async fn welcome(
        &self,
        request: Ask,
        deadline: Instant,
        cancel: &CancellationToken,
        on_event: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Answer, DifyError> {
        let run = self.run(request, on_event);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(DifyError::Cancelled),
            done = tokio::time::timeout_at(deadline, run) => {
                done.unwrap_or_else(|_| Err(DifyError::Deadline { host: self.host.clone() }))
            }
        }
    }

    /// Ends a run. Dify answers the same whether it was still going on or not.
    pub async fn stop(&self, task_id: &str, user: &str) -> Result<(), DifyError> {
        let url = match self.kind {
            AgentKind::Workflow => self.url(&["workflows", "tasks", task_id, "stop"]),
            AgentKind::Chat | AgentKind::Agent => self.url(&["chat-messages", task_id, "stop"]),
        };
        self.check(Method::POST, url, Some(&json!({ "user": user }))).await.map(drop)
    }

    /// Tells Dify what the customer thought of an answer: liked, or not, in words of their own.
    pub async fn feedback(&self, message_id: &str, user: &str, liked: bool, words: Option<&str>) -> Result<(), DifyError> {
        let rating = if liked { "like" } else { "dislike" };
        let body = json!({ "rating": rating, "user": user, "content": words.unwrap_or_default() });
        self.check(Method::POST, self.url(&["messages", message_id, "feedbacks"]), Some(&body)).await.map(drop)
    }

    /// What the app says about itself: proves address, key and kind.
    pub async fn info(&self) -> Result<AppInfo, DifyError> {
        let reply = self.check(Method::GET, self.url(&["info"]), None).await?;
        self.read(&reply)
    }

    /// The inputs the app declares: a question without a required one is refused.
    pub async fn parameters(&self) -> Result<Parameters, DifyError> {
        let reply = self.check(Method::GET, self.url(&["parameters"]), None).await?;
        let body: Value = self.read(&reply)?;
        let form = body.get("user_input_form").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let inputs = form.iter().filter_map(Value::as_object).flatten().filter_map(|(kind, field)| {
            Some(InputField {
                variable: field.get("variable")?.as_str()?.to_owned(),
                required: field.get("required").and_then(Value::as_bool).unwrap_or_default(),
                kind: kind.clone(),
            })
        });
        Ok(Parameters { inputs: inputs.collect() })
    }

    /// Host and port, as errors show them.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The app's key.
    pub(super) fn key(&self) -> &SecretText {
        &self.key
    }

    async fn run(&self, request: Ask, on_event: &mut (dyn FnMut(Progress) + Send)) -> Result<Answer, DifyError> {
        let started = Instant::now();
        let response = self.start(request).await?;
        let first_byte_ms = elapsed_ms(started);
        let mut events = Events::new(response.bytes_stream().map_err(explain), self.limits);
        let mut run = Run::of(self);
        loop {
            let incoming = events.next().await.map_err(|fault| self.fault(fault))?;
            let Some(incoming) = incoming else {
                return Err(DifyError::Cut { host: self.host.clone(), why: "without message_end or error".into() });
            };
            if let Some(answer) = run.follow(incoming, on_event)? {
                return Ok(Answer { latency_ms: elapsed_ms(started), first_byte_ms, ..answer });
            }
        }
    }

    /// Sends the question; what comes back is a stream of events, or an error.
    async fn start(&self, request: Ask) -> Result<reqwest::Response, DifyError> {
        let Ask { mut inputs, query, user, trace_id, traceparent } = request;
        let (parts, body): (&[&str], Value) = if self.kind == AgentKind::Workflow {
            // A workflow has no question of its own; one that declares an input of this name gets it.
            inputs.entry("query").or_insert(Value::String(query));
            (&["workflows", "run"], json!({ "inputs": inputs, "user": user, "response_mode": "streaming" }))
        } else {
            let body = json!({
                "inputs": inputs, "query": query, "user": user, "response_mode": "streaming",
                "conversation_id": "", "auto_generate_name": false, "files": [],
            });
            (&["chat-messages"], body)
        };
        let mut headers = self.headers();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Ok(trace_id) = HeaderValue::from_str(&trace_id) {
            headers.insert("X-Trace-Id", trace_id);
        }
        if let Some(traceparent) = traceparent.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert("traceparent", traceparent);
        }
        let sent = self.http.raw().post(self.url(parts)).headers(headers).json(&body).send().await;
        let response = sent.map_err(|error| HttpError::Unreachable { host: self.host.clone(), why: explain(error) })?;
        self.expect_stream(response).await
    }

    async fn expect_stream(&self, response: reqwest::Response) -> Result<reqwest::Response, DifyError> {
        let status = response.status();
        if status != StatusCode::OK {
            let headers = response.headers().clone();
            let body = self.read_error(response).await;
            return Err(self.refusal(status, &headers, &body));
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
        if kind.starts_with("text/event-stream") {
            return Ok(response);
        }
        let what = format!("200 with {} instead of an event stream", shown(kind, &self.key));
        Err(DifyError::NotDify { host: self.host.clone(), what })
    }

    /// The body of an error, as far as it comes: a body that breaks off is no reason to lose the status.
    async fn read_error(&self, mut response: reqwest::Response) -> Vec<u8> {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() > 16 * 1024 {
                    break;
                }
            }
        };
        // Whatever came by then is enough: the status says most of it.
        let _cut_short = tokio::time::timeout(CHECK_TIMEOUT, read).await;
        body
    }

    /// One request that is no run; anything but 2xx is an error.
    pub(super) async fn check(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Reply, DifyError> {
        let mut headers = self.headers();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body.map(|body| Bytes::from(body.to_string()));
        let reply = self.http.exchange(Call { method, url, headers, body, timeout: CHECK_TIMEOUT, max_bytes: MAX_BODY }).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(self.refusal(reply.status, &reply.headers, &reply.body)) }
    }

    /// The body of a good answer.
    pub(super) fn read<T: for<'de> Deserialize<'de>>(&self, reply: &Reply) -> Result<T, DifyError> {
        serde_json::from_slice(&reply.body).map_err(|error| DifyError::NotDify {
            host: self.host.clone(),
            what: format!("{} with a body that is not Dify's: {:?} error", reply.status.as_u16(), error.classify()),
        })
    }

    /// An error status as an error: Dify's own body, or a proxy's.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> DifyError {
        let (host, status, retry_after) = (self.host.clone(), status.as_u16(), retry_after_seconds(headers));
        match serde_json::from_slice::<Failure>(body) {
            Ok(failure) if !failure.code.is_empty() => {
                let (code, message) = (shown(&failure.code, &self.key), shown(&failure.message, &self.key));
                DifyError::Api { host, status, code, message, retry_after }
            }
            _ => DifyError::Status { host, status, retry_after },
        }
    }

    fn fault(&self, fault: StreamFault) -> DifyError {
        let host = self.host.clone();
        match fault {
            StreamFault::Transport(why) => DifyError::Cut { host, why },
            StreamFault::Idle(after) => DifyError::Idle { host, after },
            StreamFault::TooLarge(part, max) => DifyError::TooLarge { host, part, max },
            StreamFault::Malformed(what) => DifyError::NotDify { host, what },
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers
    }

    /// An address under `/v1`. Each part is one segment, whatever is in it.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(parts);
        }
        url
    }
}

impl fmt::Debug for DifyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DifyClient").field("host", &self.host).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The installation's root, without `/v1`.
/// Whether an address could be a Dify installation's. Nothing is sent.
pub fn check_base_url(text: &str) -> Result<(), DifyError> {
    parse_base(text).map(drop)
}

/// Whether a text could be an app's key. Nothing is sent.
pub fn check_key(key: &SecretText) -> Result<(), DifyError> {
    authorization(key).map(drop)
}

fn authorization(key: &SecretText) -> Result<HeaderValue, DifyError> {
    let bad = || {
        DifyError::Settings(
            "the app's key is empty or holds characters that no HTTP header can carry; copy it from Dify's page \"API Access\"".into(),
        )
    };
    if key.is_empty() {
        return Err(bad());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| bad())?;
    value.set_sensitive(true);
    Ok(value)
}

fn parse_base(text: &str) -> Result<Url, DifyError> {
    let bad = |why: &str| DifyError::Settings(format!("its base URL {why}; give the installation's root, such as https://api.dify.ai"));
    let mut url = Url::parse(text.trim()).map_err(|_| bad("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("is no http or https address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("holds a user name or password, which Dify does not take"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Another's words as an error may show them: one line, short, without the key.
pub(super) fn shown(text: &str, key: &SecretText) -> String {
    let text = text.replace(key.expose(), "***");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}

/// Milliseconds since then.
pub(super) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
