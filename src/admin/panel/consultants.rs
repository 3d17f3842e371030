//! Consultants: who is there, who waits for one, who has whom; and claiming a customer for somebody.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    form::{FormState, Posted, Queried, by, mistakes},
    frame::{Frame, Page, PageError, back},
    live::live,
    looked::Looked,
    registrations::{path, stop},
    shown::{label, length, maybe_length, minutes},
    texts::Texts,
};
use crate::{
    admin::{
        calls::{
            CallError, Calls, Listed, Words,
            consultants::{ClaimView, ConsultantView, ConsultantsView, WaitingView},
            registrations::RunDetail,
        },
        entry::{Operator, Reader},
        state::AdminState,
    },
    store::claims::Via,
};

/// Customers and claims of a page.
const PAGE: u32 = 50;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/consultants", get(show))
        .route("/panel/consultants/live", get(renewed))
        .route("/panel/consultants/claims", get(claims))
        .route("/panel/consultants/claim", get(ask).post(claim))
}

#[derive(Template)]
#[template(path = "consultants.html")]
struct ConsultantsPage {
    frame: Frame,
    part: String,
    live: bool,
    next: Option<String>,
}

/// Figures, queue and presence: what is renewed.
#[derive(Template)]
#[template(path = "consultants_part.html")]
struct ConsultantsPart {
    t: Texts,
    operates: bool,
    consultants: ConsultantsView,
    queue: Vec<WaitingView>,
}

impl ConsultantsPart {
    fn label(&self, kind: &str, value: &str) -> String {
        label(self.t, kind, value)
    }

    fn waited(&self, seconds: i64) -> String {
        minutes(self.t, seconds)
    }
}

async fn part(calls: &Calls, (t, operates): (Texts, bool), cursor: Option<&str>) -> Result<(String, Option<String>), CallError> {
    let consultants = calls.consultants(None).await?;
    let Listed { items, next_cursor } = calls.claim_queue(None, cursor, PAGE).await?;
    let part = ConsultantsPart { t, operates, consultants, queue: items }.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the queue could not be shown");
        String::new()
    });
    Ok((part, next_cursor))
}

async fn show(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let cursor = fields.given("cursor");
    let (part, next) = part(&reader.calls, (frame.t, frame.operates()), cursor).await?;
    let live = cursor.is_none();
    Ok(Page::ok(ConsultantsPage { frame, part, live, next }).into_response())
}

async fn renewed(frame: Frame, reader: Reader) -> Response {
    let (calls, look) = (reader.calls, (frame.t, frame.operates()));
    let stop = stop(&calls);
    live(stop, move || {
        let calls = calls.clone();
        async move { part(&calls, look, None).await.ok().map(|(part, _)| part) }
    })
}

#[derive(Template)]
#[template(path = "claims.html")]
struct ClaimsPage {
    frame: Frame,
    form: FormState,
    /// By whom claims may be: ids and names.
    staff: Vec<(String, String)>,
    claims: Listed<ClaimView>,
    query: String,
}

impl ClaimsPage {
    fn label(&self, kind: &str, value: &str) -> String {
        label(self.frame.t, kind, value)
    }
}

async fn claims(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let staff = reader.calls.staff_names().await?;
    let consultant = fields.given("consultant").map(str::to_owned);
    let found = reader.calls.claims(consultant, None, fields.given("cursor"), PAGE).await;
    let Looked { status, form, listed, query } = Looked::of(found, fields, frame.language())?;
    Ok(Page(status, ClaimsPage { frame, form, staff, claims: listed, query }).into_response())
}

#[derive(Template)]
#[template(path = "claim.html")]
struct ClaimPage {
    frame: Frame,
    form: FormState,
    customer: RunDetail,
    /// Those who are connected first.
    staff: Vec<ConsultantView>,
}

impl ClaimPage {
    fn other_errors(&self) -> Vec<&str> {
        self.form.other_errors(&["consultant_id", "reason"])
    }
}

async fn ask(frame: Frame, operator: Operator, Queried(fields): Queried) -> Result<Response, PageError> {
    let page = claim_page(frame, &operator, FormState::new(fields)).await?;
    Ok(Page::ok(page).into_response())
}

async fn claim_page(frame: Frame, operator: &Operator, form: FormState) -> Result<ClaimPage, PageError> {
    let customer = operator.calls.run(form.value("customer"), Words::Shown)?;
    let mut staff = operator.calls.consultants(None).await?.items;
    staff.sort_by_key(|one| (one.online != Some(true), one.claims_today));
    Ok(ClaimPage { frame, form, customer, staff })
}

async fn claim(frame: Frame, operator: Operator, Posted(fields): Posted) -> Result<Response, PageError> {
    let done = async {
        let by = by(&operator, &fields)?;
        operator.calls.claim_for(fields.text("customer"), fields.text("consultant_id"), Via::Panel, &by).await
    };
    match done.await {
        Ok(_) => Ok(back("/panel/consultants", "run-claimed")),
        Err(error) => {
            // Somebody else may have been first: the page says who, and what was chosen stays.
            let wrong = mistakes(error)?;
            let form = FormState::refused(fields, &wrong, frame.language());
            Ok(Page::refused(claim_page(frame, &operator, form).await?).into_response())
        }
    }
}
