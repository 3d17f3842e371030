//! The PRD's two paths for its administrators' panel: `/registration-automation/metrics` (PRD 4.3.4) and
//! `/admin/registration-automation/dashboard` (PRD 6.1), with the names of its fields and the figures of the overview.
//!
//! They answer plain objects, as the PRD does, and not the envelope of `/mcp/admin`. Figures are those of thirty days
//! unless `range` says otherwise; times are milliseconds. While there is nothing to measure a figure is what the PRD has
//! it start with, and nothing (`null`) where the PRD does not say.

use std::{cmp::Reverse, collections::BTreeMap};

use axum::{Json, Router, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    days::{Day, days},
    mcp_admin::server_status,
};
use crate::admin::{
    api::frame::{ApiError, Asked},
    calls::{
        CallError, Calls,
        errors::{ErrorKind, ErrorQuery, ErrorType},
        figures::{AgentSummaryView, AutomationView, CallSummaryView, OverviewView, Range},
        health::Health,
    },
    entry::Reader,
    state::AdminState,
};

/// Types of errors that are told.
const ERRORS: usize = 20;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/registration-automation/metrics", get(metrics)).route("/admin/registration-automation/dashboard", get(dashboard))
}

/// For how long back.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    range: Option<Range>,
}

impl Wanted {
    fn range(&self) -> Range {
        self.range.unwrap_or(Range::Month)
    }
}

/// What `/registration-automation/metrics` answers.
#[derive(Debug, Serialize)]
struct Figures {
    mcp_metrics: McpMetrics,
    dify_agent_status: Vec<AgentStatus>,
    automation_success_rate: f64,
    daily_registrations: Vec<Day>,
    welcome_message_stats: Welcomes,
    #[serde(flatten)]
    period: Period,
}

async fn metrics(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Figures>, ApiError> {
    let view = reader.calls.overview(wanted.range()).await?;
    Ok(Json(Figures {
        mcp_metrics: McpMetrics::of(&view.calls),
        dify_agent_status: view.agents.iter().map(AgentStatus::of).collect(),
        automation_success_rate: view.registrations.success.share.unwrap_or_default(),
        daily_registrations: days(&reader.calls, wanted.range()).await?,
        welcome_message_stats: Welcomes::of(&view.automation),
        period: Period::of(&view),
    }))
}

/// What `/admin/registration-automation/dashboard` answers.
#[derive(Debug, Serialize)]
struct Dashboard {
    automation_metrics: AutomationMetrics,
    mcp_server_status: Value,
    dify_agent_status: Vec<AgentStatus>,
    recent_errors: Vec<RecentError>,
    system_health: SystemHealth,
    #[serde(flatten)]
    period: Period,
}

async fn dashboard(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<Dashboard>, ApiError> {
    let calls = &reader.calls;
    let view = calls.overview(wanted.range()).await?;
    Ok(Json(Dashboard {
        automation_metrics: AutomationMetrics::of(&view, days(calls, wanted.range()).await?),
        mcp_server_status: server_status(calls)?,
        dify_agent_status: view.agents.iter().map(AgentStatus::of).collect(),
        recent_errors: recent(calls.errors(&ErrorQuery::default()).await?.types),
        system_health: SystemHealth::now(calls).await?,
        period: Period::of(&view),
    }))
}

/// The time the figures are of.
#[derive(Debug, Serialize)]
struct Period {
    range: Range,
    since: String,
    until: String,
}

impl Period {
    fn of(view: &OverviewView) -> Self {
        Self { range: view.range, since: view.since.clone(), until: view.until.clone() }
    }
}

/// Tool calls. What was refused before it reached a tool is in the total, and with no tool.
#[derive(Debug, Serialize)]
struct McpMetrics {
    total_calls: i64,
    tool_calls: BTreeMap<String, i64>,
    error_rates: BTreeMap<String, f64>,
    success_rate: f64,
}

impl McpMetrics {
    fn of(calls: &CallSummaryView) -> Self {
        Self {
            total_calls: calls.calls,
            tool_calls: calls.tools.iter().map(|tool| (tool.tool.clone(), tool.calls)).collect(),
            error_rates: calls.tools.iter().map(|tool| (tool.tool.clone(), tool.failed.share.unwrap_or_default())).collect(),
            success_rate: 1.0 - calls.failed as f64 / calls.calls.max(1) as f64,
        }
    }
}

/// How an agent stands and does.
#[derive(Debug, Serialize)]
struct AgentStatus {
    agent_id: String,
    name: Option<String>,
    /// `available`, `unavailable`, `recovering`, or `unknown` while it was not asked since the start.
    status: &'static str,
    calls: i64,
    success_rate: Option<f64>,
    average_response_time: Option<f64>,
}

impl AgentStatus {
    fn of(agent: &AgentSummaryView) -> Self {
        let status = match agent.standing.as_ref().map(|standing| standing.breaker.as_str()) {
            Some("closed") => "available",
            Some("half_open") => "recovering",
            Some(_) => "unavailable",
            None => "unknown",
        };
        Self {
            agent_id: agent.agent_id.clone(),
            name: agent.agent.clone(),
            status,
            calls: agent.questions,
            success_rate: agent.answered.share,
            average_response_time: agent.latency.mean_ms,
        }
    }
}

/// Who wrote the welcomes, and how long they took.
#[derive(Debug, Serialize)]
struct Welcomes {
    total: i64,
    by_agent: i64,
    by_fallback_agent: i64,
    by_segment_template: i64,
    by_static_text: i64,
    within_deadline_rate: Option<f64>,
    average_response_time: f64,
    p95_response_time: Option<i64>,
}

impl Welcomes {
    fn of(automation: &AutomationView) -> Self {
        let (by, response) = (automation.welcomes, automation.first_response);
        Self {
            total: by.agent + by.fallback_agent + by.segment + by.static_text,
            by_agent: by.agent,
            by_fallback_agent: by.fallback_agent,
            by_segment_template: by.segment,
            by_static_text: by.static_text,
            within_deadline_rate: automation.by_deadline.share,
            average_response_time: response.mean_ms.unwrap_or_default(),
            p95_response_time: response.p95_ms,
        }
    }
}

/// The automation at a glance.
#[derive(Debug, Serialize)]
struct AutomationMetrics {
    success_rate: f64,
    total_automations: i64,
    mcp_call_count: i64,
    dify_call_count: i64,
    average_response_time: f64,
    daily_trends: Vec<Day>,
}

impl AutomationMetrics {
    fn of(view: &OverviewView, daily_trends: Vec<Day>) -> Self {
        let success = view.registrations.success;
        Self {
            success_rate: success.share.unwrap_or_default(),
            total_automations: success.of,
            mcp_call_count: view.calls.calls,
            dify_call_count: view.agents.iter().map(|agent| agent.questions).sum(),
            average_response_time: view.automation.first_response.mean_ms.unwrap_or_default(),
            daily_trends,
        }
    }
}

/// A type of error of the last day.
#[derive(Debug, Serialize)]
struct RecentError {
    time: String,
    kind: ErrorKind,
    what: String,
    outcome: String,
    error_message: String,
    count: usize,
}

/// The types that happened last, the latest first.
fn recent(mut types: Vec<ErrorType>) -> Vec<RecentError> {
    types.sort_by_key(|known| Reverse(known.last_at.clone()));
    let told = |known: ErrorType| RecentError {
        time: known.last_at,
        kind: known.kind,
        what: known.what,
        outcome: known.outcome,
        error_message: known.message,
        count: known.count,
    };
    types.into_iter().take(ERRORS).map(told).collect()
}

/// How it goes at present: mean times of the last hour, and the database.
#[derive(Debug, Serialize)]
struct SystemHealth {
    mcp_response_time: Option<f64>,
    dify_response_time: Option<f64>,
    database_status: Health,
}

impl SystemHealth {
    async fn now(calls: &Calls) -> Result<Self, CallError> {
        let view = calls.overview(Range::Hour).await?;
        let checks = calls.health()?;
        let about_files = checks.iter().filter(|check| matches!(check.name, "database" | "wal" | "disk"));
        Ok(Self {
            mcp_response_time: view.calls.latency.mean_ms,
            dify_response_time: mean_of_all(&view.agents),
            database_status: about_files.map(|check| check.state).max().unwrap_or(Health::Ok),
        })
    }
}

/// The mean over the answers of all agents.
fn mean_of_all(agents: &[AgentSummaryView]) -> Option<f64> {
    let answers: usize = agents.iter().map(|agent| agent.latency.count).sum();
    let time: f64 = agents.iter().filter_map(|agent| Some(agent.latency.mean_ms? * agent.latency.count as f64)).sum();
    (answers > 0).then(|| time / answers as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::calls::agents::{ShareView, SpreadView};

    fn agent(latency: (usize, Option<f64>)) -> AgentSummaryView {
        AgentSummaryView {
            agent_id: "a".into(),
            agent: None,
            questions: 3,
            answered: ShareView { hits: 0, of: 0, share: None },
            latency: SpreadView { count: latency.0, mean_ms: latency.1, p50_ms: None, p95_ms: None },
            tokens: 0,
            costs: Vec::new(),
            standing: None,
        }
    }

    #[test]
    fn agents_count_by_their_answers() {
        assert_eq!(mean_of_all(&[agent((3, Some(100.0))), agent((1, Some(500.0))), agent((0, None))]), Some(200.0));
        assert_eq!(mean_of_all(&[agent((0, None))]), None);
        assert_eq!(mean_of_all(&[]), None);
    }

    #[test]
    fn nothing_measured_divides_by_nothing() {
        let none = ShareView { hits: 0, of: 0, share: None };
        let latency = SpreadView { count: 0, mean_ms: None, p50_ms: None, p95_ms: None };
        let metrics = McpMetrics::of(&CallSummaryView { calls: 0, failed: 0, available: none, latency, tools: Vec::new() });
        assert_eq!((metrics.total_calls, metrics.success_rate, metrics.tool_calls.len()), (0, 1.0, 0));
    }
}
