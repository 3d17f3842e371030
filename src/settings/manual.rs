//! The manual page of the runtime settings, anmei-mcp-settings(5), in roff.

use super::definitions::definitions;
use crate::config::Page;

const DESCRIPTION: [&str; 4] = [
    "What the registration automation says and does is set while the daemon runs: by `anmei-mcp settings set NAME=VALUE`. A change is \
     checked, stored in the database, and in force for the next piece of work in every process; nothing is restarted.",
    "Several settings given at once are changed together, or none of them is. A length of time is written 200ms, 30s, 5m or 1h 30m. A \
     list is written with commas (5s,15s,60s) or as JSON, a list of objects as JSON. With --file the value comes from a file, or from \
     standard input when the file is `-`.",
    "`anmei-mcp settings reset NAME` returns a setting to its default, `anmei-mcp settings list --changed` shows what differs from the \
     defaults and who changed it, and `anmei-mcp settings explain NAME` shows what stands here.",
    "Lists of channels hold secrets. They are stored sealed under the master key and shown with *** in the place of each secret; a list \
     that is given back with *** keeps the secrets that are stored. Every change, and every look at secrets with --reveal, is a row of \
     the audit log; --reason says why.",
];

/// The text of anmei-mcp-settings(5).
pub fn manual() -> String {
    let mut page = Page::new("anmei-mcp-settings", "runtime settings of the anmei-mcp daemon");
    page.heading("DESCRIPTION");
    for paragraph in DESCRIPTION {
        page.paragraph(paragraph);
    }
    for section in definitions().sections.iter().filter(|section| !section.name.is_empty()) {
        page.heading(&section.name.to_uppercase());
        page.text(&section.doc.en);
        page.line_break();
        page.text(&section.doc.zh);
        for info in &section.keys {
            page.entry(info);
        }
    }
    page.heading("SEE ALSO");
    page.text("anmei-mcp(1), anmei-mcp-settings(1), anmei-mcp.toml(5)");
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_entry_in_both_languages() {
        let page = manual();
        for info in definitions().keys() {
            assert!(page.contains(&format!("\\fB{}\\fR", info.key)), "{}", info.key);
            assert!(page.contains(&info.doc.zh.replace('-', "\\-")), "{}", info.key);
        }
    }
}
