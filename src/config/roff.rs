//! Manual pages in roff, for the man(7) macros: what the pages of the file and of the settings have in common.

use std::fmt::Write;

use serde_json::Value;

use super::{
    KeyInfo, Language,
    catalogue::{Kind, Word},
    sample::one_line,
};

/// A roff page in the making.
#[derive(Debug, Default)]
pub struct Page {
    out: String,
}

impl Page {
    /// A page of section 5.
    pub fn new(name: &str, subject: &str) -> Self {
        let mut page = Self::default();
        page.macro_line(&format!(".TH {} 5 \"\" \"anmei\\-mcp\" \"File formats\"", escaped(name)));
        page.heading("NAME");
        page.text(&format!("{name} - {subject}"));
        page
    }

    /// The text of the page.
    pub fn finish(self) -> String {
        self.out
    }

    /// What a key or a setting is: its meaning, its words, its range, its default.
    pub fn entry(&mut self, info: &KeyInfo) {
        let name = if info.doc.zh.is_empty() { &info.name } else { &info.key };
        self.tag(name);
        for doc in [&info.doc.en, &info.doc.zh].into_iter().filter(|doc| !doc.is_empty()) {
            self.text(doc);
            self.line_break();
        }
        if let Kind::Choice(words) = &info.kind {
            for Word { word, doc } in words {
                self.text(format!("\"{word}\": {} {}", doc.en, doc.zh).trim_end());
                self.line_break();
            }
        }
        if let Some(range) = info.range_text(Language::En) {
            self.text(&format!("Range: {range}."));
            self.line_break();
        }
        match &info.default {
            Value::Null => self.text("Default: unset"),
            Value::String(text) if text.contains('\n') => self.block("Default:", text),
            default => self.text(&format!("Default: {}", one_line(default))),
        }
    }

    fn macro_line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// A heading.
    pub fn heading(&mut self, title: &str) {
        self.macro_line(&format!(".SH {}", escaped(title)));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.macro_line(".PP");
        self.text(text);
    }

    fn tag(&mut self, name: &str) {
        let _ = writeln!(self.out, ".TP\n\\fB{}\\fR", escaped(name));
    }

    /// What follows stands on a line of its own.
    pub fn line_break(&mut self) {
        self.macro_line(".br");
    }

    /// A text whose lines stay as they are.
    fn block(&mut self, label: &str, text: &str) {
        self.text(label);
        self.macro_line(".nf");
        text.lines().for_each(|line| self.text(line));
        self.macro_line(".fi");
    }

    /// A text, its lines filled.
    pub fn text(&mut self, text: &str) {
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
    use super::escaped;

    #[test]
    fn what_roff_would_read_is_escaped() {
        assert_eq!(escaped("a\\n-b"), "a\\en\\-b");
    }
}
