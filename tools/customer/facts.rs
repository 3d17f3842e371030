//! What a customer did, as the quantities that every rule of the set is written in.
//!
//! Pure arithmetic over [`Activity`] and two dates; asks nobody. A customer's own rhythm is the mean gap between
//! completed visits, shrunk towards [`USUAL_GAP_DAYS`], because one or two gaps say little:
//! `rhythm = (USUAL_GAP_DAYS + span of the visits) / number of visits`, kept within [`RHYTHM_DAYS`]. With one visit it
//! is the usual gap itself; with many it is their own.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::port::Activity;

/// Gap expected of somebody who came once: a quarter, after which most injections are to be refreshed.
pub(super) const USUAL_GAP_DAYS: f64 = 90.0;

/// No rhythm is believed beyond these: three weeks is the shortest course interval, half a year the longest upkeep.
pub(super) const RHYTHM_DAYS: RangeInclusive<f64> = 21.0..=180.0;

/// Days of a year, for rates.
const YEAR_DAYS: f64 = 365.0;

/// One fact an answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Driver {
    /// Name of the fact, such as `days_since_visit`.
    pub(super) fact: &'static str,
    /// Its value, with its unit.
    pub(super) value: String,
    /// What it did to the result, such as `engagement +12.5/30` or `churn odds ×0.50`.
    pub(super) effect: String,
    /// The same in words, Chinese then English.
    pub(super) note: String,
}

/// A customer's activity as of one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The sums from the records.
    pub(super) activity: &'a Activity,
    /// When the account was made.
    pub(super) registered_at: DateTime<Utc>,
    /// The moment.
    pub(super) now: DateTime<Utc>,
}

impl Facts<'_> {
    fn days_since(&self, moment: DateTime<Utc>) -> f64 {
        (self.now.signed_duration_since(moment).num_seconds() as f64 / 86_400.0).max(0.0)
    }

    /// Age of the account in days.
    pub(super) fn account_days(&self) -> f64 {
        self.days_since(self.registered_at)
    }

    /// Whether a visit ever took place.
    pub(super) fn visited(&self) -> bool {
        self.days_since_visit().is_some()
    }

    /// Days since the last completed visit.
    pub(super) fn days_since_visit(&self) -> Option<f64> {
        self.activity.last_visit.filter(|_| self.activity.completed_visits > 0).map(|visit| self.days_since(visit))
    }

    /// Days between two visits of this customer, as far as the visits tell.
    pub(super) fn rhythm_days(&self) -> f64 {
        let span = match (self.activity.first_visit, self.activity.last_visit) {
            (Some(first), Some(last)) => self.days_since(first) - self.days_since(last),
            _ => 0.0,
        };
        let visits = f64::from(self.activity.completed_visits.max(1));
        ((USUAL_GAP_DAYS + span.max(0.0)) / visits).clamp(*RHYTHM_DAYS.start(), *RHYTHM_DAYS.end())
    }

    /// Time since the last visit, in the customer's own rhythm: 1 is on time, 3 is two visits missed.
    pub(super) fn overdue(&self) -> Option<f64> {
        self.days_since_visit().map(|days| days / self.rhythm_days())
    }

    /// Days since the customer was last heard of: a visit, a message, or the registration itself.
    pub(super) fn silent_days(&self) -> f64 {
        let heard = [self.activity.last_visit, self.activity.last_message].into_iter().flatten();
        heard.map(|moment| self.days_since(moment)).fold(self.account_days(), f64::min)
    }

    /// Years since the first visit, at least one: a short history is not blown up to a year.
    pub(super) fn tenure_years(&self) -> f64 {
        (self.activity.first_visit.map_or(0.0, |first| self.days_since(first)) / YEAR_DAYS).max(1.0)
    }

    /// Whether the first visit is more than a year ago, so that years can be compared.
    pub(super) fn has_two_years(&self) -> bool {
        self.activity.first_visit.is_some_and(|first| self.days_since(first) > YEAR_DAYS)
    }

    /// Share of appointments that were cancelled or missed.
    pub(super) fn missed_share(&self) -> f64 {
        let missed = f64::from(self.activity.missed);
        let all = missed + f64::from(self.activity.completed_visits);
        if all > 0.0 { missed / all } else { 0.0 }
    }

    /// Whether there is anything at all beside the registration.
    pub(super) fn anything(&self) -> bool {
        let activity = self.activity;
        activity.completed_visits + activity.messages + activity.upcoming + activity.missed + activity.complaints > 0
    }
}

/// Whole days, for people.
pub(super) fn days(value: f64) -> i64 {
    value.floor() as i64
}

/// `value` with three decimals, for probabilities.
pub(super) fn round3(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Facts, round3};
    use crate::{
        memory::{days_ago, now},
        port::Activity,
    };

    /// `visits` visits, evenly spread, the first and the last so many days ago.
    pub(in crate::customer) fn visits(visits: u32, first: i64, last: i64) -> Activity {
        Activity { completed_visits: visits, first_visit: Some(days_ago(first)), last_visit: Some(days_ago(last)), ..Activity::default() }
    }

    /// The facts of an account that registered so many days ago.
    pub(in crate::customer) fn facts(activity: &Activity, registered: i64) -> Facts<'_> {
        Facts { activity, registered_at: days_ago(registered), now: now() }
    }

    #[test]
    fn one_visit_has_the_usual_rhythm_and_many_have_their_own() {
        assert!((facts(&visits(1, 50, 50), 60).rhythm_days() - 90.0).abs() < 1e-9);
        // Eleven visits over 300 days: thirty days apart, drawn a little towards the usual gap.
        assert!((round3(facts(&visits(11, 310, 10), 400).rhythm_days()) - 35.455).abs() < 1e-9);
        assert!((facts(&visits(40, 100, 1), 400).rhythm_days() - 21.0).abs() < 1e-9);
        assert!((facts(&visits(2, 2000, 1), 2100).rhythm_days() - 180.0).abs() < 1e-9);
    }

    #[test]
    fn silence_ends_with_the_latest_sign_of_life() {
        let mut activity = visits(1, 50, 50);
        assert!((facts(&activity, 60).silent_days() - 50.0).abs() < 1e-9);
        activity.last_message = Some(days_ago(4));
        assert!((facts(&activity, 60).silent_days() - 4.0).abs() < 1e-9);
        assert!((facts(&Activity::default(), 60).silent_days() - 60.0).abs() < 1e-9);
    }

    #[test]
    fn nobody_visited_without_a_completed_visit() {
        let activity = Activity { last_visit: Some(days_ago(3)), ..Activity::default() };
        assert!(!facts(&activity, 60).visited());
        assert!(!facts(&Activity::default(), 1).anything());
    }

    #[test]
    fn a_clock_ahead_of_ours_gives_no_negative_days() {
        assert!(facts(&Activity::default(), -2).account_days().abs() < 1e-9);
    }

    #[test]
    fn missed_appointments_are_a_share_of_all() {
        let mut activity = visits(3, 90, 9);
        activity.missed = 1;
        assert!((facts(&activity, 100).missed_share() - 0.25).abs() < 1e-9);
        assert!(facts(&Activity::default(), 100).missed_share().abs() < 1e-9);
    }
}
