//! Events in an operator's hands: listed, sent again; and the receiver, taken out of use and put back.

use rusqlite::{Row, params};
use serde::Serialize;
use serde_json::json;

use super::{EVENT_JOB, EventState, endpoint};
use crate::store::{
    Store, StoreError,
    audit::{self, By, Change},
    job_admin::send_again,
    page::Page,
    reach::{self, TOP},
    rows,
};

/// An event in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedEvent {
    /// Its `webhook-id`.
    pub id: String,
    /// Kind of event.
    pub kind: String,
    /// The run.
    pub registration_id: String,
    /// When it was made.
    pub created_at: i64,
    /// `waiting`, `delivered` or `given_up`.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Status of the last one.
    pub last_status: Option<u16>,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only in this state.
    pub state: Option<EventState>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of this run.
    pub registration_id: Option<String>,
    /// Only those that come after this one in the list: when it was made, and its id.
    pub after: Option<(i64, String)>,
    /// So many at most.
    pub limit: u32,
}

// What the list walks along, without its filters.
const ALL: &str = "SELECT created_at FROM outgoing_events WHERE created_at <= ?1 ORDER BY created_at DESC";
const UNDELIVERED: &str = "SELECT created_at FROM outgoing_events INDEXED BY outgoing_events_waiting
    WHERE delivered_at IS NULL AND created_at <= ?1 ORDER BY created_at DESC";

impl Store {
    /// Events, the latest first.
    pub async fn events(&self, filter: EventFilter) -> Result<Page<ListedEvent, (i64, String)>, StoreError> {
        self.scan(move |db| {
            let EventFilter { state, kind, registration_id, after, limit } = filter;
            let (sql, (at, id)) = (list(state, registration_id.is_some()), after.unwrap_or((i64::MAX, String::new())));
            let asks = state.is_some() || kind.is_some();
            let walk = if matches!(state, Some(EventState::Waiting | EventState::GivenUp)) { UNDELIVERED } else { ALL };
            let end = if asks && registration_id.is_none() { reach::end(db, walk, [at])? } else { None };
            let least = end.unwrap_or(i64::MIN);
            let found = rows::all(db, &sql, params![kind, registration_id, at, id, least, i64::from(limit) + 1], listed)?;
            // All of the moment at which the reach ends were looked at.
            let end = end.map(|end| (end - 1, TOP.to_owned()));
            Ok(reach::page(found, limit, end, |event: &ListedEvent| (event.created_at, event.id.clone())))
        })
        .await
    }

    /// How many events wait for the receiver.
    pub async fn count_waiting_events(&self) -> Result<i64, StoreError> {
        self.scan(|db| {
            let sql = "SELECT count(*) FROM outgoing_events WHERE delivered_at IS NULL AND given_up_at IS NULL";
            db.prepare_cached(sql)?.query_row([], |row| row.get(0))
        })
        .await
    }

    /// Sends an event again, whatever became of it.
    pub async fn replay_event(&self, event_id: &str, by: By) -> Result<(), StoreError> {
        let id = event_id.to_owned();
        self.write(move |db| {
            let sql = "SELECT kind, delivered_at, given_up_at FROM outgoing_events WHERE id = ?1";
            let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, EventState::of(row.get(1)?, row.get(2)?)));
            let (kind, state) = rows::one(db, sql, [&id], read)?.ok_or_else(|| StoreError::NotFound(format!("there is no event {id}")))?;
            db.execute("UPDATE outgoing_events SET delivered_at = NULL, given_up_at = NULL WHERE id = ?1", [&id])?;
            send_again(db, EVENT_JOB, &id, by.at)?;
            let change = Change::new("event.replay", format!("event/{id}")).before(json!({"kind": kind, "state": state.as_str()}));
            audit::append(db, &by, &change.after(json!({"state": "waiting"})))
        })
        .await
    }

    /// Takes the receiver out of use with a reason, or puts it back. What changes nothing leaves no trace.
    pub async fn set_event_endpoint(&self, disabled: Option<String>, by: By) -> Result<(), StoreError> {
        self.write(move |db| {
            let before = endpoint(db)?;
            if before.disabled_at.is_some() == disabled.is_some() {
                return Ok(());
            }
            let (action, at) = if disabled.is_some() { ("events.disable", Some(by.at)) } else { ("events.enable", None) };
            db.execute(
                "UPDATE event_endpoint SET disabled_at = ?1, reason = ?2, failing_since = CASE WHEN ?1 IS NULL THEN NULL ELSE failing_since END",
                params![at, disabled],
            )?;
            let change = Change::new(action, "events/endpoint").before(json!(before)).after(json!(endpoint(db)?));
            audit::append(db, &by, &change)
        })
        .await
    }
}

/// One text for each state, and for one run: so each finds its index.
fn list(state: Option<EventState>, of_run: bool) -> String {
    let run = if of_run { "e.registration_id = ?2" } else { "?2 IS NULL" };
    let state = match state {
        None => "",
        Some(EventState::Waiting) => "e.delivered_at IS NULL AND e.given_up_at IS NULL AND",
        Some(EventState::Delivered) => "e.delivered_at IS NOT NULL AND",
        Some(EventState::GivenUp) => "e.delivered_at IS NULL AND e.given_up_at IS NOT NULL AND",
    };
    format!(
        "SELECT e.id, e.kind, e.registration_id, e.created_at, e.delivered_at, e.given_up_at,
            (SELECT count(*) FROM event_attempts WHERE event_id = e.id),
            (SELECT status FROM event_attempts WHERE event_id = e.id ORDER BY attempt DESC LIMIT 1),
            (SELECT error FROM event_attempts WHERE event_id = e.id ORDER BY attempt DESC LIMIT 1)
        FROM outgoing_events e
        WHERE {state} (?1 IS NULL OR e.kind = ?1) AND {run} AND (e.created_at, e.id) < (?3, ?4) AND e.created_at >= ?5
        ORDER BY e.created_at DESC, e.id DESC LIMIT ?6"
    )
}

fn listed(row: &Row<'_>) -> rusqlite::Result<ListedEvent> {
    Ok(ListedEvent {
        id: row.get(0)?,
        kind: row.get(1)?,
        registration_id: row.get(2)?,
        created_at: row.get(3)?,
        state: EventState::of(row.get(4)?, row.get(5)?).as_str().to_owned(),
        attempts: row.get(6)?,
        last_status: row.get(7)?,
        last_error: row.get(8)?,
    })
}
