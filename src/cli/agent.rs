//! `agent`: the Dify apps that may write a welcome, and what share of users each of them gets.

mod figures;

use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Fault, exit, output};
use crate::{
    app::Core,
    ids::new_id,
    outbound::{
        dify::{AgentKind, DifyClient, InputField},
        http_client::{HttpClient, ProxyUse},
    },
    registration::{Agents, FACTS, agent_key_purpose},
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
    /// Compares agents: runs, welcomes, times, costs, replies, claims, ratings
    Figures(figures::FiguresArgs),
    /// Adds an agent; its key is read from stdin
    Add(AddArgs),
    /// Changes an agent: only what is named
    Set(SetArgs),
    /// Asks the agent's app for its name and inputs: proves address, key, kind and the mapping of inputs
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
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Name of the agent
    name: String,
    /// New name for people
    #[arg(long)]
    rename: Option<String>,
    /// Root of the Dify installation's API
    #[arg(long)]
    base_url: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// The part an agent plays.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// Writes welcomes; several share the users by weight
    Stable,
    /// Gets the share of users that --rollout says
    Candidate,
    /// Is asked when the first agent fails
    Fallback,
}

#[derive(Debug, Args)]
struct Options {
    /// Kind of app: chat, agent or workflow (default agent)
    #[arg(long)]
    kind: Option<String>,
    /// Where it is used (default production)
    #[arg(long)]
    environment: Option<String>,
    /// Dify's own id of the app
    #[arg(long)]
    app_id: Option<String>,
    /// Version of its prompt, for people and figures (default 1)
    #[arg(long)]
    version: Option<String>,
    /// The part it plays (default stable)
    #[arg(long)]
    part: Option<Part>,
    /// Share among agents of the same part (default 100)
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    weight: Option<u32>,
    /// Share of all users a candidate gets, in percent; a new value begins a new comparison
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=100))]
    rollout: Option<u32>,
    /// Input of the app and what it gets: INPUT=FACT, or INPUT==TEXT for a constant; repeatable, replaces the mapping.
    /// Facts: user_id, customer_id, username, is_new_user, roles, segment, source. Without any, all facts are sent under their names
    #[arg(long = "input", value_name = "INPUT=FACT")]
    inputs: Vec<String>,
    /// Limit of one run in seconds (default 60)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    timeout: Option<u32>,
    /// Limit until the first event, in milliseconds (default 2000)
    #[arg(long, value_parser = clap::value_parser!(u32).range(50..=600_000))]
    first_byte_ms: Option<u32>,
    /// Longest silence within an answer, in milliseconds (default 15000)
    #[arg(long, value_parser = clap::value_parser!(u32).range(50..=600_000))]
    stall_ms: Option<u32>,
    /// Runs at once (default 8)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    max_concurrent: Option<u32>,
}

pub(super) async fn run(command: AgentCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        AgentCommand::List { json } => list(core, json)?,
        AgentCommand::Figures(args) => figures::figures(core, &args).await?,
        AgentCommand::Add(args) => add(core, args).await?,
        AgentCommand::Set(args) => set(core, args).await?,
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
        return output::json(&json!(agents));
    }
    let share = |agent: &Agent| match agent.part.as_str() {
        "candidate" => format!("{} %", agent.rollout_percent),
        _ => format!("weight {}", agent.weight),
    };
    output::table(
        &["AGENT", "VERSION", "PART", "SHARE", "KIND", "BASE URL", "ENABLED"],
        agents.into_iter().map(|agent| {
            let share = share(&agent);
            let enabled = if agent.enabled { "yes" } else { "no" };
            vec![agent.app_name, agent.version, agent.part, share, agent.kind, agent.base_url, enabled.to_owned()]
        }),
    )
}

async fn add(core: &Core, args: AddArgs) -> anyhow::Result<()> {
    let key = read_key()?;
    let id = new_id(core.clock.as_ref());
    let sealed_key = core.master.seal(&agent_key_purpose(&id), key.expose().as_bytes())?;
    let mut agent = Agent::new(id, args.name.clone(), args.base_url, sealed_key, core.clock.now_ms());
    apply(&mut agent, args.options)?;
    usable(&agent, &key)?;
    core.store.add_agent(agent).await?;
    output::say(format_args!("added the agent {}; `anmei-mcp agent check {}` asks it", args.name, args.name))
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    let mut agent = find(core, &args.name)?;
    apply(&mut agent, args.options)?;
    if let Some(base_url) = args.base_url {
        agent.base_url = base_url;
    }
    if let Some(name) = args.rename {
        agent.app_name = name;
    }
    // The address is checked with whatever key there is: a client is built, nothing is sent.
    usable(&agent, &SecretText::new("app-unchanged"))?;
    let name = agent.app_name.clone();
    core.store.update_agent(agent, core.clock.now_ms()).await?;
    output::say(format_args!("{name} is changed, for the next registration on"))
}

/// Writes what is named into the agent.
fn apply(agent: &mut Agent, options: Options) -> anyhow::Result<()> {
    fn put<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    if let Some(kind) = &options.kind {
        let _known: AgentKind = kind.parse().map_err(|error| Fault::new(exit::USAGE, format!("--kind: {error}")))?;
    }
    put(&mut agent.kind, options.kind);
    put(&mut agent.environment, options.environment);
    put(&mut agent.version, options.version);
    put(&mut agent.weight, options.weight);
    put(&mut agent.rollout_percent, options.rollout);
    put(&mut agent.timeout_seconds, options.timeout);
    put(&mut agent.first_byte_ms, options.first_byte_ms);
    put(&mut agent.stall_ms, options.stall_ms);
    put(&mut agent.max_concurrent, options.max_concurrent);
    let part = options.part.and_then(|part| part.to_possible_value()).map(|part| part.get_name().to_owned());
    put(&mut agent.part, part);
    agent.app_id = options.app_id.or_else(|| agent.app_id.take());
    if !options.inputs.is_empty() {
        agent.inputs = options.inputs.iter().map(|text| input(text)).collect::<anyhow::Result<_>>()?;
    }
    Ok(())
}

/// `INPUT=FACT` or `INPUT==TEXT`.
fn input(text: &str) -> anyhow::Result<(String, Value)> {
    let bad = |why: String| Fault::new(exit::USAGE, format!("--input {text}: {why}; facts are {}", FACTS.join(", ")));
    let (name, value) = text.split_once('=').ok_or_else(|| bad("write INPUT=FACT, or INPUT==TEXT for a constant".into()))?;
    if let Some(constant) = value.strip_prefix('=') {
        return Ok((name.to_owned(), json!({"value": constant})));
    }
    if !FACTS.contains(&value) {
        return Err(bad(format!("there is no fact {value}")).into());
    }
    Ok((name.to_owned(), value.into()))
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
fn usable(agent: &Agent, key: &SecretText) -> anyhow::Result<()> {
    let client = DifyClient::new(HttpClient::new(ProxyUse::System)?, &agent.base_url, key.clone(), agent.kind.parse()?);
    client.map(drop).map_err(|error| Fault::new(exit::USAGE, error.to_string()).into())
}

async fn set_key(core: &Core, name: &str) -> anyhow::Result<()> {
    let agent = find(core, name)?;
    let key = read_key()?;
    usable(&agent, &key)?;
    let sealed = core.master.seal(&agent_key_purpose(&agent.id), key.expose().as_bytes())?;
    core.store.set_agent_key(&agent.id, sealed, core.clock.now_ms()).await?;
    output::say(format_args!("{name} has the new key; `anmei-mcp agent check {name}` asks it"))
}

async fn switch(core: &Core, name: &str, enabled: bool) -> anyhow::Result<()> {
    let agent = Agent { enabled, ..find(core, name)? };
    core.store.update_agent(agent, core.clock.now_ms()).await?;
    output::say(format_args!("{name} is {}", if enabled { "enabled" } else { "disabled" }))
}

async fn check(core: &Core, name: &str) -> anyhow::Result<()> {
    let agent = find(core, name)?;
    let agents = Agents::new(core.store.clone(), HttpClient::new(ProxyUse::System)?, core.master.clone(), &agent.environment);
    let client = agents.client(&agent)?;
    let info = client.info().await?;
    let kind: AgentKind = agent.kind.parse()?;
    output::say(format_args!("address and key are right: {} ({})", info.name, info.mode))?;
    if !kind.fits(&info.mode) {
        let fault =
            format!("the app is of the kind {}, and {name} is set up as {}; `anmei-mcp agent set {name} --kind …`", info.mode, agent.kind);
        return Err(Fault::new(exit::FAILURE, fault).into());
    }
    let inputs = client.parameters().await?.inputs;
    for field in &inputs {
        output::say(format_args!(
            "input {}{}: {}",
            field.variable,
            if field.required { " (required)" } else { "" },
            source(&agent, field)
        ))?;
    }
    let missing = missing_inputs(&agent, &inputs);
    if missing.is_empty() {
        return output::say("every required input is given");
    }
    let fault = format!(
        "required inputs without a value: {}. Dify refuses the question without them; map each with `anmei-mcp agent set {name} --input INPUT=FACT` (facts: {})",
        missing.join(", "),
        FACTS.join(", ")
    );
    Err(Fault::new(exit::FAILURE, fault).into())
}

/// Required inputs of the app that nothing is mapped to.
pub(in crate::cli) fn missing_inputs<'a>(agent: &Agent, inputs: &'a [InputField]) -> Vec<&'a str> {
    inputs.iter().filter(|field| field.required && !is_given(agent, field)).map(|field| field.variable.as_str()).collect()
}

fn is_given(agent: &Agent, field: &InputField) -> bool {
    // A workflow that declares an input of this name gets the question in it.
    let question = agent.kind == "workflow" && field.variable == "query";
    question || if agent.inputs.is_empty() { FACTS.contains(&field.variable.as_str()) } else { agent.inputs.contains_key(&field.variable) }
}

/// What an input gets, for people.
fn source(agent: &Agent, field: &InputField) -> String {
    match agent.inputs.get(&field.variable) {
        Some(Value::String(fact)) => format!("the fact {fact}"),
        Some(constant) => format!("the constant {}", constant.get("value").unwrap_or(&Value::Null)),
        None if is_given(agent, field) => format!("the fact {}", field.variable),
        None => "nothing".to_owned(),
    }
}
