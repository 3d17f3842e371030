//! Consultants and the customers who wait for one: who is there, what each has to do, who waits how long, who claims.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallError, Calls, Listed, pages, said};
use crate::{
    clock::rfc3339,
    store::{
        audit::By,
        claims::{ClaimOutcome, Claimed, NewClaim, Queued, Target, Via},
        figures::Spread,
        staff::{Load, StaffMember},
    },
};

const DAY_MS: i64 = 24 * 3_600_000;
/// Longest period of the figures, in days.
const LONGEST_FIGURES: u32 = 90;
/// Longest period of the lists, in days.
const LONGEST_LIST: u32 = 36_500;
/// Days of the figures when nobody says how many.
pub(in crate::admin) const DAYS: u32 = 7;
/// Customers who registered longer ago are no queue any more.
pub(in crate::admin) const QUEUE_DAYS: u32 = 30;

/// Consultants, and how long customers wait for them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsultantsView {
    /// Everybody who may claim customers.
    pub items: Vec<ConsultantView>,
    /// How many of them are connected; unknown to a command beside the daemon.
    pub online: Option<usize>,
    /// The figures are of so many days.
    pub days: u32,
    /// How long the customers who were claimed in this time had waited.
    pub waited: WaitedView,
    /// Customers nobody has claimed, of the last 30 days.
    pub waiting: i64,
    /// When the first of them registered.
    pub oldest_at: Option<String>,
}

/// How long customers had waited, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct WaitedView {
    /// Customers.
    pub count: usize,
    /// Their mean.
    pub mean_ms: Option<f64>,
    /// Half waited at most so long.
    pub p50_ms: Option<i64>,
    /// 95 % waited at most so long.
    pub p95_ms: Option<i64>,
}

/// A consultant or supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConsultantView {
    /// The app's user id.
    pub user_id: String,
    /// The name.
    pub username: String,
    /// Whether the role is `consultant`; else a supervisor only.
    pub is_consultant: bool,
    /// Whether customers nobody claims are told.
    pub is_supervisor: bool,
    /// Whether new customers are taken.
    pub is_available: bool,
    /// What the person is good at.
    pub tags: Vec<String>,
    /// Whether a live connection is open; unknown to a command beside the daemon.
    pub online: Option<bool>,
    /// Since when.
    pub online_since: Option<String>,
    /// When the client was last heard of.
    pub last_seen_at: Option<String>,
    /// Connections: tabs and devices.
    pub connections: usize,
    /// Customers claimed within the days of the figures.
    pub claims: i64,
    /// Of them, those whose conversation is still open.
    pub open_customers: i64,
    /// Customers claimed within the last 24 hours.
    pub claims_today: i64,
    /// How long the customers had waited.
    pub waited: WaitedView,
    /// When the rule last named this one for a new customer.
    pub last_assigned_at: Option<String>,
}

/// A customer nobody has claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WaitingView {
    /// The run.
    pub registration_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The customer.
    pub customer_id: String,
    /// The customer's name as the app sent it: hostile text, to be shown as text.
    pub username: String,
    /// Since when the customer waits: the consultants' notice, or else the conversation.
    pub waiting_since: String,
    /// How long that is.
    pub waiting_seconds: i64,
    /// The consultant the rule offered the customer to first.
    pub assigned_to: Option<String>,
    /// That person's name.
    pub assigned_to_name: Option<String>,
    /// How many consultants have said that they have the notice.
    pub acknowledged: i64,
    /// The last level of the escalation; 0 before the first.
    pub escalation_level: i64,
    /// Who was told at that level: `again` (the consultants), `supervisors` or `administrator`.
    pub escalated_to: Option<String>,
    /// When.
    pub escalated_at: Option<String>,
    /// When the next level is due, if there is one.
    pub next_escalation_at: Option<String>,
}

/// A claim that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClaimView {
    /// The run.
    pub registration_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The customer.
    pub customer_id: String,
    /// The customer's name as the app sent it: hostile text, to be shown as text.
    pub username: String,
    /// Who has the customer.
    pub claimed_by: String,
    /// That person's name.
    pub claimed_by_name: String,
    /// By which door: `live`, `rest`, `mcp`, `cli` or `panel`.
    pub via: String,
    /// When.
    pub claimed_at: String,
    /// How long the customer had waited.
    pub waiting_seconds: i64,
    /// Since when.
    pub waiting_since: String,
}

impl Calls {
    /// Everybody who may claim customers, with what was claimed within so many days.
    pub async fn consultants(&self, days: Option<u32>) -> Result<ConsultantsView, CallError> {
        let days = period(days, DAYS, LONGEST_FIGURES)?;
        let now = self.clock.now_ms();
        let (staff, loads) = tokio::try_join!(self.store.staff(), self.store.loads(now - i64::from(days) * DAY_MS))?;
        let (waiting, oldest) = self.store.count_waiting(now - i64::from(QUEUE_DAYS) * DAY_MS).await?;
        let waited = spread(&loads.iter().collect::<Vec<_>>());
        let mut of: HashMap<String, Vec<&Load>> = HashMap::new();
        for load in &loads {
            of.entry(load.consultant_id.clone()).or_default().push(load);
        }
        let items: Vec<_> =
            staff.into_iter().map(|one| self.consultant(&one, of.get(&one.user_id).map_or(&[], Vec::as_slice), now)).collect();
        let online = self.running.as_ref().map(|_| items.iter().filter(|one| one.online == Some(true)).count());
        Ok(ConsultantsView { items, online, days, waited, waiting, oldest_at: oldest.map(rfc3339) })
    }

    fn consultant(&self, member: &StaffMember, loads: &[&Load], now: i64) -> ConsultantView {
        let presence = self.running.as_ref().and_then(|running| running.hub.presence(&member.user_id));
        let count = |fits: &dyn Fn(&Load) -> bool| i64::try_from(loads.iter().filter(|load| fits(load)).count()).unwrap_or(i64::MAX);
        ConsultantView {
            user_id: member.user_id.clone(),
            username: member.username.clone(),
            is_consultant: member.is_consultant,
            is_supervisor: member.is_supervisor,
            is_available: member.is_available,
            tags: member.tags.clone(),
            online: self.running.as_ref().map(|_| presence.is_some()),
            online_since: presence.as_ref().map(|presence| rfc3339(presence.since)),
            last_seen_at: presence.as_ref().map(|presence| rfc3339(presence.last_seen)),
            connections: presence.map_or(0, |presence| presence.connections),
            claims: count(&|_| true),
            open_customers: count(&|load| load.open),
            claims_today: count(&|load| load.claimed_at > now - DAY_MS),
            waited: spread(loads),
            last_assigned_at: member.last_assigned_at.map(rfc3339),
        }
    }

    /// Who may claim: ids and names.
    pub async fn staff_names(&self) -> Result<Vec<(String, String)>, CallError> {
        Ok(self.store.staff().await?.into_iter().map(|member| (member.user_id, member.username)).collect())
    }

    /// Customers nobody has claimed, of registrations within so many days; who waits longest comes first.
    pub async fn claim_queue(&self, days: Option<u32>, cursor: Option<&str>, limit: u32) -> Result<Listed<WaitingView>, CallError> {
        let now = self.clock.now_ms();
        let since = now - i64::from(period(days, QUEUE_DAYS, LONGEST_LIST)?) * DAY_MS;
        let page = self.store.claim_queue(since, pages::place(cursor)?, limit).await?;
        Ok(pages::listed(page, |one| waiting(one, now)))
    }

    /// Claims within so many days, the latest first; of one consultant, or of everybody.
    pub async fn claims(
        &self,
        consultant: Option<String>,
        days: Option<u32>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listed<ClaimView>, CallError> {
        let since = self.clock.now_ms() - i64::from(period(days, QUEUE_DAYS, LONGEST_LIST)?) * DAY_MS;
        let page = self.store.claim_list(consultant, since, pages::place(cursor)?, limit).await?;
        Ok(pages::listed(page, claimed))
    }

    /// Claims a customer for a consultant, by registration or conversation: the first one has the customer. What one
    /// has is claimed again without a change.
    pub async fn claim_for(&self, customer: &str, consultant: &str, via: Via, by: &By) -> Result<ClaimView, CallError> {
        let claim = |target| NewClaim {
            target,
            consultant_id: consultant.to_owned(),
            via,
            events: self.config.outbound.webhook_url.is_some(),
            now: self.clock.now_ms(),
        };
        let mut outcome = self.store.claim_for(claim(Target::Registration(customer.to_owned())), by.clone()).await?;
        if outcome == ClaimOutcome::Unknown {
            outcome = self.store.claim_for(claim(Target::Conversation(customer.to_owned())), by.clone()).await?;
        }
        let registration_id = won(outcome, customer, consultant)?;
        self.tell_the_others(&registration_id).await;
        let claim = self.store.claim_with_names(&registration_id)?;
        claim.map(claimed).ok_or_else(|| CallError::not_found("认领记录已不存在", "the claim is not there any more"))
    }

    /// Everybody who was told that the customer waits now has a row that says who has the customer.
    async fn tell_the_others(&self, registration_id: &str) {
        let Some(running) = &self.running else { return };
        running.wake.notify_one();
        match self.store.recipients_of(registration_id, "customer_claimed").await {
            Ok(others) => {
                running.hub.deliver(others.iter().map(String::as_str));
            }
            Err(error) => tracing::warn!(registration.id = registration_id, %error, "others hear of a claim at their next look"),
        }
    }
}

/// The run whose customer is won.
fn won(outcome: ClaimOutcome, customer: &str, consultant: &str) -> Result<String, CallError> {
    match outcome {
        ClaimOutcome::Won { claim } => Ok(claim.registration_id),
        ClaimOutcome::Lost { claim } => {
            let at = rfc3339(claim.claimed_at);
            Err(CallError::Conflict(said(
                format!("{} 已于 {at} 认领（via {}）", claim.consultant_id, claim.via),
                format!("{} was first, at {at} (via {})", claim.consultant_id, claim.via),
            )))
        }
        ClaimOutcome::Unknown => Err(CallError::not_found(
            format!("没有注册或会话 {customer}"),
            format!("there is no registration and no conversation {customer}; `anmei-mcp claim list` shows who waits"),
        )),
        ClaimOutcome::NotConsultant => Err(CallError::invalid(
            "/consultant_id",
            format!("{consultant} 不是在职的顾问或主管，不能认领"),
            format!("{consultant} is no active user in the role consultant and no supervisor; only they may claim"),
        )),
        ClaimOutcome::NotWaiting => Err(CallError::conflict(
            format!("{customer} 没有客户在等待：会话不是由注册打开的、已关闭，或注册已跳过或取消"),
            format!("nobody waits at {customer}: no registration opened it, it is closed, or the run was skipped or cancelled"),
        )),
    }
}

/// How many days are meant.
fn period(days: Option<u32>, standard: u32, most: u32) -> Result<u32, CallError> {
    match days {
        None => Ok(standard),
        Some(days) if (1..=most).contains(&days) => Ok(days),
        Some(days) => {
            Err(CallError::invalid("/days", format!("{days} 超出范围：1 到 {most}"), format!("{days} is out of range: 1 to {most}")))
        }
    }
}

fn spread(loads: &[&Load]) -> WaitedView {
    let spread = Spread::of(loads.iter().map(|load| load.waited_ms).collect());
    WaitedView { count: spread.count, mean_ms: spread.mean, p50_ms: spread.p50, p95_ms: spread.p95 }
}

fn waiting(one: Queued, now: i64) -> WaitingView {
    let customer = one.customer;
    WaitingView {
        registration_id: customer.registration_id,
        conversation_id: customer.conversation_id,
        customer_id: customer.customer_id,
        username: one.username,
        waiting_since: rfc3339(customer.waiting_since),
        waiting_seconds: (now - customer.waiting_since).max(0) / 1_000,
        assigned_to: customer.assigned_to,
        assigned_to_name: one.assigned_name,
        acknowledged: one.acknowledged,
        escalation_level: customer.escalation_level,
        escalated_to: one.escalated_to,
        escalated_at: one.escalated_at.map(rfc3339),
        next_escalation_at: one.next_look_at.map(rfc3339),
    }
}

fn claimed(one: Claimed) -> ClaimView {
    let waiting_seconds = one.claim.waiting_ms() / 1_000;
    let claim = one.claim;
    ClaimView {
        registration_id: claim.registration_id,
        conversation_id: claim.conversation_id,
        customer_id: claim.customer_id,
        username: one.username,
        claimed_by: claim.consultant_id,
        claimed_by_name: one.consultant_name,
        via: claim.via,
        claimed_at: rfc3339(claim.claimed_at),
        waiting_seconds,
        waiting_since: rfc3339(claim.waiting_since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_an_end() {
        assert_eq!((period(None, 7, 90).unwrap(), period(Some(90), 7, 90).unwrap()), (7, 90));
        assert!(period(Some(0), 7, 90).is_err() && period(Some(91), 7, 90).is_err());
    }

    #[test]
    fn nobody_wins_what_cannot_be_won() {
        let of = |outcome| won(outcome, "run", "usr_1").unwrap_err();
        assert!(matches!(of(ClaimOutcome::Unknown), CallError::NotFound(_)));
        assert!(matches!(of(ClaimOutcome::NotConsultant), CallError::Invalid(fields) if fields[0].pointer == "/consultant_id"));
        assert!(matches!(of(ClaimOutcome::NotWaiting), CallError::Conflict(_)));
    }
}
