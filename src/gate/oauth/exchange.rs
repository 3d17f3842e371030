//! What an exchange must hold: the parameters, and that no more is asked for than was given.

use std::sync::Arc;

use super::{OauthError, params::Params, pkce, scope};
use crate::{
    gate::{GroupPolicy, Policy},
    store::{
        oauth_clients::Client,
        oauth_grants::{Code, Grant},
    },
};

/// A parameter that may not be missing.
pub(super) fn needed<'a>(params: &'a Params, name: &str) -> Result<&'a str, OauthError> {
    params.get(name).ok_or_else(|| OauthError::invalid_request(format!("the parameter {name} is missing")))
}

/// A resource that is not ours.
pub(super) fn not_ours() -> OauthError {
    OauthError::new("invalid_target", "this resource is not served here; use the URL of the MCP endpoint")
}

/// Something that was exchanged before.
pub(super) fn replayed(what: &str) -> OauthError {
    OauthError::invalid_grant(format!("the {what} was used before; everything it gave is revoked, connect again"))
}

/// Whether the redirect URI is the one of the authorization request. One that the request left out need not be named here
/// either; one that is named must be the same in any case (RFC 6749 §4.1.3).
pub(super) fn same_redirect(params: &Params, code: &Code) -> bool {
    params.get("redirect_uri").map_or(code.redirect_left_out, |said| said == code.redirect_uri)
}

/// Which part of a client's own code does not fit: for its developer.
pub(super) fn mismatch(params: &Params, code: &Code) -> OauthError {
    if !same_redirect(params, code) {
        return OauthError::invalid_grant("redirect_uri is not the one of the authorization request");
    }
    if !params.get("code_verifier").is_some_and(|verifier| pkce::verifies(verifier, &code.challenge)) {
        return OauthError::invalid_grant("code_verifier is not the one of the code_challenge");
    }
    OauthError::invalid_grant("the code has expired, or what it stood for has ended; start again")
}

/// The scopes of a refreshed token: the grant's, or fewer (RFC 6749 §6).
pub(super) fn fewer(params: &Params, grant: &Grant) -> Result<Vec<String>, OauthError> {
    let Some(text) = params.get("scope") else { return Ok(grant.scopes.clone()) };
    let more = || OauthError::new("invalid_scope", "the scope is more than was granted; ask a person again for more");
    let asked = scope::parse(Some(text)).map_err(|why| OauthError::new("invalid_scope", why))?;
    let own = grant.scopes.first().and_then(|scope| scope.strip_prefix("group:")).unwrap_or_default();
    let named = text.split(' ').any(|scope| scope == scope::WRITE);
    let writes = grant.scopes.iter().any(|scope| scope == scope::WRITE);
    if asked.group.is_some_and(|group| group != own) || (named && !writes) {
        return Err(more());
    }
    Ok(scope::granted(own, asked.write && writes))
}

/// The group a confidential client means: the one named, or the only one it has.
pub(super) fn entered<'a>(client: &Client, policy: &'a Policy, code: Option<&str>) -> Result<&'a Arc<GroupPolicy>, OauthError> {
    let mut own = policy.groups().iter().filter(|group| client.groups.contains(&group.group.id));
    let group = match code {
        Some(code) => own
            .find(|group| group.group.server_code == code)
            .ok_or_else(|| OauthError::new("invalid_target", "this client may not enter that group"))?,
        None => match (own.next(), own.next()) {
            (Some(only), None) => only,
            (None, _) => return Err(OauthError::new("unauthorized_client", "this client may not enter any group by itself")),
            _ => {
                return Err(OauthError::new(
                    "invalid_target",
                    "this client may enter several groups; say which by `resource` or the scope group:CODE",
                ));
            }
        },
    };
    if group.group.enabled { Ok(group) } else { Err(OauthError::new("invalid_target", "the group is disabled")) }
}
