//! A setting's value on its way through a form: into fields, and back out of what was typed.
//!
//! The fields of a setting are named after it; those of an object in a list have the place and the field behind it, with
//! `~` between (`notice.channels~1~url`). Beside them stand `v~` with the version and `was~` with the value that the form
//! was made of: only what somebody typed over is a change.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    admin::{
        calls::{Field, said},
        panel::form::Fields,
    },
    config::{KeyInfo, Kind, ObjectKind, Part, Shape},
    settings::as_typed,
};

/// What stands between the parts of a field's name.
pub(super) const JOINT: char = '~';

/// A value as the fields hold it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Draft {
    /// A value; text that is not of the right type is left as it is, so that whoever checks it says so.
    Value(Value),
    /// Names with texts, as rows: two may have the same name until somebody corrects it.
    Pairs(Vec<(String, String)>),
}

impl Draft {
    /// The draft of a value that is in force.
    pub(super) fn of(info: &KeyInfo, value: &Value) -> Self {
        match (&info.shape, value) {
            (Shape::Texts, Value::Object(texts)) => {
                Self::Pairs(texts.iter().map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned())).collect())
            }
            (_, value) => Self::Value(value.clone()),
        }
    }

    /// What a form holds for a setting.
    pub(super) fn typed(info: &KeyInfo, form: &Fields) -> Self {
        let text = || form.raw(&info.key).unwrap_or_default().replace("\r\n", "\n");
        match (&info.kind, &info.shape) {
            (_, Shape::Texts) => Self::Pairs(rows(form, &info.key).iter().map(|row| (taken(row, "name"), taken(row, "text"))).collect()),
            (_, Shape::Objects(kinds)) => {
                Self::Value(rows(form, &info.key).iter().filter_map(|row| object(kinds, row)).collect::<Vec<_>>().into())
            }
            (Kind::Bool, _) => Self::Value(form.on(&info.key).into()),
            (Kind::List(entry), _) if matches!(**entry, Kind::Choice(_)) => Self::Value(form.all(&info.key).into()),
            (kind, _) => {
                let text = text();
                let unset = text.trim().is_empty() && info.default.is_null();
                Self::Value(if unset { Value::Null } else { kind.typed(&text) })
            }
        }
    }

    /// The value; two rows of one name are a mistake.
    pub(super) fn value(&self, name: &str) -> Result<Value, Field> {
        let pairs = match self {
            Self::Value(value) => return Ok(value.clone()),
            Self::Pairs(pairs) => pairs,
        };
        let mut texts = Map::new();
        for (key, text) in pairs {
            if texts.insert(key.clone(), text.clone().into()).is_some() {
                let pointer = format!("/{name}/{}", key.replace('~', "~0").replace('/', "~1"));
                return Err(Field { pointer, text: said(format!("“{key}”出现了两次"), format!("\"{key}\" is there twice")) });
            }
        }
        Ok(texts.into())
    }

    /// With one more row; `word` is the kind of object.
    pub(super) fn add(&mut self, info: &KeyInfo, word: &str) {
        match (self, &info.shape) {
            (Self::Pairs(pairs), _) => pairs.push(Default::default()),
            (Self::Value(Value::Array(list)), Shape::Objects(kinds)) => {
                let kind = kinds.iter().find(|kind| kind.word() == word);
                list.extend(
                    kind.map(|kind| Value::Object(kind.tag.iter().map(|(tag, word)| (tag.clone(), word.word.clone().into())).collect())),
                );
            }
            _ => {}
        }
    }

    /// Without one row.
    pub(super) fn remove(&mut self, at: usize) {
        match self {
            Self::Pairs(pairs) if at < pairs.len() => drop(pairs.remove(at)),
            Self::Value(Value::Array(list)) if at < list.len() => drop(list.remove(at)),
            _ => {}
        }
    }
}

/// The fields of one row.
type Row = BTreeMap<String, String>;

fn taken(row: &Row, field: &str) -> String {
    row.get(field).map(|text| text.replace("\r\n", "\n")).unwrap_or_default()
}

/// The rows that a form holds for a setting, in their order.
fn rows(form: &Fields, name: &str) -> Vec<Row> {
    let mut rows = BTreeMap::<usize, Row>::new();
    for (field, value) in form.iter() {
        let rest = field.strip_prefix(name).and_then(|rest| rest.strip_prefix(JOINT)).and_then(|rest| rest.split_once(JOINT));
        if let Some((at, part)) = rest
            && let Ok(at) = at.parse()
        {
            rows.entry(at).or_default().insert(part.to_owned(), value.to_owned());
        }
    }
    rows.into_values().collect()
}

fn object(kinds: &[ObjectKind], row: &Row) -> Option<Value> {
    let kind = kinds.iter().find(|kind| kind.tag.as_ref().is_none_or(|(tag, word)| row.get(tag) == Some(&word.word)))?;
    let tag = kind.tag.iter().map(|(tag, word)| (tag.clone(), Value::from(word.word.clone())));
    let fields = kind.fields.iter().map(|part| (part.name.clone(), part_value(part, row)));
    Some(Value::Object(tag.chain(fields).collect()))
}

fn part_value(part: &Part, row: &Row) -> Value {
    let text = taken(row, &part.name);
    let text = text.trim();
    match &part.kind {
        // Addresses may have commas in the name before them: a line each, or commas.
        Kind::List(_) => text.split([',', '\n']).map(str::trim).filter(|one| !one.is_empty()).collect::<Vec<_>>().into(),
        _ if text.is_empty() && !part.needed => Value::Null,
        kind => kind.typed(text),
    }
}

/// A part of an object, as its field shows it.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Some(value) => as_typed(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::definition;

    fn typed(name: &str, fields: &[(&str, &str)]) -> Value {
        Draft::typed(definition(name).unwrap(), &Fields::of(fields.iter().copied())).value(name).unwrap()
    }

    #[test]
    fn fields_become_values_of_their_settings_type() {
        assert_eq!(typed("welcome.deadline", &[("welcome.deadline", "5s")]), json!("5s"));
        assert_eq!(typed("welcome.max_chars", &[("welcome.max_chars", "300")]), json!(300));
        assert_eq!(typed("welcome.max_chars", &[("welcome.max_chars", "many")]), json!("many"));
        assert_eq!(
            (typed("welcome.ask_agents", &[]), typed("welcome.ask_agents", &[("welcome.ask_agents", "true")])),
            (json!(false), json!(true))
        );
        assert_eq!(typed("working_hours.days", &[("working_hours.days", "mon"), ("working_hours.days", "fri")]), json!(["mon", "fri"]));
        assert_eq!(typed("retry.delays", &[("retry.delays", "1s, 2s")]), json!(["1s", "2s"]));
        assert_eq!(
            (typed("conversation.agent", &[("conversation.agent", " ")]), typed("conversation.title", &[("conversation.title", "")])),
            (json!(null), json!(""))
        );
        assert_eq!(typed("welcome.static_text", &[("welcome.static_text", "a\r\nb")]), json!("a\nb"));
    }

    #[test]
    fn rows_become_objects_and_back() {
        let info = definition("notice.channels").unwrap();
        let stored = json!([
            {"kind": "email", "name": "m", "url": "smtp://h", "from": "a@b.cn", "to": ["c@d.cn", "e@f.cn"]},
            {"kind": "feishu", "name": "f", "url": "https://f.cn/***", "secret": null},
        ]);
        let form = [
            ("notice.channels~0~kind", "email"),
            ("notice.channels~0~name", "m"),
            ("notice.channels~0~url", "smtp://h"),
            ("notice.channels~0~from", " a@b.cn "),
            ("notice.channels~0~to", "c@d.cn, e@f.cn"),
            ("notice.channels~3~kind", "feishu"),
            ("notice.channels~3~name", "f"),
            ("notice.channels~3~url", "https://f.cn/***"),
            ("notice.channels~3~secret", ""),
        ];
        assert_eq!(typed("notice.channels", &form), stored);
        let mut draft = Draft::of(info, &stored);
        draft.remove(0);
        draft.add(info, "wecom");
        draft.add(info, "nothing");
        draft.remove(9);
        assert_eq!(draft.value("x").unwrap(), json!([stored[1], {"kind": "wecom"}]));
    }

    #[test]
    fn texts_by_name_are_rows_of_which_no_two_have_one_name() {
        let name = "welcome.segment_templates";
        let info = definition(name).unwrap();
        let mut draft = Draft::of(info, &json!({"a": "x"}));
        draft.add(info, "");
        assert_eq!(draft, Draft::Pairs(vec![("a".into(), "x".into()), Default::default()]));
        let form = Fields::of([
            (format!("{name}~0~name"), "a"),
            (format!("{name}~0~text"), "x"),
            (format!("{name}~1~name"), "a"),
            (format!("{name}~1~text"), "y"),
        ]);
        assert_eq!(Draft::typed(info, &form).value(name).unwrap_err().pointer, "/welcome.segment_templates/a");
        assert_eq!(
            typed("escalation.levels", &[("escalation.levels~0~after", "3m"), ("escalation.levels~0~target", "again")]),
            json!([{"after": "3m", "target": "again"}])
        );
    }
}
