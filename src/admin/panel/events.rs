//! What is told to the app: events with every attempt, sending one again, and the receiver.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    form::{FormState, Posted, Queried, by},
    frame::{Frame, Page, PageError, back},
    notifications::{delivery_key, nothing},
};
use crate::admin::{
    calls::{
        CallError, Listed, Words,
        events::{EndpointView, EventDetail, EventView, EventsWanted},
    },
    entry::{Operator, Reader},
    state::AdminState,
};

/// Entries of a page.
const PAGE: u32 = 50;
/// Kinds of events.
const KINDS: [&str; 6] =
    ["conversation.created", "message.created", "customer.waiting", "customer.claimed", "registration.completed", "registration.failed"];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/notifications/events", get(list))
        .route("/panel/notifications/events/endpoint/enable", post(enable))
        .route("/panel/notifications/events/{id}", get(show))
        .route("/panel/notifications/events/{id}/replay", post(replay))
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    form: FormState,
    endpoint: EndpointView,
    listed: Listed<EventView>,
    query: String,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    event: EventDetail,
    body: String,
}

impl EventsPage {
    fn state(&self, state: &str) -> String {
        self.frame.t.say(delivery_key(state))
    }
}

impl EventPage {
    fn state(&self) -> String {
        self.frame.t.say(delivery_key(&self.event.state))
    }
}

async fn list(frame: Frame, reader: Reader, Queried(query): Queried) -> Result<Response, PageError> {
    let given = |name: &str| query.given(name).map(str::to_owned);
    let wanted = EventsWanted {
        state: given("state"),
        kind: given("kind"),
        registration_id: given("registration_id"),
        cursor: given("cursor"),
        limit: PAGE,
    };
    let (found, endpoint) = (reader.calls.events(wanted).await, reader.calls.event_endpoint().await?);
    let rest = query.query_but(&["cursor", "said"]);
    Ok(match found {
        Ok(listed) => Page::ok(EventsPage { form: FormState::new(query), endpoint, listed, query: rest, frame }).into_response(),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(query, &wrong, frame.language());
            Page::refused(EventsPage { form, endpoint, listed: nothing(), query: rest, frame }).into_response()
        }
        Err(other) => return Err(other.into()),
    })
}

async fn show(frame: Frame, reader: Reader, Path(id): Path<String>) -> Result<Response, PageError> {
    let event = reader.calls.event(&id, Words::of(reader.who.role))?;
    let body = serde_json::to_string_pretty(&event.body).unwrap_or_default();
    Ok(Page::ok(EventPage { frame, event, body }).into_response())
}

async fn replay(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let event = operator.calls.replay_event(&id, &by(&operator, &form)?).await?;
    Ok(back(&format!("/panel/notifications/events/{}", event.id), "event-again"))
}

async fn enable(operator: Operator, Posted(form): Posted) -> Result<Response, PageError> {
    operator.calls.enable_event_endpoint(&by(&operator, &form)?).await?;
    Ok(back("/panel/notifications/events", "events-enabled"))
}
