//! The store as the tools see it: the `Records` port, answered by the aggregates' SQL.
//!
//! Point reads run on the calling thread, everything that may take longer on a blocking one. Nothing here decides
//! anything: a rule of the domain belongs to the tools, a query to its aggregate's file.

use anmei_mcp_tools::{
    Records,
    port::{
        Activity, Claim, ClaimOutcome, ClaimTarget, Consultation, Conversation, Customer, Message, NewClaim, NewPlan, NewSummary,
        Participant, Plan, Preferences, RecordsError, Service, Stored, User, UserHit,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Store, claims, consultations, conversations, messages, plans, search, services, users};
use crate::{clock::from_ms, ids::new_id_at};

type Answer<T> = Result<T, RecordsError>;

#[async_trait]
impl Records for Store {
    async fn user(&self, id: &str) -> Answer<Option<User>> {
        Ok(self.point(|db| users::by_id(db, id))?)
    }

    async fn search_users(&self, query: &str, limit: u32) -> Answer<Vec<UserHit>> {
        let query = query.to_owned();
        Ok(self.scan(move |db| search::search(db, &query, limit)).await?)
    }

    async fn customer(&self, user_id: &str) -> Answer<Option<Customer>> {
        Ok(self.point(|db| users::customer(db, user_id))?)
    }

    async fn preferences(&self, user_id: &str) -> Answer<Option<Preferences>> {
        Ok(self.point(|db| users::preferences(db, user_id))?)
    }

    async fn activity(&self, user_id: &str, now: DateTime<Utc>) -> Answer<Activity> {
        let user_id = user_id.to_owned();
        Ok(self.scan(move |db| consultations::activity(db, &user_id, now.timestamp_millis())).await?)
    }

    async fn consultations(&self, customer_id: &str, limit: u32) -> Answer<Vec<Consultation>> {
        let customer_id = customer_id.to_owned();
        Ok(self.scan(move |db| consultations::newest(db, &customer_id, limit)).await?)
    }

    async fn consultation(&self, id: &str) -> Answer<Option<Consultation>> {
        Ok(self.point(|db| consultations::by_id(db, id))?)
    }

    async fn save_summary(&self, summary: NewSummary) -> Answer<Stored> {
        let stored = stored(summary.now);
        let (id, now_ms) = (stored.id.clone(), stored.created_at.timestamp_millis());
        self.write(move |db| Ok(consultations::save_summary(db, &id, &summary, now_ms)?)).await?;
        Ok(stored)
    }

    async fn conversation(&self, id: &str) -> Answer<Option<Conversation>> {
        Ok(self.point(|db| conversations::by_id(db, id))?)
    }

    async fn latest_conversation(&self, user_id: &str) -> Answer<Option<Conversation>> {
        Ok(self.point(|db| conversations::latest(db, user_id))?)
    }

    async fn messages(&self, conversation_id: &str, limit: u32) -> Answer<Vec<Message>> {
        let id = conversation_id.to_owned();
        Ok(self.scan(move |db| messages::last(db, &id, limit)).await?)
    }

    async fn participants(&self, conversation_id: &str) -> Answer<Vec<Participant>> {
        let id = conversation_id.to_owned();
        Ok(self.scan(move |db| conversations::participants(db, &id)).await?)
    }

    async fn services(&self, now: DateTime<Utc>) -> Answer<Vec<Service>> {
        Ok(self.scan(move |db| services::all(db, now.timestamp_millis())).await?)
    }

    async fn plan(&self, id: &str) -> Answer<Option<Plan>> {
        Ok(self.point(|db| plans::by_id(db, id))?)
    }

    async fn save_plan(&self, plan: NewPlan) -> Answer<Stored> {
        let stored = stored(plan.now);
        let (id, now_ms) = (stored.id.clone(), stored.created_at.timestamp_millis());
        self.write(move |db| Ok(plans::save(db, &id, &plan, now_ms)?)).await?;
        Ok(stored)
    }

    async fn claim(&self, claim: NewClaim) -> Answer<ClaimOutcome> {
        let NewClaim { target, consultant_id, now } = claim;
        let new = claims::NewClaim {
            target: target.into(),
            consultant_id,
            via: claims::Via::Mcp,
            events: self.events,
            now: now.timestamp_millis(),
        };
        // The inherent one: the port's is this.
        Ok(match Store::claim(self, new).await? {
            claims::ClaimOutcome::Won { claim } => ClaimOutcome::Won(claim.into()),
            claims::ClaimOutcome::Lost { claim } => ClaimOutcome::Lost(claim.into()),
            claims::ClaimOutcome::Unknown => ClaimOutcome::Unknown,
            claims::ClaimOutcome::NotConsultant => ClaimOutcome::NotConsultant,
            claims::ClaimOutcome::NotWaiting => ClaimOutcome::NotWaiting,
        })
    }
}

impl From<ClaimTarget> for claims::Target {
    fn from(target: ClaimTarget) -> Self {
        match target {
            ClaimTarget::Conversation(id) => Self::Conversation(id),
            ClaimTarget::Customer(id) => Self::Customer(id),
        }
    }
}

impl From<claims::Claim> for Claim {
    fn from(claim: claims::Claim) -> Self {
        Self {
            consultant_id: claim.consultant_id,
            customer_id: claim.customer_id,
            conversation_id: claim.conversation_id,
            waiting_since: from_ms(claim.waiting_since),
            claimed_at: from_ms(claim.claimed_at),
        }
    }
}

/// Id and time of a new row. The time is cut to what the database keeps, so that a later read says the same.
fn stored(now: DateTime<Utc>) -> Stored {
    let now_ms = now.timestamp_millis();
    Stored { id: new_id_at(now_ms), created_at: from_ms(now_ms) }
}

#[cfg(test)]
mod tests;
