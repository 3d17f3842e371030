//! JSON-RPC messages: what is sent, and what counts as the answer to it.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::McpError;

/// A request, or a notification when it has no id.
#[derive(Debug, Serialize)]
pub(super) struct Outgoing<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    pub(super) method: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) params: Map<String, Value>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn request(id: u64, method: &'a str, params: Map<String, Value>) -> Self {
        Self { jsonrpc: "2.0", id: Some(id), method, params }
    }

    pub(super) fn notification(method: &'a str) -> Self {
        Self { jsonrpc: "2.0", id: None, method, params: Map::new() }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Incoming {
    jsonrpc: String,
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

/// What a message from the server is to us.
#[derive(Debug)]
pub(super) enum Read {
    /// The answer to our request.
    Answer(Result<Value, McpError>),
    /// A notification, or a question of its own: not what we wait for.
    Other,
}

/// Reads one message. `id` is that of our request; an error without an id counts as its answer too.
pub(super) fn read(text: &str, id: u64, status: Option<StatusCode>) -> Result<Read, String> {
    let message: Incoming = serde_json::from_str(text).map_err(|error| format!("a message is no JSON-RPC: {error}"))?;
    if message.jsonrpc != "2.0" {
        return Err("a message is not of JSON-RPC 2.0".into());
    }
    if message.method.is_some() {
        return Ok(Read::Other);
    }
    let ours = message.id.as_ref().is_some_and(|found| found.as_u64() == Some(id));
    match (message.result, message.error) {
        (Some(result), None) if ours => Ok(Read::Answer(Ok(result))),
        (None, Some(error)) if ours || message.id.as_ref().is_none_or(Value::is_null) => {
            let ErrorBody { code, message, data } = error;
            Ok(Read::Answer(Err(McpError::Rpc { code, message, data, status })))
        }
        (Some(_), None) | (None, Some(_)) => {
            Err(format!("an answer has the id {}, and we asked with {id}", message.id.unwrap_or_default()))
        }
        _ => Err("an answer must have either a result or an error".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_only_to_our_question() {
        let answer = |text: &str| match read(text, 7, None) {
            Ok(Read::Answer(Ok(value))) => format!("result {value}"),
            Ok(Read::Answer(Err(error))) => format!("error {error}"),
            Ok(Read::Other) => "other".into(),
            Err(why) => format!("bad {why}"),
        };
        assert_eq!(answer(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), "result {}");
        assert!(answer(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"x"}}"#).starts_with("error the server says (-1): x"));
        assert!(answer(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}"#).starts_with("error"));
        assert_eq!(answer(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#), "other");
        assert_eq!(answer(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#), "other");
        for bad in [
            "",
            "{}",
            r#"{"jsonrpc":"1.0","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":8,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"7","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":""}}"#,
        ] {
            assert!(answer(bad).starts_with("bad"), "{bad}: {}", answer(bad));
        }
    }
}
