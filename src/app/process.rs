//! What the process knows of itself, for the server's page.

use std::sync::Arc;

use super::{listeners::Listeners, serve::Parts};
use crate::{
    admin::calls::server::{HeldOpen, Process},
    mcp::{Endpoint, Product},
};

/// The facts of this process.
pub(super) fn facts(parts: &Parts, listeners: &Listeners, endpoint: &Endpoint<Product>) -> Process {
    let endpoint = endpoint.clone();
    let held = move || {
        let held = endpoint.held();
        HeldOpen { sessions: held.sessions, event_streams: held.event_streams }
    };
    Process {
        loaded: Arc::clone(&parts.loaded),
        listeners: listeners.facts().into(),
        held: Arc::new(held),
        again: parts.again.clone(),
        file: Arc::default(),
    }
}
