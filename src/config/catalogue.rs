//! Every key there is, read from the schemas of the section structs: its meaning, type, range and default.
//!
//! The loader, the error messages, the sample file and the man page all ask here, so that a new field needs nothing
//! but its line in a struct. The runtime settings are described by the same means: English comes from the doc
//! comments, Chinese from the extension `x-zh`.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Config, Language, Shape};

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct Bilingual {
    /// English.
    pub en: String,
    /// Chinese; empty where nobody reads it in Chinese.
    pub zh: String,
}

impl Bilingual {
    /// A text in Chinese and in English.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }

    /// The text in a language, or in English where there is no other.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::ZhCn if !self.zh.is_empty() => &self.zh,
            _ => &self.en,
        }
    }

    /// The description of a schema.
    pub(super) fn read(schema: &Value) -> Self {
        Self { en: text(schema, "description"), zh: text(schema, "x-zh") }
    }
}

/// One word of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it is written.
    pub word: String,
    /// Its meaning.
    pub doc: Bilingual,
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Text.
    Text,
    /// One of a few words, each with its meaning.
    Choice(Vec<Word>),
    /// A length of time.
    Duration,
    /// A size in bytes.
    Size,
    /// An address and a port.
    Address,
    /// A path of the file system.
    Path,
    /// A URL of http or https.
    Url,
    /// Several of these.
    List(Box<Kind>),
    /// An object, written as JSON.
    Json,
}

/// One key.
#[derive(Debug, Clone)]
pub struct KeyInfo {
    /// The key, dotted: `http.header_timeout`.
    pub key: String,
    /// The section it stands in; empty for the few above all sections.
    pub section: String,
    /// The key within its section.
    pub name: String,
    /// Its meaning.
    pub doc: Bilingual,
    /// What it holds.
    pub kind: Kind,
    /// Its default; null when unset.
    pub default: Value,
    /// Something to show in its place when there is no default.
    pub example: Option<Value>,
    /// Least and greatest value, as they are written; of a list, those of each entry.
    pub range: (Option<Value>, Option<Value>),
    /// Least and greatest number of entries or characters.
    pub length: (Option<u64>, Option<u64>),
    /// What a number counts.
    pub unit: Bilingual,
    /// Whether its value is never shown.
    pub secret: bool,
    /// What the objects in it are made of.
    pub shape: Shape,
}

/// One section.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its name; empty for the keys above all sections.
    pub name: String,
    /// Its meaning.
    pub doc: Bilingual,
    /// Its keys, in the order of the struct.
    pub keys: Vec<KeyInfo>,
}

/// All keys, by section.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// The sections, in the order of the file.
    pub sections: Vec<Section>,
}

impl Catalogue {
    /// The keys of the configuration.
    pub fn new() -> Self {
        Self::of::<Config>()
    }

    /// The keys of a struct, each of whose fields is a key or a section.
    pub fn of<T: JsonSchema + Serialize + Default>() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let defaults = serde_json::to_value(T::default()).unwrap_or_default();
        Self::from_schema(&schema, &defaults)
    }

    fn from_schema(schema: &Schema, defaults: &Value) -> Self {
        let mut top = Section { name: String::new(), doc: Bilingual::read(schema.as_value()), keys: Vec::new() };
        let mut sections = Vec::new();
        for (name, property) in properties(schema.as_value()) {
            let default = defaults.get(name).cloned().unwrap_or_default();
            if property.get("properties").is_none() {
                top.keys.push(KeyInfo::read("", name, property, default));
                continue;
            }
            let keys = properties(property)
                .map(|(key, property)| KeyInfo::read(name, key, property, default.get(key).cloned().unwrap_or_default()))
                .collect();
            sections.push(Section { name: name.clone(), doc: Bilingual::read(property), keys });
        }
        sections.insert(0, top);
        Self { sections }
    }

    /// Every key, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &KeyInfo> {
        self.sections.iter().flat_map(|section| &section.keys)
    }

    /// A key by its dotted name.
    pub fn get(&self, key: &str) -> Option<&KeyInfo> {
        self.keys().find(|info| info.key == key)
    }

    /// A section by its name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyInfo {
    fn read(section: &str, name: &str, property: &Value, default: Value) -> Self {
        Self {
            key: join(section, name),
            section: section.to_owned(),
            name: name.to_owned(),
            doc: Bilingual::read(property),
            kind: Kind::read(property),
            default,
            example: property.get("examples").and_then(|list| list.get(0)).cloned(),
            range: (property.get("minimum").cloned(), property.get("maximum").cloned()),
            length: (
                count(property, ["minItems", "minLength", "minProperties"]),
                count(property, ["maxItems", "maxLength", "maxProperties"]),
            ),
            unit: Bilingual { en: text(property, "x-unit"), zh: text(property, "x-unit-zh") },
            secret: property.get("writeOnly") == Some(&Value::Bool(true)),
            shape: Shape::read(property),
        }
    }

    /// What the key holds, with an example: the second half of every message about a wrong value.
    pub fn expected(&self) -> String {
        let shown = [Some(&self.default), self.example.as_ref()].into_iter().flatten().find(|value| is_telling(value));
        let own = shown.filter(|_| !self.secret).map(super::sample::one_line);
        self.kind.expected(own.as_deref())
    }
}

impl Kind {
    pub(super) fn read(schema: &Value) -> Self {
        let choices = choices(schema);
        if !choices.is_empty() {
            return Self::Choice(choices);
        }
        match (text(schema, "format").as_str(), main_type(schema)) {
            ("duration", _) => Self::Duration,
            ("byte-size", _) => Self::Size,
            ("socket-address", _) => Self::Address,
            ("path", _) => Self::Path,
            ("http-url", _) => Self::Url,
            (_, "boolean") => Self::Bool,
            (_, "integer") => Self::Integer,
            (_, "number") => Self::Number,
            (_, "array") => Self::List(Box::new(schema.get("items").map_or(Self::Text, Self::read))),
            (_, "object") => Self::Json,
            _ if schema.get("oneOf").is_some() => Self::Json,
            _ => Self::Text,
        }
    }

    fn expected(&self, own: Option<&str>) -> String {
        let example = |fallback: &str| own.unwrap_or(fallback).to_owned();
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer => format!("a whole number such as {}", example("10")),
            Self::Number => format!("a number such as {}", example("0.5")),
            Self::Text => "text in quotes".to_owned() + &own.map(|own| format!(" such as {own}")).unwrap_or_default(),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.word)).collect();
                format!("one of {}", words.join(", "))
            }
            Self::Duration => format!("a length of time such as {}", example("\"30s\"")),
            Self::Size => format!("a size in bytes such as 65536 or {}", example("\"64KiB\"")),
            Self::Address => format!("an address and a port such as {}", example("\"127.0.0.1:8000\"")),
            Self::Path => format!("a path such as {}", example("\"/etc/anmei-mcp/secret\"")),
            Self::Url => format!("a URL such as {}", example("\"https://example.com\"")),
            Self::List(kind) => match own {
                Some(own) => format!("a list such as {own}"),
                None => format!("a list, each entry {}", kind.expected(None)),
            },
            Self::Json => "an object".to_owned() + &own.map(|own| format!(" such as {own}")).unwrap_or_default(),
        }
    }
}

/// Whether a value shows how such a value is written.
fn is_telling(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::String(text) => !text.contains('\n'),
        _ => true,
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// A text of the schema, its line breaks made spaces: struct comments are wrapped for the code, not for the reader.
fn text(schema: &Value, name: &str) -> String {
    let text = schema.get(name).and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The type, without the `null` of an optional field.
fn main_type(schema: &Value) -> &str {
    let named = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        Some(Value::String(name)) => Some(name.as_str()),
        _ => None,
    };
    named.unwrap_or_default()
}

/// A bound of the schema, under the name that its type has for it.
fn count(schema: &Value, names: [&str; 3]) -> Option<u64> {
    names.iter().find_map(|name| schema.get(name)).and_then(Value::as_u64)
}

/// The words of an enum: a `oneOf` of constants when they are commented, plain `enum` words otherwise.
fn choices(schema: &Value) -> Vec<Word> {
    let list = |name: &str| schema.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let plain = list("enum").into_iter().filter_map(|word| Some(Word { word: word.as_str()?.to_owned(), doc: Bilingual::default() }));
    let commented = list("oneOf").into_iter().filter_map(|variant| {
        let word = variant.get("const")?.as_str()?.to_owned();
        Some(Word { word, doc: Bilingual::read(&variant) })
    });
    plain.chain(commented).collect()
}

pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_is() {
        let catalogue = Catalogue::new();
        assert!(catalogue.keys().count() > 35);
        for info in catalogue.keys() {
            assert!(info.doc.en.ends_with('.'), "{} has no sentence: {:?}", info.key, info.doc.en);
        }
        for section in &catalogue.sections {
            assert!(!section.doc.en.is_empty(), "[{}] has no sentence", section.name);
        }
    }

    #[test]
    fn kinds_come_from_the_schemas() {
        let catalogue = Catalogue::new();
        let kind = |key: &str| catalogue.get(key).unwrap().kind.clone();
        assert_eq!(kind("mcp.listen"), Kind::Address);
        assert_eq!(kind("mcp.max_body"), Kind::Size);
        assert_eq!(kind("http.max_connections"), Kind::Integer);
        assert_eq!(kind("mcp.allowed_hosts"), Kind::List(Box::new(Kind::Text)));
        assert_eq!(kind("http.header_timeout"), Kind::Duration);
        assert_eq!(kind("outbound.webhook_url"), Kind::Url);
        assert_eq!(kind("data_dir"), Kind::Path);
        assert!(matches!(kind("keys.reveal"), Kind::Choice(words) if words[0].word == "sealed" && words.len() == 2));
        assert!(matches!(kind("language"), Kind::Choice(words) if words[0].word == "zh-CN"));
        assert!(catalogue.get("hook.key").unwrap().secret);
        assert!(catalogue.get("hook.signing_secrets").unwrap().secret);
    }
}
