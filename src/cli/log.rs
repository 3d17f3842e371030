//! `log`: the call log, one call of it, the log as a file, and what fails.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};
use futures_util::TryStreamExt;

use super::{Fault, exit, output};
use crate::{
    admin::calls::{
        call_export::{ExportAs, ExportFormat},
        call_log::{CallQuery, CallView, CallsListed},
        errors::ErrorQuery,
    },
    app::Core,
    clock::rfc3339,
    config::HumanDuration,
};

/// Calls that are asked for at once.
const PAGE: u32 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Calls of tools and requests that were refused, the newest first
    List(ListArgs),
    /// One call, redacted; with a reason all that the log holds of it, which becomes a row of the audit log
    Show(ShowArgs),
    /// Calls as a file, redacted; becomes a row of the audit log
    Export(ExportArgs),
    /// What goes wrong, by type and frequency
    Errors(ErrorArgs),
}

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Only this group, by its server code or id
    #[arg(long, value_name = "CODE")]
    group: Option<String>,
    /// Only this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only calls that got no result
    #[arg(long)]
    failed: bool,
    /// Only calls that ended so, such as timeout
    #[arg(long)]
    outcome: Option<String>,
    /// Only this key, by its id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only clients whose name and version contain this
    #[arg(long, value_name = "TEXT")]
    client: Option<String>,
    /// Only callers that give themselves this id
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Only calls made for this registration
    #[arg(long, value_name = "ID")]
    registration: Option<String>,
    /// Only this door: http, stdio, cli or admin
    #[arg(long)]
    channel: Option<String>,
    /// Only this revision of the protocol
    #[arg(long, value_name = "REVISION")]
    protocol: Option<String>,
    /// Only calls that took at least so many milliseconds
    #[arg(long, value_name = "MS")]
    min_ms: Option<u32>,
    /// Only the last so long, such as 24h, or since a time, such as 2026-11-26T10:00:00Z
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<String>,
    /// Only what came so long ago, or before a time
    #[arg(long, value_name = "DURATION|TIME")]
    until: Option<String>,
    /// Only errors that contain this
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Id of the call
    call_id: String,
    /// Shows what was sent, for this reason
    #[arg(long, value_name = "REASON")]
    bodies: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// How the file is written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Calls in the file at most
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_rows: Option<u32>,
    /// Where to [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
    Xlsx,
}

#[derive(Debug, Args)]
pub(super) struct ErrorArgs {
    /// Only the last so long, such as 7d, or since a time
    #[arg(long, value_name = "DURATION|TIME", default_value = "24h")]
    since: String,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: LogCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        LogCommand::List(args) => list(core, args).await?,
        LogCommand::Show(args) => show(core, args).await?,
        LogCommand::Export(args) => export(core, args).await?,
        LogCommand::Errors(args) => errors(core, &args).await?,
    }
    Ok(exit::OK)
}

/// A time as the calls take it: a length of time is so long ago.
fn time(core: &Core, text: &str) -> String {
    text.parse::<HumanDuration>().map_or_else(|_| text.to_owned(), |ago| rfc3339(core.clock.now_ms().saturating_sub(ago.as_ms())))
}

impl FilterArgs {
    fn query(self, core: &Core) -> CallQuery {
        CallQuery {
            group: self.group,
            tool: self.tool,
            success: self.failed.then_some(false),
            outcome: self.outcome,
            key: self.key,
            client: self.client,
            app: self.app,
            registration: self.registration,
            channel: self.channel,
            protocol: self.protocol,
            min_ms: self.min_ms,
            since: self.since.map(|text| time(core, &text)),
            until: self.until.map(|text| time(core, &text)),
            error: self.error,
        }
    }
}

async fn list(core: &Core, args: ListArgs) -> anyhow::Result<()> {
    let query = args.filter.query(core);
    let calls = core.calls(None);
    let (mut found, mut cursor) = (Vec::new(), None);
    while found.len() < args.limit as usize {
        let length = PAGE.min(args.limit - found.len() as u32);
        let page: CallsListed = calls.logged_calls(&query, length, cursor.as_deref()).await?;
        found.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if args.json {
        return output::json(&found);
    }
    output::table(&["AT", "TOOL", "OUTCOME", "MS", "GROUP", "CLIENT", "ERROR", "CALL"], found.iter().map(line))
}

fn line(call: &CallView) -> Vec<String> {
    let dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    vec![
        call.at.clone(),
        dash(Some(&call.tool)),
        call.outcome.clone(),
        call.duration_ms.to_string(),
        dash(call.group.as_ref().map(|group| group.code.as_deref().unwrap_or(&group.id))),
        dash(call.client.as_deref()),
        dash(call.error.as_deref()),
        call.call_id.clone(),
    ]
}

async fn show(core: &Core, args: ShowArgs) -> anyhow::Result<()> {
    let calls = core.calls(None);
    match args.bodies {
        None => output::json(&calls.logged_call(&args.call_id)?),
        Some(reason) => {
            let bodies = calls.call_bodies(&args.call_id, (super::by(core, None), &reason)).await?;
            output::json(&bodies)
        }
    }
}

async fn export(core: &Core, args: ExportArgs) -> anyhow::Result<()> {
    let query = args.filter.query(core);
    let format = match args.format {
        Format::Csv => ExportFormat::Csv,
        Format::Jsonl => ExportFormat::Jsonl,
        Format::Xlsx => ExportFormat::Xlsx,
    };
    let what = ExportAs { format, max_rows: args.max_rows };
    let mut file = core.calls(None).export_calls(&query, what, super::by(core, None)).await?;
    let mut to: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(create(path)?),
        None => Box::new(std::io::stdout()),
    };
    while let Some(piece) = file.body.try_next().await? {
        match to.write_all(&piece) {
            // A reader that went away (`| head`) is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe && args.output.is_none() => return Ok(()),
            done => done?,
        }
    }
    Ok(to.flush()?)
}

fn create(path: &Path) -> anyhow::Result<std::fs::File> {
    let refused = |error| Fault::new(exit::FAILURE, format!("cannot write {}: {error}", path.display()));
    Ok(std::fs::File::create(path).map_err(refused)?)
}

async fn errors(core: &Core, args: &ErrorArgs) -> anyhow::Result<()> {
    let query = ErrorQuery { kind: None, since: Some(time(core, &args.since)), until: None };
    let view = core.calls(None).errors(&query).await?;
    if args.json {
        return output::json(&view);
    }
    let rows = view.types.iter().map(|found| {
        let what = if found.what.is_empty() { "-" } else { &found.what };
        vec![
            found.count.to_string(),
            found.kind.as_str().to_owned(),
            what.to_owned(),
            found.outcome.clone(),
            found.last_at.clone(),
            found.message.clone(),
        ]
    });
    output::table(&["COUNT", "KIND", "WHAT", "OUTCOME", "LAST", "MESSAGE"], rows)
}
