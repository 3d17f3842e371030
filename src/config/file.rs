//! The configuration file: finding it, and reading it with the line of every key.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use figment::value::Value;
use toml_edit::{Document, Item, TableLike, TomlError};

use super::{
    Catalogue, ConfigError, Environment, KeyInfo, Origin,
    catalogue::Kind,
    layers::{Layer, Leaf},
};

/// A file that was found, with its text.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

#[cfg(feature = "fuzzing")]
impl Found {
    /// A file that is nowhere.
    pub(super) fn of_text(text: &str) -> Self {
        Self { path: PathBuf::from("anmei-mcp.toml"), text: text.to_owned() }
    }
}

/// The file to read: the one named by flag or variable, which must exist, or the first that exists on the search
/// path, or none.
pub(super) fn find(named: Option<PathBuf>, environment: &Environment) -> Result<Option<Found>, ConfigError> {
    if let Some(path) = named.or_else(|| environment.config_path()) {
        return match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Found { path, text })),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        };
    }
    for path in environment.search_path() {
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(Some(Found { path, text })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        }
    }
    Ok(None)
}

/// What the file says.
pub(super) fn read(file: &Found, catalogue: &Catalogue) -> Layer {
    let mut reader = Reader { file, catalogue, layer: Layer::default() };
    match Document::parse(file.text.as_str()) {
        Ok(document) => reader.top(document.as_table()),
        Err(error) => reader.syntax(&error),
    }
    reader.layer
}

struct Reader<'a> {
    file: &'a Found,
    catalogue: &'a Catalogue,
    layer: Layer,
}

impl Reader<'_> {
    fn top(&mut self, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let at = self.origin(table, name, item);
            if self.catalogue.section(name).is_none() {
                self.leaf(name, item, at);
            } else if let Some(section) = item.as_table_like() {
                self.section(name, section);
            } else {
                let message = format!("this is a section: write [{name}] and its keys below");
                self.layer.refuse(at, name, message);
            }
        }
    }

    fn section(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let at = self.origin(table, name, item);
            self.leaf(&format!("{section}.{name}"), item, at);
        }
    }

    fn leaf(&mut self, key: &str, item: &Item, origin: Origin) {
        match self.catalogue.get(key) {
            Some(info) => {
                let value = self.value(item, info);
                self.layer.leaves.push(Leaf::new(key, value, origin));
            }
            // A table that is no section: its keys are not looked at one by one.
            None if item.is_table_like() && !key.contains('.') => {
                let first = item.as_table_like().and_then(|table| table.iter().next().map(|(name, _)| name.to_owned()));
                let message = self.catalogue.unknown(&format!("{key}.{}", first.unwrap_or_default()));
                self.layer.refuse(origin, key, message);
            }
            None => self.layer.refuse(origin, key, self.catalogue.unknown(key)),
        }
    }

    fn value(&self, item: &Item, info: &KeyInfo) -> Value {
        let value = plain(item);
        match (&info.kind, value.as_str()) {
            // A path is meant from where the file stands, not from where the daemon was started.
            (Kind::Path, Some(path)) if !path.is_empty() && !path.starts_with('~') => {
                let base = self.file.path.parent().unwrap_or(Path::new(""));
                Value::from(base.join(path).to_string_lossy().into_owned())
            }
            _ => value,
        }
    }

    fn origin(&self, table: &dyn TableLike, name: &str, item: &Item) -> Origin {
        let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
        self.at(span.map_or(0, |span| span.start))
    }

    fn at(&self, offset: usize) -> Origin {
        let line = self.before(offset).matches('\n').count() + 1;
        Origin::File { path: self.file.path.clone(), line }
    }

    fn before(&self, offset: usize) -> &str {
        self.file.text.get(..offset).unwrap_or(&self.file.text)
    }

    fn syntax(&mut self, error: &TomlError) {
        let offset = error.span().map_or(0, |span| span.start);
        let before = self.before(offset);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        let line = self.file.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let message = format!("column {column}: not valid TOML: {message}\n    {}", self.shown(line));
        self.layer.refuse(self.at(offset), "", message);
    }

    /// A line as it may be shown: what follows a secret's name is left out.
    fn shown(&self, line: &str) -> String {
        let name = line.split('=').next().unwrap_or_default().trim();
        let name = name.rsplit('.').next().unwrap_or_default();
        let secret = self.catalogue.keys().any(|info| info.secret && info.name == name);
        if secret { format!("{name} = …") } else { line.trim_end().chars().take(120).collect() }
    }
}

/// A value of the file as a plain value.
fn plain(item: &Item) -> Value {
    match item {
        Item::None => Value::from(figment::value::Empty::None),
        Item::Value(value) => plain_value(value),
        Item::Table(table) => plain_table(table),
        Item::ArrayOfTables(list) => Value::from(list.iter().map(|table| plain_table(table)).collect::<Vec<_>>()),
    }
}

fn plain_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(flag) => Value::from(*flag.value()),
        toml_edit::Value::Datetime(time) => Value::from(time.value().to_string()),
        toml_edit::Value::Array(list) => Value::from(list.iter().map(plain_value).collect::<Vec<_>>()),
        toml_edit::Value::InlineTable(table) => plain_table(table),
    }
}

fn plain_table(table: &dyn TableLike) -> Value {
    let entries = table.iter().map(|(name, item)| (name.to_owned(), plain(item)));
    Value::from(entries.collect::<figment::value::Dict>())
}
