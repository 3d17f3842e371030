//! `[outbound]`: whom the daemon tells that a welcome was sent.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, secrets};
use crate::secret::SecretText;

/// Outgoing webhooks, signed after Standard Webhooks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// URL that receives the events of the automation. Without it none are made.
    #[schemars(extend("format" = "http-url", "examples" = ["https://app.example.com/hooks/anmei"]))]
    pub webhook_url: Option<String>,
    /// Standard Webhooks secret (`whsec_` and base64 of 24 to 64 bytes) that signs what is sent.
    #[serde(with = "secrets::optional")]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub webhook_secret: Option<SecretText>,
    /// File that holds `webhook_secret`, not readable by everyone. Use one of the two.
    #[schemars(extend("format" = "path"))]
    pub webhook_secret_file: Option<PathBuf>,
    /// Time for a receiver to answer; after it the attempt has failed and is repeated later.
    #[schemars(extend("minimum" = "100ms", "maximum" = "5m"))]
    pub timeout: HumanDuration,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { webhook_url: None, webhook_secret: None, webhook_secret_file: None, timeout: HumanDuration::from_secs(15) }
    }
}
