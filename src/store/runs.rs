//! The steps of a run: each writes its effect and the record of itself together, and is a no-op when it was done.
//!
//! That, and the UNIQUE columns behind it, is why a crash at any point leads to one conversation and one welcome (I1).

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    events::{self, OutgoingEvent},
    import::UserRecord,
    registrations::{Profile, Registration, StepRecord, insert_step},
    rows,
    subjects::{self, NewSubject},
    users,
};
use crate::{
    clock::{from_ms, rfc3339},
    ids::new_id_at,
};

/// What the first step makes.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Id of the conversation, should it be made now.
    pub conversation_id: String,
    /// Its title.
    pub title: String,
    /// Whether the AI answers in it.
    pub ai_controlled: bool,
    /// The agent assigned to it.
    pub assigned_agent: Option<String>,
    /// The agent chosen for the welcome: the variant of this run.
    pub agent_id: Option<String>,
    /// What kind of new customer it is.
    pub segment: String,
    /// The id that stands for the user towards agents.
    pub subject_id: String,
    /// When that ends.
    pub subject_expires_at: i64,
    /// `conversation.created`.
    pub event: Option<OutgoingEvent>,
}

/// A composed welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The text for the customer.
    pub text: String,
    /// `agent`, `fallback_agent`, `segment` or `static`.
    pub rung: &'static str,
    /// Why that rung.
    pub reason: String,
}

/// A message about to be stored for the customer.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// UUID v7.
    pub id: String,
    /// `message.created`.
    pub event: Option<OutgoingEvent>,
}

/// An answer that came after the deadline.
#[derive(Debug, Clone)]
pub struct LateText {
    /// The text for the customer.
    pub text: String,
    /// Whether it may take the place of a welcome nobody has read.
    pub replace_unread: bool,
    /// The message, should it follow.
    pub message: NewMessage,
}

/// What the segment is decided by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFacts {
    /// Concerns on record, in the customer's words.
    pub concerns: Vec<String>,
    /// Consultations.
    pub consultations: i64,
    /// Conversations that no registration opened.
    pub conversations: i64,
}

impl Store {
    /// What is on record of a user before the welcome.
    pub fn known_facts(&self, user_id: &str) -> Result<KnownFacts, StoreError> {
        self.point(|db| {
            let concerns: Option<Vec<String>> =
                rows::one(db, "SELECT concerns FROM customers WHERE user_id = ?1", [user_id], |row| rows::json(row, 0))?;
            let (consultations, conversations) = db
                .prepare_cached(
                    "SELECT (SELECT count(*) FROM consultations WHERE customer_id = ?1),
                            (SELECT count(*) FROM conversations WHERE customer_id = ?1 AND registration_id IS NULL)",
                )?
                .query_row([user_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(KnownFacts { concerns: concerns.unwrap_or_default(), consultations, conversations })
        })
    }

    /// Step 1: the user's row, the default conversation, the subject. Returns the conversation's id.
    pub async fn open_conversation(&self, run: &Registration, opening: Opening, record: StepRecord) -> Result<String, StoreError> {
        let run = run.clone();
        self.write(move |db| {
            let now = record.started_at;
            users::upsert(db, &user_record(&run.profile), now)?;
            db.prepare_cached(OPEN_CONVERSATION)?.execute(params![
                opening.conversation_id,
                run.profile.user_id,
                run.id,
                opening.title,
                opening.ai_controlled,
                opening.assigned_agent,
                now
            ])?;
            let kept: String = db
                .prepare_cached("SELECT id FROM conversations WHERE registration_id = ?1")?
                .query_row([&run.id], |row| row.get(0))?;
            db.prepare_cached(
                "UPDATE registrations SET conversation_id = ?2, segment = coalesce(segment, ?3), agent_id = coalesce(agent_id, ?4) WHERE id = ?1",
            )?
            .execute(params![run.id, kept, opening.segment, opening.agent_id])?;
            let subject = NewSubject { id: opening.subject_id, registration_id: run.id.clone(), user_id: run.profile.user_id.clone(), expires_at: opening.subject_expires_at };
            subjects::insert(db, &subject)?;
            if let Some(event) = opening.event {
                events::add(db, &run.id, &event.about("conversation_id", &kept), now)?;
            }
            insert_step(db, &run.id, &StepRecord { detail: json!({"conversation_id": kept, "segment": opening.segment}), ..record })?;
            Ok(kept)
        })
        .await
    }

    /// The id that stands for the run's user towards agents.
    pub fn subject_of(&self, registration_id: &str) -> Result<Option<String>, StoreError> {
        self.point(|db| rows::one(db, "SELECT id FROM subjects WHERE registration_id = ?1", [registration_id], |row| row.get(0)))
    }

    /// Step 2: keeps the welcome's text. The first one that is kept stays.
    pub async fn keep_welcome(&self, registration_id: &str, welcome: Welcome, record: StepRecord) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE registrations SET welcome_text = ?2, welcome_rung = ?3, welcome_reason = ?4 WHERE id = ?1 AND welcome_text IS NULL",
            )?
            .execute(params![id, welcome.text, welcome.rung, welcome.reason])?;
            insert_step(db, &id, &record)
        })
        .await
    }

    /// Step 3: the welcome as a message of the conversation, for the customer's connection, and as an event.
    pub async fn deliver_welcome(&self, run: &Registration, message: NewMessage, record: StepRecord) -> Result<String, StoreError> {
        let run = run.clone();
        self.write(move |db| {
            let (Some(conversation), Some(text)) = (&run.conversation_id, &run.welcome_text) else {
                return Err(StoreError::Conflict("the welcome has no conversation or no text yet".into()));
            };
            let now = record.started_at;
            let content = content(text, run.welcome_rung.as_deref(), now);
            db.prepare_cached(ADD_WELCOME)?.execute(params![message.id, conversation, run.id, content.to_string(), now])?;
            db.prepare_cached(TOUCH_CONVERSATION)?.execute(params![conversation, now])?;
            let kept: String =
                db.prepare_cached("SELECT id FROM messages WHERE registration_id = ?1")?.query_row([&run.id], |row| row.get(0))?;
            db.prepare_cached("UPDATE registrations SET welcome_message_id = ?2, welcome_at = coalesce(welcome_at, ?3) WHERE id = ?1")?
                .execute(params![run.id, kept, now])?;
            tell_customer(db, &run, Spoken { id: &kept, conversation, content: &content, level: 0 }, now)?;
            if let Some(event) = message.event {
                events::add(db, &run.id, &event.about("message_id", &kept), now)?;
            }
            insert_step(db, &run.id, &StepRecord { detail: json!({"message_id": kept}), ..record })?;
            Ok(kept)
        })
        .await
    }

    /// An answer after the deadline, used once: it follows, or takes the place of a welcome nobody has read.
    pub async fn use_late_text(&self, run: &Registration, late: LateText, record: StepRecord) -> Result<&'static str, StoreError> {
        let run = run.clone();
        self.write(move |db| {
            let now = record.started_at;
            let (Some(conversation), Some(welcome)) = (&run.conversation_id, &run.welcome_message_id) else {
                return Err(StoreError::Conflict("there is no welcome yet for the answer to follow".into()));
            };
            let replaces = late.replace_unread && is_unread(db, &run)?;
            let outcome = if replaces { "replaced" } else { "appended" };
            let first = db
                .prepare_cached("UPDATE registrations SET late_outcome = ?2 WHERE id = ?1 AND late_outcome IS NULL")?
                .execute(params![run.id, outcome])?;
            if first == 0 {
                return Ok("known");
            }
            let content = content(&late.text, Some("agent"), now);
            let id = if replaces { welcome } else { &late.message.id };
            if replaces {
                db.execute("UPDATE messages SET content = ?2 WHERE id = ?1", params![welcome, content.to_string()])?;
            } else {
                db.prepare_cached(ADD_MESSAGE)?.execute(params![id, conversation, content.to_string(), now])?;
                db.prepare_cached(TOUCH_CONVERSATION)?.execute(params![conversation, now])?;
            }
            tell_customer(db, &run, Spoken { id, conversation, content: &content, level: 1 }, now)?;
            if let Some(event) = late.message.event {
                let mut event = event.about("message_id", id);
                if replaces {
                    // One event of a kind for each subject: the new text is a second state of the same message.
                    event.subject_id = format!("{id}/replaced");
                    event = OutgoingEvent { payload: with_replaces(event.payload, welcome), ..event };
                }
                events::add(db, &run.id, &event, now)?;
            }
            insert_step(db, &run.id, &StepRecord { detail: json!({"outcome": outcome, "message_id": id}), ..record })?;
            Ok(outcome)
        })
        .await
    }

    /// Notes that an answer after the deadline is not used.
    pub async fn leave_late_text(&self, registration_id: &str, outcome: &'static str, record: StepRecord) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            db.execute("UPDATE registrations SET late_outcome = ?2 WHERE id = ?1 AND late_outcome IS NULL", params![id, outcome])?;
            insert_step(db, &id, &record)
        })
        .await
    }

    /// Closes a run in the state it ended in, with the event that says so.
    pub async fn finish_registration(
        &self,
        registration_id: &str,
        state: &'static str,
        event: Option<OutgoingEvent>,
        now: i64,
    ) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            let sql = "UPDATE registrations SET state = ?2, finished_at = ?3 WHERE id = ?1 AND state = 'accepted'";
            let changed = db.prepare_cached(sql)?.execute(params![id, state, now])?;
            if let (1, Some(event)) = (changed, event) {
                events::add(db, &id, &event, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Records a try that failed.
    pub async fn record_failed_step(&self, registration_id: &str, record: StepRecord) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| insert_step(db, &id, &record)).await
    }

    /// Notes that the customer's client showed the welcome.
    pub async fn welcome_was_read(&self, user_id: &str, message_id: &str, now: i64) -> Result<bool, StoreError> {
        let (user, message) = (user_id.to_owned(), message_id.to_owned());
        self.write(move |db| {
            let changed = db.execute(
                "UPDATE registrations SET welcome_read_at = coalesce(welcome_read_at, ?3) WHERE user_id = ?1 AND welcome_message_id = ?2",
                params![user, message, now],
            )?;
            Ok(changed == 1)
        })
        .await
    }
}

const OPEN_CONVERSATION: &str =
    "INSERT INTO conversations (id, customer_id, registration_id, title, ai_controlled, agent_id, status, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open', ?7, ?7) ON CONFLICT (registration_id) DO NOTHING";
const TOUCH_CONVERSATION: &str = "UPDATE conversations SET updated_at = ?2 WHERE id = ?1 AND updated_at < ?2";
const ADD_WELCOME: &str = "INSERT INTO messages (id, conversation_id, registration_id, sender_type, type, content, created_at)
    VALUES (?1, ?2, ?3, 'ai', 'text', ?4, ?5) ON CONFLICT (registration_id) DO NOTHING";
const ADD_MESSAGE: &str = "INSERT INTO messages (id, conversation_id, sender_type, type, content, created_at)
    VALUES (?1, ?2, 'ai', 'text', ?3, ?4)";
const NOTIFY_CUSTOMER: &str = "INSERT INTO notifications (id, registration_id, kind, level, recipient_id, payload, created_at)
    VALUES (?1, ?2, 'message', ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";

/// A message as the customer's connection gets it.
#[derive(Clone, Copy)]
struct Spoken<'a> {
    id: &'a str,
    conversation: &'a str,
    content: &'a Value,
    level: u8,
}

fn tell_customer(db: &Connection, run: &Registration, spoken: Spoken<'_>, now: i64) -> rusqlite::Result<()> {
    let payload = json!({
        "type": "message",
        "message_id": spoken.id,
        "conversation_id": spoken.conversation,
        "sender_type": "ai",
        "content": spoken.content,
        "timestamp": rfc3339(now),
    });
    db.prepare_cached(NOTIFY_CUSTOMER)?.execute(params![
        new_id_at(now),
        run.id,
        spoken.level,
        run.profile.user_id,
        payload.to_string(),
        now
    ])?;
    Ok(())
}

/// Neither shown nor answered.
fn is_unread(db: &Connection, run: &Registration) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT welcome_read_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = ?2 AND sender_type = 'customer') FROM registrations WHERE id = ?1",
        params![run.id, run.conversation_id],
        |row| row.get(0),
    )
}

fn with_replaces(mut payload: Value, message_id: &str) -> Value {
    if let Some(data) = payload.get_mut("data").and_then(Value::as_object_mut) {
        data.insert("replaces".into(), message_id.into());
    }
    payload
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
fn content(text: &str, rung: Option<&str>, now: i64) -> Value {
    json!({"text": text, "source": "registration_automation", "generated_at": rfc3339(now), "rung": rung})
}
