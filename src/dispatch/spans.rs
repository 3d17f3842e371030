//! What a trace shows of a call: method, tool, how it ended. Never with what it was called, or what it answered.

use std::{borrow::Cow, time::Duration};

use crate::{
    store::{Store, call_log::CallRow},
    telemetry::trace::{Attribute, Done, Kind, Place},
};

/// What is known of a call's span before the call is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// What the caller says it belongs to.
    pub parent: Option<Place>,
    /// The id of the JSON-RPC request.
    pub request_id: Option<String>,
}

impl Traced {
    /// A call about the subject of a run belongs to that run. Whoever calls may not know of its trace, or make up one of
    /// its own, as Dify does when it has no tracing.
    pub(super) fn belongs_to_run(&mut self, store: &Store, registration_id: &str) {
        match store.traceparent_of(registration_id) {
            Ok(text) => {
                let run = text.as_deref().and_then(Place::read);
                let joined = self.parent.filter(|parent| run.is_none_or(|run| run.is_in_trace_of(*parent)));
                self.parent = joined.or(run);
            }
            Err(error) => tracing::debug!(%error, "the trace of a run could not be looked up"),
        }
    }
}

/// The span of a call that is over. A name that a caller made up stays out: names of spans are to be few.
pub(super) fn call(traced: Traced, row: &CallRow, known: bool, took: Duration) {
    let tool = if known { row.tool_name.clone() } else { Cow::Borrowed("_other") };
    let mut attributes: Vec<(&'static str, Attribute)> = vec![
        ("mcp.method.name", "tools/call".into()),
        ("gen_ai.tool.name", Attribute::Text(tool.clone())),
        ("gen_ai.operation.name", "execute_tool".into()),
        ("network.transport", if row.channel == "http" { "tcp" } else { "pipe" }.into()),
    ];
    attributes.extend(traced.request_id.map(|id| ("jsonrpc.request.id", id.into())));
    if !row.protocol.is_empty() {
        attributes.push(("mcp.protocol.version", Attribute::Text(row.protocol.clone())));
    }
    attributes.extend(row.registration_id.clone().map(|id| ("anmei.registration.id", String::from(id).into())));
    let error_type = (row.outcome != "ok").then_some(row.outcome);
    Done { name: format!("tools/call {tool}").into(), kind: Kind::Server, parent: traced.parent, took, attributes, error_type }.send();
}
