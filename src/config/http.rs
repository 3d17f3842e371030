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
    /// Connections that one address may hold at a time on one listener; a further one is answered 429. Trusted proxies
    /// have no such limit. 0 turns it off.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_connections_per_address: usize,
    /// Addresses of the proxies in front of this daemon, single ones or ranges. Their `X-Forwarded-For` header is
    /// believed, so that limits and logs are about the client and not about the proxy; nobody else's is.
    #[schemars(extend("examples" = [["127.0.0.1", "10.0.0.0/8"]]))]
    pub trusted_proxies: Vec<String>,
    /// Time for a new connection to send its first byte.
    #[schemars(extend("minimum" = "100ms", "maximum" = "10m"))]
    pub first_byte_timeout: HumanDuration,
    /// Time for a request's headers to arrive; also how long a connection may rest between two requests.
    #[schemars(extend("minimum" = "100ms", "maximum" = "10m"))]
    pub header_timeout: HumanDuration,
    /// Time for a request's body to arrive. A tool's own time is set per tool.
    #[schemars(extend("minimum" = "1s", "maximum" = "1h"))]
    pub request_timeout: HumanDuration,
    /// Longest time that a client may leave an answer unread before its connection is cut.
    #[schemars(extend("minimum" = "1s", "maximum" = "1h"))]
    pub write_timeout: HumanDuration,
    /// Time that running requests have to finish when the daemon is told to stop. Jobs are put back at once and go on at the next start.
    #[schemars(extend("minimum" = "0s", "maximum" = "10m"))]
    pub shutdown_timeout: HumanDuration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 1024,
            trusted_proxies: Vec::new(),
            first_byte_timeout: HumanDuration::from_secs(5),
            header_timeout: HumanDuration::from_secs(5),
            request_timeout: HumanDuration::from_secs(30),
            write_timeout: HumanDuration::from_secs(30),
            // More than any tool takes by default: what was begun is answered.
            shutdown_timeout: HumanDuration::from_secs(20),
        }
    }
}
