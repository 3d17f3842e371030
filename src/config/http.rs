//! `[http]`: limits of every listener, so that a slow or silent client costs only itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HumanDuration;

/// Limits that hold for each listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Connections that one listener holds at a time. Further ones wait in the kernel's queue.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: usize,
    /// Time for a new connection to send its first byte.
    #[schemars(extend("minimum" = "100ms", "maximum" = "10m"))]
    pub first_byte_timeout: HumanDuration,
    /// Time for a request's headers to arrive; also how long a connection may rest between two requests.
    #[schemars(extend("minimum" = "100ms", "maximum" = "10m"))]
    pub header_timeout: HumanDuration,
    /// Time for a request's body to arrive. A tool's own time is set per tool.
    #[schemars(extend("minimum" = "1s", "maximum" = "1h"))]
    pub request_timeout: HumanDuration,
    /// Time that running requests have to finish when the daemon is told to stop. Jobs are put back at once and go on at the next start.
    #[schemars(extend("minimum" = "0s", "maximum" = "10m"))]
    pub shutdown_timeout: HumanDuration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            first_byte_timeout: HumanDuration::from_secs(5),
            header_timeout: HumanDuration::from_secs(5),
            request_timeout: HumanDuration::from_secs(60),
            shutdown_timeout: HumanDuration::from_secs(10),
        }
    }
}
