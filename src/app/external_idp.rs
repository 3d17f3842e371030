//! The identity provider of `[external_idp]`, unless there is none.

use std::sync::Arc;

use url::Url;

use super::core::StartError;
use crate::{
    clock::SharedClock,
    config::Config,
    identity::{External, ExternalSettings},
    outbound::{
        http_client::{HttpClient, ProxyUse},
        jwks::Jwks,
    },
};

/// Whose tokens are believed.
pub(super) fn external(config: &Config, clock: &SharedClock) -> Result<Option<External>, StartError> {
    let idp = &config.external_idp;
    let (Some(issuer), Some(jwks_url), Some(audience)) = (&idp.issuer, &idp.jwks_url, &idp.audience) else { return Ok(None) };
    let bad = |why: String| StartError::Setting(format!("external_idp.jwks_url: {why}"));
    let url = Url::parse(jwks_url).map_err(|error| bad(error.to_string()))?;
    let http = HttpClient::new(ProxyUse::System).map_err(|error| bad(error.to_string()))?;
    let settings = ExternalSettings {
        issuer: issuer.clone(),
        audience: audience.clone(),
        algorithms: idp.algorithms.clone(),
        group_claim: idp.group_claim.clone(),
        groups: idp.mapping(),
        leeway_ms: idp.leeway.as_ms(),
    };
    Ok(Some(External::new(Jwks::new(http, url, "external_idp.jwks_url", Arc::clone(clock)), settings)))
}
