//! The authorization server's parts: what the configuration says, in the form in which its rules want it.

use std::sync::Arc;

use super::core::Core;
use crate::{
    config::Config,
    gate::{
        oauth::{base::Bases, challenge::Challenges, grants::Grants, lifetimes::Lifetimes, redirect::RedirectRules},
        origins::Origins,
    },
    oauth::{OauthParts, OauthSettings, OauthState},
    outbound::client_metadata::DocumentSettings,
};

/// How long things last.
pub(super) fn lifetimes(config: &Config) -> Lifetimes {
    let oauth = &config.oauth;
    Lifetimes {
        code: oauth.code_lifetime.as_ms(),
        access: oauth.access_token_lifetime.as_ms(),
        refresh: oauth.refresh_token_lifetime.as_ms(),
        grant: oauth.grant_lifetime.as_ms(),
    }
}

/// Where a client that is not let in is sent to, when there is somewhere.
pub(super) fn challenges(core: &Core) -> Option<Arc<Challenges>> {
    core.config.oauth.enabled.then(|| Arc::new(Challenges::new(bases(core))))
}

/// The authorization server, unless it is switched off.
pub(super) fn state(core: &Core) -> Option<OauthState> {
    let (config, mcp) = (&core.config.oauth, &core.config.mcp);
    if !config.enabled {
        return None;
    }
    let domains = config.client_document_domains.clone();
    let documents = config.client_documents.then(|| DocumentSettings { domains, loopback: config.client_documents_loopback });
    let bases = bases(core);
    let grants =
        Grants::new(core.store.clone(), Arc::clone(&core.clock), lifetimes(&core.config), Arc::clone(&core.tokens), Arc::clone(&bases));
    let parts = OauthParts {
        gate: Arc::clone(&core.gate),
        accounts: Arc::clone(&core.accounts),
        grants,
        documents,
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        master: Arc::clone(&core.master),
    };
    let settings = OauthSettings {
        origins: Origins::new(&mcp.hosts(), &mcp.allowed_origins, "mcp"),
        bases,
        redirects: RedirectRules { app_schemes: config.app_schemes.clone(), http_hosts: config.http_redirect_hosts.clone() },
        server_name: mcp.server_name.clone(),
        registration: config.registration,
        max_clients: config.max_clients,
        registrations_per_hour: config.registrations_per_hour,
        unused_client_ms: config.unused_client_expiry.as_ms(),
        body_timeout: core.config.http.request_timeout.into(),
    };
    Some(OauthState::new(parts, settings))
}

fn bases(core: &Core) -> Arc<Bases> {
    Arc::new(Bases::new(&core.config.mcp.public_base()))
}
