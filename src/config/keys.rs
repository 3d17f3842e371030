//! `[keys]`: how group keys are kept, and the key above them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, secrets};
use crate::secret::SecretText;

/// Whether a group's key can be shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reveal {
    /// A copy is kept, sealed under the master key; each view is a row of the audit log.
    #[default]
    Sealed,
    /// No copy is kept: a key is shown once, when it is made.
    Never,
}

/// Group keys and the master key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Whether `key show` can show a group's key again.
    pub reveal: Reveal,
    /// How long a replaced key stays valid beside its successor, unless `key rotate --grace` says otherwise.
    #[schemars(extend("maximum" = "8760h"))]
    pub default_grace: HumanDuration,
    /// A replaced key that nobody has used for this long is retired before its grace ends. Longer than the longest pause of a client is right; a grace that is
    /// no longer than this ends by itself. 0s: only at the end of its grace.
    #[schemars(extend("maximum" = "8760h"))]
    pub retire_after_quiet: HumanDuration,
    /// How long a key that ended (revoked, expired, replaced) is remembered, so that whoever still holds it is told what happened to it. Afterwards it is a
    /// key like any that never was.
    #[schemars(extend("minimum" = "1h", "maximum" = "87600h"))]
    pub forget_after: HumanDuration,
    /// Requests with a wrong key that are answered 401, per address (IPv6: per /64) and minute; further ones are answered 429. A right key is accepted all the
    /// same. Of refusals of any kind the call log takes 120 of an address and minute. 0: no limit of either.
    #[schemars(range(max = 1_000_000))]
    pub failed_attempts: u32,
    /// File that holds the master key; made at first start, with mode 0600. When unset: `master.key` in `data_dir`.
    #[schemars(extend("format" = "path"))]
    pub master_key_file: Option<PathBuf>,
    /// The master key itself (base64 of 32 random bytes), for installations that keep it in the environment or in a systemd credential. No file
    /// is then read or made. Use one of the two.
    #[serde(with = "secrets::optional")]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub master_key: Option<SecretText>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            reveal: Reveal::Sealed,
            default_grace: HumanDuration::from_secs(24 * 3600),
            // Shorter than the grace, which it would otherwise never cut short.
            retire_after_quiet: HumanDuration::from_secs(12 * 3600),
            forget_after: HumanDuration::from_secs(90 * 24 * 3600),
            failed_attempts: 10,
            master_key_file: None,
            master_key: None,
        }
    }
}
