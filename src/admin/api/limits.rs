//! `/api/v1/limits`: what each key and tool may be asked.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Guarded, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, IfMatch, Versioned},
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
    responses((status = 200, body = Vec<LimitView>, description = "The limits; for one group `ETag` is the version of all that are set in it"),
        Denied, Absent, Unfit))]
async fn list(reader: Reader, Asked(query): Asked<OfGroup>) -> Result<Response, ApiError> {
    let Some(code) = query.server_code.as_deref() else { return Ok(Json(reader.calls.limits(None)?).into_response()) };
    // Read first: a change in between makes the version older than what is shown, and then it is refused, and not lost.
    let version = reader.calls.limits_version(code)?;
    Ok(Versioned(reader.calls.limits(Some(code))?, version).into_response())
}

/// Sets limits and takes others away, all or none: of each key of a group, of one key, or of one tool. In force at once.
#[utoipa::path(patch, path = "/api/v1/limits", tag = "limits", request_body = LimitChange,
    params(("If-Match" = String, Header, description = "The ETag of the group's limits that was read, or `*`")),
    responses((status = 200, body = Vec<LimitView>, description = "The limits of the group"), Denied, Absent, Guarded, UnfitBody))]
async fn change(
    admin: Administrator,
    IfMatch(seen): IfMatch,
    Body(change): Body<LimitChange>,
) -> Result<Versioned<Vec<LimitView>>, ApiError> {
    let limits = admin.calls.change_limits(&change, seen, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Versioned(limits, admin.calls.limits_version(&change.server_code)?))
}
