//! The overview: how everything is doing at a glance, for a range, renewed while it is open.
//!
//! Numbers are renewed every second; the charts between them stay as they are, and a script fetches theirs when the mark
//! of their series is another one.

mod charts;

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use self::charts::Charts;
use super::{
    amounts,
    form::{Fields, Queried},
    frame::{Frame, Page, PageError},
    live::live,
    shown::label,
};
use crate::admin::{
    calls::figures::{ErrorCountView, OverviewView, Range, Unit},
    entry::Reader,
    state::AdminState,
};

/// Stands for the charts, which are left alone when the rest is renewed.
const PLACE_OF_CHARTS: &str = r#"<section id="charts" hx-morph-skip></section>"#;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/", get(show)).route("/panel/overview/live", get(renewed)).route("/panel/overview/charts", get(charts_anew))
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    range: Range,
    part: String,
}

impl OverviewPage {
    fn ranges() -> [&'static str; 6] {
        Range::ALL.map(Range::as_str)
    }
}

#[derive(Template)]
#[template(path = "overview_part.html")]
struct Part<'a> {
    frame: &'a Frame,
    view: &'a OverviewView,
    mark: String,
    charts: String,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "a template hands references")]
impl Part<'_> {
    fn percent(share: &Option<f64>) -> String {
        share.map_or_else(|| "—".to_owned(), amounts::percent)
    }

    fn ms(time: &Option<i64>) -> String {
        time.map_or_else(|| "—".to_owned(), |ms| amounts::length(Some(ms)))
    }

    fn mib(bytes: &u64) -> String {
        format!("{} MiB", bytes / (1024 * 1024))
    }

    /// Bytes in a second.
    fn rate(bytes: &Option<f64>) -> String {
        bytes.map_or_else(|| "—".into(), |bytes| format!("{:.0} KiB/s", bytes / 1024.0))
    }

    fn step(&self, step: &str) -> String {
        label(self.frame.t, "step", step)
    }

    fn breaker(&self, state: &str) -> String {
        self.frame.t.say(super::agents::breaker_key(state))
    }

    /// Where something went wrong, and in which way.
    fn error(&self, error: &ErrorCountView) -> String {
        let (place, kind) = match error.kind {
            "step" => ("errors-step", "step"),
            "agent" => ("errors-agent", "agent-error"),
            _ => ("errors-call", "call"),
        };
        format!("{} · {}", self.frame.t.say(place), label(self.frame.t, kind, &error.error))
    }

    /// A figure in the unit of its indicator.
    fn measured(value: &f64, unit: &Unit) -> String {
        match unit {
            Unit::Share => amounts::percent(*value),
            Unit::Milliseconds => format!("{:.1} s", value / 1000.0),
            Unit::Stars => format!("{value:.2}"),
        }
    }
}

async fn show(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let range = range(&fields);
    let part = part(&frame, &reader, range, true).await?;
    Ok(Page::ok(OverviewPage { frame, range, part }).into_response())
}

fn range(fields: &Fields) -> Range {
    Range::parse(fields.text("range")).unwrap_or_default()
}

/// What is renewed; with the charts where they are not on the page yet.
async fn part(frame: &Frame, reader: &Reader, range: Range, with_charts: bool) -> Result<String, PageError> {
    let (view, series) = (reader.calls.overview(range).await?, reader.calls.series(range).await?);
    let charts = if with_charts { Charts::of(frame, &series).render().unwrap_or_default() } else { PLACE_OF_CHARTS.to_owned() };
    Ok(Part { frame, view: &view, mark: charts::mark(&series), charts }.render().unwrap_or_default())
}

async fn renewed(frame: Frame, reader: Reader, Queried(fields): Queried) -> Response {
    let range = range(&fields);
    let stop = reader.calls.running.as_ref().map(|running| running.stop.clone()).unwrap_or_default();
    let shared = std::sync::Arc::new((frame, reader));
    live(stop, move || {
        let shared = std::sync::Arc::clone(&shared);
        async move { part(&shared.0, &shared.1, range, false).await.ok() }
    })
}

/// The charts alone, for the script that draws them.
async fn charts_anew(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let series = reader.calls.series(range(&fields)).await?;
    Ok(Page::ok(Charts::of(&frame, &series)).into_response())
}
