//! `[hook]`: where the clinic's application announces a new user.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ByteSize,
    mcp::{local_hosts, loopback, plain_host},
    secrets,
};
use crate::secret::SecretText;

/// The registration hook: one signed or keyed POST per new user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hook {
    /// Address and port on which registrations are accepted.
    #[schemars(extend("format" = "socket-address"))]
    pub listen: SocketAddr,
    /// Values of the `Host` header that are answered: a name or address (any port), or one with its port; anything
    /// else is refused with 403. `"*"` turns the check off.
    pub allowed_hosts: Vec<String>,
    /// Largest request body, in bytes; a larger one is refused with 413.
    #[schemars(extend("minimum" = "1KiB", "maximum" = "16MiB"))]
    pub max_body: ByteSize,
    /// Key that callers send as `Authorization: Bearer KEY`: at least 16 visible ASCII characters. When unset, one is
    /// made at first start and kept in the file `hook.key` in `data_dir`.
    #[serde(with = "secrets::optional")]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub key: Option<SecretText>,
    /// File that holds `key`, not readable by everyone. Use one of the two.
    #[schemars(extend("format" = "path"))]
    pub key_file: Option<PathBuf>,
    /// Standard Webhooks secrets (`whsec_` and base64 of 24 to 64 bytes) whose signatures are accepted beside the
    /// key. Several, so that a sender can change over without a gap.
    #[serde(with = "secrets::list")]
    #[schemars(with = "Vec<String>", extend("writeOnly" = true))]
    pub signing_secrets: Vec<SecretText>,
    /// File that holds `signing_secrets`, one a line, not readable by everyone. Use one of the two.
    #[schemars(extend("format" = "path"))]
    pub signing_secrets_file: Option<PathBuf>,
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            listen: loopback(8001),
            allowed_hosts: local_hosts(),
            max_body: ByteSize::kib(64),
            key: None,
            key_file: None,
            signing_secrets: Vec::new(),
            signing_secrets_file: None,
        }
    }
}

impl Hook {
    /// Every host that is answered, in lower case.
    pub fn hosts(&self) -> Vec<String> {
        self.allowed_hosts.iter().map(|host| plain_host(host)).collect()
    }
}
