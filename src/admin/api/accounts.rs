//! `/api/v1/accounts`: people who sign in, and what they may do.

use axum::Json;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Guarded, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, Created, IfMatch, PageQuery, Path, Versioned},
};
use crate::{
    admin::{
        calls::{AccountEdit, AccountView, CallError, Listed, NewAccount},
        entry::Administrator,
        state::AdminState,
    },
    secret::SecretText,
    store::audit::By,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(accounts, add_account))
        .routes(routes!(account, change_account, delete_account))
        .routes(routes!(set_password))
        .routes(routes!(remove_second_factor))
        .routes(routes!(end_sessions))
}

/// As whom an account is changed: somebody who showed their password a short while ago.
fn confirmed(admin: &Administrator) -> Result<By, CallError> {
    let clock = admin.calls.clock.as_ref();
    admin.who.confirmed(clock)?;
    Ok(admin.who.by(clock))
}

/// Accounts, by login.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", params(PageQuery),
    responses((status = 200, body = Listed<AccountView>, description = "The accounts"), Denied, Unfit))]
async fn accounts(admin: Administrator, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<AccountView>>, ApiError> {
    let limit = page.limit()?;
    Ok(Json(admin.calls.accounts(limit, page.cursor.as_deref())?))
}

/// Adds an account.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "accounts", request_body = NewAccount,
    responses((status = 201, body = AccountView, description = "The account"), Denied, Clash, UnfitBody))]
async fn add_account(admin: Administrator, Body(new): Body<NewAccount>) -> Result<Created<AccountView>, ApiError> {
    let view = admin.calls.add_account(new, confirmed(&admin)?).await?;
    Ok(Created { location: format!("/api/v1/accounts/{}", view.login), version: Some(view.version), view })
}

/// One account.
#[utoipa::path(get, path = "/api/v1/accounts/{login}", tag = "accounts", params(("login" = String, Path, description = "Its login")),
    responses((status = 200, body = AccountView, description = "The account"), Denied, Absent))]
async fn account(admin: Administrator, Path(login): Path<String>) -> Result<Versioned<AccountView>, ApiError> {
    let view = admin.calls.account(&login)?;
    let version = view.version;
    Ok(Versioned(view, version))
}

/// An account after a change.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedAccount {
    #[serde(flatten)]
    account: AccountView,
    /// Always true: it is in force for the next request, in every process.
    effective_immediately: bool,
}

/// Changes an account; in force for the next request.
#[utoipa::path(patch, path = "/api/v1/accounts/{login}", tag = "accounts", request_body = AccountEdit,
    params(("login" = String, Path, description = "Its login"), ("If-Match" = String, Header, description = "The ETag that was read, or `*`")),
    responses((status = 200, body = ChangedAccount, description = "The account as it is now"), Denied, Absent, Clash, Guarded, UnfitBody))]
async fn change_account(
    admin: Administrator,
    Path(login): Path<String>,
    IfMatch(seen): IfMatch,
    Body(edit): Body<AccountEdit>,
) -> Result<Versioned<ChangedAccount>, ApiError> {
    let account = admin.calls.change_account(&login, edit, seen, confirmed(&admin)?).await?;
    let version = account.version;
    Ok(Versioned(ChangedAccount { account, effective_immediately: true }, version))
}

/// Deletes an account with everything that was granted to it.
#[utoipa::path(delete, path = "/api/v1/accounts/{login}", tag = "accounts",
    params(("login" = String, Path, description = "Its login"), ("If-Match" = String, Header, description = "The ETag that was read, or `*`")),
    responses((status = 204, description = "It is deleted"), Denied, Absent, Clash, Guarded))]
async fn delete_account(admin: Administrator, Path(login): Path<String>, IfMatch(seen): IfMatch) -> Result<StatusCode, ApiError> {
    admin.calls.delete_account(&login, seen, confirmed(&admin)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// At least 12 characters.
    #[schema(value_type = String)]
    pub(super) password: SecretText,
}

/// Gives an account another password; its sessions end.
#[utoipa::path(put, path = "/api/v1/accounts/{login}/password", tag = "accounts", request_body = NewPassword,
    params(("login" = String, Path, description = "Its login")),
    responses((status = 204, description = "It is in force"), Denied, Absent, UnfitBody))]
async fn set_password(admin: Administrator, Path(login): Path<String>, Body(new): Body<NewPassword>) -> Result<StatusCode, ApiError> {
    let by = confirmed(&admin)?;
    admin.calls.set_password(&login, &new.password, admin.who.session_id.as_deref(), by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an account's second factor away.
#[utoipa::path(delete, path = "/api/v1/accounts/{login}/second-factor", tag = "accounts",
    params(("login" = String, Path, description = "Its login")),
    responses((status = 204, description = "It signs in with the password alone"), Denied, Absent, Clash))]
async fn remove_second_factor(admin: Administrator, Path(login): Path<String>) -> Result<StatusCode, ApiError> {
    let by = confirmed(&admin)?;
    let account = admin.calls.find_account(&login)?;
    admin.calls.remove_second_factor(&account, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every session of an account.
#[utoipa::path(delete, path = "/api/v1/accounts/{login}/sessions", tag = "accounts",
    params(("login" = String, Path, description = "Its login")),
    responses((status = 204, description = "Nobody is signed in with it any more"), Denied, Absent))]
async fn end_sessions(admin: Administrator, Path(login): Path<String>) -> Result<StatusCode, ApiError> {
    let account = admin.calls.find_account(&login)?;
    let by = admin.who.by(admin.calls.clock.as_ref());
    admin.calls.end_sessions(&account, None, by).await?;
    Ok(StatusCode::NO_CONTENT)
}
