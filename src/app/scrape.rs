//! `GET /metrics`: who may read figures, and what is read when somebody does.
//!
//! Without a token only this machine itself is answered, and no proxy on it: a request that was passed on says so. A page
//! in a browser of this machine is kept out by its Host and Origin.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Extension, Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::{automation::Shared, core::Core};
use crate::{
    alerts,
    gate::origins::Origins,
    http::PeerAddress,
    live::Role,
    problem::Problem,
    registration::choice::breaker,
    store::{Store, StoreError, alerts::Alert, standing::Standing},
    telemetry::{self, Moment, figures},
};

/// The format of the answer, as Prometheus names it.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How far back customers are counted that nobody has claimed.
const DAYS_MS: i64 = 7 * 24 * 3_600_000;
/// How often the times that were taken are summed up.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(1);
/// What a proxy adds to a request.
const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

#[derive(Clone)]
struct Scraped {
    core: Core,
    shared: Shared,
    origins: Arc<Origins>,
}

/// The route, for the admin side's listener or, where that is off, the live one; none when figures are not wanted.
pub(super) fn router(core: &Core, shared: &Shared) -> Router {
    if !core.config.metrics.enabled {
        return Router::new();
    }
    let (admin, live) = (&core.config.admin, &core.config.live);
    let origins = Arc::new(if admin.enabled {
        Origins::new(&admin.hosts(), &admin.allowed_origins, "admin")
    } else {
        Origins::new(&live.hosts(), &live.allowed_origins, "live")
    });
    Router::new().route("/metrics", get(scrape)).with_state(Scraped { core: core.clone(), shared: shared.clone(), origins })
}

/// Keeps what is counted small, until `stop`.
pub(super) async fn keep(stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UPKEEP) => telemetry::upkeep(),
        }
    }
}

async fn scrape(State(scraped): State<Scraped>, peer: Option<Extension<PeerAddress>>, request: Request) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    match scraped.may_read(peer.as_ref(), &request) {
        Ok(()) => scraped.figures().await,
        Err(problem) => problem.into_response(),
    }
}

impl Scraped {
    fn may_read(&self, peer: Option<&PeerAddress>, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        if let Some(token) = &self.core.config.metrics.token {
            let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| text.split_once(' '));
            let good = sent.is_some_and(|(scheme, sent)| scheme.eq_ignore_ascii_case("bearer") && token.matches(sent.trim()));
            return if good { Ok(()) } else { Err(wrong_token()) };
        }
        if !is_this_machine(peer, headers) {
            return Err(elsewhere());
        }
        self.origins.check(request.uri(), headers)
    }

    async fn figures(&self) -> Response {
        let now = self.core.clock.now_ms();
        let standing = self.core.store.standing(now, now - DAYS_MS).await;
        let text = telemetry::expose(|moment| self.fill(moment, &standing, now));
        ([(header::CONTENT_TYPE, TEXT)], text.unwrap_or_default()).into_response()
    }

    /// What is read now. What cannot be read is left out, and counted: a scrape tells what it can.
    fn fill(&self, moment: &Moment, standing: &Result<Standing, StoreError>, now: i64) {
        let store = &self.core.store;
        let mut failures = 0;
        let mut failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "a gauge could not be read for /metrics");
            failures += 1;
        };
        match standing {
            Ok(standing) => fill_standing(moment, standing, now),
            Err(error) => failed(error),
        }
        match store.open_alerts() {
            Ok(open) => fill_alerts(moment, &open),
            Err(error) => failed(&error),
        }
        match store.file_sizes() {
            Ok((database, wal)) => {
                moment.set("anmei_db_size_bytes", &[], database as f64);
                moment.set("anmei_db_wal_bytes", &[], wal as f64);
            }
            Err(error) => failed(&error),
        }
        match store.free_bytes() {
            Ok(free) => moment.set("anmei_disk_free_bytes", &[], free as f64),
            Err(error) => failed(&error),
        }
        match store.agents() {
            Ok(agents) => agents.iter().for_each(|agent| moment.set("anmei_agent_breaker_state", &[("agent", &agent.app_name)], 0.0)),
            Err(error) => failed(&error),
        }
        self.fill_from_memory(moment);
        moment.set("anmei_scrape_failures", &[], f64::from(failures));
    }

    fn fill_from_memory(&self, moment: &Moment) {
        for (agent, view) in self.shared.desk.get().map(|desk| desk.breakers()).unwrap_or_default() {
            let state = match view.state {
                breaker::State::Closed => 0.0,
                breaker::State::HalfOpen { .. } => 1.0,
                breaker::State::Open { .. } => 2.0,
            };
            moment.set("anmei_agent_breaker_state", &[("agent", &agent)], state);
        }
        for (role, count) in self.shared.hub.connections() {
            moment.set("anmei_live_connections", &[("role", role.as_str())], count as f64);
        }
        moment.set("anmei_consultants_online", &[], self.shared.hub.online(Role::Consultant).len() as f64);
        moment.set("anmei_call_log_queue", &[], self.core.dispatch.recorder().waiting() as f64);
        let features = [("redis", cfg!(feature = "redis")), ("otlp", cfg!(feature = "otlp"))];
        let features: Vec<_> = features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("sqlite", Store::engine()), ("features", &features.join(","))];
        moment.set("anmei_build_info", &labels, 1.0);
    }
}

fn fill_standing(moment: &Moment, standing: &Standing, now: i64) {
    // A kind of which there is nothing is a zero, not a gap: the usual ones are always there.
    for kind in super::automation::JOBS {
        moment.set("anmei_jobs_pending", &[("kind", kind)], 0.0);
    }
    for (kind, count) in &standing.jobs {
        moment.set("anmei_jobs_pending", &[("kind", kind)], *count as f64);
    }
    moment.set("anmei_jobs_dead", &[], standing.dead as f64);
    let waited = standing.oldest_due.map_or(0, |due| (now - due).max(0));
    moment.set("anmei_jobs_oldest_due_seconds", &[], waited as f64 / 1000.0);
    moment.set("anmei_unclaimed_customers", &[], standing.unclaimed as f64);
}

fn fill_alerts(moment: &Moment, open: &[Alert]) {
    for (condition, severity) in alerts::kinds() {
        let count = open.iter().filter(|alert| alert.condition == condition).count();
        moment.set("anmei_alerts_open", &[("condition", condition), ("severity", severity)], count as f64);
    }
}

/// Whether somebody on this machine asks for himself.
fn is_this_machine(peer: Option<&PeerAddress>, headers: &HeaderMap) -> bool {
    let passed_on = PASSED_ON.iter().any(|name| headers.contains_key(*name));
    !passed_on && peer.is_some_and(|peer| peer.socket().ip().to_canonical().is_loopback())
}

fn wrong_token() -> Problem {
    figures::auth_failure("metrics_token");
    let detail = "Figures are for those who send the token of the configuration (`metrics.token`) as `Authorization: Bearer …`.";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn elsewhere() -> Problem {
    figures::auth_failure("metrics_token");
    let detail = "Without a token, figures are for this machine itself, and for no proxy. Set `metrics.token` and send it as `Authorization: Bearer …`.";
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_only_this_machine_reads_and_no_proxy_on_it() {
        let peer = |address: &str| PeerAddress::new(address.parse().unwrap(), Arc::new([]));
        let none = HeaderMap::new();
        for address in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(is_this_machine(Some(&peer(address)), &none), "{address}");
        }
        for address in ["10.0.0.7:1", "[2001:db8::1]:1"] {
            assert!(!is_this_machine(Some(&peer(address)), &none), "{address}");
        }
        assert!(!is_this_machine(None, &none));
        for name in PASSED_ON {
            let mut headers = HeaderMap::new();
            headers.insert(name, "10.0.0.7".parse().unwrap());
            assert!(!is_this_machine(Some(&peer("127.0.0.1:1")), &headers), "{name}");
        }
    }
}
