//! Sends events to the app, signed after Standard Webhooks, until it says 2xx or a day has passed.
//!
//! Every attempt is on record. A receiver that fails for as long as the setting says is taken out of use: its events
//! wait, and an administrator is told; `anmei-mcp event enable` lets them go.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::{
    clock::SharedClock,
    drill,
    outbound::{
        http_client::HttpClient,
        standard_webhooks::WebhookSecret,
        webhook::{self, Event, Receiver},
    },
    queue::{Handler, JobError},
    settings::Book,
    store::{
        Store,
        audit::By,
        events::{Endpoint, EventAttempt},
    },
    telemetry::figures,
};

/// How long events to a receiver that is out of use rest between two looks.
const REST_MS: i64 = 60_000;

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
    book: Book,
    receiver: Option<EventReceiver>,
}

impl EventSender {
    /// A sender to `receiver`.
    pub fn new(store: Store, clock: SharedClock, http: HttpClient, book: Book, receiver: Option<EventReceiver>) -> Self {
        Self { store, clock, http, book, receiver }
    }

    /// Takes a receiver out of use that has failed for too long.
    async fn judge(&self, endpoint: &Endpoint) -> Result<(), JobError> {
        let settings = self.book.current()?;
        let now = self.clock.now_ms();
        let limit = settings.events.disable_after;
        let too_long = endpoint.failing_since.is_some_and(|since| now - since >= limit.as_ms());
        if too_long && endpoint.disabled_at.is_none() {
            let reason = format!("it has failed for {limit} without one success");
            tracing::error!(reason, "the receiver of events was taken out of use; `anmei-mcp event enable` puts it back");
            self.store.set_event_endpoint(Some(reason), By::new("daemon", now)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Handler for EventSender {
    async fn run(&self, subject_id: &str, _attempt: u32) -> Result<(), JobError> {
        let event = self.store.outgoing_event(subject_id)?;
        let event = event.ok_or_else(|| JobError::Fatal(format!("the event {subject_id} is not in the database")))?;
        if event.delivered_at.is_some() {
            return Ok(());
        }
        let Some(receiver) = &self.receiver else {
            return Err(JobError::Fatal("no receiver is configured any more (outbound.webhook_url)".into()));
        };
        if self.store.event_endpoint()?.disabled_at.is_some() {
            return Err(JobError::Later { run_at: self.clock.now_ms() + REST_MS });
        }
        let to = Receiver { url: &receiver.url, secrets: &receiver.secrets };
        let body = Event { id: &event.id, body: &event.payload };
        let (attempted_at, began) = (self.clock.now_ms(), Instant::now());
        drill::point("event.before_send");
        let sent = webhook::deliver_within(&self.http, self.clock.as_ref(), to, body, receiver.timeout).await;
        drill::point("event.after_send");
        let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let status = match &sent {
            Ok(delivered) => Some(delivered.status),
            Err(error) => error.status(),
        };
        let error = sent.as_ref().err().map(ToString::to_string);
        let attempt = EventAttempt { attempt: 0, attempted_at, duration_ms, status, error };
        let endpoint = self.store.note_event_attempt(&event.id, attempt).await?;
        drill::point("event.after_commit");
        figures::event(if sent.is_ok() { "delivered" } else { "failed" });
        match sent {
            Ok(_) => {
                tracing::info!(event.id = event.id, event.kind = event.kind, duration_ms, "event delivered");
                Ok(())
            }
            Err(error) => {
                self.judge(&endpoint).await?;
                Err(if error.is_worth_retrying() {
                    JobError::Retry { after: error.retry_after(), why: error.to_string() }
                } else {
                    JobError::Fatal(error.to_string())
                })
            }
        }
    }

    fn delay(&self, attempt: u32) -> Option<Duration> {
        self.book.current().unwrap_or_default().events.delay(attempt)
    }

    async fn given_up(&self, subject_id: &str, error: &JobError) {
        figures::event("given_up");
        tracing::error!(event.id = subject_id, %error, "an event could not be delivered and was given up");
        if let Err(error) = self.store.give_event_up(subject_id, self.clock.now_ms()).await {
            tracing::error!(event.id = subject_id, %error, "that an event was given up could not be written down");
        }
    }
}
