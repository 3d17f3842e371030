//! Listeners: one for each section, or one for several that are given the same address.

use std::net::SocketAddr;

use axum::Router;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::core::{Core, StartError};
use crate::{
    admin::calls::server::ListenerFacts,
    http::{BindError, Bound, ConnectionLimits, Late, Measured, Readiness, bind, health_routes},
};

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Setting(error.to_string())
    }
}

/// The listeners that were bound, in the order of the sections that share each.
pub(super) struct Listeners {
    bound: Vec<(Bound, Vec<usize>)>,
    names: Vec<&'static str>,
}

impl Listeners {
    /// Binds each section's address once. Port 0 is a port of its own for everybody.
    pub(super) async fn bind(sections: &[(&'static str, SocketAddr)]) -> Result<Self, StartError> {
        let mut bound: Vec<(SocketAddr, Bound, Vec<usize>)> = Vec::new();
        for (n, (name, address)) in sections.iter().enumerate() {
            match bound.iter_mut().find(|(taken, ..)| taken == address && address.port() != 0) {
                Some((_, _, sharing)) => sharing.push(n),
                None => bound.push((*address, bind(name, *address).await?, vec![n])),
            }
        }
        let names = sections.iter().map(|(name, _)| *name).collect();
        Ok(Self { bound: bound.into_iter().map(|(_, bound, sharing)| (bound, sharing)).collect(), names })
    }

    /// What is known of each.
    pub(super) fn facts(&self) -> Vec<ListenerFacts> {
        let facts = |(bound, sharing): &(Bound, Vec<usize>)| ListenerFacts {
            sections: sharing.iter().filter_map(|section| self.names.get(*section).copied()).collect(),
            address: bound.address,
            connections: bound.connections.clone(),
        };
        self.bound.iter().map(facts).collect()
    }

    /// Where a section can be reached.
    pub(super) fn root(&self, section: usize) -> String {
        let found = self.bound.iter().find(|(_, sharing)| sharing.contains(&section));
        found.map(|(bound, _)| format!("http://{}", bound.address)).unwrap_or_default()
    }

    /// Serves the sections' routes until `stop`; `late` are those of the last one.
    pub(super) fn serve(self, core: &Core, (routes, late): (&[Router], Option<&Late>), stop: &CancellationToken, tasks: &TaskTracker) {
        let http = &core.config.http;
        let limits = ConnectionLimits {
            connections: http.max_connections,
            per_address: http.max_connections_per_address,
            // Checked when the configuration was loaded.
            proxies: http.trusted_proxies.iter().filter_map(|text| text.parse().ok()).collect(),
            first_byte: http.first_byte_timeout.into(),
            head: http.header_timeout.into(),
            write: http.write_timeout.into(),
            shutdown: http.shutdown_timeout.into(),
        };
        for (bound, sharing) in self.bound {
            let late = late.filter(|_| sharing.contains(&routes.len().saturating_sub(1)));
            let health = health_routes(Readiness { store: core.store.clone(), stop: stop.clone() }, late.cloned());
            let mine = sharing.iter().filter_map(|section| routes.get(*section)).cloned();
            tasks.spawn(bound.serve(guarded(mine.fold(health, Router::merge)), limits.clone(), stop.clone()));
        }
    }
}

/// A panic in a handler is a 500 for that request alone; every request is timed.
fn guarded(router: Router) -> Router {
    let caught = tower_http::catch_panic::CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
        use axum::response::IntoResponse;
        crate::problem::Problem::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "This request failed inside the daemon; others are not affected.",
        )
        .into_response()
    });
    router.layer((Measured, caught))
}
