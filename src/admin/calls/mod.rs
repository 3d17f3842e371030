//! The calls: everything that the panel, the API and the command line see and do, one file per subject.
//!
//! A call takes plain arguments and whoever does it (`By`), checks what was given, and returns a view: a struct that is
//! serialised for programs and shown on pages. It knows no HTTP, no template and no terminal. What only a running daemon
//! knows (who is connected, how agents are doing) comes from [`Running`]; a command beside the daemon has none.

mod accounts;
pub mod agents;
pub mod alerts;
mod audit;
mod because;
pub mod call_export;
pub mod call_log;
pub mod channels;
pub mod consultants;
pub mod conversations;
mod error;
pub mod errors;
pub mod events;
pub mod figures;
pub mod health;
pub mod jobs;
pub mod notifications;
mod outside;
mod pages;
pub mod registrations;
pub mod replay;
mod second_factor;
pub mod server;
pub mod server_config;
mod sessions;
pub mod settings;
mod setup;
pub(in crate::admin) mod sign_in;
mod still;
pub mod timeline;
pub mod verify;
mod words;

#[cfg(test)]
#[path = "bench_for_tests.rs"]
pub(in crate::admin) mod bench;

pub mod connect;
pub mod groups;
pub mod impact;
pub mod keys;
pub mod limits;
pub mod oauth;
pub mod tools;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

pub use self::{
    accounts::{AccountEdit, AccountView, NewAccount, Opening},
    audit::{AuditEntry, AuditProof, AuditQuery},
    error::{CallError, Field},
    second_factor::{Enrolment, RecoveryCodes, SecondFactorView},
    sessions::{MadeToken, NewToken, SessionView, TokenView},
    setup::{FirstChoice, LINK_FILE},
    sign_in::{Credentials, Place, Recognised, SignedIn},
    words::Words,
};
pub(in crate::admin) use self::{
    because::{because, with_reason},
    error::said,
};
use crate::{
    clock::SharedClock,
    config::Config,
    dispatch::Dispatch,
    gate::{Gate, accounts::Accounts, oauth::tokens::Tokens},
    live::Hub,
    registration::Desk,
    secret::MasterKey,
    settings::Book,
    store::Store,
};

/// What the calls work with.
#[derive(Clone)]
pub struct Parts {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// The key that seals secrets.
    pub master: Arc<MasterKey>,
    /// The runtime settings.
    pub settings: Book,
    /// Who may call tools.
    pub gate: Arc<Gate>,
    /// Tokens of the authorization server.
    pub tokens: Arc<Tokens>,
    /// Who signs in with a password.
    pub accounts: Arc<Accounts>,
    /// The tools.
    pub dispatch: Arc<Dispatch>,
    /// Figures that were read a moment ago.
    pub figures: Arc<figures::Memory>,
    /// What only a running daemon knows.
    pub running: Option<Running>,
}

/// What only a running daemon knows.
#[derive(Clone)]
pub struct Running {
    /// Who is connected.
    pub hub: Hub,
    /// Tells the queue that there is a job.
    pub wake: Arc<Notify>,
    /// Where agents are asked, once the automation has started.
    pub desk: Arc<OnceLock<Arc<Desk>>>,
    /// When the daemon started, in milliseconds.
    pub started_at: i64,
    /// Ends the daemon softly.
    pub stop: CancellationToken,
    /// What the process knows of itself.
    pub process: server::Process,
}

/// The calls. Cheap to clone.
#[derive(Clone)]
pub struct Calls(Arc<Parts>);

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl std::ops::Deref for Calls {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Calls {
    /// Calls on these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The entries, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}

/// What somebody changed on an old version of it.
pub(in crate::admin) fn stale(current: &impl Serialize, version: i64) -> CallError {
    CallError::Stale { current: Box::new(serde_json::to_value(current).unwrap_or_default()), version }
}
