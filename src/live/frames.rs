//! The JSON frames, both ways.
//!
//! From the client: `auth`, `ack`, `claim`, `read`, `feedback`, `message`; each may carry a `ref` (text or number) that
//! its answer echoes. From us: `hello`, `notification`, `ok`, `error`. Text lengths are checked here, so that what is
//! behind the port gets nothing absurd.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    PROTOCOL,
    inbound::{Feedback, Refusal, RefusalCode, Target},
    who::Who,
};
use crate::{clock::rfc3339, secret::SecretText, store::notifications::Notification};

/// Largest message from a client, in bytes.
pub(super) const MAX_MESSAGE: usize = 16 * 1024;
/// Most ids of one acknowledgement.
const MAX_ACKS: usize = 500;
const MAX_ID: usize = 64;
const MAX_TEXT_CHARS: usize = 4_000;
const MAX_COMMENT_CHARS: usize = 1_000;
/// Longest `ref` that is echoed.
const MAX_REF: usize = 128;

/// What a client says.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    Auth { token: SecretText },
    Ack { ids: Vec<String> },
    Claim { target: Target },
    Read { message_id: String },
    Feedback(Feedback),
    Message { conversation_id: String, text: String },
}

/// A frame of a client, as far as it could be read.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    /// What the answer echoes; null when nothing was given.
    pub(super) reference: Value,
    pub(super) command: Result<Command, Refusal>,
}

/// Reads one frame.
pub(super) fn read(text: &str) -> Heard {
    let Ok(Value::Object(mut frame)) = serde_json::from_str::<Value>(text) else {
        let refusal = invalid(r#"消息不是JSON对象 not a JSON object: send frames such as {"type":"ack","id":"…"}"#);
        return Heard { reference: Value::Null, command: Err(refusal) };
    };
    let reference = frame.remove("ref").filter(echoable).unwrap_or_default();
    Heard { reference, command: command(frame) }
}

fn echoable(reference: &Value) -> bool {
    matches!(reference, Value::Number(_)) || reference.as_str().is_some_and(|text| text.len() <= MAX_REF)
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::Invalid, text)
}

fn command(mut frame: Map<String, Value>) -> Result<Command, Refusal> {
    let Some(Value::String(kind)) = frame.remove("type") else {
        return Err(invalid(r#"缺少类型 no "type": use auth, ack, claim, read, feedback or message"#));
    };
    match kind.as_str() {
        "auth" => parse::<Auth>(&kind, frame).map(|auth| Command::Auth { token: auth.token }),
        "ack" => parse::<Ack>(&kind, frame)?.command(),
        "claim" => parse::<TargetFields>(&kind, frame)?.target().map(|target| Command::Claim { target }),
        "read" => Ok(Command::Read { message_id: id("message_id", parse::<Read>(&kind, frame)?.message_id)? }),
        "feedback" => parse::<FeedbackFields>(&kind, frame)?.feedback().map(Command::Feedback),
        "message" => parse::<Said>(&kind, frame)?.command(),
        _ => Err(invalid("未知类型 unknown type: use auth, ack, claim, read, feedback or message")),
    }
}

fn parse<T: for<'de> Deserialize<'de>>(kind: &str, frame: Map<String, Value>) -> Result<T, Refusal> {
    serde_json::from_value(Value::Object(frame)).map_err(|error| invalid(format!("字段有误 wrong fields in {kind}: {error}")))
}

fn id(field: &str, text: String) -> Result<String, Refusal> {
    if (1..=MAX_ID).contains(&text.len()) {
        Ok(text)
    } else {
        Err(invalid(format!("字段有误 {field} must have 1 to {MAX_ID} characters")))
    }
}

fn at_most(field: &str, text: &str, max: usize) -> Result<(), Refusal> {
    if text.chars().count() <= max { Ok(()) } else { Err(invalid(format!("内容过长 {field} must have at most {max} characters"))) }
}

#[derive(Deserialize)]
struct Auth {
    token: SecretText,
}

#[derive(Deserialize)]
struct Ack {
    id: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
}

impl Ack {
    fn command(self) -> Result<Command, Refusal> {
        let ids: Vec<String> = self.id.into_iter().chain(self.ids).collect();
        if (1..=MAX_ACKS).contains(&ids.len()) && ids.iter().all(|id| id.len() <= MAX_ID) {
            return Ok(Command::Ack { ids });
        }
        Err(invalid(format!(r#"字段有误 ack needs "id" or "ids", at most {MAX_ACKS}"#)))
    }
}

/// A registration or a conversation.
#[derive(Deserialize)]
pub(super) struct TargetFields {
    registration_id: Option<String>,
    conversation_id: Option<String>,
}

impl TargetFields {
    /// Exactly one of the two.
    pub(super) fn target(self) -> Result<Target, Refusal> {
        match (self.registration_id, self.conversation_id) {
            (Some(registration), None) => id("registration_id", registration).map(Target::Registration),
            (None, Some(conversation)) => id("conversation_id", conversation).map(Target::Conversation),
            _ => Err(invalid("字段有误 give registration_id or conversation_id, one of the two")),
        }
    }
}

#[derive(Deserialize)]
struct Read {
    message_id: String,
}

#[derive(Deserialize)]
struct FeedbackFields {
    #[serde(flatten)]
    target: TargetFields,
    rating: u8,
    comment: Option<String>,
}

impl FeedbackFields {
    fn feedback(self) -> Result<Feedback, Refusal> {
        if !(1..=5).contains(&self.rating) {
            return Err(invalid("评分为1至5 rating must be 1 to 5"));
        }
        at_most("comment", self.comment.as_deref().unwrap_or_default(), MAX_COMMENT_CHARS)?;
        Ok(Feedback { target: self.target.target()?, rating: self.rating, comment: self.comment })
    }
}

#[derive(Deserialize)]
struct Said {
    conversation_id: String,
    text: String,
}

impl Said {
    fn command(self) -> Result<Command, Refusal> {
        if self.text.trim().is_empty() {
            return Err(invalid("内容为空 text is empty"));
        }
        at_most("text", &self.text, MAX_TEXT_CHARS)?;
        Ok(Command::Message { conversation_id: id("conversation_id", self.conversation_id)?, text: self.text })
    }
}

/// The first frame: who the client is taken for, and how much waits for it.
pub(super) fn hello(who: &Who, unacked: u32) -> Value {
    json!({"type": "hello", "protocol": PROTOCOL, "user": who.user_id, "role": who.role, "roles": who.roles, "unacked": unacked})
}

/// A notice, over a socket or as an item of a list.
pub(super) fn notification(row: &Notification) -> Value {
    json!({
        "type": "notification", "id": row.id, "kind": row.kind, "level": row.level, "registration_id": row.registration_id,
        "created_at": rfc3339(row.created_at), "payload": row.payload,
    })
}

/// The answer to a command.
pub(super) fn answer(reference: Value, result: Result<Value, Refusal>) -> Value {
    let mut frame = match result {
        Ok(result) => json!({"type": "ok", "result": result}),
        Err(Refusal { code, text, detail }) => json!({"type": "error", "code": code.as_str(), "message": text, "detail": detail}),
    };
    if let (Value::Object(frame), false) = (&mut frame, reference.is_null()) {
        frame.insert("ref".to_owned(), reference);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_reference() {
        let heard = read(r#"{"type":"claim","conversation_id":"c1","ref":7,"more":true}"#);
        assert_eq!(heard.reference, 7);
        assert_eq!(heard.command.unwrap(), Command::Claim { target: Target::Conversation("c1".into()) });
        let heard = read(r#"{"type":"ack","id":"a","ids":["b"]}"#);
        assert_eq!(heard, Heard { reference: Value::Null, command: Ok(Command::Ack { ids: vec!["a".into(), "b".into()] }) });
        let rated = Feedback { target: Target::Registration("r".into()), rating: 5, comment: None };
        let heard = read(r#"{"type":"feedback","registration_id":"r","rating":5,"comment":null}"#);
        assert_eq!(heard.command.unwrap(), Command::Feedback(rated));
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_words() {
        let long = "字".repeat(4_001);
        let cases = [
            ("{", "not a JSON object"),
            ("[1]", "not a JSON object"),
            ("{}", "no \"type\""),
            (r#"{"type":"dance"}"#, "unknown type"),
            (r#"{"type":"ack"}"#, "ack needs"),
            (r#"{"type":"claim"}"#, "one of the two"),
            (r#"{"type":"claim","registration_id":"a","conversation_id":"b"}"#, "one of the two"),
            (r#"{"type":"claim","registration_id":""}"#, "registration_id must have"),
            (r#"{"type":"feedback","registration_id":"r","rating":6}"#, "1 to 5"),
            (r#"{"type":"feedback","registration_id":"r","rating":-1}"#, "wrong fields in feedback"),
            (r#"{"type":"message","conversation_id":"c","text":"  "}"#, "text is empty"),
            (&format!(r#"{{"type":"message","conversation_id":"c","text":"{long}"}}"#), "at most 4000"),
            (r#"{"type":"read","message_id":3}"#, "wrong fields in read"),
        ];
        for (text, expected) in cases {
            let refusal = read(text).command.unwrap_err();
            assert!(refusal.text.contains(expected), "{text}: {}", refusal.text);
        }
        let reference = "x".repeat(MAX_REF + 1);
        assert_eq!(read(&format!(r#"{{"ref":"{reference}"}}"#)).reference, Value::Null);
    }
}
