//! `/api/v1/oauth`: clients of the authorization server, and what they were granted.

use axum::Json;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, Created, PageQuery, Path},
};
use crate::admin::{
    calls::{
        Listed,
        oauth::{GrantsWanted, MadeClient, NewClient, OauthClientView, OauthGrantView},
    },
    entry::{Administrator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(clients, add_client))
        .routes(routes!(client, remove_client))
        .routes(routes!(revoke_client))
        .routes(routes!(restore_client))
        .routes(routes!(grants))
        .routes(routes!(revoke_grant))
}

/// Clients, oldest first.
#[utoipa::path(get, path = "/api/v1/oauth/clients", tag = "oauth", params(PageQuery),
    responses((status = 200, body = Listed<OauthClientView>, description = "The clients"), Denied, Unfit))]
async fn clients(reader: Reader, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<OauthClientView>>, ApiError> {
    Ok(Json(reader.calls.oauth_client_page(page.limit()?, page.cursor.as_deref())?))
}

/// Adds a client on an operator's word. One that can keep a secret gets one, which is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/oauth/clients", tag = "oauth", request_body = NewClient,
    responses((status = 201, body = MadeClient, description = "The client"), Denied, Absent, UnfitBody))]
async fn add_client(admin: Administrator, Body(new): Body<NewClient>) -> Result<Created<MadeClient>, ApiError> {
    let view = admin.calls.add_oauth_client(&new, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Created { location: format!("/api/v1/oauth/clients/{}", view.client.client_id), view, version: None })
}

/// One client.
#[utoipa::path(get, path = "/api/v1/oauth/clients/{client_id}", tag = "oauth",
    params(("client_id" = String, Path, description = "Its client_id, percent-encoded when it is a URL")),
    responses((status = 200, body = OauthClientView, description = "The client"), Denied, Absent))]
async fn client(reader: Reader, Path(id): Path<String>) -> Result<Json<OauthClientView>, ApiError> {
    Ok(Json(reader.calls.oauth_client(&id)?))
}

/// Removes a client with every grant and token of it. It may come again; shutting it out keeps it out.
#[utoipa::path(delete, path = "/api/v1/oauth/clients/{client_id}", tag = "oauth",
    params(("client_id" = String, Path, description = "Its client_id, percent-encoded when it is a URL")),
    responses((status = 204, description = "It is gone"), Denied, Absent))]
async fn remove_client(admin: Administrator, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    admin.calls.remove_oauth_client(&id, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a client that was shut out ask again. What it had been granted stays ended.
#[utoipa::path(post, path = "/api/v1/oauth/clients/{client_id}/restore", tag = "oauth",
    params(("client_id" = String, Path, description = "Its client_id, percent-encoded when it is a URL")),
    responses((status = 200, body = OauthClientView, description = "The client"), Denied, Absent, Clash))]
async fn restore_client(admin: Administrator, Path(id): Path<String>) -> Result<Json<OauthClientView>, ApiError> {
    Ok(Json(admin.calls.restore_oauth_client(&id, &admin.who.by(admin.calls.clock.as_ref())).await?))
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
    /// Only of this client.
    client_id: Option<String>,
    /// Only for this group.
    server_code: Option<String>,
}

/// Grants in force, newest first.
#[utoipa::path(get, path = "/api/v1/oauth/grants", tag = "oauth", params(GrantQuery, PageQuery),
    responses((status = 200, body = Listed<OauthGrantView>, description = "The grants"), Denied, Absent, Unfit))]
async fn grants(
    reader: Reader,
    Asked(query): Asked<GrantQuery>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Listed<OauthGrantView>>, ApiError> {
    let wanted = GrantsWanted { all: query.all, client_id: query.client_id, server_code: query.server_code };
    Ok(Json(reader.calls.oauth_grant_page(&wanted, page.limit()?, page.cursor.as_deref())?))
}

/// Ends a grant with all of its tokens, from the next request on.
#[utoipa::path(post, path = "/api/v1/oauth/grants/{grant_id}/revoke", tag = "oauth", params(("grant_id" = String, Path, description = "Id of the grant")),
    responses((status = 200, body = Ended, description = "What ended; nothing when it had ended before"), Denied, Absent))]
async fn revoke_grant(admin: Administrator, Path(id): Path<String>) -> Result<Json<Ended>, ApiError> {
    let ended = admin.calls.revoke_oauth_grant(&id, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Json(Ended { grants: usize::from(ended), effective_immediately: true }))
}
