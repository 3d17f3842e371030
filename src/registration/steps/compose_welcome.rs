//! Step 2: the welcome's text, by the deadline, whatever the agents do (R002, PRD 9.1).

use serde_json::json;

use crate::{
    drill,
    queue::JobError,
    registration::{
        ladder::{self, Climbed, Pending},
        run::{Job, Try},
    },
    store::registrations::Registration,
    telemetry::figures,
};

const STEP: &str = "compose_welcome";

/// Returns the question whose answer may still come.
pub(in crate::registration) async fn compose_welcome<'a>(job: &'a Job<'a>, run: &'a Registration) -> Result<Option<Pending<'a>>, JobError> {
    let this = Try::begin(job, STEP);
    let Climbed { welcome, pending, tools } = match ladder::climb(job, run).await {
        Ok(climbed) => climbed,
        Err(error) => return Err(this.failed(job, &run.id, error).await),
    };
    let user = &run.profile.user_id;
    let detail = json!({"rung": welcome.rung, "reason": welcome.reason, "tools": tools, "answer_may_follow": pending.is_some()});
    if matches!(welcome.rung, "agent" | "fallback_agent") {
        tracing::info!(
            registration.id = run.id,
            user.id = user,
            rung = welcome.rung,
            "Dify Agent欢迎消息生成成功 / the agent wrote the welcome"
        );
    } else {
        tracing::warn!(
            registration.id = run.id,
            user.id = user,
            rung = welcome.rung,
            reason = welcome.reason,
            "Dify Agent不可用，使用默认欢迎消息 / the default welcome is used"
        );
    }
    let rung = welcome.rung;
    match job.runner.store.keep_welcome(&run.id, welcome, this.done(detail)).await {
        Ok(()) => {
            figures::welcome(rung);
            drill::point("compose_welcome.after_commit");
            Ok(pending)
        }
        Err(error) => Err(this.failed(job, &run.id, error.into()).await),
    }
}
