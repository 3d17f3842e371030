//! Tools that go on as tasks: their state is rmcp's task manager's, in memory for five minutes. There is one key here, so
//! that no task is anybody else's.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolResponse, CallToolResult, ClientCapabilities, CreateTaskResult, InputRequest, JsonObject},
    service::RequestContext,
    task_manager::{TaskContext, TaskExit, TaskFuture, TaskOptions},
};
use serde_json::{Value, json};

use super::{
    about::{capabilities, server_meta},
    content::{failed, said, text},
    handler::Fixtures,
};

/// How often a client should look, in milliseconds.
const POLL_MS: u64 = 200;
/// Longest a computation may take.
const MOST_SECONDS: f64 = 300.0;

/// Answers the tool if it is one of these: as a task where the client knows tasks.
pub(crate) async fn call(
    fixtures: &Fixtures,
    name: &str,
    arguments: &JsonObject,
    ctx: &RequestContext<RoleServer>,
) -> Result<Option<CallToolResponse>, ErrorData> {
    let declared = capabilities(ctx);
    let (name, arguments) = (name.to_owned(), arguments.clone());
    if name == "slow_compute" {
        let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or(1.0);
        if !(0.0..=MOST_SECONDS).contains(&seconds) {
            return Ok(Some(failed(format!("`seconds` must be 0 to {MOST_SECONDS}; it is {seconds}")).into()));
        }
        let label = text(&arguments, "label").unwrap_or("result").to_owned();
        let work = Duration::from_secs_f64(seconds);
        if demand(declared.as_ref()).is_err() {
            return Ok(Some(alone(work, &label, ctx).await?.into()));
        }
        return Ok(Some(start(fixtures, ctx, |task| Box::pin(slow(task, work, label)))));
    }
    let work: fn(TaskContext, JsonObject) -> TaskFuture = match name.as_str() {
        "failing_job" => |_, _| Box::pin(failing()),
        "protocol_error_job" => |_, _| Box::pin(async { Err(ErrorData::internal_error("the job broke", None).into()) }),
        "confirm_delete" => |task, arguments| Box::pin(confirm(task, arguments)),
        "multi_input" => |task, _| Box::pin(two_inputs(task)),
        _ => return Ok(None),
    };
    demand(declared.as_ref())?;
    Ok(Some(start(fixtures, ctx, |task| work(task, arguments))))
}

/// The task that greets whoever was asked for their name beforehand.
pub(crate) fn greet(fixtures: &Fixtures, name: String, ctx: &RequestContext<RoleServer>) -> CallToolResponse {
    start(fixtures, ctx, |_| Box::pin(async move { Ok(said(format!("Hello, {name}!"))) }))
}

/// Refuses a client that did not declare the extension.
pub(crate) fn demand(declared: Option<&ClientCapabilities>) -> Result<(), ErrorData> {
    if declared.is_some_and(ClientCapabilities::supports_tasks) {
        return Ok(());
    }
    Err(ErrorData::missing_required_client_capability(ClientCapabilities::builder().enable_tasks().build()))
}

fn start(fixtures: &Fixtures, ctx: &RequestContext<RoleServer>, work: impl FnOnce(TaskContext) -> TaskFuture) -> CallToolResponse {
    let options = TaskOptions::new().with_poll_interval_ms(POLL_MS);
    let mut result = CreateTaskResult::new(fixtures.world.tasks.spawn(options, work));
    result.meta = server_meta(ctx);
    result.into()
}

async fn alone(work: Duration, label: &str, ctx: &RequestContext<RoleServer>) -> Result<CallToolResult, ErrorData> {
    tokio::select! {
        () = tokio::time::sleep(work) => Ok(said(format!("{label}: computed"))),
        () = ctx.ct.cancelled() => Err(ErrorData::internal_error("the request was cancelled", None)),
    }
}

async fn slow(task: TaskContext, work: Duration, label: String) -> Result<CallToolResult, TaskExit> {
    tokio::select! {
        () = tokio::time::sleep(work) => Ok(said(format!("{label}: computed"))),
        () = task.cancelled() => Err(TaskExit::Cancelled),
    }
}

async fn failing() -> Result<CallToolResult, TaskExit> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(failed("The job failed, as it always does"))
}

async fn confirm(task: TaskContext, arguments: JsonObject) -> Result<CallToolResult, TaskExit> {
    let Some(file) = text(&arguments, "filename") else { return Ok(failed("`filename` is missing: what would be deleted?")) };
    let answer = task.request_input("confirm", form(&format!("Delete {file}?"), "confirm", "boolean")?).await?;
    let yes = answer.pointer("/content/confirm").and_then(Value::as_bool) == Some(true);
    Ok(said(if yes { format!("{file} was deleted") } else { format!("{file} was kept") }))
}

async fn two_inputs(task: TaskContext) -> Result<CallToolResult, TaskExit> {
    let first = task.request_input("first", form("The first name?", "name", "string")?);
    let second = task.request_input("second", form("The second name?", "name", "string")?);
    let (first, second) = tokio::try_join!(first, second)?;
    let name = |answer: &Value| answer.pointer("/content/name").and_then(Value::as_str).unwrap_or("nobody").to_owned();
    Ok(said(format!("{} and {}", name(&first), name(&second))))
}

fn form(message: &str, field: &str, kind: &str) -> Result<InputRequest, ErrorData> {
    let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    let request = json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}});
    serde_json::from_value(request).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
