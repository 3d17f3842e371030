//! `config check` and `config dump`: is the configuration right, and where does each value come from.
//!
//! An error of the configuration is returned as it is, with every line of it; the caller prints it and exits with 2.

use std::io::{self, Write};

use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::config::{Config, ConfigError, Entry, Loaded, Problem, Sources};

/// Longest value of a table's row; `--json` shows all of it.
const SHOWN: usize = 60;

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration is right, and what deserves a thought
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show every key, its value and where it comes from
    Dump {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `config …` and returns the exit code.
pub fn run(command: &ConfigCommand, sources: Sources) -> anyhow::Result<u8> {
    let mut out = io::stdout().lock();
    let loaded = match (Config::load(sources), command) {
        (Ok(loaded), _) => loaded,
        (Err(ConfigError::Invalid(problems)), ConfigCommand::Check { json: true }) => {
            writeln!(out, "{:#}", json!({"ok": false, "problems": as_json(&problems)}))?;
            return Ok(2);
        }
        (Err(error), _) => return Err(error.into()),
    };
    match command {
        ConfigCommand::Check { json } => check(&loaded, *json, &mut out)?,
        ConfigCommand::Dump { json } => dump(&loaded, *json, &mut out)?,
    }
    out.flush()?;
    Ok(0)
}

fn as_json(problems: &[Problem]) -> Vec<Value> {
    let value = |problem: &Problem| json!({"key": problem.key, "origin": problem.origin.to_string(), "message": problem.message});
    problems.iter().map(value).collect()
}

/// Says that a configuration is right, which file it is, and what deserves a thought.
pub fn check(loaded: &Loaded, json_wanted: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let file = loaded.file.as_ref().map(|path| path.display().to_string());
    if json_wanted {
        let warnings = as_json(&loaded.warnings);
        writeln!(out, "{:#}", json!({"ok": true, "file": file, "warnings": warnings}))?;
        return Ok(());
    }
    match file {
        Some(file) => writeln!(out, "ok: {file}")?,
        None => writeln!(out, "ok: no configuration file found; defaults, environment and flags are in force")?,
    }
    for warning in &loaded.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

/// Shows every key, its value and where it comes from.
pub fn dump(loaded: &Loaded, json_wanted: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let entries = loaded.entries();
    if json_wanted {
        let file = loaded.file.as_ref().map(|path| path.display().to_string());
        writeln!(out, "{:#}", json!({"file": file, "entries": entries}))?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["KEY", "VALUE", "ORIGIN"]);
    for entry in &entries {
        table.add_row([entry.key.clone(), shown(entry), entry.origin.clone()]);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn shown(entry: &Entry) -> String {
    let text = match &entry.value {
        Value::Null => "(unset)".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn loaded(vars: &[(&str, &str)]) -> Loaded {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("anmei-mcp.toml");
        std::fs::write(&path, "[mcp]\nlisten = \"0.0.0.0:8000\"\n").unwrap();
        let sources = Sources { config_path: Some(path), overrides: Vec::new() };
        Config::load_from(sources, &vars.iter().copied().collect::<Environment>()).unwrap()
    }

    fn text(print: impl Fn(&mut Vec<u8>) -> anyhow::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn check_names_the_file_and_what_deserves_a_thought() {
        let loaded = loaded(&[]);
        let said = text(|out| check(&loaded, false, out));
        assert!(said.starts_with("ok: /") && said.contains("anmei-mcp.toml:2: mcp.listen: 0.0.0.0:8000 is open"), "{said}");
        let said: Value = serde_json::from_str(&text(|out| check(&loaded, true, out))).unwrap();
        assert_eq!(said["warnings"][0]["key"], "mcp.listen");
    }

    #[test]
    fn dump_shows_origins_and_hides_secrets() {
        let loaded = loaded(&[("ANMEI_MCP_HOOK__KEY", "a-key-of-sixteen-or-more")]);
        let said = text(|out| dump(&loaded, false, out));
        let row = |key: &str| said.lines().find(|line| line.trim_start().starts_with(key)).unwrap().to_owned();
        assert!(row("hook.key ").contains("***") && row("hook.key ").ends_with("env ANMEI_MCP_HOOK__KEY"));
        assert!(row("mcp.listen").ends_with("anmei-mcp.toml:2"));
        assert!(row("http.header_timeout").ends_with("default"));
        assert!(!said.contains("sixteen"));
        assert!(!text(|out| dump(&loaded, true, out)).contains("sixteen"));
    }
}
