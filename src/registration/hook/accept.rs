//! `POST /hooks/registration`: one new user, committed before the answer.

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, request::Parts};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{HookState, Shared, answer, unavailable};
use crate::{
    drill,
    ids::new_id,
    problem::Problem,
    registration::{RUN_JOB, profile},
    settings::Settings,
    store::intake::{Accepted, NewRegistration},
    telemetry::{
        figures,
        trace::{self, Place, Span},
    },
};

/// The tool without which an agent cannot greet anybody by what is known of them (PRD 8.2.2).
const NEEDED_TOOL: &str = "get_user_profile";
const SWITCHED_OFF: &str = "the setting registration_automation.enabled is false";
const TOOL_MISSING: &str = "the tool get_user_profile is not available: no enabled group offers it";

pub(super) async fn accept(State(HookState(hook)): State<HookState>, request: Request) -> Response {
    answer(accepted(&hook, request).await)
}

async fn accepted(hook: &Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut span = Span::begin("POST /hooks/registration", trace::Kind::Server, parent(&parts.headers));
    span.set("http.request.method", "POST");
    span.set("http.route", "/hooks/registration");
    let answered = kept(hook, parts, body, span.place()).await;
    let status = answered.as_ref().map_or_else(Problem::status_code, Response::status);
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if answered.is_err() {
        span.failed(status.as_str().to_owned());
    }
    answered
}

/// The trace that a request is part of.
pub(super) fn parent(headers: &HeaderMap) -> Option<Place> {
    headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(Place::read)
}

async fn kept(hook: &Shared, parts: Parts, body: Body, place: Option<Place>) -> Result<Response, Problem> {
    let (admitted, body) = hook.receive(&parts, body).await?;
    let terms = Terms::now(hook)?;
    hook.limits.rate(admitted.sender, &terms.settings.intake)?;
    let new = terms.registration(hook, &body, Delivery { event_id: admitted.event_id, place })?;
    hook.limits.disk(&terms.settings.intake)?;
    // What is skipped makes no work and needs no place.
    let places = hook.limits.places(&terms.settings.intake, usize::from(terms.skip.is_none())).await?;
    drill::point("accept.before_commit");
    let became = hook.parts.store.accept_registration(new).await.map_err(|error| unavailable(&error))?;
    drill::point("accept.after_commit");
    counted(&became);
    if matches!(became, Accepted::New(_)) {
        places.keep(1);
        hook.parts.wake.notify_one();
    }
    let (status, mut fields) = outcome(&became)?;
    let path = fields.get("registration_id").and_then(Value::as_str).map(|id| format!("/hooks/registration/{id}"));
    fields.insert("status_url".to_owned(), json!(path));
    Ok((status, Json(fields)).into_response())
}

/// Counts what became of a registration that was posted.
pub(super) fn counted(became: &Accepted) {
    figures::delivery(match became {
        Accepted::New(_) => "new",
        Accepted::Known(_) => "known",
        Accepted::Skipped { .. } => "skipped",
        Accepted::OtherBody => "other_body",
    });
    if matches!(became, Accepted::Skipped { is_new: true, .. }) {
        figures::registration("skipped");
    }
}

/// What a registration comes with besides its body.
pub(super) struct Delivery {
    /// The id of its event, where one was given.
    pub(super) event_id: Option<String>,
    /// The trace it is part of.
    pub(super) place: Option<Place>,
}

/// What is in force for the registrations of one moment.
pub(super) struct Terms {
    pub(super) settings: std::sync::Arc<Settings>,
    /// Why they are skipped, when a switch is off.
    pub(super) skip: Option<&'static str>,
    now: i64,
}

impl Terms {
    pub(super) fn now(hook: &Shared) -> Result<Self, Problem> {
        let settings = hook.in_force()?;
        let skip = if settings.registration_automation.enabled {
            let policy = hook.parts.gate.policy().current().map_err(|error| unavailable(&error))?;
            (!policy.offers(NEEDED_TOOL)).then_some(TOOL_MISSING)
        } else {
            Some(SWITCHED_OFF)
        };
        Ok(Self { settings, skip, now: hook.now() })
    }

    /// A body as a registration that can be accepted.
    pub(super) fn registration(&self, hook: &Shared, body: &[u8], from: Delivery) -> Result<NewRegistration, Problem> {
        let id = || new_id(hook.parts.clock.as_ref());
        Ok(NewRegistration {
            id: id(),
            job_id: id(),
            job_kind: RUN_JOB,
            event_id: from.event_id,
            body_hash: Sha256::digest(body).into(),
            profile: profile::read(body, self.now)?,
            skip: self.skip,
            now: self.now,
            deadline_at: self.now + self.settings.welcome.deadline.as_ms(),
            traceparent: from.place.map(|place| place.to_string()),
        })
    }
}

/// What became of a registration, as status and fields.
pub(super) fn outcome(became: &Accepted) -> Result<(StatusCode, Map<String, Value>), Problem> {
    let fields = |id: &str| Map::from_iter([("registration_id".to_owned(), json!(id))]);
    match became {
        Accepted::New(id) => Ok((StatusCode::ACCEPTED, fields(id))),
        Accepted::Known(id) => Ok((StatusCode::OK, fields(id))),
        Accepted::Skipped { id, reason, is_new } => {
            let mut fields = fields(id);
            fields.extend([("state".to_owned(), json!("skipped")), ("reason".to_owned(), json!(reason))]);
            Ok((if *is_new { StatusCode::ACCEPTED } else { StatusCode::OK }, fields))
        }
        Accepted::OtherBody => Err(Problem::new(
            StatusCode::CONFLICT,
            "other-body",
            "This webhook-id was used before for another body. Nothing was changed; send a new event with an id of its own.",
        )),
    }
}
