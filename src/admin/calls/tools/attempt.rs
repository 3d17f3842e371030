//! Trying a tool out: the same dispatch as every call, logged with the channel `admin`.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    admin::calls::{CallError, Calls, Field, said},
    config::Bilingual,
    dispatch::{Call, Channel, Client, NobodyAsked, Outcome, arguments},
};

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Attempt {
    /// How it ended: ok, failed, unknown_tool or limited.
    pub outcome: String,
    /// The result, when there is one.
    pub result: Option<Value>,
    /// What the caller is told instead of a result.
    pub error: Option<String>,
    /// What the caller is told beside it, such as that the tool has another name.
    pub note: Option<String>,
    /// Arguments that were not accepted, one by one; nothing was done then.
    pub errors: Vec<AttemptError>,
    /// How long it took, in milliseconds, rounded up.
    pub duration_ms: u64,
}

/// An argument that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttemptError {
    /// JSON pointer to it, from the object of all arguments on.
    pub pointer: String,
    /// What is wrong with it, in English.
    pub detail: String,
    /// The same in both languages.
    #[serde(skip)]
    pub text: Bilingual,
}

impl Calls {
    /// Calls a tool as a group offers it. `account` is whoever tries it, for the call log.
    pub async fn try_tool(&self, (code, name): (&str, &str), given: Map<String, Value>, account: &str) -> Result<Attempt, CallError> {
        let (channel, client_name) = (Channel::Admin, Some(account.to_owned()));
        self.call_tool((code, name), given, Client { channel, protocol: "".into(), name: client_name, app_id: None, traced: None }).await
    }

    /// The same for another skin than this one.
    pub(crate) async fn call_tool(
        &self,
        (code, name): (&str, &str),
        given: Map<String, Value>,
        client: Client,
    ) -> Result<Attempt, CallError> {
        self.group_policy(code)?;
        let caller = self.gate.admit_local(code).map_err(|refusal| {
            let detail = refusal.problem().detail;
            CallError::Conflict(said(format!("分组 {code} 无法打开：{detail}"), detail))
        })?;
        let errors = self.dispatch.catalogue().definition(name).map(|known| arguments::complaints(known, &given)).unwrap_or_default();
        let started = Instant::now();
        let call = Call { caller: &caller, tool: name, arguments: Some(given), client, progress: &NobodyAsked };
        let (outcome, note) = self.dispatch.call(call).await.and_note();
        let duration_ms = u64::try_from(started.elapsed().as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let mut attempt = Attempt { duration_ms, note: note.map(|note| note.text), ..ended(outcome) };
        if attempt.outcome == "failed" {
            let error =
                |one: arguments::Complaint| AttemptError { pointer: one.pointer, detail: one.en.clone(), text: said(one.zh, one.en) };
            attempt.errors = errors.into_iter().map(error).collect();
        }
        Ok(attempt)
    }
}

impl Attempt {
    /// What is wrong with the arguments, as fields below `at`.
    pub fn fields(&self, at: &str) -> Vec<Field> {
        self.errors.iter().map(|error| Field { pointer: format!("{at}{}", error.pointer), text: error.text.clone() }).collect()
    }
}

fn ended(outcome: Outcome) -> Attempt {
    let (outcome, result, error) = match outcome {
        // What a tool answers is JSON text of an object.
        Outcome::Answer(json) => ("ok", Some(serde_json::from_str(&json).unwrap_or_default()), None),
        Outcome::Failed(text) => ("failed", None, Some(text)),
        Outcome::UnknownTool(text) => ("unknown_tool", None, Some(text)),
        Outcome::Limited(exceeded) => ("limited", None, Some(exceeded.to_string())),
        // The note was taken off before.
        Outcome::Noted(inner, _) => return ended(*inner),
    };
    Attempt { outcome: outcome.to_owned(), result, error, note: None, errors: Vec::new(), duration_ms: 0 }
}
