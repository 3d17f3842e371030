//! What was asked of the stand-in: every run with its tool calls, for tests, for the demo, and for `GET /messages`.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde_json::{Map, Value};

use super::held;

/// Every run so far. Clones see the same runs.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    runs: Arc<Mutex<Vec<RunEntry>>>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunEntry {
    /// Who asked, as named by the client.
    pub user: String,
    /// The run's task.
    pub task_id: String,
    /// Its conversation; empty for a workflow.
    pub conversation_id: String,
    /// Its message; for a workflow, the run's id.
    pub message_id: String,
    /// The client's `X-Trace-Id`.
    pub trace_id: Option<String>,
    /// The client's `traceparent`.
    pub traceparent: Option<String>,
    /// The question.
    pub query: String,
    /// The inputs.
    pub inputs: Map<String, Value>,
    /// Tools called, in order.
    pub tools: Vec<ToolEntry>,
    /// What its user thought of it: `like` or `dislike`, and words.
    pub feedback: Option<(String, String)>,
    /// Whether it was stopped.
    pub stopped: bool,
    /// What it wrote; nothing while it goes on, or after a failure.
    pub answer: Option<String>,
    /// When it was asked, in seconds since 1970.
    pub created_at: i64,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolEntry {
    /// The tool.
    pub tool: String,
    /// The server it was called on.
    pub server: String,
    /// Its arguments.
    pub arguments: Value,
    /// The text it answered, or why there was none.
    pub observation: String,
    /// Whether it answered without an error.
    pub ok: bool,
    /// How long the call took, handshake included.
    pub duration_ms: u64,
}

impl Ledger {
    /// All runs, in order.
    pub fn runs(&self) -> Vec<RunEntry> {
        held(&self.runs).clone()
    }

    /// How many runs were started for a user.
    pub fn runs_for(&self, user: &str) -> usize {
        held(&self.runs).iter().filter(|run| run.user == user).count()
    }

    /// All tool calls, in order.
    pub fn tool_calls(&self) -> Vec<ToolEntry> {
        held(&self.runs).iter().flat_map(|run| run.tools.clone()).collect()
    }

    pub(super) fn begin(&self, run: RunEntry) {
        held(&self.runs).push(run);
    }

    /// Changes the run of a task, if there is one for this user.
    pub(super) fn change(&self, task_id: &str, change: impl FnOnce(&mut RunEntry)) {
        if let Some(run) = held(&self.runs).iter_mut().rev().find(|run| run.task_id == task_id) {
            change(run);
        }
    }

    /// The run with this message or workflow run.
    pub(super) fn of_message(&self, message_id: &str) -> Option<RunEntry> {
        held(&self.runs).iter().find(|run| run.message_id == message_id).cloned()
    }

    /// The runs of one conversation, for the user it belongs to.
    pub(super) fn of_conversation(&self, conversation_id: &str, user: &str) -> Vec<RunEntry> {
        held(&self.runs).iter().filter(|run| run.conversation_id == conversation_id && run.user == user).cloned().collect()
    }
}
