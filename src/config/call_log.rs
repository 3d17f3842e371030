//! `[call_log]`: what is recorded of each tool call, and when it is on disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HumanDuration;

/// What the call log keeps of arguments and results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bodies {
    /// Ids, numbers and switches; other text is replaced by its length, results by their size.
    #[default]
    Redacted,
    /// Everything, as it came and went. Holds patients' data: mind who can read the database.
    Full,
    /// Nothing.
    None,
}

/// The record of tool calls.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallLog {
    /// Whether an answer waits until its row is on disk. Off, a killed process loses at most the rows of the last
    /// `flush_interval`; an orderly stop loses none either way.
    pub durable: bool,
    /// What is kept of arguments and results.
    pub bodies: Bodies,
    /// Rows that may wait to be written. When so many wait, calls wait too: no row is dropped.
    #[schemars(range(min = 16, max = 1_000_000))]
    pub queue: usize,
    /// Longest time that a row waits before it is committed.
    #[schemars(extend("minimum" = "1ms", "maximum" = "1s"))]
    pub flush_interval: HumanDuration,
}

impl Default for CallLog {
    fn default() -> Self {
        Self { durable: false, bodies: Bodies::Redacted, queue: 1_024, flush_interval: HumanDuration::from_millis(200) }
    }
}
