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
        claims::Claim,
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
    let claim = store.claim_of_run(id).map_err(|error| unavailable(&error))?;
    let story = Story { run: &run, steps: &steps, agent_calls: &calls, mcp_calls: &tools, claim: claim.as_ref() };
    Ok(shape(&story))
}

/// Everything on record about one run.
#[derive(Clone, Copy)]
struct Story<'a> {
    run: &'a Registration,
    steps: &'a [StepRecord],
    agent_calls: &'a [AgentCall],
    mcp_calls: &'a [RunCall],
    claim: Option<&'a Claim>,
}

impl Story<'_> {
    /// What happened, in the order it began, under the names of PRD 6.1.
    fn timeline(&self) -> Vec<Value> {
        let mut moments = vec![moment(self.run.accepted_at, "webhook_accepted", Some(0), true, &json!({}))];
        moments.extend(
            self.steps
                .iter()
                .map(|step| moment(step.started_at, told(&step.step), Some(step.duration_ms), step.state == "done", &step.detail)),
        );
        moments.extend(self.agent_calls.iter().map(|call| {
            let good = matches!(call.state.as_str(), "answered" | "late" | "asked");
            let detail = json!({"agent": call.agent, "rung": call.rung, "state": call.state, "error_kind": call.error_kind});
            moment(call.started_at, "dify_triggered", call.duration_ms, good, &detail)
        }));
        moments.extend(self.mcp_calls.iter().map(|call| {
            let detail = json!({"tool": call.tool_name, "outcome": call.outcome});
            moment(call.created_at, "mcp_called", Some(call.duration_ms), call.outcome == "ok", &detail)
        }));
        moments.extend(self.claim.map(|claim| {
            let detail = json!({"consultant_id": claim.consultant_id, "via": claim.via});
            moment(claim.claimed_at, "customer_claimed", None, true, &detail)
        }));
        moments.sort_by_key(|(at, _)| *at);
        moments.into_iter().map(|(_, moment)| moment).collect()
    }
}

/// The PRD's name of a step.
fn told(step: &str) -> &str {
    match step {
        "open_conversation" => "conversation_created",
        "compose_welcome" => "welcome_composed",
        "deliver_welcome" => "welcome_sent",
        "notify_consultants" => "consultants_notified",
        other => other,
    }
}

fn moment(at: i64, what: &str, duration_ms: Option<i64>, success: bool, detail: &Value) -> (i64, Value) {
    (at, json!({"at": rfc3339(at), "what": what, "duration_ms": duration_ms, "success": success, "detail": detail}))
}

/// A run as the app sees it: how far it came, and each step.
fn shape(story: &Story<'_>) -> Value {
    let Story { run, steps, agent_calls, mcp_calls, claim } = *story;
    let timeline = story.timeline();
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
        "claim": claim,
        "timeline": timeline,
        "agent_calls": agent_calls,
        "mcp_calls": mcp_calls,
        "steps": steps,
    })
}
