//! Event streams as a client reads them, one event at a time.

use std::{collections::VecDeque, time::Duration};

use futures_util::{Stream, StreamExt};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// Longest that any event of a test may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An open response, read as events.
pub(crate) struct Events {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Comments that were skipped.
    pub(crate) comments: usize,
    chunks: std::pin::Pin<Box<dyn Stream<Item = Option<Vec<u8>>> + Send>>,
    text: String,
    ready: VecDeque<Event>,
}

impl Events {
    /// Sends a request and keeps its response open.
    pub(crate) async fn open(method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<String>) -> Self {
        let mut request = client().request(method.parse().unwrap(), url).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let chunks = Box::pin(response.bytes_stream().map(|chunk| chunk.ok().map(|chunk| chunk.to_vec())));
        Self { status, headers, comments: 0, chunks, text: String::new(), ready: VecDeque::new() }
    }

    /// The next event; nothing when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunks.next()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("nothing came and the stream did not end"))??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            self.split();
        }
    }

    /// The next comment.
    pub(crate) async fn comment(&mut self, within: Duration) {
        let before = self.comments;
        while self.comments == before {
            let chunk = tokio::time::timeout(within, self.chunks.next()).await.unwrap_or_else(|_| panic!("no comment came"));
            let chunk = chunk.unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            self.split();
        }
    }

    /// Whether nothing but comments comes for a while.
    pub(crate) async fn is_silent(&mut self, during: Duration) -> bool {
        tokio::time::timeout(during, self.next()).await.is_err()
    }

    fn split(&mut self) {
        while let Some((block, rest)) = self.text.split_once("\n\n") {
            let (mut name, mut data) = ("message".to_owned(), None);
            for line in block.lines() {
                match line.split_once(':') {
                    Some(("", _)) => self.comments += 1,
                    Some(("event", text)) => text.trim().clone_into(&mut name),
                    Some(("data", text)) => data = Some(text.trim().to_owned()),
                    _ => {}
                }
            }
            if let Some(data) = data {
                self.ready.push_back(Event { name, data });
            }
            self.text = rest.to_owned();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a client of the tests, not of the product")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
