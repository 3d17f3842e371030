//! What is counted and timed, by whoever does it.
//!
//! A figure costs tens of nanoseconds: what is on the way of every call is found by its place and not by its name, and
//! is made when it is first needed (`cargo bench --bench figures`). Before figures are kept at all, it costs one look.

mod family;
mod http;
mod mcp;

use std::{sync::OnceLock, time::Duration};

use metrics::Gauge;
use metrics_exporter_prometheus::PrometheusRecorder;

use self::family::{Counts, Times};
pub use self::{
    http::request,
    mcp::{ToolFigures, malformed_call, operation, unknown_tool},
};
use super::{
    exposition::{self, kept},
    names,
};

static REGISTRATIONS: Counts<5> =
    Counts::new(names::REGISTRATIONS, "outcome", ["done", "done_with_fallback", "dead_letter", "cancelled", "skipped"]);
static DELIVERIES: Counts<4> = Counts::new(names::DELIVERIES, "outcome", ["new", "known", "skipped", "other_body"]);
static WELCOMES: Counts<4> = Counts::new(names::WELCOMES, "rung", ["agent", "fallback_agent", "segment", "static"]);
static NOTICES: Counts<3> = Counts::new(names::NOTICES, "kind", ["new_customer", "escalation", "message"]);
static PUSHES: Counts<3> = Counts::new(names::PUSHES, "outcome", ["delivered", "failed", "given_up"]);
static EVENTS: Counts<3> = Counts::new(names::EVENTS, "outcome", ["delivered", "failed", "given_up"]);
static AUTH_FAILURES: Counts<17> = Counts::new(
    names::AUTH_FAILURES,
    "reason",
    [
        "no_key",
        "bad_key",
        "mistyped_key",
        "ended_key",
        "throttled",
        "other_group",
        "disabled_group",
        "unknown_group",
        "invalid_token",
        "insufficient_scope",
        "unavailable",
        "hook_key",
        "hook_signature",
        "live_token",
        "password",
        "password_throttled",
        "metrics_token",
    ],
);
static WELCOME_LATENCY: Times = Times::new(names::WELCOME_LATENCY);
static NOTICE_LATENCY: Times = Times::new(names::NOTICE_LATENCY);
static CONNECTIONS: OnceLock<Gauge> = OnceLock::new();

/// Registers what has few labels, so that it is there before it first happens.
pub(super) fn open(recorder: &PrometheusRecorder) {
    REGISTRATIONS.open(recorder);
    DELIVERIES.open(recorder);
    WELCOMES.open(recorder);
    NOTICES.open(recorder);
    PUSHES.open(recorder);
    EVENTS.open(recorder);
    AUTH_FAILURES.open(recorder);
    WELCOME_LATENCY.open(recorder);
    NOTICE_LATENCY.open(recorder);
    connections(recorder).set(0.0);
}

/// A registration ended in this state.
pub fn registration(state: &str) {
    REGISTRATIONS.count(state, 1);
}

/// A registration was posted, and this became of it: `new`, `known`, `skipped` or `other_body`.
pub fn delivery(outcome: &str) {
    DELIVERIES.count(outcome, 1);
}

/// A welcome was composed by this rung of the ladder.
pub fn welcome(rung: &str) {
    WELCOMES.count(rung, 1);
}

/// A welcome was stored so long after its registration was accepted.
pub fn welcome_stored(after: Duration) {
    WELCOME_LATENCY.took(after);
}

/// Consultants were told so long after the registration was accepted.
pub fn consultants_told(after: Duration) {
    NOTICE_LATENCY.took(after);
}

/// So many people were told of something: `new_customer`, `escalation` or `message`.
pub fn notices(kind: &str, people: usize) {
    NOTICES.count(kind, people);
}

/// An attempt to push ended: `delivered`, `failed` or `given_up`.
pub fn push(outcome: &str) {
    PUSHES.count(outcome, 1);
}

/// An attempt to send an event ended: `delivered`, `failed` or `given_up`.
pub fn event(outcome: &str) {
    EVENTS.count(outcome, 1);
}

/// Somebody was not let in.
pub fn auth_failure(reason: &str) {
    AUTH_FAILURES.count(reason, 1);
}

/// A step of a registration ended: `done` or `failed`.
pub fn step(step: &'static str, outcome: &'static str, took: Duration) {
    if let Some(recorder) = kept() {
        exposition::histogram(recorder, names::STEP, &[("step", step), ("outcome", outcome)]).record(took);
    }
}

/// A question to an agent ended.
#[derive(Debug, Clone, Copy)]
pub struct AgentCall<'a> {
    /// The agent's name.
    pub agent: &'a str,
    /// `answered`, `late`, `refused`, `failed`, `stopped`; or it was not asked: `breaker_open`, `no_place`.
    pub outcome: &'static str,
    /// How long it took, if it was asked.
    pub took: Option<Duration>,
    /// Tokens used.
    pub tokens: Option<u64>,
}

/// A question to an agent ended.
pub fn agent_call(call: AgentCall<'_>) {
    let Some(recorder) = kept() else { return };
    exposition::counter(recorder, names::AGENT_CALLS, &[("agent", call.agent), ("outcome", call.outcome)]).increment(1);
    exposition::counter(recorder, names::AGENT_TOKENS, &[("agent", call.agent)]).increment(call.tokens.unwrap_or_default());
    if let Some(took) = call.took {
        exposition::histogram(recorder, names::AGENT_DURATION, &[("agent", call.agent)]).record(took);
    }
}

fn connections(recorder: &PrometheusRecorder) -> &'static Gauge {
    CONNECTIONS.get_or_init(|| exposition::gauge(recorder, names::CONNECTIONS, &[]))
}

/// An HTTP connection, for as long as it is kept.
#[derive(Debug)]
pub struct Connection(());

impl Connection {
    /// One more.
    pub fn open() -> Self {
        if let Some(recorder) = kept() {
            connections(recorder).increment(1.0);
        }
        Self(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(recorder) = kept() {
            connections(recorder).decrement(1.0);
        }
    }
}
