//! The overview: how everything is doing at a glance, for a range, renewed while it is open.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    form::Queried,
    frame::{Frame, Page, PageError},
    live::live,
};
use crate::admin::{
    calls::figures::{OverviewView, Range, SeriesView, Unit},
    entry::Reader,
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/", get(show)).route("/panel/overview/live", get(renewed))
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
    series: &'a SeriesView,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "a template hands references")]
impl Part<'_> {
    fn percent(share: &Option<f64>) -> String {
        share.map_or_else(|| "—".to_owned(), |share| format!("{:.1} %", share * 100.0))
    }

    fn ms(time: &Option<i64>) -> String {
        time.map_or_else(|| "—".to_owned(), |ms| format!("{ms} ms"))
    }

    fn mib(bytes: &u64) -> String {
        format!("{} MiB", bytes / (1024 * 1024))
    }

    /// A figure in the unit of its indicator.
    fn measured(value: &f64, unit: &Unit) -> String {
        match unit {
            Unit::Share => format!("{:.1} %", value * 100.0),
            Unit::Milliseconds => format!("{:.1} s", value / 1000.0),
            Unit::Stars => format!("{value:.2}"),
        }
    }
}

async fn show(frame: Frame, reader: Reader, Queried(fields): Queried) -> Result<Response, PageError> {
    let range = Range::parse(fields.text("range")).unwrap_or_default();
    let part = part(&frame, &reader, range).await?;
    Ok(Page::ok(OverviewPage { frame, range, part }).into_response())
}

async fn part(frame: &Frame, reader: &Reader, range: Range) -> Result<String, PageError> {
    let (view, series) = (reader.calls.overview(range).await?, reader.calls.series(range).await?);
    Ok(Part { frame, view: &view, series: &series }.render().unwrap_or_default())
}

async fn renewed(frame: Frame, reader: Reader, Queried(fields): Queried) -> Response {
    let range = Range::parse(fields.text("range")).unwrap_or_default();
    let stop = reader.calls.running.as_ref().map(|running| running.stop.clone()).unwrap_or_default();
    let shared = std::sync::Arc::new((frame, reader));
    live(stop, move || {
        let shared = std::sync::Arc::clone(&shared);
        async move { part(&shared.0, &shared.1, range).await.ok() }
    })
}
