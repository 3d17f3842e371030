//! Figures and names as pages show them.

use std::borrow::Borrow;

use serde_json::{Map, Value};

use super::texts::Texts;

/// The word for a value of ours, such as a state; the value itself when there is none.
pub(in crate::admin) fn label(t: Texts, kind: &str, value: &str) -> String {
    t.find(&format!("label-{kind}-{value}")).unwrap_or_else(|| value.to_owned())
}

/// A duration: `12 ms`, `3.4 s`, `5m 3s`, `2h 5m` or `3d 4h`.
///
/// Templates hand their values over by reference, and the rest of the code as they are.
pub(in crate::admin) fn length(ms: impl Borrow<i64>) -> String {
    let ms = (*ms.borrow()).max(0);
    let seconds = ms / 1_000;
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, 0) => format!("{ms} ms"),
        (0, 0, 0, seconds) => format!("{seconds}.{} s", ms % 1_000 / 100),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, _, _) => format!("{days}d {hours}h"),
    }
}

/// The same, or a dash.
pub(in crate::admin) fn maybe_length(ms: Option<&i64>) -> String {
    ms.map_or_else(|| "—".to_owned(), length)
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
    fn a_length_has_the_two_units_that_matter() {
        let shown = [
            (-5, "0 ms"),
            (999, "999 ms"),
            (1_450, "1.4 s"),
            (60_000, "1m 0s"),
            (3_599_000, "59m 59s"),
            (7_500_000, "2h 5m"),
            (90_061_000, "1d 1h"),
        ];
        for (ms, text) in shown {
            assert_eq!(length(ms), text);
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
