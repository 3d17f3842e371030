//! The service API: who may ask, what a good question is, and the errors in Dify's own words.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Behaviour, RunEntry, Shared, agent::Run, held, new_uuid, sse::Emitter};
use crate::{
    clock::{Clock, SystemClock},
    outbound::dify::AgentKind,
};

/// Longer than any client waits.
const FOR_EVER: Duration = Duration::from_hours(24);

/// Everything under `/v1`, and the ledger.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/info", get(info))
        .route("/parameters", get(parameters))
        .route("/messages", get(messages))
        .route("/messages/{message_id}/feedbacks", post(feedback))
        .route("/chat-messages", post(chat))
        .route("/chat-messages/{task_id}/stop", post(stop))
        .route("/workflows/run", post(workflow))
        .route("/workflows/run/{run_id}", get(workflow_run))
        .route("/workflows/tasks/{task_id}/stop", post(stop))
        .layer(from_fn_with_state(Arc::clone(&shared), check_key));
    let unknown = || async { error(404, "not_found", "The requested URL was not found on the server.") };
    Router::new().nest("/v1", api).route("/ledger", get(ledger)).fallback(unknown).with_state(shared)
}

/// What a client asks.
#[derive(Debug, Deserialize)]
struct Question {
    inputs: Option<Map<String, Value>>,
    #[serde(default)]
    query: String,
    user: Option<String>,
    #[serde(default)]
    response_mode: String,
}

#[derive(Debug, Deserialize)]
struct Who {
    user: String,
}

#[derive(Debug, Deserialize)]
struct Which {
    conversation_id: String,
    user: String,
}

async fn check_key(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let given =
        request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| text.strip_prefix("Bearer "));
    if given.is_some_and(|key| shared.key.matches(key)) {
        return next.run(request).await;
    }
    error(401, "unauthorized", "Access token is invalid")
}

async fn info(State(shared): State<Arc<Shared>>) -> Response {
    let body = json!({ "name": "安美欢迎助手", "description": "A stand-in for Dify", "tags": ["demo"], "mode": mode(shared.kind), "author_name": "anmei-mcp" });
    Json(body).into_response()
}

async fn parameters() -> Response {
    let form = json!([
        { "text-input": { "label": "用户ID", "variable": "user_id", "required": true, "max_length": 64, "default": "" } },
        { "text-input": { "label": "称呼", "variable": "username", "required": false, "max_length": 48, "default": "" } },
    ]);
    Json(json!({ "opening_statement": "", "suggested_questions": [], "user_input_form": form, "system_parameters": {} })).into_response()
}

async fn chat(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(question): Json<Question>) -> Response {
    if shared.kind == AgentKind::Workflow {
        return error(400, "not_chat_app", "Please check if your app mode matches the right API route.");
    }
    if shared.kind == AgentKind::Agent && question.response_mode != "streaming" {
        return error(400, "invalid_param", "Agent Chat App does not support blocking mode");
    }
    if question.query.is_empty() {
        return error(400, "invalid_param", "query is required");
    }
    begin(shared, &headers, question).await
}

async fn workflow(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(question): Json<Question>) -> Response {
    if shared.kind != AgentKind::Workflow {
        return error(400, "not_workflow_app", "Please check if your app mode matches the right API route.");
    }
    begin(shared, &headers, question).await
}

/// Starts a run, or fails as it was told to.
async fn begin(shared: Arc<Shared>, headers: &HeaderMap, question: Question) -> Response {
    if question.response_mode != "streaming" {
        return error(400, "invalid_param", "this stand-in only streams");
    }
    let (Some(inputs), Some(user)) = (question.inputs, question.user) else {
        return error(400, "invalid_param", "inputs and user are required");
    };
    let Some(subject) = inputs.get("user_id").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned) else {
        return error(400, "invalid_param", "user_id is required in input form");
    };
    let asked = shared.asked.fetch_add(1, Ordering::Relaxed);
    let once = held(&shared.before).pop_front();
    let behaviour = once.unwrap_or_else(|| held(&shared.behaviour).at(asked));
    let entry = entry_for(&shared, headers, inputs, question.query, user);
    if let Some(failure) = failure_of(&behaviour).await {
        shared.ledger.begin(entry);
        return failure;
    }
    let (out, response) = Emitter::new(ids_of(&shared, &entry));
    let (task_id, stopped) = (entry.task_id.clone(), CancellationToken::new());
    let traceparent = entry.traceparent.clone();
    held(&shared.running).insert(task_id.clone(), stopped.clone());
    shared.ledger.begin(entry);
    let tasks = shared.tasks.clone();
    tasks.spawn(Run { shared, out, task_id, subject, behaviour, stopped, traceparent }.go());
    response
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn entry_for(shared: &Shared, headers: &HeaderMap, inputs: Map<String, Value>, query: String, user: String) -> RunEntry {
    let is_workflow = shared.kind == AgentKind::Workflow;
    RunEntry {
        user,
        task_id: new_uuid(),
        conversation_id: if is_workflow { String::new() } else { new_uuid() },
        message_id: new_uuid(),
        trace_id: text(headers, "x-trace-id"),
        traceparent: text(headers, "traceparent"),
        query,
        inputs,
        tools: Vec::new(),
        feedback: None,
        stopped: false,
        answer: None,
        created_at: SystemClock.now().timestamp(),
    }
}

/// The ids that every event of a run carries.
fn ids_of(shared: &Shared, run: &RunEntry) -> Map<String, Value> {
    let ids = match shared.kind {
        AgentKind::Workflow => json!({ "task_id": run.task_id, "workflow_run_id": run.message_id }),
        AgentKind::Chat | AgentKind::Agent => json!({
            "conversation_id": run.conversation_id, "message_id": run.message_id, "task_id": run.task_id, "created_at": run.created_at,
        }),
    };
    match ids {
        Value::Object(ids) => ids,
        _ => Map::new(),
    }
}

/// The failures that come before a stream begins.
async fn failure_of(behaviour: &Behaviour) -> Option<Response> {
    match behaviour {
        Behaviour::Hang => {
            tokio::time::sleep(FOR_EVER).await;
            None
        }
        Behaviour::Garbage => Some(Html("<html><body><h1>Sign in</h1></body></html>").into_response()),
        Behaviour::Refuses { status, code } => Some(error(*status, code, "the stand-in refuses as it was told to")),
        Behaviour::Busy { seconds } => {
            let mut busy = error(429, "too_many_requests", "Too many requests. Please try again later.");
            busy.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
            Some(busy)
        }
        Behaviour::Http(status) => Some(match status {
            401 => error(401, "unauthorized", "Access token is invalid"),
            429 => error(429, "too_many_requests", "Too many requests. Please try again later."),
            400..=499 => error(*status, "invalid_param", "the stand-in refuses as it was told to"),
            _ => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, Html(format!("<html><body><h1>{status}</h1><hr>nginx</body></html>"))).into_response()
            }
        }),
        _ => None,
    }
}

async fn stop(State(shared): State<Arc<Shared>>, Path(task_id): Path<String>, Json(who): Json<Who>) -> Response {
    let running = held(&shared.running).get(&task_id).cloned();
    shared.ledger.change(&task_id, |run| run.stopped |= run.user == who.user);
    if let Some(running) = running {
        running.cancel();
    }
    Json(json!({ "result": "success" })).into_response()
}

#[derive(Debug, Deserialize)]
struct Opinion {
    rating: Option<String>,
    user: String,
    #[serde(default)]
    content: String,
}

async fn feedback(State(shared): State<Arc<Shared>>, Path(message_id): Path<String>, Json(opinion): Json<Opinion>) -> Response {
    let Some(run) = shared.ledger.of_message(&message_id).filter(|run| run.user == opinion.user) else {
        return error(404, "not_found", "Message Not Exists.");
    };
    shared.ledger.change(&run.task_id, |run| run.feedback = opinion.rating.map(|rating| (rating, opinion.content)));
    Json(json!({ "result": "success" })).into_response()
}

async fn messages(State(shared): State<Arc<Shared>>, Query(which): Query<Which>) -> Response {
    let runs = shared.ledger.of_conversation(&which.conversation_id, &which.user);
    if runs.is_empty() {
        return error(404, "not_found", "Conversation Not Exists.");
    }
    let data: Vec<Value> = runs.iter().map(stored).collect();
    Json(json!({ "limit": 20, "has_more": false, "data": data })).into_response()
}

/// A message as Dify stores it: the answer comes with the end of the run.
fn stored(run: &RunEntry) -> Value {
    let thought = |position: usize, thought: &str, tool: &str, observation: &str| json!({ "id": new_uuid(), "message_id": run.message_id, "position": position, "thought": thought, "tool": tool, "tool_input": "", "observation": observation });
    let mut thoughts: Vec<Value> =
        run.tools.iter().enumerate().map(|(at, call)| thought(at + 1, "", &call.tool, &call.observation)).collect();
    if let Some(answer) = &run.answer {
        thoughts.push(thought(run.tools.len() + 1, answer, "", ""));
    }
    json!({
        "id": run.message_id, "conversation_id": run.conversation_id, "inputs": run.inputs, "query": run.query, "answer": run.answer.as_deref().unwrap_or_default(),
        "message_files": [], "feedback": null, "retriever_resources": [], "agent_thoughts": thoughts, "created_at": run.created_at, "status": "normal", "error": null,
    })
}

async fn workflow_run(State(shared): State<Arc<Shared>>, Path(run_id): Path<String>) -> Response {
    match shared.ledger.of_message(&run_id) {
        Some(run) => {
            let status = if run.answer.is_some() { "succeeded" } else { "running" };
            Json(json!({ "id": run_id, "status": status, "outputs": { "text": run.answer }, "error": null, "total_tokens": 400 }))
                .into_response()
        }
        None => error(404, "not_found", "Workflow run not found."),
    }
}

async fn ledger(State(shared): State<Arc<Shared>>) -> Response {
    Json(json!({ "runs": shared.ledger.runs() })).into_response()
}

fn mode(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Agent => "agent-chat",
        AgentKind::Chat => "chat",
        AgentKind::Workflow => "workflow",
    }
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let body = Json(json!({ "code": code, "message": message, "status": status }));
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body).into_response()
}
