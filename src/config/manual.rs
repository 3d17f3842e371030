//! The manual page of the file, anmei-mcp.toml(5), in roff.

use std::fmt::Write;

use serde_json::Value;

use super::{
    Catalogue, KeyInfo,
    catalogue::{Kind, Section},
    layers::variable_name,
    sample::one_line,
    value::range_text,
};

const DESCRIPTION: [&str; 4] = [
    "Settings of the anmei-mcp daemon, in TOML. Every key is optional, and an unknown key is an error.",
    "The file is the one named by --config, else by ANMEI_MCP_CONFIG, else the first that exists of ./anmei-mcp.toml, \
     $XDG_CONFIG_HOME/anmei-mcp/anmei-mcp.toml and /etc/anmei-mcp/anmei-mcp.toml.",
    "A flag wins over an environment variable, a variable over a systemd credential, a credential over the file, and \
     the file over the default. Lists in variables are separated by commas or written as JSON arrays. Relative paths in \
     the file start at the file's own directory.",
    "Secrets are better kept out of the file: in the file that the key ending in _file names, or in a systemd credential \
     called like the key, such as LoadCredential=hook.key:/etc/anmei-mcp/hook.key.",
];

/// The text of anmei-mcp.toml(5).
pub fn manual() -> String {
    let mut page = Page::default();
    page.macro_line(".TH anmei\\-mcp.toml 5 \"\" \"anmei\\-mcp\" \"File formats\"");
    page.heading("NAME");
    page.text("anmei-mcp.toml - settings of the anmei-mcp daemon");
    page.heading("DESCRIPTION");
    for paragraph in DESCRIPTION {
        page.paragraph(paragraph);
    }
    for section in &Catalogue::new().sections {
        put_section(&mut page, section);
    }
    page.heading("SEE ALSO");
    page.text("anmei-mcp(1), anmei-mcp-config(1), systemd.exec(5)");
    page.out
}

fn put_section(page: &mut Page, section: &Section) {
    if section.name.is_empty() {
        page.heading("KEYS ABOVE ALL SECTIONS");
    } else {
        page.heading(&format!("SECTION [{}]", section.name));
        page.text(&section.doc);
    }
    for info in &section.keys {
        put_key(page, info);
    }
}

fn put_key(page: &mut Page, info: &KeyInfo) {
    page.tag(&info.name);
    page.text(&info.doc);
    if let Kind::Choice(words) = &info.kind {
        for (word, meaning) in words {
            page.line_break();
            page.text(&format!("\"{word}\": {meaning}"));
        }
    }
    if let Some(range) = range_text(info) {
        page.line_break();
        page.text(&format!("Range: {range}."));
    }
    page.line_break();
    match &info.default {
        Value::Null => page.text("Default: unset"),
        Value::String(text) if text.contains('\n') => page.block("Default:", text),
        default => page.text(&format!("Default: {}", one_line(default))),
    }
    page.line_break();
    page.text(&format!("Variable: {}", variable_name(&info.key)));
}

/// A roff page in the making.
#[derive(Default)]
struct Page {
    out: String,
}

impl Page {
    fn macro_line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn heading(&mut self, title: &str) {
        self.macro_line(&format!(".SH {}", escaped(title)));
    }

    fn paragraph(&mut self, text: &str) {
        self.macro_line(".PP");
        self.text(text);
    }

    fn tag(&mut self, name: &str) {
        let _ = writeln!(self.out, ".TP\n\\fB{}\\fR", escaped(name));
    }

    fn line_break(&mut self) {
        self.macro_line(".br");
    }

    /// A text whose lines stay as they are.
    fn block(&mut self, label: &str, text: &str) {
        self.text(label);
        self.macro_line(".nf");
        text.lines().for_each(|line| self.text(line));
        self.macro_line(".fi");
    }

    fn text(&mut self, text: &str) {
        let text = escaped(text);
        // A line that starts with a dot or an apostrophe would be a request.
        let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
        let _ = writeln!(self.out, "{guard}{text}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_entry() {
        let page = manual();
        for info in Catalogue::new().keys() {
            assert!(page.contains(&format!("Variable: {}\n", variable_name(&info.key))), "{}", info.key);
        }
    }

    #[test]
    fn no_line_is_taken_for_a_request() {
        let known = [".TH", ".SH", ".PP", ".TP", ".br", ".nf", ".fi"];
        for line in manual().lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.iter().any(|request| line.starts_with(request)), "{line}");
        }
        assert_eq!(escaped("a\\n-b"), "a\\en\\-b");
    }
}
