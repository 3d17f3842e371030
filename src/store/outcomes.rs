//! What the automation achieves (PRD 10), computed from rows alone: the figures are the same before and after a restart.
//!
//! **Periods.** Runs and ratings count when they end in the period; times to the welcome and to the claim are those of
//! the registrations accepted in it. What has to be waited for counts when the wait ends in the period: a reply within
//! 24 hours is asked of the welcomes of 24 hours before, a first conversation within 7 days of the registrations of 7
//! days before. So a figure is never low merely because it is early.
//!
//! What is asked of each run stands in one narrow row (`run_figures`), in the order of acceptance: triggers keep it. A
//! hundred thousand runs are read in some tens of milliseconds, and no other table is touched for them.

mod waits;

use rusqlite::params;
use serde::Serialize;

use self::waits::Waits;
use super::{
    Store, StoreError,
    figures::{Ratings, Share, Spread, grid::Grid},
    rows,
    variants::Rungs,
};

const DAY_MS: i64 = 86_400_000;
/// Time in which a new customer is to be claimed (PRD 10.2).
pub const CLAIM_TARGET_MS: i64 = 10 * 60_000;
/// Time in which a new customer is to have a first response (PRD 10.2).
pub const RESPONSE_TARGET_MS: i64 = 5 * 60_000;
/// Time in which a new customer is to begin to talk (PRD 10.2).
const CONVERSATION_TARGET_MS: i64 = 7 * DAY_MS;
/// Time after which a notice that nobody has and no channel took did not arrive.
pub const NOTICE_TARGET_MS: i64 = 5 * 60_000;

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
    /// Who wrote the welcomes of the runs accepted in it.
    pub rungs: Rungs,
    /// Time from acceptance to the welcome.
    pub first_response: Spread,
    /// Welcomes that were there within five minutes, of those due.
    pub responded_in_time: Share,
    /// Welcomes that were there by their deadline, of those due.
    pub welcome_by_deadline: Share,
    /// Notices of new customers that reached a consultant or a channel, of those that did or should have by then.
    pub notices_arrived: Share,
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

/// Registrations accepted in one step of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RunStep {
    /// All of them.
    pub accepted: i64,
    /// Those with a welcome that an agent wrote.
    pub by_agent: i64,
    /// Those with a welcome from a template or the static text.
    pub by_template: i64,
    /// Those that were given up.
    pub failed: i64,
    /// 95 % of those with a welcome waited at most so long for it.
    pub welcome_p95: Option<i64>,
}

impl Store {
    /// What was achieved from `since` to `now`. `working` says how much working time lies between two moments.
    pub async fn outcomes(&self, since: i64, now: i64, working: impl Fn(i64, i64) -> i64 + Send + 'static) -> Result<Outcomes, StoreError> {
        self.outcomes_in_steps(Grid::whole(since, now), working).await.map(|(outcomes, _)| outcomes)
    }

    /// The same, and the registrations of each step.
    pub async fn outcomes_in_steps(
        &self,
        grid: Grid,
        working: impl Fn(i64, i64) -> i64 + Send + 'static,
    ) -> Result<(Outcomes, Vec<RunStep>), StoreError> {
        let (since, now) = (grid.since, grid.until);
        let automation_success = self.automation_success(since).await?;
        self.scan(move |db| {
            let mut waits = Waits::new(grid);
            waits.read(db, &working)?;
            let (claim, claimed_in_time) = (Spread::of(std::mem::take(&mut waits.claims)), waits.claimed_in_time);
            let outcomes = Outcomes {
                since,
                until: now,
                registrations: waits.accepted,
                automation_success,
                agent_success: waits.agent_success,
                rungs: waits.rungs,
                first_response: Spread::of(std::mem::take(&mut waits.responses)),
                responded_in_time: waits.responded_in_time,
                welcome_by_deadline: waits.welcome_by_deadline,
                notices_arrived: waits.notices_arrived,
                replied_24h: Share::read(db, REPLIED, params![since - DAY_MS, now - DAY_MS, DAY_MS])?,
                conversed_7d: waits.conversed,
                claim,
                claimed_in_time,
                ratings: Ratings::of(&rows::all(db, RATINGS, [since], |row| row.get(0))?),
            };
            Ok((outcomes, waits.steps))
        })
        .await
    }

    /// How many registrations were accepted since a moment.
    pub async fn registrations_since(&self, since: i64) -> Result<i64, StoreError> {
        self.scan(move |db| db.prepare_cached(ACCEPTED)?.query_row([since], |row| row.get(0))).await
    }
}

const REPLIED: &str = "SELECT coalesce(sum(replied_at <= welcome_at + ?3), 0), count(*)
    FROM run_figures WHERE welcome_at > ?1 AND welcome_at <= ?2";
const RATINGS: &str = "SELECT rating FROM feedback WHERE created_at >= ?1";
const ACCEPTED: &str = "SELECT count(*) FROM registrations WHERE accepted_at >= ?1";

/// Every read of this file, for the test that looks at their plans.
#[cfg(test)]
pub(super) const SQL: &[&str] = &[waits::RUNS, REPLIED, RATINGS, ACCEPTED];

#[cfg(test)]
mod tests;
