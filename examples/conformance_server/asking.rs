//! Tools of handshake sessions, in which a server sends requests to its client: its model samples, its user fills forms.

use std::time::Duration;

use rmcp::{
    RoleServer,
    model::{CallToolResult, ClientCapabilities, ClientResult, JsonObject, ServerRequest},
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{
    about::capabilities,
    content::{failed, said, text},
};

/// Longest a client may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Answers the tool if it is one of these.
pub(crate) async fn call(name: &str, arguments: &JsonObject, ctx: &RequestContext<RoleServer>) -> Option<CallToolResult> {
    Some(match name {
        "test_sampling" => match text(arguments, "prompt") {
            Some(prompt) => sample(prompt, ctx).await,
            None => failed("`prompt` is missing: what shall the model be asked?"),
        },
        "test_elicitation" => match text(arguments, "message") {
            Some(message) => elicit("User response", message, contact(), ctx).await,
            None => failed("`message` is missing: what shall the user read?"),
        },
        "test_elicitation_sep1034_defaults" => elicit("Elicitation completed", "Check what is filled in", defaults(), ctx).await,
        "test_elicitation_sep1330_enums" => elicit("Elicitation completed", "Choose", choices(), ctx).await,
        _ => return None,
    })
}

async fn sample(prompt: &str, ctx: &RequestContext<RoleServer>) -> CallToolResult {
    if !can(ctx, |has| has.sampling.is_some()) {
        return failed("This client cannot sample.");
    }
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    match ask(json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 100}}), ctx).await {
        Ok(answer) => said(format!("LLM response: {}", answer.pointer("/content/text").and_then(Value::as_str).unwrap_or_default())),
        Err(why) => failed(why),
    }
}

async fn elicit(heading: &str, message: &str, schema: Value, ctx: &RequestContext<RoleServer>) -> CallToolResult {
    if !can(ctx, |has| has.elicitation.is_some()) {
        return failed("This client cannot ask its user.");
    }
    match ask(json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}), ctx).await {
        Ok(answer) => {
            let action = answer.get("action").and_then(Value::as_str).unwrap_or_default();
            said(format!("{heading}: action={action}, content={}", answer.get("content").unwrap_or(&Value::Null)))
        }
        Err(why) => failed(why),
    }
}

fn can(ctx: &RequestContext<RoleServer>, has: impl Fn(&ClientCapabilities) -> bool) -> bool {
    capabilities(ctx).as_ref().is_some_and(has)
}

/// Sends the client a request, and waits for its answer.
async fn ask(request: Value, ctx: &RequestContext<RoleServer>) -> Result<Value, String> {
    let request: ServerRequest = serde_json::from_value(request).map_err(|error| format!("the request is not one: {error}"))?;
    let answer = tokio::select! {
        answer = tokio::time::timeout(PATIENCE, ctx.peer.send_request(request)) => answer,
        () = ctx.ct.cancelled() => return Err("The call was cancelled.".into()),
    };
    let answer: ClientResult = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(format!("The client did not answer: {error}")),
        Err(_) => return Err(format!("The client did not answer within {} s.", PATIENCE.as_secs())),
    };
    serde_json::to_value(answer).map_err(|error| format!("the answer is not one: {error}"))
}

fn contact() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        },
        "required": ["username", "email"],
    })
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Name", "default": "John Doe"},
            "age": {"type": "integer", "description": "Age", "default": 30},
            "score": {"type": "number", "description": "Score", "default": 95.5},
            "status": {"type": "string", "description": "Status", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "description": "Verified", "default": true},
        },
        "required": [],
    })
}

fn choices() -> Value {
    let titled = |one: &str, two: &str, three: &str| json!([{"const": "value1", "title": one}, {"const": "value2", "title": two}, {"const": "value3", "title": three}]);
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
            "titledSingle": {"type": "string", "oneOf": titled("First Option", "Second Option", "Third Option")},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled("First Choice", "Second Choice", "Third Choice")}},
        },
        "required": [],
    })
}
