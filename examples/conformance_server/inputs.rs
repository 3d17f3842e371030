//! Tools of 2026-07-28 that need something from the client before they can answer.

use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResponse, ClientCapabilities, SamplingCapability},
    service::RequestContext,
};
use serde_json::{Map, Value};

use super::{
    about::{capabilities, named},
    content::said,
    handler::Fixtures,
    rounds::{Reply, Step, field, script},
    tasks, telling,
};

/// Answers the tool if it is one of these.
pub(crate) async fn call(
    fixtures: &Fixtures,
    request: &CallToolRequestParams,
    ctx: &RequestContext<RoleServer>,
) -> Result<Option<CallToolResponse>, ErrorData> {
    let declared = capabilities(ctx);
    if request.name == "test_missing_capability" {
        return missing(declared.as_ref()).map(Some);
    }
    let Some(script) = script(&request.name) else { return Ok(None) };
    if request.name == "test_tool_with_task" {
        tasks::demand(declared.as_ref())?;
    }
    if request.name == "test_streaming_elicitation" {
        telling::report(ctx, 50.0).await;
    }
    let reply = Reply {
        purpose: Fixtures::purpose("tools/call", &request.name, ctx)?,
        responses: request.input_responses.as_ref(),
        state: request.request_state.as_deref(),
        capabilities: declared.as_ref(),
    };
    match script.step(&reply, &fixtures.world)? {
        Step::Ask(result) => Ok(Some(named(result, ctx).into())),
        Step::Done(answers) if request.name == "test_tool_with_task" => Ok(Some(tasks::greet(fixtures, field(&answers, "user_name"), ctx))),
        Step::Done(answers) => Ok(Some(said(summary(&request.name, &answers)).into())),
    }
}

fn missing(declared: Option<&ClientCapabilities>) -> Result<CallToolResponse, ErrorData> {
    if declared.is_some_and(|declared| declared.sampling.is_some()) {
        return Ok(said("This client can sample.").into());
    }
    let mut needed = ClientCapabilities::default();
    needed.sampling = Some(SamplingCapability::default());
    Err(ErrorData::missing_required_client_capability(needed))
}

fn summary(name: &str, answers: &Map<String, Value>) -> String {
    match name {
        "test_input_required_result_elicitation" => format!("Hello, {}!", field(answers, "user_name")),
        "test_input_required_result_request_state" => format!("state-ok, confirmed: {}", field(answers, "confirm")),
        "test_input_required_result_multi_round" => format!("{} likes {}.", field(answers, "step1"), field(answers, "step2")),
        _ => format!("Thank you for {}", Value::Object(answers.clone())),
    }
}
