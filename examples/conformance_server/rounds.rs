//! Input-required results: what a tool or prompt needs before it can answer, over one round or several.
//!
//! The server keeps nothing between rounds. What it must remember travels in `requestState`, which the client hands back:
//! sealed, so that it can be neither read nor changed, bound to the caller and the tool it was made for, and good for ten
//! minutes only. A client is never asked for what it did not declare.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rmcp::{
    ErrorData,
    model::{
        ClientCapabilities, CreateMessageResult, ElicitResult, ElicitationCapability, InputRequest, InputRequests, InputRequiredResult,
        InputResponses, ListRootsResult, RootsCapabilities, SamplingCapability,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::world::World;

/// How long a round may take, in milliseconds.
const GOOD_FOR_MS: i64 = 10 * 60 * 1000;

/// What is needed, round by round.
pub(crate) struct Script {
    /// The questions of each round, by their keys.
    rounds: &'static [&'static [&'static str]],
    /// Whether a state goes with the questions, and must come back with the answers.
    stated: bool,
    /// Whether questions that the client cannot answer are left out, where others must be answered.
    optional: bool,
}

/// The script of a tool or prompt that has one.
pub(crate) fn script(name: &str) -> Option<Script> {
    let (rounds, stated): (&'static [&'static [&'static str]], bool) = match name {
        "test_input_required_result_elicitation" | "test_tool_with_task" => (&[&["user_name"]], false),
        "test_input_required_result_sampling" => (&[&["capital_question"]], false),
        "test_input_required_result_list_roots" => (&[&["client_roots"]], false),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => (&[&["confirm"]], true),
        "test_input_required_result_multiple_inputs" => (&[&["user_name", "greeting", "client_roots"]], true),
        "test_input_required_result_multi_round" => (&[&["step1"], &["step2"]], true),
        "test_input_required_result_capabilities" => (&[&["user_name", "greeting"]], false),
        "test_input_required_result_prompt" => (&[&["user_context"]], false),
        "test_streaming_elicitation" => (&[&["confirm"]], false),
        _ => return None,
    };
    Some(Script { rounds, stated, optional: name == "test_input_required_result_capabilities" })
}

/// Where a script stands after a request.
pub(crate) enum Step {
    /// These questions first.
    Ask(InputRequiredResult),
    /// Everything is answered.
    Done(Map<String, Value>),
}

/// What a request brought.
pub(crate) struct Reply<'a> {
    /// Whoever asks, and for what: a state is good for nothing else.
    pub(crate) purpose: String,
    pub(crate) responses: Option<&'a InputResponses>,
    pub(crate) state: Option<&'a str>,
    pub(crate) capabilities: Option<&'a ClientCapabilities>,
}

/// What is remembered from round to round.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    round: usize,
    answers: Map<String, Value>,
    until: i64,
}

impl Script {
    /// Takes the answers that came, and says what is next.
    pub(crate) fn step(&self, reply: &Reply<'_>, world: &World) -> Result<Step, ErrorData> {
        let mut memory = match reply.state {
            Some(state) if self.stated => unseal(state, reply, world)?,
            _ => Memory::default(),
        };
        // Answers without the state that was given out with their questions answer nothing.
        let responses = reply.responses.filter(|_| !self.stated || reply.state.is_some());
        let keys = self.rounds.get(memory.round).copied().unwrap_or_default();
        let wanted = self.wanted(keys, reply)?;
        for key in wanted.keys() {
            if let Some(answer) = responses.and_then(|all| all.get(key)).filter(|answer| answers(key, answer)) {
                memory.answers.insert(key.clone(), answer.clone());
            }
        }
        if wanted.keys().all(|key| memory.answers.contains_key(key)) {
            memory.round += 1;
        }
        match self.rounds.get(memory.round) {
            None => Ok(Step::Done(memory.answers)),
            Some(next) => {
                let missing = self.wanted(next, reply)?.into_iter().filter(|(key, _)| !memory.answers.contains_key(key)).collect();
                let state = if self.stated { Some(seal(memory, reply, world)?) } else { None };
                Ok(Step::Ask(InputRequiredResult::new(Some(missing), state)))
            }
        }
    }

    /// The questions of a round that this client can be asked.
    fn wanted(&self, keys: &[&str], reply: &Reply<'_>) -> Result<InputRequests, ErrorData> {
        let none = ClientCapabilities::default();
        let declared = reply.capabilities.unwrap_or(&none);
        let mut wanted = BTreeMap::new();
        let mut lacking = ClientCapabilities::default();
        for key in keys {
            let (kind, request) = question(key);
            if !kind.lacks(declared, &mut lacking) {
                let request: InputRequest =
                    serde_json::from_value(request).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                wanted.insert((*key).to_owned(), request);
            }
        }
        let complete = wanted.len() == keys.len() || (self.optional && !wanted.is_empty());
        if complete { Ok(wanted) } else { Err(ErrorData::missing_required_client_capability(lacking)) }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Elicit,
    Sample,
    Roots,
}

impl Kind {
    /// Whether a client lacks what this takes; then it is noted.
    fn lacks(self, declared: &ClientCapabilities, lacking: &mut ClientCapabilities) -> bool {
        match self {
            Self::Elicit if declared.elicitation.is_none() => lacking.elicitation = Some(ElicitationCapability::default()),
            Self::Sample if declared.sampling.is_none() => lacking.sampling = Some(SamplingCapability::default()),
            Self::Roots if declared.roots.is_none() => lacking.roots = Some(RootsCapabilities::default()),
            _ => return false,
        }
        true
    }
}

fn question(key: &str) -> (Kind, Value) {
    let elicit = |message: &str, field: &str, kind: &str| {
        let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
        (Kind::Elicit, json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}))
    };
    let sample = |text: &str, most: u32| {
        let message = json!({"role": "user", "content": {"type": "text", "text": text}});
        (Kind::Sample, json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": most}}))
    };
    match key {
        "user_name" => elicit("What is your name?", "name", "string"),
        "user_context" => elicit("What context should the prompt use?", "context", "string"),
        "step1" => elicit("Step 1: What is your name?", "name", "string"),
        "step2" => elicit("Step 2: What is your favorite color?", "color", "string"),
        "capital_question" => sample("What is the capital of France?", 100),
        "greeting" => sample("Generate a greeting", 50),
        "client_roots" => (Kind::Roots, json!({"method": "roots/list", "params": {}})),
        _ => elicit("Please confirm", "ok", "boolean"),
    }
}

/// Whether a response is an answer to the question of this key.
fn answers(key: &str, response: &Value) -> bool {
    fn is<T: DeserializeOwned>(value: &Value) -> bool {
        T::deserialize(value).is_ok()
    }
    match question(key).0 {
        Kind::Elicit => is::<ElicitResult>(response),
        Kind::Sample => is::<CreateMessageResult>(response),
        Kind::Roots => is::<ListRootsResult>(response),
    }
}

/// The one field of a form that was answered, or what became of the form.
pub(crate) fn field(answers: &Map<String, Value>, key: &str) -> String {
    let answer = answers.get(key).unwrap_or(&Value::Null);
    let filled = answer.get("content").and_then(Value::as_object).and_then(|content| content.values().next());
    match filled {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => answer.get("action").and_then(Value::as_str).unwrap_or("nobody").to_owned(),
    }
}

fn seal(mut memory: Memory, reply: &Reply<'_>, world: &World) -> Result<String, ErrorData> {
    memory.until = world.clock.now_ms() + GOOD_FOR_MS;
    let internal = |error: &dyn std::fmt::Display| ErrorData::internal_error(format!("the state cannot be sealed: {error}"), None);
    let plain = serde_json::to_vec(&memory).map_err(|error| internal(&error))?;
    let sealed = world.seal.seal(&reply.purpose, &plain).map_err(|error| internal(&error))?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

fn unseal(state: &str, reply: &Reply<'_>, world: &World) -> Result<Memory, ErrorData> {
    let invalid = || ErrorData::invalid_params("`requestState` is not one that this server gave out for this call, or it is too old", None);
    let sealed = URL_SAFE_NO_PAD.decode(state).map_err(|_| invalid())?;
    let plain = world.seal.open(&reply.purpose, &sealed).map_err(|_| invalid())?;
    let memory: Memory = serde_json::from_slice(&plain).map_err(|_| invalid())?;
    if world.clock.now_ms() < memory.until { Ok(memory) } else { Err(invalid()) }
}
