//! What one record of each kind holds. Times are times and money is fen: files are read into these by `parse`.
//!
//! An optional field that is `None` keeps what is stored, and gets the schema's default in a new row.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Kind;

/// An account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRecord {
    /// Opaque id of the app.
    pub id: String,
    /// Display name.
    pub username: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number, in any spelling.
    pub phone: Option<String>,
    /// Address of the picture.
    pub avatar: Option<String>,
    /// Role names; a new row without them is a customer.
    pub roles: Option<Vec<String>>,
    /// Whether the account may be used.
    pub is_active: Option<bool>,
    /// When the person registered with the app; a new row without it registered now.
    pub registered_at: Option<DateTime<Utc>>,
}

/// What is known of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerRecord {
    /// The customer's user id.
    pub user_id: String,
    /// `female`, `male` or `other`.
    pub gender: Option<String>,
    /// Year of birth.
    pub birth_year: Option<i32>,
    /// City of residence.
    pub city: Option<String>,
    /// Where the customer came from.
    pub source: Option<String>,
    /// Skin type.
    pub skin_type: Option<String>,
    /// Concerns in the customer's words.
    pub concerns: Option<Vec<String>>,
    /// Allergy tags.
    pub allergies: Option<Vec<String>>,
    /// Medical condition tags.
    pub conditions: Option<Vec<String>>,
}

/// How a customer wants to be served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreferencesRecord {
    /// The customer's user id.
    pub user_id: String,
    /// Service codes or categories of interest.
    pub treatments: Option<Vec<String>>,
    /// Lower end of the budget, in fen.
    pub budget_min_fen: Option<i64>,
    /// Upper end of the budget, in fen.
    pub budget_max_fen: Option<i64>,
    /// When to call.
    pub contact_time: Option<String>,
    /// How to talk.
    pub communication_style: Option<String>,
    /// `low`, `medium` or `high`.
    pub price_sensitivity: Option<String>,
    /// `low`, `medium` or `high`.
    pub brand_loyalty: Option<String>,
}

/// What a consultant is good at, and whether the person takes customers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsultantRecord {
    /// The consultant's user id.
    pub user_id: String,
    /// Concerns, categories, service codes.
    pub tags: Option<Vec<String>>,
    /// Whether the person hears of customers nobody claims.
    pub is_supervisor: Option<bool>,
    /// Whether the person takes new customers.
    pub is_available: Option<bool>,
}

/// A visit, call or treatment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsultationRecord {
    /// Opaque id.
    pub id: String,
    /// The customer's user id.
    pub customer_id: String,
    /// The consultant's or doctor's user id.
    pub consultant_id: Option<String>,
    /// `consultation`, `treatment`, `follow_up` or `complaint`.
    pub kind: String,
    /// `scheduled`, `completed`, `cancelled` or `no_show`.
    pub status: String,
    /// Notes.
    pub summary: Option<String>,
    /// The service it was about.
    pub service_code: Option<String>,
    /// What was paid, in fen.
    pub paid_fen: Option<i64>,
    /// When it took place or will.
    pub occurred_at: DateTime<Utc>,
}

/// A conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationRecord {
    /// Opaque id.
    pub id: String,
    /// The customer's user id.
    pub customer_id: String,
    /// Title shown to people.
    pub title: String,
    /// Whether the AI answers.
    pub ai_controlled: Option<bool>,
    /// `open` or `closed`.
    pub status: Option<String>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: Option<DateTime<Utc>>,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessageRecord {
    /// Opaque id.
    pub id: String,
    /// Where it was said.
    pub conversation_id: String,
    /// `customer`, `consultant`, `doctor`, `ai` or `system`.
    pub sender_type: String,
    /// The sender's user id; for a customer's message without it, the conversation's customer.
    pub sender_id: Option<String>,
    /// `text`, `media`, `system` or `structured`.
    pub kind: Option<String>,
    /// The message, such as `{"text": "…"}`.
    pub content: Value,
    /// When it was sent.
    pub created_at: Option<DateTime<Utc>>,
}

/// An entry of the service catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Stable code.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub name_en: Option<String>,
    /// Category.
    pub category: String,
    /// What it is.
    pub description: Option<String>,
    /// Concerns it treats.
    pub treats: Option<Vec<String>>,
    /// Lowest price of one session, in fen.
    pub price_min_fen: i64,
    /// Highest price of one session, in fen.
    pub price_max_fen: i64,
    /// Length of one session in minutes.
    pub duration_minutes: u32,
    /// Days until the customer lives as usual.
    pub recovery_days: Option<u32>,
    /// Sessions of a usual course.
    pub sessions: Option<u32>,
    /// Days between two sessions.
    pub interval_days: Option<u32>,
    /// The clinic's rating of one session, 1 to 100.
    pub efficacy: Option<u32>,
    /// Allergy and condition tags under which it must not be done.
    pub contraindications: Option<Vec<String>>,
    /// Whether it is on offer.
    pub enabled: Option<bool>,
}

/// A treatment plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanRecord {
    /// Opaque id.
    pub id: String,
    /// The customer's user id.
    pub customer_id: Option<String>,
    /// The plan it revises.
    pub parent_id: Option<String>,
    /// `pending_physician_review`, `approved` or `rejected`.
    pub status: Option<String>,
    /// The plan.
    pub body: Value,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
}

/// One record of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An account.
    User(UserRecord),
    /// What is known of a customer.
    Customer(CustomerRecord),
    /// How a customer wants to be served.
    Preferences(PreferencesRecord),
    /// What a consultant is good at.
    Consultant(ConsultantRecord),
    /// A visit, call or treatment.
    Consultation(ConsultationRecord),
    /// A conversation.
    Conversation(ConversationRecord),
    /// A message.
    Message(MessageRecord),
    /// An entry of the service catalogue.
    Service(ServiceRecord),
    /// A treatment plan.
    Plan(PlanRecord),
}

/// A field whose value must be the id of a row.
pub(super) struct Pointer<'a> {
    field: &'static str,
    id: &'a str,
    owner: Kind,
    /// Set when the row is of the record's own kind.
    within: bool,
}

impl Pointer<'_> {
    /// The field that points, and why its value will not do.
    pub(super) fn dangling(&self) -> (&'static str, String) {
        let Self { field, id, owner, .. } = self;
        (field, format!("{id} is not in {owner}; send it to {owner} first"))
    }

    /// What to say when there is no such row.
    pub(super) fn missing(&self) -> String {
        let Self { field, id, owner, within } = self;
        if *within {
            return format!("{field} {id} is not in {owner}; put the one it names before it");
        }
        format!("{field} {id} is not in {owner}; import {owner} first")
    }
}

impl Record {
    /// The row that must exist for this one: the schema's foreign key.
    pub(super) fn points_at(&self) -> Option<Pointer<'_>> {
        let pointer = |field, id, owner| Some(Pointer { field, id, owner, within: false });
        match self {
            Self::User(_) | Self::Service(_) => None,
            Self::Customer(record) => pointer("user_id", record.user_id.as_str(), Kind::Users),
            Self::Preferences(record) => pointer("user_id", record.user_id.as_str(), Kind::Users),
            Self::Consultant(record) => pointer("user_id", record.user_id.as_str(), Kind::Users),
            Self::Consultation(record) => pointer("customer_id", record.customer_id.as_str(), Kind::Users),
            Self::Conversation(record) => pointer("customer_id", record.customer_id.as_str(), Kind::Users),
            Self::Message(record) => pointer("conversation_id", record.conversation_id.as_str(), Kind::Conversations),
            Self::Plan(record) => {
                let id = record.parent_id.as_deref()?;
                Some(Pointer { field: "parent_id", id, owner: Kind::Plans, within: true })
            }
        }
    }
}
