//! What each source says, as a flat list of keys with values and origins. Later layers win over earlier ones.

use std::path::Path;

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{
    Catalogue, Environment, KeyInfo, Language, Origin, Problem,
    catalogue::Kind,
    environment::{PREFIX, RESERVED},
    secrets,
    suggest::{moved, nearest},
};

/// One value of one source.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Leaf {
    pub(super) fn new(key: impl Into<String>, value: impl Into<Value>, origin: Origin) -> Self {
        Self { key: key.into(), value: value.into(), origin }
    }
}

/// Lets figment merge and tell apart single values.
impl Provider for Leaf {
    fn metadata(&self) -> Metadata {
        Metadata::from(self.key.clone(), self.origin.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

/// What one source says, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) leaves: Vec<Leaf>,
    pub(super) problems: Vec<Problem>,
}

impl Layer {
    pub(super) fn extend(&mut self, other: Self) {
        self.leaves.extend(other.leaves);
        self.problems.extend(other.problems);
    }

    pub(super) fn refuse(&mut self, origin: Origin, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(origin, key, message));
    }
}

/// Defaults that depend on who runs the program, and where.
pub(super) fn computed_defaults(environment: &Environment) -> Layer {
    let data_dir = environment.default_data_dir().to_string_lossy().into_owned();
    let language = match environment.language() {
        Language::ZhCn => "zh-CN",
        Language::En => "en",
    };
    let leaves = vec![Leaf::new("data_dir", data_dir, Origin::Default), Leaf::new("language", language, Origin::Default)];
    Layer { leaves, problems: Vec::new() }
}

/// systemd credentials that are named like a secret's key: `LoadCredential=hook.key:/etc/…`.
pub(super) fn credentials(environment: &Environment, catalogue: &Catalogue) -> Layer {
    let mut layer = Layer::default();
    let Some(directory) = environment.credentials_directory() else {
        return layer;
    };
    for info in catalogue.keys().filter(|info| info.secret) {
        credential(&directory.join(&info.key), info, &mut layer);
    }
    layer
}

fn credential(path: &Path, info: &KeyInfo, layer: &mut Layer) {
    let origin = Origin::Credential(info.key.clone());
    if !path.exists() {
        return;
    }
    match secrets::read(path) {
        Ok(text) if matches!(info.kind, Kind::List(_)) => {
            let lines: Vec<Value> = text.split_whitespace().map(Value::from).collect();
            layer.leaves.push(Leaf::new(&info.key, lines, origin));
        }
        Ok(text) => layer.leaves.push(Leaf::new(&info.key, text, origin)),
        Err(error) => layer.refuse(origin, &info.key, error.to_string()),
    }
}

/// `ANMEI_MCP_SECTION__KEY`, and `RUST_LOG` above `ANMEI_MCP_LOG__FILTER`.
pub(super) fn variables(environment: &Environment, catalogue: &Catalogue) -> Layer {
    let mut layer = Layer::default();
    for (name, text) in environment.settings() {
        let origin = Origin::Env(name.to_owned());
        let key = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replace("__", ".");
        match catalogue.get(&key) {
            // Container files pass on unset variables as empty ones.
            Some(info) if text.is_empty() && !matches!(info.kind, Kind::List(_)) => {}
            Some(info) => layer.leaves.push(Leaf::new(key, typed(text, &info.kind), origin)),
            None => match moved(&key) {
                Some(message) => layer.refuse(origin, &key, message),
                None => layer.refuse(origin, "", unknown_variable(name, catalogue)),
            },
        }
    }
    let rust_log = environment.rust_log().map(|text| Leaf::new("log.filter", text, Origin::Env("RUST_LOG".to_owned())));
    layer.leaves.extend(rust_log);
    layer
}

/// The variable that sets a key.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

fn unknown_variable(name: &str, catalogue: &Catalogue) -> String {
    let mut known: Vec<String> = catalogue.keys().map(|info| variable_name(&info.key)).collect();
    known.extend(RESERVED.map(str::to_owned));
    // The prefix is common to all; with it everything would look alike.
    let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let bare_known: Vec<String> = known.iter().map(|known| bare(known)).collect();
    let wanted = bare(name).to_ascii_uppercase();
    let meant = nearest(&wanted, bare_known.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean {PREFIX}{meant}?")).unwrap_or_default();
    format!("unknown variable{meant} (sections and keys are separated by two underscores; `config dump` lists all keys)")
}

/// Keys set on the command line.
pub(super) fn flags(overrides: &[(String, String)], catalogue: &Catalogue) -> Layer {
    let mut layer = Layer::default();
    for (key, text) in overrides {
        let origin = Origin::Flag(flag_name(key));
        match catalogue.get(key) {
            Some(info) => layer.leaves.push(Leaf::new(key, typed(text, &info.kind), origin)),
            None => layer.refuse(origin, key, catalogue.unknown(key)),
        }
    }
    layer
}

/// The flag that sets a key: the data directory has its own, the others share one.
fn flag_name(key: &str) -> String {
    if key == "data_dir" { "--data-dir".to_owned() } else { format!("--set {key}") }
}

fn typed(text: &str, kind: &Kind) -> Value {
    Value::serialize(kind.typed(text)).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_can_be_set_by_a_variable() {
        let catalogue = Catalogue::new();
        for info in catalogue.keys() {
            let environment: Environment = [(variable_name(&info.key), "1")].into_iter().collect();
            let layer = variables(&environment, &catalogue);
            assert!(layer.problems.is_empty(), "{:?}", layer.problems);
            assert_eq!(layer.leaves[0].key, info.key);
        }
    }
}
