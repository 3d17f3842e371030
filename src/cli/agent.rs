//! `agent`: the Dify apps that may write a welcome, and what share of users each of them gets.

mod figures;

use std::io::Read;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::{Fault, exit, output};
use crate::{
    admin::calls::agents::{AgentPatch, CheckedInput, read_input},
    app::Core,
    registration::FACTS,
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
    let patch = AgentPatch { name: Some(args.name.clone()), base_url: Some(args.base_url), ..args.options.patch()? };
    core.calls(None).add_agent(patch, &key, &super::by(core, None)).await?;
    output::say(format_args!("added the agent {}; `anmei-mcp agent check {}` asks it", args.name, args.name))
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    let patch = AgentPatch { name: args.rename, base_url: args.base_url, ..args.options.patch()? };
    let agent = core.calls(None).update_agent(&args.name, patch, None, &super::by(core, None)).await?;
    output::say(format_args!("{} is changed, for the next registration on", agent.name))
}

impl Options {
    /// What is named.
    fn patch(self) -> anyhow::Result<AgentPatch> {
        let part = self.part.and_then(|part| part.to_possible_value()).map(|part| part.get_name().to_owned());
        let inputs = self.inputs.iter().map(|text| input(text)).collect::<anyhow::Result<Map<_, _>>>()?;
        Ok(AgentPatch {
            environment: self.environment,
            app_id: self.app_id,
            kind: self.kind,
            version: self.version,
            part,
            weight: self.weight,
            rollout_percent: self.rollout,
            inputs: Some(inputs).filter(|inputs| !inputs.is_empty()),
            timeout_seconds: self.timeout,
            first_byte_ms: self.first_byte_ms,
            stall_ms: self.stall_ms,
            max_concurrent: self.max_concurrent,
            ..AgentPatch::default()
        })
    }
}

/// `INPUT=FACT` or `INPUT==TEXT`.
fn input(text: &str) -> anyhow::Result<(String, Value)> {
    read_input(text).ok_or_else(|| {
        let fault = format!("--input {text}: write INPUT=FACT, or INPUT==TEXT for a constant; facts are {}", FACTS.join(", "));
        Fault::new(exit::USAGE, fault).into()
    })
}

/// The key a person pasted or piped in.
fn read_key() -> anyhow::Result<SecretText> {
    let mut key = String::new();
    std::io::stdin().lock().read_to_string(&mut key)?;
    Ok(SecretText::new(key.trim()))
}

async fn set_key(core: &Core, name: &str) -> anyhow::Result<()> {
    let calls = core.calls(None);
    // Before anybody pastes a key for an agent there is none of.
    calls.agent(name)?;
    calls.set_agent_key(name, &read_key()?, None, &super::by(core, None)).await?;
    output::say(format_args!("{name} has the new key; `anmei-mcp agent check {name}` asks it"))
}

async fn switch(core: &Core, name: &str, enabled: bool) -> anyhow::Result<()> {
    let patch = AgentPatch { enabled: Some(enabled), ..AgentPatch::default() };
    core.calls(None).update_agent(name, patch, None, &super::by(core, None)).await?;
    output::say(format_args!("{name} is {}", if enabled { "enabled" } else { "disabled" }))
}

async fn check(core: &Core, name: &str) -> anyhow::Result<()> {
    let check = core.calls(None).check_agent(name).await?;
    if let (Some(app), Some(mode)) = (&check.app_name, &check.app_mode) {
        output::say(format_args!("address and key are right: {app} ({mode})"))?;
    }
    for input in &check.inputs {
        let required = if input.required { " (required)" } else { "" };
        output::say(format_args!("input {}{required}: {}", input.variable, source(input)))?;
    }
    match check.problem {
        None => output::say("every required input is given"),
        Some(problem) => Err(Fault::new(exit::FAILURE, problem.en).into()),
    }
}

/// What an input gets, for people.
fn source(input: &CheckedInput) -> String {
    match (&input.fact, &input.constant) {
        (Some(fact), _) => format!("the fact {fact}"),
        (None, Some(constant)) => format!("the constant {constant}"),
        (None, None) => "nothing".to_owned(),
    }
}
