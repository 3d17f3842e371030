//! When a key ends, as people write it: a date, a moment, or a length of time from now on.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{admin::calls::CallError, config::HumanDuration};

/// An end that is not compared with the clock yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At that moment, in milliseconds.
    At(i64),
    /// So many milliseconds from now on.
    In(i64),
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(moment.with_timezone(&Utc).timestamp_millis()));
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            // A date is meant to be still good on that day.
            let end = date.succ_opt().and_then(|next| next.and_hms_opt(0, 0, 0));
            return end.map(|end| Self::At(end.and_utc().timestamp_millis())).ok_or_else(|| format!("{text} is beyond the calendar"));
        }
        let length = text.parse::<HumanDuration>();
        length.map(|length| Self::In(length.as_ms())).map_err(|_| {
            format!("\"{text}\" is no end: write a date such as 2027-01-31 (UTC, that day included), a moment such as 2027-01-31T18:00:00+08:00, or a length of time such as 30d")
        })
    }
}

impl End {
    /// An end as it stands in the field at `pointer`; a blank one is none.
    pub fn read(text: Option<&str>, pointer: &str) -> Result<Option<Self>, CallError> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|why: String| {
            let zh = "无法识别的到期时间：请填写日期（2027-01-31，UTC，当天仍有效）、时刻（2027-01-31T18:00:00+08:00）或时长（30d）";
            CallError::invalid(pointer, zh, why)
        })
    }

    /// The moment, which must lie ahead.
    pub fn after(self, now: i64) -> Result<i64, CallError> {
        let at = match self {
            Self::At(at) => at,
            Self::In(length) => now.saturating_add(length),
        };
        if at > now && at < LAST {
            return Ok(at);
        }
        Err(CallError::invalid(
            "/expires",
            "到期时间必须在将来，且早于 3000 年",
            "the end (expires) must lie ahead, and before the year 3000",
        ))
    }
}

/// The year 3000.
const LAST: i64 = 32_503_680_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_dates_moments_and_lengths() {
        let read = |text: &str| text.parse::<End>();
        assert_eq!(read("2027-01-31"), Ok(End::At(1_801_440_000_000)));
        assert_eq!(read("2027-01-31T18:00:00+08:00"), Ok(End::At(1_801_389_600_000)));
        assert_eq!(read("30d"), Ok(End::In(2_592_000_000)));
        for bad in ["", "tomorrow", "2027-13-01", "2027-01-31 18:00", "-1d"] {
            assert!(read(bad).unwrap_err().contains("30d"), "{bad}");
        }
        assert_eq!(End::read(Some(" "), "/expires").unwrap(), None);
        assert!(matches!(End::read(Some("soon"), "/x"), Err(CallError::Invalid(fields)) if fields[0].pointer == "/x"));
    }

    #[test]
    fn an_end_lies_ahead() {
        assert_eq!(End::In(5).after(10).unwrap(), 15);
        for behind in [End::At(10), End::At(3), End::In(0), End::In(i64::MAX)] {
            assert!(behind.after(10).is_err(), "{behind:?}");
        }
    }
}
