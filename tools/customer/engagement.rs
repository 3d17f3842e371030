//! How engaged a customer is, 0 to 100: a pure function of [`Facts`].
//!
//! The sum of four parts less one, with parameters that are the trade's rules of thumb, stated here and not fitted to
//! one clinic's rows:
//! `30 · ½^(silent days / 30) + 30 · min(1, visits a year / 6) + 20 · min(1, spent in a year / ¥20,000)
//! + 20 · min(1, (messages in 30 days + ½ · messages in days 31–90) / 10) − 10 · share of missed appointments`.
//! Every part comes back as a [`Driver`], so that a reader can redo the sum.

use super::facts::{Driver, Facts, days};
use crate::money;

/// Points of the engagement parts; they add up to a hundred.
const RECENCY_POINTS: f64 = 30.0;
const FREQUENCY_POINTS: f64 = 30.0;
const SPEND_POINTS: f64 = 20.0;
const MESSAGE_POINTS: f64 = 20.0;
/// Points lost by somebody who misses every appointment.
const MISSED_POINTS: f64 = 10.0;
/// Silence that halves the recency points: a month, the usual interval of a course.
const SILENCE_HALF_LIFE_DAYS: f64 = 30.0;
/// Visits a year that count as full frequency: every second month.
const FULL_VISITS_A_YEAR: f64 = 6.0;
/// Spend in a year that counts as full, in fen.
const FULL_SPEND_FEN: f64 = 2_000_000.0;
/// Messages that count as full: about one every third day of a month.
const FULL_MESSAGES: f64 = 10.0;

/// The engagement score and what it is made of.
#[derive(Debug)]
pub(super) struct Engagement {
    /// 0 to 100, with one decimal.
    pub(super) score: f64,
    /// Its parts.
    pub(super) drivers: Vec<Driver>,
}

/// How engaged the customer is.
pub(super) fn engagement(facts: &Facts<'_>) -> Engagement {
    let parts = [recency(facts), frequency(facts), spend(facts), messages(facts), missed(facts)];
    let score: f64 = parts.iter().map(|(points, _)| points).sum();
    Engagement { score: (score.clamp(0.0, 100.0) * 10.0).round() / 10.0, drivers: parts.into_iter().map(|(_, driver)| driver).collect() }
}

fn recency(facts: &Facts<'_>) -> (f64, Driver) {
    let silent = facts.silent_days();
    let share = 0.5_f64.powf(silent / SILENCE_HALF_LIFE_DAYS);
    let note = "距最近一次到店、消息或注册 / since the last visit, message or registration";
    part("silent_days", format!("{} days", days(silent)), RECENCY_POINTS, share, note)
}

fn frequency(facts: &Facts<'_>) -> (f64, Driver) {
    let yearly = f64::from(facts.activity.completed_visits) / facts.tenure_years();
    let note = "平均每年到店次数 / completed visits a year";
    part("visits_a_year", format!("{yearly:.1}"), FREQUENCY_POINTS, yearly / FULL_VISITS_A_YEAR, note)
}

fn spend(facts: &Facts<'_>) -> (f64, Driver) {
    let spent = facts.activity.spent_year_fen;
    let note = "近365天消费 / paid in the last 365 days";
    part("spent_last_year", money::yuan(spent), SPEND_POINTS, spent as f64 / FULL_SPEND_FEN, note)
}

fn messages(facts: &Facts<'_>) -> (f64, Driver) {
    let (month, quarter) = (facts.activity.messages_30d, facts.activity.messages_90d);
    let weighted = f64::from(month) + 0.5 * f64::from(quarter.saturating_sub(month));
    let note = "近90天与近30天客户消息数 / messages by the customer";
    part("messages_90d", format!("{quarter} (30d: {month})"), MESSAGE_POINTS, weighted / FULL_MESSAGES, note)
}

fn missed(facts: &Facts<'_>) -> (f64, Driver) {
    let share = facts.missed_share();
    let note = "取消或爽约占全部预约 / share of appointments cancelled or missed";
    part("missed_share", format!("{:.0}%", share * 100.0), -MISSED_POINTS, share, note)
}

fn part(fact: &'static str, value: String, points: f64, share: f64, note: &str) -> (f64, Driver) {
    // Adding zero makes of -0.0 what people write.
    let earned = points * share.clamp(0.0, 1.0) + 0.0;
    let driver = Driver { fact, value, effect: format!("engagement {earned:+.1}/{:.0}", points.abs()), note: note.to_owned() };
    (earned, driver)
}

#[cfg(test)]
mod tests {
    use super::engagement;
    use crate::{
        customer::facts::tests::{facts, visits},
        port::Activity,
    };

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn engagement_stays_within_its_bounds_and_adds_up() {
        let none = engagement(&facts(&Activity::default(), 4_000));
        assert!(close(none.score, 0.0));
        let mut activity = visits(12, 330, 0);
        (activity.spent_fen, activity.spent_year_fen) = (9_000_000, 9_000_000);
        (activity.messages_30d, activity.messages_90d) = (40, 90);
        assert!(close(engagement(&facts(&activity, 400)).score, 100.0));
        activity.missed = 12;
        let result = engagement(&facts(&activity, 400));
        assert!(close(result.score, 95.0), "{result:?}");
        assert_eq!(result.drivers.len(), 5);
    }

    #[test]
    fn engagement_falls_with_silence() {
        let score = |last| engagement(&facts(&visits(2, 300, last), 400)).score;
        assert!(score(1) > score(30) && score(30) > score(200));
    }
}
