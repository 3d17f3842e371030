//! Which kind of customer somebody is: segment, behaviour and engagement, each by the first rule that holds.
//!
//! Segments, in this order (rhythm: see [`super::facts`]):
//!
//! | code | name | rule |
//! |---|---|---|
//! | `new` | 新用户 | never visited, registered less than 30 days ago |
//! | `prospect` | 潜在客户 | never visited, registered earlier |
//! | `lapsed` | 流失客户 | no appointment, last visit 3 rhythms ago or more, and at least 120 days |
//! | `at_risk` | 流失风险客户 | no appointment, last visit 2 rhythms ago or more, and at least 60 days |
//! | `vip` | VIP客户 | ¥30,000 or more in the last year; or 8 visits or more and ¥15,000 or more in the last year |
//! | `regular` | 老客户 | 3 visits or more |
//! | `developing` | 成长客户 | 1 or 2 visits |
//!
//! Somebody who never came cannot have lapsed, and somebody with an appointment is on the way back: neither is ever
//! called lapsed.

use schemars::JsonSchema;
use serde::Serialize;

use super::facts::{Driver, Facts, days};
use crate::money;

const NEW_DAYS: f64 = 30.0;
const LAPSED_RHYTHMS: f64 = 3.0;
/// A monthly guest on a long journey has not left.
const LAPSED_DAYS: f64 = 120.0;
const AT_RISK_RHYTHMS: f64 = 2.0;
const AT_RISK_DAYS: f64 = 60.0;
/// About what one course of energy-based treatments costs twice over.
const VIP_YEAR_FEN: i64 = 3_000_000;
const VIP_VISITS: u32 = 8;
const VIP_VISITS_YEAR_FEN: i64 = 1_500_000;
const REGULAR_VISITS: u32 = 3;

/// Kind of customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Segment {
    /// Never visited, registered lately.
    New,
    /// Never visited.
    Prospect,
    /// One or two visits.
    Developing,
    /// Visits regularly.
    Regular,
    /// Spends much.
    Vip,
    /// Overdue.
    AtRisk,
    /// Long gone.
    Lapsed,
}

impl Segment {
    /// The segment of a customer.
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let activity = facts.activity;
        let (Some(gap), Some(overdue)) = (facts.days_since_visit(), facts.overdue()) else {
            return if facts.account_days() < NEW_DAYS { Self::New } else { Self::Prospect };
        };
        let due = |rhythms: f64, least: f64| activity.upcoming == 0 && overdue >= rhythms && gap >= least;
        let spends = activity.spent_year_fen >= VIP_YEAR_FEN;
        let comes_and_spends = activity.completed_visits >= VIP_VISITS && activity.spent_year_fen >= VIP_VISITS_YEAR_FEN;
        if due(LAPSED_RHYTHMS, LAPSED_DAYS) {
            Self::Lapsed
        } else if due(AT_RISK_RHYTHMS, AT_RISK_DAYS) {
            Self::AtRisk
        } else if spends || comes_and_spends {
            Self::Vip
        } else if activity.completed_visits >= REGULAR_VISITS {
            Self::Regular
        } else {
            Self::Developing
        }
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::New => "新用户",
            Self::Prospect => "潜在客户",
            Self::Developing => "成长客户",
            Self::Regular => "老客户",
            Self::Vip => "VIP客户",
            Self::AtRisk => "流失风险客户",
            Self::Lapsed => "流失客户",
        }
    }

    /// The facts it was decided by.
    pub(super) fn drivers(self, facts: &Facts<'_>) -> Vec<Driver> {
        let activity = facts.activity;
        let fact = |fact: &'static str, value: String, note: &str| Driver {
            fact,
            value,
            effect: format!("segment: {}", self.name()),
            note: note.to_owned(),
        };
        let age = days(facts.account_days());
        let visits = fact("completed_visits", activity.completed_visits.to_string(), "完成的到店次数 / completed visits");
        let mut drivers = vec![visits];
        match self {
            Self::New => drivers.push(fact(
                "account_days",
                format!("{age} days"),
                "注册不足30天且未到店 / registered less than 30 days ago, never visited",
            )),
            Self::Prospect => drivers.push(fact(
                "account_days",
                format!("{age} days"),
                "注册30天以上仍未到店 / registered 30 days ago or more, never visited",
            )),
            Self::Vip => drivers.push(fact(
                "spent_last_year",
                money::yuan(activity.spent_year_fen),
                "近365天消费达到VIP标准 / spend of the last 365 days reaches the VIP threshold",
            )),
            Self::Lapsed | Self::AtRisk => drivers.push(overdue_driver(facts, fact)),
            Self::Regular | Self::Developing => {}
        }
        drivers
    }
}

fn overdue_driver(facts: &Facts<'_>, fact: impl Fn(&'static str, String, &str) -> Driver) -> Driver {
    let gap = days(facts.days_since_visit().unwrap_or_default());
    let rhythm = facts.rhythm_days();
    fact(
        "days_since_visit",
        format!("{gap} days, rhythm {rhythm:.0} days"),
        &format!(
            "距上次到店{gap}天，平时约每{rhythm:.0}天一次，且无预约 / {gap} days since the last visit, usually one every {rhythm:.0} days, and no appointment"
        ),
    )
}

/// How the customer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Behaviour {
    /// Never visited nor wrote.
    Exploring,
    /// Never visited, writes.
    Asking,
    /// Never visited, has an appointment.
    Booked,
    /// Lapsed.
    Silent,
    /// Often misses appointments.
    Unsteady,
    /// Mostly treated.
    Treated,
    /// Comes, mostly for advice.
    Advised,
}

/// Missed appointments from which on it is a pattern.
pub(super) const UNSTEADY_MISSED: u32 = 2;
const UNSTEADY_SHARE: f64 = 0.4;

impl Behaviour {
    /// The behaviour of a customer of this segment.
    pub(super) fn of(facts: &Facts<'_>, segment: Segment) -> Self {
        let activity = facts.activity;
        if segment == Segment::Lapsed {
            Self::Silent
        } else if activity.missed >= UNSTEADY_MISSED && facts.missed_share() >= UNSTEADY_SHARE {
            Self::Unsteady
        } else if facts.visited() {
            if activity.treatments * 2 >= activity.completed_visits { Self::Treated } else { Self::Advised }
        } else if activity.upcoming > 0 {
            Self::Booked
        } else if activity.messages > 0 {
            Self::Asking
        } else {
            Self::Exploring
        }
    }

    /// In words, with the rhythm where there is one.
    pub(super) fn describe(self, facts: &Facts<'_>) -> String {
        let activity = facts.activity;
        let rhythm =
            if activity.completed_visits >= 2 { format!("，约每{:.0}天到店一次", facts.rhythm_days()) } else { String::new() };
        match self {
            Self::Exploring => "探索期：已注册，尚未咨询或到店".into(),
            Self::Asking => format!("咨询期：已发送{}条消息，尚未到店", activity.messages),
            Self::Booked => format!("预约期：有{}个预约，尚未到店", activity.upcoming),
            Self::Silent => format!("沉默期：{}天未到店", days(facts.days_since_visit().unwrap_or_default())),
            Self::Unsteady => format!("易改期：{}次取消或爽约{rhythm}", activity.missed),
            Self::Treated => format!("治疗期：{}次到店中{}次治疗{rhythm}", activity.completed_visits, activity.treatments),
            Self::Advised => format!("了解期：{}次到店以咨询为主{rhythm}", activity.completed_visits),
        }
    }
}

/// How engaged the customer is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Engaged {
    /// Registered, and nothing else on record.
    Unobserved,
    /// Score below 40.
    Low,
    /// Score of 40 or more.
    Medium,
    /// Score of 70 or more.
    High,
}

impl Engaged {
    /// The level of a score.
    pub(super) fn of(facts: &Facts<'_>, score: f64) -> Self {
        match score {
            _ if !facts.anything() => Self::Unobserved,
            high if high >= 70.0 => Self::High,
            medium if medium >= 40.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unobserved => "待观察",
            Self::Low => "低",
            Self::Medium => "中等",
            Self::High => "高",
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::{Behaviour, Engaged, Segment};
    use crate::{
        customer::facts::{
            Facts,
            tests::{facts, visits},
        },
        memory::now,
        port::Activity,
    };

    fn segment(activity: &Activity, registered: i64) -> Segment {
        Segment::of(&facts(activity, registered))
    }

    #[test]
    fn a_new_customer_becomes_a_prospect_after_thirty_days() {
        let none = Activity::default();
        let registered = |seconds: i64| {
            Segment::of(&Facts { activity: &none, registered_at: now() - Duration::days(30) + Duration::seconds(seconds), now: now() })
        };
        assert_eq!(registered(1), Segment::New);
        assert_eq!(registered(0), Segment::Prospect);
    }

    #[test]
    fn who_never_visited_is_never_lapsed() {
        for days in [0, 29, 30, 365, 3650] {
            assert!(matches!(segment(&Activity::default(), days), Segment::New | Segment::Prospect), "{days}");
        }
    }

    #[test]
    fn a_visit_ends_being_new() {
        assert_eq!(segment(&visits(1, 2, 2), 5), Segment::Developing);
    }

    #[test]
    fn who_came_once_is_at_risk_after_two_rhythms_and_lapsed_after_three() {
        let expected = [(179, Segment::Developing), (180, Segment::AtRisk), (269, Segment::AtRisk), (270, Segment::Lapsed)];
        for (days, segment_then) in expected {
            assert_eq!(segment(&visits(1, days, days), 400), segment_then, "{days}");
        }
    }

    #[test]
    fn a_frequent_guest_is_missed_earlier_but_not_before_the_floor() {
        // A rhythm of 21 days: two of them are 42 days, three are 63.
        assert_eq!(segment(&visits(20, 59 + 200, 59), 400), Segment::Regular);
        assert_eq!(segment(&visits(20, 60 + 200, 60), 400), Segment::AtRisk);
        assert_eq!(segment(&visits(20, 119 + 200, 119), 400), Segment::AtRisk);
        assert_eq!(segment(&visits(20, 120 + 200, 120), 400), Segment::Lapsed);
    }

    #[test]
    fn an_appointment_means_that_nobody_lapsed() {
        let mut activity = visits(3, 700, 600);
        assert_eq!(segment(&activity, 800), Segment::Lapsed);
        activity.upcoming = 1;
        assert_eq!(segment(&activity, 800), Segment::Regular);
    }

    #[test]
    fn vip_is_money_or_money_and_visits() {
        let with = |visits_made, year| {
            let mut activity = visits(visits_made, 100, 10);
            activity.spent_year_fen = year;
            segment(&activity, 400)
        };
        assert_eq!(with(1, 3_000_000), Segment::Vip);
        assert_eq!(with(7, 2_999_999), Segment::Regular);
        assert_eq!(with(8, 1_500_000), Segment::Vip);
        assert_eq!(with(8, 1_499_999), Segment::Regular);
        assert_eq!(with(2, 0), Segment::Developing);
        assert_eq!(with(3, 0), Segment::Regular);
    }

    #[test]
    fn behaviour_follows_what_was_done() {
        let of = |activity: &Activity| {
            let facts = facts(activity, 10);
            Behaviour::of(&facts, Segment::of(&facts))
        };
        let mut activity = Activity::default();
        assert_eq!(of(&activity), Behaviour::Exploring);
        activity.messages = 2;
        assert_eq!(of(&activity), Behaviour::Asking);
        activity.upcoming = 1;
        assert_eq!(of(&activity), Behaviour::Booked);
        activity.missed = 2;
        assert_eq!(of(&activity), Behaviour::Unsteady);
        let mut visitor = visits(4, 100, 10);
        assert_eq!(of(&visitor), Behaviour::Advised);
        visitor.treatments = 2;
        assert_eq!(of(&visitor), Behaviour::Treated);
        assert_eq!(of(&visits(1, 400, 400)), Behaviour::Silent);
    }

    #[test]
    fn engagement_levels_have_stated_bounds() {
        let none = Activity::default();
        assert_eq!(Engaged::of(&facts(&none, 1), 30.0), Engaged::Unobserved);
        let some = visits(1, 1, 1);
        let level = |score| Engaged::of(&facts(&some, 1), score);
        assert_eq!([level(39.9), level(40.0), level(69.9), level(70.0)], [Engaged::Low, Engaged::Medium, Engaged::Medium, Engaged::High]);
    }
}
