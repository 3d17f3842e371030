//! A form made of a tool's arguments, and arguments made of a form.
//!
//! Each argument that has no arguments of its own is a field: a line, a number, a choice, a list with one entry a line, or
//! JSON where nothing simpler fits. What is left blank is not sent. What a field cannot say (a number that is none) is
//! sent as it was typed, so that the tool's own schema finds the fault and names it.

use serde_json::{Map, Number, Value};

use crate::admin::{
    calls::{Field, said, tools::Argument},
    panel::form::Fields,
};

/// Below what the fields are called.
pub(super) const AT: &str = "/args";

/// What an argument is typed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Line,
    Number,
    Choice,
    Switch,
    Text,
    List,
    Json,
}

/// The arguments that are typed.
pub(super) fn typed(arguments: &[Argument]) -> impl Iterator<Item = &Argument> {
    arguments.iter().filter(|argument| !argument.has_inner)
}

/// What an argument is typed into.
pub(super) fn input(argument: &Argument) -> Input {
    let long = argument
        .bounds
        .iter()
        .any(|bound| bound.strip_prefix("maxLength ").and_then(|most| most.parse().ok()).is_some_and(|most: u32| most > 200));
    match (argument.kind.as_str(), argument.items.as_deref()) {
        _ if !argument.values.is_empty() => Input::Choice,
        ("boolean", _) => Input::Switch,
        ("integer" | "number", _) => Input::Number,
        ("string", _) if long => Input::Text,
        ("string", _) => Input::Line,
        ("array", Some("string")) => Input::List,
        _ => Input::Json,
    }
}

/// Name of an argument's field.
pub(super) fn name(argument: &Argument) -> String {
    format!("{}{}", AT.trim_start_matches('/'), argument.pointer)
}

/// A value as it stands in its field.
pub(super) fn shown(argument: &Argument, value: &Value) -> String {
    match (input(argument), value) {
        (Input::Json, value) => serde_json::to_string_pretty(value).unwrap_or_default(),
        (Input::List, Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

/// The form filled in with the example.
pub(super) fn filled(arguments: &[Argument]) -> Fields {
    Fields::of(typed(arguments).filter_map(|argument| Some((name(argument), shown(argument, argument.example.as_ref()?)))))
}

/// The arguments that a form says, or what cannot be read.
pub(super) fn read(arguments: &[Argument], form: &Fields) -> Result<Map<String, Value>, Vec<Field>> {
    let (mut found, mut wrong) = (Map::new(), Vec::new());
    for argument in typed(arguments) {
        let raw = form.raw(&name(argument)).unwrap_or_default();
        match value(argument, raw) {
            Ok(Some(value)) => put(&mut found, &argument.pointer, value),
            Ok(None) => {}
            Err(why) => {
                let text = said(format!("不是有效的 JSON：{why}"), format!("this is not valid JSON: {why}"));
                wrong.push(Field { pointer: format!("{AT}{}", argument.pointer), text });
            }
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn value(argument: &Argument, raw: &str) -> Result<Option<Value>, serde_json::Error> {
    let text = raw.trim();
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(match input(argument) {
        Input::Line | Input::Text => Value::from(text),
        Input::Number => text.parse::<Number>().map_or_else(|_| Value::from(text), Value::Number),
        Input::Switch => Value::Bool(text == "true"),
        Input::Choice => argument.values.iter().find(|known| shown(argument, known) == text).cloned().unwrap_or_else(|| Value::from(text)),
        Input::List => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Value::from).collect(),
        Input::Json => serde_json::from_str(text)?,
    }))
}

/// Puts a value where its pointer leads, with the objects on the way.
fn put(into: &mut Map<String, Value>, pointer: &str, value: Value) {
    let plain = |name: &str| name.replace("~1", "/").replace("~0", "~");
    match pointer.trim_start_matches('/').split_once('/') {
        None => drop(into.insert(plain(pointer.trim_start_matches('/')), value)),
        Some((outer, rest)) => {
            let inner = into.entry(plain(outer)).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn argument(pointer: &str, kind: &str) -> Argument {
        Argument {
            pointer: pointer.into(),
            name: pointer.into(),
            kind: kind.into(),
            items: None,
            required: false,
            description: String::new(),
            values: Vec::new(),
            default: None,
            example: None,
            bounds: Vec::new(),
            has_inner: false,
        }
    }

    fn all() -> Vec<Argument> {
        vec![
            Argument { has_inner: true, ..argument("/who", "object") },
            Argument { example: Some(json!("usr_1")), ..argument("/who/id", "string") },
            Argument { items: Some("string".into()), example: Some(json!(["a", "b"])), ..argument("/who/tags", "array") },
            argument("/limit", "integer"),
            argument("/deep", "boolean"),
            Argument { values: vec![json!("basic"), json!("full")], ..argument("/depth", "string") },
            Argument { items: Some("object".into()), ..argument("/messages", "array") },
        ]
    }

    #[test]
    fn a_form_becomes_arguments_and_blanks_are_not_sent() {
        let form = Fields::of([
            ("args/who/id", " usr_1 "),
            ("args/who/tags", "色斑\n\n 敏感 "),
            ("args/limit", "3"),
            ("args/deep", "true"),
            ("args/depth", "full"),
            ("args/messages", "[{\"text\":\"好\"}]"),
            ("other", "x"),
        ]);
        let expected = json!({"who": {"id": "usr_1", "tags": ["色斑", "敏感"]}, "limit": 3, "deep": true, "depth": "full", "messages": [{"text": "好"}]});
        assert_eq!(Value::Object(read(&all(), &form).unwrap()), expected);
        assert!(read(&all(), &Fields::default()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_number_is_sent_as_it_was_typed_and_broken_json_is_named() {
        let sent = read(&all(), &Fields::of([("args/limit", "three")])).unwrap();
        assert_eq!(Value::Object(sent), json!({"limit": "three"}));
        let wrong = read(&all(), &Fields::of([("args/messages", "[")])).unwrap_err();
        assert_eq!(wrong[0].pointer, "/args/messages");
    }

    #[test]
    fn the_example_fills_the_form() {
        let form = filled(&all());
        assert_eq!((form.text("args/who/id"), form.raw("args/who/tags")), ("usr_1", Some("a\nb")));
        let long = Argument { bounds: vec!["maxLength 2000".into()], ..argument("/notes", "string") };
        assert_eq!((input(&long), input(&argument("/notes", "string"))), (Input::Text, Input::Line));
    }
}
