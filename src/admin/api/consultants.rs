//! `/api/v1/consultants` and `/api/v1/claims`: who is there, who waits, who has whom.

use axum::Json;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, Created, page_length},
};
use crate::{
    admin::{
        calls::{
            Listed, because,
            consultants::{ClaimView, ConsultantsView, WaitingView},
        },
        entry::{Operator, Reader},
        state::AdminState,
    },
    store::claims::Via,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new().routes(routes!(consultants)).routes(routes!(claim_queue)).routes(routes!(claims, claim))
}

/// Of how many days the figures are.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DaysQuery {
    /// 1 to 90; 7 when it is left out.
    #[param(minimum = 1, maximum = 90, default = 7)]
    days: Option<u32>,
}

/// Consultants: who is connected, what each has claimed, how long customers had waited.
#[utoipa::path(get, path = "/api/v1/consultants", tag = "consultants", params(DaysQuery),
    responses((status = 200, body = ConsultantsView, description = "Everybody who may claim customers"), Denied, Unfit))]
async fn consultants(reader: Reader, Asked(query): Asked<DaysQuery>) -> Result<Json<ConsultantsView>, ApiError> {
    Ok(Json(reader.calls.consultants(query.days).await?))
}

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct QueueQuery {
    /// Of registrations within so many days; 30 when it is left out.
    #[param(minimum = 1, maximum = 36500, default = 30)]
    days: Option<u32>,
    /// Entries of a page: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Customers nobody has claimed; who waits longest comes first.
#[utoipa::path(get, path = "/api/v1/consultants/queue", tag = "consultants", params(QueueQuery),
    responses((status = 200, body = Listed<WaitingView>, description = "The customers, each with the state of the escalation"), Denied, Unfit))]
async fn claim_queue(reader: Reader, Asked(query): Asked<QueueQuery>) -> Result<Json<Listed<WaitingView>>, ApiError> {
    let limit = page_length(query.limit)?;
    Ok(Json(reader.calls.claim_queue(query.days, query.cursor.as_deref(), limit).await?))
}

/// Which claims.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ClaimQuery {
    /// Only those of this consultant, by user id.
    consultant: Option<String>,
    /// Within so many days; 30 when it is left out.
    #[param(minimum = 1, maximum = 36500, default = 30)]
    days: Option<u32>,
    /// Entries of a page: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Claims, the latest first.
#[utoipa::path(get, path = "/api/v1/claims", tag = "consultants", params(ClaimQuery),
    responses((status = 200, body = Listed<ClaimView>, description = "The claims"), Denied, Unfit))]
async fn claims(reader: Reader, Asked(query): Asked<ClaimQuery>) -> Result<Json<Listed<ClaimView>>, ApiError> {
    let limit = page_length(query.limit)?;
    Ok(Json(reader.calls.claims(query.consultant, query.days, query.cursor.as_deref(), limit).await?))
}

/// Who is claimed for whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewClaim {
    /// Id of the registration or of its conversation.
    customer: String,
    /// User id of the consultant or supervisor.
    consultant_id: String,
    /// In words, for the audit log.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Claims a customer for a consultant.
///
/// The first claim wins: when somebody else has the customer the answer is 409 and says who. What the consultant has is
/// claimed again without a change.
#[utoipa::path(post, path = "/api/v1/claims", tag = "consultants", request_body = NewClaim,
    responses((status = 201, body = ClaimView, description = "The claim that stands"), Denied, Absent, Clash, UnfitBody))]
async fn claim(operator: Operator, Body(new): Body<NewClaim>) -> Result<Created<ClaimView>, ApiError> {
    let by = because(operator.who.by(operator.calls.clock.as_ref()), new.reason.as_deref())?;
    let view = operator.calls.claim_for(&new.customer, &new.consultant_id, Via::Panel, &by).await?;
    Ok(Created { location: format!("/api/v1/registrations/{}", view.registration_id), view, version: None })
}
