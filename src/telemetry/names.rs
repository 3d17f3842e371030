//! Every metric: its name, what kind it is, and what it means. Names and units are Prometheus' conventions; those of MCP
//! and HTTP are OpenTelemetry's, with `.` as `_`.

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises, from the start of the process.
    Counter,
    /// A value of the moment.
    Gauge,
    /// Times in seconds, counted by these upper bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its meaning.
    pub help: &'static str,
}

/// Calls and requests: from a lookup in memory to a plan that takes a minute.
const CALLS: &[f64] = &[0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Steps of a registration, with the bounds that its promises have: 0.5 s, 1 s and 3 s.
const STEPS: &[f64] = &[0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Questions to agents.
const AGENTS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

pub(super) const OPERATION: &str = "mcp_server_operation_duration_seconds";
pub(super) const HTTP: &str = "http_server_request_duration_seconds";
pub(super) const STEP: &str = "anmei_registration_step_duration_seconds";
pub(super) const REGISTRATIONS: &str = "anmei_registrations_total";
pub(super) const DELIVERIES: &str = "anmei_registration_deliveries_total";
pub(super) const WELCOMES: &str = "anmei_welcomes_total";
pub(super) const WELCOME_LATENCY: &str = "anmei_welcome_latency_seconds";
pub(super) const NOTICE_LATENCY: &str = "anmei_notice_latency_seconds";
pub(super) const AGENT_CALLS: &str = "anmei_agent_calls_total";
pub(super) const AGENT_DURATION: &str = "anmei_agent_call_duration_seconds";
pub(super) const AGENT_TOKENS: &str = "anmei_agent_tokens_total";
pub(super) const NOTICES: &str = "anmei_notices_total";
pub(super) const PUSHES: &str = "anmei_pushes_total";
pub(super) const EVENTS: &str = "anmei_events_total";
pub(super) const AUTH_FAILURES: &str = "anmei_auth_failures_total";
pub(super) const CONNECTIONS: &str = "anmei_http_connections";

const fn figure(name: &'static str, kind: Kind, help: &'static str) -> Figure {
    Figure { name, kind, help }
}

/// Those that this code counts as it works, and those that are read when somebody asks.
const ALL: &[Figure] = &[
    figure(OPERATION, Kind::Histogram(CALLS), "How long an MCP request took, by method and tool. An empty error_type is a good answer."),
    figure(HTTP, Kind::Histogram(CALLS), "How long an HTTP request took until its answer began, by route."),
    figure(STEP, Kind::Histogram(STEPS), "How long a step of a registration took."),
    figure(REGISTRATIONS, Kind::Counter, "Registrations by the state they ended in."),
    figure(DELIVERIES, Kind::Counter, "Registrations that were posted to the hook, by what became of them."),
    figure(WELCOMES, Kind::Counter, "Welcomes composed, by the rung of the ladder that wrote them."),
    figure(WELCOME_LATENCY, Kind::Histogram(STEPS), "Time from the accepted registration to the stored welcome."),
    figure(NOTICE_LATENCY, Kind::Histogram(STEPS), "Time from the accepted registration to the consultants' notices."),
    figure(AGENT_CALLS, Kind::Counter, "Questions to Dify agents, by how they ended."),
    figure(AGENT_DURATION, Kind::Histogram(AGENTS), "How long a question to a Dify agent took."),
    figure(AGENT_TOKENS, Kind::Counter, "Tokens that Dify agents say they used."),
    figure(NOTICES, Kind::Counter, "Notices written for people: new_customer and escalation for staff, message for customers."),
    figure(PUSHES, Kind::Counter, "Pushes over notification channels, by how the attempt ended."),
    figure(EVENTS, Kind::Counter, "Outgoing events, by how the attempt ended."),
    figure(AUTH_FAILURES, Kind::Counter, "Requests and sign-ins that were not let in, by the reason."),
    figure(CONNECTIONS, Kind::Gauge, "Open HTTP connections, over all listeners."),
    figure("anmei_build_info", Kind::Gauge, "Always 1; the labels say what this binary is."),
    figure("anmei_jobs_pending", Kind::Gauge, "Jobs that wait or run, by kind."),
    figure("anmei_jobs_dead", Kind::Gauge, "Jobs that were given up and not settled yet."),
    figure("anmei_jobs_oldest_due_seconds", Kind::Gauge, "For how long the job that is due longest has waited."),
    figure("anmei_agent_breaker_state", Kind::Gauge, "Breaker of a Dify agent: 0 closed, 1 half open, 2 open."),
    figure("anmei_live_connections", Kind::Gauge, "Live connections, by role."),
    figure("anmei_consultants_online", Kind::Gauge, "Consultants with a live connection."),
    figure("anmei_unclaimed_customers", Kind::Gauge, "Customers that no consultant has claimed."),
    figure("anmei_alerts_open", Kind::Gauge, "Open alerts, by condition."),
    figure("anmei_call_log_queue", Kind::Gauge, "Rows of the call log that wait to be written."),
    figure("anmei_db_size_bytes", Kind::Gauge, "Size of the database file."),
    figure("anmei_db_wal_bytes", Kind::Gauge, "Size of the write-ahead log."),
    figure("anmei_disk_free_bytes", Kind::Gauge, "Free room on the disk of the data directory."),
    figure("anmei_scrape_failures", Kind::Gauge, "Readings that failed at this scrape; their gauges are missing."),
];

/// Every metric but those of the process itself (`process_*`).
pub fn all() -> &'static [Figure] {
    ALL
}

/// The metric of this name.
pub(super) fn named(name: &str) -> Option<&'static Figure> {
    ALL.iter().find(|figure| figure.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        let mut seen = HashSet::new();
        for figure in ALL {
            assert!(seen.insert(figure.name), "{} twice", figure.name);
            assert!(figure.help.ends_with('.'), "{}", figure.name);
            let name = figure.name;
            match figure.kind {
                Kind::Counter => assert!(name.ends_with("_total"), "{name}"),
                Kind::Gauge => assert!(!name.ends_with("_total"), "{name}"),
                Kind::Histogram(bounds) => {
                    assert!(name.ends_with("_seconds"), "{name}");
                    assert!(bounds.is_sorted_by(|a, b| a < b), "{name}");
                }
            }
        }
    }
}
