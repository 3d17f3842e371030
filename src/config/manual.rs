//! The manual page of the file, anmei-mcp.toml(5), in roff.

use super::{Catalogue, catalogue::Section, layers::variable_name, roff::Page};

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
    let mut page = Page::new("anmei-mcp.toml", "settings of the anmei-mcp daemon");
    page.heading("DESCRIPTION");
    for paragraph in DESCRIPTION {
        page.paragraph(paragraph);
    }
    for section in &Catalogue::new().sections {
        put_section(&mut page, section);
    }
    page.heading("SEE ALSO");
    page.text("anmei-mcp(1), anmei-mcp-config(1), anmei-mcp-settings(5), systemd.exec(5)");
    page.finish()
}

fn put_section(page: &mut Page, section: &Section) {
    if section.name.is_empty() {
        page.heading("KEYS ABOVE ALL SECTIONS");
    } else {
        page.heading(&format!("SECTION [{}]", section.name));
        page.text(&section.doc.en);
    }
    for info in &section.keys {
        page.entry(info);
        page.line_break();
        page.text(&format!("Variable: {}", variable_name(&info.key)));
    }
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
    }
}
