//! The keys themselves: made here, shown once, kept as a hash (and sealed, where the operator wants to see them again).

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    clock::Clock,
    ids::new_id,
    secret::{MasterKey, NoRandomness, SealError, SecretText, random_bytes},
    store::policy::Key,
};

/// How every key begins, so that people and scanners recognise one.
pub const PREFIX: &str = "mcp_key_";

/// Whether keys can be shown again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reveal {
    /// A copy is kept, sealed under the master key.
    Sealed,
    /// No copy is kept.
    Never,
}

/// Why no key could be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The system gave no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The copy could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Makes a new key for a group: the row to store, and the key to show.
pub fn mint(group_id: &str, name: &str, master: &MasterKey, reveal: Reveal, clock: &dyn Clock) -> Result<(Key, SecretText), MintError> {
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()?));
    let id = new_id(clock);
    let sealed = match reveal {
        Reveal::Sealed => Some(master.seal(&purpose(&id), text.as_bytes())?),
        Reveal::Never => None,
    };
    let key = Key {
        group_id: group_id.to_owned(),
        name: name.to_owned(),
        hash: hash(&text),
        sealed,
        hint: text.chars().skip(text.len().saturating_sub(4)).collect(),
        created_at: clock.now_ms(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        id,
    };
    Ok((key, SecretText::new(text)))
}

/// What a key is looked up by.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Why a key cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hidden {
    /// No copy was kept.
    NotKept,
    /// The copy cannot be opened with this master key.
    OtherMasterKey,
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotKept => {
                "no copy of this key was kept (keys.reveal = \"never\", or it was revoked); make a new one with `anmei-mcp key rotate`"
            }
            Self::OtherMasterKey => {
                "this key was sealed under another master key; restore that master key, or make a new one with `anmei-mcp key rotate`"
            }
        })
    }
}

/// Opens the sealed copy of a key.
pub fn reveal(key: &Key, master: &MasterKey) -> Result<SecretText, Hidden> {
    let sealed = key.sealed.as_ref().ok_or(Hidden::NotKept)?;
    let text = master.open(&purpose(&key.id), sealed).map_err(|_| Hidden::OtherMasterKey)?;
    String::from_utf8(text).map(SecretText::new).map_err(|_| Hidden::OtherMasterKey)
}

/// Binds a sealed copy to its row, so that copies cannot be swapped.
fn purpose(key_id: &str) -> String {
    format!("mcp_keys/{key_id}/sealed")
}
