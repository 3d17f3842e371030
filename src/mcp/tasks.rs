//! The tasks extension (`io.modelcontextprotocol/tasks`) over the dispatch's tasks.
//!
//! rmcp knows the messages and checks that the request declared the extension; its own table of tasks lives in memory
//! and knows no callers, so it is not used. A task is started only for a request of 2026-07-28 that declared the
//! extension itself, and for tools that take long.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CreateTaskResult, DetailedTask, GetTaskResult, JsonObject, MetaObject, Task, TaskPayload, TaskStatus},
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{fast::MODERN, result::call_result};
use crate::{
    clock::rfc3339,
    dispatch::{Client, Dispatch, LongCall, TaskOutcome, TaskView},
    gate::Caller,
};

/// Whether this very request says that its client understands tasks.
pub(super) fn declared(ctx: &RequestContext<RoleServer>) -> bool {
    let modern = ctx.meta.protocol_version().is_some_and(|version| version.as_str() == MODERN);
    modern && ctx.meta.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks())
}

/// Starts the call as a task. None, with the request as it was, when it is to be answered like any other: the caller
/// has as many tasks as it may have, or a task cannot be kept at the moment.
pub(super) async fn start(
    dispatch: &Arc<Dispatch>,
    (caller, client): (Caller, Client),
    request: CallToolRequestParams,
    meta: Option<MetaObject>,
) -> Result<CreateTaskResult, Box<(Client, CallToolRequestParams)>> {
    let mut request = request;
    let call = LongCall { caller, tool: request.name.to_string(), arguments: request.arguments.take(), client };
    match dispatch.start_task(call).await {
        Ok(view) => {
            let mut result = CreateTaskResult::new(task(&view));
            result.meta = meta;
            Ok(result)
        }
        Err(refused) => {
            let (why, call) = *refused;
            tracing::info!(%why, tool.name = call.tool, "answered without a task");
            request.arguments = call.arguments;
            Err(Box::new((call.client, request)))
        }
    }
}

/// The caller's task as `tasks/get` shows it.
pub(super) fn get(dispatch: &Dispatch, caller: &Caller, id: &str, meta: Option<MetaObject>) -> Result<GetTaskResult, ErrorData> {
    let view = dispatch.task(caller, id).map_err(|error| unreadable(&error))?.ok_or_else(unknown)?;
    let task = task(&view);
    let payload = match view.state {
        TaskOutcome::Working => TaskPayload::Working,
        TaskOutcome::Cancelled => TaskPayload::Cancelled,
        TaskOutcome::Failed(text) => TaskPayload::Failed { error: object(json!({"code": -32603, "message": text})) },
        TaskOutcome::Completed(outcome) => match call_result(outcome, meta.clone()) {
            Ok(result) => TaskPayload::Completed { result: object(serde_json::to_value(result).unwrap_or_default()) },
            Err(error) => TaskPayload::Failed { error: object(serde_json::to_value(error).unwrap_or_default()) },
        },
    };
    let mut result = GetTaskResult::new(DetailedTask::new(task, payload));
    result.meta = meta;
    Ok(result)
}

/// Stops the caller's task.
pub(super) async fn cancel(dispatch: &Dispatch, caller: &Caller, id: &str) -> Result<(), ErrorData> {
    match dispatch.cancel_task(caller, id).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(unknown()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// No tool of ours asks for anything while it runs, so that there is nothing an answer could belong to: it is taken and
/// ignored, as the extension wants it for answers nobody waits for.
pub(super) fn update(dispatch: &Dispatch, caller: &Caller, id: &str) -> Result<(), ErrorData> {
    dispatch.task(caller, id).map_err(|error| unreadable(&error))?.map(drop).ok_or_else(unknown)
}

fn task(view: &TaskView) -> Task {
    // The payload says the status; this is the one of a task that has none yet.
    let mut task = Task::new(view.id.clone(), TaskStatus::Working, rfc3339(view.created_at), rfc3339(view.updated_at));
    task.status_message.clone_from(&view.message);
    task.ttl_ms = u64::try_from(view.ttl_ms).ok();
    task.poll_interval_ms = u64::try_from(view.poll.as_millis()).ok();
    task
}

/// The same for an id that never was, one that is forgotten, and one of somebody else's.
fn unknown() -> ErrorData {
    ErrorData::invalid_params("unknown task: there is none with this id, or it has been forgotten", None)
}

fn unreadable(error: &dyn std::fmt::Display) -> ErrorData {
    tracing::error!(%error, "a task cannot be read");
    ErrorData::internal_error("the task cannot be read at the moment; ask again in a second", None)
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
