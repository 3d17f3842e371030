//! What this daemon serves over HTTP: the dispatch's tools, on both lanes.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backend::{Asked, Backend, Busy, CallAnswer, ListChanges, Listing},
    envelope::{ClientInfo, Meta},
    fast::{MODERN, http_client},
    handler::{Handler, Scope, ServerSettings},
    listing, observed,
    result::call_result,
    watch::ListWatch,
};
use crate::{
    dispatch::{Call, Client, Dispatch, NobodyAsked, Outcome},
    gate::{Caller, Gate, Refusal},
};

/// The tools of the dispatch.
#[derive(Debug)]
pub struct Product {
    dispatch: Arc<Dispatch>,
    server_meta: Box<RawValue>,
    list_ttl_ms: u64,
    watch: ListWatch,
    handler: Handler,
}

impl Product {
    /// Serves what `dispatch` offers. `stop` ends subscriptions; `tasks` runs what watches for changes.
    pub fn new(dispatch: Arc<Dispatch>, gate: Arc<Gate>, settings: ServerSettings, stop: CancellationToken, tasks: &TaskTracker) -> Self {
        let server_meta = to_raw_value(&settings.meta()).unwrap_or_else(|_| RawValue::NULL.to_owned());
        let watch = ListWatch::start(Arc::clone(&dispatch), Arc::clone(&gate), stop.clone(), tasks);
        let list_ttl_ms = settings.list_ttl_ms;
        let handler = Handler {
            dispatch: Arc::clone(&dispatch),
            gate,
            settings: Arc::new(settings),
            scope: Scope::Request,
            watch: watch.clone(),
            stop,
        };
        Self { dispatch, server_meta, list_ttl_ms, watch, handler }
    }

    /// What has more to say than the lane has words for: worded as rmcp words it.
    fn in_full(&self, outcome: Outcome, protocol: &str) -> CallAnswer {
        let result = call_result(outcome, self.handler.settings.meta_for(protocol)).map(|mut result| {
            // Revisions before 2026-07-28 know no kinds of results.
            result.result_type = result.result_type.filter(|_| protocol == MODERN);
            to_raw_value(&result)
        });
        match result {
            Ok(Ok(raw)) => CallAnswer::Whole(raw),
            Ok(Err(error)) => CallAnswer::Error { code: -32603, message: format!("Internal error: the result cannot be written: {error}") },
            Err(error) => CallAnswer::Error { code: error.code.0, message: error.message.into_owned() },
        }
    }
}

/// The client of a request of which only the headers are read.
fn client_of(headers: &HeaderMap) -> Client {
    let version = headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok()).unwrap_or_default();
    http_client(headers, version.chars().take(20).collect::<String>(), None)
}

impl Backend for Product {
    type Handler = Handler;

    fn handler(&self) -> Handler {
        self.handler.clone()
    }

    fn server_meta(&self) -> &RawValue {
        &self.server_meta
    }

    fn list_ttl_ms(&self) -> u64 {
        self.list_ttl_ms
    }

    fn list(&self, asked: &Asked<'_>) -> Option<Arc<Listing>> {
        Some(listing::of(&self.dispatch.catalogue().offers(asked.caller)))
    }

    /// What has one result, and no headers that repeat its arguments.
    fn takes(&self, asked: &Asked<'_>, tool: &str) -> bool {
        let catalogue = self.dispatch.catalogue();
        let plain = !catalogue.repeats_arguments() || catalogue.definition_called(tool).is_none_or(|known| !known.param_headers);
        plain && !(asked.meta.is_some_and(Meta::wants_more) && self.dispatch.is_long(asked.caller, tool))
    }

    async fn call(&self, asked: &Asked<'_>, tool: &str, arguments: Option<Map<String, Value>>) -> CallAnswer {
        let said = asked.meta.and_then(|meta| meta.client.as_ref()).map(ClientInfo::text);
        let traced = observed::traced(asked.meta.and_then(Meta::traceparent), Some(asked.headers), asked.id);
        let client = Client { traced, ..http_client(asked.headers, asked.protocol, said) };
        let call = Call { caller: asked.caller, tool, arguments, client, progress: &NobodyAsked };
        match self.dispatch.call(call).await {
            Outcome::Answer(json) => CallAnswer::Json(json),
            Outcome::Failed(text) => CallAnswer::Failed(text),
            Outcome::UnknownTool(text) => CallAnswer::UnknownTool(text),
            Outcome::Limited(exceeded) => CallAnswer::Busy(Box::new(Busy::from(&*exceeded))),
            noted @ Outcome::Noted(..) => self.in_full(noted, asked.protocol),
        }
    }

    fn lacks(&self, caller: &Caller, tool: &str) -> Option<Refusal> {
        self.dispatch.lacks(caller, tool)
    }

    async fn admit(&self, caller: &Caller, headers: &HeaderMap, method: &str) -> Result<(), Box<Busy>> {
        let admitted = self.dispatch.admit(caller, method, || client_of(headers)).await;
        admitted.map_err(|exceeded| Box::new(Busy::from(&*exceeded)))
    }

    async fn refused(&self, refusal: &Refusal, headers: &HeaderMap) {
        self.dispatch.refused(refusal, "", client_of(headers)).await;
    }

    fn changes(&self, caller: &Caller) -> Option<ListChanges> {
        Some(self.watch.changes(caller.clone()))
    }
}
