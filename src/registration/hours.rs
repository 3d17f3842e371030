//! Working time: how much of it lies between two moments, and when so much of it will have passed.
//!
//! Claims and escalation are counted in it, so that a customer who registers at night is late in the morning only when
//! the morning is. A window belongs to the day it begins on; `from` after `to` reaches past midnight, and the Friday
//! window 22:00–06:00 ends on Saturday. Everything is arithmetic over whole weeks: a span of years costs what a span
//! of minutes does.

use std::time::Duration;

use crate::settings::{Weekday, WorkingHours};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// The first of January 1970 was a Thursday; weeks begin on Monday here.
const EPOCH_WEEKDAY: i64 = 3;

/// Working hours that can be counted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// What is added to UTC for the beginning of windows to fall on midnight, and for day 0 to be a Monday.
    shift: i64,
    /// Length of a window, at most a day: windows never overlap.
    length: i64,
    /// The days on which windows begin: 0 for Monday, rising, at least one.
    days: Vec<i64>,
}

/// Why working hours cannot be counted with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// The offset.
    #[error("utc_offset: `{0}` is no offset between -14:00 and +14:00, such as +08:00")]
    Offset(String),
    /// A time of day.
    #[error("{field}: `{text}` is no time of day such as 09:00 (only `to` may be 24:00)")]
    Time {
        /// `from` or `to`.
        field: &'static str,
        /// What it says.
        text: String,
    },
    /// They begin when they end.
    #[error("from and to are both {0}: for the whole day write 00:00 and 24:00")]
    Empty(String),
    /// There is no day.
    #[error("days: name at least one day; without one nothing is ever escalated")]
    NoDays,
}

impl TryFrom<&WorkingHours> for Hours {
    type Error = HoursError;

    fn try_from(hours: &WorkingHours) -> Result<Self, HoursError> {
        let time = |field, text: &str| time_of_day(text).ok_or_else(|| HoursError::Time { field, text: text.to_owned() });
        let from = time("from", &hours.from)?;
        let to = time("to", &hours.to)?;
        if from == DAY {
            return Err(HoursError::Time { field: "from", text: hours.from.clone() });
        }
        if from == to {
            return Err(HoursError::Empty(hours.from.clone()));
        }
        let mut days: Vec<i64> = hours.days.iter().map(|day| number(*day)).collect();
        days.sort_unstable();
        days.dedup();
        if days.is_empty() {
            return Err(HoursError::NoDays);
        }
        let offset = utc_offset_ms(&hours.utc_offset).ok_or_else(|| HoursError::Offset(hours.utc_offset.clone()))?;
        Ok(Self { shift: offset - from + EPOCH_WEEKDAY * DAY, length: if from < to { to - from } else { to - from + DAY }, days })
    }
}

impl Hours {
    /// Every hour of every day.
    pub fn always() -> Self {
        Self { shift: 0, length: DAY, days: (0..7).collect() }
    }

    /// Working time between two moments; none when `to` is not after `from`.
    pub fn working_ms_between(&self, from: i64, to: i64) -> i64 {
        i64::try_from(self.worked(to) - self.worked(from)).unwrap_or(i64::MAX).max(0)
    }

    /// The first moment at which `time` of work has passed since `from`: for no time at all the next working moment.
    pub fn add_working(&self, from: i64, time: Duration) -> i64 {
        let wanted = i128::try_from(time.as_millis()).unwrap_or(i128::MAX / 2);
        let begun = self.worked(from);
        // What ends with a window ends there, and not where the next one begins.
        let last_inside = i128::from(wanted > 0);
        let until = begun.saturating_add(wanted) - last_inside;
        let (window, inside) = (until.div_euclid(self.length()), until.rem_euclid(self.length()));
        let per_week = self.days_per_week();
        let day = usize::try_from(window.rem_euclid(per_week)).ok().and_then(|index| self.days.get(index)).copied().unwrap_or_default();
        let begins = window.div_euclid(per_week).saturating_mul(7).saturating_add(i128::from(day)).saturating_mul(i128::from(DAY));
        let moment = begins.saturating_add(inside + last_inside).saturating_sub(i128::from(self.shift));
        i64::try_from(moment).unwrap_or(i64::MAX)
    }

    /// Working time from Monday, 1969-12-29, to `moment`: only differences mean anything.
    fn worked(&self, moment: i64) -> i128 {
        // Asked of a hundred thousand runs at a time: what is divided are short numbers, which processors can do.
        let into_day = moment.rem_euclid(DAY) + self.shift.rem_euclid(DAY);
        let day = moment.div_euclid(DAY) + self.shift.div_euclid(DAY) + into_day.div_euclid(DAY);
        let (week, weekday, into_day) = (day.div_euclid(7), day.rem_euclid(7), into_day.rem_euclid(DAY));
        let before = self.days.iter().filter(|&&one| one < weekday).count();
        let today = self.days.contains(&weekday);
        let windows = i128::from(week) * self.days_per_week() + before as i128;
        windows * self.length() + if today { i128::from(into_day.min(self.length)) } else { 0 }
    }

    fn length(&self) -> i128 {
        i128::from(self.length)
    }

    fn days_per_week(&self) -> i128 {
        self.days.len() as i128
    }
}

fn number(day: Weekday) -> i64 {
    match day {
        Weekday::Mon => 0,
        Weekday::Tue => 1,
        Weekday::Wed => 2,
        Weekday::Thu => 3,
        Weekday::Fri => 4,
        Weekday::Sat => 5,
        Weekday::Sun => 6,
    }
}

/// `HH:MM` up to `24:00`, in milliseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number =
        |text: &str| if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse::<i64>().ok() } else { None };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let time = (hours * 60 + minutes) * MINUTE;
    (minutes < 60 && time <= DAY).then_some(time)
}

/// `+HH:MM`, `-HH:MM` or `Z`, in milliseconds.
pub fn utc_offset_ms(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, time) = match text.split_at_checked(1)? {
        ("+", time) => (1, time),
        ("-", time) => (-1, time),
        _ => return None,
    };
    let time = time_of_day(time)?;
    (time <= 14 * 60 * MINUTE).then_some(sign * time)
}

#[cfg(test)]
mod tests;
