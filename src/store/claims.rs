//! Who took over which new customer: one winner each, decided by the primary key.
//!
//! A claim and everything that follows from it are one transaction: the others hear of it, the conversation leaves the
//! AI, the run's waiting reminders are cancelled, the app is told. Nobody can see one without the other, and of any
//! number of claims at once exactly one is the first. Claiming again what one has is no change and no error.
//!
//! Who may claim: an active account in the role `consultant`, or a supervisor (`consultants.is_supervisor`). Doctors,
//! operators and administrators may not: they treat or manage, and a customer they held would wait for nobody.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::json;

pub use self::list::{Claimed, Queued};
use super::{
    Store, StoreError,
    audit::{self, By, Change},
    events::{self, OutgoingEvent},
    rows,
};
use crate::{clock::rfc3339, ids::new_id_at};

/// Name of the job that looks whether a consultant has seen the notice.
pub const NOTICE_JOB: &str = "notice_ack";
/// Name of the job that tells others when nobody claims.
pub const ESCALATION_JOB: &str = "escalation";

/// The customer who is to be claimed, by whatever the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The run.
    Registration(String),
    /// The conversation it opened.
    Conversation(String),
    /// The customer's user id.
    Customer(String),
}

/// By which door a claim comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A live connection.
    Live,
    /// The REST API.
    Rest,
    /// The MCP tool.
    Mcp,
    /// The command line.
    Cli,
    /// The panel and its API.
    Panel,
}

impl Via {
    /// As the table keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Rest => "rest",
            Self::Mcp => "mcp",
            Self::Cli => "cli",
            Self::Panel => "panel",
        }
    }
}

/// A claim about to be made.
#[derive(Debug, Clone)]
pub struct NewClaim {
    /// Who is claimed.
    pub target: Target,
    /// Who claims.
    pub consultant_id: String,
    /// By which door.
    pub via: Via,
    /// Whether a receiver of events is configured, who then hears of it.
    pub events: bool,
    /// The time.
    pub now: i64,
}

/// A claim that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The customer's run.
    pub registration_id: String,
    /// The conversation taken over.
    pub conversation_id: String,
    /// The customer.
    pub customer_id: String,
    /// Who won.
    pub consultant_id: String,
    /// By which door.
    pub via: String,
    /// When.
    pub claimed_at: i64,
    /// Since when the customer had waited for a consultant.
    pub waiting_since: i64,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The customer is the caller's, by this claim or by an earlier one.
    Won {
        /// The claim that stands.
        claim: Claim,
    },
    /// Somebody else was first.
    Lost {
        /// The claim that stands: by whom, and when.
        claim: Claim,
    },
    /// There is no such registration, conversation or customer.
    Unknown,
    /// There is no such active consultant.
    NotConsultant,
    /// Nobody waits there: no registration opened the conversation, it is closed, or the run was skipped or cancelled.
    NotWaiting,
}

/// A customer nobody has claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingCustomer {
    /// The run.
    pub registration_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The customer.
    pub customer_id: String,
    /// Since when: the consultants' notice, or else the conversation.
    pub waiting_since: i64,
    /// The consultant the rule offered the customer to first.
    pub assigned_to: Option<String>,
    /// The last level of the escalation; 0 before the first.
    pub escalation_level: i64,
}

/// When a customer began to wait. What is older than the kept notifications began with the conversation.
macro_rules! since {
    () => {
        "coalesce((SELECT min(n.created_at) FROM notifications n WHERE n.registration_id = r.id AND n.kind = 'new_customer'),
                  c.created_at, r.accepted_at)"
    };
}
/// Whether somebody waits there at all.
macro_rules! waits {
    () => {
        "c.status = 'open' AND r.state NOT IN ('skipped', 'cancelled')"
    };
}
/// A claim with its beginning.
macro_rules! claims {
    () => {
        concat!(
            "SELECT k.registration_id, k.conversation_id, k.customer_id, k.consultant_id, k.via, k.claimed_at, ",
            since!(),
            " FROM claims k JOIN registrations r ON r.id = k.registration_id LEFT JOIN conversations c ON c.id = k.conversation_id "
        )
    };
}

const MAY_CLAIM: &str = "
    SELECT EXISTS (SELECT 1 FROM users u LEFT JOIN consultants c ON c.user_id = u.id WHERE u.id = ?1 AND u.is_active = 1
       AND (c.is_supervisor = 1 OR EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = 'consultant')))";
const BY_REGISTRATION: &str = "SELECT id FROM registrations WHERE id = ?1";
/// A conversation of the app's own has no registration: then nobody waits in it.
const BY_CONVERSATION: &str = "SELECT coalesce(registration_id, '') FROM conversations WHERE id = ?1";
const BY_CUSTOMER: &str = "SELECT coalesce((SELECT id FROM registrations WHERE user_id = ?1), '') FROM users WHERE id = ?1";
const STANDING: &str = concat!(claims!(), "WHERE k.registration_id = ?1");
const RECENT: &str = concat!(claims!(), "WHERE k.claimed_at >= ?1 ORDER BY k.claimed_at DESC LIMIT ?2");
const OF_CONSULTANT: &str = concat!(claims!(), "WHERE k.consultant_id = ?1 AND k.claimed_at >= ?2 ORDER BY k.claimed_at DESC");
const OPEN: &str = concat!(
    "SELECT c.id, c.customer_id FROM registrations r JOIN conversations c ON c.registration_id = r.id WHERE r.id = ?1 AND ",
    waits!()
);
const ADD: &str = "INSERT INTO claims (registration_id, conversation_id, customer_id, consultant_id, via, claimed_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const TAKE_OVER: &str = "UPDATE conversations SET ai_controlled = 0, updated_at = max(updated_at, ?2) WHERE id = ?1";
const CANCEL: &str = "UPDATE jobs SET state = 'cancelled', finished_at = ?4 WHERE subject_id = ?1 AND kind IN (?2, ?3) AND state = 'ready'";
/// The other consultants, and everybody who was told that the customer waits.
const OTHERS: &str = r#"
    SELECT id FROM users WHERE id <> ?2 AND is_active = 1 AND id IN (
        SELECT u.id FROM users u WHERE u.roles <> '["customer"]' AND EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = 'consultant')
         UNION SELECT recipient_id FROM notifications WHERE registration_id = ?1 AND kind IN ('new_customer', 'escalation'))
     ORDER BY id"#;
const TELL: &str = "INSERT INTO notifications (id, registration_id, kind, level, recipient_id, payload, created_at)
    VALUES (?1, ?2, 'customer_claimed', 0, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
const WAITING: &str = concat!(
    "SELECT r.id, c.id, c.customer_id, ",
    since!(),
    " AS since, r.assigned_to, coalesce((SELECT max(e.level) FROM escalations e WHERE e.registration_id = r.id), 0)
        FROM registrations r JOIN conversations c ON c.registration_id = r.id
       WHERE r.accepted_at >= ?1 AND NOT EXISTS (SELECT 1 FROM claims k WHERE k.registration_id = r.id) AND ",
    waits!(),
    " ORDER BY since, r.id LIMIT ?2"
);
/// How many wait, of registrations since a moment; at most 10 000 are looked at.
pub(super) const UNCLAIMED: &str = concat!(
    "SELECT count(*) FROM (SELECT id, state FROM registrations INDEXED BY registrations_unclaimed
           WHERE claimed_at IS NULL AND state NOT IN ('skipped', 'cancelled') AND accepted_at >= ?1 LIMIT 10000) r
        JOIN conversations c ON c.registration_id = r.id WHERE ",
    waits!()
);

impl Store {
    /// Claims a customer for somebody else: as [`Self::claim`], with a row in the audit log when it is new.
    pub async fn claim_for(&self, new: NewClaim, by: By) -> Result<ClaimOutcome, StoreError> {
        self.write(move |db| {
            let (outcome, is_new) = claim(db, &new)?;
            if let (ClaimOutcome::Won { claim }, true) = (&outcome, is_new) {
                let change = Change::new("claim.take", format!("registration/{}", claim.registration_id));
                audit::append(db, &by, &change.after(json!({"consultant_id": claim.consultant_id, "via": claim.via})))?;
            }
            Ok(outcome)
        })
        .await
    }

    /// Claims a customer for a consultant: the first one has them. Returns after the commit.
    pub async fn claim(&self, new: NewClaim) -> Result<ClaimOutcome, StoreError> {
        self.write(move |db| claim(db, &new).map(|(outcome, _)| outcome)).await
    }

    /// The claim of a run's customer.
    pub fn claim_of_run(&self, registration_id: &str) -> Result<Option<Claim>, StoreError> {
        self.point(|db| of_run(db, registration_id))
    }

    /// Customers nobody has claimed, of registrations since `since`; who waits longest comes first.
    pub async fn waiting_customers(&self, since: i64, limit: u32) -> Result<Vec<WaitingCustomer>, StoreError> {
        self.scan(move |db| rows::all(db, WAITING, params![since, limit], waiting)).await
    }

    /// Claims since `since`, newest first.
    pub async fn recent_claims(&self, since: i64, limit: u32) -> Result<Vec<Claim>, StoreError> {
        self.scan(move |db| rows::all(db, RECENT, params![since, limit], read)).await
    }

    /// Claims of one consultant since `since`, newest first.
    pub async fn claims_of(&self, consultant_id: &str, since: i64) -> Result<Vec<Claim>, StoreError> {
        let id = consultant_id.to_owned();
        self.scan(move |db| rows::all(db, OF_CONSULTANT, params![id, since], read)).await
    }
}

/// What became of a claim, and whether it was made now.
fn claim(db: &Connection, new: &NewClaim) -> Result<(ClaimOutcome, bool), StoreError> {
    if !db.prepare_cached(MAY_CLAIM)?.query_row([&new.consultant_id], |row| row.get(0))? {
        return Ok((ClaimOutcome::NotConsultant, false));
    }
    let Some(registration_id) = run_of(db, &new.target)? else { return Ok((ClaimOutcome::Unknown, false)) };
    if let Some(claim) = of_run(db, &registration_id)? {
        let own = claim.consultant_id == new.consultant_id;
        return Ok((if own { ClaimOutcome::Won { claim } } else { ClaimOutcome::Lost { claim } }, false));
    }
    let open: Option<(String, String)> = rows::one(db, OPEN, [&registration_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some((conversation_id, customer_id)) = open else { return Ok((ClaimOutcome::NotWaiting, false)) };
    db.prepare_cached(ADD)?.execute(params![
        registration_id,
        conversation_id,
        customer_id,
        new.consultant_id,
        new.via.as_str(),
        new.now
    ])?;
    let claim = db.prepare_cached(STANDING)?.query_row([&registration_id], read)?;
    follow_up(db, &claim, new)?;
    Ok((ClaimOutcome::Won { claim }, true))
}

/// The run that is meant; empty when the conversation or the customer has none.
fn run_of(db: &Connection, target: &Target) -> rusqlite::Result<Option<String>> {
    let (sql, id) = match target {
        Target::Registration(id) => (BY_REGISTRATION, id),
        Target::Conversation(id) => (BY_CONVERSATION, id),
        Target::Customer(id) => (BY_CUSTOMER, id),
    };
    rows::one(db, sql, [id], |row| row.get(0))
}

/// What a new claim changes for everybody else.
fn follow_up(db: &Connection, claim: &Claim, new: &NewClaim) -> Result<(), StoreError> {
    db.prepare_cached(TAKE_OVER)?.execute(params![claim.conversation_id, new.now])?;
    db.prepare_cached(CANCEL)?.execute(params![claim.registration_id, NOTICE_JOB, ESCALATION_JOB, new.now])?;
    let payload = json!({
        "type": "customer_claimed",
        "registration_id": claim.registration_id,
        "conversation_id": claim.conversation_id,
        "customer_id": claim.customer_id,
        "claimed_by": claim.consultant_id,
        "timestamp": rfc3339(claim.claimed_at),
    })
    .to_string();
    let others: Vec<String> = rows::all(db, OTHERS, [&claim.registration_id, &claim.consultant_id], |row| row.get(0))?;
    let mut tell = db.prepare_cached(TELL)?;
    for other in others {
        tell.execute(params![new_id_at(new.now), claim.registration_id, other, payload, new.now])?;
    }
    if new.events {
        events::add(db, &claim.registration_id, &event(claim), new.now)?;
    }
    Ok(())
}

/// `customer.claimed`.
fn event(claim: &Claim) -> OutgoingEvent {
    OutgoingEvent {
        id: format!("msg_{}", new_id_at(claim.claimed_at)),
        job_id: new_id_at(claim.claimed_at),
        kind: "customer.claimed",
        subject_id: claim.registration_id.clone(),
        payload: json!({
            "type": "customer.claimed",
            "timestamp": rfc3339(claim.claimed_at),
            "data": {
                "registration_id": claim.registration_id,
                "user_id": claim.customer_id,
                "conversation_id": claim.conversation_id,
                "consultant_id": claim.consultant_id,
                "via": claim.via,
                "waiting_ms": claim.waiting_ms(),
            },
        }),
    }
}

impl Claim {
    /// How long the customer had waited.
    pub fn waiting_ms(&self) -> i64 {
        (self.claimed_at - self.waiting_since).max(0)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Claim> {
    Ok(Claim {
        registration_id: row.get(0)?,
        conversation_id: row.get(1)?,
        customer_id: row.get(2)?,
        consultant_id: row.get(3)?,
        via: row.get(4)?,
        claimed_at: row.get(5)?,
        waiting_since: row.get(6)?,
    })
}

/// The claim of a run's customer.
pub(super) fn of_run(db: &Connection, registration_id: &str) -> rusqlite::Result<Option<Claim>> {
    rows::one(db, STANDING, [registration_id], read)
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<WaitingCustomer> {
    Ok(WaitingCustomer {
        registration_id: row.get(0)?,
        conversation_id: row.get(1)?,
        customer_id: row.get(2)?,
        waiting_since: row.get(3)?,
        assigned_to: row.get(4)?,
        escalation_level: row.get(5)?,
    })
}

mod list;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
