//! The welcome's ladder: chosen agent, fallback agent, segment's template, static text. Each rung gets the time that is
//! left, and the last two need none, so that the welcome is there by the deadline whatever the agents do (PRD 9.1).

use std::{pin::Pin, time::Duration};

use tokio::time::Instant;

use super::{
    choice::segment,
    desk::{Answered, NoAnswer, Question},
    facts,
    run::Job,
};
use crate::{
    queue::JobError,
    settings::LateAnswer,
    store::{agents::Agent, registrations::Registration, runs::Welcome},
};

/// Kept back from the deadline for storing and delivering the message.
const RESERVE: Duration = Duration::from_millis(300);

/// A question whose answer is still to come after the deadline.
pub(super) type Pending<'a> = Pin<Box<dyn Future<Output = Result<Answered, NoAnswer>> + Send + 'a>>;

/// The welcome, and what may still come.
pub(super) struct Climbed<'a> {
    pub(super) welcome: Welcome,
    pub(super) pending: Option<Pending<'a>>,
    /// Tools the agent called.
    pub(super) tools: Vec<String>,
}

/// When the welcome must be composed, and until when an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) deadline: Instant,
    pub(super) limit: Instant,
}

impl Times {
    /// The times of a run, on the clock that never jumps.
    pub(super) fn of(job: &Job<'_>, run: &Registration) -> Self {
        let (now_ms, now) = (job.runner.clock.now_ms(), Instant::now());
        let at = |ms: i64| now + Duration::from_millis(u64::try_from(ms - now_ms).unwrap_or_default());
        let welcome = &job.settings.welcome;
        let left = Duration::from_millis(u64::try_from(run.deadline_at - now_ms).unwrap_or_default());
        let deadline = now + left.saturating_sub(RESERVE);
        let limit = match welcome.late_answer {
            LateAnswer::Drop => deadline,
            LateAnswer::Append | LateAnswer::ReplaceUnread => at(run.accepted_at + welcome.total_limit.as_ms()).max(deadline),
        };
        Self { deadline, limit }
    }
}

/// One question of the ladder.
struct Rung<'a> {
    agent: &'a Agent,
    name: &'static str,
}

/// Climbs until there is a welcome.
pub(super) async fn climb<'a>(job: &'a Job<'a>, run: &'a Registration) -> Result<Climbed<'a>, JobError> {
    let times = Times::of(job, run);
    let mut reasons = Vec::new();
    if let Some(found) = super::desk::recover(job, run, times.deadline).await? {
        return Ok(by_agent(found, "the answer of an interrupted question was found at Dify"));
    }
    if !job.settings.welcome.ask_agents {
        return template(job, run, "agents are not asked (setting welcome.ask_agents)".into(), None);
    }
    let chosen = job.runner.desk.agents().for_user(&run.profile.user_id)?;
    let Some(first) = chosen.first() else { return template(job, run, "no agent is enabled".into(), None) };
    let mut rungs = vec![Rung { agent: first, name: "agent" }];
    rungs.extend(chosen.fallback().map(|agent| Rung { agent, name: "fallback_agent" }));
    // A failure that may pass is worth a second question, when everybody else was asked.
    rungs.push(Rung { agent: first, name: "agent" });
    let mut again_at = None;
    for (n, rung) in rungs.into_iter().enumerate() {
        if n > 0 && rung.name == "agent" {
            match again_at {
                None => break,
                Some(at) if at >= times.deadline => {
                    reasons.push(format!("{}: it may be asked again only after the deadline", rung.agent.app_name));
                    break;
                }
                Some(at) => tokio::time::sleep_until(at).await,
            }
        }
        if Instant::now() >= times.deadline {
            reasons.push("the deadline had passed before an agent could be asked".to_owned());
            break;
        }
        let question = Question { run, agent: rung.agent.clone(), rung: rung.name, times };
        let mut asking: Pending<'a> = Box::pin(job.runner.desk.ask(job, question));
        match tokio::time::timeout_at(times.deadline, &mut asking).await {
            Ok(Ok(answered)) => return Ok(by_agent(answered, "the agent answered in time")),
            Ok(Err(no)) => {
                if rung.name == "agent" {
                    again_at = no.again_at;
                }
                reasons.push(format!("{}: {}", rung.agent.app_name, no.reason));
            }
            Err(_late) => {
                reasons.push(format!("{}: no answer by the deadline", rung.agent.app_name));
                // Also when its answer will be dropped: it still has to stop the agent and to write its end down.
                return template(job, run, reasons.join("; "), Some(asking));
            }
        }
    }
    template(job, run, reasons.join("; "), None)
}

fn by_agent(answered: Answered, reason: &str) -> Climbed<'static> {
    Climbed {
        welcome: Welcome { text: answered.text, rung: answered.rung, reason: reason.to_owned() },
        pending: None,
        tools: answered.tools,
    }
}

/// The segment's template, else the static text.
fn template<'a>(job: &Job<'_>, run: &Registration, reason: String, pending: Option<Pending<'a>>) -> Result<Climbed<'a>, JobError> {
    let welcome = &job.settings.welcome;
    let template = run.segment.as_ref().and_then(|segment| welcome.segment_templates.get(segment));
    let facts = facts::known(&job.runner.store, run)?;
    let welcome = match template.and_then(|template| segment::welcome(template, &facts)) {
        Some(text) => Welcome { text, rung: "segment", reason },
        None => Welcome { text: welcome.static_text.clone(), rung: "static", reason },
    };
    Ok(Climbed { welcome, pending, tools: Vec::new() })
}
