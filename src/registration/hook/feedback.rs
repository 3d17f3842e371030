//! `POST /hooks/feedback`: what a customer says of the welcome, 1 to 5 and a word.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{HookState, Shared, answer, unavailable};
use crate::{
    ids::{AppId, new_id},
    problem::Problem,
    registration::FEEDBACK_JOB,
    store::feedback::{NewFeedback, Rated},
};

/// Most characters of a comment that are kept.
const LONGEST_COMMENT: usize = 2000;

pub(super) async fn rate(State(HookState(hook)): State<HookState>, request: Request) -> Response {
    answer(rated(&hook, request).await)
}

async fn rated(hook: &Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (_, body) = hook.receive(&parts, body).await?;
    let new = read(hook, &body)?;
    hook.limits.disk(&hook.in_force()?.intake)?;
    let kept = hook.parts.store.keep_feedback(new).await.map_err(|error| unavailable(&error))?;
    let kept = kept.ok_or_else(|| {
        let detail = "There is no registration of this user, or with this id. Check the id, or send the registration first.";
        Problem::new(StatusCode::NOT_FOUND, "unknown-registration", detail)
    })?;
    if kept.changed {
        hook.parts.wake.notify_one();
    }
    Ok(Json(json!({"registration_id": kept.registration_id, "changed": kept.changed})).into_response())
}

fn read(hook: &Shared, body: &[u8]) -> Result<NewFeedback, Problem> {
    let fields: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "body", format!("The body is not a JSON object: {error}.")))?;
    let mut wrong = Vec::new();
    let rating = rating(&fields).map_err(|why| wrong.push(("rating", why))).unwrap_or_default();
    let comment = comment(&fields).map_err(|why| wrong.push(("comment", why))).unwrap_or_default();
    match who(&fields) {
        Ok(rated) if wrong.is_empty() => Ok(NewFeedback {
            rated,
            rating,
            comment,
            source: "hook",
            job_id: new_id(hook.parts.clock.as_ref()),
            job_kind: FEEDBACK_JOB,
            now: hook.now(),
        }),
        who => {
            wrong.extend(who.err());
            let detail =
                "Some fields are not usable; `errors` names them. Needed: rating, and user_id or registration_id. Optional: comment.";
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body", detail);
            Err(wrong.into_iter().fold(problem, |problem, (name, why)| problem.with_field(format!("/{name}"), why)))
        }
    }
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str, camel: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| fields.get(camel)).filter(|value| !value.is_null())
}

fn who(fields: &Map<String, Value>) -> Result<Rated, (&'static str, &'static str)> {
    let id = |name: &'static str, value: &Value| match value.as_str().map(|text| AppId::try_from(text.to_owned())) {
        Some(Ok(id)) => Ok(id.as_str().to_owned()),
        _ => Err((name, "an id of 1 to 64 letters, digits, `_` or `-` is expected")),
    };
    match (field(fields, "registration_id", "registrationId"), field(fields, "user_id", "userId")) {
        (Some(value), None) => id("registration_id", value).map(Rated::Registration),
        (None, Some(value)) => id("user_id", value).map(Rated::User),
        (Some(_), Some(_)) => Err(("registration_id", "it names the same thing as user_id; send one of the two")),
        (None, None) => Err(("user_id", "it is missing; the app's user id is needed, or else registration_id")),
    }
}

fn rating(fields: &Map<String, Value>) -> Result<u8, &'static str> {
    let given = fields.get("rating").and_then(Value::as_u64).and_then(|rating| u8::try_from(rating).ok());
    given.filter(|rating| (1..=5).contains(rating)).ok_or("a whole number from 1 (bad) to 5 (good) is expected")
}

fn comment(fields: &Map<String, Value>) -> Result<Option<String>, &'static str> {
    match field(fields, "comment", "comment") {
        None => Ok(None),
        Some(Value::String(text)) => {
            let kept: String = text.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST_COMMENT).collect();
            Ok(Some(kept.trim().to_owned()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err("a text or null is expected"),
    }
}
