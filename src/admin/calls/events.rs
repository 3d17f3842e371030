//! What is told to the app: events with every attempt, sending one again, and how the receiver is doing.

use serde::Serialize;
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use super::{CallError, Calls, Listed, Words, pages};
use crate::{
    clock::rfc3339,
    outbound::http_client::host_of,
    store::{
        audit::By,
        events::{EventAttempt, EventFilter, EventState, ListedEvent, StoredEvent},
    },
};

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsWanted {
    /// `waiting`, `delivered` or `given_up`.
    pub state: Option<String>,
    /// Only of this kind, such as `message.created`.
    pub kind: Option<String>,
    /// Only of this registration.
    pub registration_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Entries of the page.
    pub limit: u32,
}

/// An event in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventView {
    /// Its `webhook-id`, the same on every attempt.
    pub id: String,
    /// Kind of event, such as `message.created`.
    pub kind: String,
    /// The registration it tells of.
    pub registration_id: String,
    /// When it was made.
    pub created_at: String,
    /// `waiting`, `delivered` or `given_up`.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// HTTP status of the last one, when the receiver answered.
    pub last_status: Option<u16>,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// One event with every attempt to deliver it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EventDetail {
    /// Its `webhook-id`, the same on every attempt.
    pub id: String,
    /// Kind of event.
    pub kind: String,
    /// The registration it tells of.
    pub registration_id: String,
    /// When it was made.
    pub created_at: String,
    /// When the receiver took it.
    pub delivered_at: Option<String>,
    /// When the last attempt had failed.
    pub given_up_at: Option<String>,
    /// `waiting`, `delivered` or `given_up`.
    pub state: String,
    /// The body that is signed and sent; what is said to the customer is left out for whoever does not read that.
    #[schema(value_type = Object)]
    pub body: Value,
    /// Every attempt, in order.
    pub attempts: Vec<AttemptView>,
}

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttemptView {
    /// 1 for the first; it counts on after a replay.
    pub attempt: u32,
    /// When it was sent.
    pub attempted_at: String,
    /// How long the receiver took, in milliseconds.
    pub duration_ms: i64,
    /// Its HTTP status, when it answered.
    pub status: Option<u16>,
    /// What went wrong; nothing when it was delivered.
    pub error: Option<String>,
}

/// How the receiver of events is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EndpointView {
    /// Whether there is one (`outbound.webhook_url`). Without one no events are made.
    pub configured: bool,
    /// Its host and port.
    pub host: Option<String>,
    /// First failure after the last success.
    pub failing_since: Option<String>,
    /// When it was taken out of use; events wait since then.
    pub disabled_at: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Time of continued failure after which it is taken out of use (`events.disable_after`).
    pub disable_after: String,
    /// Events that wait for it.
    pub waiting: i64,
}

impl Calls {
    /// Events, the latest first.
    pub async fn events(&self, wanted: EventsWanted) -> Result<Listed<EventView>, CallError> {
        let state =
            wanted.state.map(|name| EventState::parse(&name).ok_or_else(|| unknown_state(&name, &EventState::ALL.map(EventState::as_str))));
        let filter = EventFilter {
            state: state.transpose()?,
            kind: wanted.kind,
            registration_id: wanted.registration_id,
            after: pages::read(wanted.cursor.as_deref())?,
            limit: wanted.limit,
        };
        let found = self.store.events(filter).await?;
        let next_cursor = found.next.map(|(at, id)| pages::cursor(at, &id));
        Ok(Listed { items: found.items.into_iter().map(EventView::from).collect(), next_cursor })
    }

    /// One event with every attempt to deliver it.
    pub fn event(&self, id: &str, words: Words) -> Result<EventDetail, CallError> {
        let event = self.store.outgoing_event(id)?.ok_or_else(|| unknown(id))?;
        let attempts = self.store.event_attempts(id)?;
        Ok(detail(event, attempts, words))
    }

    /// Sends an event again, under the same `webhook-id`, so that a receiver who has it drops it.
    pub async fn replay_event(&self, id: &str, by: &By) -> Result<EventDetail, CallError> {
        // The store says it too; here it is said in both languages.
        self.store.outgoing_event(id)?.ok_or_else(|| unknown(id))?;
        self.store.replay_event(id, by.clone()).await?;
        self.wake_queue();
        tracing::info!(event.id = id, by = by.actor, "事件将重新发送 / an event is sent again");
        self.event(id, Words::Shown)
    }

    /// How the receiver of events is doing.
    pub async fn event_endpoint(&self) -> Result<EndpointView, CallError> {
        let endpoint = self.store.event_endpoint()?;
        let url = self.config.outbound.webhook_url.as_deref();
        Ok(EndpointView {
            configured: url.is_some(),
            host: url.and_then(|url| Url::parse(url).ok()).map(|url| host_of(&url)),
            failing_since: endpoint.failing_since.map(rfc3339),
            disabled_at: endpoint.disabled_at.map(rfc3339),
            reason: endpoint.reason,
            disable_after: self.settings.current()?.events.disable_after.to_string(),
            waiting: self.store.count_waiting_events().await?,
        })
    }

    /// Puts a receiver back into use that had failed for too long; what waits is sent within a minute.
    pub async fn enable_event_endpoint(&self, by: &By) -> Result<EndpointView, CallError> {
        self.store.set_event_endpoint(None, by.clone()).await?;
        self.wake_queue();
        self.event_endpoint().await
    }
}

/// A state that there is none of this name.
pub(super) fn unknown_state(name: &str, known: &[&str]) -> CallError {
    let known = known.join(", ");
    CallError::invalid("/state", format!("没有 {name} 这种状态；有 {known}"), format!("{name} is no state; {known} are"))
}

fn unknown(id: &str) -> CallError {
    CallError::not_found(format!("没有事件 {id}"), format!("there is no event {id}; `anmei-mcp event list` shows them"))
}

impl From<ListedEvent> for EventView {
    fn from(event: ListedEvent) -> Self {
        Self {
            id: event.id,
            kind: event.kind,
            registration_id: event.registration_id,
            created_at: rfc3339(event.created_at),
            state: event.state,
            attempts: event.attempts,
            last_status: event.last_status,
            last_error: event.last_error,
        }
    }
}

fn detail(event: StoredEvent, attempts: Vec<EventAttempt>, words: Words) -> EventDetail {
    let mut body: Value = serde_json::from_str(&event.payload).unwrap_or_default();
    if let (Words::Withheld, Some(text)) = (words, body.pointer_mut("/data/text")) {
        *text = Value::Null;
    }
    let attempt = |attempt: EventAttempt| AttemptView {
        attempt: attempt.attempt,
        attempted_at: rfc3339(attempt.attempted_at),
        duration_ms: attempt.duration_ms,
        status: attempt.status,
        error: attempt.error,
    };
    EventDetail {
        state: EventState::of(event.delivered_at, event.given_up_at).as_str().to_owned(),
        id: event.id,
        kind: event.kind,
        registration_id: event.registration_id,
        created_at: rfc3339(event.created_at),
        delivered_at: event.delivered_at.map(rfc3339),
        given_up_at: event.given_up_at.map(rfc3339),
        body,
        attempts: attempts.into_iter().map(attempt).collect(),
    }
}

#[cfg(test)]
mod tests;
