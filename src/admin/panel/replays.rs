//! What an agent would write today, beside the welcome the customer has.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    form::{Posted, by},
    frame::{Frame, Page, PageError, back},
    live::live,
    registrations::{path, stop},
    shown::{label, maybe_length},
    texts::Texts,
};
use crate::admin::{
    calls::{Words, replay::ReplayView},
    entry::{Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/registrations/{id}/replays", post(rehearse))
        .route("/panel/registrations/{id}/replays/{replay_id}", get(show))
        .route("/panel/registrations/{id}/replays/{replay_id}/live", get(renewed))
}

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    frame: Frame,
    replay: ReplayView,
    part: String,
}

/// The two texts and what the agent did: what is renewed until there is an answer.
#[derive(Template)]
#[template(path = "replay_part.html")]
struct ReplayPart<'a> {
    t: Texts,
    replay: &'a ReplayView,
}

impl ReplayPart<'_> {
    fn of(t: Texts, replay: &ReplayView) -> String {
        ReplayPart { t, replay }.render().unwrap_or_else(|error| {
            tracing::error!(%error, "a replay could not be shown");
            String::new()
        })
    }

    fn label(&self, kind: &str, value: &str) -> String {
        label(self.t, kind, value)
    }
}

async fn rehearse(operator: Operator, Path(id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let by = by(&operator, &form)?;
    let replay = operator.calls.rehearse(&id, form.given("agent"), &by).await?;
    Ok(back(&format!("{}/replays/{}", path(&id), replay.id), "run-rehearsed"))
}

async fn show(frame: Frame, reader: Reader, Path((id, replay_id)): Path<(String, String)>) -> Result<Response, PageError> {
    let replay = reader.calls.replay(&id, &replay_id, Words::of(reader.who.role))?;
    let part = ReplayPart::of(frame.t, &replay);
    Ok(Page::ok(ReplayPage { frame, replay, part }).into_response())
}

async fn renewed(frame: Frame, reader: Reader, Path((id, replay_id)): Path<(String, String)>) -> Result<Response, PageError> {
    let words = Words::of(reader.who.role);
    reader.calls.replay(&id, &replay_id, words)?;
    let (calls, t) = (reader.calls, frame.t);
    let stop = stop(&calls);
    let make = move || {
        let part = calls.replay(&id, &replay_id, words).ok().map(|replay| ReplayPart::of(t, &replay));
        std::future::ready(part)
    };
    Ok(live(stop, make))
}
