//! What a line of the host is, and how a failure is told to it.

use serde_json::{Map, Value, json};

use super::wire::Fault;

/// JSON-RPC: the text is no JSON.
const PARSE_ERROR: i64 = -32700;
/// JSON-RPC: the JSON is no message.
const INVALID_REQUEST: i64 = -32600;
/// A failure on the way to the server.
const SERVER_ERROR: i64 = -32000;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Wants an answer.
    Request,
    /// Wants none.
    Notification,
    /// Answers a request of the server.
    Answer,
}

/// A message of the host.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) method: String,
    pub(super) id: Value,
    pub(super) params: Map<String, Value>,
    /// As it came, on one line.
    pub(super) text: String,
}

impl Message {
    /// Reads a line; what is no message becomes the error that the host is told.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let whole: Value =
            serde_json::from_slice(line).map_err(|error| error_text(&Value::Null, PARSE_ERROR, &format!("no JSON: {error}"), None))?;
        let refuse = |id: &Value, why: &str| error_text(id, INVALID_REQUEST, why, None);
        let Value::Object(mut members) = whole else {
            return Err(refuse(&Value::Null, "one JSON object on each line is expected; batches are not carried"));
        };
        let id = members.get("id").cloned().unwrap_or_default();
        if !matches!(id, Value::Null | Value::String(_) | Value::Number(_)) {
            return Err(refuse(&Value::Null, "an id is a string or a number"));
        }
        let text = Value::Object(members.clone()).to_string();
        let params = match members.remove("params") {
            Some(Value::Object(params)) => params,
            _ => Map::new(),
        };
        let method = members.get("method").and_then(Value::as_str).map(str::to_owned);
        let kind = match (&method, id.is_null(), members.contains_key("result") || members.contains_key("error")) {
            (Some(_), false, _) => Kind::Request,
            (Some(_), true, _) => Kind::Notification,
            (None, false, true) => Kind::Answer,
            _ => return Err(refuse(&id, "neither a request, nor a notification, nor an answer")),
        };
        Ok(Self { kind, method: method.unwrap_or_default(), id, params, text })
    }

    /// The id, so that 1 and "1" stay apart.
    pub(super) fn id_text(&self) -> String {
        self.id.to_string()
    }

    /// The request that this message cancels.
    pub(super) fn cancels(&self) -> Option<String> {
        (self.method == "notifications/cancelled").then(|| self.params.get("requestId").map(Value::to_string))?
    }

    /// The revision that a request without a handshake names.
    pub(super) fn revision(&self) -> Option<&str> {
        self.params.get("_meta")?.get("io.modelcontextprotocol/protocolVersion")?.as_str()
    }

    /// The error that answers this request.
    pub(super) fn failed(&self, fault: &Fault) -> String {
        error_text(&self.id, SERVER_ERROR, &fault.to_string(), fault.status())
    }
}

fn error_text(id: &Value, code: i64, message: &str, status: Option<u16>) -> String {
    let mut error = json!({"code": code, "message": message});
    if let (Some(status), Some(error)) = (status, error.as_object_mut()) {
        error.insert("data".into(), json!({ "status": status }));
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
}
