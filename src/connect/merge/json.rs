//! JSON with comments and trailing commas, changed in its concrete form: what is not ours is not touched.

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode},
};
use serde_json::{Map, Value};

use super::{MergeError, Put, is_stale};

/// What editors write: comments and trailing commas, and nothing else that is no JSON.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The file as one value; nothing for an empty one.
pub(super) fn read(text: &str) -> Result<Value, MergeError> {
    Ok(parse(text)?.value().and_then(|node| node.to_serde_value()).unwrap_or_default())
}

fn parse(text: &str) -> Result<CstRootNode, MergeError> {
    CstRootNode::parse(text, &OPTIONS).map_err(|error| MergeError::Syntax {
        line: error.line_display(),
        column: error.column_display(),
        why: error.kind().to_string(),
    })
}

pub(super) fn merge(text: &str, puts: &[Put]) -> Result<String, MergeError> {
    let root = parse(text)?;
    let whole = root.object_value_or_create().ok_or_else(|| kind("the file", "a JSON object"))?;
    for put in puts {
        match put {
            Put::Member { table, name, value } => {
                let table = match table {
                    None => whole.clone(),
                    Some(table) => whole.object_value_or_create(table).ok_or_else(|| kind(&format!("\"{table}\""), "a JSON object"))?,
                };
                put_member(&table, name, value)?;
            }
            Put::Item { list, id, value } => put_item(&whole, list, id, value)?,
        }
    }
    let merged = root.to_string();
    Ok(if merged.ends_with('\n') || !text.trim().is_empty() { merged } else { merged + "\n" })
}

fn put_member(table: &CstObject, name: &str, value: &Map<String, Value>) -> Result<(), MergeError> {
    let Some(member) = table.get(name) else {
        table.append(name, input(&Value::Object(value.clone())));
        return Ok(());
    };
    let entry = member.object_value().ok_or_else(|| kind(&format!("the entry \"{name}\""), "a JSON object"))?;
    for own in entry.properties() {
        if named(&own).is_some_and(|name| is_stale(&name, value)) {
            own.remove();
        }
    }
    for (name, value) in value {
        match entry.get(name) {
            Some(own) if own.value().and_then(|node| node.to_serde_value()).as_ref() == Some(value) => {}
            Some(own) => own.set_value(input(value)),
            None => drop(entry.append(name, input(value))),
        }
    }
    Ok(())
}

/// Items are put as a whole: they are ours alone.
fn put_item(whole: &CstObject, list: &str, id: &str, value: &Map<String, Value>) -> Result<(), MergeError> {
    let items = whole.array_value_or_create(list).ok_or_else(|| kind(&format!("\"{list}\""), "a JSON list"))?;
    let value = Value::Object(value.clone());
    for item in items.elements() {
        let found = item.to_serde_value();
        if found.as_ref().and_then(|item| item.get("id")).and_then(Value::as_str) != Some(id) {
            continue;
        }
        if found.as_ref() != Some(&value)
            && let Some(object) = item.as_object()
        {
            object.replace_with(input(&value));
        }
        return Ok(());
    }
    items.append(input(&value));
    Ok(())
}

fn named(member: &CstObjectProp) -> Option<String> {
    member.name()?.decoded_value().ok()
}

fn kind(what: &str, expected: &'static str) -> MergeError {
    MergeError::Kind { what: what.to_owned(), expected }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(yes) => CstInputValue::Bool(*yes),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(members) => CstInputValue::Object(members.iter().map(|(name, value)| (name.clone(), input(value))).collect()),
    }
}
