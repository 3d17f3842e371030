//! What there is to know of each setting, read from the structs.

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::values::Settings;
use crate::config::{Bilingual, Catalogue, KeyInfo, Kind, Language, ObjectKind, Part, Shape};

static DEFINITIONS: LazyLock<Catalogue> = LazyLock::new(Catalogue::of::<Settings>);

/// Every setting, by section.
pub fn definitions() -> &'static Catalogue {
    &DEFINITIONS
}

/// The setting of this name.
pub fn definition(name: &str) -> Option<&'static KeyInfo> {
    definitions().get(name)
}

/// What a form or a program needs to show and check a setting.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Definition {
    /// Its name, such as `welcome.deadline`.
    pub name: String,
    /// The first part of the name.
    pub section: String,
    /// What it holds: bool, integer, number, text, choice, duration, list or json.
    pub kind: &'static str,
    /// What each entry of a list holds.
    pub entry_kind: Option<&'static str>,
    /// The words of a choice, or of each entry of a list.
    pub choices: Option<Vec<Choice>>,
    /// The kinds of objects that it holds, with their fields.
    pub objects: Option<Vec<ObjectForm>>,
    /// What it means.
    pub meaning: Bilingual,
    /// What a number counts.
    pub unit: Bilingual,
    /// Least value; of a list, of each entry.
    pub minimum: Option<Value>,
    /// Greatest value; of a list, of each entry.
    pub maximum: Option<Value>,
    /// Fewest characters or entries.
    pub min_length: Option<u64>,
    /// Most characters or entries.
    pub max_length: Option<u64>,
    /// Its default; null when it is not set then.
    pub default: Value,
    /// A value that is accepted.
    pub example: Value,
    /// Whether it holds secrets, which are shown as `***`.
    pub secret: bool,
}

/// A word of a choice.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Choice {
    /// As it is written.
    pub value: String,
    /// What it means.
    pub meaning: Bilingual,
}

/// A kind of object within a setting.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ObjectForm {
    /// The field that names the kind; none where there is only one kind.
    pub tag: Option<String>,
    /// What stands in that field.
    pub value: Option<String>,
    /// What the kind is.
    pub meaning: Bilingual,
    /// Its other fields.
    pub fields: Vec<FieldForm>,
}

/// A field of such an object.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldForm {
    /// Its name.
    pub name: String,
    /// What it holds, as in a definition.
    pub kind: &'static str,
    /// The words of a choice.
    pub choices: Option<Vec<Choice>>,
    /// What it means.
    pub meaning: Bilingual,
    /// Whether there must be one.
    pub required: bool,
}

/// The definition of a setting, for programs.
pub fn describe(info: &KeyInfo) -> Definition {
    let (entry_kind, counted) = match &info.kind {
        Kind::List(entry) => (Some(kind_name(entry)), entry.as_ref()),
        kind => (None, kind),
    };
    Definition {
        name: info.key.clone(),
        section: info.section.clone(),
        kind: kind_name(&info.kind),
        entry_kind,
        choices: choices(counted),
        objects: match &info.shape {
            Shape::Objects(kinds) => Some(kinds.iter().map(object_form).collect()),
            _ => None,
        },
        meaning: info.doc.clone(),
        unit: info.unit.clone(),
        minimum: info.range.0.clone(),
        maximum: info.range.1.clone(),
        min_length: info.length.0,
        max_length: info.length.1,
        default: info.default.clone(),
        example: example(info).clone(),
        secret: info.secret,
    }
}

/// The words of a choice, with their meanings.
pub fn choices(kind: &Kind) -> Option<Vec<Choice>> {
    let Kind::Choice(words) = kind else { return None };
    Some(words.iter().map(|word| Choice { value: word.word.clone(), meaning: word.doc.clone() }).collect())
}

fn object_form(kind: &ObjectKind) -> ObjectForm {
    let field = |part: &Part| FieldForm {
        name: part.name.clone(),
        kind: kind_name(&part.kind),
        choices: choices(&part.kind),
        meaning: part.doc.clone(),
        required: part.needed,
    };
    let (tag, word) = kind.tag.clone().unzip();
    ObjectForm {
        tag,
        value: word.as_ref().map(|word| word.word.clone()),
        meaning: word.map(|word| word.doc).unwrap_or_default(),
        fields: kind.fields.iter().map(field).collect(),
    }
}

/// The name of a kind, for programs.
pub fn kind_name(kind: &Kind) -> &'static str {
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
pub(super) fn allowed(info: &KeyInfo) -> Bilingual {
    let said = |language, joint| {
        let kind = kind_text(&info.kind, language);
        info.range_text(language).map_or_else(|| kind.clone(), |range| format!("{kind}{joint}{range}"))
    };
    Bilingual::new(said(Language::ZhCn, "，"), said(Language::En, ", "))
}

/// A value that is accepted: the default, where it shows how such a value is written.
fn example(info: &KeyInfo) -> &Value {
    match (&info.default, &info.example) {
        (Value::Null, Some(example)) => example,
        (Value::Array(entries), Some(example)) if entries.is_empty() => example,
        (default, _) => default,
    }
}

/// How a value that is accepted is typed on a command line.
pub fn example_line(info: &KeyInfo) -> Option<String> {
    let (name, value) = (&info.key, example(info));
    let typed = as_typed(value);
    if value.is_null() || typed.contains('\n') {
        return None;
    }
    let quoted = typed.contains(|c: char| !c.is_alphanumeric() && !".,:+-_".contains(c));
    Some(if quoted { format!("'{name}={typed}'") } else { format!("{name}={typed}") })
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
    use serde_json::json;

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
        let form = |name: &str| serde_json::to_value(describe(definition(name).unwrap())).unwrap();
        assert_eq!(form("welcome.late_answer")["choices"][1]["value"], "replace_unread");
        let max = form("welcome.max_chars");
        assert_eq!((&max["minimum"], &max["unit"]["zh"]), (&json!(20), &json!("字")));
        assert_eq!(form("working_hours.days")["choices"][6]["meaning"]["zh"], "星期日。");
    }

    #[test]
    fn what_is_in_objects_is_described_in_both_languages_too() {
        let channels = describe(definition("notice.channels").unwrap()).objects.unwrap();
        let kinds: Vec<&str> = channels.iter().filter_map(|kind| kind.value.as_deref()).collect();
        assert_eq!(kinds, ["webhook", "email", "wecom", "dingtalk", "feishu", "ntfy", "redis"]);
        let levels = describe(definition("escalation.levels").unwrap()).objects.unwrap();
        assert_eq!(
            levels[0].fields.iter().map(|field| (field.name.as_str(), field.kind)).collect::<Vec<_>>(),
            [("after", "duration"), ("target", "choice")]
        );
        assert_eq!(definition("welcome.segment_templates").unwrap().shape, Shape::Texts);
        for kind in channels.iter().chain(&levels) {
            let named = kind.tag.is_none() || !kind.meaning.zh.is_empty();
            assert!(named && kind.fields.iter().all(|field| !field.meaning.zh.is_empty() && !field.meaning.en.is_empty()), "{kind:?}");
        }
        let optional: Vec<&str> = channels[3].fields.iter().filter(|field| !field.required).map(|field| field.name.as_str()).collect();
        assert_eq!(optional, ["secret"]);
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
