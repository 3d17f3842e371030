//! The admin side: one set of calls, and the skins over it.
//!
//! ```text
//! calls    everything that can be seen and done, one file per subject; the command line calls it too
//! api      the REST API, /api/v1
//! panel    the pages, /panel
//! compat   the existing app's paths
//! entry    who gets in: sign-in, sessions, tokens, CSRF, and what a route asks for
//! state    what the routes share
//! who      who is asking, and what a role may do
//! language in which language somebody is answered
//! ```
//!
//! A skin decides how something looks and nothing else: what the panel does, the API does.

pub mod api;
pub mod calls;
mod compat;
mod entry;
pub mod language;
mod panel;
mod state;
mod who;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};

pub use self::{
    calls::{CallError, Calls, Field, Parts, Running},
    state::{AdminState, EntrySettings},
    who::{Right, Role, Who},
};

/// Every route is at or below one of these.
pub const BELOW: &[&str] = &["/", "/panel", "/api/v1", "/mcp/admin", "/registration-automation", "/admin/registration-automation"];

/// Every route of the admin side, behind its door.
///
/// `route_layer` and not `layer`: a listener that several sections share must not put the door in front of the others.
pub fn router(state: AdminState) -> Router {
    let api = api::router().route_layer(from_fn_with_state(state.clone(), entry::once));
    let compat = compat::router().route_layer(from_fn_with_state(state.clone(), entry::once));
    skins(api, compat)
        .method_not_allowed_fallback(api::frame::no_such_method)
        .route_layer(from_fn_with_state(state.clone(), entry::guard))
        .route_layer(from_fn(api::frame::localised))
        .route_layer(from_fn(compat::enveloped))
        .route_layer(from_fn_with_state(state.clone(), entry::carried))
        .with_state(state)
}

fn skins(api: Router<AdminState>, compat: Router<AdminState>) -> Router<AdminState> {
    api.merge(compat).merge(panel::router())
}

#[cfg(test)]
mod routes_tests;
