//! The indicators over any time back: what `report` prints, and the API tells.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    indicators::{IndicatorView, indicators},
    range::Range,
};
use crate::{
    admin::calls::{
        CallError, Calls,
        agents::{ShareView, SpreadView},
    },
    clock::rfc3339,
    store::{
        figures::{calls::CallFigures, grid::Grid},
        outcomes::Outcomes,
    },
};

/// The longest time back that is asked for, in milliseconds: what figures are kept for.
const LONGEST_MS: i64 = 400 * 86_400_000;

/// What was achieved in a time, and what should be.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IndicatorsView {
    /// Its beginning.
    pub since: String,
    /// Its end.
    pub until: String,
    /// Registrations accepted in it.
    pub registrations: i64,
    /// The indicators of PRD 10, in its order.
    pub indicators: Vec<IndicatorView>,
    /// Time from acceptance to the welcome.
    pub first_response: SpreadView,
    /// Welcomes that were there by their deadline, of those due.
    pub welcome_by_deadline: ShareView,
    /// Welcomes that the customer answered within 24 hours.
    pub replied_24h: ShareView,
    /// Working time from the notice to the claim.
    pub claim: SpreadView,
}

impl IndicatorsView {
    pub(super) fn of(outcomes: &Outcomes, calls: &CallFigures) -> Self {
        Self {
            since: rfc3339(outcomes.since),
            until: rfc3339(outcomes.until),
            registrations: outcomes.registrations,
            indicators: indicators(outcomes, calls),
            first_response: outcomes.first_response.into(),
            welcome_by_deadline: outcomes.welcome_by_deadline.into(),
            replied_24h: outcomes.replied_24h.into(),
            claim: outcomes.claim.into(),
        }
    }
}

impl Calls {
    /// The indicators of a range.
    pub async fn indicators(&self, range: Range) -> Result<IndicatorsView, CallError> {
        let gathered = self.gathered(range).await?;
        Ok(IndicatorsView::of(&gathered.outcomes, &gathered.calls))
    }

    /// The indicators over the last `back_ms`.
    pub async fn report(&self, back_ms: i64) -> Result<IndicatorsView, CallError> {
        if !(1..=LONGEST_MS).contains(&back_ms) {
            return Err(CallError::invalid(
                "/since",
                "时间范围必须大于 0，最长 400 天",
                "the time must be more than nothing, and 400 days at most",
            ));
        }
        let now = self.clock.now_ms();
        let grid = Grid::whole(now - back_ms, now);
        let calls = self.store.call_figures(grid, None).await?;
        let (outcomes, _) = self.store.outcomes_in_steps(grid, self.working_time()?).await?;
        Ok(IndicatorsView::of(&outcomes, &calls))
    }
}
