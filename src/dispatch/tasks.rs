//! Tasks: calls that outlive the request that made them.
//!
//! A task is a row before anybody hears of its id, and its end is a row too; memory holds only what a running one needs
//! (how to stop it, what it said last). A task whose process died is never run again: its tool may have stored
//! something, and its arguments are not kept, since they are about a person. It is told as failed, in words that say
//! what to do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anmei_mcp_tools::port::Progress;
use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    call::{Call, Client, Dispatch, Outcome},
    stale::Note,
};
use crate::{
    gate::Caller,
    ids::random_text,
    secret::{NoRandomness, random_bytes},
    store::{
        StoreError,
        tasks::{Asker, NewTask, Settled, TaskRow, TaskState},
    },
};

/// Beyond the tool's own limit: storing the result, and a busy machine.
const SLACK: Duration = Duration::from_secs(30);
/// How long an orderly stop waits for tasks before it ends them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the end of a task is tried to be written down, and the first pause in between.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);

/// How tasks are kept.
#[derive(Debug, Clone, Copy)]
pub struct TaskSettings {
    /// How long a task can be asked for, from its start. Never less than its tool may take.
    pub ttl: Duration,
    /// How often a client should ask.
    pub poll: Duration,
    /// Most tasks of one key or grant, running or finished.
    pub per_principal: u32,
}

/// A task as its caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    /// Its id.
    pub id: String,
    /// What came of it.
    pub state: TaskOutcome,
    /// What it said last.
    pub message: Option<String>,
    /// When it was started.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// How long it can be asked for, from its start, in milliseconds.
    pub ttl_ms: i64,
    /// How often it should be asked for.
    pub poll: Duration,
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// Nothing yet.
    Working,
    /// An answer, or what the caller is told instead.
    Completed(Outcome),
    /// Neither, and why.
    Failed(String),
    /// The caller stopped it.
    Cancelled,
}

/// Why no task was started.
#[derive(Debug, thiserror::Error)]
pub enum NoTask {
    /// The caller has as many as it may have.
    #[error("the caller has as many tasks as it may have")]
    Full,
    /// A limit is reached: the call itself is answered with it.
    #[error("a limit of the caller or of the tool is reached")]
    Limited,
    /// The row could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No unguessable id could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// The tasks of this process.
#[derive(Debug)]
pub(super) struct Tasks {
    settings: TaskSettings,
    running: Mutex<HashMap<String, Arc<Running>>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Running {
    cancel: CancellationToken,
    said: Mutex<Option<(String, i64)>>,
}

impl Tasks {
    pub(super) fn new(settings: TaskSettings) -> Self {
        Self { settings, running: Mutex::default(), tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self, id: &str) -> Option<Arc<Running>> {
        self.lock().get(id).cloned()
    }
}

/// A call that is to become a task.
#[derive(Debug)]
pub struct LongCall {
    /// Who calls.
    pub caller: Caller,
    /// Which tool.
    pub tool: String,
    /// With what.
    pub arguments: Option<Map<String, Value>>,
    /// From where.
    pub client: Client,
}

impl Dispatch {
    /// Whether the caller's group offers this tool, under this name or an old one, and one call of it may take long.
    pub fn is_long(&self, caller: &Caller, tool: &str) -> bool {
        self.catalogue.offers(caller).meant(tool, self.clock.now_ms()).is_some_and(|offer| offer.known.tool.definition.long)
    }

    /// Starts a call as a task. When it returns, the task is durable. When none can be started, the call comes back.
    pub async fn start_task(self: &Arc<Self>, call: LongCall) -> Result<TaskView, Box<(NoTask, LongCall)>> {
        match self.keep(&call).await {
            Ok(view) => {
                let running = Arc::new(Running { cancel: CancellationToken::new(), said: Mutex::default() });
                self.tasks.lock().insert(view.id.clone(), Arc::clone(&running));
                self.tasks.tracker.spawn(Arc::clone(self).work(view.id.clone(), running, call));
                Ok(view)
            }
            Err(why) => Err(Box::new((why, call))),
        }
    }

    /// The task's row.
    async fn keep(&self, call: &LongCall) -> Result<TaskView, NoTask> {
        let id = format!("task_{}", random_text(random_bytes::<24>()?));
        let now = self.clock.now_ms();
        let limit = self.limit_of(call, now);
        if !self.has_room(&call.caller, &call.tool, now) {
            return Err(NoTask::Limited);
        }
        let ttl = ms(self.tasks.settings.ttl.max(limit * 2));
        let new = NewTask {
            id: id.clone(),
            principal: call.caller.principal().to_owned(),
            group_id: call.caller.group.group.id.clone(),
            tool_name: call.tool.chars().take(100).collect(),
            channel: call.client.channel.as_str(),
            created_at: now,
            deadline_at: now + ms(limit),
            expires_at: now + ttl,
        };
        if !self.store.add_task(new, self.tasks.settings.per_principal).await? {
            return Err(NoTask::Full);
        }
        let (state, poll) = (TaskOutcome::Working, self.tasks.settings.poll);
        Ok(TaskView { id, state, message: None, created_at: now, updated_at: now, ttl_ms: ttl, poll })
    }

    /// The caller's task. Another caller's is none.
    pub fn task(&self, caller: &Caller, id: &str) -> Result<Option<TaskView>, StoreError> {
        let asker = Asker { principal: caller.principal(), group_id: &caller.group.group.id, now: self.clock.now_ms() };
        let row = self.store.task(id, asker)?;
        Ok(row.map(|row| self.view(row, asker.now)))
    }

    /// Stops the caller's task, if it still is at work. Says whether there is such a task.
    pub async fn cancel_task(&self, caller: &Caller, id: &str) -> Result<bool, StoreError> {
        if self.task(caller, id)?.is_none() {
            return Ok(false);
        }
        let cancelled = Settled { state: TaskState::Cancelled, answer: None, failure: None, note: None };
        self.store.settle_task(id, cancelled, self.clock.now_ms()).await?;
        if let Some(running) = self.tasks.running(id) {
            running.cancel.cancel();
        }
        Ok(true)
    }

    /// Fails what a daemon left behind that is no more: there is one daemon on a data directory.
    pub async fn fail_lost_tasks(&self) -> Result<usize, StoreError> {
        self.store.fail_lost_tasks("http", INTERRUPTED, self.clock.now_ms()).await
    }

    /// Lets tasks come to their end for a while, then ends them.
    pub async fn finish_tasks(&self) {
        self.tasks.tracker.close();
        if tokio::time::timeout(PATIENCE, self.tasks.tracker.wait()).await.is_err() {
            self.tasks.stop.cancel();
            self.tasks.tracker.wait().await;
        }
    }

    /// The longest the call may take, with slack.
    fn limit_of(&self, call: &LongCall, now: i64) -> Duration {
        let offers = self.catalogue.offers(&call.caller);
        offers.meant(&call.tool, now).map_or(Duration::from_mins(5), |offer| offer.timeout) + SLACK
    }

    async fn work(self: Arc<Self>, id: String, running: Arc<Running>, call: LongCall) {
        let LongCall { caller, tool, arguments, client } = call;
        let teller = Teller { dispatch: &self, running: &running };
        let call = Call { caller: &caller, tool: &tool, arguments, client, progress: &teller };
        let end = tokio::select! {
            outcome = self.call(call) => settled(outcome),
            () = running.cancel.cancelled() => Settled { state: TaskState::Cancelled, answer: None, failure: None, note: None },
            () = self.tasks.stop.cancelled() => Settled { state: TaskState::Failed, answer: None, failure: Some(INTERRUPTED.into()), note: None },
        };
        self.settle(&id, end).await;
        self.tasks.lock().remove(&id);
    }

    /// A busy database is waited for; what cannot be written at all shows as interrupted at the task's deadline.
    async fn settle(&self, id: &str, end: Settled) {
        let mut pause = PAUSE;
        for _ in 0..TRIES {
            match self.store.settle_task(id, end.clone(), self.clock.now_ms()).await {
                Ok(_) => return,
                Err(error) => tracing::error!(%error, "the end of a task cannot be written"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    fn view(&self, row: TaskRow, now: i64) -> TaskView {
        let said = self.tasks.running(&row.id).and_then(|running| running.said.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let (message, updated_at) = match said {
            Some((message, at)) if row.state == TaskState::Working => (Some(message), at.max(row.updated_at)),
            _ => (None, row.updated_at),
        };
        TaskView {
            message,
            updated_at,
            created_at: row.created_at,
            ttl_ms: row.expires_at - row.created_at,
            poll: self.tasks.settings.poll,
            id: row.id.clone(),
            state: outcome(row, now),
        }
    }
}

/// Keeps what a running task says.
struct Teller<'a> {
    dispatch: &'a Dispatch,
    running: &'a Running,
}

#[async_trait]
impl Progress for Teller<'_> {
    async fn report(&self, percent: u8, what: &str) {
        let said = (format!("{percent} % · {what}"), self.dispatch.clock.now_ms());
        *self.running.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
    }
}

const INTERRUPTED: &str = "任务被中断：服务在完成前停止，没有结果；请重新调用该工具。 / The task was interrupted: the server stopped before it was done, and there is no result. Call the tool again.";

fn settled(outcome: Outcome) -> Settled {
    let (outcome, note) = outcome.and_note();
    let note = note.and_then(|note| serde_json::to_string(&note).ok());
    match outcome {
        Outcome::Answer(json) => Settled { state: TaskState::Completed, answer: Some(json), failure: None, note },
        Outcome::UnknownTool(text) => Settled { state: TaskState::Failed, answer: None, failure: Some(text), note },
        Outcome::Limited(exceeded) => Settled { state: TaskState::Failed, answer: None, failure: Some(exceeded.to_string()), note },
        Outcome::Failed(text) => Settled { state: TaskState::Completed, answer: None, failure: Some(text), note },
        // `and_note` took it apart.
        Outcome::Noted(..) => Settled { state: TaskState::Failed, answer: None, failure: None, note },
    }
}

fn outcome(row: TaskRow, now: i64) -> TaskOutcome {
    let note = row.note.as_deref().and_then(|note| serde_json::from_str::<Note>(note).ok());
    match (row.state, row.answer) {
        (TaskState::Working, _) if row.deadline_at <= now => TaskOutcome::Failed(INTERRUPTED.into()),
        (TaskState::Working, _) => TaskOutcome::Working,
        (TaskState::Cancelled, _) => TaskOutcome::Cancelled,
        (TaskState::Failed, _) => TaskOutcome::Failed(row.failure.unwrap_or_default()),
        (TaskState::Completed, Some(json)) => TaskOutcome::Completed(Outcome::Answer(json).noted(note)),
        (TaskState::Completed, None) => TaskOutcome::Completed(Outcome::Failed(row.failure.unwrap_or_default()).noted(note)),
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
