//! The call log as people and programs see it: redacted for everybody, with the names of groups and keys.
//!
//! No look at it takes long, however long the log is: a page that a filter finds too little for ends early, says how far
//! it came, and the next one goes on from there. What callers sent and were answered is shown to nobody without a reason,
//! which becomes a row of the audit log before anything is shown.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use self::view::{kept, parsed, view};
pub use self::{
    query::CallQuery,
    view::{CallBatch, CallBodies, CallChoices, CallDetail, CallGroup, CallKey, CallView, CallsListed, Kept},
};
pub(super) use self::{query::moment, view::redacted};
use super::{CallError, Calls, pages, said, with_reason};
use crate::{
    clock::rfc3339,
    store::{
        StoreError,
        audit::{By, Change},
        call_log_read::{Bounds, CallFilter, LoggedCall, Place},
    },
};

mod query;
mod view;

/// Rows that one page may read.
const READ: u32 = 5_000;
/// How long reading a page may take before it ends early.
const PAGE_TIME: Duration = Duration::from_millis(250);
/// After this time a read is interrupted, whatever holds it up.
const LAST_RESORT: Duration = Duration::from_secs(5);
/// Calls of one batch of the live tail.
const BATCH: usize = 200;
/// How calls end, as the log writes it.
pub(in crate::admin) const OUTCOMES: [&str; 10] =
    ["ok", "tool_error", "invalid_arguments", "timeout", "cancelled", "panic", "unknown_tool", "refused", "limited", "out_of_scope"];

impl Calls {
    /// A page of the call log.
    pub async fn logged_calls(&self, query: &CallQuery, limit: u32, cursor: Option<&str>) -> Result<CallsListed, CallError> {
        let filter = self.call_filter(query)?;
        let from = pages::read(cursor)?.map(|(at, id)| Place { at, id });
        let bounds = Bounds { rows: limit as usize, read: READ, time: PAGE_TIME, bodies: false };
        let page = in_time(self.store.calls_page(filter, from, bounds)).await?;
        Ok(CallsListed {
            items: self.call_views(&page.calls)?,
            next_cursor: page.next.map(|place| pages::cursor(place.at, place.id)),
            scanned_until: page.next.filter(|_| page.ended_early).map(|place| rfc3339(place.at)),
        })
    }

    /// One call, redacted.
    pub fn logged_call(&self, call_id: &str) -> Result<CallDetail, CallError> {
        let call = self.found_call(call_id)?;
        let (request, response) = redacted(&call);
        let kept = kept(&call);
        let view = self.call_views(&[call])?.pop().ok_or_else(|| unknown_call(call_id))?;
        Ok(CallDetail { call: view, request, response, kept })
    }

    /// Arguments and result of a call as the log holds them. Who looked, and why, is written down first.
    pub async fn call_bodies(&self, call_id: &str, (by, reason): (By, &str)) -> Result<CallBodies, CallError> {
        let by = with_reason(by, Some(reason))?;
        let call = self.found_call(call_id)?;
        let kept = kept(&call);
        let change = Change::new("call.bodies", format!("call/{call_id}")).after(json!({"tool": call.tool_name, "kept": kept}));
        self.store.audit(by, change).await?;
        Ok(CallBodies { call_id: call.call_id, request: parsed(call.request_data), response: parsed(call.response_data), kept })
    }

    /// What came after the call with the number `after`, or from this moment on.
    pub async fn calls_since(&self, filter: &CallFilter, after: Option<i64>) -> Result<CallBatch, CallError> {
        let after = match after {
            Some(after) => after,
            None => self.store.newest_call()?,
        };
        let bounds = Bounds { rows: BATCH, read: READ, time: PAGE_TIME, bodies: false };
        let latest = in_time(self.store.calls_after(filter.clone(), after, bounds)).await?;
        Ok(CallBatch { items: self.call_views(&latest.calls)?, left_out: latest.left_out, seen: latest.seen })
    }

    /// What a filter may be chosen from.
    pub fn call_choices(&self) -> Result<CallChoices, CallError> {
        let policy = self.gate.policy().current()?;
        let tools: BTreeSet<_> = policy.groups().iter().flat_map(|group| &group.tools).map(|tool| tool.tool_name.clone()).collect();
        let keys = self.store.known_keys()?;
        Ok(CallChoices {
            groups: policy.groups().iter().map(|known| (known.group.server_code.clone(), known.group.name.clone())).collect(),
            tools: tools.into_iter().collect(),
            keys: keys.into_iter().map(|key| (key.id, format!("{} · {} …{}", key.group, key.name, key.hint))).collect(),
            outcomes: &OUTCOMES,
        })
    }

    /// Calls with the names of their groups and keys.
    pub(in crate::admin) fn call_views(&self, calls: &[LoggedCall]) -> Result<Vec<CallView>, CallError> {
        let ids =
            |of: fn(&LoggedCall) -> Option<&str>| calls.iter().filter_map(of).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        let names = self.store.call_names(&ids(|call| call.group_id.as_deref()), &ids(|call| call.key_id.as_deref()))?;
        Ok(calls.iter().map(|call| view(call, &names)).collect())
    }

    fn found_call(&self, call_id: &str) -> Result<LoggedCall, CallError> {
        self.store.logged_call(call_id)?.ok_or_else(|| unknown_call(call_id))
    }
}

fn unknown_call(call_id: &str) -> CallError {
    let call_id: String = call_id.chars().take(64).collect();
    CallError::not_found(
        format!("调用日志中没有 {call_id}：可能还没有写入，或者已经过期清理"),
        format!("the call log has no {call_id}: it is not written yet, or was deleted when it was old"),
    )
}

/// A read that is interrupted when something holds it up.
pub(super) async fn in_time<T>(read: impl Future<Output = Result<T, StoreError>>) -> Result<T, CallError> {
    match tokio::time::timeout(LAST_RESORT, read).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(CallError::Unavailable(said(
            "数据库太忙，没有在限定时间内读完；请稍后再试，或缩小时间范围。",
            "The database was too busy to read it in time; try again shortly, or ask for a shorter range.",
        ))),
    }
}

#[cfg(test)]
mod tests;
