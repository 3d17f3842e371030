//! How much may be asked of a group: what is in force and where it is from, and setting one limit at a time.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{mistakes, seen};
use crate::{
    admin::{
        calls::{
            CallError, Calls, Field,
            groups::GroupDetail,
            limits::{LimitChange, LimitView},
            said,
        },
        entry::{Administrator, Reader},
        panel::{
            form::{Fields, FormState, Posted},
            frame::{Frame, Page, PageError, back},
        },
        state::AdminState,
    },
    store::limits::Kind,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/groups/{code}/limits", get(show).post(change))
}

#[derive(Template)]
#[template(path = "limits.html")]
struct LimitsPage {
    frame: Frame,
    detail: GroupDetail,
    lines: Vec<LimitView>,
    form: FormState,
    /// Of what the page shows.
    version: i64,
    /// Whether the limits were changed since the form was shown.
    is_stale: bool,
}

impl LimitsPage {
    fn of(frame: Frame, calls: &Calls, code: &str, form: FormState) -> Result<Self, CallError> {
        // Read first: a change in between makes it older than what is shown, and then the form is refused, and not lost.
        let version = calls.limits_version(code)?;
        Ok(Self { frame, detail: calls.group(code)?, lines: calls.limits(Some(code))?, form, version, is_stale: false })
    }

    fn kind(&self, kind: &str) -> String {
        self.frame.t.say(&format!("label-limit-{kind}"))
    }

    fn from(&self, from: &str) -> String {
        self.frame.t.say(&format!("label-from-{from}"))
    }

    /// For whom, in words.
    fn whose(&self, line: &LimitView) -> String {
        match (&line.key_id, &line.tool) {
            (Some(_), _) => self.frame.t.with("limits-of-key", line.whose.trim_start_matches("key ")),
            (None, Some(tool)) => self.frame.t.with("limits-of-tool", tool.as_str()),
            (None, None) => self.frame.t.say("limits-of-each"),
        }
    }
}

async fn show(reader: Reader, frame: Frame, Path(code): Path<String>) -> Result<Page<LimitsPage>, PageError> {
    Ok(Page::ok(LimitsPage::of(frame, &reader.calls, &code, FormState::default())?))
}

async fn change(admin: Administrator, frame: Frame, Path(code): Path<String>, Posted(typed): Posted) -> Result<Response, PageError> {
    let done = async {
        let change = read(&code, &typed)?;
        admin.calls.change_limits(&change, seen(typed.text("seen")), &admin.who.by(admin.calls.clock.as_ref())).await
    };
    match done.await {
        Ok(_) => Ok(back(&format!("/panel/groups/{code}/limits"), "limits-changed")),
        Err(CallError::Stale { .. }) => {
            let page = LimitsPage::of(frame, &admin.calls, &code, FormState::new(typed))?;
            Ok(Page(StatusCode::PRECONDITION_FAILED, LimitsPage { is_stale: true, ..page }).into_response())
        }
        Err(error) => {
            // Whatever is wrong with the limit is shown beside its value.
            let wrong: Vec<_> = mistakes(error)?.into_iter().map(|field| Field { pointer: place(&field.pointer), ..field }).collect();
            let form = FormState::refused(typed, &wrong, frame.language());
            Ok(Page::refused(LimitsPage::of(frame, &admin.calls, &code, form)?).into_response())
        }
    }
}

fn place(pointer: &str) -> String {
    if pointer.starts_with("/limits") { "/value".into() } else { pointer.to_owned() }
}

fn read(code: &str, typed: &Fields) -> Result<LimitChange, CallError> {
    let value = match typed.given("value") {
        None => Value::Null,
        Some(text) => text.parse::<u64>().map(Value::from).map_err(|_| {
            let text = said("请填写整数；留空表示取消这条限额", "write a whole number, or nothing to take the limit away");
            CallError::Invalid(vec![Field { pointer: "/value".into(), text }])
        })?,
    };
    let whose = typed.text("whose");
    Ok(LimitChange {
        server_code: code.to_owned(),
        key_id: whose.strip_prefix("key:").map(str::to_owned),
        tool: whose.strip_prefix("tool:").map(str::to_owned),
        limits: Map::from_iter([(typed.text("limit").to_owned(), value)]),
    })
}
