//! Alerts: one open row for each condition and subject, with the pushes that tell of it in the same transaction.
//!
//! What a condition is and when it holds is the watcher's business (`alerts/`); here a row is opened once, refreshed,
//! and resolved, and each opening and each resolution is told once over every channel.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    pushes::{self, NewPush},
    rows,
};
use crate::ids::new_id_at;

/// An alert about to be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlert {
    /// Name of the condition.
    pub condition: &'static str,
    /// What it is about; empty when there is only one.
    pub subject: String,
    /// `warning` or `critical`.
    pub severity: &'static str,
    /// What kind of alert it is, for people.
    pub title: String,
    /// One line for people.
    pub summary: String,
    /// The figures behind it.
    pub detail: Value,
}

/// An alert as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// UUID v7.
    pub id: String,
    /// Name of the condition.
    pub condition: String,
    /// What it is about.
    pub subject: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// One line for people.
    pub summary: String,
    /// The figures behind it.
    pub detail: Value,
    /// When the condition was first seen.
    pub opened_at: i64,
    /// When it was last seen.
    pub seen_at: i64,
    /// When it was no longer so.
    pub resolved_at: Option<i64>,
}

/// Which alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Only those that are open, or only those that are not.
    pub open: Option<bool>,
    /// Only of this condition.
    pub condition: Option<String>,
    /// Only of this severity.
    pub severity: Option<String>,
    /// Only those that come after this one in the list: when it was opened, and its id.
    pub after: Option<(i64, String)>,
    /// So many at most.
    pub limit: u32,
}

/// What a look at a condition changes.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertChange {
    /// It holds, and no alert says so.
    Open(NewAlert),
    /// It still holds.
    Seen {
        /// The open alert.
        id: String,
        /// Today's line.
        summary: String,
        /// Today's figures.
        detail: Value,
    },
    /// It no longer holds.
    Resolve {
        /// The open alert.
        id: String,
        /// What kind of notice it is, for people.
        title: String,
    },
}

impl Store {
    /// Alerts that are not resolved, oldest first.
    pub fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        self.point(|db| rows::all(db, &format!("{ALERTS} WHERE resolved_at IS NULL ORDER BY opened_at, id"), [], alert))
    }

    /// The latest alerts, open or not, newest first.
    pub async fn latest_alerts(&self, most: usize) -> Result<Vec<Alert>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.scan(move |db| rows::all(db, &format!("{ALERTS} ORDER BY opened_at DESC, id DESC LIMIT ?1"), [most], alert)).await
    }

    /// Alerts that fit, the latest first.
    pub async fn alerts(&self, filter: AlertFilter) -> Result<Vec<Alert>, StoreError> {
        self.scan(move |db| {
            let open = match filter.open {
                None => "",
                Some(true) => "resolved_at IS NULL AND",
                Some(false) => "resolved_at IS NOT NULL AND",
            };
            let (at, id) = filter.after.unwrap_or((i64::MAX, String::new()));
            let sql = format!(
                "{ALERTS} WHERE {open} (?1 IS NULL OR condition = ?1) AND (?2 IS NULL OR severity = ?2) AND (opened_at, id) < (?3, ?4)
                 ORDER BY opened_at DESC, id DESC LIMIT ?5"
            );
            rows::all(db, &sql, params![filter.condition, filter.severity, at, id, filter.limit], alert)
        })
        .await
    }

    /// One alert.
    pub fn alert(&self, id: &str) -> Result<Option<Alert>, StoreError> {
        self.point(|db| rows::one(db, &format!("{ALERTS} WHERE id = ?1"), [id], alert))
    }

    /// Writes down what a look has shown, all of it or nothing, and tells of it over the channels. Says how many pushes
    /// were added.
    pub async fn change_alerts(&self, changes: Vec<AlertChange>, channels: Vec<String>, now: i64) -> Result<usize, StoreError> {
        self.write(move |db| {
            let mut pushes = 0;
            for change in &changes {
                pushes += apply(db, change, &channels, now)?;
            }
            Ok(pushes)
        })
        .await
    }
}

fn apply(db: &Connection, change: &AlertChange, channels: &[String], now: i64) -> Result<usize, StoreError> {
    match change {
        AlertChange::Open(new) => open(db, new, channels, now),
        AlertChange::Seen { id, summary, detail } => {
            db.prepare_cached("UPDATE alerts SET seen_at = ?2, summary = ?3, detail = ?4 WHERE id = ?1 AND resolved_at IS NULL")?
                .execute(params![id, now, summary, detail.to_string()])?;
            Ok(0)
        }
        AlertChange::Resolve { id, title } => resolve(db, id, title, channels, now),
    }
}

/// Opens an alert in the transaction of whoever found its reason. One that is open already is seen again, quietly.
pub(super) fn open(db: &Connection, new: &NewAlert, channels: &[String], now: i64) -> Result<usize, StoreError> {
    let id = new_id_at(now);
    let kept: String = db
        .prepare_cached(
            "INSERT INTO alerts (id, condition, subject, severity, summary, detail, opened_at, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
             ON CONFLICT (condition, subject) WHERE resolved_at IS NULL
             DO UPDATE SET seen_at = excluded.seen_at, summary = excluded.summary, detail = excluded.detail
             RETURNING id",
        )?
        .query_row(params![id, new.condition, new.subject, new.severity, new.summary, new.detail.to_string(), now], |row| row.get(0))?;
    if kept != id {
        return Ok(0);
    }
    let push = NewPush {
        reason: "alert",
        subject_id: id.clone(),
        level: 0,
        payload: json!({
            "title": new.title,
            "body": new.summary,
            "severity": new.severity,
            "data": {"alert_id": id, "condition": new.condition, "subject": new.subject, "detail": new.detail},
        }),
        channels: channels.to_vec(),
    };
    Ok(pushes::add(db, &push, now)?)
}

fn resolve(db: &Connection, id: &str, title: &str, channels: &[String], now: i64) -> Result<usize, StoreError> {
    let resolved = rows::one(
        db,
        "UPDATE alerts SET resolved_at = ?2 WHERE id = ?1 AND resolved_at IS NULL
         RETURNING id, condition, subject, severity, summary, detail, opened_at, seen_at, resolved_at",
        params![id, now],
        alert,
    )?;
    let Some(alert) = resolved else { return Ok(0) };
    let push = NewPush {
        reason: "resolved",
        subject_id: alert.id.clone(),
        level: 0,
        payload: json!({
            "title": title,
            "body": alert.summary,
            "severity": "info",
            "data": {"alert_id": alert.id, "condition": alert.condition, "subject": alert.subject, "open_ms": now - alert.opened_at},
        }),
        channels: channels.to_vec(),
    };
    Ok(pushes::add(db, &push, now)?)
}

const ALERTS: &str = "SELECT id, condition, subject, severity, summary, detail, opened_at, seen_at, resolved_at FROM alerts";

fn alert(row: &Row<'_>) -> rusqlite::Result<Alert> {
    Ok(Alert {
        id: row.get(0)?,
        condition: row.get(1)?,
        subject: row.get(2)?,
        severity: row.get(3)?,
        summary: row.get(4)?,
        detail: rows::json(row, 5)?,
        opened_at: row.get(6)?,
        seen_at: row.get(7)?,
        resolved_at: row.get(8)?,
    })
}
