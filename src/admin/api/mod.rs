//! The REST API, `/api/v1`: thin handlers over the calls, one file per subject.

mod answers;
mod consultants;
mod conversations;
mod document;
pub mod frame;
mod registrations;

use axum::{Json, Router, extract::Extension, middleware, response::Redirect, routing::get};
use std::sync::Arc;
use utoipa::{OpenApi, openapi::OpenApi as Document};
use utoipa_axum::router::OpenApiRouter;

use super::{entry::Reader, state::AdminState};

/// Every route, with its description.
fn described() -> OpenApiRouter<AdminState> {
    OpenApiRouter::with_openapi(document::Common::openapi())
        .merge(registrations::routes())
        .merge(conversations::routes())
        .merge(consultants::routes())
}

/// The document that describes the API.
pub fn document() -> Document {
    described().into_openapi()
}

/// The routes, the document and the page that shows it.
pub(super) fn router() -> Router<AdminState> {
    let (routes, document) = described().split_for_parts();
    let routes = routes
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/docs", get(async || Redirect::permanent("/api/v1/docs/")))
        .route("/api/v1/docs/", get(document::index))
        .route("/api/v1/docs/{file}", get(document::file))
        .layer(Extension(Arc::new(document)));
    routes.layer(middleware::from_fn(frame::localised))
}

async fn openapi(_reader: Reader, Extension(document): Extension<Arc<Document>>) -> Json<Arc<Document>> {
    Json(document)
}
