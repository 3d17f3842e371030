//! What of a call's arguments and result anybody may see: ids, numbers and switches; every other text may be about a
//! person and is replaced by its length, a result by its size.
//!
//! What is redacted stays as it is when it is redacted again: a log may hold rows of both kinds, and whoever shows one
//! need not know which it is.

use serde_json::{Map, Value, json};

use super::arguments::plain_name;

/// Arguments as they stand in the log, as anybody may see them.
pub fn redacted_request(stored: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(stored).ok()?;
    Some(match value {
        Value::Object(arguments) => Value::Object(redacted(&arguments)),
        other => redact("", &other),
    })
}

/// A result as it stands in the log, as anybody may see it.
pub fn redacted_response(stored: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(stored).ok()?;
    let only_its_size = value.as_object().is_some_and(|object| object.len() == 1 && object.get("bytes").is_some_and(Value::is_u64));
    Some(if only_its_size { value } else { json!({"bytes": stored.len()}) })
}

/// Ids, numbers and switches say what was asked; every other text may be about a person and is replaced by its length.
pub(super) fn redacted(arguments: &Map<String, Value>) -> Map<String, Value> {
    arguments.iter().map(|(name, value)| (argument_name(name), redact(name, value))).collect()
}

fn argument_name(name: &str) -> String {
    if is_redacted(name) { name.to_owned() } else { plain_name(name).into_owned() }
}

fn redact(name: &str, value: &Value) -> Value {
    match value {
        // A number this long is a phone's.
        Value::Number(number) if number.as_f64().is_some_and(|number| number.abs() >= 1e9) => json!("[number]"),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) if is_id(name, text) || is_redacted(text) => value.clone(),
        Value::String(text) => json!(format!("[{} characters]", text.chars().count())),
        Value::Array(items) => Value::Array(items.iter().map(|item| redact(name, item)).collect()),
        Value::Object(inner) => Value::Object(redacted(inner)),
    }
}

fn is_id(name: &str, text: &str) -> bool {
    let named = name.ends_with("_id") || matches!(name, "analysis_type" | "service_type");
    named && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Whether a text says nothing but what stood in its place. More digits than a length has could be a number of somebody.
fn is_redacted(text: &str) -> bool {
    let length = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(" characters]"));
    text == "[number]" || length.is_some_and(|digits| (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_text_is_not_kept_and_ids_are() {
        let Value::Object(arguments) = json!({
            "user_id": "usr_1", "query": "张伟 13800138000", "limit": 3, "13800138000": 13_800_138_000_i64, "a@b.cn": 1, "deep": {"notes": "过敏", "plan_id": "p 1", "on": true},
        }) else {
            unreachable!()
        };
        let kept = Value::Object(redacted(&arguments));
        assert_eq!(
            kept,
            json!({"user_id": "usr_1", "query": "[14 characters]", "limit": 3, "[11 characters]": "[number]", "[6 characters]": 1, "deep": {"notes": "[2 characters]", "plan_id": "[3 characters]", "on": true}})
        );
        assert_eq!(redacted_request(&kept.to_string()), Some(kept), "what is redacted stays as it is");
    }

    #[test]
    fn nobody_hides_a_number_in_what_looks_redacted() {
        let stored = json!({"query": "[13800138000 characters]", "[13800138000 characters]": 1}).to_string();
        assert_eq!(redacted_request(&stored), Some(json!({"query": "[24 characters]", "[24 characters]": 1})));
    }

    #[test]
    fn of_a_result_its_size_remains() {
        assert_eq!(redacted_response("{\"name\":\"张伟\"}"), Some(json!({"bytes": 17})));
        assert_eq!(redacted_response("{\"bytes\":17}"), Some(json!({"bytes": 17})));
    }
}
