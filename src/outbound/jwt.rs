//! What is checked of every JWT, whoever signed it and whatever it is for.
//!
//! Which algorithm a token may use follows from the key it is checked with, never from the token: a public key can not be
//! taken for a shared secret, and `none` is no algorithm here. A token that asks for extensions nobody here understands
//! (`crit`) is refused, `exp` is required, and times are checked against our own clock.

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, errors::ErrorKind};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// Longer texts are no tokens.
const MAX_TOKEN: usize = 8 * 1024;

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtError {
    /// No JWT, or its signature is not good.
    Invalid,
    /// Signed with an algorithm the key is not for.
    Algorithm,
    /// A claim is missing or has another form.
    Claims,
    /// Past its end.
    Expired,
    /// Before its beginning.
    NotYet,
    /// Another issuer.
    Issuer,
    /// Meant for somebody else.
    Audience,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// A text.
    One(String),
    /// A list of them.
    More(Vec<String>),
}

impl OneOrMore {
    /// As a list.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

/// The claims every JWT has the same names for (RFC 7519, section 4.1).
#[derive(Debug, Clone, Deserialize)]
pub struct Registered {
    /// Seconds since 1970, perhaps with a fraction.
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<OneOrMore>,
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its issuer; any, when none.
    pub issuer: Option<&'a str>,
    /// Its audience, or one of them; any, when none.
    pub audience: Option<&'a str>,
    /// How long after its end it is still taken, in milliseconds.
    pub past_end_ms: i64,
    /// How long before its beginning, in milliseconds.
    pub before_start_ms: i64,
}

/// The header of a token, which says nothing but where to look for the key.
pub fn header(token: &str) -> Result<Header, JwtError> {
    if token.len() > MAX_TOKEN {
        return Err(JwtError::Invalid);
    }
    let header = decode_header(token).map_err(|_| JwtError::Invalid)?;
    if header.crit.is_some() { Err(JwtError::Invalid) } else { Ok(header) }
}

/// The claims of a token whose signature is good: the common ones, and those of the caller.
pub fn claims<C: DeserializeOwned>(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<(Registered, C), JwtError> {
    let mut signature_only = Validation::new(algorithm);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    let all: Value = decode(token, key, &signature_only).map(|decoded| decoded.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidAlgorithm => JwtError::Algorithm,
        ErrorKind::Json(_) => JwtError::Claims,
        _ => JwtError::Invalid,
    })?;
    let registered = Registered::deserialize(&all).map_err(|_| JwtError::Claims)?;
    Ok((registered, serde_json::from_value(all).map_err(|_| JwtError::Claims)?))
}

impl Registered {
    /// Judges the claims at `now` (milliseconds), and says when the token ends.
    pub fn check(&self, expected: &Expected<'_>, now: i64) -> Result<i64, JwtError> {
        let ms = |seconds: f64| (seconds * 1000.0) as i64;
        let expires_at = ms(self.exp);
        if expires_at.saturating_add(expected.past_end_ms) <= now {
            return Err(JwtError::Expired);
        }
        if self.nbf.is_some_and(|nbf| ms(nbf) > now.saturating_add(expected.before_start_ms)) {
            return Err(JwtError::NotYet);
        }
        if expected.issuer.is_some() && expected.issuer != self.iss.as_deref() {
            return Err(JwtError::Issuer);
        }
        let named = |wanted: &str| self.aud.as_ref().is_some_and(|aud| aud.as_slice().iter().any(|one| one == wanted));
        match expected.audience {
            Some(wanted) if !named(wanted) => Err(JwtError::Audience),
            _ => Ok(expires_at),
        }
    }
}
