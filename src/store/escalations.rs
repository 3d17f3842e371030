//! Who was told, and when, that nobody has claimed a customer.
//!
//! A level is recorded together with the notifications and pushes it makes, and only while the customer still waits:
//! a claim and a level that come at the same moment are one after the other, and after a claim there is no level.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::{
    Store, StoreError,
    pushes::{self, NewPush},
    rows,
};
use crate::ids::new_id_at;

/// Who is told at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The consultants who take customers.
    Consultants,
    /// Those of `consultants.is_supervisor`.
    Supervisors,
    /// Accounts in the role `admin`.
    Administrators,
}

impl Audience {
    /// As the table and the settings name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consultants => "again",
            Self::Supervisors => "supervisors",
            Self::Administrators => "administrator",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Consultants => CONSULTANTS,
            Self::Supervisors => SUPERVISORS,
            Self::Administrators => ADMINISTRATORS,
        }
    }
}

/// A customer who waits, as the escalation sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclaimed {
    /// The run.
    pub registration_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The customer.
    pub customer_id: String,
    /// When consultants were first told.
    pub notified_at: i64,
    /// The last level that was reached; 0 before the first.
    pub level: i64,
}

/// A level about to be reached.
#[derive(Debug, Clone)]
pub struct NewLevel {
    /// The run.
    pub registration_id: String,
    /// 1 for the first.
    pub level: i64,
    /// Who is told.
    pub audience: Audience,
    /// What they are told over live connections.
    pub notice: Value,
    /// What goes over the channels.
    pub push: NewPush,
}

/// Whom a level reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// Accounts that have a notification; the empty name stands for every consultant, when none is known.
    pub recipients: Vec<String>,
    /// Channels that have a push.
    pub pushes: usize,
}

const UNCLAIMED: &str = "
    SELECT r.id, c.id, c.customer_id, min(n.created_at), coalesce((SELECT max(e.level) FROM escalations e WHERE e.registration_id = r.id), 0)
      FROM registrations r JOIN conversations c ON c.registration_id = r.id JOIN notifications n ON n.registration_id = r.id
     WHERE r.id = ?1 AND n.kind = 'new_customer' AND c.status = 'open' AND r.state NOT IN ('skipped', 'cancelled')
       AND NOT EXISTS (SELECT 1 FROM claims k WHERE k.registration_id = r.id)
     GROUP BY r.id";
const RECORD: &str =
    "INSERT INTO escalations (registration_id, level, target, escalated_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
const TELL: &str = "INSERT INTO notifications (id, registration_id, kind, level, recipient_id, payload, created_at)
    VALUES (?1, ?2, 'escalation', ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
const CONSULTANTS: &str = r#"
    SELECT u.id FROM users u LEFT JOIN consultants c ON c.user_id = u.id
     WHERE u.is_active = 1 AND coalesce(c.is_available, 1) = 1
       AND u.roles <> '["customer"]' AND EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = 'consultant')
     ORDER BY u.id"#;
const SUPERVISORS: &str = "
    SELECT u.id FROM consultants c JOIN users u ON u.id = c.user_id WHERE c.is_supervisor = 1 AND u.is_active = 1 ORDER BY u.id";
const ADMINISTRATORS: &str = r#"
    SELECT u.id FROM users u WHERE u.is_active = 1 AND u.roles <> '["customer"]'
       AND EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = 'admin') ORDER BY u.id"#;

impl Store {
    /// The customer of a run, while consultants were told and nobody came.
    pub fn unclaimed(&self, registration_id: &str) -> Result<Option<Unclaimed>, StoreError> {
        self.point(|db| unclaimed(db, registration_id))
    }

    /// Reaches a level, unless somebody came meanwhile or it was reached before: then nothing is changed.
    pub async fn escalate(&self, level: NewLevel, now: i64) -> Result<Option<Reached>, StoreError> {
        self.write(move |db| escalate(db, &level, now)).await
    }
}

fn unclaimed(db: &Connection, registration_id: &str) -> rusqlite::Result<Option<Unclaimed>> {
    rows::one(db, UNCLAIMED, [registration_id], |row| {
        Ok(Unclaimed {
            registration_id: row.get(0)?,
            conversation_id: row.get(1)?,
            customer_id: row.get(2)?,
            notified_at: row.get(3)?,
            level: row.get(4)?,
        })
    })
}

fn escalate(db: &Connection, new: &NewLevel, now: i64) -> Result<Option<Reached>, StoreError> {
    if unclaimed(db, &new.registration_id)?.is_none() {
        return Ok(None);
    }
    let recorded = db.prepare_cached(RECORD)?.execute(params![new.registration_id, new.level, new.audience.as_str(), now])?;
    if recorded == 0 {
        return Ok(None);
    }
    let mut recipients: Vec<String> = rows::all(db, new.audience.sql(), [], |row| row.get(0))?;
    if recipients.is_empty() && new.audience == Audience::Consultants {
        recipients.push(String::new());
    }
    let notice = new.notice.to_string();
    let mut tell = db.prepare_cached(TELL)?;
    for recipient in &recipients {
        tell.execute(params![new_id_at(now), new.registration_id, new.level, recipient, notice, now])?;
    }
    Ok(Some(Reached { recipients, pushes: pushes::add(db, &new.push, now)? }))
}
