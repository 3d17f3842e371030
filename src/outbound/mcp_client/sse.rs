//! HTTP+SSE of 2024-11-05: answers come on the stream of a GET, requests go to the address its first event names.

use http::HeaderMap;
use serde_json::Value;
use url::Url;

use super::{
    HttpTarget, Limits, McpError,
    message::Outgoing,
    streamable::{HttpWire, next_answer},
};
use crate::outbound::{event_stream::EventSource, http_client::HttpClient};

/// A server of the old transport.
pub(super) struct SseWire {
    wire: HttpWire,
    stream: Option<EventSource>,
}

impl SseWire {
    pub(super) fn new(http: HttpClient, target: HttpTarget, limits: Limits) -> Self {
        Self { wire: HttpWire::new(http, target, limits), stream: None }
    }

    pub(super) fn host(&self) -> String {
        self.wire.host()
    }

    /// Sends a request and reads the stream up to its answer.
    pub(super) async fn ask(&mut self, message: &Outgoing<'_>) -> Result<Value, McpError> {
        self.open().await?;
        self.wire.tell(message, HeaderMap::new()).await?;
        let (host, after) = (self.wire.host(), self.wire.limits().timeout);
        let Some(stream) = &mut self.stream else { return Err(ended(host)) };
        let answer = next_answer(stream, message.id.unwrap_or_default(), &host);
        tokio::time::timeout(after, answer).await.unwrap_or(Err(McpError::Timeout { host, after }))
    }

    /// Sends a notification.
    pub(super) async fn tell(&mut self, message: &Outgoing<'_>) -> Result<(), McpError> {
        self.open().await?;
        self.wire.tell(message, HeaderMap::new()).await
    }

    /// The session of the old transport ends with its stream.
    pub(super) fn close(&mut self) {
        self.stream = None;
    }

    async fn open(&mut self) -> Result<(), McpError> {
        if self.stream.is_some() {
            return Ok(());
        }
        let mut stream = self.wire.open_stream().await?;
        let (host, after) = (self.wire.host(), self.wire.limits().timeout);
        let named = tokio::time::timeout(after, endpoint(&mut stream, &host)).await;
        let named = named.unwrap_or(Err(McpError::Timeout { host: host.clone(), after }))?;
        let url = same_origin(self.wire.url(), &named).map_err(|why| McpError::NotMcp { host, why })?;
        self.wire.move_to(url);
        self.stream = Some(stream);
        Ok(())
    }
}

fn ended(host: String) -> McpError {
    McpError::NotMcp { host, why: "the stream ended".into() }
}

/// The address in the first event.
async fn endpoint(stream: &mut EventSource, host: &str) -> Result<String, McpError> {
    loop {
        let event = stream.next().await.map_err(|fault| McpError::of_stream(host, fault))?;
        let event = event.ok_or_else(|| ended(host.to_owned()))?;
        if event.event == "endpoint" {
            return Ok(event.data);
        }
        if !event.data.is_empty() {
            return Err(McpError::NotMcp {
                host: host.to_owned(),
                why: format!("the stream began with `{}` and not with `endpoint`", event.event),
            });
        }
    }
}

/// Where to post: on the same origin only, because the key goes there.
fn same_origin(base: &Url, named: &str) -> Result<Url, String> {
    let url = base.join(named.trim()).map_err(|error| format!("the stream names an address that is none: {error}"))?;
    if url.origin() == base.origin() {
        Ok(url)
    } else {
        Err("the stream names an address on another origin; the key is not sent there".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_on_its_origin() {
        let base: Url = "http://127.0.0.1:8000/server/a/sse".parse().unwrap();
        assert_eq!(same_origin(&base, "/mcp/messages?sessionId=1").unwrap().as_str(), "http://127.0.0.1:8000/mcp/messages?sessionId=1");
        assert_eq!(same_origin(&base, "messages?x").unwrap().as_str(), "http://127.0.0.1:8000/server/a/messages?x");
        for other in ["http://127.0.0.1:8001/x", "https://127.0.0.1:8000/x", "//evil.example/x", "http://["] {
            assert!(same_origin(&base, other).is_err(), "{other}");
        }
    }
}
