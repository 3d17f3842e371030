//! Alerts: what is wrong now, and what was.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    form::{FormState, Queried},
    frame::{Frame, Page, PageError},
    live::live,
    shown::side,
    texts::Texts,
};
use crate::admin::{
    calls::{
        CallError, Calls, Listed,
        alerts::{AlertView, AlertsWanted},
    },
    entry::Reader,
    state::AdminState,
};

/// Entries of a page.
const PAGE: u32 = 50;
/// Most open alerts that are shown: dead letters beyond ten are one alert.
const MOST_OPEN: u32 = 200;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/alerts", get(list)).route("/panel/alerts/live", get(renewed))
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    form: FormState,
    open: String,
    past: Listed<AlertView>,
    query: String,
}

/// The open alerts alone: what is sent when they change.
#[derive(Template)]
#[template(path = "alerts_open.html")]
struct OpenAlerts {
    t: Texts,
    alerts: Vec<AlertView>,
}

/// The key of the name of a condition.
fn condition_key(condition: &str) -> &'static str {
    match condition {
        "dead_letter" => "alerts-dead-letter",
        "breaker_open" => "alerts-breaker-open",
        "success_rate" => "alerts-success-rate",
        "agent_success" => "alerts-agent-success",
        "no_success" => "alerts-no-success",
        "disk_low" => "alerts-disk-low",
        "backlog_old" => "alerts-backlog-old",
        "events_disabled" => "alerts-events-disabled",
        "channel_failing" => "alerts-channel-failing",
        "rolled_back" => "alerts-rolled-back",
        "old_key_in_use" => "alerts-old-key",
        _ => "alerts-other",
    }
}

fn severity_key(severity: &str) -> &'static str {
    if severity == "critical" { "alerts-critical" } else { "alerts-warning" }
}

/// Where something can be done about a condition.
fn remedy(condition: &str) -> &'static str {
    match condition {
        "dead_letter" => "/panel/jobs?state=dead",
        "breaker_open" | "agent_success" | "rolled_back" => "/panel/agents",
        "events_disabled" => "/panel/notifications/events",
        "channel_failing" => "/panel/notifications/pushes?state=given_up",
        "backlog_old" => "/panel/jobs?state=ready",
        "old_key_in_use" => "/panel/groups",
        "disk_low" => "/panel/server",
        _ => "/panel/registrations",
    }
}

async fn open(calls: &Calls, t: Texts) -> Result<String, CallError> {
    let wanted = AlertsWanted { open: Some(true), limit: MOST_OPEN, ..AlertsWanted::default() };
    let alerts = OpenAlerts { t, alerts: calls.alerts(wanted).await?.items };
    Ok(alerts.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the list of open alerts could not be made");
        String::new()
    }))
}

async fn list(frame: Frame, reader: Reader, Queried(query): Queried) -> Result<Response, PageError> {
    let given = |name: &str| query.given(name).map(str::to_owned);
    let wanted = AlertsWanted {
        open: Some(false),
        condition: given("condition"),
        severity: given("severity"),
        cursor: given("cursor"),
        limit: PAGE,
    };
    let page = AlertsPage {
        open: open(&reader.calls, frame.t).await?,
        past: reader.calls.alerts(wanted).await?,
        query: query.query_but(&["cursor", "said"]),
        form: FormState::new(query),
        frame,
    };
    Ok(Page::ok(page).into_response())
}

async fn renewed(frame: Frame, reader: Reader) -> Response {
    let (calls, t) = (reader.calls, frame.t);
    let stop = calls.running.as_ref().map(|running| running.stop.clone()).unwrap_or_default();
    live(stop, move || {
        let calls = calls.clone();
        async move { open(&calls, t).await.ok() }
    })
}
