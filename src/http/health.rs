//! `/healthz`: the process runs. `/readyz`: it can do its work, or why not. `/version`.

use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Late;
use crate::{problem::Problem, store::Store};

/// What readiness depends on.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// The database must answer.
    pub store: Store,
    /// A process that is stopping is not ready.
    pub stop: CancellationToken,
}

/// The routes, the same on every listener. What no route answers is asked of `late`, and else a plain 404.
pub fn health_routes(readiness: Readiness, late: Option<Late>) -> Router {
    let others = async move |request: Request| match late.filter(|late| late.has(request.uri().path())) {
        Some(late) => late.answer(request).await,
        None => nothing().await,
    };
    Router::new()
        .route("/healthz", get(async || Json(json!({"status": "ok"}))))
        .route("/readyz", get(ready))
        .route("/version", get(async || Json(json!({"name": "anmei-mcp", "version": env!("CARGO_PKG_VERSION")}))))
        .fallback(others)
        .with_state(readiness)
}

/// The answer where nothing is.
pub(super) async fn nothing() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "There is nothing at this address.").into_response()
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    let mut reasons = Vec::new();
    if readiness.stop.is_cancelled() {
        reasons.push("the daemon is shutting down".to_owned());
    }
    if let Err(error) = readiness.store.check() {
        reasons.push(error.to_string());
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": reasons.is_empty(), "reasons": reasons})))
}
