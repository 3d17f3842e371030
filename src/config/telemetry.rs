//! `[telemetry]`: where traces go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Traces, sent to an OpenTelemetry collector (only in a build with the feature `otlp`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Address of a collector that takes OTLP over HTTP. Without a path, `/v1/traces` is added. When unset, no traces are
    /// sent.
    #[schemars(extend("format" = "http-url", "examples" = ["http://127.0.0.1:4318"]))]
    pub otlp_endpoint: Option<String>,
    /// Name of this service in traces.
    #[schemars(length(min = 1))]
    pub service_name: String,
    /// Share of the traces that begin here and are sent, from 0 to 1. A trace that somebody else began is sent when they
    /// say so.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample_ratio: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, service_name: "anmei-mcp".to_owned(), sample_ratio: 1.0 }
    }
}
