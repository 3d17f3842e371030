//! The REST API, `/api/v1`: thin handlers over the calls, one file per subject.

mod accounts;
mod agents;
mod alerts;
mod answers;
mod audit;
mod because;
pub(in crate::admin) mod calls;
mod consultants;
mod conversations;
mod document;
mod events;
pub mod frame;
mod groups;
mod jobs;
mod keys;
mod limits;
mod me;
mod metrics;
mod notifications;
mod oauth;
mod registrations;
mod server;
mod settings;
pub(in crate::admin) mod tools;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Extension,
    response::Redirect,
    routing::{any, get},
};
use http::StatusCode;
use utoipa::{OpenApi, openapi::OpenApi as Document};
use utoipa_axum::router::OpenApiRouter;

use self::frame::ApiError;
use super::{calls::said, entry::Reader, state::AdminState};

/// Every route, with its description.
fn described() -> OpenApiRouter<AdminState> {
    let mut routes = OpenApiRouter::with_openapi(document::Common::openapi())
        .merge(agents::routes())
        .merge(alerts::routes())
        .merge(calls::routes())
        .merge(events::routes())
        .merge(jobs::routes())
        .merge(metrics::routes())
        .merge(notifications::routes())
        .merge(server::routes())
        .merge(settings::routes())
        .merge(groups::routes())
        .merge(keys::routes())
        .merge(limits::routes())
        .merge(oauth::routes())
        .merge(tools::routes())
        .merge(registrations::routes())
        .merge(conversations::routes())
        .merge(consultants::routes())
        .merge(accounts::routes())
        .merge(audit::routes())
        .merge(me::routes());
    document::complete(routes.get_openapi_mut());
    routes
}

/// The document that describes the API.
pub fn document() -> Document {
    described().into_openapi()
}

/// The routes, the document and the page that shows it.
pub(super) fn router() -> Router<AdminState> {
    let (routes, document) = described().split_for_parts();
    routes
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/docs", get(async || Redirect::permanent("/api/v1/docs/")))
        .route("/api/v1/docs/", get(document::index))
        .route("/api/v1/docs/{file}", get(document::file))
        .route("/api/v1/{*rest}", any(nothing))
        .route_layer(Extension(Arc::new(document)))
}

/// A path that there is not; who has not signed in does not hear which there are.
async fn nothing(_: Reader) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not-found", said("没有这个路径。", "There is nothing at this path."))
}

async fn openapi(_reader: Reader, Extension(document): Extension<Arc<Document>>) -> Json<Arc<Document>> {
    Json(document)
}
