//! `agent`: the Dify apps that may write a welcome.

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Fault, exit, output};
use crate::{
    app::Core,
    ids::new_id,
    outbound::{
        dify::{AgentKind, DifyClient},
        http_client::{HttpClient, ProxyUse},
    },
    registration::{Agents, agent_key_purpose},
    secret::SecretText,
    store::agents::Agent,
};

#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// All agents
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Adds an agent; its key is read from stdin
    Add(AddArgs),
    /// Asks the agent's app for its name and inputs: proves address, key and kind
    Check {
        /// Name of the agent
        name: String,
    },
    /// Replaces the agent's key by the one read from stdin
    SetKey {
        /// Name of the agent
        name: String,
    },
    /// Lets an agent be chosen
    Enable {
        /// Name of the agent
        name: String,
    },
    /// Lets an agent not be chosen
    Disable {
        /// Name of the agent
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Name for people
    name: String,
    /// Root of the Dify installation's API, such as https://dify.example.com
    #[arg(long)]
    base_url: String,
    /// Kind of app: chat, agent or workflow
    #[arg(long, default_value = "agent")]
    kind: String,
    /// Where it is used
    #[arg(long, default_value = "production")]
    environment: String,
    /// Dify's own id of the app
    #[arg(long)]
    app_id: Option<String>,
    /// Limit of one run in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    timeout: u32,
}

pub(super) async fn run(command: AgentCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        AgentCommand::List { json } => list(core, json)?,
        AgentCommand::Add(args) => add(core, args).await?,
        AgentCommand::Check { name } => check(core, &name).await?,
        AgentCommand::SetKey { name } => set_key(core, &name).await?,
        AgentCommand::Enable { name } => switch(core, &name, true).await?,
        AgentCommand::Disable { name } => switch(core, &name, false).await?,
    }
    Ok(exit::OK)
}

fn list(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let agents = core.store.agents()?;
    if as_json {
        return output::json(&agents);
    }
    output::table(
        &["AGENT", "KIND", "ENABLED", "ADDRESS", "TIMEOUT"],
        agents.into_iter().map(|agent| {
            vec![agent.app_name, agent.kind, output::yes(agent.enabled), agent.base_url, format!("{} s", agent.timeout_seconds)]
        }),
    )
}

async fn add(core: &Core, args: AddArgs) -> anyhow::Result<()> {
    let kind: AgentKind = args.kind.parse().map_err(|error| Fault::new(exit::USAGE, format!("--kind: {error}")))?;
    let key = read_key()?;
    usable(&args.base_url, &key, kind)?;
    let id = new_id(core.clock.as_ref());
    let sealed_key = core.master.seal(&agent_key_purpose(&id), key.expose().as_bytes())?;
    let agent = Agent {
        id,
        environment: args.environment,
        app_name: args.name.clone(),
        app_id: args.app_id,
        kind: kind.as_str().into(),
        base_url: args.base_url,
        sealed_key,
        timeout_seconds: args.timeout,
        enabled: true,
        created_at: core.clock.now_ms(),
    };
    core.store.add_agent(agent).await?;
    output::say(format_args!("added the agent {}; `anmei-mcp agent check {}` asks it", args.name, args.name))
}

/// The key a person pasted or piped in.
fn read_key() -> anyhow::Result<SecretText> {
    let mut key = String::new();
    std::io::stdin().lock().read_to_string(&mut key)?;
    Ok(SecretText::new(key.trim()))
}

fn find(core: &Core, name: &str) -> anyhow::Result<Agent> {
    let agent = core.store.agents()?.into_iter().find(|agent| agent.app_name == name);
    Ok(agent.ok_or_else(|| Fault::new(exit::NOT_FOUND, format!("there is no agent {name}; `anmei-mcp agent list` shows them")))?)
}

/// A client proves that address and key can be used at all, before anything is stored.
fn usable(base_url: &str, key: &SecretText, kind: AgentKind) -> anyhow::Result<()> {
    let client = DifyClient::new(HttpClient::new(ProxyUse::System)?, base_url, key.clone(), kind);
    client.map(drop).map_err(|error| Fault::new(exit::USAGE, error.to_string()).into())
}

async fn set_key(core: &Core, name: &str) -> anyhow::Result<()> {
    let agent = find(core, name)?;
    let key = read_key()?;
    usable(&agent.base_url, &key, agent.kind.parse()?)?;
    let sealed = core.master.seal(&agent_key_purpose(&agent.id), key.expose().as_bytes())?;
    core.store.set_agent_key(&agent.id, sealed, core.clock.now_ms()).await?;
    output::say(format_args!("{name} has the new key; `anmei-mcp agent check {name}` asks it"))
}

async fn check(core: &Core, name: &str) -> anyhow::Result<()> {
    let agent = find(core, name)?;
    let agents = Agents::new(core.store.clone(), HttpClient::new(ProxyUse::System)?, core.master.clone());
    let client = agents.client(&agent)?;
    let info = client.info().await?;
    let parameters = client.parameters().await?;
    let known = ["user_id", "username", "is_new_user", "roles", "source", "query"];
    let missing: Vec<_> = parameters
        .inputs
        .iter()
        .filter(|input| input.required && !known.contains(&input.variable.as_str()))
        .map(|input| input.variable.clone())
        .collect();
    output::json(
        &json!({"agent": name, "app": info.name, "mode": info.mode, "kind_fits": client.kind().fits(&info.mode), "required_inputs_not_mapped": missing}),
    )?;
    if missing.is_empty() && client.kind().fits(&info.mode) {
        return Ok(());
    }
    Err(Fault::new(
        exit::FAILURE,
        "the app cannot be asked as it is: its kind differs, or it requires inputs that are not sent; welcomes will be the default one",
    )
    .into())
}

async fn switch(core: &Core, name: &str, enabled: bool) -> anyhow::Result<()> {
    core.store.set_agent_enabled(name, enabled, core.clock.now_ms()).await?;
    output::say(format_args!("{name} is {}; in force for the next registration", if enabled { "enabled" } else { "disabled" }))
}
