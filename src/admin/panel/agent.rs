//! One agent: how it is set and doing, its check, its key, its roll-out and its versions; and the form for a new one.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;

use super::{
    agent_form::{FIELDS, blank, differences, filled, patch},
    agents::part_key,
    amounts,
    form::{Fields, FormState, Posted, Queried, by},
    frame::{Frame, Page, PageError, back},
};
use crate::{
    admin::{
        calls::{
            CallError, Calls, Field, Listed,
            agents::{AgentCheck, AgentVersionView, AgentView, RolloutView},
            said,
        },
        entry::{Operator, Reader},
        state::AdminState,
    },
    secret::SecretText,
};

/// Versions of a page.
const VERSIONS: u32 = 20;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/agents/new", get(new).post(add))
        .route("/panel/agents/{agent}", get(show).post(update))
        .route("/panel/agents/{agent}/key", post(set_key))
        .route("/panel/agents/{agent}/check", post(check))
        .route("/panel/agents/{agent}/rollout", post(set_rollout))
        .route("/panel/agents/{agent}/versions/{number}", get(version))
        .route("/panel/agents/{agent}/versions/{number}/restore", post(restore))
}

#[derive(Template)]
#[template(path = "agent_new.html")]
struct NewPage {
    frame: Frame,
    form: FormState,
}

#[derive(Template)]
#[template(path = "agent.html")]
struct AgentPage {
    frame: Frame,
    agent: AgentView,
    form: FormState,
    /// What somebody else set in between: the field's name, and its value.
    theirs: Vec<(String, String)>,
    key_form: FormState,
    check: Option<AgentCheck>,
    rollout: Option<RolloutView>,
    rollout_form: FormState,
    versions: Listed<AgentVersionView>,
}

#[derive(Template)]
#[template(path = "agent_version.html")]
struct VersionPage {
    frame: Frame,
    agent: AgentView,
    version: AgentVersionView,
    settings: String,
}

impl AgentPage {
    async fn of(frame: Frame, calls: &Calls, name: &str, cursor: Option<&str>) -> Result<Self, CallError> {
        let agent = calls.agent(name)?;
        let rollout = if agent.part == "candidate" { Some(calls.rollout(&agent.id).await?) } else { None };
        let percent = [("percent", agent.rollout_percent.to_string())];
        Ok(Self {
            form: FormState::new(filled(&agent)),
            theirs: Vec::new(),
            key_form: FormState::default(),
            check: None,
            rollout,
            rollout_form: FormState::new(Fields::of(percent)),
            versions: calls.agent_versions(&agent.id, cursor, VERSIONS).await?,
            agent,
            frame,
        })
    }

    fn part(&self) -> String {
        self.frame.t.say(part_key(&self.agent.part))
    }

    fn took(check: &AgentCheck) -> String {
        amounts::length(i64::try_from(check.took_ms).ok())
    }
}

impl VersionPage {
    fn action(&self) -> String {
        action(&self.frame, &self.version.action)
    }
}

/// What a change did, in words.
fn action(frame: &Frame, action: &str) -> String {
    let key = match action {
        "agent.add" => "agent-did-add",
        "agent.key" => "agent-did-key",
        "agent.weight" => "agent-did-weight",
        "agent.rollout" => "agent-did-rollout",
        "agent.roll_back" => "agent-did-roll-back",
        "agent.restore" => "agent-did-restore",
        "agent.found" => "agent-did-find",
        _ => "agent-did-update",
    };
    frame.t.say(key)
}

fn path(agent: &AgentView) -> String {
    format!("/panel/agents/{}", agent.id)
}

/// The version that a form was filled in on.
fn seen(form: &Fields) -> Option<i64> {
    form.text("revision").parse().ok()
}

async fn new(frame: Frame, _operator: Operator) -> Response {
    Page::ok(NewPage { frame, form: blank() }).into_response()
}

async fn add(frame: Frame, operator: Operator, Posted(form): Posted) -> Result<Response, PageError> {
    let key = SecretText::new(form.text("key"));
    let wrong = match patch(&form) {
        Err(wrong) => wrong,
        Ok(patch) => match operator.calls.add_agent(patch, &key, &by(&operator, &form)?).await {
            Ok(agent) => return Ok(back(&path(&agent), "agents-added")),
            Err(CallError::Invalid(wrong)) => wrong,
            Err(CallError::Conflict(text)) => vec![Field { pointer: "/name".into(), text }],
            Err(other) => return Err(other.into()),
        },
    };
    let language = frame.language();
    Ok(Page::refused(NewPage { frame, form: FormState::refused(without_key(&form), &wrong, language) }).into_response())
}

/// What was typed, but for the key: no page ever holds one.
fn without_key(form: &Fields) -> Fields {
    Fields::of(form.iter().filter(|(name, _)| *name != "key"))
}

async fn show(frame: Frame, reader: Reader, Path(name): Path<String>, Queried(query): Queried) -> Result<Response, PageError> {
    Ok(Page::ok(AgentPage::of(frame, &reader.calls, &name, query.given("cursor")).await?).into_response())
}

async fn update(frame: Frame, operator: Operator, Path(name): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let calls = &operator.calls;
    let language = frame.language();
    let wrong = match patch(&form) {
        Err(wrong) => wrong,
        Ok(patch) => match calls.update_agent(&name, patch, seen(&form), &by(&operator, &form)?).await {
            Ok(agent) => return Ok(back(&path(&agent), "agents-saved")),
            Err(CallError::Invalid(wrong)) => wrong,
            Err(CallError::Conflict(text)) => vec![Field { pointer: "/name".into(), text }],
            Err(CallError::Stale { .. }) => return stale(frame, calls, &name, &form).await,
            Err(other) => return Err(other.into()),
        },
    };
    let page = AgentPage::of(frame, calls, &name, None).await?;
    Ok(Page::refused(AgentPage { form: FormState::refused(form, &wrong, language), ..page }).into_response())
}

/// Both versions: what was typed stays in the form, and beside it stands what the agent is now. Sending it once more is
/// a change of that version.
async fn stale(frame: Frame, calls: &Calls, name: &str, form: &Fields) -> Result<Response, PageError> {
    let page = AgentPage::of(frame, calls, name, None).await?;
    let typed = form.iter().filter(|(name, _)| *name != "revision");
    let revision = page.agent.revision.to_string();
    let typed = Fields::of(typed.chain([("revision", revision.as_str())]));
    let theirs = differences(&typed, &page.agent).into_iter().map(|(name, value)| (page.frame.t.say(field_key(name)), value)).collect();
    Ok(Page(StatusCode::PRECONDITION_FAILED, AgentPage { form: FormState::new(typed), theirs, ..page }).into_response())
}

async fn set_key(frame: Frame, operator: Operator, Path(name): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let key = SecretText::new(form.text("key"));
    match operator.calls.set_agent_key(&name, &key, seen(&form), &by(&operator, &form)?).await {
        Ok(agent) => Ok(back(&path(&agent), "agents-key")),
        Err(CallError::Invalid(wrong)) => {
            let language = frame.language();
            let page = AgentPage::of(frame, &operator.calls, &name, None).await?;
            Ok(Page::refused(AgentPage { key_form: FormState::refused(Fields::default(), &wrong, language), ..page }).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn check(frame: Frame, operator: Operator, Path(name): Path<String>) -> Result<Response, PageError> {
    let check = operator.calls.check_agent(&name).await?;
    let page = AgentPage::of(frame, &operator.calls, &name, None).await?;
    Ok(Page::ok(AgentPage { check: Some(check), ..page }).into_response())
}

/// Gives a candidate another share, or takes it away.
async fn set_rollout(frame: Frame, operator: Operator, Path(name): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let (calls, by) = (&operator.calls, by(&operator, &form)?);
    if form.on("roll_back") {
        let agent = calls.roll_back(&name, seen(&form), &by).await?;
        return Ok(back(&path(&agent), "agents-rolled-back"));
    }
    let set = match form.text("percent").parse::<u32>() {
        Ok(percent) => calls.set_rollout(&name, percent, seen(&form), &by).await,
        Err(_) => Err(CallError::Invalid(vec![Field {
            pointer: "/rollout_percent".into(),
            text: said("请填写整数", "write a whole number"),
        }])),
    };
    match set {
        Ok(agent) => Ok(back(&path(&agent), "agents-rolled-out")),
        Err(CallError::Invalid(wrong)) => {
            let language = frame.language();
            let wrong: Vec<_> = wrong.into_iter().map(|field| Field { pointer: field.pointer.replace("rollout_", ""), ..field }).collect();
            let page = AgentPage::of(frame, calls, &name, None).await?;
            Ok(Page::refused(AgentPage { rollout_form: FormState::refused(form, &wrong, language), ..page }).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn version(frame: Frame, reader: Reader, Path((name, number)): Path<(String, String)>) -> Result<Response, PageError> {
    let agent = reader.calls.agent(&name)?;
    let version = reader.calls.agent_version(&agent.id, number.parse().unwrap_or_default()).await?;
    let settings = serde_json::to_string_pretty(&version.settings).unwrap_or_default();
    Ok(Page::ok(VersionPage { frame, agent, version, settings }).into_response())
}

async fn restore(operator: Operator, Path((name, number)): Path<(String, String)>, Posted(form): Posted) -> Result<Response, PageError> {
    let number = number.parse().unwrap_or_default();
    let agent = operator.calls.restore_agent_version(&name, number, seen(&form), &by(&operator, &form)?).await?;
    Ok(back(&path(&agent), "agents-restored"))
}

/// The key of the name of a field.
fn field_key(name: &str) -> &'static str {
    match name {
        "name" => "agent-name",
        "base_url" => "agent-base-url",
        "kind" => "agent-kind",
        "part" => "agent-part",
        "version" => "agent-version",
        "environment" => "agent-environment",
        "app_id" => "agent-app-id",
        "weight" => "agent-weight",
        "rollout_percent" => "agent-rollout-percent",
        "inputs" => "agent-inputs",
        "timeout_seconds" => "agent-timeout",
        "first_byte_ms" => "agent-first-byte",
        "stall_ms" => "agent-stall",
        "max_concurrent" => "agent-places",
        _ => "agent-enabled",
    }
}
