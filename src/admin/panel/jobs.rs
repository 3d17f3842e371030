//! Jobs: what waits, what failed, trying it again, taking it back, and the proof that nothing was lost.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    amounts,
    form::{FormState, Posted, Queried, by},
    frame::{Frame, Page, PageError, back},
    notifications::nothing,
    preferences::local,
};
use crate::admin::{
    calls::{
        CallError, Listed,
        jobs::{JobCountsView, JobDetail, JobView, JobsWanted},
        verify::ProofView,
    },
    entry::{Operator, Reader},
    state::AdminState,
};

/// Entries of a page.
const PAGE: u32 = 50;
/// States, those first that somebody has to look at.
const STATES: [&str; 5] = ["dead", "ready", "running", "done", "cancelled"];
/// Kinds of jobs.
const KINDS: [&str; 6] = ["registration", "outgoing_event", "notice_ack", "escalation", "push", "feedback"];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/jobs", get(list))
        .route("/panel/jobs/verify", post(verify))
        .route("/panel/jobs/{id}", get(show))
        .route("/panel/jobs/{id}/retry", post(retry))
        .route("/panel/jobs/{id}/cancel", post(cancel))
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    form: FormState,
    counts: JobCountsView,
    listed: Listed<JobView>,
    query: String,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    detail: JobDetail,
}

#[derive(Template)]
#[template(path = "jobs_proof.html")]
struct ProofPage {
    frame: Frame,
    proof: ProofView,
}

impl JobsPage {
    fn state(&self, state: &str) -> String {
        self.frame.t.say(state_key(state))
    }

    fn kind(&self, kind: &str) -> String {
        self.frame.t.say(kind_key(kind))
    }
}

impl JobPage {
    fn state(&self, state: &str) -> String {
        self.frame.t.say(state_key(state))
    }

    fn kind(&self) -> String {
        self.frame.t.say(kind_key(&self.detail.job.kind))
    }
}

fn state_key(state: &str) -> &'static str {
    match state {
        "ready" => "jobs-ready",
        "running" => "jobs-running",
        "dead" => "jobs-dead",
        "cancelled" => "jobs-cancelled",
        "failed" => "jobs-failed",
        _ => "jobs-done",
    }
}

fn kind_key(kind: &str) -> &'static str {
    match kind {
        "registration" => "jobs-kind-registration",
        "outgoing_event" => "jobs-kind-event",
        "notice_ack" => "jobs-kind-notice",
        "escalation" => "jobs-kind-escalation",
        "push" => "jobs-kind-push",
        "feedback" => "jobs-kind-feedback",
        _ => "jobs-kind-other",
    }
}

/// The page of what a job is about.
fn subject(job: &JobView) -> Option<String> {
    match job.kind.as_str() {
        "registration" | "notice_ack" | "escalation" | "feedback" => Some(format!("/panel/registrations/{}", job.subject_id)),
        "outgoing_event" => Some(format!("/panel/notifications/events/{}", job.subject_id)),
        _ => None,
    }
}

fn may_retry(job: &JobView) -> bool {
    matches!(job.state.as_str(), "dead" | "cancelled")
}

async fn list(frame: Frame, reader: Reader, Queried(query): Queried) -> Result<Response, PageError> {
    let given = |name: &str| query.given(name).map(str::to_owned);
    let wanted =
        JobsWanted { state: given("state"), kind: given("kind"), subject_id: given("subject_id"), cursor: given("cursor"), limit: PAGE };
    let (found, counts) = (reader.calls.jobs(wanted).await, reader.calls.job_counts().await?);
    let rest = query.query_but(&["cursor", "said"]);
    Ok(match found {
        Ok(listed) => Page::ok(JobsPage { form: FormState::new(query), counts, listed, query: rest, frame }).into_response(),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(query, &wrong, frame.language());
            Page::refused(JobsPage { form, counts, listed: nothing(), query: rest, frame }).into_response()
        }
        Err(other) => return Err(other.into()),
    })
}

async fn show(frame: Frame, reader: Reader, Path(id): Path<String>) -> Result<Response, PageError> {
    Ok(Page::ok(JobPage { frame, detail: reader.calls.job(&id)? }).into_response())
}

async fn verify(frame: Frame, operator: Operator) -> Result<Response, PageError> {
    Ok(Page::ok(ProofPage { frame, proof: operator.calls.verify_jobs().await? }).into_response())
}

async fn retry(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let job = operator.calls.retry_job(&id, &by(&operator, &form)?).await?;
    Ok(back(&after(form.given("back"), &job), "job-retried"))
}

async fn cancel(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let job = operator.calls.cancel_job(&id, &by(&operator, &form)?).await?;
    Ok(back(&after(form.given("back"), &job), "job-cancelled"))
}

/// Where a change was asked for, or the job's own page.
fn after(asked: Option<&str>, job: &JobView) -> String {
    asked.map_or_else(|| format!("/panel/jobs/{}", job.id), |path| local(path).to_owned())
}
