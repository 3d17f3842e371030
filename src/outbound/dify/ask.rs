//! What is asked of a Dify app, and what it tells about itself: the values of [`super::client`].

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::DifyError;

/// Which kind of Dify app is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// A chatbot or a chatflow.
    Chat,
    /// An agent, which calls tools.
    Agent,
    /// A workflow.
    Workflow,
}

impl AgentKind {
    /// Its name in settings and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Agent => "agent",
            Self::Workflow => "workflow",
        }
    }

    /// Whether an app that calls itself `mode` is of this kind.
    pub fn fits(self, mode: &str) -> bool {
        match self {
            Self::Chat => matches!(mode, "chat" | "advanced-chat"),
            Self::Agent => mode == "agent-chat",
            Self::Workflow => mode == "workflow",
        }
    }
}

impl FromStr for AgentKind {
    type Err = DifyError;

    fn from_str(text: &str) -> Result<Self, DifyError> {
        match text {
            "chat" => Ok(Self::Chat),
            "agent" => Ok(Self::Agent),
            "workflow" => Ok(Self::Workflow),
            other => Err(DifyError::Settings(format!("{other:?} is no kind of agent; chat, agent and workflow are"))),
        }
    }
}

/// One question.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The app's declared inputs: the only way in for profile fields.
    pub inputs: Map<String, Value>,
    /// The question itself, a constant.
    pub query: String,
    /// Who asks, as Dify keeps its records: one name for each run, so that its answer can be found again.
    pub user: String,
    /// 1 to 128 of `A-Z a-z 0-9 _ -`: the same in our records and in Dify's.
    pub trace_id: String,
    /// The trace that the question is part of, as W3C Trace Context writes it.
    pub traceparent: Option<String>,
}

/// What the caller may want to write down while a run is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Dify has taken the question. Store these before anything else can fail.
    Started {
        /// For [`super::DifyClient::stop`].
        task_id: String,
        /// For [`super::DifyClient::find_answer`]; workflows have none.
        conversation_id: Option<String>,
        /// For [`super::DifyClient::find_answer`]; of a workflow, its run.
        message_id: Option<String>,
    },
    /// The agent thought or called a tool. Told several times for each position, the last one holds.
    Thought(AgentThought),
}

/// One position of an agent's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentThought {
    /// Counts from 1.
    pub position: i64,
    /// What the model said there.
    pub text: String,
    /// The tools it called there, joined by `;`; empty when none was.
    pub tool: String,
    /// Bytes of what it told them.
    pub input_bytes: usize,
    /// Bytes of what they answered.
    pub observation_bytes: usize,
}

/// A run whose stream broke off, by what [`Progress::Started`] told of it.
#[derive(Debug, Clone, Copy)]
pub struct Lost<'a> {
    /// Its conversation.
    pub conversation_id: Option<&'a str>,
    /// Its message; of a workflow, its run.
    pub message_id: Option<&'a str>,
    /// The user it was asked for.
    pub user: &'a str,
}

/// What an app says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppInfo {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its kind in Dify's words; see [`AgentKind::fits`].
    #[serde(default)]
    pub mode: String,
    /// What it says it is for.
    #[serde(default)]
    pub description: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// What an app wants to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameters {
    /// Its declared inputs.
    pub inputs: Vec<InputField>,
}

/// One declared input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputField {
    /// Its name in [`Ask::inputs`].
    pub variable: String,
    /// Whether a question without it is refused.
    pub required: bool,
    /// Its kind in Dify's words, such as `text-input`.
    pub kind: String,
}
