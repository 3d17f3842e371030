//! How careful one has to be with a customer: points for stated facts, and the facts in words.
//!
//! It says nothing about medical fitness: allergies and conditions on record only raise the care, and a physician
//! decides.

use schemars::JsonSchema;
use serde::Serialize;

use super::{facts::Facts, segment::UNSTEADY_MISSED};
use crate::port::Customer;

/// Share of missed appointments that is a risk.
const OFTEN_MISSED_SHARE: f64 = 0.25;

/// How careful one has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Risk {
    /// No factor.
    Low,
    /// One or two points.
    Medium,
    /// Three points or more.
    High,
}

/// The risk of a customer and the factors it is counted from: two points for a chance of losing them of 0.7 or more
/// (one from 0.4; before the first visit one from 0.7, since most who register never come), two for several complaints
/// (one for a single one), one for often missed appointments, one for allergies or conditions on record. Three points
/// are high, one is medium.
pub(super) fn risk(facts: &Facts<'_>, customer: &Customer, churn: f64) -> (Risk, Vec<String>) {
    let activity = facts.activity;
    let mut points = 0;
    let mut factors = Vec::new();
    let mut count = |weight: u32, text: String| {
        points += weight;
        factors.push(text);
    };
    match (facts.visited(), churn) {
        (true, high) if high >= 0.7 => count(2, format!("流失概率高（{:.0}%）", churn * 100.0)),
        (true, medium) if medium >= 0.4 => count(1, format!("流失概率中等（{:.0}%）", churn * 100.0)),
        (false, high) if high >= 0.7 => count(1, format!("首次到店可能性低（不到店概率{:.0}%）", churn * 100.0)),
        _ => {}
    }
    match activity.complaints {
        0 => {}
        1 => count(1, "有1条投诉记录".into()),
        more => count(2, format!("有{more}条投诉记录")),
    }
    if activity.missed >= UNSTEADY_MISSED && facts.missed_share() >= OFTEN_MISSED_SHARE {
        count(1, format!("{}次取消或爽约（占{:.0}%）", activity.missed, facts.missed_share() * 100.0));
    }
    let tags = customer.allergies.len() + customer.conditions.len();
    if tags > 0 {
        count(1, format!("档案有{tags}项过敏或禁忌记录，任何项目须先由医生确认"));
    }
    let risk = match points {
        0 => Risk::Low,
        1 | 2 => Risk::Medium,
        _ => Risk::High,
    };
    (risk, factors)
}

impl Risk {
    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Low => "低风险",
            Self::Medium => "中风险",
            Self::High => "高风险",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Risk, risk};
    use crate::{
        customer::facts::tests::{facts, visits},
        port::{Activity, Customer},
    };

    #[test]
    fn risk_counts_its_factors() {
        let mut activity = visits(3, 90, 9);
        let mut customer = Customer::default();
        let of = |activity: &Activity, customer: &Customer, churn| {
            let (risk, factors) = risk(&facts(activity, 100), customer, churn);
            (risk, factors.len())
        };
        assert_eq!(of(&activity, &customer, 0.39), (Risk::Low, 0));
        assert_eq!(of(&activity, &customer, 0.4), (Risk::Medium, 1));
        assert_eq!(of(&activity, &customer, 0.7), (Risk::Medium, 1));
        let none = Activity::default();
        assert_eq!(of(&none, &customer, 0.69), (Risk::Low, 0));
        assert_eq!(of(&none, &customer, 0.9), (Risk::Medium, 1));
        customer.allergies.push("lidocaine".into());
        assert_eq!(of(&activity, &customer, 0.7), (Risk::High, 2));
        activity.complaints = 2;
        assert_eq!(of(&activity, &customer, 0.1), (Risk::High, 2));
    }
}
