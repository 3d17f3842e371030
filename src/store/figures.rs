//! What rows are summed up to: shares and spreads; and the rows of such sums, which are kept as what they sum up happens.
//!
//! ```text
//! histogram  how many took how long, in a few bytes
//! grid       the time that is shown, in steps
//! kept       rows of sums: by the minute for two days, by the hour for more than a year
//! calls steps agents   what is counted, where, and how it is read
//! upkeep     counts what was there before these tables were; deletes what nobody asks for any more
//! ```
//!
//! Runs are not summed up: [`super::outcomes`] reads one narrow row of each (`run_figures`, kept by triggers), so that
//! its percentiles are measured and what is late is late at the moment of asking.

pub mod agents;
pub mod calls;
pub mod grid;
mod histogram;
mod kept;
pub mod steps;
pub mod upkeep;

use rusqlite::Connection;
use serde::Serialize;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Share {
    /// Those for which it is so.
    pub hits: i64,
    /// All of them.
    pub of: i64,
}

impl Share {
    /// Counts one.
    pub fn count(&mut self, hit: bool) {
        self.hits += i64::from(hit);
        self.of += 1;
    }

    /// As a query says it: the hits, and of how many.
    pub(super) fn read(db: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<Self> {
        db.prepare_cached(sql)?.query_row(params, |row| Ok(Self { hits: row.get(0)?, of: row.get(1)? }))
    }

    /// As a number from 0 to 1; nothing of nothing is no share.
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }
}

/// How times are spread, in milliseconds. Percentiles are measured values (nearest rank), never made up in between;
/// those of rows that sum up are at most a sixteenth above the measured one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: Option<f64>,
    /// Half are at most this long.
    pub p50: Option<i64>,
    /// 95 % are at most this long.
    pub p95: Option<i64>,
}

impl Spread {
    /// Of these times.
    pub fn of(mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        let mean = (!times.is_empty()).then(|| times.iter().map(|ms| *ms as f64).sum::<f64>() / times.len() as f64);
        Self { count: times.len(), mean, p50: rank(50), p95: rank(95) }
    }
}

/// What customers think of their welcomes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Ratings {
    /// How many there are.
    pub count: i64,
    /// Their mean, of 1 to 5.
    pub mean: Option<f64>,
}

impl Ratings {
    /// Of these ratings.
    pub fn of(ratings: &[i64]) -> Self {
        let count = i64::try_from(ratings.len()).unwrap_or(i64::MAX);
        Self { count, mean: (count > 0).then(|| ratings.iter().sum::<i64>() as f64 / count as f64) }
    }
}

#[cfg(test)]
#[path = "figures/kept_tests.rs"]
mod kept_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let spread = Spread::of((1..=20).rev().collect());
        assert_eq!((spread.count, spread.p50, spread.p95, spread.mean), (20, Some(10), Some(19), Some(10.5)));
        assert_eq!(Spread::of(vec![7]).p95, Some(7));
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn nothing_of_nothing_is_no_share() {
        let mut share = Share::default();
        assert_eq!(share.value(), None);
        share.count(true);
        share.count(false);
        assert_eq!(share.value(), Some(0.5));
    }
}
