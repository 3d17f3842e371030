//! `import`: brings records of the existing app in from CSV or JSONL, one file of one kind at a time.
//!
//! All or nothing: either every row of the file is in force afterwards, or the database is as before and the first
//! [`MOST_ERRORS`] mistakes are named by line. The same file can be imported again. It refuses what is not UTF-8, columns it
//! does not know, and rows that point at nothing.

mod complaints;
mod rows;
mod source;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use self::{complaints::Complaints, rows::Rows};
use super::{Fault, exit, output};
use crate::{
    app::Core,
    clock::Clock,
    store::{
        Store,
        import::{ImportError, ImportSummary, Kind, Mode},
    },
};

/// Most mistakes that one run names.
const MOST_ERRORS: usize = 20;

/// What to import, from where.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = fields_help())]
pub struct ImportArgs {
    /// What the file holds
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|name| name.parse::<Kind>()))]
    kind: Kind,
    /// The file, .csv or .jsonl; - reads stdin and needs --format
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Checks everything and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints the outcome as JSON
    #[arg(long)]
    json: bool,
    /// Form of the file, where its name does not say it
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header row, then one record a row
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// How to import.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Check everything, change nothing.
    pub dry_run: bool,
    /// Print the outcome as JSON.
    pub json: bool,
    /// Form of the file; None goes by its name.
    pub format: Option<Format>,
}

/// Does what the command line asks for.
pub(super) async fn run(args: &ImportArgs, core: &Core) -> anyhow::Result<u8> {
    let options = ImportOptions { dry_run: args.dry_run, json: args.json, format: args.format };
    import(&core.store, args.kind, &args.file, options, core.clock.as_ref()).await?;
    Ok(exit::OK)
}

/// Imports one file and prints what it did.
pub async fn import(store: &Store, kind: Kind, file: &Path, options: ImportOptions, clock: &dyn Clock) -> anyhow::Result<ImportSummary> {
    let format = source::format_of(file, options.format)?;
    let bytes = source::read(file)?;
    let label = source::label(file);
    let outcome = match read(kind, format, &bytes) {
        Ok(rows) => put(store, rows, options, clock.now_ms()).await?,
        Err(complaints) => Err(complaints),
    };
    match outcome {
        Ok(summary) => {
            tell(&label, kind, options, summary)?;
            Ok(summary)
        }
        Err(complaints) => {
            if options.json {
                output::json(&json!({ "file": label, "kind": kind.name(), "imported": false, "errors": complaints.list }))?;
            }
            Err(Fault::new(exit::FAILURE, complaints.text(&label, options.json)).into())
        }
    }
}

fn read(kind: Kind, format: Format, bytes: &[u8]) -> Result<Rows, Complaints> {
    let text = source::text(bytes)?;
    let bar = progress(text.len() as u64, "reading");
    let rows = match format {
        Format::Csv => rows::csv(kind, text, &bar),
        Format::Jsonl => rows::jsonl(kind, text, &bar),
    };
    bar.finish_and_clear();
    rows
}

/// The inner error is what the rows have against them.
async fn put(store: &Store, rows: Rows, options: ImportOptions, now_ms: i64) -> anyhow::Result<Result<ImportSummary, Complaints>> {
    let Rows { records, lines } = rows;
    let bar = progress(records.len() as u64, "storing");
    let mode = if options.dry_run { Mode::Rehearse } else { Mode::Apply };
    let shown = bar.clone();
    let result = store.import_with(records, now_ms, mode, move |done| shown.set_position(done as u64)).await;
    bar.finish_and_clear();
    match result {
        Ok(summary) => Ok(Ok(summary)),
        Err(ImportError::Records(failures)) => Ok(Err(Complaints::of_failures(failures, &lines))),
        Err(ImportError::Store(error)) => Err(anyhow::Error::new(error).context("nothing was imported")),
    }
}

fn tell(label: &str, kind: Kind, options: ImportOptions, summary: ImportSummary) -> anyhow::Result<()> {
    let ImportSummary { added, changed, unchanged } = summary;
    if options.json {
        return output::json(&json!({
            "file": label, "kind": kind.name(), "imported": !options.dry_run, "dry_run": options.dry_run,
            "added": added, "changed": changed, "unchanged": unchanged,
        }));
    }
    let told = format!("{label}: {} {kind} read: {added} added, {changed} changed, {unchanged} unchanged", added + changed + unchanged);
    if options.dry_run { output::say(format!("{told} (dry run: nothing was kept)")) } else { output::say(told) }
}

/// A bar on a terminal's stderr; nothing anywhere else.
fn progress(length: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    // A template that does not parse leaves the library's own look.
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {percent:>3} % {eta}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(what)
}

fn fields_help() -> String {
    let mut help = String::from(
        "Columns, in snake_case or camelCase; * must be there. An absent, null or empty value keeps what is stored.\n\
         Times: 2026-05-20T18:00:00+08:00, 2026-05-20 (at the clinic, UTC+8) or milliseconds since 1970. Money: yuan, such as 1980.50.\n\
         Lists: [\"a\", \"b\"], and in CSV also a;b. Import users first; a plan comes after the one it revises.\n",
    );
    for kind in Kind::ALL {
        // Writing to a String cannot fail.
        let _written = write!(help, "\n{kind}:\n");
        for field in kind.fields() {
            let mark = if field.required { "*" } else { " " };
            let _written = writeln!(help, "  {mark} {:<20} {}", field.name, field.meaning);
        }
    }
    help
}

#[cfg(test)]
mod tests;
