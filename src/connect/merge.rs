//! Puts entries into a file that somebody else wrote, and leaves every other byte as it is.
//!
//! An entry that is there already keeps what its owner added to it (a time limit, `disabled`); what says how the server
//! is reached is ours, all of it. A file that cannot be read is refused with line and column.

mod json;
mod toml;

use serde_json::{Map, Value};

use super::pieces::{FilePiece, Format, Put};

/// Why a file cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// It is not what it should be.
    #[error("line {line}, column {column}: {why}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// Something of another kind stands where our entries belong.
    #[error("{what} is not {expected}")]
    Kind {
        /// Where.
        what: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// The file with the entries in it.
pub fn merge(text: &str, piece: &FilePiece) -> Result<String, MergeError> {
    let (mark, text) = text.strip_prefix('\u{feff}').map_or(("", text), |rest| ("\u{feff}", rest));
    let merged = match piece.format {
        Format::Json => json::merge(text, &piece.puts),
        Format::Toml => toml::merge(text, &piece.puts),
    }?;
    Ok(format!("{mark}{merged}"))
}

/// The file as one value, to look something up in it. Of TOML only texts and tables are told.
pub(super) fn read(text: &str, format: Format) -> Result<Value, MergeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Json => json::read(text),
        Format::Toml => toml::read(text),
    }
}

/// Members that say how a server is reached, over all hosts: of these, what we do not say must not stay.
const REACH: [&str; 14] = [
    "args",
    "baseUrl",
    "bearer_token",
    "bearer_token_env_var",
    "command",
    "cwd",
    "env",
    "env_http_headers",
    "headers",
    "httpUrl",
    "http_headers",
    "serverUrl",
    "type",
    "url",
];

/// Whether a member of an entry of ours has to go.
fn is_stale(name: &str, value: &Map<String, Value>) -> bool {
    REACH.contains(&name) && !value.contains_key(name)
}

#[cfg(test)]
mod tests;
