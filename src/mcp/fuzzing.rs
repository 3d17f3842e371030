//! The doors for the fuzz targets of the protocol: one message, and the messages of one session.

use std::collections::VecDeque;

use http::{StatusCode, Uri};
use serde_json::{Value, value::RawValue};

use super::{
    envelope::{CallParams, Envelope, Kind, ListParams},
    fast::error_answer,
    lanes::misshapen,
    legacy,
    running::{Running, Ticket},
};

/// Reads one message. Whatever it is, its answer is JSON-RPC with the id of the question.
///
/// # Panics
/// When that does not hold: the target has found something.
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

/// Requests of one session that are kept in the air at most.
const IN_THE_AIR: usize = 32;

/// One session of HTTP+SSE: the address that is posted to, then a message a line. What is cancelled is what was named.
///
/// # Panics
/// When that does not hold: the target has found something.
pub fn session(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    if let Some(uri) = lines.next().and_then(|line| Uri::try_from(line).ok()) {
        assert!(legacy::session_id(&uri).is_none_or(|id| uri.to_string().contains(id)), "an id is taken from the address");
    }
    let running = Running::default();
    let mut tickets: VecDeque<(String, Ticket)> = VecDeque::new();
    for line in lines {
        message(line);
        let Some((message, kind)) = std::str::from_utf8(line).ok().and_then(|text| Envelope::read(text).ok()) else { continue };
        match (kind, message.id) {
            (Kind::Request, Some(id)) => {
                // A second request of one id takes the first one's place.
                tickets.retain(|(known, _)| known != id.get());
                tickets.push_back((id.get().to_owned(), running.begin(id)));
                tickets.drain(..tickets.len().saturating_sub(IN_THE_AIR));
            }
            (Kind::Notification, _) => heard(&running, &message, &tickets),
            (Kind::Request | Kind::Answer, _) => {}
        }
    }
}

fn heard(running: &Running, message: &Envelope<'_>, tickets: &VecDeque<(String, Ticket)>) {
    let cancelled = || tickets.iter().filter(|(_, ticket)| ticket.cancelled.is_cancelled()).count();
    let before = cancelled();
    running.hear(message);
    assert!(cancelled() == before || message.method.as_deref() == Some("notifications/cancelled"), "nothing else cancels");
    assert!(cancelled() <= before + 1, "a notification cancels one request at most");
}

fn answered(id: Option<&RawValue>, code: i32, text: &str) {
    let (_, body) = error_answer(StatusCode::BAD_REQUEST, id, code, text);
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert_eq!(answer.get("jsonrpc"), Some(&Value::from("2.0")), "an answer is JSON-RPC");
    let sent = id.map(|id| serde_json::from_str::<Value>(id.get()).unwrap_or_default());
    assert_eq!(answer.get("id"), Some(&sent.unwrap_or_default()), "the id is echoed");
}
