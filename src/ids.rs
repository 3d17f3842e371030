//! Ids: our own are UUID v7 text (they sort by time), the app's are opaque text.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Timestamp, Uuid};

use crate::clock::Clock;

/// A new UUID v7 whose time part comes from `clock`.
pub fn new_id(clock: &dyn Clock) -> String {
    new_id_at(clock.now_ms())
}

/// A new UUID v7 made at `ms` milliseconds since 1970. Those of one process and one millisecond sort as they were made.
pub fn new_id_at(ms: i64) -> String {
    static COUNTER: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    let ms = u64::try_from(ms).unwrap_or_default();
    let nanos = u32::try_from(ms % 1000).unwrap_or_default() * 1_000_000;
    let counter = COUNTER.lock().unwrap_or_else(PoisonError::into_inner);
    Uuid::new_v7(Timestamp::from_unix(&*counter, ms / 1000, nanos)).hyphenated().to_string()
}

/// How every subject id begins.
pub const SUBJECT_PREFIX: &str = "sub_";

/// What an agent is told instead of a user id: 22 characters of `random` behind [`SUBJECT_PREFIX`].
pub fn subject_id(random: [u8; 16]) -> String {
    format!("{SUBJECT_PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// Random bytes as text that fits a URL and a header: what nobody can guess.
pub fn random_text<const N: usize>(random: [u8; N]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

/// An id given by the existing app: 1 to 64 of `A-Z a-z 0-9 _ -`, meaning nothing to us.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct AppId(String);

/// Why a text is no id of the app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 letters, digits, `_` or `-`, such as usr_0123456789abcdef")]
pub struct InvalidAppId;

impl AppId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AppId {
    type Error = InvalidAppId;

    fn try_from(text: String) -> Result<Self, InvalidAppId> {
        let good = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if good { Ok(Self(text)) } else { Err(InvalidAppId) }
    }
}

impl<'de> Deserialize<'de> for AppId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_millisecond_sort_as_they_were_made() {
        let ids: Vec<_> = (0..1000).map(|_| new_id_at(1_700_000_000_123)).collect();
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_subject_id_passes_where_an_id_of_the_app_does() {
        let id = subject_id([0xfb; 16]);
        assert!(id.len() == 26 && AppId::try_from(id.clone()).is_ok(), "{id}");
        assert_ne!(id, subject_id([0xfa; 16]));
    }

    #[test]
    fn ids_of_the_app_are_opaque_and_bounded() {
        for good in ["usr_0123456789abcdef0123456789abcdef", "7", "A-b_c"] {
            assert!(AppId::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(AppId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
