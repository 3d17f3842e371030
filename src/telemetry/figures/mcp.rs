//! Times of MCP requests: of calls by tool, of everything else by method.

use std::{sync::OnceLock, time::Duration};

use metrics::Histogram;

use crate::telemetry::{
    exposition::{self, kept},
    names,
};

/// What stands for everything that has no name of its own.
const OTHER: &str = "_other";
/// How a call may end, in the words of the call log, and `error_type` for it.
const ENDINGS: [(&str, &str); 11] = [
    ("ok", ""),
    ("tool_error", "tool_error"),
    ("invalid_arguments", "invalid_arguments"),
    ("timeout", "timeout"),
    ("panic", "panic"),
    ("out_of_scope", "out_of_scope"),
    ("refused", "refused"),
    ("limited", "limited"),
    ("unknown_tool", "unknown_tool"),
    ("cancelled", "cancelled"),
    (OTHER, OTHER),
];
/// Methods that are told apart: those of every revision.
const METHODS: [&str; 21] = [
    "tools/list",
    "initialize",
    "ping",
    "server/discover",
    "subscriptions/listen",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "prompts/list",
    "prompts/get",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "tasks/list",
    "completion/complete",
    "logging/setLevel",
    OTHER,
];
/// Codes of JSON-RPC errors that are told apart, and `error_type` for them.
const CODES: [(Option<i32>, &str); 9] = [
    (None, ""),
    (Some(-32700), "-32700"),
    (Some(-32600), "-32600"),
    (Some(-32601), "-32601"),
    (Some(-32602), "-32602"),
    (Some(-32603), "-32603"),
    (Some(-32002), "-32002"),
    (Some(429), "limited"),
    (Some(0), OTHER),
];

type Slot = OnceLock<Histogram>;

fn record(slot: Option<&Slot>, (method, tool, error): (&str, &str, &str), took: Duration) {
    let (Some(recorder), Some(slot)) = (kept(), slot) else { return };
    let labels = [("mcp_method_name", method), ("gen_ai_tool_name", tool), ("error_type", error)];
    slot.get_or_init(|| exposition::histogram(recorder, names::OPERATION, &labels)).record(took);
}

/// The times of one tool; kept beside it, so that a call looks nothing up.
#[derive(Debug)]
pub struct ToolFigures {
    name: &'static str,
    ended: [Slot; ENDINGS.len()],
}

impl ToolFigures {
    /// Of the tool of this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, ended: [const { Slot::new() }; ENDINGS.len()] }
    }

    /// A call ended, with this outcome in the call log.
    pub fn took(&self, outcome: &str, took: Duration) {
        let at = ENDINGS.iter().position(|(known, _)| *known == outcome).unwrap_or(ENDINGS.len() - 1);
        let error = ENDINGS.get(at).map_or(OTHER, |(_, error)| error);
        record(self.ended.get(at), ("tools/call", self.name, error), took);
    }
}

static NO_TOOL: ToolFigures = ToolFigures::new(OTHER);

/// A call ended that got to no tool of the catalogue.
pub fn unknown_tool(outcome: &str, took: Duration) {
    NO_TOOL.took(outcome, took);
}

/// A request that names `tools/call`, and is no call.
pub fn malformed_call(took: Duration) {
    NO_TOOL.took("invalid_arguments", took);
}

static OPERATIONS: [[Slot; CODES.len()]; METHODS.len()] = [const { [const { Slot::new() }; CODES.len()] }; METHODS.len()];

/// A message of another method was answered: well, or with this code. A body that was no message has no method. Says
/// under which method and which `error_type` it was counted.
pub fn operation(method: Option<&str>, code: Option<i32>, took: Duration) -> (&'static str, &'static str) {
    let method_at = METHODS.iter().position(|known| Some(*known) == method).unwrap_or(METHODS.len() - 1);
    let code_at = CODES.iter().position(|(known, _)| *known == code).unwrap_or(CODES.len() - 1);
    let method = METHODS.get(method_at).copied().unwrap_or(OTHER);
    let error = CODES.get(code_at).map_or(OTHER, |(_, error)| error);
    record(OPERATIONS.get(method_at).and_then(|codes| codes.get(code_at)), (method, "", error), took);
    (method, error)
}
