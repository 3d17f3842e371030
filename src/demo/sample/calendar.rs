//! Days and hours at the clinic (UTC+8), counted back from now.

use chrono::{DateTime, Utc};

use crate::clock::from_ms;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The clinic is eight hours ahead of UTC all year.
const ZONE_MS: i64 = 8 * HOUR_MS;

/// Now, and the day it falls on.
pub(super) struct Calendar {
    now_ms: i64,
    midnight_ms: i64,
}

impl Calendar {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let now_ms = now.timestamp_millis();
        Self { now_ms, midnight_ms: now_ms - (now_ms + ZONE_MS).rem_euclid(DAY_MS) }
    }

    /// An hour and minute at the clinic, `days` before today; negative days are to come.
    pub(super) fn at(&self, days: i64, hour: u32, minute: u32) -> DateTime<Utc> {
        from_ms(self.midnight_ms - days * DAY_MS + i64::from(hour) * HOUR_MS + i64::from(minute) * MINUTE_MS)
    }

    /// That many minutes before now.
    pub(super) fn minutes_ago(&self, minutes: u32) -> DateTime<Utc> {
        from_ms(self.now_ms - i64::from(minutes) * MINUTE_MS)
    }

    /// Whole days from then to today; at least 0.
    pub(super) fn days_since(&self, then: DateTime<Utc>) -> u32 {
        let days = (self.midnight_ms - then.timestamp_millis()).div_euclid(DAY_MS) + 1;
        u32::try_from(days).unwrap_or(0)
    }

    /// Whether it has happened.
    pub(super) fn is_past(&self, then: DateTime<Utc>) -> bool {
        then.timestamp_millis() <= self.now_ms
    }

    /// The year at the clinic.
    pub(super) fn year(&self) -> i32 {
        use chrono::Datelike;
        from_ms(self.now_ms + ZONE_MS).year()
    }
}
