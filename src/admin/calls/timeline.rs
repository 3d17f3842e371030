//! One run as it went: webhook, conversation, each question to an agent with its thoughts and the calls it made,
//! message, notices, claim. Each entry says when, how long, and how it ended.

mod tell;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{CallError, Calls, registrations::unknown, words::Words};

/// One run as it went.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Timeline {
    /// The run.
    pub registration_id: String,
    /// How far it came.
    pub state: String,
    /// When it was accepted.
    pub accepted_at: String,
    /// When the last step was done.
    pub finished_at: Option<String>,
    /// What happened, in the order it began.
    pub entries: Vec<Entry>,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As it should.
    Good,
    /// It failed.
    Bad,
    /// It goes on, or nobody has reacted yet.
    Open,
    /// It is a fact, neither good nor bad.
    Plain,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// Its id, where it has one: of the question, the call, the message, the notice, the event.
    pub id: Option<String>,
    /// The entry it is a part of: thoughts and calls of tools are parts of a question.
    pub part_of: Option<String>,
    /// When it began.
    pub at: String,
    /// The same, in milliseconds since the registration was accepted.
    pub offset_ms: i64,
    /// How long it took, once it has ended.
    pub duration_ms: Option<i64>,
    /// What it is: `webhook_accepted`, `conversation_created`, `dify_triggered`, `thought`, `mcp_called`,
    /// `welcome_composed`, `welcome_sent`, `message`, `consultants_notified`, `notice`, `push`, `event`, `escalated`,
    /// `customer_claimed`, `late_answer`, `welcome_read`, `rated` or `ended`.
    pub what: String,
    /// Of what kind: the tool, the agent, the channel, the kind of notice or event.
    pub name: String,
    /// How it ended.
    pub how: How,
    /// How it ended, in the word of its own kind, such as `answered` or `timeout`.
    pub outcome: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What people said or thought. Withheld from auditors.
    pub words: Option<String>,
    /// What else is known.
    #[schema(value_type = Object)]
    pub detail: Map<String, Value>,
}

impl Calls {
    /// One run as it went.
    pub async fn timeline(&self, id: &str, words: Words) -> Result<Timeline, CallError> {
        let story = self.store.story(id).await?.ok_or_else(|| unknown(id))?;
        Ok(tell::told(&story, words))
    }
}

#[cfg(test)]
mod tests;
