//! Who was told what, and how it went: notices over live connections and pushes over channels, as lists for people.
//!
//! A list is read by id, which sorts by time; what waits is few, and has an index of its own.

use rusqlite::{Row, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    job_admin::send_again,
    page::Page,
    pushes::PUSH_JOB,
    reach::{self, TOP},
    rows,
};

/// How a notice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeState {
    /// It has not gone over any connection.
    Waiting,
    /// It has, and nobody said they have it.
    Sent,
    /// Its receiver has it.
    Acknowledged,
}

impl NoticeState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Sent, Self::Acknowledged];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Which notices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeFilter {
    /// Only in this state.
    pub state: Option<NoticeState>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only for this user.
    pub recipient_id: Option<String>,
    /// Only of this run.
    pub registration_id: Option<String>,
    /// Only those that come after this id in the list.
    pub after: Option<String>,
    /// So many at most.
    pub limit: u32,
}

/// A notice in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedNotice {
    /// UUID v7.
    pub id: String,
    /// The run it is about.
    pub registration_id: String,
    /// `new_customer`, `customer_claimed`, `escalation`, `message`.
    pub kind: String,
    /// Escalation level; 0 for the first notice.
    pub level: i64,
    /// The user it is for; empty for every consultant.
    pub recipient_id: String,
    /// That user's name, where it is known.
    pub recipient: Option<String>,
    /// What it says.
    pub payload: Value,
    /// When it was made.
    pub created_at: i64,
    /// When it first went over a live connection.
    pub sent_at: Option<i64>,
    /// When the receiver said they have it.
    pub acked_at: Option<i64>,
}

impl ListedNotice {
    /// How it stands.
    pub fn state(&self) -> NoticeState {
        match (self.acked_at, self.sent_at) {
            (Some(_), _) => NoticeState::Acknowledged,
            (None, Some(_)) => NoticeState::Sent,
            (None, None) => NoticeState::Waiting,
        }
    }
}

/// How a push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushState {
    /// It is still to be sent, or sent again.
    Waiting,
    /// The channel has it.
    Delivered,
    /// Nobody sends it any more.
    GivenUp,
}

impl PushState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::GivenUp];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// As the rows say it: when it was delivered, and how its job stands.
    fn of(delivered_at: Option<i64>, job: Option<&str>) -> Self {
        match (delivered_at, job) {
            (Some(_), _) => Self::Delivered,
            (None, Some("ready" | "running")) => Self::Waiting,
            (None, _) => Self::GivenUp,
        }
    }
}

/// Which pushes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushFilter {
    /// Only in this state.
    pub state: Option<PushState>,
    /// Only over this channel.
    pub channel: Option<String>,
    /// Only for this reason.
    pub reason: Option<String>,
    /// Only about this registration or alert.
    pub subject_id: Option<String>,
    /// Only those that come after this id in the list.
    pub after: Option<String>,
    /// So many at most.
    pub limit: u32,
}

/// A push in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedPush {
    /// UUID v7.
    pub id: String,
    /// Name of the channel.
    pub channel: String,
    /// `new_customer`, `escalation`, `alert` or `resolved`.
    pub reason: String,
    /// The registration or the alert.
    pub subject_id: String,
    /// Escalation level.
    pub level: i64,
    /// Title, body, link, data, severity.
    pub payload: Value,
    /// When it was decided.
    pub created_at: i64,
    /// When the channel took it.
    pub delivered_at: Option<i64>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// How it stands.
    pub state: PushState,
    /// Tries so far, while its job is known.
    pub attempts: Option<i64>,
}

// What the lists walk along, without their filters.
const ALL_NOTICES: &str = "SELECT id FROM notifications WHERE id < ?1 ORDER BY id DESC";
const OPEN_NOTICES: &str = "SELECT id FROM notifications INDEXED BY notifications_open WHERE acked_at IS NULL AND id < ?1 ORDER BY id DESC";
const ALL_PUSHES: &str = "SELECT id FROM pushes WHERE id < ?1 ORDER BY id DESC";
const OPEN_PUSHES: &str = "SELECT id FROM pushes INDEXED BY pushes_waiting WHERE delivered_at IS NULL AND id < ?1 ORDER BY id DESC";

impl Store {
    /// Notices, the latest first.
    pub async fn notices(&self, filter: NoticeFilter) -> Result<Page<ListedNotice, String>, StoreError> {
        self.scan(move |db| {
            let NoticeFilter { state, kind, recipient_id, registration_id, after, limit } = filter;
            let (sql, after) = (notices(state, registration_id.is_some()), after.unwrap_or_else(|| TOP.to_owned()));
            let asks = state.is_some() || kind.is_some() || recipient_id.is_some();
            let walk = if matches!(state, Some(NoticeState::Waiting | NoticeState::Sent)) { OPEN_NOTICES } else { ALL_NOTICES };
            let end = if asks && registration_id.is_none() { reach::end(db, walk, [&after])? } else { None };
            let least = end.as_deref().unwrap_or_default();
            let found = rows::all(db, &sql, params![kind, recipient_id, registration_id, after, least, i64::from(limit) + 1], notice)?;
            Ok(reach::page(found, limit, end, |notice: &ListedNotice| notice.id.clone()))
        })
        .await
    }

    /// Pushes, the latest first.
    pub async fn pushes(&self, filter: PushFilter) -> Result<Page<ListedPush, String>, StoreError> {
        self.scan(move |db| {
            let PushFilter { state, channel, reason, subject_id, after, limit } = filter;
            let (sql, after) = (pushes(state, subject_id.is_some()), after.unwrap_or_else(|| TOP.to_owned()));
            let asks = state.is_some() || channel.is_some() || reason.is_some();
            let walk = if matches!(state, Some(PushState::Waiting | PushState::GivenUp)) { OPEN_PUSHES } else { ALL_PUSHES };
            let end = if asks && subject_id.is_none() { reach::end(db, walk, [&after])? } else { None };
            let least = end.as_deref().unwrap_or_default();
            let found = rows::all(db, &sql, params![channel, reason, subject_id, after, least, i64::from(limit) + 1], push)?;
            Ok(reach::page(found, limit, end, |push: &ListedPush| push.id.clone()))
        })
        .await
    }

    /// One push, as it stands.
    pub fn listed_push(&self, id: &str) -> Result<Option<ListedPush>, StoreError> {
        self.point(|db| rows::one(db, &format!("{PUSHES} WHERE p.id = ?1"), [id], push))
    }

    /// Sends a push again that was given up.
    pub async fn resend_push(&self, id: &str, by: By) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let known = rows::one(db, &format!("{PUSHES} WHERE p.id = ?1"), [&id], push)?;
            let before = known.ok_or_else(|| StoreError::NotFound(format!("there is no push {id}")))?;
            match before.state {
                PushState::GivenUp => {}
                PushState::Waiting => return Err(StoreError::Conflict(format!("the push {id} waits to be sent already"))),
                PushState::Delivered => return Err(StoreError::Conflict(format!("the channel has the push {id}"))),
            }
            send_again(db, PUSH_JOB, &id, by.at)?;
            let change = Change::new("push.resend", format!("push/{}/{id}", before.channel));
            let was = json!({"state": before.state.as_str(), "last_error": before.last_error});
            audit::append(db, &by, &change.before(was).after(json!({"state": "waiting"})))
        })
        .await
    }
}

/// One text for each state, and for one run: so each finds its index.
fn notices(state: Option<NoticeState>, of_run: bool) -> String {
    let run = if of_run { "n.registration_id = ?3" } else { "?3 IS NULL" };
    let state = match state {
        None => "",
        Some(NoticeState::Waiting) => "n.acked_at IS NULL AND n.sent_at IS NULL AND",
        Some(NoticeState::Sent) => "n.acked_at IS NULL AND n.sent_at IS NOT NULL AND",
        Some(NoticeState::Acknowledged) => "n.acked_at IS NOT NULL AND",
    };
    let index = if state.contains("acked_at IS NULL") && !of_run { "INDEXED BY notifications_open" } else { "" };
    format!(
        "SELECT n.id, n.registration_id, n.kind, n.level, n.recipient_id, u.username, n.payload, n.created_at, n.sent_at, n.acked_at
        FROM notifications n {index} LEFT JOIN users u ON u.id = n.recipient_id
        WHERE {state} (?1 IS NULL OR n.kind = ?1) AND (?2 IS NULL OR n.recipient_id = ?2) AND {run}
            AND n.id < ?4 AND n.id >= ?5 ORDER BY n.id DESC LIMIT ?6"
    )
}

fn notice(row: &Row<'_>) -> rusqlite::Result<ListedNotice> {
    Ok(ListedNotice {
        id: row.get(0)?,
        registration_id: row.get(1)?,
        kind: row.get(2)?,
        level: row.get(3)?,
        recipient_id: row.get(4)?,
        recipient: row.get(5)?,
        payload: rows::json(row, 6)?,
        created_at: row.get(7)?,
        sent_at: row.get(8)?,
        acked_at: row.get(9)?,
    })
}

const PUSHES: &str = "SELECT p.id, p.channel, p.reason, p.subject_id, p.level, p.payload, p.created_at, p.delivered_at, p.last_error,
        j.state, j.attempt
    FROM pushes p LEFT JOIN jobs j ON j.kind = 'push' AND j.subject_id = p.id";

/// The same of pushes.
fn pushes(state: Option<PushState>, of_subject: bool) -> String {
    // Every reason there is: with them, the index by reason and subject is found.
    let reasons = "p.reason IN ('new_customer', 'escalation', 'alert', 'resolved')";
    let subject = if of_subject { format!("{reasons} AND p.subject_id = ?3") } else { "?3 IS NULL".to_owned() };
    let state = match state {
        None => "",
        Some(PushState::Waiting) => "p.delivered_at IS NULL AND coalesce(j.state, '') IN ('ready', 'running') AND",
        Some(PushState::Delivered) => "p.delivered_at IS NOT NULL AND",
        Some(PushState::GivenUp) => "p.delivered_at IS NULL AND coalesce(j.state, '') NOT IN ('ready', 'running') AND",
    };
    format!(
        "{PUSHES} WHERE {state} (?1 IS NULL OR p.channel = ?1) AND (?2 IS NULL OR p.reason = ?2) AND {subject}
            AND p.id < ?4 AND p.id >= ?5 ORDER BY p.id DESC LIMIT ?6"
    )
}

fn push(row: &Row<'_>) -> rusqlite::Result<ListedPush> {
    let delivered_at = row.get(7)?;
    Ok(ListedPush {
        id: row.get(0)?,
        channel: row.get(1)?,
        reason: row.get(2)?,
        subject_id: row.get(3)?,
        level: row.get(4)?,
        payload: rows::json(row, 5)?,
        created_at: row.get(6)?,
        delivered_at,
        last_error: row.get(8)?,
        state: PushState::of(delivered_at, row.get::<_, Option<String>>(9)?.as_deref()),
        attempts: row.get(10)?,
    })
}

#[cfg(test)]
mod tests;
