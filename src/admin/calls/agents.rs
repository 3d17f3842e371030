//! Agents: the Dify apps that may write a welcome, what each is set to, and what share of users it gets.
//!
//! ```text
//! change     adding one, changing what is set about it, replacing its key
//! check      asking the app who it is and what it wants to be given
//! weights    shares among agents: as they are, and as they would be
//! versions   what an agent was after each change, and going back to it
//! rollout    a candidate's share, and what the guard knows of it
//! figures    agents beside each other, over the runs they were chosen for
//! ```
//!
//! No view holds a key: it goes in, sealed, and never comes out.

mod change;
mod check;
mod figures;
mod rollout;
mod rules;
#[cfg(test)]
mod tests;
mod versions;
mod weights;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

pub use self::{
    change::AgentPatch,
    check::{AgentCheck, CheckedInput},
    figures::{AgentFigures, CostView, ShareView, SpreadView},
    rollout::{ComparedSide, RolloutView},
    rules::{read_input, write_inputs},
    versions::{AgentSettingsView, AgentVersionView, ChangedField},
    weights::{Weight, WeightRow, WeightsView},
};
use super::{CallError, Calls};
use crate::{
    clock::rfc3339,
    config::Bilingual,
    registration::{
        Standing,
        choice::{
            breaker::{Reason, State},
            pick::{Entrant, shares},
        },
        entrant,
    },
    store::agents::{Agent, Written},
};

/// An agent as it is set, and how it is doing.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentView {
    /// Its id.
    pub id: String,
    /// Name shown to people.
    pub name: String,
    /// Where it is used: only agents of the installation's environment are asked.
    pub environment: String,
    /// Dify's own id of the app.
    pub app_id: Option<String>,
    /// `chat`, `agent` or `workflow`.
    pub kind: String,
    /// Version of its prompt.
    pub version: String,
    /// `stable`, `candidate` or `fallback`.
    pub part: String,
    /// Share among those of the same part.
    pub weight: u32,
    /// Share of all users a candidate gets, in percent.
    pub rollout_percent: u32,
    /// When that share was last set.
    pub rollout_since: Option<String>,
    /// Root of the installation's API.
    pub base_url: String,
    /// The app's input, and which fact it gets, or a constant as `{"value": …}`. Empty: every fact under its own name.
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// Limit of one run, in seconds.
    pub timeout_seconds: u32,
    /// Limit until the first event, in milliseconds.
    pub first_byte_ms: u32,
    /// Longest silence within an answer, in milliseconds.
    pub stall_ms: u32,
    /// Runs at once: its places.
    pub max_concurrent: u32,
    /// Whether it may be chosen.
    pub enabled: bool,
    /// When it was added.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// Its version, as in `ETag`: a change names the one it was made on.
    pub revision: i64,
    /// Share of all users for whom it is asked first, from 0 to 1.
    pub share: f64,
    /// How it is doing; nothing before it is first asked, and beside a daemon.
    pub standing: Option<StandingView>,
}

/// How an agent is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StandingView {
    /// The breaker: `closed`, `open` or `half_open`.
    pub breaker: String,
    /// Why it is not closed.
    pub reason: Option<TextView>,
    /// How long it has not been closed, in milliseconds.
    pub trouble_ms: Option<i64>,
    /// Time until the agent is tried again, in milliseconds.
    pub probe_in_ms: Option<i64>,
    /// Failed calls within the breaker's window.
    pub failures: usize,
    /// Calls judged within the breaker's window.
    pub calls: usize,
    /// Questions it may still be asked at this moment.
    pub free_places: usize,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TextView {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl From<Bilingual> for TextView {
    fn from(text: Bilingual) -> Self {
        Self { zh: text.zh, en: text.en }
    }
}

impl TextView {
    pub(in crate::admin) fn of(&self, language: crate::config::Language) -> &str {
        match language {
            crate::config::Language::ZhCn => &self.zh,
            crate::config::Language::En => &self.en,
        }
    }
}

impl Calls {
    /// All agents, oldest first.
    pub fn agents(&self) -> Result<Vec<AgentView>, CallError> {
        let agents = self.store.agents()?;
        Ok(agents.iter().map(|agent| self.agent_view(agent, &agents)).collect())
    }

    /// One agent, by its name or its id.
    pub fn agent(&self, name: &str) -> Result<AgentView, CallError> {
        let agents = self.store.agents()?;
        let agent = named(&agents, name)?;
        Ok(self.agent_view(agent, &agents))
    }

    fn stored_agent(&self, name: &str) -> Result<Agent, CallError> {
        named(&self.store.agents()?, name).cloned()
    }

    fn agent_view(&self, agent: &Agent, all: &[Agent]) -> AgentView {
        let entrants: Vec<Entrant> = all.iter().map(entrant).collect();
        let share = shares(&entrants, &self.config.registration.environment).get(agent.id.as_str()).copied();
        let desk = self.running.as_ref().and_then(|running| running.desk.get());
        AgentView {
            id: agent.id.clone(),
            name: agent.app_name.clone(),
            environment: agent.environment.clone(),
            app_id: agent.app_id.clone(),
            kind: agent.kind.clone(),
            version: agent.version.clone(),
            part: agent.part.clone(),
            weight: agent.weight,
            rollout_percent: agent.rollout_percent,
            rollout_since: agent.rollout_since.map(rfc3339),
            base_url: agent.base_url.clone(),
            inputs: agent.inputs.clone(),
            timeout_seconds: agent.timeout_seconds,
            first_byte_ms: agent.first_byte_ms,
            stall_ms: agent.stall_ms,
            max_concurrent: agent.max_concurrent,
            enabled: agent.enabled,
            created_at: rfc3339(agent.created_at),
            updated_at: rfc3339(agent.updated_at),
            revision: agent.updated_at,
            share: rounded(share.unwrap_or_default()),
            standing: desk.and_then(|desk| desk.standing(&agent.id)).map(standing),
        }
    }

    /// What a change came to.
    fn agent_written(&self, written: Written) -> Result<AgentView, CallError> {
        let all = self.store.agents()?;
        match written {
            Written::Done(agent) => Ok(self.agent_view(&agent, &all)),
            Written::Stale(agent) => {
                Err(CallError::Stale { version: agent.updated_at, current: Box::new(json!(self.agent_view(&agent, &all))) })
            }
        }
    }
}

/// A share as it is shown: what is below a millionth is the sum's own rounding.
fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

fn named<'a>(agents: &'a [Agent], name: &str) -> Result<&'a Agent, CallError> {
    let found = agents.iter().find(|agent| agent.app_name == name).or_else(|| agents.iter().find(|agent| agent.id == name));
    found.ok_or_else(|| {
        CallError::not_found(format!("没有名为 {name} 的智能体"), format!("there is no agent {name}; `anmei-mcp agent list` shows them"))
    })
}

fn standing(standing: Standing) -> StandingView {
    let (breaker, reason) = match standing.view.state {
        State::Closed => ("closed", None),
        State::Open { reason, .. } => ("open", Some(reason)),
        State::HalfOpen { reason, .. } => ("half_open", Some(reason)),
    };
    StandingView {
        breaker: breaker.to_owned(),
        reason: reason.map(|reason| TextView { zh: reason_zh(reason), en: reason.to_string() }),
        trouble_ms: standing.trouble_ms,
        probe_in_ms: standing.probe_in_ms,
        failures: standing.view.failures,
        calls: standing.view.calls,
        free_places: standing.free_places,
    }
}

fn reason_zh(reason: Reason) -> String {
    match reason {
        Reason::Row { failures, .. } => format!("连续失败 {failures} 次"),
        Reason::Rate { failed, calls } => format!("{calls} 次调用中有 {failed} 次失败"),
        Reason::Fatal => "需要管理员处理的失败（例如密钥无效、额度用尽）".to_owned(),
    }
}
