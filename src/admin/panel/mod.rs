//! The panel: pages made on the server, one file per page, over the calls.
//!
//! A page works without script: forms are sent and answered by a redirect, lists are links. Script renews the live
//! parts and draws the charts, whose numbers stand in a table beside them. Nothing is asked of any other host.

mod accounts;
mod agent;
mod agent_form;
mod agent_version;
mod agents;
mod alerts;
mod amounts;
mod assets;
mod audit;
mod calls;
mod channels;
mod consultants;
mod conversations;
mod errors;
mod events;
mod form;
pub(in crate::admin) mod frame;
mod jobs;
mod live;
mod looked;
mod me;
mod notifications;
mod oauth;
mod once;
pub(in crate::admin) mod overview;
mod policy;
pub(in crate::admin) mod preferences;
mod registrations;
mod replays;
mod server;
mod settings;
mod shown;
mod sign_in;
mod texts;

use axum::{
    Router, middleware,
    response::Redirect,
    routing::{any, get, post},
};
use http::StatusCode;

use super::{entry::Reader, state::AdminState};

/// Marks the files of this version, so that browsers fetch those of another anew.
pub(in crate::admin) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The pages. Each file adds its own.
pub(in crate::admin) fn router() -> Router<AdminState> {
    let pages = Router::new()
        .route("/", get(async || Redirect::temporary("/panel/")))
        .route("/panel", get(async || Redirect::permanent("/panel/")))
        .route("/panel/preferences", post(preferences::choose))
        .merge(overview::routes())
        .merge(accounts::routes())
        .merge(audit::routes())
        .merge(me::routes())
        .merge(sign_in::routes())
        .merge(agents::routes())
        .merge(agent::routes())
        .merge(agent_version::routes())
        .merge(alerts::routes())
        .merge(channels::routes())
        .merge(events::routes())
        .merge(jobs::routes())
        .merge(notifications::routes())
        .merge(calls::routes())
        .merge(errors::routes())
        .merge(policy::routes())
        .merge(oauth::routes())
        .merge(registrations::routes())
        .merge(replays::routes())
        .merge(conversations::routes())
        .merge(consultants::routes())
        .route("/panel/{*rest}", any(nothing));
    let pages = pages.merge(server::routes()).merge(settings::routes());
    pages.route_layer(middleware::from_fn(frame::errors)).route("/panel/assets/{name}", get(assets::asset))
}

/// A page that there is not; who has not signed in does not hear which there are.
async fn nothing(_: Reader) -> StatusCode {
    StatusCode::NOT_FOUND
}
