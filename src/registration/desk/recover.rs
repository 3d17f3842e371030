//! The answer to a question whose process ended: Dify may have it.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Answered, NoAnswer,
    question::{dify_user, judged, stop},
};
use crate::{
    outbound::dify::{Answer, Lost},
    queue::JobError,
    registration::run::Job,
    store::{
        agent_calls::{AgentCall, AgentCallEnd},
        agents::Agent,
        registrations::Registration,
    },
};

/// How long the look for a lost answer may take when there is no deadline to keep.
const LOOK: Duration = Duration::from_secs(2);

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
            Some(agent) if found.is_none() => look(job, run, agent, &call, until).await,
            _ => None,
        };
        let rung = if call.rung == "agent" { "agent" } else { "fallback_agent" };
        let (end, outcome) = match answer {
            Some(answer) => judged(job, &answer, rung, Instant::now() > until),
            None => (AgentCallEnd { state: "unknown", ..AgentCallEnd::default() }, Err(NoAnswer::because("unknown"))),
        };
        let duration_ms = job.runner.clock.now_ms() - call.started_at;
        job.runner.store.end_agent_call(&call.id, AgentCallEnd { duration_ms, ..end }).await?;
        found = found.or(outcome.ok());
    }
    Ok(found)
}

/// Looks once; then asks Dify to stop a run that is still going on, since another one will take its place.
async fn look(job: &Job<'_>, run: &Registration, agent: &Agent, call: &AgentCall, until: Instant) -> Option<Answer> {
    let client = job.runner.desk.agents().client(agent).ok()?;
    let user = dify_user(&run.id);
    let lost = Lost { conversation_id: call.dify_conversation_id.as_deref(), message_id: call.dify_message_id.as_deref(), user: &user };
    let limit = if until > Instant::now() { until } else { Instant::now() + LOOK };
    let found = tokio::time::timeout_at(limit, client.find_answer(lost)).await.ok()?.ok()?;
    if found.is_none()
        && let Some(task) = &call.task_id
    {
        stop(&client, task, &user).await;
    }
    found
}
