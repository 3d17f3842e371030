//! What people and programs read: results on stdout, complaints on stderr.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::store::figures::Share;

/// Writes a line to stdout. A reader that went away (`| head`) is no failure.
pub(super) fn say(text: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a value as JSON for programs.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?)
}

/// Writes a line to stderr: for what must not mix with a result.
pub(super) fn aside(text: impl std::fmt::Display) {
    // Nothing can be said about a stderr that is closed.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes rows under headings.
pub(super) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<()> {
    say(table_text(headings, rows))
}

/// Rows under headings.
pub(super) fn table_text(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(headings.iter().copied());
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Writes a failure with its causes to stderr.
pub(super) fn complain(error: &anyhow::Error) {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Many errors repeat their cause in their own words.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    aside(text);
}

/// `yes` or `no`.
pub(super) fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.into()
}

/// A moment, or a dash.
pub(super) fn moment(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".into(), crate::clock::rfc3339)
}

/// A share in percent with what it is of, or a dash.
pub(super) fn share(share: Share) -> String {
    share.value().map_or_else(|| "-".into(), |value| format!("{:.1} % ({}/{})", value * 100.0, share.hits, share.of))
}

/// A length of time in the unit people would choose, or a dash.
pub(super) fn length(ms: Option<i64>) -> String {
    match ms {
        None => "-".into(),
        Some(ms) if ms < 10_000 => format!("{ms} ms"),
        Some(ms) if ms < 600_000 => format!("{:.1} s", ms as f64 / 1e3),
        Some(ms) if ms < 36_000_000 => format!("{:.1} min", ms as f64 / 6e4),
        Some(ms) => format!("{:.1} h", ms as f64 / 3.6e6),
    }
}
