//! Versions of what has no column for one: a number made of what it is.
//!
//! It is the same as long as nothing of that changes, in every process, and is compared within the write that changes it.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// 48 bits of the hash: a number that every reader of JSON holds exactly.
pub(super) fn version_of(what: &Value) -> i64 {
    Sha256::digest(what.to_string()).iter().take(6).fold(0, |version, byte| (version << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_the_same_has_the_same_version_and_what_is_not_has_another() {
        let of = |name: &str| version_of(&json!({"name": name}));
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert!((0..1 << 48).contains(&of("a")));
    }
}
