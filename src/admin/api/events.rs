//! `/api/v1/events`: what is told to the app, with every attempt, and sending it again.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Unfit},
    because::Because,
    frame::{ApiError, Asked, PageQuery, Path},
};
use crate::admin::{
    calls::{
        Listed, Words,
        events::{EndpointView, EventDetail, EventView, EventsWanted},
    },
    entry::{Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(endpoint))
        .routes(routes!(enable))
        .routes(routes!(show))
        .routes(routes!(replay))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `waiting`, `delivered` or `given_up`.
    state: Option<String>,
    /// Only of this kind, such as `message.created`.
    kind: Option<String>,
    /// Only of this registration.
    registration_id: Option<String>,
}

/// Events, the latest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(Filter, PageQuery),
    responses((status = 200, body = Listed<EventView>, description = "The events"), Denied, Unfit))]
async fn list(reader: Reader, Asked(filter): Asked<Filter>, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<EventView>>, ApiError> {
    let Filter { state, kind, registration_id } = filter;
    let limit = page.limit()?;
    Ok(Json(reader.calls.events(EventsWanted { state, kind, registration_id, cursor: page.cursor, limit }).await?))
}

/// How the receiver of events is doing.
#[utoipa::path(get, path = "/api/v1/events/endpoint", tag = "events",
    responses((status = 200, body = EndpointView, description = "The receiver"), Denied))]
async fn endpoint(reader: Reader) -> Result<Json<EndpointView>, ApiError> {
    Ok(Json(reader.calls.event_endpoint().await?))
}

/// Puts a receiver back into use that had failed for too long; what waits is sent within a minute.
#[utoipa::path(post, path = "/api/v1/events/endpoint/enable", tag = "events", params(Because),
    responses((status = 200, body = EndpointView, description = "It is in use"), Denied, Unfit))]
async fn enable(operator: Operator, Asked(why): Asked<Because>) -> Result<Json<EndpointView>, ApiError> {
    Ok(Json(operator.calls.enable_event_endpoint(&why.by(&operator.calls, &operator.who)?).await?))
}

/// One event with every attempt to deliver it. Auditors see it without what was said to the customer.
#[utoipa::path(get, path = "/api/v1/events/{id}", tag = "events", params(("id" = String, Path, description = "Its `webhook-id`")),
    responses((status = 200, body = EventDetail, description = "The event"), Denied, Absent))]
async fn show(reader: Reader, Path(id): Path<String>) -> Result<Json<EventDetail>, ApiError> {
    Ok(Json(reader.calls.event(&id, Words::of(reader.who.role))?))
}

/// Sends an event again, under the same `webhook-id`, so that a receiver who has it drops it.
#[utoipa::path(post, path = "/api/v1/events/{id}/replay", tag = "events", params(("id" = String, Path, description = "Its `webhook-id`"), Because),
    responses((status = 200, body = EventDetail, description = "It waits to be sent"), Denied, Absent, Unfit))]
async fn replay(operator: Operator, Path(id): Path<String>, Asked(why): Asked<Because>) -> Result<Json<EventDetail>, ApiError> {
    Ok(Json(operator.calls.replay_event(&id, &why.by(&operator.calls, &operator.who)?).await?))
}
