//! `[log]`: what is said on standard error, and in which form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `pretty` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

/// Log lines, always on standard error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Form of the lines.
    pub format: LogFormat,
    /// What is logged, as a comma list of `level` and `target=level`. `RUST_LOG`, when set, wins.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info,rmcp=warn,rmcp::service=off".to_owned() }
    }
}
