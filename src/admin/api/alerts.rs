//! `/api/v1/alerts`: what administrators must know. Alerts are opened and resolved by what they watch.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Unfit},
    frame::{ApiError, Asked, PageQuery, Path},
};
use crate::admin::{
    calls::{
        Listed,
        alerts::{AlertView, AlertsWanted},
    },
    entry::Reader,
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those that are open, or only those that are not.
    open: Option<bool>,
    /// Only of this condition, such as `dead_letter`.
    condition: Option<String>,
    /// `warning` or `critical`.
    severity: Option<String>,
}

/// Alerts, the latest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(Filter, PageQuery),
    responses((status = 200, body = Listed<AlertView>, description = "The alerts"), Denied, Unfit))]
async fn list(reader: Reader, Asked(filter): Asked<Filter>, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<AlertView>>, ApiError> {
    let Filter { open, condition, severity } = filter;
    let limit = page.limit()?;
    Ok(Json(reader.calls.alerts(AlertsWanted { open, condition, severity, cursor: page.cursor, limit }).await?))
}

/// One alert.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = AlertView, description = "The alert"), Denied, Absent))]
async fn show(reader: Reader, Path(id): Path<String>) -> Result<Json<AlertView>, ApiError> {
    Ok(Json(reader.calls.alert(&id)?))
}
