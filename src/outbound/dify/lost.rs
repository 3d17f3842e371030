//! The answer of a run whose stream broke off: Dify has no idempotency key, so the answer is looked for before the
//! question is asked again.
//!
//! A stored message is one text and a list of thoughts; which text is the answer is decided as for a stream. Nothing is
//! found while a run is still going on: Dify stores an answer at its end.

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    answer::{Answer, Transcript},
    ask::{AgentKind, Lost},
    client::{DifyClient, elapsed_ms},
    error::DifyError,
    events::{Thought, or_default},
    run::{Ids, answer_of},
};

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    data: Vec<StoredMessage>,
}

#[derive(Debug, Deserialize)]
struct StoredMessage {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    answer: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    agent_thoughts: Vec<Thought>,
}

impl DifyClient {
    /// The answer of a run whose stream broke off, if Dify has it; nothing while it is still being written.
    pub async fn find_answer(&self, lost: Lost<'_>) -> Result<Option<Answer>, DifyError> {
        let started = Instant::now();
        let found = if self.kind() == AgentKind::Workflow { self.find_run(lost).await } else { self.find_message(lost).await };
        let answer = match found {
            Ok(answer) => answer,
            Err(DifyError::Api { status: 404, .. } | DifyError::Status { status: 404, .. }) => None,
            Err(error) => return Err(error),
        };
        let took = elapsed_ms(started);
        Ok(answer.map(|answer| Answer { latency_ms: took, first_byte_ms: took, ..answer }))
    }

    async fn find_message(&self, lost: Lost<'_>) -> Result<Option<Answer>, DifyError> {
        let Some(conversation) = lost.conversation_id else { return Ok(None) };
        let mut url = self.url(&["messages"]);
        url.query_pairs_mut().append_pair("conversation_id", conversation).append_pair("user", lost.user).append_pair("limit", "20");
        let reply = self.check(Method::GET, url, None).await?;
        let page: Page = self.read(&reply)?;
        let found = match lost.message_id {
            Some(id) => page.data.into_iter().find(|message| message.id == id),
            None => page.data.into_iter().next_back(),
        };
        Ok(found.filter(|message| message.status.as_deref() != Some("error")).and_then(|message| {
            let mut transcript = Transcript::default();
            transcript.say(&message.answer);
            let told: Vec<_> = message.agent_thoughts.iter().map(Thought::told).collect();
            for thought in message.agent_thoughts {
                // The stored answer is not a stream: the observations are all before it.
                transcript.think(Thought { observation: String::new(), ..thought });
            }
            let empty = message.answer.trim().is_empty();
            let text = transcript.answer().filter(|_| !empty)?;
            let ids = Ids { conversation: Some(conversation.to_owned()), message: Some(message.id), task: None };
            Some(Answer { thoughts: told, ..answer_of(text, &transcript, ids) })
        }))
    }

    async fn find_run(&self, lost: Lost<'_>) -> Result<Option<Answer>, DifyError> {
        let Some(run_id) = lost.message_id else { return Ok(None) };
        let reply = self.check(Method::GET, self.url(&["workflows", "run", run_id]), None).await?;
        let body: Value = self.read(&reply)?;
        let mut transcript = Transcript::default();
        // Older versions give the outputs as a text of JSON.
        let outputs = match body.get("outputs") {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        if body.get("status").and_then(Value::as_str) != Some("succeeded") {
            return Ok(None);
        }
        transcript.give_out(&outputs);
        let ids = Ids { conversation: None, message: Some(run_id.to_owned()), task: None };
        Ok(transcript.answer().map(|text| answer_of(text, &transcript, ids)))
    }
}
