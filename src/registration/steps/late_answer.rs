//! After the deadline: an agent's answer that comes within the total limit follows the welcome, takes the place of an
//! unread one, or is left, as the setting says.

use serde_json::json;
use tokio::time::Instant;

use crate::{
    drill,
    ids::new_id,
    queue::JobError,
    registration::{
        desk,
        ladder::Pending,
        run::{Job, Try},
    },
    settings::LateAnswer,
    store::{
        registrations::Registration,
        runs::{LateText, NewMessage},
    },
    telemetry::figures,
};

const STEP: &str = "late_answer";

/// Waits for the answer that was under way at the deadline.
pub(in crate::registration) async fn late_answer(job: &Job<'_>, run: &Registration, pending: Pending<'_>) -> Result<(), JobError> {
    let this = Try::begin(job, STEP);
    match pending.await {
        Ok(answered) => use_text(job, run, &this, answered.text).await,
        Err(no) if job.settings.welcome.late_answer == LateAnswer::Drop => leave(job, run, &this, "dropped", &no.reason).await,
        Err(no) => leave(job, run, &this, "failed", &no.reason).await,
    }
}

/// Looks for the answer of a question that was cut off together with its process.
pub(in crate::registration) async fn look_for_late_answer(job: &Job<'_>, run: &Registration) -> Result<(), JobError> {
    let this = Try::begin(job, STEP);
    let asked = job.runner.store.agent_calls(&run.id)?.iter().any(|call| call.state == "asked");
    if !asked {
        return Ok(());
    }
    match desk::recover(job, run, Instant::now()).await? {
        Some(answered) => use_text(job, run, &this, answered.text).await,
        None => leave(job, run, &this, "failed", "the question was cut off and Dify has no answer to it").await,
    }
}

async fn use_text(job: &Job<'_>, run: &Registration, this: &Try, text: String) -> Result<(), JobError> {
    let replace_unread = match job.settings.welcome.late_answer {
        LateAnswer::Drop => return leave(job, run, this, "dropped", "late answers are dropped (setting welcome.late_answer)").await,
        LateAnswer::Append => false,
        LateAnswer::ReplaceUnread => true,
    };
    let runner = job.runner;
    let clock = runner.clock.as_ref();
    let said = json!({"text": text, "rung": "agent", "sender_type": "ai", "follows_welcome": true});
    let message = NewMessage { id: new_id(clock), event: runner.announcer.event(clock, run, "message.created", said) };
    drill::point("late_answer.before_commit");
    let late = LateText { text, replace_unread, message };
    let outcome = runner.store.use_late_text(run, late, this.done_now(job, json!({}))).await?;
    drill::point("late_answer.after_commit");
    figures::notices("message", 1);
    runner.wake.notify_one();
    runner.connected.look(std::slice::from_ref(&run.profile.user_id));
    tracing::info!(registration.id = run.id, user.id = run.profile.user_id, outcome, "迟到的智能体回复已处理 / a late answer was used");
    Ok(())
}

async fn leave(job: &Job<'_>, run: &Registration, this: &Try, outcome: &'static str, reason: &str) -> Result<(), JobError> {
    let record = this.done_now(job, json!({"outcome": outcome, "reason": reason}));
    job.runner.store.leave_late_text(&run.id, outcome, record).await?;
    Ok(())
}
