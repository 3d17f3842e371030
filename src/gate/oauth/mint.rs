//! The texts that are handed out: tokens, codes, secrets. Opaque, random, recognisable, and checked before any look-up.
//!
//! `mcp_at_` (or another prefix), 32 of 62 characters (190 bits), `_`, and six characters of a CRC-32 over all that stands
//! before it, so that scanners recognise one and a mistyped one costs no query. What is stored is the SHA-256.

use sha2::{Digest, Sha256};

use crate::secret::{NoRandomness, SecretText, random_bytes};

/// Prefix of access tokens.
pub const ACCESS: &str = "mcp_at_";
/// Prefix of refresh tokens.
pub const REFRESH: &str = "mcp_rt_";
/// Prefix of authorization codes.
pub const CODE: &str = "mcp_ac_";
/// Prefix of clients' secrets.
pub const SECRET: &str = "mcp_cs_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 32;
const CHECK: usize = 6;

/// A new text of the kind `prefix`.
pub fn mint(prefix: &str) -> Result<SecretText, NoRandomness> {
    let body = format!("{prefix}{}", random_text(RANDOM)?);
    Ok(SecretText::new(format!("{body}_{}", checksum(&body))))
}

/// Whether a text has the form of its kind, with the right checksum.
pub fn is_well_formed(prefix: &str, text: &str) -> bool {
    let right_length = text.len() == prefix.len() + RANDOM + 1 + CHECK;
    let Some((body, check)) = text.rsplit_once('_').filter(|_| right_length) else { return false };
    let random = body.strip_prefix(prefix).unwrap_or_default();
    random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()) && check == checksum(body)
}

/// What a text is looked up by.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// So many characters, each of 62 with the same probability.
pub fn random_text(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Bytes from 248 on would make the first eight characters likelier than the others.
        let fair = random_bytes::<64>()?.into_iter().filter(|byte| *byte < 248);
        text.extend(fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62))).map(|byte| char::from(*byte)).take(length - text.len()));
    }
    Ok(text)
}

fn checksum(body: &str) -> String {
    let mut rest = crc32(body.as_bytes());
    let mut text = [b'0'; CHECK];
    for place in text.iter_mut().rev() {
        *place = ALPHABET.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    text.into_iter().map(char::from).collect()
}

/// CRC-32 as in zip and Ethernet.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_crc32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_minted_is_well_formed_and_every_slip_is_noticed() {
        for prefix in [ACCESS, REFRESH, CODE, SECRET] {
            let text = mint(prefix).unwrap();
            let text = text.expose();
            assert!(is_well_formed(prefix, text), "{text}");
            for at in 0..text.len() {
                let other = if text.as_bytes()[at] == b'x' { "y" } else { "x" };
                let slip = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert!(!is_well_formed(prefix, &slip), "{slip}");
                assert!(!is_well_formed(prefix, &text[..at]), "{text} cut at {at}");
            }
        }
        let access = mint(ACCESS).unwrap();
        assert!(!is_well_formed(REFRESH, access.expose()));
        assert_ne!(access, mint(ACCESS).unwrap());
    }
}
