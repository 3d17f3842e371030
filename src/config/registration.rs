//! `[registration]`: what the machine gives the automation. What it says and does are runtime settings, in the database.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HumanDuration;

/// The registration automation's share of the machine. What it says and when are runtime settings: see
/// `anmei-mcp settings list`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Environment of this installation: only agents of the same one are asked.
    pub environment: String,
    /// Runs worked on at a time. Most of a run is waiting for an agent, so there may be many. With 0 they are
    /// accepted and kept, and wait for a start with more.
    #[schemars(range(min = 0, max = 10_000))]
    pub workers: usize,
    /// Time after which the run of a worker that no longer reports is taken over by another.
    #[schemars(extend("minimum" = "1s", "maximum" = "1h"))]
    pub lease: HumanDuration,
}

impl Default for Registration {
    fn default() -> Self {
        Self { environment: "production".to_owned(), workers: 2048, lease: HumanDuration::from_secs(30) }
    }
}
