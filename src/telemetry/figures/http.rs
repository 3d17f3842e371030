//! Times of HTTP requests, by the template of their route.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use metrics::Histogram;

use crate::telemetry::{
    exposition::{self, kept},
    names,
};

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "_other"];

/// By method and status. There are few of a route.
type Seen = Vec<((usize, u16), Histogram)>;

/// By route.
type Routes = HashMap<Box<str>, Arc<ArcSwap<Seen>>>;

static ROUTES: LazyLock<ArcSwap<Routes>> = LazyLock::new(ArcSwap::default);

/// A request was answered. `route` is the template it matched, such as `/server/{server_code}/mcp`; nothing when it
/// matched none.
pub fn request(method: &str, route: Option<&str>, status: u16, took: Duration) {
    if kept().is_none() {
        return;
    }
    let at = (METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1), status);
    let route = route.unwrap_or("_other");
    let routes = ROUTES.load();
    let seen = routes.get(route).map(|seen| seen.load());
    match seen.as_ref().and_then(|seen| seen.iter().find(|(known, _)| *known == at)) {
        Some((_, histogram)) => histogram.record(took),
        None => first(at, route, took),
    }
}

/// The first answer of its kind.
fn first(at: (usize, u16), route: &str, took: Duration) {
    let Some(recorder) = kept() else { return };
    let (method, status) = (METHODS.get(at.0).copied().unwrap_or("_other"), at.1.to_string());
    let labels = [("http_request_method", method), ("http_route", route), ("http_response_status_code", status.as_str())];
    let histogram = exposition::histogram(recorder, names::HTTP, &labels);
    histogram.record(took);
    ROUTES.rcu(|routes| {
        let mut routes = HashMap::clone(routes);
        routes.entry(route.into()).or_default();
        routes
    });
    if let Some(seen) = ROUTES.load().get(route) {
        seen.rcu(|seen| {
            let mut seen = Seen::clone(seen);
            if !seen.iter().any(|(known, _)| *known == at) {
                seen.push((at, histogram.clone()));
            }
            seen
        });
    }
}
