//! One value that somebody gave for one setting: its type and its range.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    channels,
    definitions::{allowed, as_typed, definition, definitions, example},
    values::Settings,
};
use crate::config::{KeyInfo, Kind};

/// A value as somebody gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// As people type it: `30s`, `true`, `0.99`, a text; lists with commas or as JSON.
    Text(String),
    /// As programs send it; null returns the setting to its default.
    Value(Value),
}

/// Why a setting was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The setting.
    pub name: String,
    /// What is wrong.
    pub wrong: String,
    /// What is allowed; none for a setting that does not exist.
    pub allowed: Option<String>,
    /// A value that is accepted, as it is typed.
    pub example: Option<String>,
}

impl Refusal {
    pub(super) fn new(info: &KeyInfo, wrong: impl Into<String>) -> Self {
        let shown = example(info);
        let example = (!shown.is_null() && !as_typed(shown).contains('\n')).then(|| as_typed(shown));
        Self { name: info.key.clone(), wrong: wrong.into(), allowed: Some(allowed(info)), example }
    }

    /// A refusal whose allowed values are better said in other words than those of the definition.
    pub(super) fn allowing(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// Whether there is no such setting.
    pub fn is_unknown(&self) -> bool {
        definition(&self.name).is_none()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.wrong)?;
        if let Some(allowed) = &self.allowed {
            write!(f, ". Allowed: {allowed}")?;
        }
        match &self.example {
            Some(example) if example.contains(|c: char| !c.is_alphanumeric() && !".,:+-_".contains(c)) => {
                write!(f, ". Example: '{}={example}'", self.name)
            }
            Some(example) => write!(f, ". Example: {}={example}", self.name),
            None => Ok(()),
        }
    }
}

/// The setting of this name, or what was probably meant.
pub(super) fn find(name: &str) -> Result<&'static KeyInfo, Refusal> {
    definition(name).ok_or_else(|| {
        let wrong = match definitions().meant(name) {
            Some(meant) => format!("there is no such setting; did you mean {meant}?"),
            None => "there is no such setting; `anmei-mcp settings list` shows all".to_owned(),
        };
        Refusal { name: name.to_owned(), wrong, allowed: None, example: None }
    })
}

/// Reads a value for a setting, in its one spelling; none is the default. `now` is what is in force: masked secrets
/// are taken from there.
pub(super) fn read(info: &KeyInfo, given: &Given, now: &Value) -> Result<Option<Value>, Refusal> {
    let mut value = match given {
        Given::Text(text) => info.kind.typed(text),
        Given::Value(Value::Null) => return Ok(None),
        Given::Value(value) => value.clone(),
    };
    if info.secret {
        channels::restore(&mut value, now).map_err(|wrong| Refusal::new(info, wrong))?;
    }
    let value = canonical(info, &value).map_err(|wrong| Refusal::new(info, wrong))?;
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        let unset = if info.default.is_null() { format!("; `anmei-mcp settings reset {}` unsets it", info.key) } else { String::new() };
        return Err(Refusal::new(info, format!("is empty{unset}")));
    }
    if !info.allows(&value) {
        return Err(Refusal::new(info, format!("{} is out of range", info.found(&value))));
    }
    Ok(Some(value))
}

/// Whether a stored value still fits: its type and its range.
pub(super) fn fits(info: &KeyInfo, value: &Value) -> Result<(), String> {
    let value = canonical(info, value)?;
    if info.allows(&value) { Ok(()) } else { Err(format!("{} is out of range", info.found(&value))) }
}

/// The value in the spelling of its type, or what is wrong with it.
fn canonical(info: &KeyInfo, value: &Value) -> Result<Value, String> {
    match (&info.kind, value) {
        (Kind::List(entry), Value::Array(entries)) if **entry == Kind::Json => {
            for (at, one) in entries.iter().enumerate() {
                alone(info, &Value::Array(vec![one.clone()])).map_err(|error| format!("entry {}{}", at + 1, detail(info, &error)))?;
            }
        }
        (Kind::Json, Value::Object(_)) => drop(alone(info, value).map_err(|error| format!("the object{}", detail(info, &error)))?),
        _ => {}
    }
    alone(info, value).map_err(|_| format!("found {}", info.found(value)))
}

/// The value read as the only one that is set, and written again.
fn alone(info: &KeyInfo, value: &Value) -> Result<Value, serde_json::Error> {
    let section = Map::from_iter([(info.name.clone(), value.clone())]);
    let settings: Settings = serde_json::from_value(Value::Object(Map::from_iter([(info.section.clone(), section.into())])))?;
    let whole = serde_json::to_value(settings)?;
    Ok(whole.get(&info.section).and_then(|section| section.get(&info.name)).cloned().unwrap_or_default())
}

/// What the reader of JSON says, unless it repeats a part of what must not be shown.
fn detail(info: &KeyInfo, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let names_only = ["missing field", "unknown field", "unknown variant"].iter().any(|start| text.starts_with(start));
    if info.secret && !names_only { " is not of the right form".to_owned() } else { format!(": {text}") }
}
