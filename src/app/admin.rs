//! The admin side's parts.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{automation::Shared, core::Core};
use crate::admin::{
    AdminState, Calls, EntrySettings, Parts, Running,
    calls::{figures::Memory, server::Process},
};

impl Core {
    /// What the routes of the admin side share.
    pub(super) fn admin(&self, shared: &Shared, process: Process, stop: &CancellationToken) -> AdminState {
        let running = Running {
            hub: shared.hub.clone(),
            wake: Arc::clone(&shared.wake),
            desk: Arc::clone(&shared.desk),
            started_at: self.clock.now_ms(),
            stop: stop.clone(),
            process,
        };
        AdminState::new(self.calls(Some(running)), EntrySettings::of(&self.config.admin), stop.clone())
    }

    /// Everything that can be seen and done, for the panel, the API and the command line. `running` is what only a
    /// daemon knows.
    pub fn calls(&self, running: Option<Running>) -> Calls {
        Calls::new(Parts {
            config: Arc::clone(&self.config),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            master: Arc::clone(&self.master),
            settings: self.settings.clone(),
            gate: Arc::clone(&self.gate),
            tokens: Arc::clone(&self.tokens),
            accounts: Arc::clone(&self.accounts),
            dispatch: Arc::clone(&self.dispatch),
            figures: Arc::new(Memory::new()),
            running,
        })
    }
}
