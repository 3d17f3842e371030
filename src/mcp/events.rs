//! Event streams: their text, and the headers that keep proxies from holding it back.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use futures_util::{Stream, StreamExt};
use http::{HeaderValue, header};

/// How long a stream may be silent. Clients and proxies give up at 15 s and more.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A comment: clients ignore it.
pub(super) const COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// One event. A line break can only stand between the parts of a JSON text, where a space does as well.
pub(super) fn event(name: &str, data: &str) -> Bytes {
    if data.contains(['\r', '\n']) {
        return event(name, &data.replace(['\r', '\n'], " "));
    }
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// A response that lasts as long as `events` does.
pub(super) fn response(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would collect the events of minutes before it passes any on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_data() {
        assert_eq!(event("message", "{\n\"a\":1\r\n}"), "event: message\ndata: { \"a\":1  }\n\n");
    }
}
