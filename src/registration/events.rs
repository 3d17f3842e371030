//! Sends events to the one receiver that is configured, signed after Standard Webhooks, until it says 2xx.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    clock::SharedClock,
    outbound::{
        http_client::HttpClient,
        standard_webhooks::WebhookSecret,
        webhook::{self, Event, Receiver},
    },
    queue::{Handler, JobError},
    store::Store,
};

/// Who receives events.
pub struct EventReceiver {
    /// Where.
    pub url: String,
    /// What it shares with us; two during a rotation.
    pub secrets: Vec<WebhookSecret>,
    /// Longest it may take to answer.
    pub timeout: Duration,
}

/// Handler of the jobs that send events.
pub struct EventSender {
    store: Store,
    clock: SharedClock,
    http: HttpClient,
    receiver: Option<EventReceiver>,
}

impl EventSender {
    /// A sender to `receiver`.
    pub fn new(store: Store, clock: SharedClock, http: HttpClient, receiver: Option<EventReceiver>) -> Self {
        Self { store, clock, http, receiver }
    }
}

#[async_trait]
impl Handler for EventSender {
    async fn run(&self, subject_id: &str, _attempt: u32) -> Result<(), JobError> {
        let event = self
            .store
            .outgoing_event(subject_id)?
            .ok_or_else(|| JobError::Fatal(format!("the event {subject_id} is not in the database")))?;
        if event.delivered_at.is_some() {
            return Ok(());
        }
        let Some(receiver) = &self.receiver else {
            return Err(JobError::Fatal("no receiver is configured any more (outbound.webhook_url)".into()));
        };
        let to = Receiver { url: &receiver.url, secrets: &receiver.secrets };
        let event_text = Event { id: &event.id, body: &event.payload };
        let sent = webhook::deliver_within(&self.http, self.clock.as_ref(), to, event_text, receiver.timeout).await;
        match sent {
            Ok(delivered) => {
                self.store.note_delivery(&event.id, Some(delivered.status), Some(self.clock.now_ms())).await?;
                tracing::info!(event.id = event.id, "event delivered");
                Ok(())
            }
            Err(error) => {
                self.store.note_delivery(&event.id, error.status(), None).await?;
                Err(if error.is_worth_retrying() {
                    JobError::Retry { after: error.retry_after(), why: error.to_string() }
                } else {
                    JobError::Fatal(error.to_string())
                })
            }
        }
    }

    async fn given_up(&self, subject_id: &str, error: &JobError) {
        tracing::error!(event.id = subject_id, %error, "an event could not be delivered and was given up");
    }
}
