//! Errors: by type and frequency, each with a sample and the way to where it happened.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    form::{FormState, Queried},
    frame::{Frame, Page, PageError},
    shown::label,
};
use crate::{
    admin::{
        calls::{
            CallError,
            errors::{ErrorKind, ErrorQuery, ErrorType, ErrorsView},
        },
        entry::Reader,
        state::AdminState,
    },
    clock::rfc3339,
};

/// The ranges that are offered, in hours.
const RANGES: [(&str, i64); 5] = [("1h", 1), ("24h", 24), ("7d", 7 * 24), ("30d", 30 * 24), ("90d", 90 * 24)];

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/errors", get(list))
}

#[derive(Template)]
#[template(path = "errors.html")]
struct ErrorsPage {
    frame: Frame,
    form: FormState,
    range: &'static str,
    view: ErrorsView,
}

impl ErrorsPage {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a template hands a reference")]
    fn kind(&self, kind: &ErrorKind) -> String {
        self.frame.t.say(match kind {
            ErrorKind::Call => "errors-call",
            ErrorKind::Step => "errors-step",
            ErrorKind::Agent => "errors-agent",
        })
    }

    fn outcome(&self, found: &ErrorType) -> String {
        let kind = match found.kind {
            ErrorKind::Call => "call",
            ErrorKind::Step => "run-outcome",
            ErrorKind::Agent => "agent-error",
        };
        label(self.frame.t, kind, &found.outcome)
    }

    /// Tools and agents have names; a step is said in words.
    fn what(&self, found: &ErrorType) -> String {
        if found.kind == ErrorKind::Step { label(self.frame.t, "step", &found.what) } else { found.what.clone() }
    }

    /// The calls behind a type, in the log.
    fn log(&self, found: &ErrorType) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !found.what.is_empty() {
            query.append_pair("tool", &found.what);
        }
        query.append_pair("outcome", &found.outcome).append_pair("since", &self.view.since);
        format!("/panel/calls?{}", query.finish())
    }

    fn percent(found: &ErrorType) -> String {
        format!("{:.1} %", found.share * 100.0)
    }

    fn ranges() -> [&'static str; 5] {
        RANGES.map(|(name, _)| name)
    }

    fn range_name(&self, range: &str) -> String {
        self.frame.t.find(&format!("label-errors-range-{range}")).unwrap_or_else(|| range.to_owned())
    }
}

async fn list(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let (range, hours) = RANGES.into_iter().find(|(name, _)| *name == fields.text("range")).unwrap_or(("24h", 24));
    let kind = match fields.text("kind") {
        "" => None,
        "call" => Some(ErrorKind::Call),
        "step" => Some(ErrorKind::Step),
        "agent" => Some(ErrorKind::Agent),
        _ => return Err(CallError::invalid("/kind", "只能是 call、step 或 agent", "is call, step or agent").into()),
    };
    let since = reader.calls.clock.now_ms() - hours * 3_600_000;
    let view = reader.calls.errors(&ErrorQuery { kind, since: Some(rfc3339(since)), until: None }).await?;
    Ok(Page::ok(ErrorsPage { frame, form: FormState::new(fields), range, view }).into_response())
}
