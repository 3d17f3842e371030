//! The same for those who cannot keep a socket: who is online, what waits, and claiming a customer.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Query, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    LiveState, Shared,
    frames::{self, MAX_MESSAGE, TargetFields},
    inbound::{Door, Refusal},
    routes::refused,
    who::{Role, Who},
};
use crate::{
    problem::Problem,
    store::{StoreError, notifications::Wanted},
};

/// Longest a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
const MOST_NOTICES: u32 = 200;

fn respond(result: Result<Value, Problem>) -> Response {
    result.map_or_else(refused, |body| Json(body).into_response())
}

fn must_be_consultant(who: &Who) -> Result<(), Problem> {
    if who.has(Role::Consultant) || who.has(Role::Admin) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "仅限顾问 only consultants and administrators may see this."))
}

/// `GET /live/presence?role=consultant`.
pub(super) async fn presence(
    State(LiveState(live)): State<LiveState>,
    uri: Uri,
    headers: HeaderMap,
    query: Result<Query<PresenceQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    respond(present(&live, &uri, &headers, query.ok()).await)
}

#[derive(Deserialize)]
pub(super) struct PresenceQuery {
    role: Option<Role>,
}

async fn present(live: &Shared, uri: &Uri, headers: &HeaderMap, query: Option<Query<PresenceQuery>>) -> Result<Value, Problem> {
    must_be_consultant(&live.caller(uri, headers).await?)?;
    let Some(Query(query)) = query else {
        let detail = "`role` must be admin, consultant, doctor, operator or customer.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", detail));
    };
    let role = query.role.unwrap_or(Role::Consultant);
    Ok(json!({"role": role, "online": live.hub.online(role)}))
}

/// `GET /live/notifications?after=ID&limit=50`: the caller's own that wait for an acknowledgement.
pub(super) async fn notifications(
    State(LiveState(live)): State<LiveState>,
    uri: Uri,
    headers: HeaderMap,
    query: Result<Query<NoticeQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    respond(waiting(&live, &uri, &headers, query.ok()).await)
}

#[derive(Deserialize)]
pub(super) struct NoticeQuery {
    #[serde(default)]
    after: String,
    limit: Option<u32>,
}

async fn waiting(live: &Shared, uri: &Uri, headers: &HeaderMap, query: Option<Query<NoticeQuery>>) -> Result<Value, Problem> {
    let who = live.caller(uri, headers).await?;
    let limit = query.as_ref().and_then(|Query(query)| query.limit).unwrap_or(50);
    let Some(Query(query)) = query.filter(|_| (1..=MOST_NOTICES).contains(&limit)) else {
        let detail = format!("`limit` must be 1 to {MOST_NOTICES}, `after` the id of a notification.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", detail));
    };
    let wanted = Wanted { after: query.after, except: Vec::new(), limit };
    let found = live.store.waiting_notifications(&who.audience(), &wanted).map_err(|error| unavailable(&error))?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|row| row.id.clone());
    Ok(json!({"notifications": found.iter().map(frames::notification).collect::<Vec<_>>(), "next": next}))
}

fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(%error, "waiting notices could not be read");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The database does not answer. Ask again in a moment.")
}

/// `POST /live/claims` with `registration_id` or `conversation_id`.
pub(super) async fn claim(State(LiveState(live)): State<LiveState>, request: Request) -> Response {
    respond(claimed(&live, request).await)
}

async fn claimed(live: &Shared, request: Request) -> Result<Value, Problem> {
    let who = live.caller(request.uri(), request.headers()).await?;
    let body = body(request).await?;
    let fields: TargetFields = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "invalid", format!("The body is not what is needed: {error}.")))?;
    let target = fields.target().map_err(problem)?;
    live.claim(&who, target, Door::Rest).await.map_err(problem)
}

async fn body(request: Request) -> Result<Bytes, Problem> {
    let request = request.map(|body| axum::body::Body::new(http_body_util::Limited::new(body, MAX_MESSAGE)));
    match tokio::time::timeout(BODY_TIME, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) => {
            Err(Problem::new(rejection.status(), "body", format!("The body is larger than {MAX_MESSAGE} bytes or broke off.")))
        }
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive in time.")),
    }
}

fn problem(refusal: Refusal) -> Problem {
    let mut detail = refusal.text;
    if let Some(facts) = refusal.detail.as_object().filter(|facts| !facts.is_empty()) {
        detail = format!("{detail} ({})", Value::from(facts.clone()));
    }
    Problem::new(refusal.code.status(), refusal.code.as_str(), detail)
}
