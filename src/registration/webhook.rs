//! The HTTP side: `POST /hooks/registration` accepts, `GET /hooks/registration/{id}` shows.
//!
//! The order is fixed: host, size, who, what, commit; 202 is sent after the commit and means that the registration is
//! durable. A repeated delivery is 200 with the same run, so that the app may send as often as it likes.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::{RUN_JOB, profile};
use crate::{
    clock::{SharedClock, rfc3339},
    gate::origins::Origins,
    ids::new_id,
    outbound::standard_webhooks::{self, Signed, WebhookSecret},
    problem::Problem,
    secret::SecretText,
    settings::Book,
    store::{
        Store, StoreError,
        agent_calls::AgentCall,
        registrations::{Accepted, NewRegistration, Registration, StepRecord},
    },
};

/// Who may post, and what is promised.
pub struct HookSettings {
    /// The bearer key.
    pub key: SecretText,
    /// Secrets whose signatures are accepted too.
    pub secrets: Vec<WebhookSecret>,
    /// Which hosts and origins may reach it.
    pub origins: Origins,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Longest a body may take to arrive.
    pub body_timeout: Duration,
    /// The runtime settings: how soon the welcome is due.
    pub settings: Book,
}

/// What the hook works with.
#[derive(Clone)]
pub struct HookState(Arc<Shared>);

struct Shared {
    store: Store,
    clock: SharedClock,
    wake: Arc<Notify>,
    settings: HookSettings,
}

impl HookState {
    /// Puts the hook together; `wake` tells the queue that there is a job.
    pub fn new(store: Store, clock: SharedClock, wake: Arc<Notify>, settings: HookSettings) -> Self {
        Self(Arc::new(Shared { store, clock, wake, settings }))
    }
}

/// The routes.
pub fn router(state: HookState) -> Router {
    Router::new().route("/hooks/registration", post(accept)).route("/hooks/registration/{id}", get(show)).with_state(state)
}

async fn accept(State(HookState(hook)): State<HookState>, request: Request) -> Response {
    match accepted(&hook, request).await {
        Ok(response) => response,
        Err(problem) => refused(problem),
    }
}

async fn accepted(hook: &Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    hook.settings.origins.check(&parts.uri, &parts.headers)?;
    let body = read(hook, body).await?;
    let event_id = authenticate(hook, &parts.headers, &body)?;
    let now = hook.clock.now_ms();
    let profile = profile::read(&body, now)?;
    let settings = hook.settings.settings.current().map_err(|error| unavailable(&error))?;
    let new = NewRegistration {
        id: new_id(hook.clock.as_ref()),
        job_id: new_id(hook.clock.as_ref()),
        job_kind: RUN_JOB,
        event_id,
        body_hash: Sha256::digest(&body).into(),
        deadline_at: now + settings.welcome.deadline.as_ms(),
        profile,
        now,
    };
    match hook.store.accept_registration(new).await {
        Ok(Accepted::New(id)) => {
            hook.wake.notify_one();
            Ok(answer(StatusCode::ACCEPTED, &id))
        }
        Ok(Accepted::Known(id)) => Ok(answer(StatusCode::OK, &id)),
        Ok(Accepted::OtherBody) => Err(Problem::new(
            StatusCode::CONFLICT,
            "other-body",
            "This webhook-id was used before for another body. Nothing was changed; send a new event with an id of its own.",
        )),
        Err(error) => Err(unavailable(&error)),
    }
}

fn answer(status: StatusCode, id: &str) -> Response {
    (status, Json(json!({"registration_id": id, "status_url": format!("/hooks/registration/{id}")}))).into_response()
}

/// The outcome of a failed commit may be unknown: the sender must come again, and then finds the run or makes it.
fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(%error, "a registration could not be accepted");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "The registration could not be stored at the moment. Send it again in a second; it will not be done twice.",
    )
}

fn refused(problem: Problem) -> Response {
    let mut response = problem.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"anmei-mcp hook\""));
    }
    response
}

async fn read(hook: &Shared, body: Body) -> Result<Bytes, Problem> {
    let max = hook.settings.max_body;
    match tokio::time::timeout(hook.settings.body_timeout, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("The body is larger than {max} bytes (`hook.max_body`).")))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body", "The body ended before it was complete.")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive in time.")),
    }
}

/// A good signature or the key. Returns the event's id, where the sender gave one.
fn authenticate(hook: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let id = text(standard_webhooks::ID_HEADER);
    if let Some(signatures) = text(standard_webhooks::SIGNATURE_HEADER) {
        let timestamp = text(standard_webhooks::TIMESTAMP_HEADER).unwrap_or_default();
        let signed = Signed { id: id.unwrap_or_default(), timestamp, signatures };
        standard_webhooks::verify(&hook.settings.secrets, signed, body, hook.clock.now().timestamp())
            .map_err(|error| Problem::new(StatusCode::UNAUTHORIZED, "bad-signature", format!("The signature is not accepted: {error}.")))?;
        return Ok(id.map(str::to_owned));
    }
    authorize(hook, headers)?;
    Ok(id.filter(|id| !id.is_empty() && id.len() <= 255).map(str::to_owned))
}

fn authorize(hook: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let good = token.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && hook.settings.key.matches(token.trim()));
    if good {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "The hook key is missing or wrong. Send `Authorization: Bearer <hook key>` (the file hook.key in the data directory, or `hook.key` in the configuration), or a Standard Webhooks signature.",
    ))
}

async fn show(State(HookState(hook)): State<HookState>, Path(id): Path<String>, request: Request) -> Response {
    match shown(&hook, &id, &request) {
        Ok(body) => Json(body).into_response(),
        Err(problem) => refused(problem),
    }
}

fn shown(hook: &Shared, id: &str, request: &Request) -> Result<Value, Problem> {
    hook.settings.origins.check(request.uri(), request.headers())?;
    authorize(hook, request.headers())?;
    let run = hook.store.registration(id).map_err(|error| unavailable(&error))?;
    let run = run.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "unknown-registration", "There is no registration with this id."))?;
    let steps = hook.store.registration_steps(id).map_err(|error| unavailable(&error))?;
    let calls = hook.store.agent_calls(id).map_err(|error| unavailable(&error))?;
    let mut shown = timeline(&run, &steps, &calls);
    let tools = hook.store.calls_of_run(id).map_err(|error| unavailable(&error))?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("mcp_calls".into(), json!(tools));
    }
    Ok(shown)
}

/// A run as the app sees it: how far it came, and each step.
fn timeline(run: &Registration, steps: &[StepRecord], agent_calls: &[AgentCall]) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            json!({
                "step": step.step, "attempt": step.attempt, "state": step.state, "started_at": rfc3339(step.started_at),
                "duration_ms": step.duration_ms, "detail": step.detail, "error": step.error,
            })
        })
        .collect();
    json!({
        "registration_id": run.id,
        "user_id": run.profile.user_id,
        "state": run.state,
        "accepted_at": rfc3339(run.accepted_at),
        "deadline_at": rfc3339(run.deadline_at),
        "finished_at": run.finished_at.map(rfc3339),
        "conversation_id": run.conversation_id,
        "welcome": run.welcome_message_id.as_ref().map(|message| json!({
            "message_id": message, "rung": run.welcome_rung, "reason": run.welcome_reason, "text": run.welcome_text,
            "stored_at": run.welcome_at.map(rfc3339), "late_answer": run.late_outcome,
        })),
        "skip_reason": run.skip_reason,
        "segment": run.segment,
        "assigned_to": run.assigned_to,
        "agent_calls": agent_calls,
        "steps": steps,
    })
}
