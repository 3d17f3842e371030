//! What a server is asked, and what came of it. Tools are called with an argument that none of them has: it is refused
//! before anything runs, and the refusal proves that the call arrived.

use std::time::Duration;

use serde_json::{Value, json};

use crate::outbound::mcp_client::{McpClient, McpError};

/// Waits for a limit that is full are no longer than this; there are three of them.
const LONGEST_WAIT: Duration = Duration::from_secs(61);
const WAITS: usize = 3;
/// The JSON-RPC code of a limit.
const LIMITED: i64 = crate::gate::limits::CODE as i64;
/// The JSON-RPC code for a tool that is not offered.
const INVALID_PARAMS: i64 = -32602;

/// What came of one question.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Came {
    /// The tools that are listed.
    Listed(Vec<String>),
    /// The tool was reached.
    Reached,
    /// The tool is not offered.
    NotOffered,
    /// Some other method was answered, if only by an error of the protocol.
    Answered,
    /// Whoever asks is not let in, with this HTTP status.
    Refused(u16),
    /// The program ended instead of serving.
    Ended(String),
    /// A limit stayed full for longer than we wait.
    Limited,
    /// Neither an answer nor a refusal.
    Broken(String),
}

/// Lists tools.
pub(super) async fn list(client: &mut McpClient) -> Came {
    for _ in 0..WAITS {
        match client.tools().await {
            Ok(tools) => return Came::Listed(tools.into_iter().map(|tool| tool.name).collect()),
            Err(error) if wait_for(&error).await => {}
            Err(error) => return failed(error),
        }
    }
    Came::Limited
}

/// Calls a tool with an argument it does not have.
pub(super) async fn call(client: &mut McpClient, tool: &str) -> Came {
    for _ in 0..WAITS {
        match client.call(tool, json!({"doctor": 1})).await {
            Ok(_) => return Came::Reached,
            Err(McpError::Rpc { code: INVALID_PARAMS, .. }) => return Came::NotOffered,
            Err(error) if wait_for(&error).await => {}
            Err(error) => return failed(error),
        }
    }
    Came::Limited
}

/// Asks anything else.
pub(super) async fn ask(client: &mut McpClient, method: &str, params: &Value) -> Came {
    for _ in 0..WAITS {
        match client.request(method, params.clone()).await {
            Ok(_) => return Came::Answered,
            Err(error) if wait_for(&error).await => {}
            Err(McpError::Rpc { code, .. }) if code != LIMITED => return Came::Answered,
            Err(error) => return failed(error),
        }
    }
    Came::Limited
}

/// Subscribes to changes, and leaves once that is confirmed.
pub(super) async fn subscribe(client: &mut McpClient) -> Came {
    for _ in 0..WAITS {
        match client.subscribe().await {
            Ok(()) => return Came::Answered,
            Err(error) if wait_for(&error).await => {}
            Err(error) => return failed(error),
        }
    }
    Came::Limited
}

/// Connects.
pub(super) async fn hello(client: &mut McpClient) -> Came {
    for _ in 0..WAITS {
        match client.connect().await {
            Ok(_) => return Came::Answered,
            Err(error) if wait_for(&error).await => {}
            Err(error) => return failed(error),
        }
    }
    Came::Limited
}

/// Waits for room, if the error is a limit that has some soon.
async fn wait_for(error: &McpError) -> bool {
    let McpError::Rpc { code: LIMITED, data, .. } = error else { return false };
    let seconds = data.as_ref().and_then(|data| data.get("retryAfterSeconds")).and_then(Value::as_u64);
    let wait = seconds.map(Duration::from_secs).filter(|wait| *wait <= LONGEST_WAIT);
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
    }
    wait.is_some()
}

fn failed(error: McpError) -> Came {
    match error {
        McpError::Refused { status, .. } if matches!(status.as_u16(), 401 | 403 | 404 | 405 | 429) => Came::Refused(status.as_u16()),
        McpError::Rpc { code: LIMITED, .. } => Came::Limited,
        // An error of the protocol comes from behind the door.
        McpError::Rpc { .. } => Came::Answered,
        McpError::Program { why, .. } => Came::Ended(why),
        error => Came::Broken(error.to_string()),
    }
}
