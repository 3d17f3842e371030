//! The keys themselves: made here, shown once, kept as a hash (and sealed, where the operator wants to see them again).
//!
//! A key is `mcp_key_`, 30 random characters of base62 (178 bits), `_`, and 6 characters of base62 that hold the CRC32
//! of all before the `_`: `mcp_key_[0-9A-Za-z]{30}_[0-9A-Za-z]{6}`. So scanners recognise one, and a mistyped one is
//! refused without a look-up. The older form (`mcp_key_` and 32 bytes in base64url) is accepted, and not made any more.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    clock::Clock,
    ids::new_id,
    secret::{MasterKey, NoRandomness, SealError, SecretText, random_bytes},
    store::keys::Key,
};

/// How every key begins, so that people and scanners recognise one.
pub const PREFIX: &str = "mcp_key_";
/// Random characters of a key: 178 bits.
const RANDOM: usize = 30;
/// Characters of its checksum.
const CHECK: usize = 6;
/// Characters behind the prefix in the older form: 32 bytes in base64url.
const OLDER: usize = 43;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

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

/// The key that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The group it is to open.
    pub group_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Who makes it.
    pub created_by: &'a str,
    /// When it ends by itself.
    pub expires_at: Option<i64>,
}

/// Makes a new key: the row to store, and the key to show.
pub fn mint(order: Order<'_>, master: &MasterKey, reveal: Reveal, clock: &dyn Clock) -> Result<(Key, SecretText), MintError> {
    let text = fresh(PREFIX)?;
    let id = new_id(clock);
    let sealed = match reveal {
        Reveal::Sealed => Some(master.seal(&purpose(&id), text.as_bytes())?),
        Reveal::Never => None,
    };
    let key = Key {
        group_id: order.group_id.to_owned(),
        name: order.name.to_owned(),
        hash: hash(&text),
        sealed,
        hint: text.chars().skip(text.len().saturating_sub(4)).collect(),
        created_by: order.created_by.to_owned(),
        created_at: clock.now_ms(),
        expires_at: order.expires_at,
        id,
        ..Key::default()
    };
    Ok((key, SecretText::new(text)))
}

/// A key nobody has. Other secrets that people carry around are written in the same way, with a prefix of their own.
pub fn fresh(prefix: &str) -> Result<String, NoRandomness> {
    let mut text = String::from(prefix);
    while text.len() < prefix.len() + RANDOM {
        // 248 is the last multiple of 62 in a byte: what is beyond would favour some characters.
        let fair = random_bytes::<32>()?.into_iter().filter(|byte| *byte < 248);
        text.extend(fair.map(base62).take(prefix.len() + RANDOM - text.len()));
    }
    let check = checksum(&text);
    text.push('_');
    text.push_str(&check);
    Ok(text)
}

fn base62(digit: u8) -> char {
    BASE62.get(usize::from(digit % 62)).copied().map_or('0', char::from)
}

/// The CRC32 of a text in base62, of a fixed length.
fn checksum(text: &str) -> String {
    let mut left = crc32fast::hash(text.as_bytes());
    let mut digits = ['0'; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = base62(u8::try_from(left % 62).unwrap_or_default());
        left /= 62;
    }
    digits.iter().collect()
}

/// Why a text is no key, whatever keys there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It has another form.
    NotAKey,
    /// It has the form, but not the right checksum: somebody mistyped it, or made it up.
    Checksum,
}

/// Whether a text is written as a key is. Nothing is looked up for one that is not.
pub fn check(text: &str) -> Result<(), Malformed> {
    let rest = text.strip_prefix(PREFIX).ok_or(Malformed::NotAKey)?.as_bytes();
    if rest.len() == OLDER {
        let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        return if rest.iter().all(base64url) { Ok(()) } else { Err(Malformed::NotAKey) };
    }
    check_fresh(PREFIX, text)
}

/// Whether a text is written as what [`fresh`] makes.
pub fn check_fresh(prefix: &str, text: &str) -> Result<(), Malformed> {
    let rest = text.strip_prefix(prefix).ok_or(Malformed::NotAKey)?.as_bytes();
    let (random, check) = rest.split_at_checked(RANDOM).ok_or(Malformed::NotAKey)?;
    let check = check.strip_prefix(b"_").filter(|check| check.len() == CHECK).ok_or(Malformed::NotAKey)?;
    if !random.iter().chain(check).all(u8::is_ascii_alphanumeric) {
        return Err(Malformed::NotAKey);
    }
    let before = text.as_bytes().get(..prefix.len() + RANDOM).unwrap_or_default();
    if fits(before, check) { Ok(()) } else { Err(Malformed::Checksum) }
}

/// Whether `check` is the checksum of what stands before it, without making a text of it: every call comes through here.
fn fits(before: &[u8], check: &[u8]) -> bool {
    let value = check.iter().fold(0_u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            other => other.wrapping_sub(b'a').wrapping_add(36),
        };
        value * 62 + u64::from(digit)
    });
    value == u64::from(crc32fast::hash(before))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::FixedClock;

    fn minted() -> String {
        let order = Order { group_id: "g", name: "default", created_by: "test", expires_at: Some(7) };
        let master = MasterKey::generate().unwrap();
        let (key, text) = mint(order, &master, Reveal::Sealed, &FixedClock::at_ms(5)).unwrap();
        assert_eq!((key.created_at, key.expires_at, key.hash), (5, Some(7), hash(text.expose())));
        assert!(text.expose().ends_with(&key.hint) && key.hint.len() == 4);
        assert_eq!(super::reveal(&key, &master).unwrap(), text);
        text.expose().to_owned()
    }

    #[test]
    fn a_key_has_its_form_and_no_character_is_favoured() {
        let mut counts = [0_u32; 128];
        for _ in 0..4_000 {
            let text = fresh(PREFIX).unwrap();
            assert_eq!(check(&text), Ok(()), "{text}");
            assert_eq!(text.len(), PREFIX.len() + RANDOM + 1 + CHECK);
            text.bytes().skip(PREFIX.len()).take(RANDOM).for_each(|byte| counts[usize::from(byte)] += 1);
        }
        // 120 000 characters over 62: 1 935 each, give or take six standard deviations.
        let seen: Vec<_> = counts.iter().filter(|count| **count > 0).collect();
        assert_eq!(seen.len(), 62);
        assert!(seen.iter().all(|count| (1_670..2_200).contains(*count)), "{seen:?}");
    }

    #[test]
    fn the_checksum_is_the_one_that_is_documented() {
        // CRC32 (IEEE) of "mcp_key_" and thirty A is 1 121 710 995.
        let text = format!("{PREFIX}{}", "A".repeat(RANDOM));
        assert_eq!(crc32fast::hash(text.as_bytes()), 1_121_710_995);
        assert_eq!(checksum(&text), "1DuaGp");
        assert_eq!(check(&format!("{text}_1DuaGp")), Ok(()));
    }

    #[test]
    fn the_older_form_is_accepted() {
        assert_eq!(check(&format!("{PREFIX}{}", "A-_z0".repeat(9).get(..OLDER).unwrap())), Ok(()));
        for bad in ["mcp_key_", "mcp_key_x", "hook_key_", "", "mcp_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+"] {
            assert_eq!(check(bad), Err(Malformed::NotAKey), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_fault(text in any::<String>(), tail in "[ -~]{0,60}") {
            prop_assert!(check(&text).is_err());
            let _any = check(&format!("{PREFIX}{tail}"));
        }

        #[test]
        fn one_wrong_character_is_seen(at in PREFIX.len()..PREFIX.len() + RANDOM + 1 + CHECK, to in "[0-9A-Za-z_-]") {
            let mut text = minted();
            let before = text.clone();
            text.replace_range(at..=at, &to);
            prop_assert_eq!(check(&text).is_ok(), text == before, "{}", text);
        }

        #[test]
        fn two_neighbours_that_changed_places_are_seen(at in PREFIX.len()..PREFIX.len() + RANDOM - 1) {
            let text = minted();
            let mut bytes = text.clone().into_bytes();
            bytes.swap(at, at + 1);
            let swapped = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(check(&swapped).is_ok(), swapped == text);
        }

        #[test]
        fn what_is_too_long_or_too_short_is_no_key(cut in 1_usize..40, more in "[0-9A-Za-z]{1,5}") {
            let text = minted();
            prop_assert_eq!(check(text.get(..text.len() - cut).unwrap()), Err(Malformed::NotAKey));
            prop_assert_eq!(check(&format!("{text}{more}")), Err(Malformed::NotAKey));
        }
    }
}
