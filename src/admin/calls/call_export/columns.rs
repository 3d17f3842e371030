//! What stands in each column, and lines of text made of it.

use std::io;

use serde::Serialize;
use serde_json::{Value, json};

use crate::admin::calls::call_log::CallView;

/// The columns, in their order.
pub(super) const COLUMNS: [&str; 19] = [
    "call_id",
    "number",
    "at",
    "group_code",
    "group_name",
    "tool",
    "success",
    "outcome",
    "error",
    "duration_ms",
    "key_id",
    "key_name",
    "client",
    "app_id",
    "registration_id",
    "channel",
    "protocol",
    "request",
    "response",
];

/// A value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Number(i64),
    Truth(bool),
    Nothing,
}

/// A row of the file.
pub(super) enum Record {
    Call {
        view: Box<CallView>,
        request: Option<Value>,
        response: Option<Value>,
    },
    /// The file ends before the range does.
    Cut {
        rows: u32,
        before: String,
    },
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    view: &'a CallView,
    request: &'a Option<Value>,
    response: &'a Option<Value>,
}

impl Record {
    pub(super) fn of(view: CallView, (request, response): (Option<Value>, Option<Value>)) -> Self {
        Self::Call { view: Box::new(view), request, response }
    }

    pub(super) fn cut(rows: u32, before: &str) -> Self {
        Self::Cut { rows, before: before.to_owned() }
    }

    fn words(rows: u32, before: &str) -> String {
        format!(
            "已达到上限（{rows} 行），{before} 及更早的调用没有导出；请缩小时间范围或提高 max_rows / \
             ended after {rows} rows: calls of {before} and before are not in this file; ask for a shorter range or a higher max_rows"
        )
    }

    /// The cells, in the order of [`COLUMNS`].
    pub(super) fn cells(&self) -> Vec<Cell> {
        let text = |text: &str| Cell::Text(text.to_owned());
        let maybe = |text: Option<&str>| text.map_or(Cell::Nothing, |text| Cell::Text(text.to_owned()));
        let body = |body: &Option<Value>| body.as_ref().map_or(Cell::Nothing, |body| Cell::Text(body.to_string()));
        match self {
            Self::Call { view, request, response } => vec![
                text(&view.call_id),
                Cell::Number(view.number),
                text(&view.at),
                maybe(view.group.as_ref().map(|group| group.code.as_deref().unwrap_or(&group.id))),
                maybe(view.group.as_ref().and_then(|group| group.name.as_deref())),
                text(&view.tool),
                Cell::Truth(view.success),
                text(&view.outcome),
                maybe(view.error.as_deref()),
                Cell::Number(view.duration_ms),
                maybe(view.key.as_ref().map(|key| key.id.as_str())),
                maybe(view.key.as_ref().and_then(|key| key.name.as_deref())),
                maybe(view.client.as_deref()),
                maybe(view.app_id.as_deref()),
                maybe(view.registration_id.as_deref()),
                text(&view.channel),
                text(&view.protocol),
                body(request),
                body(response),
            ],
            Self::Cut { rows, before } => {
                let mut cells = vec![text("truncated"), text(&Self::words(*rows, before))];
                cells.resize(COLUMNS.len(), Cell::Nothing);
                cells
            }
        }
    }
}

/// A text that no spreadsheet takes for a formula: what begins like one gets an apostrophe before it.
pub(super) fn defused(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// The heading, behind the mark by which spreadsheets know UTF-8.
pub(super) fn csv_head() -> Vec<u8> {
    format!("\u{feff}{}\r\n", COLUMNS.join(",")).into_bytes()
}

pub(super) fn csv(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        writer.write_record(record.cells().into_iter().map(|cell| match cell {
            Cell::Text(text) => defused(&text),
            Cell::Number(number) => number.to_string(),
            Cell::Truth(truth) => truth.to_string(),
            Cell::Nothing => String::new(),
        }))?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

pub(super) fn jsonl(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        match record {
            Record::Call { view, request, response } => serde_json::to_writer(&mut lines, &Line { view, request, response })?,
            Record::Cut { rows, before } => {
                let words = Record::words(*rows, before);
                serde_json::to_writer(&mut lines, &json!({"truncated": {"rows": rows, "before": before, "detail": words}}))?;
            }
        }
        lines.push(b'\n');
    }
    Ok(lines)
}
