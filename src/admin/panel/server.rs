//! The server: how it can be reached, who is connected, its limits and policy, its health, its configuration, a restart, a stop.
//!
//! What only a start reads says so, with what the next start will read. A change is written into the configuration file;
//! nothing here pretends to be in force before the restart.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::Value;

use super::{
    form::{Fields, FormState, Posted},
    frame::{Frame, Page, PageError, back},
    live::live,
    texts::Texts,
};
use crate::{
    admin::{
        AdminState,
        calls::{
            CallError, Field,
            health::Health,
            said,
            server::{OpenView, ServerView, TransportView},
            server_config::{ConfigEntry, ConfigView},
        },
        entry::{Administrator, Reader},
    },
    config::Catalogue,
    settings::as_typed,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/server", get(show))
        .route("/panel/server/live", get(renewed))
        .route("/panel/server/restart", post(restart))
        .route("/panel/server/stop", post(stop))
        .route("/panel/server/config", get(configuration))
        .route("/panel/server/config/{key}", get(edit).post(write))
}

#[derive(Template)]
#[template(path = "server.html")]
struct ServerPage {
    frame: Frame,
    form: FormState,
    view: ServerView,
    now: String,
    listens: Vec<ConfigEntry>,
}

impl ServerPage {
    /// What is let in, and how much of it.
    fn policies(&self) -> [(String, &[ConfigEntry]); 2] {
        let t = self.frame.t;
        [(t.say("server-security"), &self.view.security), (t.say("server-limits"), &self.view.limits)]
    }
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "server_now.html")]
struct Now<'a> {
    t: Texts,
    open: &'a OpenView,
    uptime: String,
}

#[derive(Template)]
#[template(path = "server_restarting.html")]
struct RestartingPage {
    frame: Frame,
    started_at: String,
}

#[derive(Template)]
#[template(path = "server_stopping.html")]
struct StoppingPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "server_config.html")]
struct ConfigPage {
    frame: Frame,
    view: ConfigView,
}

#[derive(Template)]
#[template(path = "server_key.html")]
struct KeyPage {
    frame: Frame,
    form: FormState,
    entry: ConfigEntry,
    file: Option<String>,
    version: i64,
    stale: bool,
}

/// The names of the ways to speak with the server.
fn transport_key(transport: &TransportView) -> &'static str {
    match transport.name {
        "streamable_http" => "server-streamable-http",
        "sessions" => "server-sessions",
        "sse" => "server-sse",
        _ => "server-stdio",
    }
}

/// What each is for.
fn transport_help(transport: &TransportView) -> &'static str {
    match transport.name {
        "streamable_http" => "server-streamable-http-help",
        "sessions" => "server-sessions-help",
        "sse" => "server-sse-help",
        _ => "server-stdio-help",
    }
}

/// The name of what was looked at.
fn check_key(name: &str) -> &'static str {
    match name {
        "database" => "server-database",
        "wal" => "server-wal",
        "disk" => "server-disk",
        _ => "server-queue",
    }
}

fn health_key(health: Health) -> &'static str {
    match health {
        Health::Ok => "server-ok",
        Health::Warning => "server-warning",
        Health::Failed => "server-failed",
    }
}

fn health_class(health: Health) -> &'static str {
    match health {
        Health::Ok => "good",
        Health::Warning => "warn",
        Health::Failed => "bad",
    }
}

/// A value of the configuration as people read it.
fn shown(value: &Value, t: Texts) -> String {
    match value {
        Value::Null => t.say("server-unset"),
        Value::Array(list) if list.is_empty() => t.say("server-empty"),
        value => as_typed(value),
    }
}

impl ConfigEntry {
    fn text(&self, t: Texts) -> String {
        shown(&self.value, t)
    }

    fn next_text(&self, t: Texts) -> Option<String> {
        self.next.as_ref().map(|next| shown(next, t))
    }
}

/// A length of time in its two largest parts.
fn uptime(seconds: i64, t: Texts) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => t.with("server-seconds", seconds),
        (0, 0, _) => t.with("server-minutes", minutes),
        (0, ..) => t.with2("server-hours", hours, minutes),
        _ => t.with2("server-days", days, hours),
    }
}

fn now(view: &ServerView, t: Texts) -> String {
    // What cannot be made is not shown; the page says the rest.
    Now { t, open: &view.open, uptime: uptime(view.uptime_seconds, t) }.render().unwrap_or_default()
}

fn page(frame: Frame, reader: &crate::admin::Calls, form: FormState) -> Result<ServerPage, CallError> {
    let view = reader.server()?;
    let listens = reader.server_config()?.entries.into_iter().filter(|entry| entry.key.ends_with(".listen")).collect();
    Ok(ServerPage { now: now(&view, frame.t), form, view, listens, frame })
}

async fn show(frame: Frame, reader: Reader) -> Result<Response, PageError> {
    Ok(Page::ok(page(frame, &reader.calls, FormState::default())?).into_response())
}

async fn renewed(State(state): State<AdminState>, frame: Frame, reader: Reader) -> Response {
    let (calls, t) = (reader.calls, frame.t);
    live(state.stop(), move || {
        let part = calls.server().ok().map(|view| now(&view, t));
        async move { part }
    })
}

async fn restart(frame: Frame, administrator: Administrator, Posted(form): Posted) -> Result<Response, PageError> {
    let Administrator { calls, who } = administrator;
    who.confirmed(calls.clock.as_ref())?;
    if !form.on("sure") {
        return Ok(Page::refused(unsure(frame, &calls, form, "/sure")?).into_response());
    }
    let restarting = calls.restart_server(&who.by(calls.clock.as_ref())).await?;
    Ok(Page(StatusCode::ACCEPTED, RestartingPage { frame, started_at: restarting.started_at }).into_response())
}

async fn stop(frame: Frame, administrator: Administrator, Posted(form): Posted) -> Result<Response, PageError> {
    let Administrator { calls, who } = administrator;
    who.confirmed(calls.clock.as_ref())?;
    if !form.on("stop") {
        return Ok(Page::refused(unsure(frame, &calls, form, "/stop")?).into_response());
    }
    calls.stop_server(&who.by(calls.clock.as_ref())).await?;
    Ok(Page(StatusCode::ACCEPTED, StoppingPage { frame }).into_response())
}

/// The page again, since nobody said that it is meant.
fn unsure(frame: Frame, calls: &crate::admin::Calls, form: Fields, pointer: &str) -> Result<ServerPage, CallError> {
    let wrong = [Field { pointer: pointer.into(), text: said("请先确认。", "Please confirm first.") }];
    let form = FormState::refused(form, &wrong, frame.language());
    page(frame, calls, form)
}

async fn configuration(frame: Frame, reader: Reader) -> Result<Response, PageError> {
    Ok(Page::ok(ConfigPage { frame, view: reader.calls.server_config()? }).into_response())
}

/// The page of one key. Its field holds what the next start would read.
fn key_page(frame: Frame, view: ConfigView, key: &str) -> Result<KeyPage, CallError> {
    let entry = view.entries.into_iter().find(|entry| entry.key == key);
    let entry = entry.ok_or_else(|| CallError::not_found(format!("没有配置项 {key}"), format!("there is no key {key}")))?;
    let value = entry.next.as_ref().unwrap_or(&entry.value);
    let text = match value {
        Value::Null => String::new(),
        Value::Array(list) if list.is_empty() => String::new(),
        value => as_typed(value),
    };
    let form = FormState::new(Fields::of([("value", text)]));
    Ok(KeyPage { frame, form, entry, file: view.file, version: view.version, stale: false })
}

async fn edit(frame: Frame, reader: Reader, Path(key): Path<String>) -> Result<Response, PageError> {
    Ok(Page::ok(key_page(frame, reader.calls.server_config()?, &key)?).into_response())
}

async fn write(frame: Frame, administrator: Administrator, Path(key): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let Administrator { calls, who } = administrator;
    who.confirmed(calls.clock.as_ref())?;
    let catalogue = Catalogue::new();
    let typed = catalogue.get(&key).map(|info| info.kind.typed(form.raw("value").unwrap_or_default()));
    let value = typed.filter(|_| !form.on("remove"));
    let seen = form.text("version").parse().ok();
    let by = who.by(calls.clock.as_ref());
    let language = frame.language();
    match calls.change_server_config(&key, value.as_ref(), seen, &by).await {
        Ok(_) => Ok(back("/panel/server/config", "server-written")),
        Err(CallError::Invalid(wrong)) => {
            let page = key_page(frame, calls.server_config()?, &key)?;
            Ok(Page::refused(KeyPage { form: FormState::refused(form, &wrong, language), ..page }).into_response())
        }
        Err(CallError::Stale { .. }) => {
            let page = key_page(frame, calls.server_config()?, &key)?;
            let page = KeyPage { form: FormState::new(form), stale: true, ..page };
            Ok(Page(StatusCode::PRECONDITION_FAILED, page).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Language;

    #[test]
    fn a_length_of_time_is_said_in_its_largest_parts() {
        let of = |seconds| uptime(seconds, Texts(Language::En));
        assert_eq!([of(5), of(65), of(7_260), of(90_000)], ["5 s", "1 min", "2 h 1 min", "1 d 1 h"]);
    }
}
