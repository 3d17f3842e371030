//! One registration's job: look at what is done, do what is left.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use serde_json::Value;

use super::{agents::Agents, steps};
use crate::{
    clock::SharedClock,
    queue::{Handler, JobError},
    settings::Book,
    store::{
        Store,
        registrations::{Registration, StepRecord},
    },
};

/// What the automation says and does.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// The runtime settings.
    pub book: Book,
    /// Whether events are sent to other systems.
    pub events: bool,
}

/// Carries registrations through their steps.
pub struct Runner {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) agents: Agents,
    pub(super) settings: RunnerSettings,
    pub(super) wake: Arc<tokio::sync::Notify>,
}

impl Runner {
    /// A runner; `wake` tells the queue that a step added a job.
    pub fn new(store: Store, clock: SharedClock, agents: Agents, settings: RunnerSettings, wake: Arc<tokio::sync::Notify>) -> Self {
        Self { store, clock, agents, settings, wake }
    }

    pub(super) fn load(&self, id: &str) -> Result<Registration, JobError> {
        self.store.registration(id)?.ok_or_else(|| JobError::Fatal(format!("the registration {id} is not in the database")))
    }

    /// Does the welcome branch and the consultants' branch side by side: neither waits for the other.
    async fn carry(&self, id: &str, attempt: u32) -> Result<(), JobError> {
        let run = self.load(id)?;
        if run.state != "accepted" {
            return Ok(());
        }
        if run.conversation_id.is_none() {
            steps::open_conversation(self, &run, attempt).await?;
        }
        let run = self.load(id)?;
        let (welcome, notice) = tokio::join!(self.welcome(&run, attempt), steps::notify_consultants(self, &run, attempt));
        welcome.and(notice)?;
        let fallback = self.load(id)?.welcome_rung.as_deref() != Some("agent");
        let state = if fallback { "done_with_fallback" } else { "done" };
        self.store.finish_registration(id, state, self.clock.now_ms()).await?;
        Ok(())
    }

    async fn welcome(&self, run: &Registration, attempt: u32) -> Result<(), JobError> {
        if run.welcome_text.is_none() {
            steps::compose_welcome(self, run, attempt).await?;
        }
        let run = self.load(&run.id)?;
        if run.welcome_message_id.is_none() {
            steps::deliver_welcome(self, &run, attempt).await?;
        }
        Ok(())
    }

    /// Whether a step is on record as done.
    pub(super) fn is_done(&self, id: &str, step: &str) -> Result<bool, JobError> {
        Ok(self.store.registration_steps(id)?.iter().any(|record| record.step == step && record.state == "done"))
    }
}

#[async_trait]
impl Handler for Runner {
    async fn run(&self, subject_id: &str, attempt: u32) -> Result<(), JobError> {
        self.carry(subject_id, attempt).await
    }

    async fn given_up(&self, subject_id: &str, error: &JobError) {
        tracing::error!(registration.id = subject_id, %error, "注册自动化最终失败 / a registration was given up; an administrator must look at it");
        if let Err(error) = self.store.finish_registration(subject_id, "dead_letter", self.clock.now_ms()).await {
            tracing::error!(registration.id = subject_id, %error, "the dead letter could not be recorded");
        }
    }
}

/// One try of a step that is going on.
pub(super) struct Try {
    step: &'static str,
    attempt: u32,
    started_at: i64,
    began: Instant,
}

impl Try {
    pub(super) fn begin(runner: &Runner, step: &'static str, attempt: u32) -> Self {
        Self { step, attempt, started_at: runner.clock.now_ms(), began: Instant::now() }
    }

    /// The record of a try that worked.
    pub(super) fn done(&self, detail: Value) -> StepRecord {
        self.record("done", detail, None)
    }

    /// Records that the try failed, and hands the error on.
    pub(super) async fn failed(&self, runner: &Runner, id: &str, error: JobError) -> JobError {
        let record = self.record("failed", Value::Object(serde_json::Map::new()), Some(error.to_string()));
        if let Err(unrecorded) = runner.store.record_failed_step(id, record).await {
            tracing::error!(registration.id = id, step = self.step, error = %unrecorded, "a failed step could not be recorded");
        }
        error
    }

    fn record(&self, state: &str, detail: Value, error: Option<String>) -> StepRecord {
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
