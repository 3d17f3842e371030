//! For how long back figures are shown, and in which steps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::figures::grid::{Grid, Span};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// For how long back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
pub enum Range {
    /// An hour, minute by minute.
    #[serde(rename = "1h")]
    Hour,
    /// Six hours, in steps of five minutes.
    #[serde(rename = "6h")]
    SixHours,
    /// A day, in quarters of an hour.
    #[default]
    #[serde(rename = "24h")]
    Day,
    /// A week, in steps of three hours.
    #[serde(rename = "7d")]
    Week,
    /// Thirty days, day by day as the clinic's clock has them.
    #[serde(rename = "30d")]
    Month,
    /// Ninety days, the same.
    #[serde(rename = "90d")]
    Quarter,
}

impl Range {
    /// All of them, the shortest first.
    pub const ALL: [Self; 6] = [Self::Hour, Self::SixHours, Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// The range that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == text)
    }

    /// Its steps up to `now`, where the clinic's clock is `offset_ms` before UTC.
    pub(super) fn grid(self, now: i64, offset_ms: i64) -> Grid {
        let (length, step, span) = match self {
            Self::Hour => (HOUR, MINUTE, Span::Minute),
            Self::SixHours => (6 * HOUR, 5 * MINUTE, Span::Minute),
            Self::Day => (DAY, 15 * MINUTE, Span::Minute),
            Self::Week => (7 * DAY, 3 * HOUR, Span::Hour),
            Self::Month => (30 * DAY, DAY, Span::Hour),
            Self::Quarter => (90 * DAY, DAY, Span::Hour),
        };
        Grid::back(now, length, (step, span), offset_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_written_in_one_way_and_has_few_steps() {
        for range in Range::ALL {
            assert_eq!(Range::parse(range.as_str()), Some(range));
            assert_eq!(serde_json::to_value(range).unwrap(), range.as_str());
            let grid = range.grid(1_800_014_400_000, 8 * HOUR);
            assert!((31..=98).contains(&grid.steps()), "{range:?}: {}", grid.steps());
            assert_eq!((grid.since + 8 * HOUR) % grid.step_ms, 0);
        }
        assert_eq!(Range::parse("2h"), None);
    }
}
