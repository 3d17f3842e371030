//! Live connections: whose tokens are believed, and what connected people may do.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use super::{
    automation::Shared,
    core::{Core, StartError},
};
use crate::{
    gate::origins::Origins,
    live::{self, JwtSettings, LiveParts, LiveSettings, LiveState, Tokens},
    outbound::{
        http_client::{HttpClient, ProxyUse},
        jwks::Jwks,
    },
    registration::Door,
};

/// The state behind `/live`.
pub(super) fn state(core: &Core, shared: &Shared, stop: &CancellationToken, tasks: &TaskTracker) -> Result<LiveState, StartError> {
    tasks.spawn(live::follow(core.store.clone(), shared.hub.clone(), stop.clone()));
    let events = core.config.outbound.webhook_url.is_some();
    let door =
        Door { store: core.store.clone(), clock: Arc::clone(&core.clock), hub: shared.hub.clone(), events, wake: Arc::clone(&shared.wake) };
    Ok(LiveState::new(LiveParts {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        book: core.settings.clone(),
        tokens: Tokens::new(Arc::clone(&core.master), Arc::clone(&core.clock), jwt(core)?),
        hub: shared.hub.clone(),
        inbound: Arc::new(door),
        stop: stop.clone(),
        tasks: tasks.clone(),
        settings: LiveSettings::new(
            Origins::new(&core.config.live.hosts(), &core.config.live.allowed_origins, "live"),
            core.config.live.max_connections,
        ),
    }))
}

fn jwt(core: &Core) -> Result<JwtSettings, StartError> {
    let live = &core.config.live;
    let jwks = match &live.jwks_url {
        None => None,
        Some(url) => {
            let bad = |why: String| StartError::Setting(format!("live.jwks_url: {why}"));
            let url = Url::parse(url).map_err(|error| bad(error.to_string()))?;
            let http = HttpClient::new(ProxyUse::System).map_err(|error| bad(error.to_string()))?;
            Some(Jwks::new(http, url, "live.jwks_url", Arc::clone(&core.clock)))
        }
    };
    Ok(JwtSettings { secret: live.jwt_secret.clone(), jwks, issuer: live.jwt_issuer.clone(), audience: live.jwt_audience.clone() })
}
