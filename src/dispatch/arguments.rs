//! Arguments: what real clients send, made into what the schema says, or refused with words a model can act on.
//!
//! Dify and others send integers as `3.0` or `"3"` and booleans as `"true"`, and drop empty values. Those are
//! understood; everything else must be valid as it is. Errors name field, reason and an accepted example.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::catalogue::Known;

/// Most complaints in one answer.
const MOST: usize = 5;

/// Arguments that were refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfit {
    /// What the model is told.
    pub text: String,
    /// What was given, as far as it was understood.
    pub given: Value,
}

/// One thing that is wrong with arguments, for people who filled in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// JSON pointer to the argument, from the object of all arguments on.
    pub pointer: String,
    /// What is wrong, in Chinese.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

/// What is wrong with arguments, argument by argument; nothing when a call would take them.
pub fn complaints(known: &Known, arguments: &Map<String, Value>) -> Vec<Complaint> {
    let mut arguments = arguments.clone();
    coerce_object(&known.tool.definition.input_schema, &mut arguments);
    let value = Value::Object(arguments);
    let errors = known.validator.iter_errors(&value).take(MOST);
    errors
        .map(|error| {
            let (zh, en) = reason(&error);
            Complaint { pointer: pointer_of(&error), zh, en }
        })
        .collect()
}

/// Coerces and validates.
pub fn prepare(known: &Known, arguments: Option<Map<String, Value>>) -> Result<Map<String, Value>, Unfit> {
    let mut arguments = arguments.unwrap_or_default();
    coerce_object(&known.tool.definition.input_schema, &mut arguments);
    let value = Value::Object(arguments);
    if known.validator.is_valid(&value) {
        return match value {
            Value::Object(arguments) => Ok(arguments),
            _ => Ok(Map::new()),
        };
    }
    Err(Unfit { text: explain(known, &value), given: value })
}

fn explain(known: &Known, value: &Value) -> String {
    let definition = &known.tool.definition;
    let mut complaints: Vec<String> = Vec::new();
    for error in known.validator.iter_errors(value).take(MOST) {
        let field = field_of(&error);
        let (zh, en) = reason(&error);
        let reason = if zh == en { en } else { format!("{zh} / {en}") };
        complaints.push(format!("- `{field}`: {reason}"));
    }
    format!(
        "错误：{name} 的参数无效，未执行。Error: the arguments of {name} are not valid; nothing was done.\n{}\nAccepted example: {}",
        complaints.join("\n"),
        definition.example,
        name = definition.about.name,
    )
}

/// The missing or unknown argument an error is about; none when it is about what the path names.
fn inner_of(error: &jsonschema::ValidationError<'_>) -> Option<String> {
    use jsonschema::error::ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Required { property } => property.as_str().map(str::to_owned),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected.first().cloned(),
        _ => None,
    }
}

fn pointer_of(error: &jsonschema::ValidationError<'_>) -> String {
    let at = error.instance_path().to_string();
    match inner_of(error) {
        Some(inner) => format!("{at}/{}", inner.replace('~', "~0").replace('/', "~1")),
        None => at,
    }
}

/// The argument an error is about: the missing or unknown one itself, not the object around it.
fn field_of(error: &jsonschema::ValidationError<'_>) -> String {
    let at = error.instance_path().to_string();
    let at = at.trim_start_matches('/').split('/').map(plain_name).collect::<Vec<_>>().join(".");
    let inner = inner_of(error);
    match (at.is_empty(), inner.as_deref().map(plain_name)) {
        (true, Some(inner)) => inner.into_owned(),
        (false, Some(inner)) => format!("{at}.{inner}"),
        (true, None) => "arguments".into(),
        (false, None) => at,
    }
}

/// A name as it may be repeated and logged: what is no plain word may be data in the wrong place.
pub(super) fn plain_name(name: &str) -> Cow<'_, str> {
    let number = name.len() > 6 && name.starts_with(|c: char| c.is_ascii_digit());
    let plain = !number && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { Cow::Borrowed(name) } else { Cow::Owned(format!("[{} characters]", name.chars().count())) }
}

/// Why, in Chinese and in English.
fn reason(error: &jsonschema::ValidationError<'_>) -> (String, String) {
    use jsonschema::error::ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Required { .. } => ("缺少必填参数".into(), "is required and missing".into()),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            ("没有这个参数".into(), "there is no such argument".into())
        }
        // Names limits and allowed values; the value itself is masked, since these words also reach the call log.
        _ => {
            let text = cut(&error.masked().to_string(), 300);
            (text.clone(), text)
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn coerce_object(schema: &Map<String, Value>, object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get("properties") else { return };
    let required = |name: &str| schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|n| n == name));
    // An explicit null means "not given" to every client that sends one.
    object.retain(|name, value| !value.is_null() || required(name) || !properties.contains_key(name));
    for (name, value) in object.iter_mut() {
        if let Some(Value::Object(schema)) = properties.get(name) {
            coerce(schema, value);
        }
    }
}

fn coerce(schema: &Map<String, Value>, value: &mut Value) {
    let better = match (schema.get("type").and_then(Value::as_str), &*value) {
        (Some("integer"), Value::Number(number)) => whole(number),
        (Some("integer"), Value::String(text)) => integer(text),
        (Some("number"), Value::String(text)) => text.trim().parse().ok().and_then(Number::from_f64).map(Value::Number),
        (Some("boolean"), Value::String(text)) => boolean(text),
        // Agents that were told "an object" often send it as JSON text.
        (Some("object"), Value::String(text)) => serde_json::from_str(text).ok().filter(Value::is_object),
        (Some("object"), Value::Object(_)) => {
            if let Value::Object(inner) = value {
                coerce_object(schema, inner);
            }
            return;
        }
        (Some("array"), Value::Array(_)) => {
            if let (Value::Array(items), Some(Value::Object(schema))) = (value, schema.get("items")) {
                for item in items {
                    coerce(schema, item);
                }
            }
            return;
        }
        _ => None,
    };
    if let Some(better) = better {
        *value = better;
    }
}

/// `3.0` → `3`. JSON Schema calls both integers; the types behind the tools do not.
fn whole(number: &Number) -> Option<Value> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    // 2^53: beyond it a float no longer names one integer.
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then(|| Value::from(float as i64))
}

fn integer(text: &str) -> Option<Value> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(integer) => Some(Value::from(integer)),
        Err(_) => text.parse().ok().and_then(Number::from_f64).as_ref().and_then(whole),
    }
}

fn boolean(text: &str) -> Option<Value> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn coerced(schema: Value, value: Value) -> Value {
        let (Value::Object(schema), Value::Object(mut value)) = (schema, value) else { panic!("objects") };
        coerce_object(&schema, &mut value);
        Value::Object(value)
    }

    #[test]
    fn numbers_and_booleans_are_read_as_clients_write_them() {
        let schema = json!({"properties": {"limit": {"type": "integer"}, "details": {"type": "boolean"}, "ratio": {"type": "number"}}});
        for limit in [json!(3), json!(3.0), json!("3"), json!(" 3 "), json!("3.0")] {
            assert_eq!(
                coerced(schema.clone(), json!({"limit": limit, "details": "True", "ratio": "0.5"})),
                json!({"limit": 3, "details": true, "ratio": 0.5})
            );
        }
    }

    #[test]
    fn what_is_no_number_stays_for_the_validator_to_refuse() {
        let schema = json!({"properties": {"limit": {"type": "integer"}, "details": {"type": "boolean"}}});
        for limit in [json!(3.5), json!("three"), json!(1e300), json!("1e300"), json!([3]), json!("")] {
            assert_eq!(
                coerced(schema.clone(), json!({"limit": limit.clone(), "details": "yes"})),
                json!({"limit": limit, "details": "yes"})
            );
        }
    }

    #[test]
    fn a_null_means_not_given_and_nested_values_are_coerced() {
        let schema = json!({"required": ["who"], "properties": {"who": {"type": "string"}, "limit": {"type": "integer"},
            "wish": {"type": "object", "properties": {"budget": {"type": "integer"}, "sizes": {"type": "array", "items": {"type": "integer"}}}}}});
        let value = json!({"who": null, "limit": null, "wish": {"budget": "5000", "sizes": ["1", 2.0]}});
        assert_eq!(coerced(schema, value), json!({"who": null, "wish": {"budget": 5000, "sizes": [1, 2]}}));
    }
}
