//! `/api/v1/limits`: what each key and tool may be asked.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body},
};
use crate::admin::{
    calls::limits::{LimitChange, LimitView},
    entry::{Administrator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(list, change))
}

/// Of which group.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct OfGroup {
    /// Only this group.
    server_code: Option<String>,
}

/// Every limit in force, where it is from, and what was used today.
#[utoipa::path(get, path = "/api/v1/limits", tag = "limits", params(OfGroup),
    responses((status = 200, body = Vec<LimitView>, description = "The limits"), Denied, Absent, Unfit))]
async fn list(reader: Reader, Asked(query): Asked<OfGroup>) -> Result<Json<Vec<LimitView>>, ApiError> {
    Ok(Json(reader.calls.limits(query.server_code.as_deref())?))
}

/// Sets limits, or takes them away: of each key of a group, of one key, or of one tool. In force at once.
#[utoipa::path(patch, path = "/api/v1/limits", tag = "limits", request_body = LimitChange,
    responses((status = 200, body = Vec<LimitView>, description = "The limits of the group"), Denied, Absent, UnfitBody))]
async fn change(admin: Administrator, Body(change): Body<LimitChange>) -> Result<Json<Vec<LimitView>>, ApiError> {
    Ok(Json(admin.calls.change_limits(&change, &admin.who.by(admin.calls.clock.as_ref())).await?))
}
