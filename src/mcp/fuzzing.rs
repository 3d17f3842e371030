//! The doors for the fuzz targets of the protocol: one message, and the messages of one session.

use http::StatusCode;
use serde_json::{Value, value::RawValue};

use super::{
    envelope::{CallParams, Envelope, Kind, ListParams},
    fast::error_answer,
    lanes::misshapen,
};

/// Reads one message. Whatever it is, its answer is JSON-RPC with the id of the question.
pub fn message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Envelope::read(text) {
        Err((error, id)) => answered(id, error.code, &error.message),
        Ok((message, kind)) => {
            let params = message.params.map_or("{}", RawValue::get);
            let _call = serde_json::from_str::<CallParams<'_>>(params);
            let _list = serde_json::from_str::<ListParams<'_>>(params);
            if let Some(error) = misshapen(&message) {
                answered(message.id, error.code, &error.message);
            }
            assert_eq!(
                kind == Kind::Request,
                message.method.is_some() && message.id.is_some(),
                "what a message is follows from its members"
            );
        }
    }
}

/// Reads the messages of a session, one a line: none changes what the next one is taken for.
pub fn session(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        message(line);
    }
}

fn answered(id: Option<&RawValue>, code: i32, text: &str) {
    let (_, body) = error_answer(StatusCode::BAD_REQUEST, id, code, text);
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert_eq!(answer.get("jsonrpc"), Some(&Value::from("2.0")), "an answer is JSON-RPC");
    let sent = id.map(|id| serde_json::from_str::<Value>(id.get()).unwrap_or_default());
    assert_eq!(answer.get("id"), Some(&sent.unwrap_or_default()), "the id is echoed");
}
