//! Authorization requests (RFC 6749 §4.1.1, RFC 7636, RFC 8707): what one must hold, and who hears of what is wrong.
//!
//! The order matters. Until client and redirect URI are known to belong together, whatever is wrong is shown to the
//! person on a page; only then does the client hear of it by a redirect.

use super::{
    OauthError,
    base::{Bases, Resource, is_code, root},
    params::Params,
    pkce,
    redirect::{self, RedirectRules},
    scope,
};
use crate::store::oauth_clients::Client;

/// Longest `state`.
const STATE: usize = 4096;

/// Why a person sees a page instead of being sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswerable {
    /// `client_id` is missing.
    NoClient,
    /// There is no such client.
    UnknownClient,
    /// The client was shut out.
    RevokedClient,
    /// The client's document is no use.
    Document(String),
    /// `redirect_uri` is missing and the client registered more than one.
    NoRedirect,
    /// `redirect_uri` is not one the client registered.
    OtherRedirect,
    /// A parameter that decides where to answer came twice.
    Repeated(&'static str),
    /// `state` is too long to carry.
    State,
    /// Too many unknown documents asked for from one address; seconds to wait.
    Busy(u64),
    /// The database does not answer.
    Unavailable,
}

/// A request in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// PKCE challenge.
    pub challenge: String,
    /// What the token is to be for.
    pub resource: Resource,
    /// The group asked for, if the request says which.
    pub group: Option<String>,
    /// Whether tools that store something are asked for.
    pub write: bool,
}

/// Where to answer: known before anything else is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The redirect URI.
    pub redirect_uri: String,
    /// Whether the request left it out, and it is the only one registered.
    pub left_out: bool,
    /// The client's `state`.
    pub state: Option<String>,
}

/// Finds out where a request of `client` is to be answered.
pub fn target(params: &Params, client: &Client, rules: &RedirectRules) -> Result<Target, Unanswerable> {
    if let Some(repeated) = ["client_id", "redirect_uri", "state"].into_iter().find(|name| params.repeats(name)) {
        return Err(Unanswerable::Repeated(repeated));
    }
    if client.revoked_at.is_some() {
        return Err(Unanswerable::RevokedClient);
    }
    // Rules may have become narrower since the client registered.
    let mut usable = client.redirect_uris.iter().filter(|uri| redirect::acceptable(uri, rules).is_ok());
    let asked = params.get("redirect_uri");
    let redirect_uri = match asked {
        Some(asked) => usable.any(|uri| redirect::matches(uri, asked)).then(|| asked.to_owned()).ok_or(Unanswerable::OtherRedirect)?,
        None => match (usable.next(), usable.next()) {
            (Some(only), None) => only.clone(),
            _ => return Err(Unanswerable::NoRedirect),
        },
    };
    let state = params.get("state").map(str::to_owned);
    if state.as_ref().is_some_and(|state| state.len() > STATE) {
        return Err(Unanswerable::State);
    }
    Ok(Target { redirect_uri, left_out: asked.is_none(), state })
}

/// Reads the rest of a request that reached us at `base`.
pub fn read(params: &Params, client: &Client, bases: &Bases, base: &str) -> Result<AuthorizationRequest, OauthError> {
    if params.repeats("resource") {
        return Err(OauthError::new("invalid_target", "a token is for one resource; send `resource` once"));
    }
    if let Some(name) = params.repeated() {
        return Err(OauthError::invalid_request(format!(
            "the parameter {} came more than once",
            name.escape_debug().take(40).collect::<String>()
        )));
    }
    flow(params, client)?;
    let challenge = challenge(params)?;
    let resource = match params.get("resource") {
        None => root(base),
        Some(text) => bases
            .resource(base, text)
            .ok_or_else(|| OauthError::new("invalid_target", "this resource is not served here; use the URL of the MCP endpoint"))?,
    };
    let asked = scope::parse(params.get("scope")).map_err(|why| OauthError::new("invalid_scope", why))?;
    let group = match (&resource.code, asked.group) {
        (Some(code), Some(group)) if *code != group => {
            return Err(OauthError::new("invalid_scope", "the scope names another group than the resource"));
        }
        (Some(code), _) => Some(code.clone()),
        (None, group) => group.filter(|code| is_code(code)),
    };
    Ok(AuthorizationRequest { challenge, resource, group, write: asked.write })
}

/// Response type, mode, and what is not done here.
fn flow(params: &Params, client: &Client) -> Result<(), OauthError> {
    match params.get("response_type") {
        Some("code") => {}
        None => return Err(OauthError::invalid_request("response_type is missing; it must be code")),
        Some(_) => return Err(OauthError::new("unsupported_response_type", "response_type must be code")),
    }
    if !client.may_use("authorization_code") {
        return Err(OauthError::new("unauthorized_client", "this client may not use the authorization code grant"));
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OauthError::invalid_request("response_mode must be query"));
    }
    if params.get("request").is_some() {
        return Err(OauthError::new("request_not_supported", "request objects are not supported; send plain parameters"));
    }
    if params.get("request_uri").is_some() {
        return Err(OauthError::new("request_uri_not_supported", "request_uri is not supported; send plain parameters"));
    }
    if params.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "none")) {
        return Err(OauthError::new("interaction_required", "a person is always asked"));
    }
    Ok(())
}

fn challenge(params: &Params) -> Result<String, OauthError> {
    let Some(challenge) = params.get("code_challenge") else {
        return Err(OauthError::invalid_request("code_challenge is missing; PKCE is required (RFC 7636)"));
    };
    if params.get("code_challenge_method") != Some("S256") {
        return Err(OauthError::invalid_request("code_challenge_method must be S256"));
    }
    if !pkce::is_challenge(challenge) {
        return Err(OauthError::invalid_request("code_challenge must be base64url of a SHA-256, without padding: 43 characters"));
    }
    Ok(challenge.to_owned())
}
