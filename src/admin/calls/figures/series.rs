//! The same range step by step: what charts draw, and the tables beneath them.

use serde::Serialize;
use utoipa::ToSchema;

use super::{gather::Gathered, range::Range};
use crate::{
    admin::calls::{CallError, Calls},
    clock::rfc3339,
    store::figures::Share,
};

/// A range in steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeriesView {
    /// The range.
    pub range: Range,
    /// Its beginning.
    pub since: String,
    /// Its end: the moment at which it was read.
    pub until: String,
    /// Length of a step, in seconds.
    pub step_seconds: i64,
    /// The steps, in the order of time; the last one is not over.
    pub points: Vec<SeriesPoint>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub struct SeriesPoint {
    /// When it began.
    pub at: String,
    /// Registrations that were accepted.
    pub registrations: i64,
    /// Those of them whose welcome an agent wrote.
    pub welcomes_by_agent: i64,
    /// Those whose welcome is a template or the static text.
    pub welcomes_by_template: i64,
    /// Those that were given up.
    pub registrations_failed: i64,
    /// Tool calls.
    pub calls: i64,
    /// Those that brought no result.
    pub calls_failed: i64,
    /// 95 % of them took at most so long, in milliseconds.
    pub call_p95_ms: Option<i64>,
    /// Questions to agents that have ended.
    pub agent_questions: i64,
    /// Those that were answered.
    pub agent_answers: i64,
    /// 95 % of the answers took at most so long, in milliseconds.
    pub agent_p95_ms: Option<i64>,
    /// 95 % of the welcomes were there after at most so long, in milliseconds.
    pub welcome_p95_ms: Option<i64>,
}

impl Calls {
    /// A range step by step.
    pub async fn series(&self, range: Range) -> Result<SeriesView, CallError> {
        Ok(self.gathered(range).await?.series(range))
    }
}

impl Gathered {
    /// What was read, step by step.
    pub(super) fn series(&self, range: Range) -> SeriesView {
        let points = self.grid.begins().enumerate().map(|(step, at)| self.point(step, at)).collect();
        SeriesView {
            range,
            since: rfc3339(self.grid.since),
            until: rfc3339(self.grid.until),
            step_seconds: self.grid.step_ms / 1_000,
            points,
        }
    }

    fn point(&self, step: usize, at: i64) -> SeriesPoint {
        let runs = self.runs.get(step).copied().unwrap_or_default();
        let calls = self.calls.steps.get(step).copied().unwrap_or_default();
        let asked = self
            .agents
            .agents
            .iter()
            .filter_map(|agent| agent.steps.get(step))
            .fold(Share::default(), |sum, share| Share { hits: sum.hits + share.hits, of: sum.of + share.of });
        SeriesPoint {
            at: rfc3339(at),
            registrations: runs.accepted,
            welcomes_by_agent: runs.by_agent,
            welcomes_by_template: runs.by_template,
            registrations_failed: runs.failed,
            calls: calls.calls,
            calls_failed: calls.failed,
            call_p95_ms: calls.p95,
            agent_questions: asked.of,
            agent_answers: asked.hits,
            agent_p95_ms: self.agents.p95.get(step).copied().flatten(),
            welcome_p95_ms: runs.welcome_p95,
        }
    }
}
