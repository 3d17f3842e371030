//! Forwards a customer's rating to the agent that wrote the welcome. Dify knows like and dislike: 4 and 5 are the one,
//! 1 and 2 the other; 3 says neither and stays here.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::desk::{Desk, dify_user};
use crate::{
    clock::SharedClock,
    outbound::dify::Class,
    queue::{Handler, JobError},
    settings::Book,
    store::Store,
};

/// Handler of the jobs that forward ratings.
pub struct FeedbackSender {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// The agents.
    pub desk: Arc<Desk>,
    /// The settings.
    pub book: Book,
}

#[async_trait]
impl Handler for FeedbackSender {
    async fn run(&self, registration_id: &str, _attempt: u32) -> Result<(), JobError> {
        let Some(rating) = self.store.rating(registration_id)?.filter(|rating| rating.forwarded_at.is_none()) else { return Ok(()) };
        let liked = match rating.rating {
            4.. => true,
            3 => return Ok(()),
            _ => false,
        };
        let Some((agent_id, message_id)) = rating.written_by else { return Ok(()) };
        let agent = self.store.agents()?.into_iter().find(|agent| agent.id == agent_id);
        let agent = agent.ok_or_else(|| JobError::Fatal("the agent that wrote the welcome is gone".into()))?;
        let client = self.desk.agents().client(&agent).map_err(|error| JobError::Fatal(error.to_string()))?;
        let sent = client.feedback(&message_id, &dify_user(registration_id), liked, rating.comment.as_deref()).await;
        sent.map_err(|error| match error.class() {
            Class::Retry | Class::RetryOnce => JobError::Retry { after: error.retry_after(), why: error.to_string() },
            Class::NextRung | Class::Broken | Class::Stopped => JobError::Fatal(error.to_string()),
        })?;
        self.store.note_forwarded(registration_id, rating.rating, self.clock.now_ms()).await?;
        tracing::info!(registration.id = registration_id, rating = rating.rating, "反馈已转交智能体 / the rating was forwarded");
        Ok(())
    }

    fn delay(&self, attempt: u32) -> Option<Duration> {
        self.book.retry_delay(attempt)
    }

    async fn given_up(&self, registration_id: &str, error: &JobError) {
        tracing::warn!(registration.id = registration_id, %error, "a rating was not forwarded; it is kept here");
    }
}
