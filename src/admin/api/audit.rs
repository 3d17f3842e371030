//! `/api/v1/audit`: who changed what, and the proof that nobody changed the log.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Unfit},
    frame::{ApiError, Asked, Path, page_length},
};
use crate::admin::{
    calls::{AuditEntry, AuditProof, AuditQuery, Listed},
    entry::Reader,
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(audit_log)).routes(routes!(audit_entry)).routes(routes!(verify_audit))
}

/// Which rows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditFilter {
    /// Only actors that begin so, such as `account:mei`.
    #[serde(default)]
    actor: String,
    /// Only actions that begin so, such as `key.`.
    #[serde(default)]
    action: String,
    /// Only objects that begin so, such as `key/system_tools`.
    #[serde(default)]
    object: String,
    /// Only rows of this time or later: RFC 3339, or a day.
    since: Option<String>,
    /// Only rows before this time.
    until: Option<String>,
    /// Entries of a page: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Changes, the latest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditFilter),
    responses((status = 200, body = Listed<AuditEntry>, description = "The rows; a page of a long log with few rows that fit may end early, and `next_cursor` goes on from there"),
        Denied, Unfit))]
async fn audit_log(reader: Reader, Asked(filter): Asked<AuditFilter>) -> Result<Json<Listed<AuditEntry>>, ApiError> {
    let limit = page_length(filter.limit)?;
    let query = AuditQuery {
        actor: &filter.actor,
        action: &filter.action,
        object: &filter.object,
        since: filter.since.as_deref(),
        until: filter.until.as_deref(),
    };
    Ok(Json(reader.calls.audit_log(query, limit, filter.cursor.as_deref()).await?))
}

/// One change.
#[utoipa::path(get, path = "/api/v1/audit/{seq}", tag = "audit", params(("seq" = i64, Path, description = "Its place, from 1 on")),
    responses((status = 200, body = AuditEntry, description = "The row"), Denied, Absent))]
async fn audit_entry(reader: Reader, Path(seq): Path<String>) -> Result<Json<AuditEntry>, ApiError> {
    // What is no number names no row.
    Ok(Json(reader.calls.audit_entry(seq.parse().unwrap_or_default()).await?))
}

/// What must be part of the chain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Expected {
    /// A hash that was noted before, in hexadecimal: shows whether an end was cut off.
    expect: Option<String>,
}

/// Walks along the chain of hashes: whether a row was changed, added or taken out.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit", params(Expected),
    responses((status = 200, body = AuditProof, description = "What was found"), Denied, Unfit))]
async fn verify_audit(reader: Reader, Asked(expected): Asked<Expected>) -> Result<Json<AuditProof>, ApiError> {
    Ok(Json(reader.calls.verify_audit(expected.expect.filter(|hash| !hash.trim().is_empty())).await?))
}
