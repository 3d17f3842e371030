//! The documentation of a tool, made of its definition: what people read is what clients are told.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ToolPolicyView;
use crate::{
    clock::rfc3339,
    dispatch::{Hints, Known},
};

/// Objects within objects that are taken apart; deeper ones are shown as JSON.
const DEEPEST: usize = 3;

/// Everything about a tool.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ToolDocs {
    /// Its name.
    pub name: String,
    /// Its title, Chinese then English.
    pub title: String,
    /// What it does and when to use it, Chinese then English.
    pub description: String,
    /// The set it belongs to.
    pub category: String,
    /// Version of its definition.
    pub version: String,
    /// Limit of one call when nobody says otherwise, in seconds.
    pub default_timeout_seconds: u64,
    /// Whether one call may take so long that clients want a task.
    pub long: bool,
    /// What it does to the world.
    pub annotations: Annotations,
    /// Its arguments, those within objects behind them.
    pub arguments: Vec<Argument>,
    /// JSON Schema (2020-12) of the arguments.
    #[schema(value_type = Object)]
    pub input_schema: Value,
    /// JSON Schema (2020-12) of the result.
    #[schema(value_type = Object)]
    pub output_schema: Value,
    /// Arguments that are accepted.
    #[schema(value_type = Object)]
    pub example: Value,
    /// Switches that `config_data` understands.
    pub switches: Vec<Switch>,
    /// Names it had before.
    pub former_names: Vec<FormerNameView>,
    /// The groups that have it.
    pub groups: Vec<ToolPolicyView>,
}

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the four hints of the specification")]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// It removes or overwrites what somebody wrote.
    pub destructive: bool,
    /// The same call again changes nothing more.
    pub idempotent: bool,
    /// It reaches beyond the clinic's own records.
    pub open_world: bool,
}

/// A switch of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Switch {
    /// Its name in `config_data`.
    pub name: String,
    /// What it does when it is on.
    pub meaning: String,
}

/// A name that a tool had before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FormerNameView {
    /// The name.
    pub name: String,
    /// When it was renamed.
    pub since: String,
    /// From when on it is refused.
    pub until: String,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Argument {
    /// JSON pointer to it.
    pub pointer: String,
    /// Its name, after those of the objects around it.
    pub name: String,
    /// Its type: string, integer, number, boolean, array, object.
    pub kind: String,
    /// Type of an array's items.
    pub items: Option<String>,
    /// Whether it must be given, where the object around it is.
    pub required: bool,
    /// What it means, Chinese then English.
    pub description: String,
    /// The values there are, where they are listed.
    pub values: Vec<Value>,
    /// What it is when it is not given.
    pub default: Option<Value>,
    /// Its value in the example.
    pub example: Option<Value>,
    /// Bounds, in words of JSON Schema such as `minimum 1`.
    pub bounds: Vec<String>,
    /// Whether arguments of its own stand behind it.
    pub has_inner: bool,
}

/// The documentation of a tool, and the groups that have it.
pub(super) fn of(known: &Arc<Known>, groups: Vec<ToolPolicyView>) -> ToolDocs {
    let definition = &known.tool.definition;
    let about = &definition.about;
    let hints = Hints::of(definition);
    let former = definition.former_names.iter();
    ToolDocs {
        name: about.name.to_owned(),
        title: about.title.to_owned(),
        description: about.description.to_owned(),
        category: about.category.to_owned(),
        version: about.version.to_owned(),
        default_timeout_seconds: about.timeout.as_secs(),
        long: definition.long,
        annotations: Annotations {
            read_only: hints.read_only,
            destructive: hints.destructive,
            idempotent: hints.idempotent,
            open_world: hints.open_world,
        },
        arguments: arguments(&definition.input_schema, &definition.example),
        input_schema: Value::Object(definition.input_schema.clone()),
        output_schema: Value::Object(definition.output_schema.clone()),
        example: definition.example.clone(),
        switches: about.config.iter().map(|(name, meaning)| Switch { name: (*name).into(), meaning: (*meaning).into() }).collect(),
        former_names: former
            .map(|former| FormerNameView { name: former.name.into(), since: rfc3339(former.since_ms), until: rfc3339(former.until_ms) })
            .collect(),
        groups,
    }
}

/// The arguments of a schema, each object followed by what is in it.
fn arguments(schema: &Map<String, Value>, example: &Value) -> Vec<Argument> {
    let mut found = Vec::new();
    walk(schema, ("", example), 0, &mut found);
    found
}

fn walk(schema: &Map<String, Value>, (place, example): (&str, &Value), depth: usize, found: &mut Vec<Argument>) {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, inner) in properties {
        let Value::Object(inner) = inner else { continue };
        let pointer = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        let example = example.get(name);
        let has_inner = depth + 1 < DEEPEST && text(inner, "type") == "object" && inner.get("properties").is_some_and(Value::is_object);
        found.push(argument(inner, pointer.clone(), (is_required(name), has_inner), example));
        if has_inner {
            walk(inner, (&pointer, example.unwrap_or(&Value::Null)), depth + 1, found);
        }
    }
}

fn argument(schema: &Map<String, Value>, pointer: String, (required, has_inner): (bool, bool), example: Option<&Value>) -> Argument {
    let items = schema.get("items").and_then(Value::as_object);
    Argument {
        name: pointer.trim_start_matches('/').replace('/', "."),
        pointer,
        kind: text(schema, "type"),
        items: items.map(|items| text(items, "type")),
        required,
        description: text(schema, "description"),
        values: schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
        default: schema.get("default").cloned(),
        example: example.cloned(),
        bounds: bounds(schema),
        has_inner,
    }
}

fn bounds(schema: &Map<String, Value>) -> Vec<String> {
    let words = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"];
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    words.iter().filter_map(|word| schema.get(*word).map(|value| format!("{word} {}", shown(value)))).collect()
}

fn text(schema: &Map<String, Value>, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_within_objects_stand_behind_them() {
        let Value::Object(schema) = json!({"required": ["who"], "properties": {
            "who": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "maxLength": 64, "description": "谁"},
                "tags": {"type": "array", "items": {"type": "string"}, "default": []}}},
            "depth": {"type": "string", "enum": ["basic", "full"]},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
        }}) else {
            panic!("an object")
        };
        let found = arguments(&schema, &json!({"who": {"id": "usr_1"}, "limit": 3}));
        let told: Vec<_> = found.iter().map(|one| (one.pointer.as_str(), one.kind.as_str(), one.required, one.has_inner)).collect();
        assert_eq!(
            told,
            [
                ("/who", "object", true, true),
                ("/who/id", "string", true, false),
                ("/who/tags", "array", false, false),
                ("/depth", "string", false, false),
                ("/limit", "integer", false, false),
            ]
        );
        let by = |pointer: &str| found.iter().find(|one| one.pointer == pointer).unwrap();
        assert_eq!((by("/who/id").example.clone(), by("/who/id").bounds.clone()), (Some(json!("usr_1")), vec!["maxLength 64".to_owned()]));
        assert_eq!((by("/limit").default.clone(), by("/depth").values.len()), (Some(json!(10)), 2));
        assert_eq!(by("/who/tags").items.as_deref(), Some("string"));
    }
}
