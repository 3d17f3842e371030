//! The call log as a file: CSV, JSON lines or a workbook, read and sent a piece at a time.
//!
//! Nothing is held but one page of calls; a workbook grows in a nameless file beside the database until it is sent. What
//! everybody may see is exported and no more. A file that ends before the range does says so in its last row, and who
//! exported what is a row of the audit log before the first byte leaves.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use self::{columns::Record, workbook::Book};
use super::{
    CallError, Calls,
    call_log::{CallQuery, in_time, redacted},
};
use crate::{
    clock::rfc3339,
    store::{
        audit::{By, Change},
        call_log_read::{Bounds, CallFilter, Place},
    },
};

mod columns;
mod workbook;

/// Calls in a file, when nobody says how many.
const ROWS: u32 = 100_000;
/// Most calls in a file: what a sheet of a workbook holds, with some room.
const MOST_ROWS: u32 = 1_000_000;
/// Rows of the log that are looked through for one file.
const MOST_READ: u64 = 10_000_000;
/// How far back a file goes when nobody says from when on.
const RANGE_MS: i64 = 31 * 86_400_000;
/// One page: small enough to be sent at once.
const PAGE: Bounds = Bounds { rows: 1_000, read: 10_000, time: Duration::from_secs(1), bodies: true };

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Comma-separated, UTF-8 with a byte order mark.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// A workbook.
    Xlsx,
}

impl ExportFormat {
    /// Its name, which is also the ending of the file's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Xlsx => "xlsx",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// What is exported, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportAs {
    /// How the file is written.
    #[param(inline)]
    pub format: ExportFormat,
    /// Calls in the file at most. When there are more, its last row says so.
    #[param(minimum = 1, maximum = 1_000_000, default = 100_000)]
    pub max_rows: Option<u32>,
}

/// A file on its way.
pub struct Export {
    /// What it may be called.
    pub file_name: String,
    /// What it is.
    pub media_type: &'static str,
    /// Its bytes.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl Calls {
    /// Calls as a file, newest first. Without `since` it begins 31 days ago.
    pub async fn export_calls(&self, query: &CallQuery, what: ExportAs, by: By) -> Result<Export, CallError> {
        let most = what.max_rows.unwrap_or(ROWS);
        if !(1..=MOST_ROWS).contains(&most) {
            let (zh, en) = (format!("{most} 超出范围：1 到 {MOST_ROWS}"), format!("{most} is out of range: 1 to {MOST_ROWS}"));
            return Err(CallError::invalid("/max_rows", zh, en));
        }
        let mut filter = self.call_filter(query)?;
        filter.since.get_or_insert(filter.until.unwrap_or_else(|| self.clock.now_ms()).saturating_sub(RANGE_MS));
        let now = by.at;
        let change = Change::new("call.export", "calls").after(json!({
            "format": what.format, "filter": query, "since": filter.since.map(rfc3339), "max_rows": most,
        }));
        self.store.audit(by, change).await?;
        let pages = Pages { calls: self.clone(), filter, from: None, most, rows: 0, read: 0, done: false };
        let body = match what.format {
            ExportFormat::Csv => texts(pages, columns::csv_head(), columns::csv),
            ExportFormat::Jsonl => texts(pages, Vec::new(), columns::jsonl),
            ExportFormat::Xlsx => sheet(pages),
        };
        let stamp: String = rfc3339(now).chars().filter(char::is_ascii_digit).take(14).collect();
        let file_name = format!("calls-{stamp}.{}", what.format.as_str());
        Ok(Export { file_name, media_type: what.format.media_type(), body })
    }
}

/// The pages of one file.
struct Pages {
    calls: Calls,
    filter: CallFilter,
    from: Option<Place>,
    most: u32,
    rows: u32,
    read: u64,
    done: bool,
}

impl Pages {
    /// The next page, and a word at the end of a file that is cut.
    async fn next(&mut self) -> Result<Option<Vec<Record>>, CallError> {
        if self.done {
            return Ok(None);
        }
        let left = (self.most - self.rows) as usize;
        let bounds = Bounds { rows: PAGE.rows.min(left), ..PAGE };
        let page = in_time(self.calls.store.calls_page(self.filter.clone(), self.from, bounds)).await?;
        let views = self.calls.call_views(&page.calls)?;
        let mut records: Vec<_> = views.into_iter().zip(&page.calls).map(|(view, call)| Record::of(view, redacted(call))).collect();
        self.rows += records.len() as u32;
        self.read += u64::from(page.read);
        self.from = page.next;
        let enough = self.rows >= self.most || self.read >= MOST_READ;
        if let Some(next) = page.next.filter(|_| enough) {
            records.push(Record::cut(self.rows, &rfc3339(next.at)));
        }
        self.done = enough || page.next.is_none();
        Ok(Some(records))
    }
}

/// A file of lines.
fn texts(pages: Pages, head: Vec<u8>, write: fn(&[Record]) -> io::Result<Vec<u8>>) -> BoxStream<'static, io::Result<Bytes>> {
    let lines = stream::try_unfold(pages, move |mut pages| async move {
        let Some(records) = pages.next().await.map_err(io::Error::other)? else { return Ok(None) };
        Ok(Some((Bytes::from(write(&records)?), pages)))
    });
    // A piece without a byte would end the body of some servers.
    stream::once(async move { Ok(Bytes::from(head)) }).chain(lines).try_filter(|piece| std::future::ready(!piece.is_empty())).boxed()
}

/// A workbook: written as the pages come, sent once it is whole.
fn sheet(mut pages: Pages) -> BoxStream<'static, io::Result<Bytes>> {
    let whole = async move {
        let dir = pages.calls.store.path().parent().map(std::path::Path::to_owned).unwrap_or_default();
        let mut book = Book::new(&dir)?;
        while let Some(records) = pages.next().await.map_err(io::Error::other)? {
            book.add(&records)?;
        }
        Ok::<_, io::Error>(book.send())
    };
    stream::once(whole).try_flatten().boxed()
}

#[cfg(test)]
mod tests;
