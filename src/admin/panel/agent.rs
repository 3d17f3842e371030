//! One agent: how it is set and doing, its check, its key and its roll-out; and the form for a new one.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::Value;

use super::{
    agent_form::{FIELDS, blank, differences, field_key, filled, kind_key, patch},
    agents::part_key,
    amounts,
    form::{Fields, FormState, Posted, Queried, by, mistakes, mistakes_at},
    frame::{Frame, Page, PageError, back},
};
use crate::{
    admin::{
        calls::{
            CallError, Calls, Field, Listed,
            agents::{AgentCheck, AgentVersionView, AgentView, ChangedField, RolloutView},
        },
        entry::{Operator, Reader},
        state::AdminState,
    },
    secret::SecretText,
    settings::as_typed,
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
    theirs: Option<Theirs>,
    key_form: FormState,
    check: Option<AgentCheck>,
    rollout: Option<RolloutView>,
    rollout_form: FormState,
    versions: Listed<AgentVersionView>,
}

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Settings,
    Key,
    Rollout,
}

/// What somebody else made of the agent while one of the forms was filled in.
struct Theirs {
    form: Form,
    /// The name of each thing, and what it is now.
    now: Vec<(String, String)>,
}

impl AgentPage {
    async fn of(frame: Frame, calls: &Calls, name: &str, cursor: Option<&str>) -> Result<Self, CallError> {
        let agent = calls.agent(name)?;
        let rollout = if agent.part == "candidate" { Some(calls.rollout(&agent.id).await?) } else { None };
        let percent = [("percent", agent.rollout_percent.to_string())];
        Ok(Self {
            form: FormState::new(filled(&agent)),
            theirs: None,
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

    fn kind(&self) -> String {
        self.frame.t.say(kind_key(&self.agent.kind))
    }

    /// What a form that was sent on a version that is no more has above it.
    fn theirs_of(&self, form: Form) -> Option<&Vec<(String, String)>> {
        self.theirs.as_ref().filter(|theirs| theirs.form == form).map(|theirs| &theirs.now)
    }

    /// Where the slider stands: a text that is no number cannot come from it.
    fn percent(&self) -> u32 {
        self.rollout_form.value("percent").parse().unwrap_or(self.agent.rollout_percent)
    }

    fn took(check: &AgentCheck) -> String {
        amounts::length(i64::try_from(check.took_ms).ok())
    }
}

/// What a change did, in words.
pub(super) fn action(frame: &Frame, action: &str) -> String {
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

pub(super) fn path(agent: &AgentView) -> String {
    format!("/panel/agents/{}", agent.id)
}

/// The version that a form was filled in on.
pub(super) fn seen(form: &Fields) -> Option<i64> {
    form.text("revision").parse().ok()
}

async fn new(frame: Frame, _operator: Operator) -> Response {
    Page::ok(NewPage { frame, form: blank() }).into_response()
}

async fn add(frame: Frame, operator: Operator, Posted(form): Posted) -> Result<Response, PageError> {
    let key = SecretText::new(form.text("key"));
    let done = async {
        let patch = patch(&form).map_err(CallError::Invalid)?;
        operator.calls.add_agent(patch, &key, &by(&operator, &form)?).await
    };
    match done.await {
        Ok(agent) => Ok(back(&path(&agent), "agents-added")),
        Err(error) => {
            let form = FormState::refused(without_key(&form), &mistakes_at("/name", error)?, frame.language());
            Ok(Page::refused(NewPage { frame, form }).into_response())
        }
    }
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
    let done = async {
        let patch = patch(&form).map_err(CallError::Invalid)?;
        calls.update_agent(&name, patch, seen(&form), &by(&operator, &form)?).await
    };
    match done.await {
        Ok(agent) => Ok(back(&path(&agent), "agents-saved")),
        Err(CallError::Stale { .. }) => stale(frame, calls, &name, &form).await,
        Err(error) => {
            let form = FormState::refused(form, &mistakes_at("/name", error)?, frame.language());
            let page = AgentPage::of(frame, calls, &name, None).await?;
            Ok(Page::refused(AgentPage { form, ..page }).into_response())
        }
    }
}

/// Both versions: what was typed stays in the form, and beside it stands what the agent is now. Sending it once more is
/// a change of that version.
async fn stale(frame: Frame, calls: &Calls, name: &str, form: &Fields) -> Result<Response, PageError> {
    let page = AgentPage::of(frame, calls, name, None).await?;
    let typed = form.iter().filter(|(name, _)| *name != "revision");
    let revision = page.agent.revision.to_string();
    let typed = Fields::of(typed.chain([("revision", revision.as_str())]));
    let now = differences(&typed, &page.agent).into_iter().map(|(name, value)| (page.frame.t.say(field_key(name)), value)).collect();
    let theirs = Some(Theirs { form: Form::Settings, now });
    Ok(Page(StatusCode::PRECONDITION_FAILED, AgentPage { form: FormState::new(typed), theirs, ..page }).into_response())
}

/// What somebody else did in between: who, what, and each field that it changed as it is now.
pub(super) fn latest(frame: &Frame, version: Option<&AgentVersionView>) -> Vec<(String, String)> {
    let Some(version) = version else { return Vec::new() };
    let t = frame.t;
    let mut told = vec![(t.say("agent-who"), version.changed_by.clone()), (t.say("agent-what"), action(frame, &version.action))];
    told.extend(version.changed.iter().map(|field| (field_name(frame, field), plain(&field.after))));
    told
}

async fn set_key(frame: Frame, operator: Operator, Path(name): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let (calls, key) = (&operator.calls, SecretText::new(form.text("key")));
    let done = async { calls.set_agent_key(&name, &key, seen(&form), &by(&operator, &form)?).await };
    let error = match done.await {
        Ok(agent) => return Ok(back(&path(&agent), "agents-key")),
        Err(error) => error,
    };
    let page = AgentPage::of(frame, calls, &name, None).await?;
    if matches!(error, CallError::Stale { .. }) {
        let theirs = Some(Theirs { form: Form::Key, now: latest(&page.frame, page.versions.items.first()) });
        let key_form = FormState::new(without_key(&form));
        return Ok(Page(StatusCode::PRECONDITION_FAILED, AgentPage { theirs, key_form, ..page }).into_response());
    }
    let key_form = FormState::refused(without_key(&form), &mistakes(error)?, page.frame.language());
    Ok(Page::refused(AgentPage { key_form, ..page }).into_response())
}

async fn check(frame: Frame, operator: Operator, Path(name): Path<String>) -> Result<Response, PageError> {
    let check = operator.calls.check_agent(&name).await?;
    let page = AgentPage::of(frame, &operator.calls, &name, None).await?;
    Ok(Page::ok(AgentPage { check: Some(check), ..page }).into_response())
}

/// Gives a candidate another share, or takes it away.
async fn set_rollout(frame: Frame, operator: Operator, Path(name): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let error = match rolled(&operator, &name, &form).await {
        Ok((agent, said)) => return Ok(back(&path(&agent), said)),
        Err(error) => error,
    };
    let page = AgentPage::of(frame, &operator.calls, &name, None).await?;
    if matches!(error, CallError::Stale { .. }) {
        let theirs = Some(Theirs { form: Form::Rollout, now: share_now(&page) });
        return Ok(Page(StatusCode::PRECONDITION_FAILED, AgentPage { rollout_form: FormState::new(form), theirs, ..page }).into_response());
    }
    let wrong: Vec<_> =
        mistakes(error)?.into_iter().map(|field| Field { pointer: field.pointer.replace("rollout_", ""), ..field }).collect();
    let rollout_form = FormState::refused(form, &wrong, page.frame.language());
    Ok(Page::refused(AgentPage { rollout_form, ..page }).into_response())
}

/// What a form of the roll-out asks for, and what is said when it is done.
async fn rolled(operator: &Operator, name: &str, form: &Fields) -> Result<(AgentView, &'static str), CallError> {
    let (calls, by) = (&operator.calls, by(operator, form)?);
    if form.on("roll_back") {
        return Ok((calls.roll_back(name, seen(form), &by).await?, "agents-rolled-back"));
    }
    let percent = form.text("percent").parse::<u32>();
    let percent = percent.map_err(|_| CallError::invalid("/percent", "请填写整数", "write a whole number"))?;
    Ok((calls.set_rollout(name, percent, seen(form), &by).await?, "agents-rolled-out"))
}

/// The share as it is, and what else somebody did.
fn share_now(page: &AgentPage) -> Vec<(String, String)> {
    let share = page.frame.t.say("agent-rollout-percent");
    let others = latest(&page.frame, page.versions.items.first()).into_iter().filter(|(name, _)| *name != share).collect::<Vec<_>>();
    std::iter::once((share, page.agent.rollout_percent.to_string())).chain(others).collect()
}

/// A value of a version as people read it.
pub(super) fn plain(value: &Value) -> String {
    let text = if value.is_null() { String::new() } else { as_typed(value) };
    if text.is_empty() { amounts::NOTHING.to_owned() } else { text }
}

/// The name of a field of a version.
pub(super) fn field_name(frame: &Frame, field: &ChangedField) -> String {
    frame.t.say(field_key(&field.field))
}
