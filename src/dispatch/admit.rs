//! The limits, where they meet requests: calls are counted in [`Dispatch::call`], everything else here.

use std::sync::Arc;

use super::{
    call::{Client, Dispatch, Outcome},
    record::{Entry, made_up},
};
use crate::gate::{
    Caller,
    limits::{Exceeded, Running},
};

impl Dispatch {
    /// Lets one request of `method` pass, which is not `tools/call`. A refusal is a row of the call log, under the
    /// method's name.
    pub async fn admit(&self, caller: &Caller, method: &str, client: impl FnOnce() -> Client) -> Result<(), Box<Exceeded>> {
        let Some(allowance) = &caller.allowance else { return Ok(()) };
        let now = self.clock.now_ms();
        let passed = if method == "tools/list" { allowance.list(now) } else { allowance.other(now) };
        let Err(exceeded) = passed else { return Ok(()) };
        let mut entry = Entry::begin(&self.recorder, self.clock.as_ref(), made_up(method), client());
        entry.group(Some(Arc::clone(&caller.group.id)), caller.shared_key_id());
        entry.finish("limited", None, Some(&exceeded.to_string())).await;
        Err(Box::new(exceeded))
    }

    /// Whether a call of `tool` would pass the limits at this moment. It takes nothing.
    pub(super) fn has_room(&self, caller: &Caller, tool: &str, now: i64) -> bool {
        let offers = self.catalogue.offers(caller);
        let tool = offers.meant(tool, now).and_then(|offer| offer.limits.as_ref());
        caller.allowance.as_ref().is_none_or(|allowance| allowance.has_room(now)) && tool.is_none_or(|limits| limits.has_room(now))
    }
}

/// Counts a call against the limits of its key; people at the machine itself have none.
pub(super) fn counted(caller: &Caller, now: i64) -> Result<Option<Running<'_>>, Exceeded> {
    caller.allowance.as_ref().map(|allowance| allowance.call(now)).transpose()
}

/// The end of a call that was not done.
pub(super) async fn limited(entry: Entry, exceeded: Exceeded) -> Outcome {
    entry.finish("limited", None, Some(&exceeded.to_string())).await;
    Outcome::Limited(Box::new(exceeded))
}
