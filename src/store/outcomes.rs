//! What the automation achieves (PRD 10), computed from rows alone: the figures are the same before and after a restart.
//!
//! **Periods.** Runs and ratings count when they end in the period; times to the welcome and to the claim are those of
//! the registrations accepted in it. What has to be waited for counts when the wait ends in the period: a reply within
//! 24 hours is asked of the welcomes of 24 hours before, a first conversation within 7 days of the registrations of 7
//! days before. So a figure is never low merely because it is early.

use rusqlite::{Connection, params};
use serde::Serialize;

use super::{
    Store, StoreError,
    claims::{ClaimTime, WaitingCustomer},
    figures::{Ratings, Share, Spread},
    rows,
};

const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// Time in which a new customer is to be claimed (PRD 10.2).
pub const CLAIM_TARGET_MS: i64 = 10 * 60_000;
/// Time in which a new customer is to have a first response (PRD 10.2).
pub const RESPONSE_TARGET_MS: i64 = 5 * 60_000;

/// What was achieved in a period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcomes {
    /// Its beginning.
    pub since: i64,
    /// Its end.
    pub until: i64,
    /// Registrations accepted in it.
    pub registrations: i64,
    /// Of the runs that ended in it, those that brought a welcome.
    pub automation_success: Share,
    /// Of the runs accepted in it that asked an agent, those in which one answered.
    pub agent_success: Share,
    /// Time from acceptance to the welcome.
    pub first_response: Spread,
    /// Welcomes that were there within five minutes, of those due.
    pub responded_in_time: Share,
    /// Welcomes that were there by their deadline, of those due.
    pub welcome_by_deadline: Share,
    /// Welcomes that the customer answered within 24 hours.
    pub replied_24h: Share,
    /// Registrations that led to a first conversation within 7 days: the customer wrote at least once.
    pub conversed_7d: Share,
    /// Working time from the notice to the claim.
    pub claim: Spread,
    /// Customers claimed within ten minutes of working time, of those claimed or overdue.
    pub claimed_in_time: Share,
    /// What customers think of their welcomes.
    pub ratings: Ratings,
}

impl Store {
    /// What was achieved from `since` to `now`. `working` says how much working time lies between two moments.
    pub async fn outcomes(&self, since: i64, now: i64, working: impl Fn(i64, i64) -> i64 + Send + 'static) -> Result<Outcomes, StoreError> {
        let (automation_success, agent_success) = (self.automation_success(since).await?, self.agent_success(since).await?);
        let (claimed, waiting) = (self.claim_times(since).await?, self.waiting_customers(since, u32::MAX).await?);
        let (claim, claimed_in_time) = claims(&claimed, &waiting, now, working);
        self.scan(move |db| {
            let waits = welcome_waits(db, since)?;
            Ok(Outcomes {
                since,
                until: now,
                registrations: db
                    .prepare_cached("SELECT count(*) FROM registrations WHERE accepted_at >= ?1")?
                    .query_row([since], |row| row.get(0))?,
                automation_success,
                agent_success,
                responded_in_time: due(&waits, now, |wait| wait.accepted + RESPONSE_TARGET_MS),
                welcome_by_deadline: due(&waits, now, |wait| wait.deadline),
                first_response: Spread::of(waits.iter().filter_map(|wait| Some(wait.welcomed? - wait.accepted)).collect()),
                replied_24h: share(db, REPLIED, params![since - DAY_MS, now - DAY_MS, DAY_MS])?,
                conversed_7d: share(db, CONVERSED, params![since - WEEK_MS, now - WEEK_MS, WEEK_MS])?,
                claim,
                claimed_in_time,
                ratings: Ratings::of(&rows::all(db, "SELECT rating FROM feedback WHERE created_at >= ?1", [since], |row| row.get(0))?),
            })
        })
        .await
    }
}

const REPLIED: &str = "SELECT coalesce(sum(EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = r.conversation_id
        AND m.sender_type = 'customer' AND m.created_at BETWEEN r.welcome_at AND r.welcome_at + ?3)), 0), count(*)
    FROM registrations r WHERE r.welcome_at > ?1 AND r.welcome_at <= ?2 AND r.accepted_at <= ?2";
// In whichever conversation: what counts is that the customer began to talk.
const CONVERSED: &str = "SELECT coalesce(sum(EXISTS (SELECT 1 FROM conversations v JOIN messages m ON m.conversation_id = v.id
        WHERE v.customer_id = r.user_id AND m.sender_type = 'customer' AND m.created_at BETWEEN r.accepted_at AND r.accepted_at + ?3)), 0), count(*)
    FROM registrations r WHERE r.accepted_at > ?1 AND r.accepted_at <= ?2 AND r.state NOT IN ('skipped', 'cancelled')";

fn share(db: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<Share> {
    db.prepare_cached(sql)?.query_row(params, |row| Ok(Share { hits: row.get(0)?, of: row.get(1)? }))
}

/// How long a customer waited for the welcome.
struct Wait {
    accepted: i64,
    deadline: i64,
    welcomed: Option<i64>,
}

fn welcome_waits(db: &Connection, since: i64) -> rusqlite::Result<Vec<Wait>> {
    let sql =
        "SELECT accepted_at, deadline_at, welcome_at FROM registrations WHERE accepted_at >= ?1 AND state NOT IN ('skipped', 'cancelled')";
    rows::all(db, sql, [since], |row| Ok(Wait { accepted: row.get(0)?, deadline: row.get(1)?, welcomed: row.get(2)? }))
}

/// Of the welcomes that are there or should be, those that came by `bound`.
fn due(waits: &[Wait], now: i64, bound: impl Fn(&Wait) -> i64) -> Share {
    let mut share = Share::default();
    for wait in waits {
        match wait.welcomed {
            Some(at) => share.count(at <= bound(wait)),
            None if bound(wait) < now => share.count(false),
            None => {}
        }
    }
    share
}

/// Times to the claim, and whether they were in time; a customer who waits still is late once the time has passed.
fn claims(claimed: &[ClaimTime], waiting: &[WaitingCustomer], now: i64, working: impl Fn(i64, i64) -> i64) -> (Spread, Share) {
    let times: Vec<i64> = claimed.iter().map(|claim| working(claim.waiting_since, claim.claimed_at)).collect();
    let late = waiting.iter().filter(|customer| working(customer.waiting_since, now) > CLAIM_TARGET_MS).count();
    let mut in_time = Share::default();
    for waited in &times {
        in_time.count(*waited <= CLAIM_TARGET_MS);
    }
    in_time.of += i64::try_from(late).unwrap_or(i64::MAX);
    (Spread::of(times), in_time)
}

#[cfg(test)]
mod tests;
