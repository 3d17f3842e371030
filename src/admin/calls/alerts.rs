//! What administrators must know: conditions that hold, and those that did. Each is opened and resolved by the watcher.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{CallError, Calls, Listed, pages};
use crate::{
    clock::rfc3339,
    store::alerts::{Alert, AlertFilter},
};

/// Which alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertsWanted {
    /// Only those that are open, or only those that are not.
    pub open: Option<bool>,
    /// Only of this condition, such as `dead_letter`.
    pub condition: Option<String>,
    /// `warning` or `critical`.
    pub severity: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Entries of the page.
    pub limit: u32,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlertView {
    /// Its id.
    pub id: String,
    /// Name of the condition, such as `dead_letter` or `breaker_open`.
    pub condition: String,
    /// What it is about; empty when there is only one.
    pub subject: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// One line for people, in both languages.
    pub summary: String,
    /// The figures behind it.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// Whether the condition holds.
    pub open: bool,
    /// When it was first seen.
    pub opened_at: String,
    /// When it was last seen.
    pub seen_at: String,
    /// When it was no longer so.
    pub resolved_at: Option<String>,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        Self {
            id: alert.id,
            condition: alert.condition,
            subject: alert.subject,
            severity: alert.severity,
            summary: alert.summary,
            detail: alert.detail,
            open: alert.resolved_at.is_none(),
            opened_at: rfc3339(alert.opened_at),
            seen_at: rfc3339(alert.seen_at),
            resolved_at: alert.resolved_at.map(rfc3339),
        }
    }
}

impl Calls {
    /// Alerts, the latest first.
    pub async fn alerts(&self, wanted: AlertsWanted) -> Result<Listed<AlertView>, CallError> {
        let filter = AlertFilter {
            open: wanted.open,
            condition: wanted.condition,
            severity: wanted.severity,
            after: pages::read(wanted.cursor.as_deref())?,
            limit: wanted.limit.saturating_add(1),
        };
        let found = self.store.alerts(filter).await?;
        Ok(pages::cut(found, wanted.limit, |alert| pages::cursor(alert.opened_at, &alert.id), AlertView::from))
    }

    /// One alert.
    pub fn alert(&self, id: &str) -> Result<AlertView, CallError> {
        let alert = self.store.alert(id)?;
        alert.map(AlertView::from).ok_or_else(|| CallError::not_found(format!("没有告警 {id}"), format!("there is no alert {id}")))
    }
}
