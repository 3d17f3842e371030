//! `/api/v1/jobs`: what waits, what failed, trying it again, taking it back, and the proof that nothing was lost.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Unfit},
    because::Because,
    frame::{ApiError, Asked, PageQuery, Path},
};
use crate::admin::{
    calls::{
        Listed,
        jobs::{JobCountsView, JobDetail, JobView, JobsWanted},
        verify::ProofView,
    },
    entry::{Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(counts))
        .routes(routes!(verify))
        .routes(routes!(show))
        .routes(routes!(retry))
        .routes(routes!(cancel))
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `ready`, `running`, `done`, `dead` or `cancelled`.
    state: Option<String>,
    /// Only of this kind, such as `registration` or `push`.
    kind: Option<String>,
    /// Only about this, such as a registration.
    subject_id: Option<String>,
}

/// Jobs, the latest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(Filter, PageQuery),
    responses((status = 200, body = Listed<JobView>, description = "The jobs"), Denied, Unfit))]
async fn list(reader: Reader, Asked(filter): Asked<Filter>, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<JobView>>, ApiError> {
    let Filter { state, kind, subject_id } = filter;
    let limit = page.limit()?;
    Ok(Json(reader.calls.jobs(JobsWanted { state, kind, subject_id, cursor: page.cursor, limit }).await?))
}

/// How many jobs wait, and how.
#[utoipa::path(get, path = "/api/v1/jobs/counts", tag = "jobs",
    responses((status = 200, body = JobCountsView, description = "The counts"), Denied))]
async fn counts(reader: Reader) -> Result<Json<JobCountsView>, ApiError> {
    Ok(Json(reader.calls.job_counts().await?))
}

/// Proves over the rows that nothing was lost and nothing was done twice. It reads every row, and changes none.
#[utoipa::path(post, path = "/api/v1/jobs/verify", tag = "jobs",
    responses((status = 200, body = ProofView, description = "What it found; `ok` says whether every rule holds"), Denied, Clash))]
async fn verify(operator: Operator) -> Result<Json<ProofView>, ApiError> {
    Ok(Json(operator.calls.verify_jobs().await?))
}

/// One job, by its own id or the registration's that it carries; of a registration's, its steps as well.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "The job's id, or the registration's")),
    responses((status = 200, body = JobDetail, description = "The job"), Denied, Absent))]
async fn show(reader: Reader, Path(id): Path<String>) -> Result<Json<JobDetail>, ApiError> {
    Ok(Json(reader.calls.job(&id)?))
}

/// Tries a dead or cancelled job again, at once and with all its tries. A registration goes on with it.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs",
    params(("id" = String, Path, description = "The job's id, or the registration's"), Because),
    responses((status = 200, body = JobView, description = "It is due"), Denied, Absent, Clash, Unfit))]
async fn retry(operator: Operator, Path(id): Path<String>, Asked(why): Asked<Because>) -> Result<Json<JobView>, ApiError> {
    Ok(Json(operator.calls.retry_job(&id, &why.by(&operator.calls, &operator.who)?).await?))
}

/// Does not do a job that waits. A registration ends with it.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "The job's id, or the registration's"), Because),
    responses((status = 200, body = JobView, description = "It is cancelled"), Denied, Absent, Clash, Unfit))]
async fn cancel(operator: Operator, Path(id): Path<String>, Asked(why): Asked<Because>) -> Result<Json<JobView>, ApiError> {
    Ok(Json(operator.calls.cancel_job(&id, &why.by(&operator.calls, &operator.who)?).await?))
}
