//! `connect`: how a host is told of this server: printed, put into its file, tried out.

mod check;
mod offered;
mod show;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::check::Checked;
use super::{Fault, clock, exit};
use crate::{
    config::{Loaded, environment},
    connect::{self, Host, InstallError, Installed, Pieces, Transport},
};

#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    /// claude-code, claude-desktop, cursor, vscode, cherry-studio, n8n, dify, dify-plugin, inspector, codex or gemini
    host: Host,
    /// Only this group; without it every enabled group but those bound to the subjects of registrations
    #[arg(long, value_name = "CODE")]
    group: Option<String>,
    /// The group's key of this name, where it has several and none is called default
    #[arg(long, value_name = "NAME", requires = "group")]
    key: Option<String>,
    /// stdio, http or sse [default: what the host does best]
    #[arg(long)]
    transport: Option<Transport>,
    /// The address in front of /mcp under which the host reaches this server [default: mcp.public_url]
    #[arg(long)]
    url: Option<String>,
    /// Puts the entries into the host's file, and keeps a copy of the file as it was
    #[arg(long)]
    write: bool,
    /// The host's file, where it is not the usual one
    #[arg(long, value_name = "PATH", requires = "write")]
    file: Option<PathBuf>,
    /// Connects as the host will, and lists the tools; exit code 3 when a key is refused, 1 when something else fails
    #[arg(long)]
    check: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What the command found, to be shown.
struct Outcome {
    pieces: Pieces,
    file: Option<PathBuf>,
    installed: Option<Installed>,
    checked: Option<Vec<Checked>>,
}

pub(super) async fn run(args: &ConnectArgs, loaded: Loaded) -> anyhow::Result<u8> {
    let transport = args.transport.unwrap_or_else(|| usual(args));
    args.host.supports(transport).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
    let offer = offered::offer(args, loaded, transport).await?;
    let mut pieces = connect::pieces(args.host, &offer).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
    let file = environment().places().and_then(|places| places.file(args.host));
    let placeholders = offer.placeholders();
    let installed = if args.write { Some(install(args, &pieces, &placeholders, file.clone())?) } else { None };
    if installed.as_ref().is_some_and(|installed| !installed.kept.is_empty()) {
        pieces.keys_are_in_the_file(&placeholders);
    }
    let checked = if args.check { Some(check::all(args.host, &offer).await?) } else { None };
    let code = checked.as_deref().map_or(exit::OK, check::exit_code);
    let outcome = Outcome { pieces, file, installed, checked };
    if args.json {
        show::json(&outcome)?;
    } else {
        show::text(&outcome)?;
    }
    Ok(code)
}

/// An address somewhere else means that the host is not where the database is.
fn usual(args: &ConnectArgs) -> Transport {
    match (args.host, &args.url, args.host.transports()) {
        (Host::ClaudeDesktop, Some(_), _) => Transport::Http,
        (_, _, [first, ..]) => *first,
        _ => Transport::Http,
    }
}

fn install(args: &ConnectArgs, pieces: &Pieces, placeholders: &[String], usual: Option<PathBuf>) -> anyhow::Result<Installed> {
    let host = args.host;
    let usage = |why: String| Fault::new(exit::USAGE, why);
    let piece = pieces.file.as_ref().ok_or_else(|| usage(format!("{host} is set up in its own window; run this without --write")))?;
    let path = args.file.clone().or(usual);
    let path = path.ok_or_else(|| usage(format!("{host} keeps no file of its own; name one with --file, or run this without --write")))?;
    let stamp = crate::clock::from_ms(clock().now_ms()).format("%Y%m%dT%H%M%SZ").to_string();
    connect::install(&path, piece, placeholders, &stamp).map_err(|error| {
        let code = if matches!(error, InstallError::NoKeys { .. }) { exit::AUTH } else { exit::FAILURE };
        Fault::new(code, error.to_string()).into()
    })
}

impl Outcome {
    fn value(&self) -> anyhow::Result<serde_json::Value> {
        let mut value = serde_json::to_value(&self.pieces)?;
        if let Some(members) = value.as_object_mut() {
            if let Some(file) = &self.pieces.file {
                let text = file.text();
                members.insert("file".into(), json!({"path": self.file, "format": file.format, "text": text, "puts": file.puts}));
            }
            if let Some(installed) = &self.installed {
                members.insert("installed".into(), json!(installed));
            }
            if let Some(checked) = &self.checked {
                members.insert("checked".into(), json!(checked));
            }
        }
        Ok(value)
    }
}
