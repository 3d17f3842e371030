//! What a tool may ask of the world: the clinic's records, the time, its own configuration, and an ear for how far it is.
//!
//! Tools depend on this file and on nothing of the daemon: no key, no group secret, no SQL connection
//! and no MCP type passes through here. The daemon's store implements [`Records`].

use std::{collections::BTreeMap, task::Poll};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A person known to the clinic's app: customer, consultant, doctor, operator or administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Opaque id given by the app.
    pub id: String,
    /// Display name, as the person typed it.
    pub username: String,
    /// E-mail address, if given.
    pub email: Option<String>,
    /// Phone number, if given.
    pub phone: Option<String>,
    /// Avatar address, if given.
    pub avatar: Option<String>,
    /// Role names, in the app's spelling.
    pub roles: Vec<String>,
    /// Whether the account may be used.
    pub is_active: bool,
    /// When the person registered with the app.
    pub registered_at: DateTime<Utc>,
}

/// One hit of [`Records::search_users`].
#[derive(Debug, Clone, PartialEq)]
pub struct UserHit {
    /// The person found.
    pub user: User,
    /// 0 to 1, one for an exact match of the whole name, phone or e-mail address.
    pub score: f64,
}

/// What the clinic knows of a customer beyond the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customer {
    /// The customer's user id.
    pub user_id: String,
    /// `female`, `male` or `other`.
    pub gender: Option<String>,
    /// Year of birth.
    pub birth_year: Option<i32>,
    /// City of residence.
    pub city: Option<String>,
    /// Where the customer came from, such as `xiaohongshu` or `referral`.
    pub source: Option<String>,
    /// Skin type, such as `dry` or `sensitive`.
    pub skin_type: Option<String>,
    /// Concerns in the customer's words, such as 色斑.
    pub concerns: Vec<String>,
    /// Allergy tags, such as `lidocaine`, matched against [`Service::contraindications`].
    pub allergies: Vec<String>,
    /// Medical condition tags, such as `pregnancy`, matched against [`Service::contraindications`].
    pub conditions: Vec<String>,
}

/// What a customer said about how they want to be served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Service codes or categories the customer is interested in.
    pub treatments: Vec<String>,
    /// Lower end of the budget, in fen (1/100 yuan).
    pub budget_min_fen: Option<i64>,
    /// Upper end of the budget, in fen.
    pub budget_max_fen: Option<i64>,
    /// When to call, such as `weekday_evening`.
    pub contact_time: Option<String>,
    /// How to talk, such as `detailed` or `concise`.
    pub communication_style: Option<String>,
    /// `low`, `medium` or `high`.
    pub price_sensitivity: Option<String>,
    /// `low`, `medium` or `high`.
    pub brand_loyalty: Option<String>,
}

/// One visit, call or treatment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consultation {
    /// Opaque id.
    pub id: String,
    /// The customer's user id.
    pub customer_id: String,
    /// When it took place (or is to take place).
    pub occurred_at: DateTime<Utc>,
    /// `consultation`, `treatment`, `follow_up` or `complaint`.
    pub kind: String,
    /// `scheduled`, `completed`, `cancelled` or `no_show`.
    pub status: String,
    /// The consultant's or doctor's notes.
    pub summary: String,
    /// The consultant's user id.
    pub consultant_id: Option<String>,
    /// The consultant's name, resolved from users.
    pub consultant_name: Option<String>,
    /// The service it was about.
    pub service_code: Option<String>,
    /// What the customer paid, in fen.
    pub paid_fen: i64,
}

/// What a customer did, added up in the database. Everything an analysis rests on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activity {
    /// Visits that took place (kind consultation, treatment or follow_up; status completed).
    pub completed_visits: u32,
    /// Of these, treatments.
    pub treatments: u32,
    /// Appointments cancelled or missed.
    pub missed: u32,
    /// Complaints on record.
    pub complaints: u32,
    /// Appointments still to come.
    pub upcoming: u32,
    /// First completed visit.
    pub first_visit: Option<DateTime<Utc>>,
    /// Last completed visit.
    pub last_visit: Option<DateTime<Utc>>,
    /// Everything paid so far, in fen.
    pub spent_fen: i64,
    /// Paid in the last 365 days, in fen.
    pub spent_year_fen: i64,
    /// Messages the customer wrote, ever.
    pub messages: u32,
    /// Messages the customer wrote in the last 30 days.
    pub messages_30d: u32,
    /// Messages the customer wrote in the last 90 days.
    pub messages_90d: u32,
    /// The customer's last message.
    pub last_message: Option<DateTime<Utc>>,
    /// Customer messages by hour of the day, in the clinic's time zone (UTC+8): 24 counts.
    pub messages_by_hour: Vec<u32>,
    /// Completed visits by service code.
    pub services: BTreeMap<String, u32>,
}

/// A conversation between a customer and the clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Opaque id.
    pub id: String,
    /// The customer's user id.
    pub customer_id: String,
    /// Title shown to people.
    pub title: String,
    /// Whether the AI answers.
    pub ai_controlled: bool,
    /// `open` or `closed`.
    pub status: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Opaque id.
    pub id: String,
    /// `customer`, `consultant`, `doctor`, `ai` or `system`.
    pub sender_type: String,
    /// The sender's user id, when a person.
    pub sender_id: Option<String>,
    /// `text`, `media`, `system` or `structured`.
    pub kind: String,
    /// The message, as stored.
    pub content: Value,
    /// When it was sent.
    pub created_at: DateTime<Utc>,
}

/// Somebody who wrote in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// The user's id.
    pub user_id: String,
    /// The user's name.
    pub username: String,
    /// The part they play: `customer`, `consultant`, `doctor`, `ai` or `system`.
    pub role: String,
}

/// One entry of the clinic's service catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Stable code, such as `photorejuvenation`.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Category, such as `skin`, `injection`, `laser`, `body`, `surgery`.
    pub category: String,
    /// What it is.
    pub description: String,
    /// Concerns it treats, in the words customers use (色斑, 皱纹).
    pub treats: Vec<String>,
    /// Lowest price of one session, in fen.
    pub price_min_fen: i64,
    /// Highest price of one session, in fen.
    pub price_max_fen: i64,
    /// Length of one session in minutes.
    pub duration_minutes: u32,
    /// Days until the customer looks and lives as usual.
    pub recovery_days: u32,
    /// Sessions of a usual course.
    pub sessions: u32,
    /// Days between two sessions.
    pub interval_days: u32,
    /// How much one session is expected to do for a concern it treats, 1 to 100 (the clinic's own rating).
    pub efficacy: u32,
    /// Allergy and condition tags under which it must not be done.
    pub contraindications: Vec<String>,
    /// Whether it is on offer.
    pub enabled: bool,
    /// Completed visits for it in the last 365 days.
    pub bookings_year: u32,
}

/// A stored treatment plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Opaque id.
    pub id: String,
    /// The customer's user id, when the plan is for a known one.
    pub customer_id: Option<String>,
    /// The plan it was made from, when it is a revision.
    pub parent_id: Option<String>,
    /// `pending_physician_review`, `approved` or `rejected`; a tool only ever writes the first.
    pub status: String,
    /// The plan itself, in the tool's own shape.
    pub body: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A plan to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPlan {
    /// The customer's user id, when known.
    pub customer_id: Option<String>,
    /// The plan it revises.
    pub parent_id: Option<String>,
    /// The plan itself.
    pub body: Value,
    /// The time.
    pub now: DateTime<Utc>,
}

/// A consultation summary to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSummary {
    /// The consultation it sums up, when known.
    pub consultation_id: Option<String>,
    /// The customer's user id, when known.
    pub customer_id: Option<String>,
    /// Kind of consultation, such as `skin` or `injection`.
    pub consultation_type: String,
    /// Key points drawn from the data.
    pub key_points: Vec<String>,
    /// The data the summary was made from.
    pub source: Value,
    /// The time.
    pub now: DateTime<Utc>,
}

/// What the store gave a new row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}

/// The customer who is to be claimed, by whatever the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimTarget {
    /// The conversation that the registration opened.
    Conversation(String),
    /// The customer's user id.
    Customer(String),
}

/// A claim about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClaim {
    /// Who is claimed.
    pub target: ClaimTarget,
    /// User id of who claims.
    pub consultant_id: String,
    /// The time.
    pub now: DateTime<Utc>,
}

/// A claim that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// User id of who has the customer.
    pub consultant_id: String,
    /// The customer's user id.
    pub customer_id: String,
    /// The conversation taken over.
    pub conversation_id: String,
    /// Since when the customer had waited.
    pub waiting_since: DateTime<Utc>,
    /// When it was made.
    pub claimed_at: DateTime<Utc>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The customer is the caller's, by this claim or an earlier one.
    Won(Claim),
    /// Somebody else was first.
    Lost(Claim),
    /// There is no such conversation or customer.
    Unknown,
    /// There is no such active consultant or supervisor.
    NotConsultant,
    /// Nobody waits there.
    NotWaiting,
}

/// Why the records could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordsError {
    /// The database is busy or closed: the same question may work in a moment.
    #[error("the records are not available at the moment: {0}")]
    Unavailable(String),
    /// The stored row makes no sense.
    #[error("{0}")]
    Corrupt(String),
    /// The caller may see one person only, and this is about somebody else.
    #[error("错误：超出本分组可访问的客户范围。 / Error: this is about somebody other than the customer this group may see.")]
    OutOfScope,
}

/// The clinic's records, as questions of the domain.
///
/// Dropping a future ends the work behind it: a running query is interrupted.
#[async_trait]
pub trait Records: Send + Sync {
    /// The user with this id.
    async fn user(&self, id: &str) -> Result<Option<User>, RecordsError>;
    /// Users whose name, e-mail address or phone number matches, best first.
    async fn search_users(&self, query: &str, limit: u32) -> Result<Vec<UserHit>, RecordsError>;
    /// What is known of the customer with this user id.
    async fn customer(&self, user_id: &str) -> Result<Option<Customer>, RecordsError>;
    /// The customer's preferences.
    async fn preferences(&self, user_id: &str) -> Result<Option<Preferences>, RecordsError>;
    /// What the customer did, added up as of `now`.
    async fn activity(&self, user_id: &str, now: DateTime<Utc>) -> Result<Activity, RecordsError>;
    /// The customer's consultations, newest first.
    async fn consultations(&self, customer_id: &str, limit: u32) -> Result<Vec<Consultation>, RecordsError>;
    /// One consultation.
    async fn consultation(&self, id: &str) -> Result<Option<Consultation>, RecordsError>;
    /// Stores a consultation summary.
    async fn save_summary(&self, summary: NewSummary) -> Result<Stored, RecordsError>;
    /// One conversation.
    async fn conversation(&self, id: &str) -> Result<Option<Conversation>, RecordsError>;
    /// The customer's conversation that changed last.
    async fn latest_conversation(&self, user_id: &str) -> Result<Option<Conversation>, RecordsError>;
    /// The last `limit` messages of a conversation, oldest of them first.
    async fn messages(&self, conversation_id: &str, limit: u32) -> Result<Vec<Message>, RecordsError>;
    /// Who takes part in a conversation: its customer, and everybody who wrote.
    async fn participants(&self, conversation_id: &str) -> Result<Vec<Participant>, RecordsError>;
    /// The whole service catalogue, ordered by category and code; bookings are those of the year before `now`.
    async fn services(&self, now: DateTime<Utc>) -> Result<Vec<Service>, RecordsError>;
    /// One plan.
    async fn plan(&self, id: &str) -> Result<Option<Plan>, RecordsError>;
    /// Stores a plan, always as `pending_physician_review`.
    async fn save_plan(&self, plan: NewPlan) -> Result<Stored, RecordsError>;
    /// Claims a waiting customer for a consultant: of any number of claims one wins.
    async fn claim(&self, claim: NewClaim) -> Result<ClaimOutcome, RecordsError>;
}

/// Hears how far a tool that takes long is.
#[async_trait]
pub trait Progress: Send + Sync {
    /// `percent` of the work is done; `what` says what was done last, for people. Only what increases is worth telling.
    async fn report(&self, percent: u8, what: &str);
}

/// Nobody asked how far it is.
#[derive(Debug, Clone, Copy)]
pub struct NobodyAsked;

#[async_trait]
impl Progress for NobodyAsked {
    async fn report(&self, _: u8, _: &str) {}
}

/// What one call hands its tool.
pub struct Context<'a> {
    /// The clinic's records.
    pub records: &'a dyn Records,
    /// The time of the call.
    pub now: DateTime<Utc>,
    /// `config_data` of this tool in the caller's group: what the operator allows, such as `{"allow_contact": true}`.
    pub config: &'a Map<String, Value>,
    /// Who wants to know how far it is.
    pub progress: &'a dyn Progress,
}

impl Context<'_> {
    /// Says how far the work is, and lets others have the thread: a call that was cancelled ends here.
    pub async fn report(&self, percent: u8, what: &str) {
        self.progress.report(percent, what).await;
        pause().await;
    }

    /// Whether the operator switched `name` on for this tool in this group. Anything but `true` is off.
    pub fn allows(&self, name: &str) -> bool {
        self.config.get(name) == Some(&Value::Bool(true))
    }
}

/// Gives the thread back once.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
