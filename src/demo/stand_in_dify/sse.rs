//! The stream as Dify writes it: `data: {json}`, an empty line, and bare pings in between.

use std::{io, time::Duration};

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream::poll_fn;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

/// Dify pings this often.
const PING: Duration = Duration::from_secs(10);

/// Writes events to one client. When the client is gone, what is written is lost and the run goes on, as with Dify.
#[derive(Debug)]
pub(super) struct Emitter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    /// The ids that every event carries.
    ids: Map<String, Value>,
}

impl Emitter {
    /// A stream whose events carry `ids`, and the response that sends it.
    pub(super) fn new(ids: Map<String, Value>) -> (Self, Response) {
        let (sender, mut receiver) = mpsc::channel(64);
        let body = Body::from_stream(poll_fn(move |context| receiver.poll_recv(context)));
        let kind = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
        (Self { sender, ids }, (StatusCode::OK, kind, body).into_response())
    }

    /// One event. `fields` is an object.
    pub(super) async fn event(&self, name: &str, fields: Value) {
        let mut event = Map::new();
        event.insert("event".into(), name.into());
        event.extend(self.ids.clone());
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        self.raw(format!("data: {}\n\n", Value::Object(event))).await;
    }

    /// Dify's ping: an event without data, which by the rules of SSE is none.
    pub(super) async fn ping(&self) {
        self.raw("event: ping\n\n").await;
    }

    /// Any bytes.
    pub(super) async fn raw(&self, bytes: impl Into<Bytes>) {
        if self.sender.send(Ok(bytes.into())).await.is_err() {
            tracing::trace!("the stand-in's client is gone");
        }
    }

    /// Breaks the connection.
    pub(super) async fn cut(&self) {
        if self.sender.send(Err(io::Error::other("cut, as configured"))).await.is_err() {
            tracing::trace!("the stand-in's client was gone before its connection was cut");
        }
    }

    /// Whether the client has gone.
    pub(super) fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits, pinging.
    pub(super) async fn wait(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        loop {
            let next = tokio::time::Instant::now() + PING;
            if next >= end {
                return tokio::time::sleep_until(end).await;
            }
            tokio::time::sleep_until(next).await;
            self.ping().await;
        }
    }
}
