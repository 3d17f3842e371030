//! The panel: pages made on the server, one file per page, over the calls.
//!
//! A page works without script: forms are sent and answered by a redirect, lists are links. Script renews the live
//! parts and draws the charts, whose numbers stand in a table beside them. Nothing is asked of any other host.

mod assets;
mod form;
pub(in crate::admin) mod frame;
mod live;
mod preferences;
mod texts;

use axum::{
    Router,
    routing::{get, post},
};

/// Marks the files of this version, so that browsers fetch those of another anew.
pub(in crate::admin) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The pages. Each file adds its own.
pub(in crate::admin) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/panel/assets/{name}", get(assets::asset)).route("/panel/preferences", post(preferences::choose))
}
