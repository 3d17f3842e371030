//! Step 4: a notification for every consultant (R003, PRD 4.4.1). Does not wait for the welcome.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    queue::JobError,
    registration::{
        profile::safe_name,
        run::{Runner, Try},
    },
    settings::Notice,
    store::registrations::Registration,
};

const STEP: &str = "notify_consultants";

pub(in crate::registration) async fn notify_consultants(runner: &Runner, run: &Registration, attempt: u32) -> Result<(), JobError> {
    if runner.is_done(&run.id, STEP)? {
        return Ok(());
    }
    let this = Try::begin(runner, STEP, attempt);
    let payload = payload(runner, run, &runner.settings.book.current()?.notice);
    match runner.store.notify_consultants(&run.id, payload, this.done(json!({}))).await {
        Ok(consultants) => {
            tracing::info!(registration.id = run.id, user.id = run.profile.user_id, consultants, "顾问通知发送完成 / consultants notified");
            Ok(())
        }
        Err(error) => Err(this.failed(runner, &run.id, error.into()).await),
    }
}

/// The PRD's payload. Names and contact data stay out: the conversation shows them to those who may see them.
fn payload(runner: &Runner, run: &Registration, notice: &Notice) -> Value {
    let conversation = run.conversation_id.as_deref().unwrap_or_default();
    let link = notice.link_template.as_ref().map(|link| link.replace("{conversation_id}", conversation));
    json!({
        "type": "new_customer",
        "title": notice.title,
        "message": notice.message.replace("{username}", &safe_name(&run.profile.username)),
        "customer_id": run.profile.user_id,
        "conversation_id": conversation,
        "conversation_link": link,
        "expected_response_seconds": notice.expected_response.as_secs(),
        "timestamp": rfc3339(runner.clock.now_ms()),
        "action": "claim_customer",
    })
}
