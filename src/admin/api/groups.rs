//! `/api/v1/groups`: groups, where each is reached, and what hosts must be told of it.

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Guarded, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, Created, IfMatch, PageQuery, Path, Versioned},
};
use crate::admin::{
    calls::{
        CallError, Listed,
        connect::{self, ServerUrl, Snippets},
        groups::{ChangedGroup, GroupDetail, GroupEdit, GroupView, MadeGroup, NewGroup},
        impact::{Impact, Narrowing},
        keys::{KeyUsers, Wanted},
        tools::ListSize,
        with_reason,
    },
    entry::{Administrator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(impact))
        .routes(routes!(size))
        .routes(routes!(server_url))
        .routes(routes!(snippets, snippets_with_key))
        .routes(routes!(key_users))
}

/// Groups, by creation.
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups", params(PageQuery),
    responses((status = 200, body = Listed<GroupView>, description = "The groups"), Denied, Unfit))]
async fn list(reader: Reader, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<GroupView>>, ApiError> {
    Ok(Json(reader.calls.group_page(page.limit()?, page.cursor.as_deref())?))
}

/// Makes a group with its first key.
///
/// The key is in the answer, and nowhere else unless `keys.reveal` keeps a sealed copy.
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups", request_body = NewGroup,
    responses((status = 201, body = MadeGroup, description = "The group and its key"), Denied, Clash, UnfitBody))]
async fn create(admin: Administrator, Body(new): Body<NewGroup>) -> Result<Created<MadeGroup>, ApiError> {
    let view = admin.calls.create_group(&new, &admin.who.by(admin.calls.clock.as_ref())).await?;
    let (location, version) = (format!("/api/v1/groups/{}", view.group.server_code), Some(view.group.version));
    Ok(Created { location, view, version })
}

/// One group with its tools and keys, not the keys themselves.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}", tag = "groups", params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 200, body = GroupDetail, description = "The group; its version is the ETag"), Denied, Absent))]
async fn show(reader: Reader, Path(code): Path<String>) -> Result<Versioned<GroupDetail>, ApiError> {
    let detail = reader.calls.group(&code)?;
    let version = detail.group.version;
    Ok(Versioned(detail, version))
}

/// Changes a group; in force for the next request.
#[utoipa::path(patch, path = "/api/v1/groups/{server_code}", tag = "groups", request_body = GroupEdit,
    params(("server_code" = String, Path, description = "Server code of the group"), ("If-Match" = String, Header, description = "The ETag that was read")),
    responses((status = 200, body = ChangedGroup, description = "The group as it is now"), Denied, Absent, Clash, Guarded, UnfitBody))]
async fn change(
    admin: Administrator,
    Path(code): Path<String>,
    IfMatch(seen): IfMatch,
    Body(edit): Body<GroupEdit>,
) -> Result<Versioned<ChangedGroup>, ApiError> {
    let changed = admin.calls.change_group(&code, edit, seen, &admin.who.by(admin.calls.clock.as_ref())).await?;
    let version = changed.group.version;
    Ok(Versioned(changed, version))
}

/// Deletes a group with its keys and the settings of its tools.
#[utoipa::path(delete, path = "/api/v1/groups/{server_code}", tag = "groups",
    params(("server_code" = String, Path, description = "Server code of the group"), ("If-Match" = String, Header, description = "The ETag that was read")),
    responses((status = 204, description = "It is gone"), Denied, Absent, Guarded))]
async fn delete(admin: Administrator, Path(code): Path<String>, IfMatch(seen): IfMatch) -> Result<StatusCode, ApiError> {
    admin.calls.delete_group(&code, seen, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A change whose effect is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct ImpactQuery {
    /// The group is deleted; everything else is then of no account.
    delete: bool,
    /// The group is switched on or off.
    enabled: Option<bool>,
    /// Its tools are bound to the customers of registrations in progress, or freed.
    subject_scoped: Option<bool>,
    /// Roles that open it, with commas between them.
    allowed_roles: Option<String>,
    /// Tiers that open it, with commas between them.
    user_tier_access: Option<String>,
}

impl From<ImpactQuery> for Narrowing {
    fn from(query: ImpactQuery) -> Self {
        let names = |text: String| text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if query.delete {
            return Self::Delete;
        }
        Self::Edit(GroupEdit {
            enabled: query.enabled,
            subject_scoped: query.subject_scoped,
            allowed_roles: query.allowed_roles.map(names),
            user_tier_access: query.user_tier_access.map(names),
            ..GroupEdit::default()
        })
    }
}

/// Who will break when a group is changed or deleted: keys, clients, accounts, grants, and calls of the last thirty days.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/impact", tag = "groups",
    params(("server_code" = String, Path, description = "Server code of the group"), ImpactQuery),
    responses((status = 200, body = Impact, description = "Who is affected"), Denied, Absent, Unfit))]
async fn impact(reader: Reader, Path(code): Path<String>, Asked(query): Asked<ImpactQuery>) -> Result<Json<Impact>, ApiError> {
    Ok(Json(reader.calls.group_impact(&code, query.into()).await?))
}

/// How long the group's `tools/list` is: bytes, and an estimate of tokens.
///
/// One token for four ASCII characters, and one for every other character.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/size", tag = "groups", params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 200, body = ListSize, description = "The size"), Denied, Absent))]
async fn size(reader: Reader, Path(code): Path<String>) -> Result<Json<ListSize>, ApiError> {
    Ok(Json(reader.calls.list_size(&code)?))
}

/// Where a group is reached.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/server-url", tag = "groups", params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 200, body = ServerUrl, description = "Its addresses"), Denied, Absent))]
async fn server_url(reader: Reader, Path(code): Path<String>) -> Result<Json<ServerUrl>, ApiError> {
    Ok(Json(reader.calls.server_url(&code)?))
}

/// Which host is to be told.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HostQuery {
    /// claude-code, claude-desktop, cursor, vscode, cherry-studio, n8n, dify, dify-plugin, inspector, codex or gemini.
    host: String,
    /// http or sse; without it what the host does best.
    transport: Option<String>,
}

fn way(host: &str, transport: Option<&str>) -> Result<(crate::connect::Host, Option<crate::connect::Transport>), CallError> {
    Ok((connect::host(host)?, transport.map(connect::transport).transpose()?))
}

/// What a host must be told of a group: command, file, link or form. A word stands in the place of the key.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/connect", tag = "groups",
    params(("server_code" = String, Path, description = "Server code of the group"), HostQuery),
    responses((status = 200, body = Snippets, description = "What to put where"), Denied, Absent, Unfit))]
async fn snippets(reader: Reader, Path(code): Path<String>, Asked(query): Asked<HostQuery>) -> Result<Json<Snippets>, ApiError> {
    let (host, transport) = way(&query.host, query.transport.as_deref())?;
    Ok(Json(reader.calls.snippets(&code, host, transport)?))
}

/// A host that is to be told with the key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WithKey {
    /// claude-code, claude-desktop, cursor, vscode, cherry-studio, n8n, dify, dify-plugin, inspector, codex or gemini.
    host: String,
    /// http or sse; without it what the host does best.
    #[serde(default)]
    transport: Option<String>,
    /// Id of the key; without it the one called `default`, or the only one.
    #[serde(default)]
    key_id: Option<String>,
    /// Why the key is looked at; kept in the audit log.
    #[schema(min_length = 2, max_length = 500)]
    reason: String,
}

/// The same with the key in it. The look at the key is a row of the audit log.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/connect", tag = "groups", request_body = WithKey,
    params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 200, body = Snippets, description = "What to put where"), Denied, Absent, Clash, UnfitBody))]
async fn snippets_with_key(admin: Administrator, Path(code): Path<String>, Body(asked): Body<WithKey>) -> Result<Json<Snippets>, ApiError> {
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let by = with_reason(admin.who.by(admin.calls.clock.as_ref()), Some(&asked.reason))?;
    let way = way(&asked.host, asked.transport.as_deref())?;
    let wanted = asked.key_id.as_deref().map_or(Wanted::Any, Wanted::Id);
    Ok(Json(admin.calls.snippets_with_key(&code, way, wanted, &by).await?))
}

/// Which key's users.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct KeyUsersQuery {
    /// Id of a key; without it all keys of the group.
    key_id: Option<String>,
}

/// Who uses the group's keys: clients and addresses, and which of them still use a replaced one.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/key-users", tag = "keys",
    params(("server_code" = String, Path, description = "Server code of the group"), KeyUsersQuery),
    responses((status = 200, body = Vec<KeyUsers>, description = "The keys with their users"), Denied, Absent, Unfit))]
async fn key_users(reader: Reader, Path(code): Path<String>, Asked(query): Asked<KeyUsersQuery>) -> Result<Json<Vec<KeyUsers>>, ApiError> {
    Ok(Json(reader.calls.key_users(&code, query.key_id.as_deref().map(Wanted::Id)).await?))
}
