//! JSON Schemas that every client can read: inlined, and with portable keywords only.
//!
//! Known clients drop or choke on `$ref`, `null` types, numeric `format`s and `oneOf` of constants, so these are
//! folded away here, once, instead of in every argument struct.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Schema of a tool's arguments. Unknown arguments are refused, so that a misspelt one is not silently ignored.
pub(crate) fn input<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = portable::<T>();
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.insert("additionalProperties".into(), Value::Bool(false));
    schema
}

/// Schema of a tool's result.
pub(crate) fn output<T: JsonSchema>() -> Map<String, Value> {
    portable::<T>()
}

fn portable<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut value = Value::from(settings.into_generator().into_root_schema_for::<T>());
    fold(&mut value);
    let mut schema = match value {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    // The name of the Rust type says nothing to a client; the tool's own description says it all.
    schema.remove("title");
    schema.remove("description");
    schema
}

fn fold(value: &mut Value) {
    match value {
        Value::Object(schema) => fold_object(schema),
        Value::Array(items) => items.iter_mut().for_each(fold),
        _ => {}
    }
}

fn fold_object(schema: &mut Map<String, Value>) {
    schema.values_mut().for_each(fold);
    drop_null_type(schema);
    drop_null_alternative(schema);
    join_constants(schema);
    schema.remove("format");
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

/// `"type": ["string", "null"]` → `"type": "string"`: an absent value is left out, never sent as null.
fn drop_null_type(schema: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = schema.get_mut("type") else { return };
    types.retain(|kind| kind != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        schema.insert("type".into(), only);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// `"anyOf": [X, {"type": "null"}]` → X, beside what else the schema says.
fn drop_null_alternative(schema: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") else { return };
    alternatives.retain(|alternative| alternative.get("type").is_none_or(|kind| kind != "null"));
    if alternatives.len() != 1 {
        return;
    }
    let Some(Value::Array(mut alternatives)) = schema.remove("anyOf") else { return };
    if let Some(Value::Object(only)) = alternatives.pop() {
        for (key, value) in only {
            schema.entry(key).or_insert(value);
        }
    }
}

/// `"oneOf": [{"const": "a"}, {"const": "b"}]` → `"enum": ["a", "b"]`.
fn join_constants(schema: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = schema.get("oneOf") else { return };
    let mut constants = Vec::new();
    for alternative in alternatives {
        match (alternative.get("const"), alternative.get("enum")) {
            (Some(value), _) => constants.push(value.clone()),
            (None, Some(Value::Array(values))) => constants.extend(values.iter().cloned()),
            _ => return,
        }
    }
    schema.remove("oneOf");
    schema.insert("type".into(), json!("string"));
    schema.insert("enum".into(), Value::Array(constants));
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Depth {
        /// Little.
        Basic,
        /// Much.
        Detailed,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is read")]
    struct Args {
        /// Who.
        user_id: String,
        limit: Option<u32>,
        depth: Option<Depth>,
    }

    #[test]
    fn nulls_references_and_constant_lists_are_folded_away() {
        let schema = serde_json::Value::Object(super::input::<Args>());
        assert_eq!(schema["properties"]["user_id"], json!({"type": "string", "description": "Who."}));
        assert_eq!(schema["properties"]["limit"]["type"], "integer");
        assert_eq!(schema["properties"]["depth"]["enum"], json!(["basic", "detailed"]));
        assert_eq!(schema["required"], json!(["user_id"]));
        assert_eq!(schema["additionalProperties"], false);
        assert!(!schema.to_string().contains("$ref"));
        assert!(!schema.to_string().contains("null"));
    }
}
