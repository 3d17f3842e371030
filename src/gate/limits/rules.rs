//! Which values are in force: the settings, over them the rows of the group, over these the rows of the key.

use super::{meter::day_of, rate::Rate};
use crate::store::limits::{Kind, LimitRow, Scope};

/// A value, and where it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The value; 0 is no limit.
    pub value: u32,
    /// Who says so.
    pub origin: Origin,
}

/// Where a value is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The settings `limits.*`.
    Settings,
    /// The group is bound to subjects: the registrations themselves bound what it is asked.
    SubjectScoped,
    /// A row for the keys of the group.
    Group,
    /// A row for this key.
    Key,
    /// A row for this tool.
    Tool,
}

impl Origin {
    /// As programs read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::SubjectScoped => "subject-scoped",
            Self::Group => "group",
            Self::Key => "key",
            Self::Tool => "tool",
        }
    }
}

/// What holds where nobody said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standard {
    /// `tools/list` in a minute.
    pub list_per_minute: u32,
    /// `tools/call` in a minute.
    pub call_per_minute: u32,
    /// Other requests in a minute.
    pub other_per_minute: u32,
    /// Calls at a time.
    pub concurrent_calls: u32,
    /// Calls in a day.
    pub calls_per_day: u32,
    /// How far the clinic's midnight is ahead of UTC's, in milliseconds.
    pub offset_ms: i64,
}

impl Default for Standard {
    /// No limit: whoever builds a gate says what its standard is.
    fn default() -> Self {
        Self { list_per_minute: 0, call_per_minute: 0, other_per_minute: 0, concurrent_calls: 0, calls_per_day: 0, offset_ms: 0 }
    }
}

/// Says the standard in force. Asked when the policy is built, and not by requests.
pub trait Standards: Send + Sync + std::fmt::Debug {
    /// The standard at this moment.
    fn standard(&self) -> Standard;
}

/// Everything that holds for one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `tools/list` in a minute.
    pub list: Rule,
    /// `tools/call` in a minute.
    pub call: Rule,
    /// Other requests in a minute.
    pub other: Rule,
    /// Calls at a time.
    pub concurrent: Rule,
    /// Calls in a day.
    pub day: Rule,
    pub(super) rates: Rates,
    pub(super) offset_ms: i64,
}

/// The rates of these values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rates {
    pub(super) list: Rate,
    pub(super) call: Rate,
    pub(super) other: Rate,
}

impl Rules {
    /// The rules of a key (or of anybody of the group, without one), of all the rows of its group.
    pub fn resolve(standard: Standard, subject_scoped: bool, rows: &[LimitRow], key_id: Option<&str>) -> Self {
        let find = |kind: Kind, standard: u32| {
            let row = |scope: Scope| {
                rows.iter().find(|row| row.kind == kind && row.scope == scope && (scope == Scope::Group || row.key_id.as_deref() == key_id))
            };
            let of_key = key_id.and_then(|_| row(Scope::Key));
            match (of_key, row(Scope::Group)) {
                (Some(row), _) => Rule { value: row.value, origin: Origin::Key },
                (None, Some(row)) => Rule { value: row.value, origin: Origin::Group },
                (None, None) if subject_scoped => Rule { value: 0, origin: Origin::SubjectScoped },
                (None, None) => Rule { value: standard, origin: Origin::Settings },
            }
        };
        let (list, call) = (find(Kind::ListPerMinute, standard.list_per_minute), find(Kind::CallPerMinute, standard.call_per_minute));
        let other = find(Kind::OtherPerMinute, standard.other_per_minute);
        let rates = Rates { list: Rate::per_minute(list.value), call: Rate::per_minute(call.value), other: Rate::per_minute(other.value) };
        Self {
            list,
            call,
            other,
            concurrent: find(Kind::ConcurrentCalls, standard.concurrent_calls),
            day: find(Kind::CallsPerDay, standard.calls_per_day),
            rates,
            offset_ms: standard.offset_ms,
        }
    }

    /// The number of the day in which a moment lies.
    pub fn day_at(&self, now: i64) -> u32 {
        day_of(now, self.offset_ms).0
    }

    /// All of them, with their names.
    pub fn all(&self) -> [(Kind, Rule); 5] {
        [
            (Kind::ListPerMinute, self.list),
            (Kind::CallPerMinute, self.call),
            (Kind::OtherPerMinute, self.other),
            (Kind::ConcurrentCalls, self.concurrent),
            (Kind::CallsPerDay, self.day),
        ]
    }
}

/// Everything that holds for one tool of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToolRules {
    /// Calls in a minute, by all keys together; 0 is no limit.
    pub call: u32,
    /// Calls at a time, by all keys together; 0 is no limit.
    pub concurrent: u32,
    pub(super) rate: Rate,
}

impl ToolRules {
    /// The rules of a tool, of all the rows of its group.
    pub fn resolve(rows: &[LimitRow], tool_name: &str) -> Self {
        let find =
            |kind: Kind| rows.iter().find(|row| row.kind == kind && row.tool_name.as_deref() == Some(tool_name)).map_or(0, |row| row.value);
        let call = find(Kind::CallPerMinute);
        Self { call, concurrent: find(Kind::ConcurrentCalls), rate: Rate::per_minute(call) }
    }

    /// Whether there is a limit at all.
    pub fn is_limited(&self) -> bool {
        self.call > 0 || self.concurrent > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scope: Scope, what: Option<&str>, kind: Kind, value: u32) -> LimitRow {
        let named = |wanted: Scope| what.filter(|_| scope == wanted).map(str::to_owned);
        let (key_id, tool_name) = (named(Scope::Key), named(Scope::Tool));
        LimitRow { scope, group_id: "g".into(), key_id, tool_name, kind, value, updated_by: "t".into(), updated_at: 1 }
    }

    #[test]
    fn the_nearest_word_counts() {
        let standard = Standard { list_per_minute: 120, call_per_minute: 240, ..Standard::default() };
        let rows = [
            row(Scope::Group, None, Kind::CallPerMinute, 600),
            row(Scope::Key, Some("k1"), Kind::CallPerMinute, 0),
            row(Scope::Key, Some("k2"), Kind::ListPerMinute, 5),
            row(Scope::Tool, Some("t1"), Kind::CallPerMinute, 7),
            row(Scope::Tool, Some("t1"), Kind::ConcurrentCalls, 1),
        ];
        let of = |key: Option<&str>, scoped: bool| {
            let rules = Rules::resolve(standard, scoped, &rows, key);
            [(rules.list.value, rules.list.origin.as_str()), (rules.call.value, rules.call.origin.as_str())]
        };
        assert_eq!(of(Some("k1"), false), [(120, "settings"), (0, "key")]);
        assert_eq!(of(Some("k2"), false), [(5, "key"), (600, "group")]);
        assert_eq!(of(None, false), [(120, "settings"), (600, "group")]);
        assert_eq!(of(Some("k1"), true), [(0, "subject-scoped"), (0, "key")]);
        let tool = ToolRules::resolve(&rows, "t1");
        assert_eq!((tool.call, tool.concurrent), (7, 1));
        assert_eq!(ToolRules::resolve(&rows, "t2"), ToolRules::default());
    }
}
