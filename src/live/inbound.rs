//! What connected people may ask for: the port behind which the registration stands.
//!
//! Live checks who somebody is and which part they play. Whether a conversation is theirs, and what a claim means, is
//! known behind the port.

use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Value, json};

use super::who::Who;

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A registration, by its id.
    Registration(String),
    /// A conversation, by its id.
    Conversation(String),
}

/// By which door a claim came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A WebSocket.
    Live,
    /// `POST /live/claims`.
    Rest,
}

/// A customer's rating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// What is rated.
    pub target: Target,
    /// 1 bad … 5 good.
    pub rating: u8,
    /// The customer's words.
    pub comment: Option<String>,
}

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// The command's content is wrong.
    Invalid,
    /// Not in this role.
    Forbidden,
    /// There is no such thing, or it is not this person's.
    NotFound,
    /// Somebody else was first.
    Taken,
    /// Not at the moment; the outcome may be unknown.
    Unavailable,
}

impl RefusalCode {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Taken => "taken",
            Self::Unavailable => "unavailable",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Taken => StatusCode::CONFLICT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What kind of no.
    pub code: RefusalCode,
    /// For people: what is wrong and what to do.
    pub text: String,
    /// Facts for programs, such as who was first.
    pub detail: Value,
}

impl Refusal {
    /// A no without further facts.
    pub fn new(code: RefusalCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), detail: json!({}) }
    }

    /// Adds facts for programs.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Does what connected people ask for. An answer is what the client is told besides `ok`.
#[async_trait]
pub trait Inbound: Send + Sync {
    /// A consultant takes a customer over. Claiming what one has claimed already is `ok`.
    async fn claim(&self, who: &Who, target: Target, door: Door) -> Result<Value, Refusal>;
    /// A customer's client has shown a message.
    async fn read(&self, who: &Who, message_id: &str) -> Result<Value, Refusal>;
    /// A customer rates the welcome.
    async fn feedback(&self, who: &Who, feedback: Feedback) -> Result<Value, Refusal>;
    /// A customer says something.
    async fn message(&self, who: &Who, conversation_id: &str, text: &str) -> Result<Value, Refusal>;
}
