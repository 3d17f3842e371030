//! `admin`: the way into the panel and the API, from the machine itself.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Fault, exit, output};
use crate::{
    admin::{Role, calls::NewToken},
    app::Core,
    gate::accounts::PANEL_ROLES,
};

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// A link that makes the first administrator: works once, within 30 minutes; those before it end
    Link {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Makes an API token of an account, shown once
    Token(TokenArgs),
}

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// Login of the account; the token never does more than it may
    login: String,
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it may do: administrator, operator or auditor
    #[arg(long, value_parser = PANEL_ROLES)]
    role: String,
    /// After how many days it ends
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: AdminCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        AdminCommand::Link { json } => link(core, json).await?,
        AdminCommand::Token(args) => token(core, args).await?,
    }
    Ok(exit::OK)
}

async fn link(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let run = core.dir.read_run_file();
    let Some(root) = core.panel_root(run.as_ref()) else {
        return Err(Fault::new(exit::FAILURE, "the panel is switched off: set admin.enabled = true and start the daemon").into());
    };
    let link = core.calls(None).new_setup_link(&root, super::by(core, None)).await?;
    if as_json {
        return output::json(&json!({"link": link.expose()}));
    }
    if run.is_none() {
        output::aside("no daemon works on this directory: start it with `anmei-mcp serve` before the link is opened");
    }
    output::say(link.expose())
}

async fn token(core: &Core, args: TokenArgs) -> anyhow::Result<()> {
    let role = Role::parse(&args.role).unwrap_or(Role::Operator);
    let new = NewToken { name: args.name, role, days: Some(args.days) };
    let made = core.calls(None).add_api_token_of(new, &args.login, super::by(core, None)).await?;
    if args.json { output::json(&made) } else { output::say(made.token) }
}
