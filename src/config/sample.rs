//! The sample file: every key with its meaning, its default commented out, ready to be edited.

use serde_json::Value;

use super::{
    Catalogue, KeyInfo, Language,
    catalogue::{Kind, Section},
};

const HEAD: &str = "\
# anmei-mcp.toml: settings of the anmei-mcp daemon.
#
# Every key is optional. A line such as `#listen = …` shows a default: take the `#` away to change it.
# Each key can also be set by an environment variable, ANMEI_MCP_SECTION__KEY, or by a flag; flags win over
# variables, variables over this file. `anmei-mcp config check` tells what is wrong with it, `anmei-mcp config dump`
# shows each value in force and where it comes from.
";

/// Columns of the sample's comments.
const WIDTH: usize = 112;

/// The text of the sample file.
pub fn sample() -> String {
    let mut out = HEAD.to_owned();
    for section in &Catalogue::new().sections {
        put_section(&mut out, section);
    }
    out
}

fn put_section(out: &mut String, section: &Section) {
    if !section.name.is_empty() {
        out.push('\n');
        comment(out, &section.doc.en);
        line(out, &format!("[{}]", section.name));
    }
    for info in &section.keys {
        out.push('\n');
        put_key(out, info);
    }
}

fn put_key(out: &mut String, info: &KeyInfo) {
    comment(out, &info.doc.en);
    if let Kind::Choice(words) = &info.kind {
        for word in words {
            comment(out, &format!("\"{}\": {}", word.word, word.doc.en));
        }
    }
    if let Some(range) = info.range_text(Language::En) {
        comment(out, &format!("Range: {range}."));
    }
    match (&info.default, &info.example) {
        (Value::Null, example) => {
            let example = example.as_ref().map(|example| format!(", for example {}", one_line(example)));
            line(out, &format!("# {} is unset by default{}", info.name, example.unwrap_or_default()));
        }
        (default, _) => {
            for text in format!("{} = {}", info.name, literal(default)).lines() {
                line(out, &format!("#{text}"));
            }
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn comment(out: &mut String, text: &str) {
    let mut row = String::from("#");
    for word in text.split(' ') {
        if row.chars().count() + word.chars().count() >= WIDTH {
            line(out, &row);
            row = String::from("#");
        }
        row.push(' ');
        row.push_str(word);
    }
    line(out, &row);
}

/// A value as TOML, a text of several lines as such.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\n') => {
            let escaped = text.replace('\\', "\\\\").replace("\"\"\"", "\"\"\\\"");
            format!("\"\"\"\n{escaped}\"\"\"")
        }
        other => one_line(other),
    }
}

/// A value as TOML on one line.
pub fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key} = {}", one_line(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        // JSON's escapes are TOML's, but for DEL.
        other => other.to_string().replace('\u{7f}', "\\u007F"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, Sources};
    use super::*;

    /// The sample with every default switched on.
    fn uncommented() -> String {
        let mut out = String::new();
        for text in sample().lines() {
            let bare = text.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '));
            line(&mut out, if text == "#" { "" } else { bare.unwrap_or(text) });
        }
        out
    }

    #[test]
    fn the_sample_as_it_is_changes_nothing() {
        let document: toml_edit::DocumentMut = sample().parse().unwrap();
        assert!(document.as_table().iter().all(|(_, section)| section.as_table().is_some_and(toml_edit::Table::is_empty)));
    }

    #[test]
    fn the_sample_switched_on_is_the_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("anmei-mcp.toml");
        std::fs::write(&path, uncommented()).unwrap();
        let sources = Sources { config_path: Some(path), overrides: Vec::new() };
        let loaded = Config::load_from(sources, &Environment::default()).unwrap();
        let shown = |config: &Config| serde_json::to_value(config).unwrap();
        assert_eq!(shown(&loaded.config), shown(&Config::default()));
        let from_file = loaded.entries().iter().filter(|entry| entry.origin.starts_with("file ")).count();
        let with_default = Catalogue::new().keys().filter(|info| !info.default.is_null()).count();
        assert_eq!(from_file, with_default);
    }

    #[test]
    fn every_key_is_in_the_sample() {
        let text = sample();
        for info in Catalogue::new().keys() {
            let shown = text.contains(&format!("#{} = ", info.name)) || text.contains(&format!("# {} is unset", info.name));
            assert!(shown, "{}", info.key);
        }
    }
}
