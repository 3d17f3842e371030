//! Step 1: the user's row and the default conversation (R001).

use crate::{
    ids::new_id,
    queue::JobError,
    registration::run::{Runner, Try},
    store::registrations::Registration,
};

const STEP: &str = "open_conversation";

pub(in crate::registration) async fn open_conversation(runner: &Runner, run: &Registration, attempt: u32) -> Result<(), JobError> {
    let this = Try::begin(runner, STEP, attempt);
    let user = &run.profile.user_id;
    tracing::info!(registration.id = run.id, user.id = user, "用户注册自动化开始 / registration automation begins");
    let id = new_id(runner.clock.as_ref());
    let settings = runner.settings.book.current()?;
    let opened = runner.store.open_conversation(run, id, &settings.conversation.title, this.done(serde_json::json!({}))).await;
    match opened {
        Ok(conversation) => {
            let since_acceptance_ms = runner.clock.now_ms() - run.accepted_at;
            tracing::info!(
                registration.id = run.id,
                user.id = user,
                conversation.id = conversation,
                since_acceptance_ms,
                "默认会话创建成功 / default conversation opened"
            );
            Ok(())
        }
        Err(error) => Err(this.failed(runner, &run.id, error.into()).await),
    }
}
