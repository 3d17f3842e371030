//! Figures day by day, for the PRD's two paths.

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde::Serialize;

use crate::admin::calls::{
    CallError, Calls,
    figures::{Range, SeriesPoint},
};

const HALF_A_DAY_MS: i64 = 43_200_000;

/// One day of the clinic's calendar.
#[derive(Debug, Serialize)]
pub(super) struct Day {
    date: String,
    registrations: i64,
    successful_automations: i64,
    failed_automations: i64,
    mcp_calls: i64,
    mcp_errors: i64,
    dify_agent_calls: i64,
}

impl Day {
    fn of(point: &SeriesPoint, offset_ms: i64) -> Self {
        Self {
            date: date(&point.at, offset_ms),
            registrations: point.registrations,
            successful_automations: point.welcomes_by_agent + point.welcomes_by_template,
            failed_automations: point.registrations_failed,
            mcp_calls: point.calls,
            mcp_errors: point.calls_failed,
            dify_agent_calls: point.agent_questions,
        }
    }
}

/// The days of a range, and of thirty days at least: a trend of an hour by days is none.
pub(super) async fn days(calls: &Calls, range: Range) -> Result<Vec<Day>, CallError> {
    let range = if range == Range::Quarter { range } else { Range::Month };
    let offset_ms = calls.clinic_offset()?;
    Ok(calls.series(range).await?.points.iter().map(|point| Day::of(point, offset_ms)).collect())
}

/// The clinic's date at noon of a day: with half an hour in the offset, days begin that half hour early.
fn date(begins: &str, offset_ms: i64) -> String {
    let noon = |begins: DateTime<FixedOffset>| begins.to_utc() + TimeDelta::milliseconds(offset_ms + HALF_A_DAY_MS);
    DateTime::parse_from_rfc3339(begins).map_or_else(|_| begins.to_owned(), |begins| noon(begins).format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_day_has_the_clinics_date() {
        assert_eq!(date("2026-11-25T16:00:00.000Z", 8 * HOUR_MS), "2026-11-26", "midnight in China");
        assert_eq!(date("2026-11-25T18:00:00.000Z", 5 * HOUR_MS + HOUR_MS / 2), "2026-11-26", "half an hour before midnight in India");
        assert_eq!(date("2026-11-26T05:00:00.000Z", -5 * HOUR_MS), "2026-11-26");
    }
}
