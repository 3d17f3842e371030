//! One value that somebody gave for one setting: its type and its range.

use std::fmt;

use serde_json::{Map, Value};

use super::{
    channels,
    definitions::{allowed, definition, definitions, example_line},
    values::Settings,
};
use crate::config::{Bilingual, KeyInfo, Kind, Language};

/// A value as somebody gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// As people type it: `30s`, `true`, `0.99`, a text; lists with commas or as JSON.
    Text(String),
    /// As programs send it; null returns the setting to its default.
    Value(Value),
}

/// Why a setting was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The setting.
    pub name: String,
    /// Where in its value it is wrong, as a JSON pointer such as `/1/url`; empty for the whole value.
    pub place: String,
    /// What is wrong.
    pub wrong: Bilingual,
    /// What is allowed; none for a setting that does not exist.
    pub allowed: Option<Bilingual>,
}

impl Refusal {
    pub(super) fn new(info: &KeyInfo, wrong: Bilingual) -> Self {
        Self { name: info.key.clone(), place: String::new(), wrong, allowed: Some(allowed(info)) }
    }

    /// A refusal whose allowed values are better said in other words than those of the definition.
    pub(super) fn allowing(mut self, allowed: Bilingual) -> Self {
        self.allowed = Some(allowed);
        self
    }

    /// A refusal of a part of the value.
    pub(super) fn at(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// What is wrong and what is allowed, beside the setting's field.
    pub fn text(&self, language: Language) -> String {
        let wrong = self.wrong.of(language);
        match (self.allowed.as_ref().map(|allowed| allowed.of(language)), language) {
            (None, _) => wrong.to_owned(),
            (Some(allowed), Language::En) => format!("{wrong}. Allowed: {allowed}"),
            (Some(allowed), Language::ZhCn) => format!("{wrong}。允许：{allowed}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text(Language::En))?;
        let example = definition(&self.name).filter(|_| self.allowed.is_some()).and_then(example_line);
        example.map_or(Ok(()), |example| write!(f, ". Example: {example}"))
    }
}

/// What is wrong with a value, and where in it.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) place: String,
    pub(super) text: Bilingual,
}

impl Wrong {
    fn whole(zh: String, en: String) -> Self {
        Self { place: String::new(), text: Bilingual::new(zh, en) }
    }

    fn refusal(self, info: &KeyInfo) -> Refusal {
        Refusal::new(info, self.text).at(self.place)
    }
}

/// The setting of this name, or what was probably meant.
pub(super) fn find(name: &str) -> Result<&'static KeyInfo, Refusal> {
    definition(name).ok_or_else(|| {
        let wrong = match definitions().meant(name) {
            Some(meant) => {
                Bilingual::new(format!("没有这个设置；是不是 {meant}？"), format!("there is no such setting; did you mean {meant}?"))
            }
            None => Bilingual::new(
                "没有这个设置；`anmei-mcp settings list` 列出全部设置",
                "there is no such setting; `anmei-mcp settings list` shows all",
            ),
        };
        Refusal { name: name.to_owned(), place: String::new(), wrong, allowed: None }
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
        channels::restore(&mut value, now).map_err(|wrong| wrong.refusal(info))?;
    }
    let value = canonical(info, &value).map_err(|wrong| wrong.refusal(info))?;
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Err(Refusal::new(info, empty(info)));
    }
    in_range(info, &value).map_err(|wrong| wrong.refusal(info))?;
    Ok(Some(value))
}

fn empty(info: &KeyInfo) -> Bilingual {
    if !info.default.is_null() {
        return Bilingual::new("内容为空", "is empty");
    }
    Bilingual::new(
        format!("内容为空；恢复默认（`anmei-mcp settings reset {}`）即为不设置", info.key),
        format!("is empty; `anmei-mcp settings reset {}` unsets it", info.key),
    )
}

/// Whether a stored value still fits: its type and its range.
pub(super) fn fits(info: &KeyInfo, value: &Value) -> Result<(), Bilingual> {
    let value = canonical(info, value).map_err(|wrong| wrong.text)?;
    in_range(info, &value).map_err(|wrong| wrong.text)
}

fn in_range(info: &KeyInfo, value: &Value) -> Result<(), Wrong> {
    if info.allows(value) {
        return Ok(());
    }
    let (zh, en) = (info.found(value, Language::ZhCn), info.found(value, Language::En));
    Err(Wrong::whole(format!("{zh} 超出范围"), format!("{en} is out of range")))
}

/// The value in the spelling of its type, or what is wrong with it.
fn canonical(info: &KeyInfo, value: &Value) -> Result<Value, Wrong> {
    match (&info.kind, value) {
        (Kind::List(entry), Value::Array(entries)) if **entry == Kind::Json => {
            for (at, one) in entries.iter().enumerate() {
                alone(info, &Value::Array(vec![one.clone()])).map_err(|error| misfit(info, &error, Some(at)))?;
            }
        }
        (Kind::Json, Value::Object(_)) => drop(alone(info, value).map_err(|error| misfit(info, &error, None))?),
        _ => {}
    }
    let (zh, en) = (info.found(value, Language::ZhCn), info.found(value, Language::En));
    alone(info, value).map_err(|_| Wrong::whole(format!("类型不符，得到的是{zh}"), format!("found {en}")))
}

/// The value read as the only one that is set, and written again.
fn alone(info: &KeyInfo, value: &Value) -> Result<Value, serde_json::Error> {
    let section = Map::from_iter([(info.name.clone(), value.clone())]);
    let settings: Settings = serde_json::from_value(Value::Object(Map::from_iter([(info.section.clone(), section.into())])))?;
    let whole = serde_json::to_value(settings)?;
    Ok(whole.get(&info.section).and_then(|section| section.get(&info.name)).cloned().unwrap_or_default())
}

/// What the reader of JSON says of one entry or of an object, unless it repeats a part of what must not be shown.
fn misfit(info: &KeyInfo, error: &serde_json::Error, entry: Option<usize>) -> Wrong {
    let text = error.to_string();
    let names_only = ["missing field", "unknown field", "unknown variant"].iter().any(|start| text.starts_with(start));
    let (zh, en) = if info.secret && !names_only {
        ("：格式不正确".to_owned(), " is not of the right form".to_owned())
    } else {
        (format!("：{}", in_chinese(&text)), format!(": {text}"))
    };
    // The first name in the text is that of the field.
    let field = text.split('`').nth(1).filter(|_| text.starts_with("missing field")).map(|name| format!("/{name}")).unwrap_or_default();
    match entry {
        Some(at) => Wrong {
            place: format!("/{at}{field}"),
            text: Bilingual::new(format!("第 {} 项{zh}", at + 1), format!("entry {}{en}", at + 1)),
        },
        None => Wrong { place: field, text: Bilingual::new(format!("对象{zh}"), format!("the object{en}")) },
    }
}

/// The frequent words of the reader of JSON.
fn in_chinese(text: &str) -> String {
    let words = [
        ("missing field", "缺少字段"),
        ("unknown field", "未知的字段"),
        ("unknown variant", "未知的取值"),
        ("expected one of", "可用的有"),
        ("expected", "应为"),
        ("invalid type:", "类型不符："),
        ("invalid value:", "取值不符："),
    ];
    words.into_iter().fold(text.to_owned(), |text, (en, zh)| text.replace(en, zh))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_in_both_languages_what_is_wrong_and_where() {
        let info = definition("notice.channels").unwrap();
        let refused = read(info, &Given::Value(json!([{"kind": "wecom", "name": "a"}])), &json!([])).unwrap_err();
        assert_eq!(refused.place, "/0/url");
        assert!(refused.text(Language::ZhCn).starts_with("第 1 项：缺少字段 `url`。允许：列表"), "{refused:?}");
        assert!(refused.text(Language::En).starts_with("entry 1: missing field `url`. Allowed: a list"), "{refused:?}");
        let info = definition("welcome.max_chars").unwrap();
        let refused = read(info, &Given::Text("5".into()), &json!(600)).unwrap_err();
        assert_eq!(refused.text(Language::ZhCn), "数值 5 超出范围。允许：整数，20 至 10000 字");
        let refused = read(info, &Given::Text("x".into()), &json!(600)).unwrap_err();
        assert_eq!(refused.text(Language::ZhCn), "类型不符，得到的是文本 \"x\"。允许：整数，20 至 10000 字");
    }
}
