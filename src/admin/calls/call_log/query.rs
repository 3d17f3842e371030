//! Which calls somebody asks for: read, checked, and put into the terms of the log.

use chrono::{DateTime, NaiveDateTime};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    admin::calls::{CallError, Calls, Field, said},
    store::call_log_read::CallFilter,
};

/// Longest text of a filter.
const LONGEST_FILTER: usize = 200;

/// Which calls are asked for. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub struct CallQuery {
    /// Of this group: its server code, or its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub group: Option<String>,
    /// Of this tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub tool: Option<String>,
    /// That got a result (`true`), or did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// That ended so: `ok`, `tool_error`, `invalid_arguments`, `timeout`, `cancelled`, `panic`, `unknown_tool`, `refused`,
    /// `limited` or `out_of_scope`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub outcome: Option<String>,
    /// By the key with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub key: Option<String>,
    /// By a client whose name and version contain this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub client: Option<String>,
    /// By a caller that gives itself this id (`X-App-Id`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub app: Option<String>,
    /// Made for the registration with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub registration: Option<String>,
    /// By this door: `http`, `stdio`, `cli` or `admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub channel: Option<String>,
    /// In this revision of the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub protocol: Option<String>,
    /// That took at least so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    pub min_ms: Option<u32>,
    /// That arrived at this time or later (RFC 3339; without an offset it is UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 40)]
    pub since: Option<String>,
    /// That arrived before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 40)]
    pub until: Option<String>,
    /// Whose error contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub error: Option<String>,
}

impl Calls {
    /// What is asked for, in the terms of the log.
    pub fn call_filter(&self, query: &CallQuery) -> Result<CallFilter, CallError> {
        let (since, until) = (moment("/since", query.since.as_deref())?, moment("/until", query.until.as_deref())?);
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(CallError::invalid("/until", "结束时间必须晚于开始时间", "must be later than since"));
        }
        let policy = self.gate.policy().current()?;
        // The log outlives groups: what is no code of today is taken for an id.
        let group = query.group.as_ref().map(|code| policy.group(code).map_or_else(|| code.clone(), |found| found.group.id.clone()));
        check_lengths(query)?;
        Ok(CallFilter {
            group_id: group,
            tool_name: query.tool.clone(),
            success: query.success,
            outcome: query.outcome.clone(),
            key_id: query.key.clone(),
            client: query.client.clone(),
            app_id: query.app.clone(),
            registration_id: query.registration.clone(),
            channel: query.channel.clone(),
            protocol: query.protocol.clone(),
            at_least_ms: query.min_ms.map(i64::from),
            since,
            until,
            error: query.error.clone(),
        })
    }
}

/// A point in time that somebody named.
pub(in crate::admin::calls) fn moment(pointer: &str, text: Option<&str>) -> Result<Option<i64>, CallError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    // In a query an unescaped plus is a blank.
    let full = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
    let bare = || ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"].into_iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let found = full.ok().map(|time| time.timestamp_millis()).or_else(|| bare().map(|time| time.and_utc().timestamp_millis()));
    found.map(Some).ok_or_else(|| {
        CallError::invalid(
            pointer,
            "不是一个时间，例如 2026-11-26T10:00:00Z（不带时区即 UTC）",
            "is no time, such as 2026-11-26T10:00:00Z (UTC when it names no offset)",
        )
    })
}

fn check_lengths(query: &CallQuery) -> Result<(), CallError> {
    let texts = [
        ("group", &query.group),
        ("tool", &query.tool),
        ("outcome", &query.outcome),
        ("key", &query.key),
        ("client", &query.client),
        ("app", &query.app),
        ("registration", &query.registration),
        ("channel", &query.channel),
        ("protocol", &query.protocol),
        ("error", &query.error),
    ];
    let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_FILTER);
    let wrong = texts.into_iter().filter(|(_, text)| too_long(text)).map(|(name, _)| Field {
        pointer: format!("/{name}"),
        text: said(format!("最多 {LONGEST_FILTER} 个字符"), format!("{LONGEST_FILTER} characters at most")),
    });
    let wrong: Vec<Field> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(CallError::Invalid(wrong)) }
}
