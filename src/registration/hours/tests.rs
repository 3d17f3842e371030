//! Working time against a count by the minute, and the edges by name.

use std::time::Duration;

use chrono::DateTime;

use super::{DAY, Hours, HoursError, MINUTE};
use crate::settings::{Weekday, WorkingHours};

const HOUR: i64 = 60 * MINUTE;
const WORKDAYS: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];

fn hours(offset: &str, days: &[Weekday], from: &str, to: &str) -> Hours {
    Hours::try_from(&setting(offset, days, from, to)).unwrap()
}

fn setting(offset: &str, days: &[Weekday], from: &str, to: &str) -> WorkingHours {
    WorkingHours { utc_offset: offset.into(), days: days.to_vec(), from: from.into(), to: to.into() }
}

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

#[test]
fn within_a_day_it_is_the_clock() {
    let hours = Hours::try_from(&WorkingHours::default()).unwrap();
    let start = at("2026-05-20T10:00:00+08:00");
    assert_eq!(hours.working_ms_between(start, start + 7 * MINUTE + 3), 7 * MINUTE + 3);
    assert_eq!(hours.add_working(start, minutes(10)), start + 10 * MINUTE);
    assert_eq!(hours.add_working(start, Duration::ZERO), start);
    assert_eq!(hours.working_ms_between(start, start - HOUR), 0, "backwards there is none");
}

#[test]
fn the_night_does_not_count() {
    let hours = Hours::try_from(&WorkingHours::default()).unwrap();
    let evening = at("2026-05-20T20:58:00+08:00");
    let night = at("2026-05-21T03:00:00+08:00");
    assert_eq!(hours.working_ms_between(evening, night), 2 * MINUTE);
    assert_eq!(hours.add_working(evening, minutes(2)), at("2026-05-20T21:00:00+08:00"), "what ends with the day ends there");
    assert_eq!(hours.add_working(evening, minutes(6)), at("2026-05-21T09:04:00+08:00"));
    assert_eq!(hours.add_working(night, minutes(3)), at("2026-05-21T09:03:00+08:00"));
    assert_eq!(hours.add_working(night, Duration::ZERO), at("2026-05-21T09:00:00+08:00"));
    assert_eq!(hours.add_working(at("2026-05-20T21:00:00+08:00"), Duration::ZERO), at("2026-05-21T09:00:00+08:00"));
}

#[test]
fn neither_does_the_weekend() {
    let hours = hours("+08:00", &WORKDAYS, "09:00", "18:00");
    let friday = at("2026-05-22T17:55:00+08:00");
    assert_eq!(hours.add_working(friday, minutes(6)), at("2026-05-25T09:01:00+08:00"));
    assert_eq!(hours.working_ms_between(friday, at("2026-05-25T09:01:00+08:00")), 6 * MINUTE);
    assert_eq!(hours.working_ms_between(at("2026-05-23T00:00:00+08:00"), at("2026-05-25T00:00:00+08:00")), 0);
    assert_eq!(hours.working_ms_between(at("2026-05-18T00:00:00+08:00"), at("2026-05-25T00:00:00+08:00")), 45 * HOUR);
}

#[test]
fn a_window_past_midnight_belongs_to_the_day_it_begins_on() {
    let hours = hours("+08:00", &[Weekday::Fri], "22:00", "06:00");
    let before = at("2026-05-22T12:00:00+08:00");
    assert_eq!(hours.working_ms_between(before, at("2026-05-23T05:00:00+08:00")), 7 * HOUR);
    assert_eq!(hours.working_ms_between(before, at("2026-05-24T00:00:00+08:00")), 8 * HOUR);
    assert_eq!(hours.add_working(before, minutes(3 * 60)), at("2026-05-23T01:00:00+08:00"));
    assert_eq!(hours.add_working(at("2026-05-23T07:00:00+08:00"), minutes(1)), at("2026-05-29T22:01:00+08:00"));
}

#[test]
fn midnight_is_24_00_and_the_whole_day_has_no_seam() {
    let until_midnight = hours("+08:00", &WORKDAYS, "20:00", "24:00");
    assert_eq!(until_midnight.add_working(at("2026-05-20T23:59:00+08:00"), minutes(2)), at("2026-05-21T20:01:00+08:00"));
    let whole = hours("Z", &WORKDAYS, "00:00", "24:00");
    assert_eq!(whole.add_working(at("2026-05-20T23:59:00Z"), minutes(2)), at("2026-05-21T00:01:00Z"));
    let always = Hours::always();
    assert_eq!(always.add_working(at("2026-05-23T23:59:00Z"), minutes(2)), at("2026-05-24T00:01:00Z"));
    assert_eq!(always.working_ms_between(-5, 7 * DAY), 7 * DAY + 5);
}

#[test]
fn the_offset_moves_the_day() {
    let moment = at("2026-05-24T23:30:00Z");
    let monday = [Weekday::Mon];
    assert_eq!(hours("+08:00", &monday, "06:00", "08:00").working_ms_between(moment, moment + HOUR), HOUR / 2, "7:30 on Monday there");
    assert_eq!(hours("-03:30", &monday, "06:00", "08:00").add_working(moment, Duration::ZERO), at("2026-05-25T06:00:00-03:30"));
    assert_eq!(hours("Z", &monday, "06:00", "08:00"), hours("+00:00", &monday, "06:00", "08:00"));
}

#[test]
fn long_spans_are_arithmetic() {
    let hours = hours("+08:00", &WORKDAYS, "09:00", "18:00");
    let monday = at("2026-05-18T00:00:00+08:00");
    assert_eq!(hours.working_ms_between(monday, monday + 5200 * 7 * DAY), 5200 * 45 * HOUR);
    assert_eq!(hours.add_working(monday, minutes(5200 * 45 * 60)), monday + 5199 * 7 * DAY + 4 * DAY + 18 * HOUR);
    assert_eq!(hours.add_working(monday, Duration::MAX), i64::MAX, "never, and no panic");
    assert_eq!(hours.add_working(i64::MAX, minutes(1)), i64::MAX);
    assert!(hours.working_ms_between(i64::MIN, i64::MAX) > 0, "the whole of time");
}

/// Every quarter of an hour of ten days, for windows of every kind, counted by the minute.
#[test]
fn it_agrees_with_counting_minutes() {
    let start = at("2026-02-27T00:00:00Z");
    let all = [[true, false, true, true, false, true, true], [false, false, false, false, false, true, true], [true; 7]];
    let week = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
    for days in all {
        let named: Vec<_> = week.iter().zip(days).filter(|(_, on)| *on).map(|(day, _)| *day).collect();
        for (offset, shift) in [("+08:00", 480), ("-09:30", -570), ("Z", 0)] {
            for (from, to, begins, length) in
                [("09:00", "21:00", 540, 720), ("21:30", "04:15", 1290, 405), ("00:00", "24:00", 0, 1440), ("13:00", "12:59", 780, 1439)]
            {
                let hours = hours(offset, &named, from, to);
                let open = |minute: i64| {
                    let since_monday = minute + shift + 3 * 1440 - begins;
                    let weekday = usize::try_from(since_monday.div_euclid(1440).rem_euclid(7)).unwrap();
                    days[weekday] && since_monday.rem_euclid(1440) < length
                };
                let first = start / MINUTE;
                let mut worked = 0;
                for minute in 0..10 * 1440 {
                    let moment = start + minute * MINUTE;
                    if minute % 15 == 0 {
                        assert_eq!(hours.working_ms_between(start, moment), worked, "{offset} {from} {minute}");
                    }
                    if open(first + minute) {
                        worked += MINUTE;
                        let time = Duration::from_millis(u64::try_from(worked).unwrap());
                        assert_eq!(hours.add_working(start, time), moment + MINUTE, "{offset} {from} {minute}");
                    }
                }
                assert!(worked > 0);
            }
        }
    }
}

#[test]
fn what_cannot_be_counted_with_is_refused_by_name() {
    let refused = |offset: &str, days: &[Weekday], from: &str, to: &str| Hours::try_from(&setting(offset, days, from, to)).unwrap_err();
    for bad in ["8", "+8:00", "08:00", "+08", "+14:01", "+08:60", "", "＋08:00", "z"] {
        assert_eq!(refused(bad, &WORKDAYS, "09:00", "18:00"), HoursError::Offset(bad.into()));
    }
    for bad in ["9:00", "09:60", "24:01", "25:00", "-1:00", "09:00:00", "0900", ""] {
        assert_eq!(refused("Z", &WORKDAYS, bad, "18:00"), HoursError::Time { field: "from", text: bad.into() });
        assert_eq!(refused("Z", &WORKDAYS, "08:00", bad), HoursError::Time { field: "to", text: bad.into() });
    }
    assert_eq!(refused("Z", &WORKDAYS, "24:00", "06:00"), HoursError::Time { field: "from", text: "24:00".into() });
    assert_eq!(refused("Z", &WORKDAYS, "09:00", "09:00"), HoursError::Empty("09:00".into()));
    assert_eq!(refused("Z", &[], "09:00", "18:00"), HoursError::NoDays);
}
