//! `/api/v1/notifications`, `/pushes` and `/channels`: who was told what, and over which channels.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Unfit, UnfitBody},
    because::Because,
    frame::{ApiError, Asked, Body, PageQuery, Path},
};
use crate::admin::{
    calls::{
        Listed, Words,
        channels::{ChannelPreview, ChannelTest, ChannelView, PreviewAsked, PushPreview},
        notifications::{NoticeView, NoticesWanted, PushView, PushesWanted},
    },
    entry::{Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(notices))
        .routes(routes!(pushes))
        .routes(routes!(push))
        .routes(routes!(preview_push))
        .routes(routes!(resend))
        .routes(routes!(channels))
        .routes(routes!(preview))
        .routes(routes!(test))
}

/// Which notices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct NoticeFilter {
    /// `waiting`, `sent` or `acknowledged`.
    state: Option<String>,
    /// `new_customer`, `customer_claimed`, `escalation` or `message`.
    kind: Option<String>,
    /// Only for this user.
    recipient_id: Option<String>,
    /// Only of this registration.
    registration_id: Option<String>,
}

/// Notices over live connections, the latest first. Auditors see them without what was said to customers.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", params(NoticeFilter, PageQuery),
    responses((status = 200, body = Listed<NoticeView>, description = "The notices"), Denied, Unfit))]
async fn notices(
    reader: Reader,
    Asked(filter): Asked<NoticeFilter>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Listed<NoticeView>>, ApiError> {
    let NoticeFilter { state, kind, recipient_id, registration_id } = filter;
    let limit = page.limit()?;
    let wanted = NoticesWanted { state, kind, recipient_id, registration_id, cursor: page.cursor, limit };
    Ok(Json(reader.calls.notices(wanted, Words::of(reader.who.role)).await?))
}

/// Which pushes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PushFilter {
    /// `waiting`, `delivered` or `given_up`.
    state: Option<String>,
    /// Only over this channel.
    channel: Option<String>,
    /// `new_customer`, `escalation`, `alert` or `resolved`.
    reason: Option<String>,
    /// Only about this registration or alert.
    subject_id: Option<String>,
}

/// Pushes over channels, the latest first.
#[utoipa::path(get, path = "/api/v1/pushes", tag = "notifications", params(PushFilter, PageQuery),
    responses((status = 200, body = Listed<PushView>, description = "The pushes"), Denied, Unfit))]
async fn pushes(
    reader: Reader,
    Asked(filter): Asked<PushFilter>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Listed<PushView>>, ApiError> {
    let PushFilter { state, channel, reason, subject_id } = filter;
    let limit = page.limit()?;
    Ok(Json(reader.calls.pushes(PushesWanted { state, channel, reason, subject_id, cursor: page.cursor, limit }).await?))
}

/// One push.
#[utoipa::path(get, path = "/api/v1/pushes/{id}", tag = "notifications", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = PushView, description = "The push"), Denied, Absent))]
async fn push(reader: Reader, Path(id): Path<String>) -> Result<Json<PushView>, ApiError> {
    Ok(Json(reader.calls.push(&id)?))
}

/// What a push would say, whichever channel there will be, with sample facts. Nothing is sent.
#[utoipa::path(post, path = "/api/v1/pushes/preview", tag = "notifications", request_body = PreviewAsked,
    responses((status = 200, body = PushPreview, description = "What it would say"), Denied, UnfitBody))]
async fn preview_push(reader: Reader, Body(asked): Body<PreviewAsked>) -> Result<Json<PushPreview>, ApiError> {
    Ok(Json(reader.calls.preview_push(asked)?))
}

/// Sends a push again that was given up, under the same id.
#[utoipa::path(post, path = "/api/v1/pushes/{id}/resend", tag = "notifications", params(("id" = String, Path, description = "Its id"), Because),
    responses((status = 200, body = PushView, description = "It waits to be sent"), Denied, Absent, Clash, Unfit))]
async fn resend(operator: Operator, Path(id): Path<String>, Asked(why): Asked<Because>) -> Result<Json<PushView>, ApiError> {
    Ok(Json(operator.calls.resend_push(&id, &why.by(&operator.calls, &operator.who)?).await?))
}

/// Every channel that is configured, with `***` in the place of secrets.
#[utoipa::path(get, path = "/api/v1/channels", tag = "notifications",
    responses((status = 200, body = Listed<ChannelView>, description = "The channels"), Denied))]
async fn channels(reader: Reader) -> Result<Json<Listed<ChannelView>>, ApiError> {
    Ok(Json(Listed { items: reader.calls.channels()?, next_cursor: None }))
}

/// What a channel would show, with sample facts. Nothing is sent.
#[utoipa::path(post, path = "/api/v1/channels/{name}/preview", tag = "notifications", request_body = PreviewAsked,
    params(("name" = String, Path, description = "Name of the channel")),
    responses((status = 200, body = ChannelPreview, description = "What it would show"), Denied, Absent, Clash, UnfitBody))]
async fn preview(reader: Reader, Path(name): Path<String>, Body(asked): Body<PreviewAsked>) -> Result<Json<ChannelPreview>, ApiError> {
    Ok(Json(reader.calls.preview_channel(&name, asked).await?))
}

/// Sends a test over a channel to those it would reach, marked as a test.
#[utoipa::path(post, path = "/api/v1/channels/{name}/test", tag = "notifications", request_body = PreviewAsked,
    params(("name" = String, Path, description = "Name of the channel"), Because),
    responses((status = 200, body = ChannelTest, description = "How it went; `ok` says whether the channel took it"), Denied, Absent, UnfitBody))]
async fn test(
    operator: Operator,
    Path(name): Path<String>,
    Asked(why): Asked<Because>,
    Body(asked): Body<PreviewAsked>,
) -> Result<Json<ChannelTest>, ApiError> {
    Ok(Json(operator.calls.test_channel(&name, asked, &why.by(&operator.calls, &operator.who)?).await?))
}
