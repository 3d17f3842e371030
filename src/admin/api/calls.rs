//! `/api/v1/calls`: the call log, its tail and its export; `/api/v1/errors`: what fails, by type and frequency.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::Body as HttpBody,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use http::{HeaderMap, header};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Denied, Unfit, UnfitBody},
    because::Why,
    frame::{ApiError, Asked, Body, PageQuery, Path},
};
use crate::{
    admin::{
        Who,
        calls::{
            Calls,
            call_export::{Export, ExportAs},
            call_log::{CallBatch, CallBodies, CallDetail, CallQuery, CallsListed},
            errors::{ErrorQuery, ErrorsView},
        },
        entry::{BodyReader, Reader},
        state::AdminState,
    },
    store::call_log_read::CallFilter,
};

/// How often the tail looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long a tail lasts, if whoever reads it is not signed out before.
const LASTS: Duration = Duration::from_mins(1);

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(export))
        .routes(routes!(tail))
        .routes(routes!(show))
        .routes(routes!(bodies))
        .routes(routes!(errors))
}

/// Calls, newest first.
///
/// A page takes no longer when the log is longer. What a filter finds too little of ends the page early: it then has fewer
/// entries than were asked for, `scanned_until` says how far it came, and `next_cursor` goes on from there.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", params(CallQuery, PageQuery),
    responses((status = 200, body = CallsListed, description = "The calls"), Denied, Unfit))]
async fn list(reader: Reader, Asked(query): Asked<CallQuery>, Asked(page): Asked<PageQuery>) -> Result<Json<CallsListed>, ApiError> {
    Ok(Json(reader.calls.logged_calls(&query, page.limit()?, page.cursor.as_deref()).await?))
}

/// Calls as a file, newest first.
///
/// What is exported is redacted, and who exported what is a row of the audit log. Without `since` the file goes back 31
/// days. A file that ends before the range does says so in its last row.
#[utoipa::path(get, path = "/api/v1/calls/export", tag = "calls", params(CallQuery, ExportAs),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/csv"), (String = "application/jsonl"),
            (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        )),
        Denied, Unfit))]
async fn export(reader: Reader, Asked(query): Asked<CallQuery>, Asked(what): Asked<ExportAs>) -> Result<Response, ApiError> {
    let by = reader.who.by(reader.calls.clock.as_ref());
    Ok(file(reader.calls.export_calls(&query, what, by).await?))
}

/// A file on its way to somebody.
pub(in crate::admin) fn file(export: Export) -> Response {
    let named = format!("attachment; filename=\"{}\"", export.file_name);
    let headers = [(header::CONTENT_TYPE, export.media_type.to_owned()), (header::CONTENT_DISPOSITION, named)];
    (headers, HttpBody::from_stream(export.body)).into_response()
}

/// Calls as they end, over server-sent events.
///
/// Each event has a JSON object `{items, left_out}` and the number of the last call that was looked at as its id; there is
/// one a second at most, and none when nothing came. The stream ends after a minute, or with the session or token; whoever goes on with `Last-Event-ID`
/// misses nothing.
#[utoipa::path(get, path = "/api/v1/calls/tail", tag = "calls",
    params(CallQuery, ("Last-Event-ID" = Option<String>, Header, description = "Goes on after this event; without it the tail begins now")),
    responses((status = 200, description = "Events, each with a batch of calls", body = CallBatch, content_type = "text/event-stream"), Denied, Unfit))]
async fn tail(reader: Reader, headers: HeaderMap, Asked(query): Asked<CallQuery>) -> Result<Response, ApiError> {
    let calls = reader.calls;
    let filter = calls.call_filter(&query)?;
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<i64>().ok());
    let from = match seen.filter(|seen| *seen >= 0) {
        Some(seen) => seen,
        None => calls.calls_since(&filter, None).await?.seen,
    };
    let stop = calls.running.as_ref().map(|running| running.stop.clone()).unwrap_or_default();
    let now = Instant::now();
    let tail = Tail { calls, who: reader.who, filter, seen: from, look_at: now, until: now + LASTS, stop };
    let events = stream::unfold(tail, |mut tail| async move { tail.next().await.map(|event| (Ok::<_, Infallible>(event), tail)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

struct Tail {
    calls: Calls,
    who: Who,
    filter: CallFilter,
    seen: i64,
    look_at: Instant,
    until: Instant,
    stop: CancellationToken,
}

impl Tail {
    /// The next event, once there is something to tell. A look that fails is tried again a second later.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = sleep_until(self.look_at) => {}
            }
            self.look_at = Instant::now() + EVERY;
            let admitted = self.calls.is_still_admitted(&self.who).unwrap_or_default();
            if self.look_at > self.until || !admitted {
                return None;
            }
            let Ok(batch) = self.calls.calls_since(&self.filter, Some(self.seen)).await else { continue };
            self.seen = batch.seen;
            if batch.items.is_empty() && batch.left_out == 0 {
                continue;
            }
            if let Ok(event) = Event::default().event("calls").id(batch.seen.to_string()).json_data(&batch) {
                return Some(event);
            }
        }
    }
}

/// One call, redacted.
#[utoipa::path(get, path = "/api/v1/calls/{call_id}", tag = "calls", params(("call_id" = String, Path, description = "UUID v7 of the call")),
    responses((status = 200, body = CallDetail, description = "The call"), Denied, Absent))]
async fn show(reader: Reader, Path(call_id): Path<String>) -> Result<Json<CallDetail>, ApiError> {
    Ok(Json(reader.calls.logged_call(&call_id)?))
}

/// What a caller sent and was answered, as the log holds it.
///
/// For auditors. How much there is, `call_log.bodies` decided when the call was made: with `redacted` (the default) it is
/// what everybody sees, and `kept` says so.
#[utoipa::path(post, path = "/api/v1/calls/{call_id}/bodies", tag = "calls", request_body = Why,
    params(("call_id" = String, Path, description = "UUID v7 of the call")),
    responses((status = 200, body = CallBodies, description = "Arguments and result"), Denied, Absent, UnfitBody))]
async fn bodies(reader: BodyReader, Path(call_id): Path<String>, Body(why): Body<Why>) -> Result<Json<CallBodies>, ApiError> {
    let by = reader.who.by(reader.calls.clock.as_ref());
    Ok(Json(reader.calls.call_bodies(&call_id, (by, &why.reason)).await?))
}

/// What goes wrong, by type and frequency.
///
/// Calls, steps of registrations and questions to agents that failed. Failures are of one type when they say the same but
/// for numbers and ids; the latest 5000 of each kind are sorted so.
#[utoipa::path(get, path = "/api/v1/errors", tag = "errors", params(ErrorQuery),
    responses((status = 200, body = ErrorsView, description = "The types, the most frequent first"), Denied, Unfit))]
async fn errors(reader: Reader, Asked(query): Asked<ErrorQuery>) -> Result<Json<ErrorsView>, ApiError> {
    Ok(Json(reader.calls.errors(&query).await?))
}
