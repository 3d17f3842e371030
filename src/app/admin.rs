//! The admin side's parts.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{automation::Shared, core::Core, data_dir::RunFile};
use crate::{
    admin::{
        AdminState, CallError, Calls, EntrySettings, Parts, Running,
        calls::{figures::Memory, server::Process},
    },
    secret::SecretText,
    store::audit::By,
};

impl Core {
    /// What the routes of the admin side share.
    pub(super) fn admin(&self, shared: &Shared, process: Process, stop: &CancellationToken, tasks: &TaskTracker) -> AdminState {
        let running = Running {
            hub: shared.hub.clone(),
            wake: Arc::clone(&shared.wake),
            desk: Arc::clone(&shared.desk),
            started_at: self.clock.now_ms(),
            stop: stop.clone(),
            process,
        };
        AdminState::new(self.calls(Some(running)), EntrySettings::of(&self.config.admin), stop.clone(), tasks.clone())
    }

    /// The address of the panel for people: the public one, or that of the listener; none when it is switched off.
    pub fn panel_root(&self, run: Option<&RunFile>) -> Option<String> {
        let admin = &self.config.admin;
        if !admin.enabled {
            return None;
        }
        if let Some(origin) = admin.public_origin() {
            return Some(origin);
        }
        let listener = run.and_then(|run| run.admin.clone()).unwrap_or_else(|| format!("http://{}", admin.listen));
        // "Every address" is none that a browser could ask.
        Some(listener.replace("://0.0.0.0:", "://localhost:").replace("://[::]:", "://localhost:"))
    }

    /// A setup link, while nobody administers and the panel is served.
    pub async fn setup_link(&self, run: Option<&RunFile>, by: By) -> Result<Option<SecretText>, CallError> {
        let calls = self.calls(None);
        match self.panel_root(run) {
            Some(root) if !calls.has_administrator()? => calls.new_setup_link(&root, by).await.map(Some),
            _ => Ok(None),
        }
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
