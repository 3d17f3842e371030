//! When to call a customer: what they said, else when they write, else nothing.
//!
//! The busiest two hours of a handful of messages is chance, so below [`LEAST_MESSAGES`] this file says that it does
//! not know.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Serialize;

/// Messages from which on the hours mean something.
const LEAST_MESSAGES: u32 = 5;

/// Where a contact time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ContactTimeSource {
    /// The customer said so.
    Stated,
    /// The hours at which the customer writes.
    Messages,
    /// Nothing is known.
    None,
}

/// The two hours in which a customer writes most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Hour at which it starts, in the clinic's time zone.
    pub(super) from: usize,
    /// Messages within it.
    pub(super) inside: u32,
    /// All messages.
    pub(super) all: u32,
}

impl Window {
    /// `20:00–22:00`.
    pub(super) fn hours(self) -> String {
        format!("{:02}:00–{:02}:00", self.from, self.from + 2)
    }

    /// What it rests on, Chinese then English.
    pub(super) fn reason(self) -> String {
        format!(
            "{}条消息中有{}条在此时段（北京时间） / {} of {} messages fall into these hours (UTC+8)",
            self.all, self.inside, self.inside, self.all
        )
    }
}

/// The busiest two hours of 24 counts; of equals the one that starts busier, then the earlier.
pub(super) fn busiest(messages_by_hour: &[u32]) -> Option<Window> {
    let all: u32 = messages_by_hour.iter().sum();
    if all < LEAST_MESSAGES {
        return None;
    }
    let pairs = messages_by_hour.iter().zip(messages_by_hour.iter().skip(1)).enumerate();
    let (from, (first, second)) = pairs.max_by_key(|(from, (first, second))| (*first + *second, **first, Reverse(*from)))?;
    Some(Window { from, inside: first + second, all })
}

/// A stored contact time for people: `weekday_evening` → 工作日晚上. Text in other words is kept as it is.
pub(super) fn name(stored: &str) -> String {
    let parts: Option<Vec<&str>> = stored.split('_').map(part).collect();
    parts.map_or_else(|| stored.to_owned(), |parts| parts.concat())
}

fn part(code: &str) -> Option<&'static str> {
    Some(match code {
        "weekday" | "weekdays" => "工作日",
        "weekend" | "weekends" => "周末",
        "morning" => "上午",
        "noon" => "中午",
        "afternoon" => "下午",
        "evening" => "晚上",
        "night" => "夜间",
        "anytime" => "任何时间",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{busiest, name};

    fn hours(counts: &[(usize, u32)]) -> Vec<u32> {
        let mut hours = vec![0; 24];
        for (hour, count) in counts {
            hours[*hour] = *count;
        }
        hours
    }

    #[test]
    fn the_busiest_two_hours_are_found_up_to_midnight() {
        assert_eq!(busiest(&hours(&[(9, 2), (20, 2), (21, 2)])).unwrap().hours(), "20:00–22:00");
        assert_eq!(busiest(&hours(&[(23, 9)])).unwrap().hours(), "22:00–24:00");
        assert_eq!(busiest(&hours(&[(0, 9)])).unwrap().hours(), "00:00–02:00");
    }

    #[test]
    fn a_handful_of_messages_says_nothing() {
        assert_eq!(busiest(&hours(&[(20, 4)])), None);
        assert!(busiest(&hours(&[(20, 5)])).is_some());
        assert_eq!(busiest(&[]), None);
    }

    #[test]
    fn codes_are_named_and_other_words_kept() {
        assert_eq!(name("weekday_evening"), "工作日晚上");
        assert_eq!(name("weekend"), "周末");
        assert_eq!(name("周三下班后"), "周三下班后");
        assert_eq!(name("weekday_19h"), "weekday_19h");
    }
}
