//! Agents beside each other, over the runs they were chosen for.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::calls::{CallError, Calls},
    store::{
        figures::{Share, Spread},
        variants::VariantFigures,
    },
};

/// The longest time back that figures are asked for, in milliseconds: 90 days.
const LONGEST_MS: i64 = 90 * 86_400_000;

/// An agent's figures over the runs it was chosen for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentFigures {
    /// The agent.
    pub agent_id: String,
    /// Its name and version, while it exists.
    pub agent: Option<String>,
    /// Runs it was chosen for.
    pub runs: i64,
    /// Of those that ended, how many brought a welcome.
    pub success: ShareView,
    /// Welcomes it wrote itself.
    pub by_agent: i64,
    /// Welcomes the fallback agent wrote.
    pub by_fallback_agent: i64,
    /// Welcomes from the segment's template.
    pub by_segment: i64,
    /// Welcomes of the static text.
    pub by_static: i64,
    /// Its times to the answer, in time or late, whoever chose it.
    pub latency: SpreadView,
    /// Questions it was asked, as the first or as the fallback.
    pub questions: i64,
    /// Tokens they used.
    pub tokens: i64,
    /// What they cost.
    pub costs: Vec<CostView>,
    /// Of the runs whose 24 hours are over, in how many the customer wrote within them.
    pub replied_24h: ShareView,
    /// Time from the consultants' notice to the claim.
    pub claim: SpreadView,
    /// How many customers rated the welcome.
    pub ratings: i64,
    /// Their mean, of 1 to 5.
    pub mean_rating: Option<f64>,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct ShareView {
    /// Those for which it is so.
    pub hits: i64,
    /// All of them.
    pub of: i64,
    /// As a number from 0 to 1; nothing of nothing is no share.
    pub share: Option<f64>,
}

/// How times are spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct SpreadView {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean_ms: Option<f64>,
    /// Half are at most this long.
    pub p50_ms: Option<i64>,
    /// 95 % are at most this long.
    pub p95_ms: Option<i64>,
}

/// What was paid in one currency.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CostView {
    /// Such as `USD`; empty when Dify did not say.
    pub currency: String,
    /// The sum of what Dify reported.
    pub sum: f64,
}

impl From<Share> for ShareView {
    fn from(share: Share) -> Self {
        Self { hits: share.hits, of: share.of, share: share.value() }
    }
}

impl From<Spread> for SpreadView {
    fn from(spread: Spread) -> Self {
        Self { count: spread.count, mean_ms: spread.mean, p50_ms: spread.p50, p95_ms: spread.p95 }
    }
}

impl From<VariantFigures> for AgentFigures {
    fn from(figures: VariantFigures) -> Self {
        let costs = figures.costs.into_iter().map(|cost| CostView { currency: cost.currency, sum: cost.sum });
        Self {
            agent_id: figures.agent_id,
            agent: figures.agent,
            runs: figures.runs,
            success: figures.success.into(),
            by_agent: figures.rungs.agent,
            by_fallback_agent: figures.rungs.fallback_agent,
            by_segment: figures.rungs.segment,
            by_static: figures.rungs.r#static,
            latency: figures.latency.into(),
            questions: figures.questions,
            tokens: figures.tokens,
            costs: costs.collect(),
            replied_24h: figures.replied_24h.into(),
            claim: figures.claim.into(),
            ratings: figures.ratings.count,
            mean_rating: figures.ratings.mean,
        }
    }
}

impl Calls {
    /// Agents compared over the runs that were accepted in the last `back_ms` milliseconds: a minute to 90 days.
    pub async fn agent_figures(&self, back_ms: i64) -> Result<Vec<AgentFigures>, CallError> {
        if !(60_000..=LONGEST_MS).contains(&back_ms) {
            return Err(CallError::invalid("/since", "时间范围应为 1 分钟到 90 天", "from 1 minute to 90 days can be looked back"));
        }
        let now = self.clock.now_ms();
        let figures = self.store.variant_figures(now - back_ms, now).await?;
        Ok(figures.into_iter().map(AgentFigures::from).collect())
    }
}
