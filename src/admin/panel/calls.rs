//! Calls: the log with filters and a live tail, one call, and the log as a file.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::DateTime;
use serde::de::DeserializeOwned;

use super::{
    form::{Fields, FormState, Posted, Queried},
    frame::{Frame, Page, PageError},
    live::live,
    texts::Texts,
};
use crate::admin::{
    Right, Who,
    api::calls::file,
    calls::{
        CallError, Calls, Field,
        call_export::ExportAs,
        call_log::{CallBodies, CallChoices, CallDetail, CallQuery, CallsListed, Kept},
        said,
    },
    entry::{BodyReader, Reader},
    state::AdminState,
};

/// Calls of a page.
const PAGE: u32 = 50;
/// Fields of the filter; those behind the first four are shown when they are asked for.
const FILTER: [&str; 14] = [
    "group",
    "tool",
    "success",
    "since",
    "until",
    "outcome",
    "key",
    "client",
    "app",
    "registration",
    "channel",
    "protocol",
    "min_ms",
    "error",
];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/calls", get(list))
        .route("/panel/calls/live", get(renewed))
        .route("/panel/calls/export", get(export))
        .route("/panel/calls/{call_id}", get(show))
        .route("/panel/calls/{call_id}/bodies", post(bodies))
}

#[derive(Template)]
#[template(path = "calls.html")]
struct CallsPage {
    frame: Frame,
    form: FormState,
    choices: CallChoices,
    rows: String,
    next: Option<String>,
    query: String,
    live: bool,
    more: bool,
}

impl CallsPage {
    fn ended(&self, outcome: &str) -> String {
        ended(self.frame.t, outcome)
    }
}

/// The table alone: what the live tail sends.
#[derive(Template)]
#[template(path = "calls_rows.html")]
struct CallRows<'a> {
    t: Texts,
    listed: &'a CallsListed,
}

impl CallRows<'_> {
    fn text(&self) -> String {
        self.render().unwrap_or_else(|error| {
            tracing::error!(%error, "the table of calls could not be made");
            String::new()
        })
    }

    fn ended(&self, outcome: &str) -> String {
        ended(self.t, outcome)
    }
}

#[derive(Template)]
#[template(path = "call.html")]
struct CallPage {
    frame: Frame,
    detail: CallDetail,
    form: FormState,
    bodies: Option<CallBodies>,
}

impl CallPage {
    fn ended(&self) -> String {
        ended(self.frame.t, &self.detail.call.outcome)
    }

    fn pretty(value: Option<&serde_json::Value>) -> String {
        value.map(|value| serde_json::to_string_pretty(value).unwrap_or_default()).unwrap_or_default()
    }

    fn may_read_bodies(&self) -> bool {
        self.frame.may(Right::ReadBodies)
    }

    /// What the log holds of this call, in words.
    fn kept(&self) -> String {
        self.frame.t.say(match self.detail.kept {
            Kept::Full => "calls-kept-full",
            Kept::Redacted => "calls-kept-redacted",
            Kept::Nothing => "calls-kept-nothing",
        })
    }
}

/// How a call ended, in words.
fn ended(t: Texts, outcome: &str) -> String {
    t.find(&format!("label-call-{outcome}")).unwrap_or_else(|| outcome.to_owned())
}

async fn list(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let cursor = fields.given("cursor").map(str::to_owned);
    let query = asked(&fields);
    let found = match &query {
        Ok(query) => reader.calls.logged_calls(query, PAGE, cursor.as_deref()).await,
        Err(error) => Err(CallError::Invalid(error.clone())),
    };
    let choices = reader.calls.call_choices()?;
    let more = FILTER.iter().skip(5).any(|name| fields.given(name).is_some());
    let address = fields.query_but(&["cursor", "live", "said"]);
    let live = fields.on("live") && cursor.is_none();
    let page = |frame: Frame, form, rows, next, live| CallsPage { frame, form, choices, rows, next, query: address, live, more };
    match found {
        Ok(listed) => {
            let rows = CallRows { t: frame.t, listed: &listed }.text();
            Ok(Page::ok(page(frame, FormState::new(shown(&fields)), rows, listed.next_cursor, live)).into_response())
        }
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(fields, &wrong, frame.language());
            Ok(Page::refused(page(frame, form, String::new(), None, false)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn renewed(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let query = asked(&fields).map_err(CallError::Invalid)?;
    reader.calls.call_filter(&query)?;
    let calls = reader.calls;
    let stop = calls.running.as_ref().map(|running| running.stop.clone()).unwrap_or_default();
    let t = frame.t;
    let who = reader.who;
    Ok(live(stop, move || table(calls.clone(), who.clone(), query.clone(), t)))
}

async fn table(calls: Calls, who: Who, query: CallQuery, t: Texts) -> Option<String> {
    if !calls.is_still_admitted(&who).ok()? {
        return None;
    }
    let listed = calls.logged_calls(&query, PAGE, None).await.ok()?;
    Some(CallRows { t, listed: &listed }.text())
}

async fn export(reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let query = asked(&fields).map_err(CallError::Invalid)?;
    let what: ExportAs = parsed(&fields, &["format", "max_rows"]).map_err(CallError::Invalid)?;
    let by = reader.who.by(reader.calls.clock.as_ref());
    Ok(file(reader.calls.export_calls(&query, what, by).await?))
}

async fn show(frame: Frame, reader: Reader, Path(call_id): Path<String>) -> Result<Response, PageError> {
    let detail = reader.calls.logged_call(&call_id)?;
    Ok(Page::ok(CallPage { frame, detail, form: FormState::default(), bodies: None }).into_response())
}

/// Shows what was sent on the page that answers the form: an address that shows it again would do so without a reason.
async fn bodies(frame: Frame, reader: BodyReader, Path(call_id): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let detail = reader.calls.logged_call(&call_id)?;
    let by = reader.who.by(reader.calls.clock.as_ref());
    match reader.calls.call_bodies(&call_id, (by, form.text("reason"))).await {
        Ok(bodies) => Ok(Page::ok(CallPage { frame, detail, form: FormState::default(), bodies: Some(bodies) }).into_response()),
        Err(CallError::Invalid(wrong)) => {
            let form = FormState::refused(form, &wrong, frame.language());
            Ok(Page::refused(CallPage { frame, detail, form, bodies: None }).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// What the filter's fields ask for.
fn asked(fields: &Fields) -> Result<CallQuery, Vec<Field>> {
    parsed(fields, &FILTER)
}

/// A value of the fields with these names; empty ones count as left out.
fn parsed<T: DeserializeOwned>(fields: &Fields, names: &[&str]) -> Result<T, Vec<Field>> {
    let given = Fields::of(fields.iter().filter(|(name, _)| names.contains(name)).map(|(name, value)| (name, value.trim())));
    let text = given.query_but(&[]);
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let pointer = format!("/{}", error.path());
        vec![Field { pointer, text: said("这里的值无法识别", "this value is not understood") }]
    })
}

/// The fields as inputs take them: a time without its zone, which is UTC.
fn shown(fields: &Fields) -> Fields {
    Fields::of(fields.iter().map(|(name, value)| {
        let time = if matches!(name, "since" | "until") { DateTime::parse_from_rfc3339(value).ok() } else { None };
        (name, time.map_or_else(|| value.to_owned(), |time| time.to_utc().format("%Y-%m-%dT%H:%M:%S").to_string()))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_left_out_and_a_wrong_one_is_named() {
        let fields = Fields::of([("group", "system_tools"), ("tool", " "), ("success", "false"), ("min_ms", "20"), ("live", "1")]);
        let expected = CallQuery { group: Some("system_tools".into()), success: Some(false), min_ms: Some(20), ..CallQuery::default() };
        assert_eq!(asked(&fields).unwrap(), expected);
        assert_eq!(asked(&Fields::of([("min_ms", "many")])).unwrap_err()[0].pointer, "/min_ms");
    }

    #[test]
    fn a_time_is_shown_as_its_input_takes_it() {
        let fields = shown(&Fields::of([("since", "2026-11-26T18:00:00.000+08:00"), ("until", "2026-11-26T10:00"), ("tool", "t")]));
        assert_eq!((fields.text("since"), fields.text("until"), fields.text("tool")), ("2026-11-26T10:00:00", "2026-11-26T10:00", "t"));
    }
}
