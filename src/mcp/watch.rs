//! Who is told when a group's list of tools changes: everybody who waits, by one look for all of them.
//!
//! A change may be made by any process on the database, which nobody announces. One task asks for the policy's revision
//! as long as somebody waits; each of those then compares its own list.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{backend::ListChanges, listing};
use crate::{
    dispatch::Dispatch,
    gate::{Caller, Gate},
};

/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(250);

/// How often is asked for a caller whose end no change of the policy announces.
const ENDS: Duration = Duration::from_millis(500);

/// Tells of changes of the policy. One per process.
#[derive(Debug, Clone)]
pub(super) struct ListWatch {
    revision: Arc<watch::Sender<i64>>,
    dispatch: Arc<Dispatch>,
    gate: Arc<Gate>,
}

impl ListWatch {
    /// Watches until `stop`.
    pub(super) fn start(dispatch: Arc<Dispatch>, gate: Arc<Gate>, stop: CancellationToken, tasks: &TaskTracker) -> Self {
        let watch = Self { revision: Arc::new(watch::Sender::new(0)), dispatch, gate };
        tasks.spawn(look(watch.clone(), stop));
        watch
    }

    /// One item for each change of the bytes of the caller's list. Ends when the caller is no longer let in.
    pub(super) fn changes(&self, caller: Caller) -> ListChanges {
        let mut told = self.revision.subscribe();
        // What changed since the caller was let in would pass for seen.
        told.mark_changed();
        let watch = self.clone();
        stream::unfold((watch, told, caller), |(watch, mut told, mut caller)| async move {
            loop {
                let ends_by_itself = watch.gate.ends_by_itself(&caller);
                tokio::select! {
                    told = told.changed() => told.ok()?,
                    () = tokio::time::sleep(ENDS), if ends_by_itself => {}
                }
                // Nothing is known while the database does not answer.
                let Ok(fresh) = watch.gate.renew(&caller) else { continue };
                let fresh = fresh?;
                let changed = fresh.revision != caller.revision && watch.list(&fresh).json.get() != watch.list(&caller).json.get();
                caller = fresh;
                if changed {
                    return Some(((), (watch, told, caller)));
                }
            }
        })
        .boxed()
    }

    fn list(&self, caller: &Caller) -> Arc<listing::Listing> {
        listing::of(&self.dispatch.catalogue().offers(caller))
    }
}

async fn look(watch: ListWatch, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if watch.revision.receiver_count() == 0 {
            continue;
        }
        // A database that does not answer is said by whoever needs an answer.
        let Ok(policy) = watch.gate.policy().current() else { continue };
        watch.revision.send_if_modified(|held| std::mem::replace(held, policy.revision) != policy.revision);
    }
}
