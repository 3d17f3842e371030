//! The admin side's parts.

use std::sync::Arc;

use super::core::Core;
use crate::admin::{Calls, Parts, Running};

impl Core {
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
            running,
        })
    }
}
