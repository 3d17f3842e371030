//! How many subscriptions (`subscriptions/listen`, 2026-07-28) each holder of a credential keeps open.
//!
//! Such a stream asks for nothing more and lasts as long as its client likes: without an end to their number, one key could
//! take all connections and much memory with requests that no rate notices.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{body::Body, response::Response};
use futures_util::{StreamExt, future};
use http::header;
use serde_json::json;

use super::{backend::Busy, principal::Principal, sessions::holding};
use crate::gate::{Caller, limits::CODE};

/// The method that opens one.
pub(super) const LISTEN: &str = "subscriptions/listen";
/// Seconds until another attempt is worth it.
const AGAIN: u64 = 5;

/// Subscriptions by holder; only holders of at least one, so that the map is never larger than what is open.
type Counts = Arc<Mutex<HashMap<Principal, usize>>>;

/// Counts open subscriptions.
#[derive(Debug)]
pub(super) struct Subscriptions {
    per_key: usize,
    open: Counts,
}

/// The place of one subscription; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    holder: Principal,
    open: Counts,
}

impl Subscriptions {
    /// As many as `per_key` for each holder.
    pub(super) fn new(per_key: usize) -> Self {
        Self { per_key, open: Arc::default() }
    }

    /// A place for one more; the error is what a caller hears who has all of them.
    pub(super) fn enter(&self, caller: &Caller) -> Result<Place, Box<Busy>> {
        self.place(Principal::of(caller)).ok_or_else(|| Box::new(full(self.per_key)))
    }

    fn place(&self, holder: Principal) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let held = open.get(&holder).copied().unwrap_or_default();
        if held >= self.per_key {
            return None;
        }
        open.insert(holder.clone(), held + 1);
        Some(Place { holder, open: Arc::clone(&self.open) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.holder) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                open.remove(&self.holder);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_so_many_places_and_gives_them_back() {
        let subscriptions = Subscriptions::new(2);
        let (mei, lan) = (Principal::named("g", "mei"), Principal::named("g", "lan"));
        let (first, second) = (subscriptions.place(mei.clone()).unwrap(), subscriptions.place(mei.clone()));
        assert!(second.is_some() && subscriptions.place(mei.clone()).is_none());
        assert!(subscriptions.place(lan).is_some(), "another key has its own");
        drop(first);
        assert!(subscriptions.place(mei).is_some());
        drop(second);
        assert!(subscriptions.open.lock().unwrap().is_empty(), "holders of nothing are forgotten");
    }
}
