//! What watches over the automation, each as a task of its own: one that fails takes nothing with it.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{core::Core, housekeeping::Housekeeper};
use crate::{
    alerts::{Breakers, Watcher, WatcherParts},
    registration::{Desk, RolloutGuard, choice::breaker::State},
};

/// How often conditions are looked at.
const WATCH: Duration = Duration::from_secs(2);
/// How often roll-outs are judged: each look reads the runs since the roll-out began.
const JUDGE: Duration = Duration::from_secs(10);
/// How often old rows are deleted.
const HOUSEKEEPING: Duration = Duration::from_hours(1);

struct DeskBreakers(Arc<Desk>);

impl Breakers for DeskBreakers {
    fn open_breakers(&self) -> Vec<(String, String)> {
        let views = self.0.breakers().into_iter();
        views
            .filter_map(|(agent, view)| match view.state {
                State::Closed => None,
                State::Open { reason, .. } | State::HalfOpen { reason, .. } => Some((agent, reason.to_string())),
            })
            .collect()
    }
}

/// Starts the watcher, the guard of roll-outs and the housekeeper.
pub(super) fn start(core: &Core, desk: Arc<Desk>, wake: &Arc<Notify>, stop: &CancellationToken, tasks: &TaskTracker) {
    let watcher = Watcher::new(WatcherParts {
        store: core.store.clone(),
        book: core.settings.clone(),
        clock: Arc::clone(&core.clock),
        breakers: Arc::new(DeskBreakers(desk)),
        wake: Arc::clone(wake),
        period: WATCH,
    });
    let guard = RolloutGuard {
        store: core.store.clone(),
        book: core.settings.clone(),
        clock: Arc::clone(&core.clock),
        wake: Arc::clone(wake),
        period: JUDGE,
    };
    let housekeeper = Housekeeper {
        store: core.store.clone(),
        book: core.settings.clone(),
        clock: Arc::clone(&core.clock),
        unused_client_ms: core.config.oauth.unused_client_expiry.as_ms(),
        period: HOUSEKEEPING,
    };
    tasks.spawn(watcher.run(stop.clone()));
    tasks.spawn(guard.run(stop.clone()));
    tasks.spawn(housekeeper.run(stop.clone()));
}
