//! The call log: one row for every call that ended, written off the request path in group commits.
//!
//! Rows wait in memory and are committed every `flush_interval` at the latest, so that kill -9 loses at most that;
//! with `durable` a call is answered after its commit. When the buffer is full the caller waits: nothing is dropped.
//! An [`Entry`] that is dropped unfinished is a call that was cancelled, and is written as one (invariant I3).

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};

use super::{
    call::Client,
    catalogue::Known,
    redact::redacted,
    spans::{self, Traced},
};
use crate::{
    clock::Clock,
    ids::new_id,
    store::{Store, call_log::CallRow, stale::StaleCall},
    telemetry::figures,
};

/// So many groups fit into the queue. Rows that wait are what memory grows by under load, and while one group is written
/// there is room for those that come.
const GROUPS_IN_QUEUE: usize = 4;

/// How much of arguments and results is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// Ids, numbers and switches; other text is replaced by its length, results by their size.
    Redacted,
    /// Everything, as sent.
    Full,
    /// Nothing.
    None,
}

/// How the log is written.
#[derive(Debug, Clone, Copy)]
pub struct RecordSettings {
    /// Answer a call only after its row is committed.
    pub durable: bool,
    /// How much of arguments and results is kept.
    pub bodies: Bodies,
    /// Rows that may wait in memory.
    pub queue: usize,
    /// Longest a row waits.
    pub flush_interval: Duration,
}

/// Takes rows in, and hands them to the store in groups. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: RecordSettings,
    buffer: Mutex<Buffer>,
    filled: Notify,
    room: Notify,
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Buffer {
    rows: Vec<CallRow>,
    pushed: u64,
    hurry: bool,
}

impl Recorder {
    /// A recorder; [`Self::run`] writes for it.
    pub fn new(settings: RecordSettings) -> Self {
        let shared =
            Shared { settings, buffer: Mutex::default(), filled: Notify::new(), room: Notify::new(), written: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Writes rows to `store` until the process ends. A failed commit is tried again: rows are never given up.
    pub async fn run(self, store: Store) {
        let mut pause = Duration::from_millis(100);
        loop {
            self.wait_for_rows().await;
            let (rows, pushed) = self.take();
            let rows = Arc::new(rows);
            while let Err(error) = store.append_calls(Arc::clone(&rows)).await {
                tracing::error!(%error, rows = rows.len(), "the call log cannot be written; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            pause = Duration::from_millis(100);
            self.shared.written.send_replace(pushed);
            self.shared.room.notify_waiters();
        }
    }

    /// Waits until everything recorded so far is committed.
    pub async fn flush(&self) {
        let pushed = {
            let mut buffer = self.lock();
            buffer.hurry = true;
            buffer.pushed
        };
        self.shared.filled.notify_one();
        self.written(pushed).await;
    }

    async fn written(&self, pushed: u64) {
        let mut written = self.shared.written.subscribe();
        // The sender lives as long as `self`.
        let _closed = written.wait_for(|done| *done >= pushed).await;
    }

    /// Lets rows gather for one interval; enough for a group, or a flush, ends the wait.
    async fn wait_for_rows(&self) {
        loop {
            let filled = self.shared.filled.notified();
            if self.waiting() > 0 {
                break;
            }
            filled.await;
        }
        if self.shared.settings.durable {
            return;
        }
        let gather = tokio::time::sleep(self.shared.settings.flush_interval);
        tokio::pin!(gather);
        loop {
            let filled = self.shared.filled.notified();
            if self.lock().hurry {
                return;
            }
            tokio::select! { () = &mut gather => return, () = filled => {} }
        }
    }

    /// Rows that are not written yet.
    pub fn waiting(&self) -> usize {
        self.lock().rows.len()
    }

    fn take(&self) -> (Vec<CallRow>, u64) {
        let mut buffer = self.lock();
        buffer.hurry = false;
        let capacity = buffer.rows.len();
        (std::mem::replace(&mut buffer.rows, Vec::with_capacity(capacity)), buffer.pushed)
    }

    fn push(&self, row: CallRow) -> u64 {
        let mut buffer = self.lock();
        buffer.rows.push(row);
        buffer.pushed += 1;
        let (waiting, pushed) = (buffer.rows.len(), buffer.pushed);
        let enough = waiting * GROUPS_IN_QUEUE >= self.shared.settings.queue;
        buffer.hurry |= enough;
        drop(buffer);
        if waiting == 1 || enough {
            self.shared.filled.notify_one();
        }
        pushed
    }

    async fn wait_for_room(&self) {
        loop {
            let room = self.shared.room.notified();
            if self.waiting() < self.shared.settings.queue {
                return;
            }
            room.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Buffer> {
        self.shared.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The row of a call in progress.
pub(super) struct Entry {
    recorder: Recorder,
    started: Instant,
    row: Option<CallRow>,
    of: Of,
    traced: Option<Box<Traced>>,
}

/// What is timed.
enum Of {
    /// Not a call: its time is taken elsewhere.
    Request,
    /// A call of no tool that there is.
    NoTool,
    /// A call of this one.
    Tool(Arc<Known>),
}

impl Entry {
    pub(super) fn begin(recorder: &Recorder, clock: &dyn Clock, tool: Cow<'static, str>, client: Client) -> Self {
        let row = CallRow {
            call_id: new_id(clock).into(),
            tool_name: tool,
            group_id: None,
            key_id: None,
            caller_app_id: client.app_id.map(Into::into),
            registration_id: None,
            client_name: client.name.map(Into::into),
            channel: client.channel.as_str(),
            protocol: client.protocol,
            request_data: None,
            response_data: None,
            success: false,
            outcome: "cancelled",
            error_message: None,
            duration_ms: 0,
            created_at: clock.now_ms(),
            stale: None,
        };
        Self { recorder: recorder.clone(), started: Instant::now(), row: Some(row), of: Of::Request, traced: client.traced }
    }

    /// It is a call; of which tool, [`Self::tool`] says.
    pub(super) fn of_a_call(mut self) -> Self {
        self.of = Of::NoTool;
        self
    }

    /// When the call arrived, in milliseconds.
    pub(super) fn began(&self) -> i64 {
        self.row.as_ref().map_or(0, |row| row.created_at)
    }

    pub(super) fn group(&mut self, group_id: Option<Arc<str>>, key_id: Option<Arc<str>>) {
        if let Some(row) = &mut self.row {
            row.group_id = group_id;
            row.key_id = key_id;
        }
    }

    pub(super) fn run(&mut self, registration_id: String) {
        if let Some(row) = &mut self.row {
            row.registration_id = Some(registration_id.into());
        }
    }

    /// The caller works from an old list.
    pub(super) fn stale(&mut self, call: StaleCall) {
        if let Some(row) = &mut self.row {
            row.stale = Some(Box::new(call));
        }
    }

    pub(super) fn tool(&mut self, known: &Arc<Known>) {
        if let Some(row) = &mut self.row {
            row.tool_name = Cow::Borrowed(known.tool.name());
        }
        self.of = Of::Tool(Arc::clone(known));
    }

    /// What a span is to be made of, if one is.
    pub(super) fn traced(&mut self) -> Option<&mut Traced> {
        self.traced.as_deref_mut()
    }

    /// Takes the time of a call that is over, and gives it back as the log counts it.
    fn timed(&mut self, row: &CallRow) -> i64 {
        let took = self.started.elapsed();
        match &self.of {
            Of::Request => {}
            Of::NoTool => figures::unknown_tool(row.outcome, took),
            Of::Tool(known) => known.figures.took(row.outcome, took),
        }
        if let Some(traced) = self.traced.take().filter(|_| !matches!(self.of, Of::Request)) {
            let known = matches!(self.of, Of::Tool(_));
            spans::call(*traced, row, known, took);
        }
        whole_ms(took)
    }

    pub(super) fn request(&mut self, arguments: Option<&Map<String, Value>>) {
        let bodies = self.recorder.shared.settings.bodies;
        if let (Some(row), Some(arguments)) = (&mut self.row, arguments) {
            row.request_data = match bodies {
                Bodies::None => None,
                Bodies::Full => serde_json::to_string(arguments).ok(),
                Bodies::Redacted => serde_json::to_string(&redacted(arguments)).ok(),
            }
            .map(Into::into);
        }
    }

    pub(super) async fn finish(mut self, outcome: &'static str, result: Option<&str>, error: Option<&str>) {
        // Waiting for room comes first: while it waits, the entry still is a call that may be cancelled.
        self.recorder.wait_for_room().await;
        let settings = self.recorder.shared.settings;
        let Some(mut row) = self.row.take() else { return };
        row.outcome = outcome;
        row.success = result.is_some();
        row.error_message = error.map(|text| text.chars().take(1000).collect());
        row.response_data = result.and_then(|json| match settings.bodies {
            Bodies::None => None,
            Bodies::Full => Some(json.into()),
            Bodies::Redacted => Some(format!("{{\"bytes\":{}}}", json.len()).into()),
        });
        row.duration_ms = self.timed(&row);
        let pushed = self.recorder.push(row);
        if settings.durable {
            self.recorder.written(pushed).await;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(mut row) = self.row.take() {
            row.duration_ms = self.timed(&row);
            row.error_message = Some("the client went away before the call ended".into());
            self.recorder.push(row);
        }
    }
}

/// A time as the log counts it: whole milliseconds, rounded up.
fn whole_ms(took: Duration) -> i64 {
    i64::try_from(took.as_micros().div_ceil(1000)).unwrap_or(i64::MAX)
}

/// The name of a tool that a caller made up, as the log keeps it.
pub(super) fn made_up(tool: &str) -> Cow<'static, str> {
    Cow::Owned(tool.chars().filter(|c| !c.is_control()).take(100).collect())
}
