//! `serve`: the daemon.

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{clock, exit, output};
use crate::{
    app::{self, Core, Daemon, Parts, Setup},
    config::Loaded,
    lifecycle,
};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Prints nothing to stdout when ready
    #[arg(long)]
    quiet: bool,
}

pub(super) async fn serve(args: ServeArgs, loaded: Loaded) -> anyhow::Result<u8> {
    let stop = CancellationToken::new();
    lifecycle::stop_on_signals(stop.clone())?;
    let core = Core::open(loaded.config, clock()).await?;
    let setup = core.set_up().await?;
    let daemon = app::serve(core.clone(), Parts { stop }).await?;
    if let Some(keys) = new_keys(&setup) {
        output::say(keys)?;
    }
    if !args.quiet {
        show_ready(&core, &daemon)?;
    }
    daemon.run().await.map_err(anyhow::Error::msg)?;
    Ok(exit::OK)
}

/// The keys of a first start, to be shown once; nothing at every later start.
pub(super) fn new_keys(setup: &Setup) -> Option<String> {
    let rows = setup.keys.iter().map(|new| vec![new.server_code.clone(), new.key.expose().to_owned()]);
    let table = output::table_text(&["GROUP", "KEY"], rows);
    (!setup.keys.is_empty())
        .then(|| format!("首次启动，已创建分组与密钥（仅显示这一次） / First start: groups and their keys (shown once)\n\n{table}\n"))
}

fn show_ready(core: &Core, daemon: &Daemon) -> anyhow::Result<()> {
    let addresses = &daemon.addresses;
    output::say(format_args!("MCP    {}/mcp   {}/server/<server-code>/mcp", addresses.mcp, addresses.mcp))?;
    output::say(format_args!("Hook   {}/hooks/registration", addresses.hook))?;
    if daemon.hook_key_is_new {
        output::say(format_args!("       key {} (kept in hook.key)", daemon.hook_key.expose()))?;
    }
    output::say(format_args!("Data   {}", core.dir.path().display()))?;
    output::say("\n下一步 / Next: anmei-mcp group list · anmei-mcp key show <server-code> · anmei-mcp agent add --help")
}
