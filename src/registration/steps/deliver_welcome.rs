//! Step 3: the welcome becomes a message of the conversation, a frame on the customer's connection, and an event.

use serde_json::json;

use crate::{
    drill,
    ids::new_id,
    queue::JobError,
    registration::run::{Job, Try, span_of},
    store::{registrations::Registration, runs::NewMessage},
    telemetry::figures,
};

const STEP: &str = "deliver_welcome";

pub(in crate::registration) async fn deliver_welcome(job: &Job<'_>, run: &Registration) -> Result<(), JobError> {
    let this = Try::begin(job, STEP);
    let runner = job.runner;
    let clock = runner.clock.as_ref();
    let said = json!({"text": run.welcome_text, "rung": run.welcome_rung, "sender_type": "ai"});
    let message = NewMessage { id: new_id(clock), event: runner.announcer.event(clock, run, "message.created", said) };
    drill::point("deliver_welcome.before_commit");
    match runner.store.deliver_welcome(run, message, this.done(json!({}))).await {
        Ok(message) => {
            drill::point("deliver_welcome.after_commit");
            runner.wake.notify_one();
            runner.connected.look(std::slice::from_ref(&run.profile.user_id));
            let since_acceptance_ms = clock.now_ms() - run.accepted_at;
            figures::notices("message", 1);
            figures::welcome_stored(span_of(since_acceptance_ms));
            tracing::info!(
                registration.id = run.id,
                user.id = run.profile.user_id,
                message.id = message,
                since_acceptance_ms,
                "欢迎消息已送达会话 / welcome stored"
            );
            Ok(())
        }
        Err(error) => Err(this.failed(job, &run.id, error.into()).await),
    }
}
