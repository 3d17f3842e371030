//! Step 3: the welcome becomes a message of the conversation, and an event for other systems.

use serde_json::json;

use crate::{
    clock::rfc3339,
    ids::new_id,
    queue::JobError,
    registration::{
        EVENT_JOB,
        run::{Runner, Try},
    },
    store::registrations::{OutgoingEvent, Registration},
};

const STEP: &str = "deliver_welcome";

pub(in crate::registration) async fn deliver_welcome(runner: &Runner, run: &Registration, attempt: u32) -> Result<(), JobError> {
    let this = Try::begin(runner, STEP, attempt);
    let message_id = new_id(runner.clock.as_ref());
    let event = runner.settings.events.then(|| event(runner, run));
    match runner.store.deliver_welcome(run, message_id, event, this.done(json!({}))).await {
        Ok(message) => {
            runner.wake.notify_one();
            let since_acceptance_ms = runner.clock.now_ms() - run.accepted_at;
            tracing::info!(
                registration.id = run.id,
                user.id = run.profile.user_id,
                message.id = message,
                since_acceptance_ms,
                "欢迎消息已送达会话 / welcome stored"
            );
            Ok(())
        }
        Err(error) => Err(this.failed(runner, &run.id, error.into()).await),
    }
}

/// `welcome.sent` after Standard Webhooks: type, timestamp, data. The message's id is added in the same transaction.
fn event(runner: &Runner, run: &Registration) -> OutgoingEvent {
    OutgoingEvent {
        id: format!("msg_{}", new_id(runner.clock.as_ref())),
        job_id: new_id(runner.clock.as_ref()),
        job_kind: EVENT_JOB,
        kind: "welcome.sent",
        payload: json!({
            "type": "welcome.sent",
            "timestamp": rfc3339(runner.clock.now_ms()),
            "data": {
                "registration_id": run.id,
                "user_id": run.profile.user_id,
                "conversation_id": run.conversation_id,
                "text": run.welcome_text,
                "rung": run.welcome_rung,
            },
        }),
    }
}
