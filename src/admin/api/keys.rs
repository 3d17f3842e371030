//! `/api/v1/groups/{server_code}/keys`: the keys that open a group.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Guarded, UnfitBody},
    because::{Because, Why},
    frame::{ApiError, Body, Created, IfMatch, Path, Versioned},
};
use crate::admin::{
    calls::{
        because,
        keys::{KeyView, NewKey, RotatedKey, Rotation, ShownKey, StragglerView, Wanted},
    },
    entry::{Administrator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, rename))
        .routes(routes!(rotate))
        .routes(routes!(retire))
        .routes(routes!(revoke))
        .routes(routes!(reveal))
        .routes(routes!(stragglers))
}

/// The keys of a group, by creation; not the keys themselves.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/keys", tag = "keys", params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 200, body = Vec<KeyView>, description = "The keys"), Denied, Absent))]
async fn list(reader: Reader, Path(code): Path<String>) -> Result<Json<Vec<KeyView>>, ApiError> {
    Ok(Json(reader.calls.keys(&code)?))
}

/// Makes a further key for a group. It is in the answer, and nowhere else unless `keys.reveal` keeps a sealed copy.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/keys", tag = "keys", request_body = NewKey,
    params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 201, body = ShownKey, description = "The key"), Denied, Absent, Clash, UnfitBody))]
async fn create(admin: Administrator, Path(code): Path<String>, Body(new): Body<NewKey>) -> Result<Created<ShownKey>, ApiError> {
    let view = admin.calls.add_named_key(&code, &new, admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Created { location: format!("/api/v1/groups/{code}/keys/{}", view.facts.id), view, version: None })
}

/// One key; not the key itself.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/keys/{key_id}", tag = "keys",
    params(("server_code" = String, Path, description = "Server code of the group"), ("key_id" = String, Path, description = "Id of the key")),
    responses((status = 200, body = KeyView, description = "The key; its version is the ETag"), Denied, Absent))]
async fn show(reader: Reader, Path((code, id)): Path<(String, String)>) -> Result<Versioned<KeyView>, ApiError> {
    let key = reader.calls.key(&code, &id)?;
    let version = key.version;
    Ok(Versioned(key, version))
}

/// A key after a change.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedKey {
    #[serde(flatten)]
    key: KeyView,
    /// Always true: it is in force for the next request, in every process.
    effective_immediately: bool,
}

impl ChangedKey {
    fn of(key: KeyView) -> Versioned<Self> {
        let version = key.version;
        Versioned(Self { key, effective_immediately: true }, version)
    }
}

/// Another name for a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Renaming {
    /// 1 to 64 letters, digits, or - _ . @.
    name: String,
}

/// Gives a key another name.
#[utoipa::path(patch, path = "/api/v1/groups/{server_code}/keys/{key_id}", tag = "keys", request_body = Renaming,
    params(("server_code" = String, Path, description = "Server code of the group"), ("key_id" = String, Path, description = "Id of the key"),
        ("If-Match" = String, Header, description = "The ETag that was read, or `*`")),
    responses((status = 200, body = ChangedKey, description = "The key"), Denied, Absent, Clash, Guarded, UnfitBody))]
async fn rename(
    admin: Administrator,
    Path((code, id)): Path<(String, String)>,
    IfMatch(seen): IfMatch,
    Body(asked): Body<Renaming>,
) -> Result<Versioned<ChangedKey>, ApiError> {
    let by = admin.who.by(admin.calls.clock.as_ref());
    let (_, key) = admin.calls.rename_key(&code, (Wanted::Id(&id), &asked.name), seen, &by).await?;
    Ok(ChangedKey::of(key))
}

/// How a key is to be replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct RotationBody {
    /// How long the old key stays valid, such as 24h or 0s; `keys.default_grace` without it.
    grace: Option<String>,
    /// When the new key ends: a date, a moment, or from now on (30d); after as long a life as the old one was given without it.
    expires: Option<String>,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

/// Puts a new key in the place of one, which stays valid for the grace. The new key is in the answer.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/keys/{key_id}/rotate", tag = "keys", request_body = RotationBody,
    params(("server_code" = String, Path, description = "Server code of the group"), ("key_id" = String, Path, description = "Id of the key")),
    responses((status = 200, body = RotatedKey, description = "The new key, and until when the old one is accepted"), Denied, Absent, Clash, UnfitBody))]
async fn rotate(
    admin: Administrator,
    Path((code, id)): Path<(String, String)>,
    Body(asked): Body<RotationBody>,
) -> Result<Json<RotatedKey>, ApiError> {
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let by = because(admin.who.by(admin.calls.clock.as_ref()), asked.reason.as_deref())?;
    let rotation = Rotation::read(asked.grace.as_deref(), asked.expires.as_deref())?;
    Ok(Json(admin.calls.rotate_key(&code, Wanted::Id(&id), rotation, &by).await?))
}

/// Ends the grace of a replaced key now.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/keys/{key_id}/retire", tag = "keys", request_body = Because,
    params(("server_code" = String, Path, description = "Server code of the group"), ("key_id" = String, Path, description = "Id of the key")),
    responses((status = 200, body = ChangedKey, description = "The key"), Denied, Absent, Clash, UnfitBody))]
async fn retire(
    admin: Administrator,
    Path((code, id)): Path<(String, String)>,
    Body(why): Body<Because>,
) -> Result<Versioned<ChangedKey>, ApiError> {
    let by = why.by(&admin.calls, &admin.who)?;
    Ok(ChangedKey::of(admin.calls.retire_key(&code, &id, &by).await?))
}

/// Refuses a key from the next request on, and ends what is open with it.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/keys/{key_id}/revoke", tag = "keys", request_body = Because,
    params(("server_code" = String, Path, description = "Server code of the group"), ("key_id" = String, Path, description = "Id of the key")),
    responses((status = 200, body = ChangedKey, description = "The key"), Denied, Absent, UnfitBody))]
async fn revoke(
    admin: Administrator,
    Path((code, id)): Path<(String, String)>,
    Body(why): Body<Because>,
) -> Result<Versioned<ChangedKey>, ApiError> {
    let by = why.by(&admin.calls, &admin.who)?;
    admin.calls.revoke_keys(&code, Wanted::Id(&id), &by).await?;
    Ok(ChangedKey::of(admin.calls.key(&code, &id)?))
}

/// Shows a key of which a sealed copy is kept. Each look is a row of the audit log before it is an answer.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/keys/{key_id}/reveal", tag = "keys", request_body = Why,
    params(("server_code" = String, Path, description = "Server code of the group"), ("key_id" = String, Path, description = "Id of the key")),
    responses((status = 200, body = ShownKey, description = "The key"), Denied, Absent, Clash, UnfitBody))]
async fn reveal(admin: Administrator, Path((code, id)): Path<(String, String)>, Body(why): Body<Why>) -> Result<Json<ShownKey>, ApiError> {
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let by = why.by(&admin.calls, &admin.who)?;
    Ok(Json(admin.calls.reveal_key(&code, Wanted::Id(&id), &by).await?))
}

/// Replaced keys of all groups that are still used although their end is near.
#[utoipa::path(get, path = "/api/v1/keys/stragglers", tag = "keys",
    responses((status = 200, body = Vec<StragglerView>, description = "The keys, the first to end first"), Denied))]
async fn stragglers(reader: Reader) -> Result<Json<Vec<StragglerView>>, ApiError> {
    Ok(Json(reader.calls.stragglers()?))
}
