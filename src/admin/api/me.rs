//! `/api/v1/me`, `/sessions` and `/tokens`: who asks, what they hold, and taking it back.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accounts::NewPassword,
    answers::{Absent, Clash, Denied, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, Created, PageQuery, Path},
};
use crate::{
    admin::{
        Role,
        calls::{CallError, Enrolment, Listed, MadeToken, NewToken, RecoveryCodes, SecondFactorView, SessionView, TokenView, said},
        entry::Reader,
        state::AdminState,
    },
    gate::accounts::SignInError,
    secret::SecretText,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(me))
        .routes(routes!(confirm))
        .routes(routes!(set_password))
        .routes(routes!(begin_second_factor, finish_second_factor, remove_second_factor))
        .routes(routes!(sessions))
        .routes(routes!(end_session))
        .routes(routes!(tokens, add_token))
        .routes(routes!(token, revoke_token))
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct MeView {
    /// The account.
    account_id: String,
    /// Its login.
    login: String,
    /// Its name for people.
    display_name: String,
    /// What may be done.
    role: Role,
    /// The session, for a browser.
    session_id: Option<String>,
    /// The token, for a program.
    token_id: Option<String>,
    /// What a change must carry as `X-CSRF-Token`; null for a program, which needs none.
    csrf_token: Option<String>,
    /// Whether the password was shown a short while ago, or need not be.
    confirmed: bool,
    /// The second factor.
    second_factor: SecondFactorView,
}

/// Who asks, and what they may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "me", responses((status = 200, body = MeView, description = "Who asks"), Denied))]
async fn me(Reader { calls, who }: Reader) -> Result<Json<MeView>, ApiError> {
    let second_factor = calls.second_factor(&who.account_id)?;
    let confirmed = who.confirmed(calls.clock.as_ref()).is_ok();
    Ok(Json(MeView {
        account_id: who.account_id,
        login: who.login,
        display_name: who.display_name,
        role: who.role,
        session_id: who.session_id,
        token_id: who.token_id,
        csrf_token: Some(who.csrf).filter(|token| !token.is_empty()),
        confirmed,
        second_factor,
    }))
}

/// The password of whoever asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Password {
    /// It.
    #[schema(value_type = String)]
    password: SecretText,
}

/// Shows the password again: for ten minutes, keys may be shown and accounts changed.
#[utoipa::path(post, path = "/api/v1/me/confirm", tag = "me", request_body = Password,
    responses((status = 204, description = "It is the right one"),
              (status = 429, body = crate::problem::Problem, content_type = "application/problem+json", description = "Too many wrong ones; `Retry-After` says how long to wait"),
              Denied, UnfitBody))]
async fn confirm(Reader { calls, who }: Reader, Body(shown): Body<Password>) -> Result<StatusCode, Response> {
    calls.confirm(&who, &shown.password).await.map_err(|error| not_confirmed(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_confirmed(error: &SignInError) -> Response {
    let text = error.to_string();
    let (zh, en) = text.split_once(" / ").unwrap_or((&text, &text));
    let mut response = match error {
        SignInError::Wrong => ApiError::from(CallError::invalid("/password", "密码不正确", "the password is not right")).into_response(),
        SignInError::Throttled { .. } => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too-many", said(zh, en)).into_response(),
        SignInError::Busy { .. } | SignInError::Unavailable(_) => ApiError::from(CallError::unavailable(zh, en)).into_response(),
    };
    if let Some(wait) = error.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    response
}

/// Gives whoever asks another password; their other sessions end.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "me", request_body = NewPassword,
    responses((status = 204, description = "It is in force"), Denied, UnfitBody))]
async fn set_password(Reader { calls, who }: Reader, Body(new): Body<NewPassword>) -> Result<StatusCode, ApiError> {
    who.confirmed(calls.clock.as_ref())?;
    let by = who.by(calls.clock.as_ref());
    calls.set_password(&who.login, &new.password, who.session_id.as_deref(), by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins to set up one-time codes: a secret for the telephone. Nothing changes before the first code.
#[utoipa::path(post, path = "/api/v1/me/second-factor", tag = "me",
    responses((status = 200, body = Enrolment, description = "The secret"), Denied))]
async fn begin_second_factor(Reader { calls, who }: Reader) -> Result<Json<Enrolment>, ApiError> {
    Ok(Json(calls.begin_second_factor(&who.account_id, &who.login)?))
}

/// The first code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FirstCode {
    /// `pending` of the secret.
    pending: String,
    /// The six digits the telephone shows.
    code: String,
}

/// Sets up one-time codes: from the next sign-in on they are asked for.
#[utoipa::path(put, path = "/api/v1/me/second-factor", tag = "me", request_body = FirstCode,
    responses((status = 200, body = RecoveryCodes, description = "The recovery codes, shown once"), Denied, UnfitBody))]
async fn finish_second_factor(Reader { calls, who }: Reader, Body(first): Body<FirstCode>) -> Result<Json<RecoveryCodes>, ApiError> {
    Ok(Json(calls.finish_second_factor(&who, &first.pending, &first.code).await?))
}

/// Takes one's own second factor away.
#[utoipa::path(delete, path = "/api/v1/me/second-factor", tag = "me",
    responses((status = 204, description = "The password alone signs in"), Denied, Clash))]
async fn remove_second_factor(Reader { calls, who }: Reader) -> Result<StatusCode, ApiError> {
    who.confirmed(calls.clock.as_ref())?;
    let account = calls.own_account(&who)?;
    calls.remove_second_factor(&account, who.by(calls.clock.as_ref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is signed in in the panel: for an administrator everybody, for others themselves.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "me",
    params(PageQuery), responses((status = 200, body = Listed<SessionView>, description = "The sessions, the latest first"), Denied, Unfit))]
async fn sessions(Reader { calls, who }: Reader, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<SessionView>>, ApiError> {
    Ok(Json(calls.session_page(&who, page.limit()?, page.cursor.as_deref())?))
}

/// Ends a session; in force for its next request.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "me", params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It has ended"), Denied, Absent))]
async fn end_session(Reader { calls, who }: Reader, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    calls.end_session(&id, &who).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// API tokens: for an administrator everybody's, for others their own.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "me",
    params(PageQuery), responses((status = 200, body = Listed<TokenView>, description = "The tokens, the newest first"), Denied, Unfit))]
async fn tokens(Reader { calls, who }: Reader, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<TokenView>>, ApiError> {
    Ok(Json(calls.api_token_page(&who, page.limit()?, page.cursor.as_deref())?))
}

/// Makes an API token, which is shown once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "me", request_body = NewToken,
    responses((status = 201, body = MadeToken, description = "The token"), Denied, Clash, UnfitBody))]
async fn add_token(Reader { calls, who }: Reader, Body(new): Body<NewToken>) -> Result<Created<MadeToken>, ApiError> {
    let made = calls.add_api_token(new, &who).await?;
    Ok(Created { location: format!("/api/v1/tokens/{}", made.view.id), view: made, version: None })
}

/// One API token, without its text.
#[utoipa::path(get, path = "/api/v1/tokens/{id}", tag = "me", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = TokenView, description = "The token"), Denied, Absent))]
async fn token(Reader { calls, who }: Reader, Path(id): Path<String>) -> Result<Json<TokenView>, ApiError> {
    Ok(Json(calls.api_token(&id, &who)?))
}

/// Revokes an API token; in force for its next request.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "me", params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is revoked"), Denied, Absent))]
async fn revoke_token(Reader { calls, who }: Reader, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    calls.revoke_api_token(&id, &who).await?;
    Ok(StatusCode::NO_CONTENT)
}
