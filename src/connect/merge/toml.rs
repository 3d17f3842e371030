//! TOML, changed in its concrete form.

use serde_json::{Map, Value};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, value};

use super::{MergeError, Put, is_stale};

/// The texts and tables of the file.
pub(super) fn read(text: &str) -> Result<Value, MergeError> {
    let whole: DocumentMut = text.parse().map_err(|error| syntax(text, &error))?;
    Ok(texts(whole.as_item()))
}

fn texts(item: &Item) -> Value {
    match (item.as_str(), item.as_table_like()) {
        (Some(text), _) => text.into(),
        (None, Some(table)) => Value::Object(table.iter().map(|(name, item)| (name.to_owned(), texts(item))).collect()),
        (None, None) => Value::Null,
    }
}

pub(super) fn merge(text: &str, puts: &[Put]) -> Result<String, MergeError> {
    let mut whole: DocumentMut = text.parse().map_err(|error| syntax(text, &error))?;
    for put in puts {
        // Lists of objects are JSON's: no host with a TOML file has one.
        let Put::Member { table, name, value } = put else { continue };
        let table = match table {
            None => whole.as_table_mut() as &mut dyn TableLike,
            Some(table) => {
                let item = whole.entry(table).or_insert_with(|| {
                    let mut parent = Table::new();
                    parent.set_implicit(true);
                    Item::Table(parent)
                });
                item.as_table_like_mut().ok_or_else(|| kind(format!("\"{table}\"")))?
            }
        };
        put_member(table, name, value)?;
    }
    Ok(whole.to_string())
}

fn put_member(table: &mut dyn TableLike, name: &str, entry: &Map<String, Value>) -> Result<(), MergeError> {
    if table.get(name).is_none() {
        table.insert(name, Item::Table(Table::new()));
    }
    let own = table.get_mut(name).and_then(Item::as_table_like_mut).ok_or_else(|| kind(format!("the entry \"{name}\"")))?;
    let stale: Vec<String> = own.iter().map(|(name, _)| name.to_owned()).filter(|name| is_stale(name, entry)).collect();
    for name in stale {
        own.remove(&name);
    }
    for (name, member) in entry {
        // Written in another way it is still the same.
        if own.get(name).is_none_or(|item| !says(item, member)) {
            own.insert(name, value(toml_value(member)));
        }
    }
    Ok(())
}

/// Whether something says just this.
fn says(item: &Item, json: &Value) -> bool {
    match json {
        Value::String(text) => item.as_str() == Some(text),
        Value::Bool(yes) => item.as_bool() == Some(*yes),
        Value::Number(number) => number.as_i64().is_some() && item.as_integer() == number.as_i64(),
        Value::Array(wanted) => item.as_array().is_some_and(|items| {
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(item, json)| says(&Item::Value(item.clone()), json))
        }),
        Value::Object(members) => item.as_table_like().is_some_and(|table| {
            table.len() == members.len() && members.iter().all(|(name, json)| table.get(name).is_some_and(|item| says(item, json)))
        }),
        Value::Null => false,
    }
}

fn toml_value(json: &Value) -> toml_edit::Value {
    match json {
        Value::Bool(yes) => (*yes).into(),
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap_or_default().into(), Into::into),
        Value::Array(items) => items.iter().map(toml_value).collect::<Array>().into(),
        Value::Object(members) => members.iter().map(|(name, value)| (name, toml_value(value))).collect::<InlineTable>().into(),
        Value::String(text) => text.as_str().into(),
        Value::Null => "".into(),
    }
}

fn kind(what: String) -> MergeError {
    MergeError::Kind { what, expected: "a TOML table" }
}

fn syntax(text: &str, error: &toml_edit::TomlError) -> MergeError {
    let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    MergeError::Syntax { line, column, why: error.message().trim().replace('\n', "; ") }
}
