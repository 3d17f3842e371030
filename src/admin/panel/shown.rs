//! Figures and names as pages show them.

use std::borrow::Borrow;

use serde_json::{Map, Value};

use super::{amounts, texts::Texts};

/// The word for a value of ours, such as a state; the value itself when there is none.
pub(in crate::admin) fn label(t: Texts, kind: &str, value: &str) -> String {
    t.find(&format!("label-{kind}-{value}")).unwrap_or_else(|| value.to_owned())
}

/// A length of time in milliseconds. Templates hand their values over by reference.
pub(in crate::admin) fn length(ms: impl Borrow<i64>) -> String {
    amounts::length(Some(*ms.borrow()))
}

/// The same, or a dash.
pub(in crate::admin) fn maybe_length(ms: Option<&i64>) -> String {
    amounts::length(ms.copied())
}

/// How long somebody has waited, in whole minutes: what shows it is sent again when it changes, and not each second.
pub(in crate::admin) fn minutes(t: Texts, seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => t.say("consultants-just-now"),
        (0, minutes) => t.with("consultants-minutes", minutes),
        (hours, minutes) => t.with2("consultants-hours", hours, minutes),
    }
}

/// Facts of a record on one line.
pub(in crate::admin) fn facts(detail: &Map<String, Value>) -> String {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // What is absent, off or empty says nothing to a reader.
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    detail.iter().filter(|(_, value)| says(value)).map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_is_told_in_minutes() {
        let shown = [(-5, "less than a minute"), (119, "1 min"), (7_500, "2 h 5 min")];
        for (seconds, text) in shown {
            assert_eq!(minutes(Texts(crate::config::Language::En), seconds), text);
        }
    }

    #[test]
    fn facts_are_those_that_say_something() {
        let Value::Object(detail) = json!({"rung": "agent", "tools": [], "late": false, "first": 0, "none": null, "steps": ["a"]}) else {
            unreachable!()
        };
        assert_eq!(facts(&detail), "rung=agent · first=0 · steps=[\"a\"]");
    }
}
