//! `/api/v1/metrics` and `/api/v1/health`: how the installation is doing.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Denied, Unfit},
    frame::{ApiError, Asked},
};
use crate::admin::{
    calls::figures::{HealthView, IndicatorsView, OverviewView, Range, SeriesView},
    entry::Reader,
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(overview)).routes(routes!(series)).routes(routes!(indicators)).routes(routes!(health))
}

/// For how long back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// `1h`, `6h`, `24h`, `7d`, `30d` or `90d`; a day when it is left out.
    range: Option<Range>,
}

/// Everything at a glance: registrations, automation, agents, calls, errors, consultants, indicators, system.
///
/// It is read at most once a second; those who ask in between get the same.
#[utoipa::path(get, path = "/api/v1/metrics/overview", tag = "metrics", params(Wanted),
    responses((status = 200, body = OverviewView, description = "The overview"), Denied, Unfit))]
async fn overview(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<OverviewView>, ApiError> {
    Ok(Json(reader.calls.overview(wanted.range.unwrap_or_default()).await?))
}

/// The same range step by step, for charts.
#[utoipa::path(get, path = "/api/v1/metrics/series", tag = "metrics", params(Wanted),
    responses((status = 200, body = SeriesView, description = "The steps"), Denied, Unfit))]
async fn series(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<SeriesView>, ApiError> {
    Ok(Json(reader.calls.series(wanted.range.unwrap_or_default()).await?))
}

/// The success indicators, each with its target and whether it is met.
#[utoipa::path(get, path = "/api/v1/metrics/indicators", tag = "metrics", params(Wanted),
    responses((status = 200, body = IndicatorsView, description = "The indicators"), Denied, Unfit))]
async fn indicators(reader: Reader, Asked(wanted): Asked<Wanted>) -> Result<Json<IndicatorsView>, ApiError> {
    Ok(Json(reader.calls.indicators(wanted.range.unwrap_or_default()).await?))
}

/// Whether the installation can do its work, part by part. For load balancers there is `/readyz`, which needs no sign-in.
#[utoipa::path(get, path = "/api/v1/health", tag = "metrics",
    responses((status = 200, body = HealthView, description = "What was found, whether it is good or not"), Denied))]
async fn health(reader: Reader) -> Result<Json<HealthView>, ApiError> {
    Ok(Json(reader.calls.whole_health()?))
}
