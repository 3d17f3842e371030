//! A candidate's share of users, and what the guard knows of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{AgentView, TextView};
use crate::{
    admin::calls::{CallError, Calls, said},
    clock::rfc3339,
    registration::{
        choice::guard::{Figures, Measure, Side, Verdict},
        compare, rivals,
    },
    store::{
        agents::{Agent, AgentChange, AgentSettings},
        audit::By,
    },
};

/// A candidate's roll-out, and how it compares with the stable agents since its share was set.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RolloutView {
    /// The candidate.
    pub agent: String,
    /// Its share of all users, in percent.
    pub percent: u32,
    /// When that share was set; runs since then are compared.
    pub since: Option<String>,
    /// The stable agents it is compared with.
    pub stable: Vec<String>,
    /// Whether a candidate that is worse is rolled back by itself (`rollout.guard`).
    pub guard: bool,
    /// Runs of each side before anything is concluded (`rollout.min_runs`).
    pub min_runs: u32,
    /// Probability of a false alarm that is accepted (`rollout.significance`).
    pub significance: f64,
    /// `not_enough`: nothing can be concluded; `fine`: no look showed it to be worse; `worse`: one did.
    pub verdict: String,
    /// Runs of the side that has fewer, while there are not enough.
    pub have: Option<usize>,
    /// Runs needed of each side, while there are not enough.
    pub need: Option<usize>,
    /// Number of the latest look, from 1.
    pub look: Option<u32>,
    /// Runs of the candidate at which the next look is taken.
    pub next_look_at: Option<usize>,
    /// The candidate's figures at that look.
    pub candidate_figures: Option<ComparedSide>,
    /// The stable agents' figures at that look.
    pub stable_figures: Option<ComparedSide>,
    /// Probability of a share of fallbacks like the candidate's, were both the same.
    pub p_fallbacks: Option<f64>,
    /// Probability of times like the candidate's, were both the same.
    pub p_time: Option<f64>,
    /// A probability below this is called worse.
    pub bound: Option<f64>,
    /// In what the candidate is worse: `fallbacks` or `time`.
    pub worse_in: Option<String>,
    /// The same in a sentence.
    pub said: Option<TextView>,
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct ComparedSide {
    /// Runs looked at.
    pub runs: usize,
    /// Share of them that ended in a fallback, from 0 to 1.
    pub fallback_share: f64,
    /// Median time to the answer, in milliseconds.
    pub median_ms: Option<i64>,
}

impl From<Side> for ComparedSide {
    fn from(side: Side) -> Self {
        Self { runs: side.runs, fallback_share: side.fallback_share, median_ms: side.median_ms }
    }
}

impl Calls {
    /// A candidate's roll-out.
    pub async fn rollout(&self, name: &str) -> Result<RolloutView, CallError> {
        let agents = self.store.agents()?;
        let candidate = super::named(&agents, name)?;
        must_be_candidate(candidate)?;
        let stable = rivals(&agents, candidate);
        let rules = self.settings.current()?.rollout.clone();
        let verdict = compare(&self.store, candidate, &stable, &rules).await?;
        let names: Vec<String> = stable.iter().map(|agent| agent.app_name.clone()).collect();
        let said = verdict.alert(&candidate.app_name, &names.join(", ")).map(|said| TextView { zh: said.zh, en: said.en });
        let view = RolloutView {
            agent: candidate.app_name.clone(),
            percent: candidate.rollout_percent,
            since: candidate.rollout_since.map(rfc3339),
            stable: names,
            guard: rules.guard,
            min_runs: rules.min_runs,
            significance: rules.significance,
            said,
            ..blank()
        };
        Ok(with_verdict(view, verdict))
    }

    /// Gives a candidate a share of users, for the next registration on; another share begins another comparison.
    pub async fn set_rollout(&self, name: &str, percent: u32, seen: Option<i64>, by: &By) -> Result<AgentView, CallError> {
        let agent = self.stored_agent(name)?;
        must_be_candidate(&agent)?;
        let settings = AgentSettings { rollout_percent: percent, ..agent.settings() };
        self.write_agent(AgentChange { id: agent.id, settings, seen, action: "agent.rollout" }, by).await
    }

    /// Takes a candidate's share away.
    pub async fn roll_back(&self, name: &str, seen: Option<i64>, by: &By) -> Result<AgentView, CallError> {
        let agent = self.stored_agent(name)?;
        must_be_candidate(&agent)?;
        if agent.rollout_percent == 0 && seen.is_none_or(|seen| seen == agent.updated_at) {
            return Err(CallError::conflict(format!("{name} 没有用户可回滚"), format!("{name} has no share of users to roll back")));
        }
        let settings = AgentSettings { rollout_percent: 0, ..agent.settings() };
        self.write_agent(AgentChange { id: agent.id, settings, seen, action: "agent.roll_back" }, by).await
    }
}

fn must_be_candidate(agent: &Agent) -> Result<(), CallError> {
    if agent.part == "candidate" {
        return Ok(());
    }
    let (name, part) = (&agent.app_name, &agent.part);
    Err(CallError::Conflict(said(
        format!("{name} 的角色是 {part}；只有候选智能体（candidate）可以灰度发布"),
        format!("{name} is {part}: only a candidate is rolled out"),
    )))
}

/// A view of which only the verdict's part is to be filled in.
fn blank() -> RolloutView {
    RolloutView {
        agent: String::new(),
        percent: 0,
        since: None,
        stable: Vec::new(),
        guard: false,
        min_runs: 0,
        significance: 0.0,
        verdict: String::new(),
        have: None,
        need: None,
        look: None,
        next_look_at: None,
        candidate_figures: None,
        stable_figures: None,
        p_fallbacks: None,
        p_time: None,
        bound: None,
        worse_in: None,
        said: None,
    }
}

fn with_verdict(view: RolloutView, verdict: Verdict) -> RolloutView {
    match verdict {
        Verdict::NotEnough { have, need } => RolloutView { verdict: "not_enough".into(), have: Some(have), need: Some(need), ..view },
        Verdict::Fine { figures, next_look_at } => {
            RolloutView { verdict: "fine".into(), next_look_at: Some(next_look_at), ..with_figures(view, figures) }
        }
        Verdict::Worse { which, figures, .. } => {
            let which = match which {
                Measure::Fallbacks => "fallbacks",
                Measure::Time => "time",
            };
            RolloutView { verdict: "worse".into(), worse_in: Some(which.into()), ..with_figures(view, figures) }
        }
    }
}

fn with_figures(view: RolloutView, figures: Figures) -> RolloutView {
    RolloutView {
        look: Some(figures.look),
        candidate_figures: Some(figures.candidate.into()),
        stable_figures: Some(figures.stable.into()),
        p_fallbacks: Some(figures.p_fallbacks),
        p_time: Some(figures.p_time),
        bound: Some(figures.bound),
        ..view
    }
}
