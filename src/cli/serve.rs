//! `serve`: the daemon.

use std::{io::IsTerminal, sync::Arc};

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Fault, clock, exit, output};
use crate::{
    admin::calls::LINK_FILE,
    app::{self, Core, Daemon, Parts, Setup},
    config::{Language, Loaded, Mcp, environment},
    drill::{self, Armed},
    lifecycle::{self, Again},
    secret::SecretText,
    store::audit::By,
};

/// Listeners of the daemon, at most.
const LISTENERS: usize = 4;
/// Files that are no connections of clients: the database's, and sockets to agents and channels.
const OTHER_FILES: usize = 512;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Prints nothing to stdout when ready
    #[arg(long)]
    quiet: bool,
}

pub(super) async fn serve(args: ServeArgs, loaded: Loaded) -> anyhow::Result<u8> {
    arm_drill()?;
    let stop = CancellationToken::new();
    let again = Again::here().context("cannot tell where this program is")?;
    lifecycle::stop_on_signals(stop.clone(), again.clone())?;
    lifecycle::survive_file_size_limit()?;
    enough_files(loaded.config.http.max_connections);
    let core = Core::open(loaded.config.clone(), clock()).await?;
    let setup = core.set_up().await?;
    let daemon = app::serve(core.clone(), Parts { stop, loaded: Arc::new(loaded), again: again.clone() }).await?;
    if let Some(keys) = new_keys(&setup, core.config.language) {
        output::say(keys)?;
    }
    if !args.quiet {
        show_ready(&core, &daemon)?;
    }
    if let Some(link) = core.setup_link(Some(&daemon.addresses), By::new("setup", core.clock.now_ms())).await? {
        give_link(&core, &link, args.quiet)?;
    }
    daemon.run().await.map_err(anyhow::Error::msg)?;
    if again.is_wanted() {
        return Err(again.begin()).context("the daemon has stopped and cannot begin anew");
    }
    Ok(exit::OK)
}

/// A connection is a file, on each listener; the rest is for the database, the log and what goes out.
fn enough_files(connections: usize) {
    let wanted = u64::try_from(connections.saturating_mul(LISTENERS).saturating_add(OTHER_FILES)).unwrap_or(u64::MAX);
    if let Err(missing) = lifecycle::enough_files(wanted) {
        tracing::warn!("{missing}");
    }
}

/// A drill that started this process says in its environment where it is to die.
fn arm_drill() -> anyhow::Result<()> {
    if environment().drill() == Some(drill::RELAXED) {
        tracing::error!("a drill runs this process without waiting for the disk: a power cut loses what was accepted");
        drill::relax();
    } else if let Some(point) = environment().drill() {
        let armed = Armed::parse(point).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
        tracing::warn!(point, "a drill will kill this process");
        drill::arm(armed);
    }
    Ok(())
}

/// The text for the person at the terminal.
pub(super) fn in_language(language: Language, zh: &'static str, en: &'static str) -> &'static str {
    match language {
        Language::ZhCn => zh,
        Language::En => en,
    }
}

/// The keys of a first start, to be shown once; nothing at every later start.
pub(super) fn new_keys(setup: &Setup, language: Language) -> Option<String> {
    let rows = setup.keys.iter().map(|new| vec![new.server_code.clone(), new.key.expose().to_owned()]);
    let table = output::table_text(&["GROUP", "KEY"], rows);
    let first = in_language(language, "首次启动，已创建分组与密钥（仅显示这一次）：", "First start: groups and their keys, shown once:");
    (!setup.keys.is_empty()).then(|| format!("{first}\n\n{table}\n"))
}

/// The setup link goes to a person at a terminal, or else into a file: logs are read by many.
fn give_link(core: &Core, link: &SecretText, quiet: bool) -> anyhow::Result<()> {
    if !quiet && std::io::stdout().is_terminal() {
        let text = in_language(
            core.config.language,
            "打开此链接创建管理员账号（30 分钟内有效，仅可使用一次）：",
            "Open this link to create the administrator (works once, within 30 minutes):",
        );
        return output::say(format_args!("\n{text}\n{}", link.expose()));
    }
    let path = core.dir.put_secret(LINK_FILE, link)?;
    tracing::warn!(path = %path.display(), "there is no administrator: the link in this file makes the first one, once and within 30 minutes");
    Ok(())
}

fn show_ready(core: &Core, daemon: &Daemon) -> anyhow::Result<()> {
    let (addresses, language) = (&daemon.addresses, core.config.language);
    let mcp = &core.config.mcp;
    // Behind a proxy the address of the socket is of no use to anybody else.
    let local = mcp.public_url == Mcp::default().public_url;
    let root = if local { &addresses.mcp } else { &mcp.public_url };
    let root = root.trim_end_matches('/');
    output::say(format_args!("MCP    {root}/mcp   {root}/server/<server-code>/mcp"))?;
    output::say(format_args!("Hook   {}/hooks/registration", addresses.hook))?;
    if daemon.hook_key_is_new {
        let kept = in_language(language, "（保存在 hook.key）", "(kept in hook.key)");
        output::say(format_args!("       key {} {kept}", daemon.hook_key.expose()))?;
    }
    if let Some(panel) = core.panel_root(Some(addresses)) {
        output::say(format_args!("Panel  {panel}/panel/"))?;
    }
    output::say(format_args!("Data   {}", core.dir.path().display()))?;
    let next = in_language(language, "下一步", "Next");
    output::say(format_args!("\n{next}: anmei-mcp group list · anmei-mcp key show <server-code> · anmei-mcp agent add --help"))
}
