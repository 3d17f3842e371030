//! `/api/v1/registrations`: the list, one run and its timeline, trying again, taking back, and what an agent of today
//! would write.

use axum::Json;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Unfit, UnfitBody},
    because::Because,
    frame::{ApiError, Asked, Body, Created, Path, page_length},
};
use crate::admin::{
    calls::{
        Listed, Words, because,
        jobs::JobView,
        registrations::{RunDetail, RunView, RunsWanted},
        replay::ReplayView,
        timeline::Timeline,
    },
    entry::{Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(registrations))
        .routes(routes!(registration))
        .routes(routes!(timeline))
        .routes(routes!(retry))
        .routes(routes!(cancel))
        .routes(routes!(resume))
        .routes(routes!(replays, rehearse))
        .routes(routes!(replay))
}

/// Which registrations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RunQuery {
    /// `accepted`, `done`, `done_with_fallback`, `dead_letter`, `cancelled` or `skipped`.
    #[param(max_length = 40)]
    state: Option<String>,
    /// Which rung wrote the welcome: `agent`, `fallback_agent`, `segment` or `static`.
    #[param(max_length = 40)]
    rung: Option<String>,
    /// The agent chosen first, by id or name.
    agent: Option<String>,
    /// What kind of new customer it is: `new`, `concern` or `returning`.
    #[param(max_length = 40)]
    segment: Option<String>,
    /// Only accepted then or later: a time (RFC 3339) or a day (UTC).
    #[param(max_length = 40)]
    since: Option<String>,
    /// Only accepted before then.
    #[param(max_length = 40)]
    until: Option<String>,
    /// The user's id, or a part of the name.
    user: Option<String>,
    /// Only those that were given up or had to make do without an agent.
    failed: Option<bool>,
    /// Only those whose customer nobody has claimed.
    unclaimed: Option<bool>,
    /// Entries of a page: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Registrations, the latest first.
///
/// A page may have fewer entries than were asked for and still a `next_cursor`: a filter that few rows fit looks at a
/// bounded number of them for one page.
#[utoipa::path(get, path = "/api/v1/registrations", tag = "registrations", params(RunQuery),
    responses((status = 200, body = Listed<RunView>, description = "The registrations"), Denied, Unfit))]
async fn registrations(reader: Reader, Asked(query): Asked<RunQuery>) -> Result<Json<Listed<RunView>>, ApiError> {
    let wanted = RunsWanted {
        state: query.state,
        rung: query.rung,
        agent: query.agent,
        segment: query.segment,
        since: query.since,
        until: query.until,
        user: query.user,
        failed: query.failed.unwrap_or_default(),
        unclaimed: query.unclaimed.unwrap_or_default(),
        limit: page_length(query.limit)?,
        cursor: query.cursor,
    };
    Ok(Json(reader.calls.runs(wanted).await?))
}

/// One registration.
#[utoipa::path(get, path = "/api/v1/registrations/{id}", tag = "registrations", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = RunDetail, description = "The registration"), Denied, Absent))]
async fn registration(reader: Reader, Path(id): Path<String>) -> Result<Json<RunDetail>, ApiError> {
    Ok(Json(reader.calls.run(&id, Words::of(reader.who.role))?))
}

/// One registration as it went.
///
/// Webhook, conversation, each question to an agent with every thought and every call of a tool it made, message,
/// notices, events, escalation, claim and rating, in the order they began.
#[utoipa::path(get, path = "/api/v1/registrations/{id}/timeline", tag = "registrations",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Timeline, description = "What happened"), Denied, Absent))]
async fn timeline(reader: Reader, Path(id): Path<String>) -> Result<Json<Timeline>, ApiError> {
    Ok(Json(reader.calls.timeline(&id, Words::of(reader.who.role)).await?))
}

/// Tries a registration again that was given up or cancelled.
///
/// At once and with all its tries. Steps that are done are not done again.
#[utoipa::path(post, path = "/api/v1/registrations/{id}/retry", tag = "registrations", request_body = Because,
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = JobView, description = "The job that carries it"), Denied, Absent, Clash, UnfitBody))]
async fn retry(operator: Operator, Path(id): Path<String>, Body(why): Body<Because>) -> Result<Json<JobView>, ApiError> {
    let by = why.by(&operator.calls, &operator.who)?;
    Ok(Json(operator.calls.retry_run(&id, &by).await?))
}

/// Takes a registration back that waits for its next try.
#[utoipa::path(post, path = "/api/v1/registrations/{id}/cancel", tag = "registrations", request_body = Because,
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = JobView, description = "The job that carried it"), Denied, Absent, Clash, UnfitBody))]
async fn cancel(operator: Operator, Path(id): Path<String>, Body(why): Body<Because>) -> Result<Json<JobView>, ApiError> {
    let by = why.by(&operator.calls, &operator.who)?;
    Ok(Json(operator.calls.cancel_run(&id, &by).await?))
}

/// Sends a registration that has ended through those of its steps that are not done.
#[utoipa::path(post, path = "/api/v1/registrations/{id}/resume", tag = "registrations", request_body = Because,
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = JobView, description = "The job that carries it"), Denied, Absent, Clash, UnfitBody))]
async fn resume(operator: Operator, Path(id): Path<String>, Body(why): Body<Because>) -> Result<Json<JobView>, ApiError> {
    let by = why.by(&operator.calls, &operator.who)?;
    Ok(Json(operator.calls.resume_run(&id, &by).await?))
}

/// What agents would have written for a registration's customer, when somebody asked; the latest first.
#[utoipa::path(get, path = "/api/v1/registrations/{id}/replays", tag = "registrations",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = Listed<ReplayView>, description = "The latest 50"), Denied, Absent))]
async fn replays(reader: Reader, Path(id): Path<String>) -> Result<Json<Listed<ReplayView>>, ApiError> {
    let items = reader.calls.replays(&id, Words::of(reader.who.role))?;
    Ok(Json(Listed { items, next_cursor: None }))
}

/// Which agent is asked, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rehearsed {
    /// By id or name, whether it is enabled or not; the one that would be chosen now when it is left out.
    agent: Option<String>,
    /// In words, for the audit log.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Asks an agent what it would write today, into a sink.
///
/// The agent is told the facts of the registration and calls the same tools. Nothing is stored for the customer and
/// nobody is told. The answer comes into the replay: look at it until `state` is no longer `asked`.
#[utoipa::path(post, path = "/api/v1/registrations/{id}/replays", tag = "registrations", request_body = Rehearsed,
    params(("id" = String, Path, description = "Its id")),
    responses((status = 201, body = ReplayView, description = "The question was asked; `Location` is where its answer will be"),
        Denied, Absent, Clash, UnfitBody))]
async fn rehearse(operator: Operator, Path(id): Path<String>, Body(wanted): Body<Rehearsed>) -> Result<Created<ReplayView>, ApiError> {
    let by = because(operator.who.by(operator.calls.clock.as_ref()), wanted.reason.as_deref())?;
    let view = operator.calls.rehearse(&id, wanted.agent.as_deref(), &by).await?;
    Ok(Created { location: format!("/api/v1/registrations/{id}/replays/{}", view.id), view, version: None })
}

/// One of them, with the old and the new welcome.
#[utoipa::path(get, path = "/api/v1/registrations/{id}/replays/{replay_id}", tag = "registrations",
    params(("id" = String, Path, description = "The registration's id"), ("replay_id" = String, Path, description = "The replay's id")),
    responses((status = 200, body = ReplayView, description = "The replay"), Denied, Absent))]
async fn replay(reader: Reader, Path((id, replay_id)): Path<(String, String)>) -> Result<Json<ReplayView>, ApiError> {
    Ok(Json(reader.calls.replay(&id, &replay_id, Words::of(reader.who.role))?))
}
