//! The proof of who is connecting: the app's JWT, or an opaque token of ours.
//!
//! Which algorithm a JWT may use follows from the key it is checked with: the shared secret is for HS256, a public key
//! for the one algorithm of its kind ([`crate::outbound::jwks`]). The token's own header only says which public key to
//! look at, so a public key can never be taken for a shared secret. The rest is common to all JWTs
//! ([`crate::outbound::jwt`]).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::{Deserialize, Serialize};

use super::who::{Role, Who};
use crate::{
    clock::{Clock, SharedClock},
    ids::{AppId, new_id_at},
    outbound::{
        jwks::{Jwks, JwksError},
        jwt::{self, Expected, JwtError, OneOrMore, Registered},
    },
    secret::{MasterKey, SealError, SecretText},
    telemetry::figures,
};

/// What tokens of ours begin with.
pub const PREFIX: &str = "live_";
const PURPOSE: &str = "live/token";
/// Longer texts are no tokens.
const MAX_TOKEN: usize = 8 * 1024;
/// How far the app's clock may be ahead of ours before its `nbf` is in the future.
const SKEW_SECONDS: i64 = 30;

/// Why a token is refused. The text goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Neither a JWT nor a token of ours, or one that was altered.
    #[error("令牌无效 token not valid: it is no token of ours or of the app, or was altered")]
    Invalid,
    /// No way to check JWTs is configured.
    #[error("未配置JWT no JWT accepted: set live.jwt_secret or live.jwks_url")]
    NoJwt,
    /// Signed with an algorithm that none of our keys is for.
    #[error("签名算法不符 algorithm not accepted: use HS256 with the secret, or the JWKS key's own")]
    Algorithm,
    /// The public keys do not hold its `kid`.
    #[error("密钥未知 key id (kid) unknown: the app's JWKS does not list it")]
    UnknownKey,
    /// The public keys cannot be had.
    #[error("暂时无法验证 keys unavailable: try again in a moment")]
    KeysUnavailable,
    /// Taken back before its end.
    #[error("令牌已撤销 token revoked: sign in again")]
    Revoked,
    /// Past its end.
    #[error("令牌已过期 token expired: connect again with a new one")]
    Expired,
    /// Before its beginning.
    #[error("令牌尚未生效 token not valid yet (nbf)")]
    NotYet,
    /// Another issuer.
    #[error("签发者不符 issuer (iss) not accepted")]
    Issuer,
    /// Meant for somebody else.
    #[error("受众不符 audience (aud) not accepted")]
    Audience,
    /// A claim is missing or has another form.
    #[error("令牌缺少声明 claims missing: sub (user id) and exp are needed")]
    Claims,
    /// Names no role we know.
    #[error("无可用角色 no known role: admin, consultant, doctor, operator or customer")]
    NoRole,
}

/// How JWTs are checked.
#[derive(Debug, Clone, Default)]
pub struct JwtSettings {
    /// Secret shared with the app, for HS256.
    pub secret: Option<SecretText>,
    /// The app's public keys.
    pub jwks: Option<Jwks>,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must be, or contain.
    pub audience: Option<String>,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Tokens {
    master: Arc<MasterKey>,
    clock: SharedClock,
    jwt: JwtSettings,
}

/// What a token of ours holds.
#[derive(Serialize, Deserialize)]
struct Sealed {
    user: AppId,
    role: Role,
    expires_at: i64,
    /// Tokens that were made before they had one can be revoked with their person only.
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    issued_at: Option<i64>,
}

/// A token to be made.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// Whom it is for.
    pub user: &'a AppId,
    /// In which role.
    pub role: Role,
    /// The time, in milliseconds.
    pub now: i64,
    /// Until when it is good, in milliseconds.
    pub expires_at: i64,
}

/// A token that was made.
#[derive(Debug)]
pub struct Minted {
    /// What it is revoked by; no secret.
    pub id: String,
    /// The token.
    pub text: SecretText,
}

/// Makes a token for one user in one role.
pub fn mint(master: &MasterKey, new: &NewToken<'_>) -> Result<Minted, SealError> {
    let id = new_id_at(new.now);
    let sealed =
        Sealed { user: new.user.clone(), role: new.role, expires_at: new.expires_at, id: Some(id.clone()), issued_at: Some(new.now) };
    let plain = serde_json::to_vec(&sealed).unwrap_or_default();
    let blob = master.seal(PURPOSE, &plain)?;
    Ok(Minted { id, text: SecretText::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(blob))) })
}

impl Tokens {
    /// Checks tokens sealed by `master` and JWTs after `jwt`.
    pub fn new(master: Arc<MasterKey>, clock: SharedClock, jwt: JwtSettings) -> Self {
        Self { master, clock, jwt }
    }

    /// Who holds this token.
    pub async fn verify(&self, token: &str) -> Result<Who, TokenError> {
        self.verified(token).await.inspect_err(|_| figures::auth_failure("live_token"))
    }

    async fn verified(&self, token: &str) -> Result<Who, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        match token.strip_prefix(PREFIX) {
            Some(sealed) => self.open(sealed),
            None => self.jwt(token).await,
        }
    }

    fn open(&self, sealed: &str) -> Result<Who, TokenError> {
        let blob = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| TokenError::Invalid)?;
        let plain = self.master.open(PURPOSE, &blob).map_err(|_| TokenError::Invalid)?;
        let Sealed { user, role, expires_at, id, issued_at } = serde_json::from_slice(&plain).map_err(|_| TokenError::Invalid)?;
        if expires_at <= self.clock.now_ms() {
            return Err(TokenError::Expired);
        }
        let who = Who::new(user.as_str().to_owned(), vec![role], expires_at).ok_or(TokenError::NoRole)?;
        Ok(who.by(id, issued_at))
    }

    async fn jwt(&self, token: &str) -> Result<Who, TokenError> {
        if self.jwt.secret.is_none() && self.jwt.jwks.is_none() {
            return Err(TokenError::NoJwt);
        }
        let header = jwt::header(token)?;
        let (key, algorithm) = self.key(&header).await?;
        let (registered, claims) = jwt::claims::<Claims>(token, &key, algorithm)?;
        claims.who(&registered, &self.jwt, self.clock.as_ref())
    }

    /// The key to check with and what it is for: the public key the token names, or the shared secret.
    async fn key(&self, header: &Header) -> Result<(DecodingKey, Algorithm), TokenError> {
        if let Some(secret) = self.jwt.secret.as_ref().filter(|_| header.alg == Algorithm::HS256 || self.jwt.jwks.is_none()) {
            return Ok((DecodingKey::from_secret(secret.expose().as_bytes()), Algorithm::HS256));
        }
        let jwks = self.jwt.jwks.as_ref().ok_or(TokenError::NoJwt)?;
        match jwks.key(header.kid.as_deref()).await {
            Ok(found) => Ok((found.key, found.algorithm)),
            Err(JwksError::UnknownKey { .. }) => Err(TokenError::UnknownKey),
            Err(JwksError::Http(_) | JwksError::NotAKeySet { .. }) => Err(TokenError::KeysUnavailable),
        }
    }
}

impl From<JwtError> for TokenError {
    fn from(error: JwtError) -> Self {
        match error {
            JwtError::Invalid => Self::Invalid,
            JwtError::Algorithm => Self::Algorithm,
            JwtError::Claims => Self::Claims,
            JwtError::Expired => Self::Expired,
            JwtError::NotYet => Self::NotYet,
            JwtError::Issuer => Self::Issuer,
            JwtError::Audience => Self::Audience,
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: AppId,
    iat: Option<f64>,
    jti: Option<String>,
    role: Option<OneOrMore>,
    roles: Option<OneOrMore>,
}

impl Claims {
    fn who(self, registered: &Registered, jwt: &JwtSettings, clock: &dyn Clock) -> Result<Who, TokenError> {
        let expected = Expected {
            issuer: jwt.issuer.as_deref(),
            audience: jwt.audience.as_deref(),
            past_end_ms: 0,
            before_start_ms: SKEW_SECONDS * 1000,
        };
        let expires_at = registered.check(&expected, clock.now_ms())?;
        let named = [&self.role, &self.roles].into_iter().flatten().flat_map(OneOrMore::as_slice);
        let roles = named.filter_map(|name| Role::parse(name)).collect();
        let who = Who::new(self.sub.as_str().to_owned(), roles, expires_at).ok_or(TokenError::NoRole)?;
        Ok(who.by(self.jti, self.iat.map(|iat| (iat * 1000.0) as i64)))
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
