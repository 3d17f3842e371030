//! What customers say over their live connections.

use rusqlite::params;
use serde_json::json;

use super::{
    Store, StoreError,
    events::{self, OutgoingEvent},
    registrations::{self, Registration},
    rows,
};
use crate::clock::rfc3339;

/// A customer's message about to be stored.
#[derive(Debug, Clone)]
pub struct NewWords {
    /// UUID v7.
    pub id: String,
    /// Where it is said.
    pub conversation_id: String,
    /// Who says it.
    pub customer_id: String,
    /// What.
    pub text: String,
    /// `message.created`, when the conversation belongs to a run and a receiver is configured.
    pub event: Option<OutgoingEvent>,
    /// The time.
    pub now: i64,
}

impl Store {
    /// Stores what a customer says in a conversation of their own. False when it is none of theirs.
    pub async fn add_customers_words(&self, words: NewWords) -> Result<bool, StoreError> {
        self.write(move |db| {
            let content = json!({"text": words.text, "source": "live", "generated_at": rfc3339(words.now)});
            let added = db.prepare_cached(ADD)?.execute(params![
                words.id,
                words.conversation_id,
                words.customer_id,
                content.to_string(),
                words.now
            ])?;
            if added == 0 {
                return Ok(false);
            }
            db.prepare_cached("UPDATE conversations SET updated_at = max(updated_at, ?2) WHERE id = ?1")?
                .execute(params![words.conversation_id, words.now])?;
            let run: Option<String> =
                rows::one(db, "SELECT registration_id FROM conversations WHERE id = ?1", [&words.conversation_id], |row| row.get(0))?;
            if let (Some(event), Some(run)) = (words.event, run) {
                events::add(db, &run, &event.about("message_id", &words.id), words.now)?;
            }
            Ok(true)
        })
        .await
    }

    /// The run that opened a conversation.
    pub fn registration_of_conversation(&self, conversation_id: &str) -> Result<Option<Registration>, StoreError> {
        self.point(|db| rows::one(db, &registrations::BY_CONVERSATION, [conversation_id], registrations::registration))
    }

    /// Who has a notification of `kind` about a run.
    pub async fn recipients_of(&self, registration_id: &str, kind: &'static str) -> Result<Vec<String>, StoreError> {
        let id = registration_id.to_owned();
        self.scan(move |db| {
            let sql = "SELECT recipient_id FROM notifications WHERE registration_id = ?1 AND kind = ?2 AND acked_at IS NULL";
            rows::all(db, sql, params![id, kind], |row| row.get(0))
        })
        .await
    }
}

const ADD: &str = "INSERT INTO messages (id, conversation_id, sender_type, sender_id, type, content, created_at)
    SELECT ?1, id, 'customer', customer_id, 'text', ?4, ?5 FROM conversations WHERE id = ?2 AND customer_id = ?3 AND status = 'open'";
