//! The events of Dify's stream, typed. What we do not use is ignored, and so are events we do not know.
//!
//! Dify sends null where it has nothing, so a null is read as an absent field. It refuses data that is no JSON object
//! with an `event`: then the other side is not Dify.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::ask::AgentThought;

/// One event with the ids that every event carries.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Incoming {
    /// Names the run for `stop`.
    #[serde(default)]
    pub(crate) task_id: Option<String>,
    /// Dify's conversation; workflow apps have none.
    #[serde(default)]
    pub(crate) conversation_id: Option<String>,
    /// Dify's message; workflow apps have none.
    #[serde(default)]
    pub(crate) message_id: Option<String>,
    /// The run of a workflow.
    #[serde(default)]
    pub(crate) workflow_run_id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub(crate) event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A piece of a chat app's answer.
    Message(Delta),
    /// A piece of an agent's text, chatter included.
    AgentMessage(Delta),
    /// What the agent thinks or does; sent several times for each position, the last one holds.
    AgentThought(Thought),
    /// The end of a good run.
    MessageEnd(End),
    /// Moderation replaced the whole answer.
    MessageReplace(Delta),
    /// The end of a bad run.
    Error(Failure),
    /// The end of a workflow.
    WorkflowFinished(Finished),
    /// Pings, node events, files, speech, and what later versions add.
    #[serde(other)]
    Other,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct Delta {
    /// The text.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) answer: String,
}

/// One position of an agent's run. `GET /messages` lists the same shape.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct Thought {
    /// Counts from 1.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) position: i64,
    /// What the model said at this position.
    #[serde(rename = "thought", default, deserialize_with = "or_default")]
    pub(crate) text: String,
    /// The tools called, joined by `;`; empty when none was.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) tool: String,
    /// What they were told, as JSON text.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) tool_input: String,
    /// What the tools answered.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) observation: String,
}

impl Thought {
    /// What may be told of it.
    pub(crate) fn told(&self) -> AgentThought {
        AgentThought {
            position: self.position,
            text: self.text.clone(),
            tool: self.tool.clone(),
            input_bytes: self.tool_input.len(),
            observation_bytes: self.observation.len(),
        }
    }
}

/// The end of a good run.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct End {
    /// Usage and retrieved sources. Read leniently: an answer is not lost for its bill.
    #[serde(default)]
    pub(crate) metadata: Option<Value>,
}

/// The end of a bad run.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct Failure {
    /// Dify's code.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) code: String,
    /// Dify's text.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) message: String,
    /// The status it would have had. Absent in some versions.
    #[serde(default)]
    pub(crate) status: Option<u16>,
}

/// The end of a workflow.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct Finished {
    /// How it ended.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) data: Outcome,
}

/// How a workflow ended. `GET /workflows/run/{id}` answers the same shape.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct Outcome {
    /// running, succeeded, failed, stopped, partial-succeeded.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) status: String,
    /// What the end node gives out.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) outputs: Map<String, Value>,
    /// Why it failed.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) error: String,
    /// Tokens used.
    #[serde(default)]
    pub(crate) total_tokens: Option<u64>,
}

/// A null is as good as nothing.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Incoming {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_events_we_use_are_read() {
        let incoming = read(
            r#"{"event":"agent_thought","id":"x","task_id":"t","message_id":"m","conversation_id":"c","created_at":1,
                "position":2,"thought":null,"observation":"{}","tool":"get_user_profile","tool_labels":{},"tool_input":"{}","message_files":[]}"#,
        );
        let thought = Thought {
            position: 2,
            tool: "get_user_profile".into(),
            tool_input: "{}".into(),
            observation: "{}".into(),
            ..Thought::default()
        };
        assert_eq!(incoming.event, Event::AgentThought(thought));
        assert_eq!(incoming.task_id.as_deref(), Some("t"));
        assert_eq!(read(r#"{"event":"agent_message","answer":"好"}"#).event, Event::AgentMessage(Delta { answer: "好".into() }));
        let failure = Failure { code: "invalid_param".into(), message: "no".into(), status: Some(400) };
        assert_eq!(read(r#"{"event":"error","status":400,"code":"invalid_param","message":"no"}"#).event, Event::Error(failure));
        let end = read(r#"{"event":"message_end","metadata":{"usage":{"total_tokens":7}},"files":null}"#).event;
        assert!(matches!(end, Event::MessageEnd(End { metadata: Some(_) })), "{end:?}");
        let finished = read(r#"{"event":"workflow_finished","workflow_run_id":"w","data":{"status":"succeeded","outputs":null}}"#);
        assert_eq!(finished.workflow_run_id.as_deref(), Some("w"));
    }

    #[test]
    fn unknown_events_pass_and_what_is_no_event_does_not() {
        for text in [r#"{"event":"node_started","data":{"a":[1]}}"#, r#"{"event":"ping"}"#, r#"{"event":"of_2031","answer":5}"#] {
            assert_eq!(read(text).event, Event::Other, "{text}");
        }
        for text in ["null", "[]", "{}", "5", r#"{"event":"message","answer":5}"#, "[DONE]"] {
            assert!(serde_json::from_str::<Incoming>(text).is_err(), "{text}");
        }
    }
}
