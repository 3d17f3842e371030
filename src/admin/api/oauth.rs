//! `/api/v1/oauth`: clients of the authorization server, and what they were granted.

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Unfit},
    frame::{ApiError, Asked, PageQuery},
};
use crate::admin::{
    calls::{
        Listed,
        oauth::{OauthClientView, OauthGrantView},
    },
    entry::{Administrator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(clients)).routes(routes!(revoke_client)).routes(routes!(grants)).routes(routes!(revoke_grant))
}

/// Clients, oldest first.
#[utoipa::path(get, path = "/api/v1/oauth/clients", tag = "oauth", params(PageQuery),
    responses((status = 200, body = Listed<OauthClientView>, description = "The clients"), Denied, Unfit))]
async fn clients(reader: Reader, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<OauthClientView>>, ApiError> {
    Ok(Json(reader.calls.oauth_client_page(page.limit()?, page.cursor.as_deref())?))
}

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
struct Ended {
    /// Grants that were in force and are not any more.
    grants: usize,
    /// It is in force for the next request, in every process.
    effective_immediately: bool,
}

/// Shuts a client out, with everything it was granted, from the next request on.
#[utoipa::path(post, path = "/api/v1/oauth/clients/{client_id}/revoke", tag = "oauth",
    params(("client_id" = String, Path, description = "Its client_id, percent-encoded when it is a URL")),
    responses((status = 200, body = Ended, description = "What ended"), Denied, Absent))]
async fn revoke_client(admin: Administrator, Path(id): Path<String>) -> Result<Json<Ended>, ApiError> {
    let grants = admin.calls.revoke_oauth_client(&id, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Json(Ended { grants, effective_immediately: true }))
}

/// Which grants.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct GrantQuery {
    /// Those that have ended, too.
    all: bool,
}

/// Grants in force, newest first.
#[utoipa::path(get, path = "/api/v1/oauth/grants", tag = "oauth", params(GrantQuery, PageQuery),
    responses((status = 200, body = Listed<OauthGrantView>, description = "The grants"), Denied, Unfit))]
async fn grants(
    reader: Reader,
    Asked(query): Asked<GrantQuery>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Listed<OauthGrantView>>, ApiError> {
    Ok(Json(reader.calls.oauth_grant_page(query.all, page.limit()?, page.cursor.as_deref())?))
}

/// Ends a grant with all of its tokens, from the next request on.
#[utoipa::path(post, path = "/api/v1/oauth/grants/{grant_id}/revoke", tag = "oauth", params(("grant_id" = String, Path, description = "Id of the grant")),
    responses((status = 200, body = Ended, description = "What ended; nothing when it had ended before"), Denied, Absent))]
async fn revoke_grant(admin: Administrator, Path(id): Path<String>) -> Result<Json<Ended>, ApiError> {
    let ended = admin.calls.revoke_oauth_grant(&id, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Json(Ended { grants: usize::from(ended), effective_immediately: true }))
}
