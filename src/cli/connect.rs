//! `connect`: how a host is told of this server: printed, put into its file, tried out.

mod check;
mod show;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::check::Checked;
use super::{Fault, clock, exit, fault, key, output, serve};
use crate::{
    app::Core,
    config::{Loaded, environment, web_url},
    connect::{self, Host, InstallError, Installed, Offer, Pieces, Program, Server, Transport},
    gate::keys::Hidden,
    secret::SecretText,
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
    let config_file = loaded.file.clone();
    let core = Core::open(loaded.config, clock()).await?;
    core.start_recording();
    if let Some(keys) = serve::new_keys(&core.set_up().await?, core.config.language) {
        output::aside(keys);
    }
    let done = connect(args, &core, config_file).await;
    core.close().await;
    done
}

async fn connect(args: &ConnectArgs, core: &Core, config_file: Option<PathBuf>) -> anyhow::Result<u8> {
    let transport = args.transport.unwrap_or_else(|| usual(args));
    args.host.supports(transport).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
    let servers = servers(args, core, transport).await?;
    let offer = Offer { transport, base: base(args, core)?, program: program(core, config_file)?, servers };
    let pieces = connect::pieces(args.host, &offer).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
    let file = environment().places().and_then(|places| places.file(args.host));
    let installed = if args.write { Some(install(args, &pieces, file.clone(), core.clock.now_ms())?) } else { None };
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

/// The groups with their keys. On stdio nobody needs a key, and so none is looked at.
async fn servers(args: &ConnectArgs, core: &Core, transport: Transport) -> anyhow::Result<Vec<Server>> {
    let policy = core.gate.policy().current()?;
    let chosen = match &args.group {
        Some(code) => vec![core.calls(None).group_policy(code).map_err(fault)?],
        None => policy.groups().iter().filter(|group| group.group.enabled && !group.group.subject_scoped).cloned().collect(),
    };
    if chosen.is_empty() {
        return Err(Fault::new(exit::NOT_FOUND, "no group is enabled; `anmei-mcp group list` shows the groups").into());
    }
    let mut servers = Vec::new();
    for group in chosen {
        let group = &group.group;
        let key = match (transport, &args.group, environment().api_key()) {
            (Transport::Stdio, ..) => None,
            (_, Some(_), Some(given)) => Some(given),
            _ => revealed(core, (&group.server_code, args.key.as_deref())).await?,
        };
        servers.push(Server { code: group.server_code.clone(), title: group.name.clone(), key });
    }
    Ok(servers)
}

/// The group's key, unless no copy of it is kept.
async fn revealed(core: &Core, (code, wanted): (&str, Option<&str>)) -> anyhow::Result<Option<SecretText>> {
    match key::open::reveal(core, (code, wanted), "connect").await? {
        Ok(text) => Ok(Some(text)),
        Err(Hidden::NotKept) => Ok(None),
        Err(hidden) => Err(Fault::new(exit::FAILURE, format!("{code}: {hidden}")).into()),
    }
}

/// The address in front of every path: what was said, what is configured, or where the daemon listens.
fn base(args: &ConnectArgs, core: &Core) -> anyhow::Result<String> {
    if let Some(url) = &args.url {
        let wrong = |why: &str| Fault::new(exit::USAGE, format!("--url {url}: {why}"));
        let parsed = web_url(url).map_err(|why| wrong(&why))?;
        if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() {
            return Err(wrong("scheme, host, port and perhaps a path are expected").into());
        }
        let plain = url.trim_end_matches('/');
        let ours = ["/mcp", "/sse"].iter().any(|end| plain.ends_with(end));
        return if ours { Err(wrong("give the address in front of /mcp").into()) } else { Ok(plain.to_owned()) };
    }
    let running = core.dir.read_run_file().map(|run| run.mcp);
    Ok(core.config.mcp.client_base(running.as_deref()))
}

fn program(core: &Core, config_file: Option<PathBuf>) -> anyhow::Result<Program> {
    let absolute = |path: &std::path::Path| std::path::absolute(path).map(|path| path.display().to_string());
    let mut arguments = vec!["--data-dir".to_owned(), absolute(core.dir.path())?];
    if let Some(file) = config_file {
        arguments.extend(["--config".to_owned(), absolute(&file)?]);
    }
    Ok(Program { path: std::env::current_exe()?.display().to_string(), arguments })
}

fn install(args: &ConnectArgs, pieces: &Pieces, usual: Option<PathBuf>, now: i64) -> anyhow::Result<Installed> {
    let host = args.host;
    let usage = |why: String| Fault::new(exit::USAGE, why);
    let piece = pieces.file.as_ref().ok_or_else(|| usage(format!("{host} is set up in its own window; run this without --write")))?;
    let path = args.file.clone().or(usual);
    let path = path.ok_or_else(|| usage(format!("{host} keeps no file of its own; name one with --file, or run this without --write")))?;
    let stamp = crate::clock::from_ms(now).format("%Y%m%dT%H%M%SZ").to_string();
    connect::install(&path, piece, &stamp).map_err(|error: InstallError| Fault::new(exit::FAILURE, error.to_string()).into())
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
