//! What a customer is expected to be worth: a pure function of [`Facts`] and the chance of losing them.
//!
//! What was paid plus three years' expectation: `annual · Σ (1 − churn)^k / 1.1^k`, k = 1 to 3, with
//! `annual = 0.6 · paid in the last year + 0.4 · paid a year since the first visit`. Without a visit it is the middle
//! of the stated budget times the chance of a first visit; without a budget either it is not known, and none is made up.

use super::facts::Facts;

/// Weights of the last year and of all years in the annual spend: the newest year says most.
const LAST_YEAR_WEIGHT: f64 = 0.6;
/// Years ahead, and the yearly discount: longer plans of a clinic's customer are guesswork.
const HORIZON_YEARS: i32 = 3;
const DISCOUNT: f64 = 1.1;

/// What a customer is expected to be worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    /// Paid so far, in fen.
    pub(super) paid_fen: i64,
    /// Expected from now on, in fen.
    pub(super) future_fen: i64,
}

/// Value of a customer with chance `churn` of losing them. `budget` (fen) counts only before the first visit; without
/// either there is no value to state.
pub(super) fn lifetime(facts: &Facts<'_>, churn: f64, budget: Option<(i64, i64)>) -> Option<Value> {
    let stays = 1.0 - churn;
    let paid_fen = facts.activity.spent_fen;
    if !facts.visited() {
        let (min, max) = budget?;
        let middle = min.midpoint(max) as f64;
        return Some(Value { paid_fen, future_fen: (middle * stays).round() as i64 });
    }
    let yearly_mean = paid_fen as f64 / facts.tenure_years();
    let annual = LAST_YEAR_WEIGHT * facts.activity.spent_year_fen as f64 + (1.0 - LAST_YEAR_WEIGHT) * yearly_mean;
    let years: f64 = (1..=HORIZON_YEARS).map(|year| (stays / DISCOUNT).powi(year)).sum();
    Some(Value { paid_fen, future_fen: (annual * years).round() as i64 })
}

#[cfg(test)]
mod tests {
    use super::{Value, lifetime};
    use crate::{
        customer::facts::tests::{facts, visits},
        port::Activity,
    };

    #[test]
    fn lifetime_value_is_paid_plus_three_discounted_years() {
        let mut activity = visits(4, 360, 10);
        (activity.spent_fen, activity.spent_year_fen) = (1_000_000, 1_000_000);
        // Nobody lost: 1/1.1 + 1/1.21 + 1/1.331 years of 10 000 yuan.
        assert_eq!(lifetime(&facts(&activity, 400), 0.0, None), Some(Value { paid_fen: 1_000_000, future_fen: 2_486_852 }));
        assert_eq!(lifetime(&facts(&activity, 400), 1.0, None).unwrap().future_fen, 0);
    }

    #[test]
    fn before_the_first_visit_only_a_stated_budget_gives_a_value() {
        let none = Activity::default();
        assert_eq!(lifetime(&facts(&none, 5), 0.6, None), None);
        assert_eq!(lifetime(&facts(&none, 5), 0.6, Some((200_000, 400_000))).unwrap().future_fen, 120_000);
    }
}
