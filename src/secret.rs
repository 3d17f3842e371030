//! Secrets as values: text that does not print itself, and the master key that seals what the database stores.
//!
//! Everything secret is held as a [`SecretText`], so that a `{:?}` in a log line shows `***` and a comparison takes
//! the same time wherever two texts differ. What must be readable again later (a group's key, a Dify app's key) is
//! sealed under the [`MasterKey`] with XChaCha20-Poly1305: its 24-byte nonce may be drawn at random for every record,
//! which AES-GCM's 12 bytes do not allow for long. The purpose (such as `mcp_keys/<id>/sealed`) is authenticated with
//! the text, so that a blob moved to another row does not open.
//!
//! It refuses to go on without the system's random numbers, to open what another key or another purpose sealed, and
//! a master key of the wrong length or of one repeated byte.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Deserializer};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// First byte of every sealed blob: how the rest is laid out.
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// A text that nobody may see by accident: it prints as `***`, and has no `Serialize`.
#[derive(Clone, Default)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Each caller is a place where the secret leaves: a header, a sealed column, the one-time print.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` is the same text, in a time that tells nothing but the length.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.expose())
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// The system has no random numbers to give. Nothing secret can be made then.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the system gave no random numbers ({0}); refusing to make a key without them")]
pub struct NoRandomness(String);

/// `N` bytes from the system's generator.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

/// Why a text is no master key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Not base64.
    #[error("the master key is not base64: give 32 random bytes, such as the output of `openssl rand -base64 32`")]
    NotBase64,
    /// Not 32 bytes.
    #[error("the master key holds {found} bytes instead of 32: give 32 random bytes, such as the output of `openssl rand -base64 32`")]
    Length {
        /// How many bytes the text holds.
        found: usize,
    },
    /// One byte, repeated: a placeholder, not a key.
    #[error(
        "the master key is one byte repeated, which is a placeholder and no key: give 32 random bytes, such as the output of `openssl rand -base64 32`"
    )]
    Placeholder,
}

/// Why something could not be sealed or opened. Whatever it is, the plain text is not given out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// No random numbers for the nonce.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The text is longer than the cipher takes.
    #[error("cannot seal {purpose}: the text is too long for the cipher")]
    TooLong {
        /// What was to be sealed.
        purpose: String,
    },
    /// Too short to be a sealed blob.
    #[error(
        "cannot open {purpose}: {found} bytes are too few for a sealed value. The row is damaged: restore it from a backup or set the secret anew"
    )]
    Truncated {
        /// What was to be opened.
        purpose: String,
        /// How many bytes there are.
        found: usize,
    },
    /// A layout this binary does not know.
    #[error(
        "cannot open {purpose}: it was sealed in layout {found}, and this version knows layout 1. Start a newer anmei-mcp, or set the secret anew"
    )]
    UnknownVersion {
        /// What was to be opened.
        purpose: String,
        /// The layout's number.
        found: u8,
    },
    /// The seal is broken.
    #[error(
        "cannot open {purpose}: it was sealed under another master key, for another row, or was altered. Give the daemon the master key it was sealed with, or set the secret anew"
    )]
    Forged {
        /// What was to be opened.
        purpose: String,
    },
}

/// The key under which secrets are stored. It comes from a file, the environment or a credential, never from the database.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_BYTES]);

impl MasterKey {
    /// Reads the 32 bytes from base64. White space around the text is ignored: files end in a line break.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| MasterKeyError::NotBase64)?;
        let found = bytes.len();
        let key: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| MasterKeyError::Length { found })?;
        let [first, rest @ ..] = &key;
        if rest.iter().all(|byte| byte == first) {
            return Err(MasterKeyError::Placeholder);
        }
        Ok(Self(key))
    }

    /// A fresh key.
    pub fn generate() -> Result<Self, NoRandomness> {
        random_bytes().map(Self)
    }

    /// The text that [`parse`](Self::parse) reads, for the key file.
    pub fn to_base64(&self) -> SecretText {
        SecretText(STANDARD.encode(self.0))
    }

    /// Seals `plain` so that only this key opens it, and only for `purpose`.
    ///
    /// The result is a version byte, the nonce, and the cipher text with its tag.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = random_bytes()?;
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        let sealed =
            self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::TooLong { purpose: purpose.to_owned() })?;
        let mut blob = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        blob.push(VERSION);
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// Opens what [`seal`](Self::seal) made for the same purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let truncated = || SealError::Truncated { purpose: purpose.to_owned(), found: sealed.len() };
        let (&version, rest) = sealed.split_first().ok_or_else(truncated)?;
        if version != VERSION {
            return Err(SealError::UnknownVersion { purpose: purpose.to_owned(), found: version });
        }
        let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(truncated)?;
        if text.len() < TAG_BYTES {
            return Err(truncated());
        }
        let payload = Payload { msg: text, aad: purpose.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Forged { purpose: purpose.to_owned() })
    }

    /// Tells texts apart without keeping them: whoever has the database but not this key cannot try which text it was.
    pub fn fingerprint(&self, purpose: &str, text: &[u8]) -> [u8; KEY_BYTES] {
        // A key of any length will do, so that this never ends in `default`.
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).ok().map(|mut mac| {
            mac.update(purpose.as_bytes());
            mac.update(&[0]);
            mac.update(text);
            mac.finalize().into_bytes().into()
        });
        mac.unwrap_or_default()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSE: &str = "mcp_keys/0197/sealed";

    #[test]
    fn a_secret_prints_as_stars_and_compares() {
        let secret = SecretText::new("mcp_key_topsecret");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert!(secret.matches("mcp_key_topsecret"));
        assert!(!secret.matches("mcp_key_topsecreT"));
        assert!(!secret.matches(""));
        assert_eq!(secret, SecretText::from("mcp_key_topsecret".to_owned()));
        assert_eq!(serde_json::from_str::<SecretText>("\"abc\"").unwrap().expose(), "abc");
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let key = MasterKey::generate().unwrap();
        for plain in [&b""[..], b"app-0123456789", &[0xff; 5000]] {
            let sealed = key.seal(PURPOSE, plain).unwrap();
            assert_eq!(sealed.len(), 1 + NONCE_BYTES + plain.len() + TAG_BYTES);
            assert_eq!(key.open(PURPOSE, &sealed).unwrap(), plain);
        }
        assert_ne!(key.seal(PURPOSE, b"x").unwrap(), key.seal(PURPOSE, b"x").unwrap(), "the nonce is drawn anew");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = MasterKey::generate().unwrap();
        let sealed = key.seal(PURPOSE, b"secret").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut altered = sealed.clone();
                altered[at] ^= 1 << bit;
                let error = key.open(PURPOSE, &altered).unwrap_err();
                let version = at == 0;
                assert!(matches!(error, SealError::Forged { .. }) != version, "byte {at}, bit {bit}: {error}");
                assert!(matches!(error, SealError::UnknownVersion { .. }) == version, "byte {at}, bit {bit}: {error}");
            }
        }
    }

    #[test]
    fn another_row_another_key_and_half_a_blob_do_not_open() {
        let key = MasterKey::generate().unwrap();
        let sealed = key.seal(PURPOSE, b"secret").unwrap();
        assert!(matches!(key.open("mcp_keys/0198/sealed", &sealed), Err(SealError::Forged { .. })));
        let other = MasterKey::generate().unwrap();
        let error = other.open(PURPOSE, &sealed).unwrap_err();
        assert!(matches!(error, SealError::Forged { .. }));
        assert!(error.to_string().contains(PURPOSE), "{error}");
        for length in 0..sealed.len() {
            let error = key.open(PURPOSE, &sealed[..length]).unwrap_err();
            assert!(matches!(error, SealError::Truncated { .. } | SealError::Forged { .. }), "{length}: {error}");
        }
        let longer = [&sealed[..], b"x"].concat();
        assert!(matches!(key.open(PURPOSE, &longer), Err(SealError::Forged { .. })));
    }

    #[test]
    fn master_keys_are_read_strictly() {
        let key = MasterKey::generate().unwrap();
        let text = format!(" {}\n", key.to_base64().expose());
        let again = MasterKey::parse(&text).unwrap();
        assert_eq!(again.open(PURPOSE, &key.seal(PURPOSE, b"x").unwrap()).unwrap(), b"x");
        assert_eq!(format!("{key:?}"), "MasterKey(***)");
        assert_eq!(MasterKey::parse("not base64!").unwrap_err(), MasterKeyError::NotBase64);
        assert_eq!(MasterKey::parse("").unwrap_err(), MasterKeyError::Length { found: 0 });
        assert_eq!(MasterKey::parse(&STANDARD.encode([7; 31])).unwrap_err(), MasterKeyError::Length { found: 31 });
        assert_eq!(MasterKey::parse(&STANDARD.encode([0; 32])).unwrap_err(), MasterKeyError::Placeholder);
    }

    #[test]
    fn a_fingerprint_is_of_one_key_one_purpose_and_one_text() {
        let key = MasterKey::generate().unwrap();
        let print = key.fingerprint("a", b"text");
        assert_eq!(print, key.fingerprint("a", b"text"));
        for other in
            [key.fingerprint("a", b"texT"), key.fingerprint("b", b"text"), MasterKey::generate().unwrap().fingerprint("a", b"text")]
        {
            assert_ne!(print, other);
        }
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random_bytes::<16>().unwrap(), random_bytes::<16>().unwrap());
    }
}
