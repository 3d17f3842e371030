//! The answer to a question whose process ended or whose stream broke: Dify may have it.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Answered, NoAnswer,
    exchange::Thoughts,
    question::{dify_user, judged, stop},
};
use crate::{
    outbound::dify::{Answer, DifyClient, Lost},
    queue::JobError,
    registration::run::Job,
    store::{
        agent_calls::{AgentCall, AgentCallEnd, DifyIds},
        agents::Agent,
        registrations::Registration,
    },
};

/// How long the look for a lost answer may take when there is no deadline to keep.
const LOOK: Duration = Duration::from_secs(2);
/// And while a customer waits: whoever has no answer must still be asked again.
const QUICK_LOOK: Duration = Duration::from_millis(500);

/// The answer to a question that was cut off with its process, if Dify has it. Every open question is closed.
pub(in crate::registration) async fn recover(job: &Job<'_>, run: &Registration, until: Instant) -> Result<Option<Answered>, JobError> {
    // An answer that was heard and not yet kept is at Dify as well: it is fetched, and nobody is asked twice.
    let open = |call: &AgentCall| call.state == "asked" || (call.state == "answered" && run.welcome_text.is_none());
    let open: Vec<AgentCall> = job.runner.store.agent_calls(&run.id)?.into_iter().filter(open).collect();
    if open.is_empty() {
        return Ok(None);
    }
    let agents = job.runner.store.agents()?;
    let mut found = None;
    for call in open {
        let agent = agents.iter().find(|agent| agent.id == call.agent_id);
        let answer = match agent {
            Some(agent) if found.is_none() => look_for(job, run, agent, &call, until).await,
            _ => None,
        };
        let rung = if call.rung == "agent" { "agent" } else { "fallback_agent" };
        let (end, outcome) = match answer {
            Some(answer) => {
                let (end, outcome) = judged(job, &answer, rung, Instant::now() > until);
                (AgentCallEnd { heard: Thoughts::found(&answer.thoughts).rows(job.runner.desk.words), ..end }, outcome)
            }
            None => (AgentCallEnd { state: "unknown", ..AgentCallEnd::default() }, Err(NoAnswer::because("unknown"))),
        };
        let duration_ms = job.runner.clock.now_ms() - call.started_at;
        job.runner.store.end_agent_call(&call.id, AgentCallEnd { duration_ms, ..end }).await?;
        found = found.or(outcome.ok());
    }
    Ok(found)
}

async fn look_for(job: &Job<'_>, run: &Registration, agent: &Agent, call: &AgentCall, until: Instant) -> Option<Answer> {
    let client = job.runner.desk.agents().client(agent).ok()?;
    let ids = DifyIds {
        task_id: call.task_id.clone(),
        conversation_id: call.dify_conversation_id.clone(),
        message_id: call.dify_message_id.clone(),
    };
    let limit = if until > Instant::now() { until } else { Instant::now() + LOOK };
    look(&client, &ids, &dify_user(&run.id), limit).await
}

/// Until when to look for the answer of a question of this process.
pub(super) fn look_until(deadline: Instant) -> Instant {
    let now = Instant::now();
    if now < deadline { deadline.min(now + QUICK_LOOK) } else { now + LOOK }
}

/// Looks once; then asks Dify to stop a run that is still going on, since another one will take its place.
pub(super) async fn look(client: &DifyClient, ids: &DifyIds, user: &str, limit: Instant) -> Option<Answer> {
    let lost = Lost { conversation_id: ids.conversation_id.as_deref(), message_id: ids.message_id.as_deref(), user };
    let found = match tokio::time::timeout_at(limit, client.find_answer(lost)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the answer of a broken question could not be looked for");
            None
        }
        Err(_) => None,
    };
    if found.is_none()
        && let Some(task) = &ids.task_id
    {
        stop(client, task, user).await;
    }
    found
}
