//! The admin side: one set of calls, and the skins over it.
//!
//! ```text
//! calls    everything that can be seen and done, one file per subject; the command line calls it too
//! api      the REST API, /api/v1
//! panel    the pages, /panel
//! entry    who gets in
//! state    what the routes share
//! who      who is asking, and what a role may do
//! language in which language somebody is answered
//! ```
//!
//! A skin decides how something looks and nothing else: what the panel does, the API does.

pub mod api;
pub mod calls;
mod entry;
pub mod language;
mod panel;
mod state;
mod who;

pub use self::{
    calls::{CallError, Calls, Field, Parts, Running},
    state::AdminState,
    who::{Right, Role, Who},
};

/// Every route of the admin side.
pub fn router(state: AdminState) -> axum::Router {
    api::router().merge(panel::router()).with_state(state)
}
