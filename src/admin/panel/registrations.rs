//! Registrations: the list, one run with its timeline, trying again, taking back.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::DateTime;
use tokio_util::sync::CancellationToken;

use super::{
    form::{Fields, FormState, Posted, Queried, by},
    frame::{Frame, Page, PageError, back},
    live::live,
    looked::Looked,
    shown::{facts, label, length, maybe_length, reason},
};
use crate::admin::{
    calls::{
        CallError, Calls, Listed, Words,
        jobs::JobView,
        registrations::{RUNGS, RunDetail, RunView, RunsWanted, SEGMENTS, STATES},
        replay::ReplayView,
        timeline::{Entry, How, Timeline},
    },
    entry::{Operator, Reader},
    state::AdminState,
};

/// Registrations of a page.
const PAGE: u32 = 50;
/// For so long after its end a run is still watched: notices are acknowledged, an answer comes late.
const AFTERMATH_MS: i64 = 120_000;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/registrations", get(list))
        .route("/panel/registrations/{id}", get(show))
        .route("/panel/registrations/{id}/live", get(renewed))
        .route("/panel/registrations/{id}/retry", post(retry))
        .route("/panel/registrations/{id}/cancel", post(cancel))
        .route("/panel/registrations/{id}/resume", post(resume))
}

#[derive(Template)]
#[template(path = "registrations.html")]
struct RunsPage {
    frame: Frame,
    form: FormState,
    agents: Vec<(String, String)>,
    runs: Listed<RunView>,
    query: String,
}

impl RunsPage {
    fn other_errors(&self) -> Vec<&str> {
        self.form.other_errors(&["state", "rung", "agent", "segment", "since", "until", "user"])
    }

    fn states() -> [&'static str; 6] {
        STATES
    }

    fn rungs() -> [&'static str; 4] {
        RUNGS
    }

    fn segments() -> [&'static str; 3] {
        SEGMENTS
    }

    fn label(&self, kind: &str, value: &str) -> String {
        label(self.frame.t, kind, value)
    }
}

/// The class of a state's tag.
fn mood(state: &str) -> &'static str {
    match state {
        "done" => "good",
        "dead_letter" => "bad",
        "done_with_fallback" => "warn",
        _ => "",
    }
}

fn asked(fields: &Fields) -> RunsWanted {
    let text = |name: &str| fields.given(name).map(str::to_owned);
    RunsWanted {
        state: text("state"),
        rung: text("rung"),
        agent: text("agent"),
        segment: text("segment"),
        since: text("since"),
        until: text("until"),
        user: text("user"),
        failed: fields.on("failed"),
        unclaimed: fields.on("unclaimed"),
        limit: PAGE,
        cursor: text("cursor"),
    }
}

async fn list(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let agents = reader.calls.run_agents()?;
    let found = reader.calls.runs(asked(&fields)).await;
    let Looked { status, form, listed, query } = Looked::of(found, fields, frame.language())?;
    Ok(Page(status, RunsPage { frame, form, agents, runs: listed, query }).into_response())
}

#[derive(Template)]
#[template(path = "registration.html")]
struct RunPage {
    frame: Frame,
    detail: RunDetail,
    part: String,
    replays: Vec<ReplayView>,
    agents: Vec<(String, String)>,
    live: bool,
}

impl RunPage {
    fn label(&self, kind: &str, value: &str) -> String {
        label(self.frame.t, kind, value)
    }
}

/// How a run stands, what may be done about it, and its timeline: what is renewed while it goes on.
#[derive(Template)]
#[template(path = "registration_part.html")]
struct RunPart<'a> {
    frame: &'a Frame,
    detail: &'a RunDetail,
    timeline: &'a Timeline,
}

impl RunPart<'_> {
    async fn of(frame: &Frame, calls: &Calls, detail: &RunDetail, words: Words) -> Result<String, CallError> {
        let timeline = calls.timeline(&detail.run.id, words).await?;
        Ok(RunPart { frame, detail, timeline: &timeline }.render().unwrap_or_else(|error| {
            tracing::error!(%error, "how a run stands could not be shown");
            String::new()
        }))
    }

    fn label(&self, kind: &str, value: &str) -> String {
        label(self.frame.t, kind, value)
    }

    /// Of what kind an entry is: words of ours in the reader's language; tools, agents and channels by their names.
    fn name(&self, entry: &Entry) -> String {
        let t = self.frame.t;
        match entry.what.as_str() {
            "message" => label(t, "sender", &entry.name),
            "notice" => label(t, "run-notice", &entry.name),
            "escalated" => label(t, "run-target", &entry.name),
            // A try of a step is called after the step and its number.
            _ => match entry.name.split_once('#').and_then(|(step, n)| Some((t.find(&format!("label-step-{step}"))?, n))) {
                Some((step, attempt)) => format!("{step} #{attempt}"),
                None => entry.name.clone(),
            },
        }
    }

    fn outcome(&self, entry: &Entry) -> String {
        match entry.detail.get("level").and_then(serde_json::Value::as_i64) {
            Some(level) if entry.what == "escalated" => self.frame.t.with("notices-level", level),
            _ => label(self.frame.t, "run-outcome", &entry.outcome),
        }
    }

    /// The call behind an entry, in the call log.
    fn call(entry: &Entry) -> Option<&str> {
        entry.id.as_deref().filter(|_| entry.what == "mcp_called")
    }

    fn class(entry: &Entry) -> &'static str {
        match (entry.how, entry.part_of.is_some()) {
            (How::Good, false) => "good",
            (How::Good, true) => "good part",
            (How::Bad, false) => "bad",
            (How::Bad, true) => "bad part",
            (_, false) => "",
            (_, true) => "part",
        }
    }

    fn tag(entry: &Entry) -> &'static str {
        match entry.how {
            How::Good => "good",
            How::Bad => "bad",
            How::Open => "warn",
            How::Plain => "",
        }
    }
}

async fn show(frame: Frame, reader: Reader, Path(id): Path<String>) -> Result<Response, PageError> {
    let words = Words::of(reader.who.role);
    let detail = reader.calls.run(&id, words)?;
    let part = RunPart::of(&frame, &reader.calls, &detail, words).await?;
    let replays = reader.calls.replays(&id, words)?;
    let agents = reader.calls.run_agents()?;
    let live = is_watched(&detail, reader.calls.clock.now_ms());
    Ok(Page::ok(RunPage { frame, detail, part, replays, agents, live }).into_response())
}

/// Whether something may still happen to a run.
fn is_watched(detail: &RunDetail, now: i64) -> bool {
    let ended = detail.run.finished_at.as_deref().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    ended.is_none_or(|at| now - at.timestamp_millis() < AFTERMATH_MS)
}

async fn renewed(frame: Frame, reader: Reader, Path(id): Path<String>) -> Result<Response, PageError> {
    let words = Words::of(reader.who.role);
    reader.calls.run(&id, words)?;
    let (calls, frame) = (reader.calls, Arc::new(frame));
    let stop = stop(&calls);
    let make = move || {
        let (calls, frame, id) = (calls.clone(), Arc::clone(&frame), id.clone());
        async move {
            let detail = calls.run(&id, words).ok()?;
            RunPart::of(&frame, &calls, &detail, words).await.ok()
        }
    };
    Ok(live(stop, make))
}

async fn retry(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let by = by(&operator, &form)?;
    Ok(changed(&id, &operator.calls.retry_run(&id, &by).await?, "run-retried"))
}

async fn cancel(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let by = by(&operator, &form)?;
    Ok(changed(&id, &operator.calls.cancel_run(&id, &by).await?, "run-cancelled"))
}

async fn resume(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let by = by(&operator, &form)?;
    Ok(changed(&id, &operator.calls.resume_run(&id, &by).await?, "run-resumed"))
}

fn changed(id: &str, job: &JobView, said: &str) -> Response {
    tracing::debug!(registration.id = id, job.id = job.id, job.state = job.state, "a page changed a run");
    back(&path(id), said)
}

/// The page of a run.
pub(super) fn path(id: &str) -> String {
    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("/panel/registrations/{id}")
}

/// What ends live parts with the daemon.
pub(super) fn stop(calls: &Calls) -> CancellationToken {
    calls.running.as_ref().map(|running| running.stop.clone()).unwrap_or_default()
}
