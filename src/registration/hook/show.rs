//! `GET /hooks/registration/{id}`: how far a run came, and each step.

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{HookState, Shared, answer, auth, unavailable};
use crate::{
    clock::rfc3339,
    problem::Problem,
    store::{
        agent_calls::AgentCall,
        call_log::RunCall,
        registrations::{Registration, StepRecord},
    },
};

pub(super) async fn show(State(HookState(hook)): State<HookState>, Path(id): Path<String>, request: Request) -> Response {
    answer(shown(&hook, &id, &request).map(|body| Json(body).into_response()))
}

fn shown(hook: &Shared, id: &str, request: &Request) -> Result<Value, Problem> {
    hook.settings.origins.check(request.uri(), request.headers())?;
    auth::authorize(hook, request.headers())?;
    let store = &hook.parts.store;
    let run = store.registration(id).map_err(|error| unavailable(&error))?;
    let run = run.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "unknown-registration", "There is no registration with this id."))?;
    let steps = store.registration_steps(id).map_err(|error| unavailable(&error))?;
    let calls = store.agent_calls(id).map_err(|error| unavailable(&error))?;
    let tools = store.calls_of_run(id).map_err(|error| unavailable(&error))?;
    Ok(timeline(&run, &steps, &calls, &tools))
}

/// A run as the app sees it: how far it came, and each step.
fn timeline(run: &Registration, steps: &[StepRecord], agent_calls: &[AgentCall], mcp_calls: &[RunCall]) -> Value {
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
        "reason": run.skip_reason,
        "accepted_at": rfc3339(run.accepted_at),
        "deadline_at": rfc3339(run.deadline_at),
        "finished_at": run.finished_at.map(rfc3339),
        "conversation_id": run.conversation_id,
        "welcome": run.welcome_message_id.as_ref().map(|message| json!({
            "message_id": message, "rung": run.welcome_rung, "reason": run.welcome_reason, "text": run.welcome_text,
            "stored_at": run.welcome_at.map(rfc3339), "late_answer": run.late_outcome,
        })),
        "segment": run.segment,
        "assigned_to": run.assigned_to,
        "agent_calls": agent_calls,
        "mcp_calls": mcp_calls,
        "steps": steps,
    })
}
