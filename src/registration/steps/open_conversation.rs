//! Step 1: the user's row, the default conversation (R001), and the id that stands for the user towards agents.

use crate::{
    drill,
    ids::{new_id, subject_id},
    queue::JobError,
    registration::{
        choice::segment::Segment,
        facts,
        run::{Job, Try},
    },
    secret::random_bytes,
    store::{registrations::Registration, runs::Opening},
};

const STEP: &str = "open_conversation";
/// How much longer than the run an agent may still ask about its customer.
const SUBJECT_GRACE_MS: i64 = 60_000;

pub(in crate::registration) async fn open_conversation(job: &Job<'_>, run: &Registration) -> Result<(), JobError> {
    let this = Try::begin(job, STEP);
    let user = &run.profile.user_id;
    tracing::info!(registration.id = run.id, user.id = user, "用户注册自动化开始 / registration automation begins");
    let opening = opening(job, run)?;
    drill::point("open_conversation.before_commit");
    match job.runner.store.open_conversation(run, opening, this.done(serde_json::json!({}))).await {
        Ok(conversation) => {
            drill::point("open_conversation.after_commit");
            let since_acceptance_ms = job.runner.clock.now_ms() - run.accepted_at;
            tracing::info!(
                registration.id = run.id,
                user.id = user,
                conversation.id = conversation,
                since_acceptance_ms,
                "默认会话创建成功 / default conversation opened"
            );
            Ok(())
        }
        Err(error) => Err(this.failed(job, &run.id, error.into()).await),
    }
}

fn opening(job: &Job<'_>, run: &Registration) -> Result<Opening, JobError> {
    let (runner, settings) = (job.runner, &job.settings);
    let clock = runner.clock.as_ref();
    let facts = facts::known(&runner.store, run)?;
    let chosen = runner.desk.agents().for_user(&run.profile.user_id)?;
    let assigned = settings.conversation.agent.as_ref().and_then(|name| chosen.named(name));
    let subject = random_bytes::<16>().map_err(|error| JobError::Retry { why: error.to_string(), after: None })?;
    let agent_id = chosen.first().map(|agent| agent.id.clone());
    Ok(Opening {
        conversation_id: new_id(clock),
        title: settings.conversation.title.clone(),
        ai_controlled: settings.conversation.ai_controlled,
        assigned_agent: assigned.or_else(|| agent_id.clone()),
        agent_id,
        segment: Segment::of(&facts).as_str().to_owned(),
        subject_id: subject_id(subject),
        subject_expires_at: clock.now_ms() + settings.welcome.total_limit.as_ms() + SUBJECT_GRACE_MS,
        event: runner.announcer.event(clock, run, "conversation.created", serde_json::json!({"title": settings.conversation.title})),
    })
}
