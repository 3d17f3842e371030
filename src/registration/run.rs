//! One registration's job: look at what is done, do what is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Connected, announce::Announcer, desk::Desk, ladder::Pending, steps};
use crate::{
    clock::SharedClock,
    drill,
    queue::{Handler, JobError},
    settings::{Book, Settings},
    store::{
        Store,
        registrations::{Registration, StepRecord},
    },
    telemetry::{
        figures,
        trace::{self, Done, Place, Span},
    },
};

/// Carries registrations through their steps.
pub struct Runner {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) desk: Arc<Desk>,
    pub(super) book: Book,
    pub(super) connected: Arc<dyn Connected>,
    pub(super) announcer: Announcer,
    pub(super) wake: Arc<tokio::sync::Notify>,
}

/// What a runner works with.
pub struct RunnerParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Where agents are asked.
    pub desk: Arc<Desk>,
    /// The settings.
    pub book: Book,
    /// Who is connected.
    pub connected: Arc<dyn Connected>,
    /// Whether events are sent to other systems.
    pub events: bool,
    /// Tells the queue that a step added a job.
    pub wake: Arc<tokio::sync::Notify>,
}

/// One try at one run, with the settings it began with.
pub(super) struct Job<'a> {
    pub(super) runner: &'a Runner,
    pub(super) settings: Arc<Settings>,
    pub(super) attempt: u32,
    /// What is done for it belongs here in a trace.
    pub(super) place: Option<Place>,
}

impl Runner {
    /// A runner of these parts.
    pub fn new(parts: RunnerParts) -> Self {
        let RunnerParts { store, clock, desk, book, connected, events, wake } = parts;
        Self { store, clock, desk, book, connected, announcer: Announcer { on: events }, wake }
    }

    fn load(&self, id: &str) -> Result<Registration, JobError> {
        self.store.registration(id)?.ok_or_else(|| JobError::Fatal(format!("the registration {id} is not in the database")))
    }

    /// Whether a step is on record as done.
    pub(super) fn is_done(&self, id: &str, step: &str) -> Result<bool, JobError> {
        Ok(self.store.registration_steps(id)?.iter().any(|record| record.step == step && record.state == "done"))
    }
}

impl Job<'_> {
    async fn carry(&self, run: Registration) -> Result<(), JobError> {
        match run.state.as_str() {
            "accepted" => self.carry_on(run).await,
            // The welcome is there; an answer that was still awaited when the process ended may have come since.
            "done_with_fallback" if run.late_outcome.is_none() => steps::look_for_late_answer(self, &run).await,
            _ => Ok(()),
        }
    }

    /// The welcome's branch and the consultants' branch side by side: neither waits for the other.
    async fn carry_on(&self, run: Registration) -> Result<(), JobError> {
        if run.conversation_id.is_none() {
            steps::open_conversation(self, &run).await?;
            self.runner.wake.notify_one();
        }
        let run = self.runner.load(&run.id)?;
        let (pending, notice) = tokio::join!(self.welcome(&run), steps::notify_consultants(self, &run));
        let pending = pending?;
        notice?;
        let run = self.runner.load(&run.id)?;
        self.finish(&run).await?;
        match pending {
            Some(pending) => steps::late_answer(self, &run, pending).await,
            // An earlier try may have been cut off while its question was still open.
            None => steps::look_for_late_answer(self, &run).await,
        }
    }

    async fn welcome<'a>(&'a self, run: &'a Registration) -> Result<Option<Pending<'a>>, JobError> {
        let pending = if run.welcome_text.is_none() { steps::compose_welcome(self, run).await? } else { None };
        let run = self.runner.load(&run.id)?;
        if run.welcome_message_id.is_none() {
            steps::deliver_welcome(self, &run).await?;
        }
        Ok(pending)
    }

    async fn finish(&self, run: &Registration) -> Result<(), JobError> {
        let by_agent = matches!(run.welcome_rung.as_deref(), Some("agent" | "fallback_agent"));
        let state = if by_agent { "done" } else { "done_with_fallback" };
        let said = json!({"state": state, "rung": run.welcome_rung, "message_id": run.welcome_message_id});
        let runner = self.runner;
        let event = runner.announcer.event(runner.clock.as_ref(), run, "registration.completed", said);
        drill::point("finish.before_commit");
        runner.store.finish_registration(&run.id, state, event, runner.clock.now_ms()).await?;
        drill::point("finish.after_commit");
        figures::registration(state);
        runner.wake.notify_one();
        Ok(())
    }
}

#[async_trait]
impl Handler for Runner {
    async fn run(&self, subject_id: &str, attempt: u32) -> Result<(), JobError> {
        let settings = self.book.current()?;
        let run = self.load(subject_id)?;
        let parent = run.traceparent.as_deref().and_then(Place::read);
        let mut span = Span::begin("registration", trace::Kind::Consumer, parent);
        span.set("anmei.registration.id", run.id.clone());
        span.set("anmei.attempt", i64::from(attempt));
        let carried = Job { runner: self, settings, attempt, place: span.place() }.carry(run).await;
        if carried.is_err() {
            span.failed("failed");
        }
        carried
    }

    fn delay(&self, attempt: u32) -> Option<Duration> {
        self.book.retry_delay(attempt)
    }

    fn jitter(&self) -> f64 {
        self.book.current().unwrap_or_default().retry.jitter
    }

    async fn given_up(&self, subject_id: &str, error: &JobError) {
        tracing::error!(registration.id = subject_id, %error, "注册自动化最终失败 / a registration was given up; an administrator must look at it");
        let event = match self.store.registration(subject_id) {
            Ok(Some(run)) => self.announcer.event(self.clock.as_ref(), &run, "registration.failed", json!({"error": error.to_string()})),
            _ => None,
        };
        match self.store.finish_registration(subject_id, "dead_letter", event, self.clock.now_ms()).await {
            Ok(()) => figures::registration("dead_letter"),
            Err(error) => tracing::error!(registration.id = subject_id, %error, "the dead letter could not be recorded"),
        }
    }
}

/// One try of a step that is going on. Timed from here to where it is dropped, unless it came to nothing.
pub(super) struct Try {
    step: &'static str,
    attempt: u32,
    started_at: i64,
    began: Instant,
    place: Option<Place>,
    ending: AtomicU8,
}

/// Nothing was recorded of the try.
const OPEN: u8 = 0;
/// It worked.
const WORKED: u8 = 1;
/// It failed.
const FAILED: u8 = 2;

impl Drop for Try {
    fn drop(&mut self) {
        let outcome = match self.ending.load(Ordering::Relaxed) {
            WORKED => "done",
            FAILED => "failed",
            _ => return,
        };
        let took = self.began.elapsed();
        figures::step(self.step, outcome, took);
        let error_type = (outcome == "failed").then_some(outcome);
        Done { name: self.step.into(), kind: trace::Kind::Internal, parent: self.place, took, attributes: Vec::new(), error_type }.send();
    }
}

impl Try {
    pub(super) fn begin(job: &Job<'_>, step: &'static str) -> Self {
        Self {
            step,
            attempt: job.attempt,
            started_at: job.runner.clock.now_ms(),
            began: Instant::now(),
            place: job.place,
            ending: AtomicU8::new(OPEN),
        }
    }

    /// The record of a try that worked.
    pub(super) fn done(&self, detail: Value) -> StepRecord {
        self.record("done", detail, None)
    }

    /// The same, of work that ended at another time than it began.
    pub(super) fn done_now(&self, job: &Job<'_>, detail: Value) -> StepRecord {
        StepRecord { started_at: job.runner.clock.now_ms(), ..self.record("done", detail, None) }
    }

    /// Records that the try failed, and hands the error on.
    pub(super) async fn failed(&self, job: &Job<'_>, id: &str, error: JobError) -> JobError {
        let record = self.record("failed", Value::Object(serde_json::Map::new()), Some(error.to_string()));
        if let Err(unrecorded) = job.runner.store.record_failed_step(id, record).await {
            tracing::error!(registration.id = id, step = self.step, error = %unrecorded, "a failed step could not be recorded");
        }
        error
    }

    fn record(&self, state: &str, detail: Value, error: Option<String>) -> StepRecord {
        self.ending.store(if state == "done" { WORKED } else { FAILED }, Ordering::Relaxed);
        StepRecord {
            step: self.step.into(),
            attempt: self.attempt,
            state: state.into(),
            started_at: self.started_at,
            duration_ms: 0,
            began: Some(self.began),
            detail,
            error,
        }
    }
}

/// A span of the wall clock, which may have been set back meanwhile.
pub(super) fn span_of(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
