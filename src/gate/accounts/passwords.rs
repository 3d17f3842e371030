//! Passwords: what is accepted as one, and how it is kept (Argon2id).
//!
//! A password is hashed in its NFKC form, so that it does not matter on which keyboard it was typed. The hash carries its
//! parameters; one with other parameters than today's is made anew at the next sign-in.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use unicode_normalization::UnicodeNormalization;

use crate::secret::{NoRandomness, SecretText, random_bytes};

/// Memory in KiB, passes and lanes: what OWASP asks for at least, some 45 ms on a small machine.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Characters of the shortest password.
const SHORTEST: usize = 12;
/// Bytes of the longest: hashing must not be a way to keep us busy.
const LONGEST: usize = 1024;
/// Different characters there must be.
const DIFFERENT: usize = 5;

/// Why a password is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("密码至少需要 {SHORTEST} 个字符，可用一句话 / a password has at least {SHORTEST} characters; a sentence will do")]
    Short,
    /// Too long.
    #[error("密码过长（最多 {LONGEST} 字节）/ a password has at most {LONGEST} bytes")]
    Long,
    /// Few characters, again and again, or a row of the keyboard.
    #[error("密码过于简单：请避免重复或连续的字符 / this password is too simple: avoid repeated characters and rows of the keyboard")]
    Simple,
    /// It is the login.
    #[error("密码不能包含登录名 / a password must not contain the login")]
    Login,
    /// No random numbers for a salt.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Too many hashes wait.
    #[error("服务器繁忙，请稍后再试 / too many sign-ins at this moment; try again in a few seconds")]
    Busy,
    /// The hasher failed.
    #[error("the password could not be hashed: {0}")]
    Hasher(String),
}

/// Checks what a new password must be.
pub(super) fn check(login: &str, password: &SecretText) -> Result<(), PasswordError> {
    let text: String = password.expose().nfkc().collect();
    if text.chars().count() < SHORTEST {
        return Err(PasswordError::Short);
    }
    if text.len() > LONGEST {
        return Err(PasswordError::Long);
    }
    let lower = text.to_lowercase();
    if !login.is_empty() && lower.contains(login) {
        return Err(PasswordError::Login);
    }
    if is_simple(&lower) { Err(PasswordError::Simple) } else { Ok(()) }
}

/// Rows people walk along, both ways.
const ROWS: [&str; 6] = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm"];

/// Whether most of the text is a step along a row, or a repetition of what stands before it.
fn is_simple(lower: &str) -> bool {
    let characters: Vec<char> = lower.chars().collect();
    let different: std::collections::BTreeSet<_> = characters.iter().collect();
    if different.len() < DIFFERENT {
        return true;
    }
    let steps = characters.windows(2).filter(|pair| along_a_row(pair)).count();
    let repeats = |period: usize| characters.iter().zip(characters.iter().skip(period)).all(|(one, other)| one == other);
    steps * 4 >= characters.len() * 3 || (1..=characters.len() / 2).any(repeats)
}

fn along_a_row(pair: &[char]) -> bool {
    let [one, other] = pair else { return false };
    let step = |first: char, second: char| {
        let text: String = [first, second].into_iter().collect();
        ROWS.iter().any(|row| row.contains(&text))
    };
    step(*one, *other) || step(*other, *one)
}

/// Whether a text may be a password at all; longer ones are not hashed.
pub(super) fn plausible(password: &SecretText) -> bool {
    password.expose().len() <= LONGEST
}

/// The hash to keep. Takes tens of milliseconds.
pub(super) fn hash(password: &SecretText) -> Result<String, PasswordError> {
    let salt: [u8; 16] = random_bytes()?;
    let text: String = password.expose().nfkc().collect();
    let failed = |error: argon2::password_hash::Error| PasswordError::Hasher(error.to_string());
    let hash: PasswordHash = hasher()?.hash_password_with_salt(text.as_bytes(), &salt).map_err(failed)?;
    Ok(hash.to_string())
}

/// Whether the password is the one that was hashed. Takes as long as [`hash`].
pub(super) fn verify(password: &SecretText, kept: &str) -> bool {
    let text: String = password.expose().nfkc().collect();
    hasher().is_ok_and(|hasher| hasher.verify_password(text.as_bytes(), kept).is_ok())
}

/// Whether a hash was made with today's parameters.
pub(super) fn is_current(kept: &str) -> bool {
    let Ok(hash) = PasswordHash::new(kept) else { return false };
    let same = |name: &str, wanted: u32| hash.params.get_decimal(name) == Some(wanted);
    hash.algorithm.as_str() == "argon2id"
        && hash.version == Some(Version::V0x13.into())
        && same("m", COST.0)
        && same("t", COST.1)
        && same("p", COST.2)
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(COST.0, COST.1, COST.2, None).map_err(|error| PasswordError::Hasher(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_password_in_every_form_and_no_other() {
        let kept = hash(&SecretText::new("今天的阳光很好 café 12")).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify(&SecretText::new("今天的阳光很好 cafe\u{301} １２"), &kept));
        assert!(!verify(&SecretText::new("今天的阳光很好 cafe 12"), &kept));
        assert!(!verify(&SecretText::new("今天的阳光很好 café 12"), "not a hash"));
        assert_ne!(kept, hash(&SecretText::new("今天的阳光很好 café 12")).unwrap());
        assert!(is_current(&kept));
        assert!(!is_current(&kept.replace("t=2", "t=1")));
        assert!(!is_current("not a hash"));
    }

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        let check = |password: &str| check("meiling", &SecretText::new(password));
        assert!(matches!(check("elevenchars"), Err(PasswordError::Short)));
        assert!(matches!(check(&"长".repeat(400)), Err(PasswordError::Long)));
        assert!(matches!(check("a-MeiLing-2026"), Err(PasswordError::Login)));
        for simple in ["aaaaaaaaaaaaaa", "123456789012345", "abcabcabcabcabc", "qwertyuiop1234", "passwordpassword", "1qaz2wsx3edc4rfv"] {
            assert!(matches!(check(simple), Err(PasswordError::Simple)), "{simple}");
        }
        for good in ["correct horse battery", "今天天气不错我们去散步吧好吗", "x9#Lq2!vTr8s"] {
            assert!(check(good).is_ok(), "{good}");
        }
    }
}
