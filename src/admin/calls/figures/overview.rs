//! The overview: everything at a glance, for a range.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    gather::Gathered,
    indicators::{IndicatorView, indicators},
    machine::MachineView,
    range::Range,
};
use crate::{
    admin::calls::{
        CallError, Calls,
        agents::{CostView, ShareView, SpreadView, StandingView},
        jobs::JobCountsView,
    },
    clock::rfc3339,
    live::Role,
    store::figures::{Share, Spread, agents::AgentFigures, calls::ToolFigures, steps::StepFigures},
};

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OverviewView {
    /// The range.
    pub range: Range,
    /// Its beginning.
    pub since: String,
    /// Its end: the moment at which it was read.
    pub until: String,
    /// Registrations.
    pub registrations: RegistrationSummaryView,
    /// The automation, step by step.
    pub automation: AutomationView,
    /// The agents that were asked, and those that may be, the most asked first.
    pub agents: Vec<AgentSummaryView>,
    /// Tool calls.
    pub calls: CallSummaryView,
    /// What went wrong, by type, the most frequent first.
    pub errors: Vec<ErrorCountView>,
    /// The consultants.
    pub consultants: ConsultantSummaryView,
    /// The success indicators of PRD 10.
    pub indicators: Vec<IndicatorView>,
    /// The machine and the database.
    pub system: SystemView,
}

/// Registrations.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RegistrationSummaryView {
    /// Accepted since the clinic's midnight.
    pub today: i64,
    /// Accepted in the range.
    pub in_range: i64,
    /// Of the runs that ended in the range, those that brought a welcome.
    pub success: ShareView,
}

/// The automation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AutomationView {
    /// Each step, in the order of a run.
    pub steps: Vec<StepSummaryView>,
    /// Who wrote the welcomes.
    pub welcomes: WelcomesView,
    /// Time from acceptance to the welcome.
    pub first_response: SpreadView,
    /// Welcomes that were there by their deadline, of those due.
    pub by_deadline: ShareView,
}

/// A step of the automation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StepSummaryView {
    /// Its name.
    pub step: String,
    /// Tries that did it, of all.
    pub success: ShareView,
    /// Tries that were not the run's first.
    pub repeated: i64,
    /// How long those took that did it.
    pub duration: SpreadView,
}

/// Welcomes by the rung of the ladder that wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct WelcomesView {
    /// The chosen agent.
    pub agent: i64,
    /// The fallback agent.
    pub fallback_agent: i64,
    /// The segment's template.
    pub segment: i64,
    /// The static text.
    #[serde(rename = "static")]
    pub static_text: i64,
}

/// How an agent does.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentSummaryView {
    /// Its id.
    pub agent_id: String,
    /// Its name and version, while it exists.
    pub agent: Option<String>,
    /// Questions it was asked that have ended.
    pub questions: i64,
    /// Of those whose end is known, how many it answered, in time or late.
    pub answered: ShareView,
    /// How long its answers took.
    pub latency: SpreadView,
    /// Tokens its questions used.
    pub tokens: i64,
    /// What they cost.
    pub costs: Vec<CostView>,
    /// Its breaker and places at this moment; nothing before it is first asked, and beside a daemon.
    pub standing: Option<StandingView>,
}

/// Tool calls.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CallSummaryView {
    /// All of them, refused ones too.
    pub calls: i64,
    /// Those that brought no result.
    pub failed: i64,
    /// Of those that reached a tool, the ones answered within 500 ms.
    pub available: ShareView,
    /// How long those took that reached a tool.
    pub latency: SpreadView,
    /// Each tool, the most used first.
    pub tools: Vec<ToolSummaryView>,
}

/// The calls of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ToolSummaryView {
    /// Its name.
    pub tool: String,
    /// Calls.
    pub calls: i64,
    /// Those that brought no result, of all.
    pub failed: ShareView,
    /// How long they took.
    pub latency: SpreadView,
}

/// How often something went wrong in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorCountView {
    /// Where: `call`, `agent` or `step`.
    pub kind: &'static str,
    /// In which way: how calls ended, the class of an agent's error, or the step that failed.
    pub error: String,
    /// How often.
    pub count: i64,
}

/// The consultants.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsultantSummaryView {
    /// Connected at this moment; unknown to a command beside the daemon.
    pub online: Option<usize>,
    /// Customers nobody has claimed, of the last 30 days.
    pub waiting: i64,
    /// Working time from the notice to the claim, of the registrations of the range.
    pub claim: SpreadView,
    /// Claimed within ten minutes of working time, of those claimed or overdue.
    pub claimed_in_time: ShareView,
}

/// The database's files, and the disk under them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StorageView {
    /// Bytes of the database.
    pub database: u64,
    /// Bytes of its write-ahead log.
    pub wal: u64,
    /// Bytes of the disk.
    pub disk_total: u64,
    /// Bytes of it that may still be written.
    pub disk_free: u64,
}

/// The machine and the database.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SystemView {
    /// Processors, memory, network; nothing on a system that does not tell.
    pub machine: Option<MachineView>,
    /// The database's files, and the disk under them.
    pub storage: Option<StorageView>,
    /// How many jobs wait, and how.
    pub jobs: JobCountsView,
    /// Alerts that are open.
    pub open_alerts: usize,
}

impl Calls {
    /// Everything at a glance.
    pub async fn overview(&self, range: Range) -> Result<OverviewView, CallError> {
        let gathered = self.gathered(range).await?;
        let (outcomes, calls) = (&gathered.outcomes, &gathered.calls);
        Ok(OverviewView {
            range,
            since: rfc3339(gathered.grid.since),
            until: rfc3339(gathered.grid.until),
            registrations: RegistrationSummaryView {
                today: gathered.today,
                in_range: outcomes.registrations,
                success: outcomes.automation_success.into(),
            },
            automation: gathered.automation(),
            agents: self.agent_summaries(&gathered.agents.agents)?,
            calls: CallSummaryView {
                calls: calls.calls,
                failed: calls.failed,
                available: calls.available.into(),
                latency: calls.spread.into(),
                tools: calls.tools.iter().map(tool).collect(),
            },
            errors: gathered.errors(),
            consultants: ConsultantSummaryView {
                online: self.running.as_ref().map(|running| running.hub.online(Role::Consultant).len()),
                waiting: gathered.waiting,
                claim: outcomes.claim.into(),
                claimed_in_time: outcomes.claimed_in_time.into(),
            },
            indicators: indicators(outcomes, calls),
            system: self.system().await?,
        })
    }

    /// The machine, the database's files, the queue and the alerts at this moment.
    pub async fn system(&self) -> Result<SystemView, CallError> {
        let disk = self.store.disk().ok();
        Ok(SystemView {
            machine: self.figures.machine.look(),
            storage: disk.map(|disk| StorageView { database: disk.database, wal: disk.wal, disk_total: disk.total, disk_free: disk.free }),
            jobs: self.job_counts().await?,
            open_alerts: self.store.open_alerts()?.len(),
        })
    }

    /// The agents that were asked in the range, then those that may be and were not.
    fn agent_summaries(&self, asked: &[AgentFigures]) -> Result<Vec<AgentSummaryView>, CallError> {
        let known = self.agents()?;
        let standing = |id: &str| known.iter().find(|agent| agent.id == id).and_then(|agent| agent.standing.clone());
        let mut summaries: Vec<_> = asked.iter().map(|agent| summary(agent, standing(&agent.agent_id))).collect();
        let quiet = known.iter().filter(|agent| agent.enabled && asked.iter().all(|one| one.agent_id != agent.id));
        summaries.extend(quiet.map(|agent| AgentSummaryView {
            agent_id: agent.id.clone(),
            agent: Some(format!("{} v{}", agent.name, agent.version)),
            questions: 0,
            answered: Share::default().into(),
            latency: Spread::default().into(),
            tokens: 0,
            costs: Vec::new(),
            standing: agent.standing.clone(),
        }));
        Ok(summaries)
    }
}

impl Gathered {
    fn automation(&self) -> AutomationView {
        let rungs = self.outcomes.rungs;
        let mut steps: Vec<_> = self.steps.iter().map(step).collect();
        steps.sort_by_key(|step| place(&step.step));
        AutomationView {
            steps,
            welcomes: WelcomesView {
                agent: rungs.agent,
                fallback_agent: rungs.fallback_agent,
                segment: rungs.segment,
                static_text: rungs.r#static,
            },
            first_response: self.outcomes.first_response.into(),
            by_deadline: self.outcomes.welcome_by_deadline.into(),
        }
    }

    fn errors(&self) -> Vec<ErrorCountView> {
        let calls = self.calls.outcomes.iter().filter(|(outcome, _)| outcome != "ok");
        let mut errors: Vec<_> = calls.map(|(outcome, count)| error("call", outcome, *count)).collect();
        for (kind, count) in self.agents.agents.iter().flat_map(|agent| &agent.errors) {
            match errors.iter_mut().find(|known| known.kind == "agent" && known.error == *kind) {
                Some(known) => known.count += count,
                None => errors.push(error("agent", kind, *count)),
            }
        }
        errors.extend(self.steps.iter().filter(|step| step.failed > 0).map(|step| error("step", &step.step, step.failed)));
        errors.sort_by_key(|error| std::cmp::Reverse(error.count));
        errors
    }
}

fn error(kind: &'static str, error: &str, count: i64) -> ErrorCountView {
    ErrorCountView { kind, error: error.to_owned(), count }
}

/// Where a step has its place in a run.
fn place(step: &str) -> usize {
    const ORDER: [&str; 5] = ["open_conversation", "compose_welcome", "deliver_welcome", "notify_consultants", "late_answer"];
    ORDER.iter().position(|known| *known == step).unwrap_or(ORDER.len())
}

fn step(step: &StepFigures) -> StepSummaryView {
    StepSummaryView {
        step: step.step.clone(),
        success: Share { hits: step.done, of: step.done + step.failed }.into(),
        repeated: step.repeated,
        duration: step.spread.into(),
    }
}

fn tool(tool: &ToolFigures) -> ToolSummaryView {
    ToolSummaryView {
        tool: tool.tool.clone(),
        calls: tool.calls,
        failed: Share { hits: tool.failed, of: tool.calls }.into(),
        latency: tool.spread.into(),
    }
}

fn summary(agent: &AgentFigures, standing: Option<StandingView>) -> AgentSummaryView {
    AgentSummaryView {
        agent_id: agent.agent_id.clone(),
        agent: agent.agent.clone(),
        questions: agent.questions,
        answered: agent.answered.into(),
        latency: agent.latency.into(),
        tokens: agent.tokens,
        costs: agent.costs.iter().map(|cost| CostView { currency: cost.currency.clone(), sum: cost.sum }).collect(),
        standing,
    }
}
