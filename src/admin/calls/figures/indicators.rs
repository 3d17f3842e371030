//! The success indicators of PRD 10, each with its target and whether it is met.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::calls::agents::TextView,
    store::{
        figures::{Share, calls::CallFigures},
        outcomes::Outcomes,
    },
};

/// In what an indicator is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share, from 0 to 1.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// Stars, from 1 to 5.
    Stars,
}

/// One indicator.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IndicatorView {
    /// Its name for programs.
    pub name: &'static str,
    /// Its name for people.
    pub label: TextView,
    /// `technical` (PRD 10.1) or `business` (PRD 10.2).
    pub group: &'static str,
    /// In what it is measured.
    pub unit: Unit,
    /// What it is; nothing while there is nothing to measure.
    pub value: Option<f64>,
    /// Of how many it is the share or the mean.
    pub of: i64,
    /// What it should be.
    pub target: f64,
    /// Whether more is better; else less is.
    pub at_least: bool,
    /// Whether it is what it should be; nobody knows while there is nothing to measure.
    pub met: Option<bool>,
}

const TECHNICAL: &str = "technical";
const BUSINESS: &str = "business";

/// All of them.
pub(super) fn indicators(outcomes: &Outcomes, calls: &CallFigures) -> Vec<IndicatorView> {
    let (response, ratings) = (&outcomes.first_response, &outcomes.ratings);
    vec![
        share("automation_success", ("自动化成功率", "Runs that brought a welcome"), TECHNICAL, outcomes.automation_success, 0.99),
        mean_time(
            "response_time",
            ("平均响应时间", "Mean time to the welcome"),
            (response.mean, i64::try_from(response.count).unwrap_or(i64::MAX)),
        ),
        share(
            "mcp_available",
            ("MCP 服务可用性（500 毫秒内应答）", "Tool calls answered within 500 ms"),
            TECHNICAL,
            calls.available,
            0.999,
        ),
        share("agent_success", ("智能体调用成功率（含重试）", "Runs in which an agent answered"), TECHNICAL, outcomes.agent_success, 0.95),
        share("notices_arrived", ("顾问通知到达率", "Notices that reached consultants"), TECHNICAL, outcomes.notices_arrived, 0.99),
        share("responded_in_time", ("首次响应 ≤ 5 分钟", "First response within 5 minutes"), BUSINESS, outcomes.responded_in_time, 1.0),
        share("conversed_7d", ("7 日内首次对话", "First conversation within 7 days"), BUSINESS, outcomes.conversed_7d, 0.8),
        indicator("rating", ("用户满意度", "Customers' rating"), (BUSINESS, Unit::Stars), (ratings.mean, ratings.count), (4.5, true)),
        share(
            "claimed_in_time",
            ("10 分钟内认领（工作时间）", "Claimed within 10 minutes of working time"),
            BUSINESS,
            outcomes.claimed_in_time,
            1.0,
        ),
    ]
}

fn share(name: &'static str, label: (&str, &str), group: &'static str, share: Share, target: f64) -> IndicatorView {
    indicator(name, label, (group, Unit::Share), (share.value(), share.of), (target, true))
}

/// A time that should be three seconds at most.
fn mean_time(name: &'static str, label: (&str, &str), measured: (Option<f64>, i64)) -> IndicatorView {
    indicator(name, label, (TECHNICAL, Unit::Milliseconds), measured, (3_000.0, false))
}

fn indicator(
    name: &'static str,
    (zh, en): (&str, &str),
    (group, unit): (&'static str, Unit),
    (value, of): (Option<f64>, i64),
    (target, at_least): (f64, bool),
) -> IndicatorView {
    let met = value.map(|value| if at_least { value >= target } else { value <= target });
    IndicatorView { name, label: TextView { zh: zh.into(), en: en.into() }, group, unit, value, of, target, at_least, met }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_from_one_side_and_nothing_measured_is_not_judged() {
        let of = |hits, of| share("x", ("", ""), TECHNICAL, Share { hits, of }, 0.99).met;
        assert_eq!((of(99, 100), of(98, 100), of(0, 0)), (Some(true), Some(false), None));
        let time = |mean| mean_time("x", ("", ""), (mean, 1)).met;
        assert_eq!((time(Some(3_000.0)), time(Some(3_000.5)), time(None)), (Some(true), Some(false), None));
    }
}
