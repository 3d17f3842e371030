//! The records as a call sees them that may see one person: whatever a tool asks for, nobody else is in them.
//!
//! The second lock of a group bound to subjects. The first one puts the subject's id into the argument that names a
//! person; this one holds for every other way to a row: a conversation's id, a search, a tool with a fault.

use anmei_mcp_tools::{
    Records,
    port::{
        Activity, ClaimOutcome, Consultation, Conversation, Customer, Message, NewClaim, NewPlan, NewSummary, Participant, Plan,
        Preferences, RecordsError, Service, Stored, User, UserHit,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::names::safe_name;

type Answer<T> = Result<T, RecordsError>;

/// `records`, without everybody but one.
pub(super) struct Confined<'a> {
    pub(super) records: &'a dyn Records,
    /// The one who is left; nobody for a call that is about no person.
    pub(super) user_id: Option<&'a str>,
}

impl Confined<'_> {
    fn is(&self, user_id: &str) -> bool {
        self.user_id == Some(user_id)
    }

    fn must_be(&self, user_id: Option<&str>) -> Answer<()> {
        if user_id.is_some_and(|id| self.is(id)) { Ok(()) } else { Err(RecordsError::OutOfScope) }
    }

    async fn owns(&self, conversation_id: &str) -> Answer<()> {
        match self.conversation(conversation_id).await? {
            Some(_) => Ok(()),
            None => Err(RecordsError::OutOfScope),
        }
    }
}

#[async_trait]
impl Records for Confined<'_> {
    async fn user(&self, id: &str) -> Answer<Option<User>> {
        if !self.is(id) {
            return Ok(None);
        }
        // The agent of a scoped group writes to the very person who chose the name.
        let user = self.records.user(id).await?;
        Ok(user.map(|user| User { username: safe_name(&user.username).into_owned(), ..user }))
    }

    async fn search_users(&self, _query: &str, _limit: u32) -> Answer<Vec<UserHit>> {
        Err(RecordsError::OutOfScope)
    }

    async fn customer(&self, user_id: &str) -> Answer<Option<Customer>> {
        if self.is(user_id) { self.records.customer(user_id).await } else { Ok(None) }
    }

    async fn preferences(&self, user_id: &str) -> Answer<Option<Preferences>> {
        if self.is(user_id) { self.records.preferences(user_id).await } else { Ok(None) }
    }

    async fn activity(&self, user_id: &str, now: DateTime<Utc>) -> Answer<Activity> {
        self.must_be(Some(user_id))?;
        self.records.activity(user_id, now).await
    }

    async fn consultations(&self, customer_id: &str, limit: u32) -> Answer<Vec<Consultation>> {
        self.must_be(Some(customer_id))?;
        self.records.consultations(customer_id, limit).await
    }

    async fn consultation(&self, id: &str) -> Answer<Option<Consultation>> {
        Ok(self.records.consultation(id).await?.filter(|found| self.is(&found.customer_id)))
    }

    async fn save_summary(&self, summary: NewSummary) -> Answer<Stored> {
        self.must_be(summary.customer_id.as_deref())?;
        self.records.save_summary(summary).await
    }

    async fn conversation(&self, id: &str) -> Answer<Option<Conversation>> {
        Ok(self.records.conversation(id).await?.filter(|found| self.is(&found.customer_id)))
    }

    async fn latest_conversation(&self, user_id: &str) -> Answer<Option<Conversation>> {
        if self.is(user_id) { self.records.latest_conversation(user_id).await } else { Ok(None) }
    }

    async fn messages(&self, conversation_id: &str, limit: u32) -> Answer<Vec<Message>> {
        self.owns(conversation_id).await?;
        self.records.messages(conversation_id, limit).await
    }

    async fn participants(&self, conversation_id: &str) -> Answer<Vec<Participant>> {
        self.owns(conversation_id).await?;
        self.records.participants(conversation_id).await
    }

    async fn services(&self, now: DateTime<Utc>) -> Answer<Vec<Service>> {
        self.records.services(now).await
    }

    async fn plan(&self, id: &str) -> Answer<Option<Plan>> {
        Ok(self.records.plan(id).await?.filter(|found| found.customer_id.as_deref().is_some_and(|id| self.is(id))))
    }

    async fn save_plan(&self, plan: NewPlan) -> Answer<Stored> {
        self.must_be(plan.customer_id.as_deref())?;
        self.records.save_plan(plan).await
    }

    /// Who has a customer is the consultants' business, and never that of an agent that speaks for one customer.
    async fn claim(&self, _claim: NewClaim) -> Answer<ClaimOutcome> {
        Err(RecordsError::OutOfScope)
    }
}

#[cfg(test)]
#[path = "confined_tests.rs"]
mod tests;
