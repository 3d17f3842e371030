//! How many subscriptions (`subscriptions/listen`, 2026-07-28) each holder of a credential keeps open.
//!
//! Such a stream asks for nothing more and lasts as long as its client likes: without an end to their number, one key could
//! take all connections and much memory with requests that no rate notices.

use axum::{body::Body, response::Response};
use futures_util::{StreamExt, future};
use http::header;
use serde_json::json;

use super::{
    backend::Busy,
    places::{Place, Places},
    principal::Principal,
    sessions::holding,
};
use crate::gate::{Caller, limits::CODE};

/// The method that opens one.
pub(super) const LISTEN: &str = "subscriptions/listen";
/// Seconds until another attempt is worth it.
const AGAIN: u64 = 5;

/// Counts open subscriptions.
#[derive(Debug)]
pub(super) struct Subscriptions {
    per_key: usize,
    open: Places,
}

impl Subscriptions {
    /// As many as `per_key` for each holder.
    pub(super) fn new(per_key: usize) -> Self {
        Self { per_key, open: Places::new(per_key, usize::MAX) }
    }

    /// A place for one more; the error is what a caller hears who has all of them.
    pub(super) fn enter(&self, caller: &Caller) -> Result<Place, Box<Busy>> {
        self.open.take(Principal::of(caller)).map_err(|_| Box::new(full(self.per_key)))
    }
}

fn full(max: usize) -> Busy {
    let message = format!(
        "错误 / Error: 此密钥已打开 {max} 个订阅，达到上限（mcp.subscription_streams），请先关闭一个。 / This key holds {max} subscriptions open, which is all it may (`mcp.subscription_streams`). Close one first."
    );
    let data = json!({"limit": "mcp.subscription_streams", "scope": "key", "value": max, "retryAfterSeconds": AGAIN});
    Busy { code: CODE, message, data, retry_after: AGAIN }
}

/// The response, which holds its place for as long as it streams; what is no stream gives it back at once.
pub(super) fn held_open(response: Response, place: Option<Place>) -> Response {
    let streams = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    match place {
        Some(place) if streams => response.map(|body| {
            let said = body.into_data_stream().filter_map(|chunk| future::ready(chunk.ok()));
            Body::from_stream(holding(said, place))
        }),
        _ => response,
    }
}
