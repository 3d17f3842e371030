//! What an object within a value is made of: the fields of each kind, read from the same schemas as everything else.
//! Forms that edit lists of objects row by row are made from it.

use serde_json::{Map, Value};

use super::catalogue::{Bilingual, Kind, Word};

/// What the objects within a value are made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Shape {
    /// There are none, or nothing is known of them.
    #[default]
    Plain,
    /// Names, each with a text.
    Texts,
    /// Objects of these kinds.
    Objects(Vec<ObjectKind>),
}

/// One kind of object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKind {
    /// The field that names the kind, and how; none where there is only one kind.
    pub tag: Option<(String, Word)>,
    /// Its other fields.
    pub fields: Vec<Part>,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its meaning.
    pub doc: Bilingual,
    /// What it holds.
    pub kind: Kind,
    /// Whether there must be one.
    pub needed: bool,
}

impl Shape {
    /// The shape of a key: of each entry where it is a list.
    pub(super) fn read(schema: &Value) -> Self {
        let one = schema.get("items").unwrap_or(schema);
        let texts = one.get("additionalProperties").and_then(|other| other.get("type")) == Some(&Value::from("string"));
        if texts {
            return Self::Texts;
        }
        let variants = one.get("oneOf").and_then(Value::as_array).map_or_else(|| vec![one], |list| list.iter().collect());
        let kinds: Vec<ObjectKind> = variants.into_iter().filter_map(ObjectKind::read).collect();
        if kinds.is_empty() { Self::Plain } else { Self::Objects(kinds) }
    }
}

impl ObjectKind {
    fn read(schema: &Value) -> Option<Self> {
        let properties = schema.get("properties")?.as_object()?;
        let word = |value: &Value| value.get("const").and_then(Value::as_str).map(str::to_owned);
        let tag =
            properties.iter().find_map(|(name, value)| Some((name.clone(), Word { word: word(value)?, doc: Bilingual::read(schema) })));
        let fields = properties.iter().filter(|(_, value)| word(value).is_none()).map(|(name, value)| Part::read(schema, name, value));
        Some(Self { tag, fields: fields.collect() })
    }

    /// The word that names the kind; empty where there is only one.
    pub fn word(&self) -> &str {
        self.tag.as_ref().map_or("", |(_, word)| &word.word)
    }

    /// Whether an object is of this kind.
    pub fn is_of(&self, object: &Map<String, Value>) -> bool {
        self.tag.as_ref().is_none_or(|(name, word)| object.get(name).and_then(Value::as_str) == Some(&word.word))
    }
}

impl Part {
    fn read(schema: &Value, name: &str, property: &Value) -> Self {
        let needed = schema.get("required").and_then(Value::as_array).is_some_and(|list| list.iter().any(|one| one == name));
        Self { name: name.to_owned(), doc: Bilingual::read(property), kind: Kind::read(property), needed }
    }
}
