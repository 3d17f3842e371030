//! `[metrics]`: figures for Prometheus, and who may read them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secrets;
use crate::secret::SecretText;

/// Figures for Prometheus: `GET /metrics` on the listener of the admin side (`admin.listen`); where that is off, on the
/// live one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Whether figures are kept and shown. They cost well under a microsecond for each call.
    pub enabled: bool,
    /// What whoever reads them must send as `Authorization: Bearer …`: at least 16 characters. Without a token, only this
    /// machine itself is answered.
    #[serde(with = "secrets::optional")]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub token: Option<SecretText>,
    /// File that holds `token`, not readable by everyone. Use one of the two.
    #[schemars(extend("format" = "path"))]
    pub token_file: Option<PathBuf>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, token: None, token_file: None }
    }
}
