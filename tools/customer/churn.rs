//! The chance of losing a customer: a pure function of [`Facts`].
//!
//! For who has visited it is the chance that they do not come back. As in the BG/NBD model a customer who still comes
//! does so at their own rate (1 / rhythm), and may drop out after any visit; the rate is the shrunk rhythm of
//! [`Facts::rhythm_days`] and the drop-out odds are those of a Beta(1, 3) prior updated by the visits:
//! `odds = 1 / (3 + visits − 1) · e^(days since the visit / rhythm) · factors`, `p = odds / (1 + odds)`. The factors are
//! likelihood ratios of further facts: an appointment, recent messages, complaints, missed appointments, spend that
//! rises or falls.
//!
//! **Conversion loss** stands in its place for who has never visited, since one who never came cannot stay away:
//! `odds = 1.5 · e^(silent days / 45) · factors`, the chance that the first visit does not happen.
//!
//! The parameters are the trade's rules of thumb, stated here and not fitted to one clinic's rows. Every factor that
//! was applied comes back as a [`Driver`], so that a reader can redo the product.

use super::facts::{Driver, Facts, days, round3};

/// Beta prior of dropping out after a visit: one in four does not come a second time.
const DROPOUT_A: f64 = 1.0;
const DROPOUT_B: f64 = 3.0;
/// Visits beyond this do not make anybody more loyal.
const LOYAL_VISITS: u32 = 12;
/// Beyond so many rhythms more time tells nothing more; also keeps the exponential finite.
const OVERDUE_CAP: f64 = 20.0;
/// Odds that a fresh registration never visits: two in five do.
const NO_VISIT_ODDS: f64 = 1.5;
/// Silence that multiplies those odds by e: interest in a treatment cools within six weeks.
const INTEREST_DAYS: f64 = 45.0;
/// An appointment is on the calendar: four in five are kept.
const UPCOMING: f64 = 0.2;
/// The customer wrote within 30, or 90, days.
const WROTE_30D: f64 = 0.5;
const WROTE_90D: f64 = 0.8;
/// A complaint is on record; two weigh twice, more do not weigh more.
const COMPLAINT: f64 = 1.5;
const COMPLAINTS_CAP: u32 = 2;
/// A quarter or more of the appointments were missed.
const OFTEN_MISSED: f64 = 1.3;
const OFTEN_MISSED_SHARE: f64 = 0.25;
/// Spend of the last year against the yearly mean: below half of it, or at least equal to it.
const SPEND_FALLS: f64 = 1.25;
const SPEND_HOLDS: f64 = 0.85;
/// Nothing about people is certain.
const CERTAINTY: (f64, f64) = (0.01, 0.99);

/// The chance of losing a customer, and the factors behind it.
#[derive(Debug)]
pub(super) struct Churn {
    /// 0.01 to 0.99, with three decimals.
    pub(super) probability: f64,
    /// The factors, the base first.
    pub(super) drivers: Vec<Driver>,
}

/// The chance that a customer does not come back, or, without a visit so far, never comes.
pub(super) fn churn(facts: &Facts<'_>) -> Churn {
    let mut odds = match facts.overdue() {
        Some(overdue) => returning_odds(facts, overdue),
        None => first_visit_odds(facts),
    };
    odds.apply_contact(facts);
    odds.apply_trouble(facts);
    odds.apply_spend(facts);
    let probability = odds.value / (1.0 + odds.value);
    Churn { probability: round3(probability.clamp(CERTAINTY.0, CERTAINTY.1)), drivers: odds.drivers }
}

fn returning_odds(facts: &Facts<'_>, overdue: f64) -> Odds {
    let visits = facts.activity.completed_visits;
    let counted = f64::from(visits.clamp(1, LOYAL_VISITS));
    let mut odds = Odds::default();
    odds.times(
        DROPOUT_A / (DROPOUT_B + counted - 1.0),
        "completed_visits",
        visits.to_string(),
        "来得越多越不易流失 / who came more often drops out less",
    );
    let (gap, rhythm) = (facts.days_since_visit().unwrap_or_default(), facts.rhythm_days());
    let value = format!("{} days, rhythm {rhythm:.0} days", days(gap));
    odds.times(
        overdue.min(OVERDUE_CAP).exp(),
        "days_since_visit",
        value,
        "距上次到店，对比其自身到店间隔 / since the last visit, against the customer's own rhythm",
    );
    odds
}

fn first_visit_odds(facts: &Facts<'_>) -> Odds {
    let silent = facts.silent_days();
    let mut odds = Odds::default();
    odds.times(
        NO_VISIT_ODDS,
        "completed_visits",
        "0".to_owned(),
        "尚未到店：为首次到店不发生的概率 / never visited: the chance that a first visit does not happen",
    );
    let growth = (silent / INTEREST_DAYS).min(OVERDUE_CAP).exp();
    odds.times(
        growth,
        "silent_days",
        format!("{} days", days(silent)),
        "注册或最近消息后兴趣随时间减弱 / interest cools after registration or the last message",
    );
    odds
}

/// Odds under construction.
#[derive(Debug)]
struct Odds {
    value: f64,
    drivers: Vec<Driver>,
}

impl Default for Odds {
    fn default() -> Self {
        Self { value: 1.0, drivers: Vec::new() }
    }
}

impl Odds {
    fn times(&mut self, factor: f64, fact: &'static str, value: String, note: &str) {
        self.value *= factor;
        let effect = if factor < 1000.0 { format!("churn odds ×{factor:.2}") } else { "churn odds ×1000+".to_owned() };
        self.drivers.push(Driver { fact, value, effect, note: note.to_owned() });
    }

    fn apply_contact(&mut self, facts: &Facts<'_>) {
        let activity = facts.activity;
        if activity.upcoming > 0 {
            self.times(UPCOMING, "upcoming_appointments", activity.upcoming.to_string(), "已有预约 / an appointment is on the calendar");
        }
        if activity.messages_30d > 0 {
            self.times(WROTE_30D, "messages_30d", activity.messages_30d.to_string(), "近30天主动联系 / wrote within 30 days");
        } else if activity.messages_90d > 0 {
            self.times(WROTE_90D, "messages_90d", activity.messages_90d.to_string(), "近90天主动联系 / wrote within 90 days");
        }
    }

    fn apply_trouble(&mut self, facts: &Facts<'_>) {
        let activity = facts.activity;
        if activity.complaints > 0 {
            let factor = COMPLAINT.powf(f64::from(activity.complaints.min(COMPLAINTS_CAP)));
            self.times(factor, "complaints", activity.complaints.to_string(), "有投诉记录 / complaints on record");
        }
        if facts.missed_share() >= OFTEN_MISSED_SHARE {
            self.times(
                OFTEN_MISSED,
                "missed_share",
                format!("{:.0}%", facts.missed_share() * 100.0),
                "经常取消或爽约 / often cancels or misses appointments",
            );
        }
    }

    fn apply_spend(&mut self, facts: &Facts<'_>) {
        let yearly_mean = facts.activity.spent_fen as f64 / facts.tenure_years();
        if !facts.has_two_years() || yearly_mean <= 0.0 {
            return;
        }
        let trend = facts.activity.spent_year_fen as f64 / yearly_mean;
        let value = format!("{:.0}%", trend * 100.0);
        if trend < 0.5 {
            self.times(SPEND_FALLS, "spend_trend", value, "近一年消费低于年均一半 / last year's spend is below half of the yearly mean");
        } else if trend >= 1.0 {
            self.times(SPEND_HOLDS, "spend_trend", value, "近一年消费不低于年均 / last year's spend is at least the yearly mean");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::churn;
    use crate::{
        customer::facts::tests::{facts, visits},
        port::Activity,
    };

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn churn_never_falls_as_the_last_visit_recedes() {
        let mut before = 0.0;
        for day in 0..=600 {
            let probability = churn(&facts(&visits(4, 700, day), 800)).probability;
            assert!(probability >= before, "day {day}: {probability} < {before}");
            before = probability;
        }
        assert!(before > 0.8, "{before}");
    }

    #[test]
    fn churn_falls_with_every_visit_at_the_same_rhythm() {
        let mut before = 1.0;
        for number in 1..=12_u32 {
            // The span grows so that the rhythm stays at the usual gap.
            let first = 30 + 90 * i64::from(number - 1);
            let probability = churn(&facts(&visits(number, first, 30), 2000)).probability;
            assert!(probability < before, "{number} visits: {probability}");
            before = probability;
        }
    }

    #[test]
    fn the_formula_is_the_stated_one() {
        // One visit, one rhythm ago: odds = 1/3 · e.
        let odds = 1.0 / 3.0 * std::f64::consts::E;
        let expected = (odds / (1.0 + odds) * 1000.0).round() / 1000.0;
        assert!(close(churn(&facts(&visits(1, 90, 90), 100)).probability, expected));
        // Never visited, registered at this moment: odds = 1.5.
        assert!(close(churn(&facts(&Activity::default(), 0)).probability, 0.6));
    }

    #[test]
    fn appointments_and_messages_lower_churn_and_trouble_raises_it() {
        let base = churn(&facts(&visits(3, 300, 60), 400)).probability;
        let with = |change: fn(&mut Activity)| {
            let mut activity = visits(3, 300, 60);
            change(&mut activity);
            churn(&facts(&activity, 400)).probability
        };
        assert!(with(|activity| activity.upcoming = 1) < base);
        let month = with(|activity| activity.messages_30d = 1);
        let quarter = with(|activity| activity.messages_90d = 1);
        assert!(month < quarter && quarter < base);
        let (one, two) = (with(|activity| activity.complaints = 1), with(|activity| activity.complaints = 2));
        assert!(base < one && one < two && close(two, with(|activity| activity.complaints = 9)));
        assert!(with(|activity| activity.missed = 1) > base);
    }

    #[test]
    fn falling_spend_raises_churn_only_when_there_are_years_to_compare() {
        let with = |first: i64, year: i64| {
            let mut activity = visits(4, first, 60);
            (activity.spent_fen, activity.spent_year_fen) = (1_000_000, year);
            churn(&facts(&activity, 1500)).probability
        };
        assert!(with(1400, 0) > with(1400, 200_000));
        assert!(with(1400, 500_000) < with(1400, 200_000));
        assert!(close(with(300, 0), with(300, 1_000_000)));
    }

    #[test]
    fn conversion_loss_grows_with_silence() {
        let none = Activity::default();
        let (fresh, month, year) = (churn(&facts(&none, 0)), churn(&facts(&none, 30)), churn(&facts(&none, 365)));
        assert!(fresh.probability < month.probability && month.probability < year.probability);
        assert!(close(churn(&facts(&none, 9_000)).probability, 0.99));
    }

    #[test]
    fn every_factor_comes_back_as_a_driver() {
        let mut activity = visits(3, 900, 60);
        (activity.upcoming, activity.messages_30d, activity.complaints, activity.missed) = (1, 2, 1, 3);
        (activity.spent_fen, activity.spent_year_fen) = (900_000, 0);
        let names: Vec<&str> = churn(&facts(&activity, 1000)).drivers.iter().map(|driver| driver.fact).collect();
        assert_eq!(
            names,
            ["completed_visits", "days_since_visit", "upcoming_appointments", "messages_30d", "complaints", "missed_share", "spend_trend"]
        );
    }
}
