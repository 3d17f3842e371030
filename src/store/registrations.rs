//! Registrations, carried step by step once they are accepted (see `intake`).
//!
//! Every step writes its effect and the record of itself together, and is a no-op when it was done before. That, and
//! the UNIQUE columns behind it, is why a crash at any point leads to one conversation and one welcome (invariant I1).

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

pub use super::intake::{Accepted, NewRegistration, Profile};
use super::{Store, StoreError, import::UserRecord, jobs, rows, users};
use crate::{clock::from_ms, ids::new_id_at};

/// A run as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// UUID v7.
    pub id: String,
    /// What the app sent.
    pub profile: Profile,
    /// How far it came.
    pub state: String,
    /// When it was accepted.
    pub accepted_at: i64,
    /// When the welcome must be there.
    pub deadline_at: i64,
    /// The conversation opened for it.
    pub conversation_id: Option<String>,
    /// The welcome, once composed.
    pub welcome_text: Option<String>,
    /// Which rung wrote it.
    pub welcome_rung: Option<String>,
    /// Why that rung.
    pub welcome_reason: Option<String>,
    /// The stored message.
    pub welcome_message_id: Option<String>,
    /// The agent's run.
    pub agent_run: Option<Value>,
    /// When the last step was done.
    pub finished_at: Option<i64>,
}

/// One try of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// Name of the step.
    pub step: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// `done` or `failed`.
    pub state: String,
    /// When the try began.
    pub started_at: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// The same beginning on the clock that never jumps: of a record that is being written, it decides the duration.
    #[serde(skip)]
    pub began: Option<std::time::Instant>,
    /// What it made.
    pub detail: Value,
    /// Why it failed.
    pub error: Option<String>,
}

/// A composed welcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome {
    /// The text for the customer.
    pub text: String,
    /// `agent` or `static`.
    pub rung: &'static str,
    /// Why that rung.
    pub reason: String,
    /// The agent asked.
    pub agent_id: Option<String>,
    /// Its run.
    pub agent_run: Option<Value>,
}

/// An event for other systems.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingEvent {
    /// Its `webhook-id`.
    pub id: String,
    /// UUID v7 of the job that sends it.
    pub job_id: String,
    /// Name of the job's handler.
    pub job_kind: &'static str,
    /// Kind of event.
    pub kind: &'static str,
    /// The body.
    pub payload: Value,
}

/// An event to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its `webhook-id`.
    pub id: String,
    /// The body, byte for byte as it is signed.
    pub payload: String,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
}

impl Store {
    /// One run.
    pub fn registration(&self, id: &str) -> Result<Option<Registration>, StoreError> {
        self.point(|db| rows::one(db, BY_ID, [id], registration))
    }

    /// Its steps, in the order they ended.
    pub fn registration_steps(&self, id: &str) -> Result<Vec<StepRecord>, StoreError> {
        self.point(|db| rows::all(db, STEPS, [id], step))
    }

    /// How many runs are in each state.
    pub async fn count_registrations(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.scan(|db| {
            rows::all(db, "SELECT state, count(*) FROM registrations GROUP BY state ORDER BY state", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .await
    }

    /// Step 1: the user's row and the default conversation. Returns the conversation's id.
    pub async fn open_conversation(&self, run: &Registration, id: String, title: &str, record: StepRecord) -> Result<String, StoreError> {
        let (run, title) = (run.clone(), title.to_owned());
        self.write(move |db| {
            users::upsert(db, &user_record(&run.profile), record.started_at)?;
            db.prepare_cached(OPEN_CONVERSATION)?.execute(params![id, run.profile.user_id, run.id, title, record.started_at])?;
            let kept: String = db.query_row("SELECT id FROM conversations WHERE registration_id = ?1", [&run.id], |row| row.get(0))?;
            db.execute("UPDATE registrations SET conversation_id = ?2 WHERE id = ?1", params![run.id, kept])?;
            insert_step(db, &run.id, &StepRecord { detail: json!({"conversation_id": kept}), ..record })?;
            Ok(kept)
        })
        .await
    }

    /// Step 2: keeps the welcome's text. The first one that is kept stays.
    pub async fn keep_welcome(&self, registration_id: &str, welcome: Welcome, record: StepRecord) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            db.execute(
                "UPDATE registrations SET welcome_text = ?2, welcome_rung = ?3, welcome_reason = ?4, agent_id = ?5, agent_run = ?6
                  WHERE id = ?1 AND welcome_text IS NULL",
                params![id, welcome.text, welcome.rung, welcome.reason, welcome.agent_id, welcome.agent_run.map(|run| run.to_string())],
            )?;
            insert_step(db, &id, &record)
        })
        .await
    }

    /// Step 3: the welcome as a message of the conversation, and the event for other systems.
    pub async fn deliver_welcome(
        &self,
        run: &Registration,
        message_id: String,
        event: Option<OutgoingEvent>,
        record: StepRecord,
    ) -> Result<String, StoreError> {
        let run = run.clone();
        self.write(move |db| {
            let (Some(conversation), Some(text)) = (&run.conversation_id, &run.welcome_text) else {
                return Err(StoreError::Conflict("the welcome has no conversation or no text yet".into()));
            };
            let now = record.started_at;
            db.prepare_cached(ADD_WELCOME)?.execute(params![
                message_id,
                conversation,
                run.id,
                content(text, &run, now).to_string(),
                now
            ])?;
            db.prepare_cached(TOUCH_CONVERSATION)?.execute(params![conversation, now])?;
            let kept: String = db.query_row("SELECT id FROM messages WHERE registration_id = ?1", [&run.id], |row| row.get(0))?;
            db.execute("UPDATE registrations SET welcome_message_id = ?2 WHERE id = ?1", params![run.id, kept])?;
            if let Some(event) = &event {
                add_event(db, &run.id, event, &kept, now)?;
            }
            insert_step(db, &run.id, &StepRecord { detail: json!({"message_id": kept}), ..record })?;
            Ok(kept)
        })
        .await
    }

    /// Step 4: one notification for every active consultant, or one for everybody when none is known. Says how many.
    pub async fn notify_consultants(&self, registration_id: &str, payload: Value, record: StepRecord) -> Result<usize, StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            let mut consultants: Vec<String> = rows::all(db, CONSULTANTS, [], |row| row.get(0))?;
            if consultants.is_empty() {
                consultants.push(String::new());
            }
            let mut insert = db.prepare_cached(
                "INSERT INTO notifications (id, registration_id, consultant_id, payload, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (registration_id, consultant_id) DO NOTHING",
            )?;
            for consultant in &consultants {
                insert.execute(params![new_id_at(record.started_at), id, consultant, payload.to_string(), record.started_at])?;
            }
            let told = consultants.len();
            insert_step(db, &id, &StepRecord { detail: json!({"consultants": told}), ..record })?;
            Ok(told)
        })
        .await
    }

    /// Closes a run in the state it ended in.
    pub async fn finish_registration(&self, registration_id: &str, state: &'static str, now: i64) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            db.execute(
                "UPDATE registrations SET state = ?2, finished_at = ?3 WHERE id = ?1 AND state = 'accepted'",
                params![id, state, now],
            )?;
            Ok(())
        })
        .await
    }

    /// Records a try that failed.
    pub async fn record_failed_step(&self, registration_id: &str, record: StepRecord) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| insert_step(db, &id, &record)).await
    }

    /// An event to be sent.
    pub fn outgoing_event(&self, id: &str) -> Result<Option<StoredEvent>, StoreError> {
        self.point(|db| {
            rows::one(db, "SELECT id, payload, delivered_at FROM outgoing_events WHERE id = ?1", [id], |row| {
                Ok(StoredEvent { id: row.get(0)?, payload: row.get(1)?, delivered_at: row.get(2)? })
            })
        })
    }

    /// Writes down how an attempt to send an event went.
    pub async fn note_delivery(&self, event_id: &str, status: Option<u16>, delivered_at: Option<i64>) -> Result<(), StoreError> {
        let id = event_id.to_owned();
        self.write(move |db| {
            db.execute(
                "UPDATE outgoing_events SET last_status = coalesce(?2, last_status), delivered_at = coalesce(delivered_at, ?3) WHERE id = ?1",
                params![id, status, delivered_at],
            )?;
            Ok(())
        })
        .await
    }
}

const BY_ID: &str = "SELECT id, profile, state, accepted_at, deadline_at, conversation_id, welcome_text, welcome_rung, welcome_reason,
    welcome_message_id, agent_run, finished_at FROM registrations WHERE id = ?1";
const STEPS: &str = "SELECT step, attempt, state, started_at, duration_ms, detail, error FROM registration_steps
    WHERE registration_id = ?1 ORDER BY started_at + duration_ms, started_at, step, attempt";
const CONSULTANTS: &str =
    "SELECT id FROM users WHERE is_active = 1 AND EXISTS (SELECT 1 FROM json_each(roles) WHERE value = 'consultant') ORDER BY id";

const OPEN_CONVERSATION: &str =
    "INSERT INTO conversations (id, customer_id, registration_id, title, ai_controlled, status, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, 1, 'open', ?5, ?5) ON CONFLICT (registration_id) DO NOTHING";
const TOUCH_CONVERSATION: &str = "UPDATE conversations SET updated_at = ?2 WHERE id = ?1 AND updated_at < ?2";
const ADD_WELCOME: &str = "INSERT INTO messages (id, conversation_id, registration_id, sender_type, type, content, created_at)
    VALUES (?1, ?2, ?3, 'ai', 'text', ?4, ?5) ON CONFLICT (registration_id) DO NOTHING";

fn registration(row: &Row<'_>) -> rusqlite::Result<Registration> {
    Ok(Registration {
        id: row.get(0)?,
        profile: rows::json(row, 1)?,
        state: row.get(2)?,
        accepted_at: row.get(3)?,
        deadline_at: row.get(4)?,
        conversation_id: row.get(5)?,
        welcome_text: row.get(6)?,
        welcome_rung: row.get(7)?,
        welcome_reason: row.get(8)?,
        welcome_message_id: row.get(9)?,
        agent_run: row.get::<_, Option<rows::Json<Value>>>(10)?.map(|rows::Json(run)| run),
        finished_at: row.get(11)?,
    })
}

fn step(row: &Row<'_>) -> rusqlite::Result<StepRecord> {
    Ok(StepRecord {
        step: row.get(0)?,
        attempt: row.get(1)?,
        state: row.get(2)?,
        started_at: row.get(3)?,
        duration_ms: row.get(4)?,
        began: None,
        detail: rows::json(row, 5)?,
        error: row.get(6)?,
    })
}

/// Records a try. A crash between two tries can make the same attempt run again: the later record stands.
fn insert_step(db: &Connection, registration_id: &str, record: &StepRecord) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO registration_steps (registration_id, step, attempt, state, started_at, duration_ms, detail, error)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (registration_id, step, attempt) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,
            duration_ms = excluded.duration_ms, detail = excluded.detail, error = excluded.error",
    )?
    .execute(params![
        registration_id,
        record.step,
        record.attempt,
        record.state,
        record.started_at,
        record.began.map_or(record.duration_ms, |began| i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)),
        record.detail.to_string(),
        record.error
    ])?;
    Ok(())
}

fn user_record(profile: &Profile) -> UserRecord {
    UserRecord {
        id: profile.user_id.clone(),
        username: profile.username.clone(),
        email: profile.email.clone(),
        phone: profile.phone.clone(),
        avatar: profile.avatar.clone(),
        roles: Some(profile.roles.clone()),
        registered_at: Some(from_ms(profile.registered_at)),
        ..UserRecord::default()
    }
}

/// The app's message shape (`content` JSON).
fn content(text: &str, run: &Registration, now: i64) -> Value {
    json!({
        "text": text,
        "source": "registration_automation",
        "generated_at": crate::clock::rfc3339(now),
        "rung": run.welcome_rung,
    })
}

fn add_event(db: &Connection, registration_id: &str, event: &OutgoingEvent, message_id: &str, now: i64) -> Result<(), StoreError> {
    let mut payload = event.payload.clone();
    if let Some(data) = payload.get_mut("data").and_then(Value::as_object_mut) {
        data.insert("message_id".into(), message_id.into());
    }
    let added = db
        .prepare_cached(
            "INSERT INTO outgoing_events (id, kind, registration_id, payload, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, registration_id) DO NOTHING",
        )?
        .execute(params![event.id, event.kind, registration_id, payload.to_string(), now])?;
    if added == 1 {
        jobs::enqueue(db, &event.job_id, event.job_kind, &event.id, now)?;
    }
    Ok(())
}
