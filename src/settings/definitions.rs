//! What there is to know of each setting, read from the structs.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::values::Settings;
use crate::config::{Catalogue, KeyInfo, Kind, Language};

static DEFINITIONS: LazyLock<Catalogue> = LazyLock::new(Catalogue::of::<Settings>);

/// Every setting, by section.
pub fn definitions() -> &'static Catalogue {
    &DEFINITIONS
}

/// The setting of this name.
pub fn definition(name: &str) -> Option<&'static KeyInfo> {
    definitions().get(name)
}

/// A definition for programs: what a form needs to show and check a setting.
pub fn as_json(info: &KeyInfo) -> Value {
    let choices = |kind: &Kind| match kind {
        Kind::Choice(words) => {
            let words = words.iter().map(|word| json!({"value": word.word, "meaning": {"zh": word.doc.zh, "en": word.doc.en}}));
            Value::Array(words.collect())
        }
        _ => Value::Null,
    };
    let (entry, choices) = match &info.kind {
        Kind::List(entry) => (Value::from(kind_name(entry)), choices(entry)),
        kind => (Value::Null, choices(kind)),
    };
    json!({
        "name": info.key, "section": info.section, "kind": kind_name(&info.kind), "entry_kind": entry, "choices": choices,
        "meaning": {"zh": info.doc.zh, "en": info.doc.en}, "unit": {"zh": info.unit.zh, "en": info.unit.en},
        "minimum": info.range.0, "maximum": info.range.1, "min_length": info.length.0, "max_length": info.length.1,
        "default": info.default, "example": example(info), "secret": info.secret,
    })
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Integer | Kind::Size => "integer",
        Kind::Number => "number",
        Kind::Text | Kind::Address | Kind::Path | Kind::Url => "text",
        Kind::Choice(_) => "choice",
        Kind::Duration => "duration",
        Kind::List(_) => "list",
        Kind::Json => "json",
    }
}

/// What a setting of this kind holds, in words.
pub fn kind_text(kind: &Kind, language: Language) -> String {
    let (en, zh) = match kind {
        Kind::Bool => ("true or false", "true 或 false"),
        Kind::Integer | Kind::Size => ("a whole number", "整数"),
        Kind::Number => ("a number", "数值"),
        Kind::Text | Kind::Address | Kind::Path | Kind::Url => ("text", "文本"),
        Kind::Duration => ("a length of time", "时长"),
        Kind::Json => ("a JSON object", "JSON 对象"),
        Kind::Choice(words) => {
            let words: Vec<&str> = words.iter().map(|word| word.word.as_str()).collect();
            return match language {
                Language::En => format!("one of {}", words.join(", ")),
                Language::ZhCn => format!("{} 之一", words.join("、")),
            };
        }
        Kind::List(entry) => {
            let entry = kind_text(entry, language);
            return match language {
                Language::En => format!("a list, each entry {entry}"),
                Language::ZhCn => format!("列表，每项为{entry}"),
            };
        }
    };
    match language {
        Language::En => en.to_owned(),
        Language::ZhCn => zh.to_owned(),
    }
}

/// What a setting may hold: its kind and its range.
pub(super) fn allowed(info: &KeyInfo) -> String {
    let kind = kind_text(&info.kind, Language::En);
    info.range_text(Language::En).map_or_else(|| kind.clone(), |range| format!("{kind}, {range}"))
}

/// A value that is accepted: the default, where it shows how such a value is written.
pub(super) fn example(info: &KeyInfo) -> &Value {
    match (&info.default, &info.example) {
        (Value::Null, Some(example)) => example,
        (Value::Array(entries), Some(example)) if entries.is_empty() => example,
        (default, _) => default,
    }
}

/// A value as it is typed: plain text, lists of plain values with commas, everything else as JSON.
pub fn as_typed(value: &Value) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => (!text.contains(',')).then(|| text.clone()),
        Value::Array(_) | Value::Object(_) | Value::Null => None,
        other => Some(other.to_string()),
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Array(entries) if !entries.is_empty() => {
            let entries: Option<Vec<String>> = entries.iter().map(plain).collect();
            entries.map_or_else(|| value.to_string(), |entries| entries.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_in_both_languages_with_its_range_and_a_default_inside_it() {
        assert!(definitions().keys().count() > 50);
        for info in definitions().keys() {
            let name = &info.key;
            assert!(info.doc.en.ends_with('.') && !info.doc.en.is_empty(), "{name} has no English sentence");
            assert!(info.doc.zh.ends_with('。'), "{name} has no Chinese sentence: {:?}", info.doc.zh);
            assert!(info.allows(&info.default), "{name}: its default is out of its range");
            let counted = match &info.kind {
                Kind::List(entry) => {
                    assert!(info.length.1.is_some(), "{name} may have any number of entries");
                    entry.as_ref()
                }
                kind => kind,
            };
            match counted {
                Kind::Integer | Kind::Number | Kind::Duration => {
                    assert!(info.range.0.is_some() && info.range.1.is_some(), "{name} has no range");
                }
                Kind::Choice(words) => {
                    assert!(words.iter().all(|word| !word.doc.zh.is_empty() && !word.doc.en.is_empty()), "{name}: {words:?}");
                }
                Kind::Text | Kind::Json => assert!(info.length.1.is_some(), "{name} may be of any length"),
                Kind::Bool => {}
                other => panic!("{name} is {other:?}, which settings have no words for"),
            }
            if matches!(counted, Kind::Integer | Kind::Number) {
                assert!(!info.unit.en.is_empty() && !info.unit.zh.is_empty(), "{name} has no unit");
            }
        }
        for section in definitions().sections.iter().filter(|section| !section.name.is_empty()) {
            assert!(!section.doc.en.is_empty() && !section.doc.zh.is_empty(), "{} has no title", section.name);
        }
    }

    #[test]
    fn kinds_come_from_the_structs() {
        let kind = |name: &str| kind_name(&definition(name).unwrap().kind);
        let kinds = [
            ("welcome.deadline", "duration"),
            ("welcome.ask_agents", "bool"),
            ("welcome.late_answer", "choice"),
            ("welcome.max_chars", "integer"),
            ("welcome.segment_templates", "json"),
            ("welcome.static_text", "text"),
            ("conversation.agent", "text"),
            ("retry.delays", "list"),
            ("retry.jitter", "number"),
            ("notice.channels", "list"),
        ];
        for (name, expected) in kinds {
            assert_eq!(kind(name), expected, "{name}");
        }
        assert!(definition("notice.channels").unwrap().secret && definition("alerts.channels").unwrap().secret);
        let form = as_json(definition("welcome.late_answer").unwrap());
        assert_eq!(form["choices"][1]["value"], "replace_unread");
        let form = as_json(definition("welcome.max_chars").unwrap());
        assert_eq!((&form["minimum"], &form["unit"]["zh"]), (&json!(20), &json!("字")));
        assert_eq!(as_json(definition("working_hours.days").unwrap())["choices"][6]["meaning"]["zh"], "星期日。");
    }

    #[test]
    fn values_are_shown_as_they_are_typed() {
        for (value, typed) in [
            (json!("3s"), "3s"),
            (json!(["5s", "15s"]), "5s,15s"),
            (json!(["a,b"]), "[\"a,b\"]"),
            (json!([]), "[]"),
            (json!(0.1), "0.1"),
            (json!([{"a": 1}]), "[{\"a\":1}]"),
        ] {
            assert_eq!(as_typed(&value), typed);
        }
    }
}
