//! A version of an agent: what it was, who made it so, and going back to it.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;

use super::{
    agent::{action, field_name, latest, path, plain, seen},
    form::{Fields, FormState, Posted, by, mistakes},
    frame::{Frame, Page, PageError, back},
};
use crate::admin::{
    calls::{
        CallError, Calls,
        agents::{AgentVersionView, AgentView},
    },
    entry::{Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/agents/{agent}/versions/{number}", get(show))
        .route("/panel/agents/{agent}/versions/{number}/restore", post(restore))
}

#[derive(Template)]
#[template(path = "agent_version.html")]
struct VersionPage {
    frame: Frame,
    agent: AgentView,
    version: AgentVersionView,
    settings: String,
    form: FormState,
    /// What somebody else made of the agent while the form was open.
    theirs: Option<Vec<(String, String)>>,
}

impl VersionPage {
    async fn of(frame: Frame, calls: &Calls, (name, number): (&str, i64)) -> Result<Self, CallError> {
        let agent = calls.agent(name)?;
        let version = calls.agent_version(&agent.id, number).await?;
        let settings = serde_json::to_string_pretty(&version.settings).unwrap_or_default();
        Ok(Self { frame, agent, version, settings, form: FormState::new(Fields::default()), theirs: None })
    }

    fn action(&self) -> String {
        action(&self.frame, &self.version.action)
    }
}

async fn show(frame: Frame, reader: Reader, Path((name, number)): Path<(String, String)>) -> Result<Response, PageError> {
    let number = number.parse().unwrap_or_default();
    Ok(Page::ok(VersionPage::of(frame, &reader.calls, (&name, number)).await?).into_response())
}

async fn restore(
    frame: Frame,
    operator: Operator,
    Path((name, number)): Path<(String, String)>,
    Posted(form): Posted,
) -> Result<Response, PageError> {
    let (calls, number) = (&operator.calls, number.parse().unwrap_or_default());
    let done = async { calls.restore_agent_version(&name, number, seen(&form), &by(&operator, &form)?).await };
    let error = match done.await {
        Ok(agent) => return Ok(back(&path(&agent), "agents-restored")),
        Err(error) => error,
    };
    let page = VersionPage::of(frame, calls, (&name, number)).await?;
    if matches!(error, CallError::Stale { .. }) {
        let last = calls.agent_versions(&page.agent.id, None, 1).await?;
        let theirs = Some(latest(&page.frame, last.items.first()));
        return Ok(Page(StatusCode::PRECONDITION_FAILED, VersionPage { form: FormState::new(form), theirs, ..page }).into_response());
    }
    let form = FormState::refused(form, &mistakes(error)?, page.frame.language());
    Ok(Page::refused(VersionPage { form, ..page }).into_response())
}
