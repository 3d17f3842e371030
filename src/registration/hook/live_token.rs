//! `POST /hooks/live-tokens`: the app asks for a token with which one of its users may connect.
//! `POST /hooks/live-tokens/revoke`: it takes tokens back, when somebody logs out or leaves.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{HookState, Shared, answer, unavailable};
use crate::{
    clock::rfc3339,
    ids::AppId,
    live::{self, NewToken, Role},
    problem::Problem,
    store::live_revocations::{Revocation, RevokedTokens},
};

/// How long a token is good unless the app says otherwise, and how long it may be.
const USUAL_SECONDS: u64 = 12 * 3_600;
const LONGEST_SECONDS: u64 = 7 * 24 * 3_600;

pub(super) async fn mint(State(HookState(hook)): State<HookState>, request: Request) -> Response {
    answer(minted(&hook, request).await)
}

async fn minted(hook: &Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (_, body) = hook.receive(&parts, body).await?;
    let fields = fields(&body)?;
    let text = |name: &str, camel: &str| fields.get(name).or_else(|| fields.get(camel)).and_then(Value::as_str);
    let user = text("user_id", "userId").map(|id| AppId::try_from(id.to_owned()));
    let Some(Ok(user)) = user else { return Err(wrong("/user_id", "the app's user id is needed, such as \"usr_0123456789abcdef\"")) };
    let role = text("role", "role").unwrap_or("customer");
    let Some(role) = Role::parse(role) else { return Err(wrong("/role", "customer, operator, doctor, consultant or admin is expected")) };
    let seconds = match fields.get("ttl_seconds").or_else(|| fields.get("ttlSeconds")) {
        None | Some(Value::Null) => USUAL_SECONDS,
        Some(value) => value
            .as_u64()
            .filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds))
            .ok_or_else(|| wrong("/ttl_seconds", "a whole number from 1 to 604800 (seven days) is expected"))?,
    };
    let now = hook.now();
    let expires_at = now + i64::try_from(seconds).unwrap_or_default() * 1_000;
    let token = live::mint(&hook.parts.master, &NewToken { user: &user, role, now, expires_at }).map_err(|error| {
        tracing::error!(%error, "a live token could not be sealed");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "No token could be made at the moment. Try again in a second.")
    })?;
    let answer = json!({"token": token.text.expose(), "token_id": token.id, "expires_at": rfc3339(expires_at), "path": "/live/ws"});
    Ok(Json(answer).into_response())
}

pub(super) async fn revoke(State(HookState(hook)): State<HookState>, request: Request) -> Response {
    answer(revoked(&hook, request).await)
}

async fn revoked(hook: &Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (_, body) = hook.receive(&parts, body).await?;
    let fields = fields(&body)?;
    let text = |name: &str, camel: &str| fields.get(name).or_else(|| fields.get(camel)).and_then(Value::as_str).map(str::to_owned);
    let target = match (text("token_id", "tokenId"), text("user_id", "userId")) {
        (Some(id), None) => RevokedTokens::One(id),
        (None, Some(user)) => RevokedTokens::OfUser(user),
        _ => {
            let detail = "Give token_id for one token, or user_id for every token that a user has by now: one of the two.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", detail));
        }
    };
    let revoked_at = hook.now();
    hook.parts.store.revoke_live_tokens(Revocation { target, revoked_at }).await.map_err(|error| unavailable(&error))?;
    Ok(Json(json!({"revoked_at": rfc3339(revoked_at)})).into_response())
}

fn fields(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "body", format!("The body is not a JSON object: {error}.")))
}

fn wrong(pointer: &str, why: &str) -> Problem {
    let detail = "Some fields are not usable; `errors` names them. Needed: user_id. Optional: role, ttl_seconds.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", detail).with_field(pointer.to_owned(), why)
}
