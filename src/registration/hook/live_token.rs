//! `POST /hooks/live-tokens`: the app asks for a token with which one of its users may connect.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{HookState, Shared, answer};
use crate::{
    clock::rfc3339,
    ids::AppId,
    live::{self, Role},
    problem::Problem,
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
    let fields: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "body", format!("The body is not a JSON object: {error}.")))?;
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
    let expires_at = hook.now() + i64::try_from(seconds).unwrap_or_default() * 1_000;
    let token = live::mint(&hook.parts.master, &user, role, expires_at).map_err(|error| {
        tracing::error!(%error, "a live token could not be sealed");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "No token could be made at the moment. Try again in a second.")
    })?;
    Ok(Json(json!({"token": token.expose(), "expires_at": rfc3339(expires_at), "path": "/live/ws"})).into_response())
}

fn wrong(pointer: &str, why: &str) -> Problem {
    let detail = "Some fields are not usable; `errors` names them. Needed: user_id. Optional: role, ttl_seconds.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", detail).with_field(pointer.to_owned(), why)
}
