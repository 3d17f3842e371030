//! Weights and the shares of users they come to: as they are, and as they would be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{named, rounded};
use crate::{
    admin::calls::{CallError, Calls, Field, said},
    registration::{
        choice::pick::{Entrant, shares},
        entrant,
    },
    store::{agents::Agent, audit::By},
};

/// Highest weight.
const HIGHEST: u32 = 10_000;

/// The weight of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Its name or id.
    pub agent: String,
    /// Share among agents of the same part; with 0 it gets nobody.
    #[schema(minimum = 0, maximum = 10_000)]
    pub weight: u32,
}

/// Weights of all agents, and what they come to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WeightsView {
    /// The agents, by part and age.
    pub agents: Vec<WeightRow>,
    /// Share of all users for whom no agent is asked: 1 when there is none, else 0.
    pub without_agent: f64,
    /// The version of all of it, as in `ETag`: it rises with every change of any agent.
    pub revision: i64,
}

/// One agent's weight, and what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WeightRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `stable`, `candidate` or `fallback`.
    pub part: String,
    /// Whether it can be chosen: enabled, and of the installation's environment.
    pub in_use: bool,
    /// Its weight.
    pub weight: u32,
    /// Sum of the weights of the agents of its part that can be chosen.
    pub sum: u32,
    /// Share of all users a candidate gets, in percent.
    pub rollout_percent: u32,
    /// Share of all users for whom it is asked first, from 0 to 1.
    pub share: f64,
}

impl Calls {
    /// The weights of all agents, and the shares they come to.
    pub fn weights(&self) -> Result<WeightsView, CallError> {
        Ok(self.weighed(&self.store.agents()?))
    }

    /// The shares that these weights would come to. Nothing is changed.
    pub fn preview_weights(&self, weights: &[Weight]) -> Result<WeightsView, CallError> {
        let agents = self.store.agents()?;
        let changed = changed(&agents, weights)?;
        Ok(self.weighed(&changed))
    }

    /// Sets weights, all or none, for the next registration on. `seen` is the version of all of it.
    pub async fn set_weights(&self, weights: &[Weight], seen: Option<i64>, by: &By) -> Result<WeightsView, CallError> {
        let agents = self.store.agents()?;
        let after = changed(&agents, weights)?;
        if self.weighed(&agents).without_agent < self.weighed(&after).without_agent {
            let text = said(
                "这样一来，不会再询问任何智能体。请至少为一个稳定版或备用智能体保留大于 0 的权重；要停止询问，请停用智能体。",
                "Then no agent would be asked at all. Leave one stable or fallback agent a weight above 0; to ask none, disable the agents.",
            );
            return Err(CallError::Invalid(vec![Field { pointer: "/weights".into(), text }]));
        }
        let rows = after.iter().map(|agent| (agent.id.clone(), agent.weight)).collect();
        if self.store.set_agent_weights(rows, seen, by.clone()).await? {
            tracing::info!(by = by.actor, "智能体权重已更改，立即生效 / the weights of agents were changed, in force at once");
            return self.weights();
        }
        let current = self.weights()?;
        Err(CallError::Stale { version: current.revision, current: Box::new(json!(current)) })
    }

    fn weighed(&self, agents: &[Agent]) -> WeightsView {
        let environment = &self.config.registration.environment;
        let entrants: Vec<Entrant> = agents.iter().map(entrant).collect();
        let shares = shares(&entrants, environment);
        let in_use = |agent: &Agent| agent.enabled && agent.environment == *environment;
        let mut sums = BTreeMap::<&str, u32>::new();
        for agent in agents.iter().filter(|agent| in_use(agent)) {
            *sums.entry(&agent.part).or_default() += agent.weight;
        }
        let row = |agent: &Agent| WeightRow {
            id: agent.id.clone(),
            name: agent.app_name.clone(),
            part: agent.part.clone(),
            in_use: in_use(agent),
            weight: agent.weight,
            sum: sums.get(agent.part.as_str()).copied().unwrap_or_default(),
            rollout_percent: agent.rollout_percent,
            share: rounded(shares.get(agent.id.as_str()).copied().unwrap_or_default()),
        };
        let mut rows: Vec<WeightRow> = agents.iter().map(row).collect();
        // The sort is stable: agents of a part stay in the order in which they were added.
        rows.sort_by_key(|row| ["stable", "candidate", "fallback"].iter().position(|part| *part == row.part));
        // Each hundredth of the users either has agents or, when none is stable and none a fallback, has none.
        let without_agent = rounded(1.0 - shares.values().sum::<f64>()).max(0.0);
        WeightsView { agents: rows, without_agent, revision: agents.iter().map(|agent| agent.updated_at).sum() }
    }
}

/// The agents with these weights; every wrong one is named.
fn changed(agents: &[Agent], weights: &[Weight]) -> Result<Vec<Agent>, CallError> {
    let mut wrong = Vec::new();
    let mut set = BTreeMap::new();
    for (at, weight) in weights.iter().enumerate() {
        let mut add =
            |field: &str, zh: String, en: String| wrong.push(Field { pointer: format!("/weights/{at}/{field}"), text: said(zh, en) });
        match named(agents, &weight.agent) {
            Err(_) => add("agent", format!("没有名为 {} 的智能体", weight.agent), format!("there is no agent {}", weight.agent)),
            Ok(agent) if set.insert(agent.id.clone(), weight.weight).is_some() => {
                add("agent", format!("{} 出现了两次", weight.agent), format!("{} is given twice", weight.agent));
            }
            Ok(_) => {}
        }
        if weight.weight > HIGHEST {
            add(
                "weight",
                format!("{} 超出范围：0 到 {HIGHEST}", weight.weight),
                format!("{} is out of range: 0 to {HIGHEST}", weight.weight),
            );
        }
    }
    if !wrong.is_empty() {
        return Err(CallError::Invalid(wrong));
    }
    let with = |agent: &Agent| Agent { weight: set.get(&agent.id).copied().unwrap_or(agent.weight), ..agent.clone() };
    Ok(agents.iter().map(with).collect())
}
