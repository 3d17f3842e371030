//! Tokens of the issuer: checked, and turned into what they open.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::claims;
use crate::{
    gate::{Grant, Policy, TokenRefusal},
    outbound::{
        jwks::{Jwks, JwksError},
        jwt::{self, Expected, JwtError},
    },
};

/// How the principals of such tokens begin.
pub(super) const PRINCIPAL: &str = "idp:";
/// What a token that opens a group may be used for there: all of it.
const SCOPES: [&str; 2] = ["tools:read", "tools:write"];
/// The longest name of a client that is kept.
const LONGEST_CLIENT: usize = 128;

/// Whose tokens are believed, and what they open.
#[derive(Debug, Clone)]
pub struct ExternalSettings {
    /// `iss`.
    pub issuer: String,
    /// `aud`, or one of them.
    pub audience: String,
    /// Names of algorithms that are accepted.
    pub algorithms: Vec<String>,
    /// The claim that names groups.
    pub group_claim: String,
    /// Value of it, and server code.
    pub groups: Vec<(String, String)>,
    /// How far clocks may differ.
    pub leeway_ms: i64,
}

/// The issuer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct External {
    jwks: Jwks,
    settings: Arc<ExternalSettings>,
}

impl External {
    /// Believes tokens signed by a key of `jwks`.
    pub fn new(jwks: Jwks, settings: ExternalSettings) -> Self {
        Self { jwks, settings: Arc::new(settings) }
    }

    /// Fetches the issuer's keys now and then, until `stop`.
    pub async fn keep_keys(self, stop: CancellationToken) {
        self.jwks.keep_fresh(stop).await;
    }

    /// What a token opens; `code` is the group that the URL names.
    pub(super) async fn grant(&self, token: &str, code: Option<&str>, policy: &Policy, now: i64) -> Result<Grant, TokenRefusal> {
        let (claims, expires_at) = self.verified(token, now).await?;
        let group_id = self.group(&claims, code, policy)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subject = text("sub").ok_or_else(|| invalid("The token names nobody: the claim sub is missing."))?;
        let client = text("azp").or_else(|| text("client_id")).unwrap_or(&self.settings.issuer);
        Ok(Grant {
            id: format!("{PRINCIPAL}{}", digest(&[token])).into(),
            principal: format!("{PRINCIPAL}{}", digest(&[&self.settings.issuer, subject])).into(),
            client_id: client.chars().take(LONGEST_CLIENT).collect::<String>().into(),
            group_id,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            expires_at,
        })
    }

    /// The claims of a token that is good at `now`, and when it ends.
    async fn verified(&self, token: &str, now: i64) -> Result<(Map<String, Value>, i64), TokenRefusal> {
        let header = jwt::header(token).map_err(refusal)?;
        let key = self.jwks.key(header.kid.as_deref()).await.map_err(|error| match error {
            JwksError::UnknownKey { .. } => TokenRefusal::Unknown,
            JwksError::Http(_) | JwksError::NotAKeySet { .. } => TokenRefusal::Unavailable(error.to_string()),
        })?;
        if !self.settings.algorithms.iter().any(|name| name == key.algorithm_name()) {
            return Err(TokenRefusal::Unknown);
        }
        let (registered, claims) = jwt::claims(token, &key.key, key.algorithm).map_err(refusal)?;
        let leeway = self.settings.leeway_ms;
        let expected = Expected {
            issuer: Some(&self.settings.issuer),
            audience: Some(&self.settings.audience),
            past_end_ms: leeway,
            before_start_ms: leeway,
        };
        let ends = registered.check(&expected, now).map_err(refusal)?;
        Ok((claims, ends.saturating_add(leeway)))
    }

    /// The group: the one the URL names if the token opens it, else the only one it opens.
    fn group(&self, claims: &Map<String, Value>, code: Option<&str>, policy: &Policy) -> Result<Arc<str>, TokenRefusal> {
        let values = claims::values(claims, &self.settings.group_claim);
        let named = self.settings.groups.iter().filter(|(value, _)| values.contains(&value.as_str())).map(|(_, code)| code.as_str());
        let mut open: Vec<&str> = named.filter(|code| policy.group(code).is_some()).collect();
        open.sort_unstable();
        open.dedup();
        let chosen = match (code, open.as_slice()) {
            (_, []) => return Err(self.opens_nothing(code)),
            (Some(code), codes) if codes.contains(&code) => code,
            (_, [only]) => only,
            // The gate says of a wrong group which one is the right one; of several, this does.
            (_, several) => {
                let list = several.join(", ");
                return Err(invalid(&format!("The token opens {list}, each at its own URL: use /server/CODE/mcp with one of them.")));
            }
        };
        policy.group(chosen).map(|group| Arc::from(group.group.id.as_str())).ok_or(TokenRefusal::Unknown)
    }

    fn opens_nothing(&self, code: Option<&str>) -> TokenRefusal {
        let claim = &self.settings.group_claim;
        TokenRefusal::InsufficientScope {
            needed: code.map_or_else(|| SCOPES.join(" "), |code| format!("group:{code}")),
            why: format!("No group is open to this token: no value of its claim {claim} is mapped to one (`external_idp.groups`)."),
        }
    }
}

fn invalid(why: &str) -> TokenRefusal {
    TokenRefusal::Invalid { why: why.to_owned() }
}

/// What its bearer hears. Until the signature is known to be good, nothing.
fn refusal(error: JwtError) -> TokenRefusal {
    match error {
        JwtError::Invalid | JwtError::Algorithm => TokenRefusal::Unknown,
        JwtError::Claims => invalid("The token lacks a claim, or has one of another form: exp, iss, aud and sub are needed."),
        JwtError::Expired => invalid("The token has expired. Get a new one from its issuer."),
        JwtError::NotYet => invalid("The token is not valid yet (nbf)."),
        JwtError::Issuer => invalid("The token is from another issuer (iss) than the one accepted here."),
        JwtError::Audience => invalid("The token is meant for another service (aud)."),
    }
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = URL_SAFE_NO_PAD.encode(hash.finalize());
    text.truncate(22);
    text
}
