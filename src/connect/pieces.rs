//! What comes out: everything a person, a page or a program needs to set a host up.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    host::{Host, Transport},
    merge,
};

/// Everything for one host.
#[derive(Debug, Clone, Serialize)]
pub struct Pieces {
    /// The host.
    pub host: Host,
    /// How it reaches the server.
    pub transport: Transport,
    /// What belongs to one group.
    pub entries: Vec<Entry>,
    /// What belongs into its configuration file, or is pasted into its import dialog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePiece>,
    /// A link that sets all of them up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What bites.
    pub notes: Vec<String>,
}

impl Pieces {
    /// Takes back what is said of placeholders: the host's file holds the keys themselves.
    pub fn keys_are_in_the_file(&mut self, placeholders: &[String]) {
        self.notes.retain(|note| !placeholders.iter().any(|placeholder| note.starts_with(placeholder.as_str())));
    }
}

/// One group.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Entry {
    /// Server code.
    pub code: String,
    /// The name under which the host lists it.
    pub name: String,
    /// Commands that set it up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// A link that sets it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What a form asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// One line of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What the form calls it.
    pub name: &'static str,
    /// What to fill in.
    pub value: String,
}

impl Field {
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }
}

/// The language of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON, perhaps with comments.
    Json,
    /// TOML.
    Toml,
}

/// What goes into a file.
#[derive(Debug, Clone, Serialize)]
pub struct FilePiece {
    /// Its language.
    pub format: Format,
    /// The entries.
    pub puts: Vec<Put>,
}

/// One thing in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Put {
    /// An object `name` in the object `table`, or in the file's own.
    Member {
        /// The object it stands in.
        table: Option<&'static str>,
        /// Its name.
        name: String,
        /// What it holds.
        value: Map<String, Value>,
    },
    /// An object in the list `list`, known by its `id`.
    Item {
        /// The list it stands in.
        list: &'static str,
        /// Its `id`.
        id: String,
        /// The whole of it.
        value: Map<String, Value>,
    },
}

impl FilePiece {
    /// A file that holds nothing else.
    pub fn text(&self) -> String {
        // An empty file takes everything.
        merge::merge("", self).unwrap_or_default()
    }
}
