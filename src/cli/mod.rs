//! The command line: one file per verb. The same functions as every other skin, no rules of its own.

mod account;
mod admin;
mod agent;
mod alert;
mod audit;
mod bridge;
mod claim;
pub mod config;
mod connect;
mod demo;
mod doctor;
mod drill;
mod event;
pub mod generate;
mod group;
pub mod import;
mod job;
mod key;
mod limit;
mod live;
mod log;
mod oauth;
mod output;
mod prompt;
mod register;
mod report;
mod serve;
mod settings;
mod stdio;
mod timeline;
mod tool;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{
    admin::CallError,
    app::{Core, StartError},
    clock::{SharedClock, SystemClock},
    config::{Config, Loaded, LogFormat, Sources, environment},
    store::audit::By,
    telemetry,
};

/// Exit codes, as every verb uses them.
pub mod exit {
    /// It worked.
    pub const OK: u8 = 0;
    /// It did not.
    pub const FAILURE: u8 = 1;
    /// The command line or the configuration is wrong.
    pub const USAGE: u8 = 2;
    /// A key is missing or wrong.
    pub const AUTH: u8 = 3;
    /// The thing named does not exist.
    pub const NOT_FOUND: u8 = 4;
}

const AFTER_HELP: &str = "\
Exit codes: 0 it worked · 1 it failed · 2 usage or configuration · 3 key missing or wrong · 4 no such group, tool, customer, setting or file · 130 ended by a second signal

First steps:
  anmei-mcp demo                       try everything on sample data
  anmei-mcp serve                      start; the first start prints the keys
  anmei-mcp tool call system_tools search_users --arguments '{\"query\":\"张\"}'";

const ABOUT: &str = "医美咨询的 MCP 工具服务与注册自动化\nMCP tools and registration automation for a medical-aesthetics clinic";

#[derive(Debug, Parser)]
#[command(name = "anmei-mcp", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every verb takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Configuration file [default: $ANMEI_MCP_CONFIG, ./anmei-mcp.toml, then the system's places]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the database and the master key
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Sets one key of the configuration, such as mcp.listen=127.0.0.1:9000 (repeatable)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the daemon: MCP, the registration hook, the automation
    Serve(serve::ServeArgs),
    /// Serves one group on stdin and stdout, for a host that starts this program itself
    Stdio(stdio::StdioArgs),
    /// Connects a host that only starts programs to a group on another machine: stdio on this side, HTTP on the other
    Bridge(bridge::BridgeArgs),
    /// How a host is told of this server: commands, links, its configuration file
    Connect(connect::ConnectArgs),
    /// Runs the main job on sample data: one registration from webhook to welcome
    Demo(demo::DemoArgs),
    /// Groups of tools
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Keys that open groups
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Who changed what, when and why
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// People who sign in with a password, and which groups that opens for them
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// The way into the panel and the admin API, from the machine itself
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// OAuth: clients that ask for access, and what they were granted
    #[command(subcommand)]
    Oauth(oauth::OauthCommand),
    /// How much each key and tool may be asked
    #[command(subcommand)]
    Limit(limit::LimitCommand),
    /// Tools: what they are, who offers them, and calling one
    #[command(subcommand)]
    Tool(tool::ToolCommand),
    /// Dify agents that write welcomes
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// What administrators must know
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    /// What the automation achieves, beside its targets
    Report(report::ReportArgs),
    /// Customers who wait for a consultant, and taking one over
    #[command(subcommand)]
    Claim(claim::ClaimCommand),
    /// Events for the app: what was delivered, what was not, and sending it again
    #[command(subcommand)]
    Event(event::EventCommand),
    /// The log of calls: what was called, what failed, and the log as a file
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Live connections of consultants and customers
    #[command(subcommand)]
    Live(live::LiveCommand),
    /// Jobs: what waits, what failed, and the proof that nothing was lost
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Kills a daemon of its own at every moment that matters, and proves that nothing is lost
    #[command(subcommand)]
    Drill(drill::DrillCommand),
    /// Sends a test registration to the running daemon and shows its timeline
    Register(register::RegisterArgs),
    /// What the automation says and does: changed while the daemon runs
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// Is everything as it should be, and if not, what puts it right
    Doctor(doctor::DoctorArgs),
    /// Reads users, customers, services and more from CSV or JSONL
    Import(import::ImportArgs),
    /// Checks or shows the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Writes man pages, shell completions or a sample configuration
    Generate(generate::GenerateArgs),
}

/// The whole command line, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line, does the work, and says the exit code.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help to stdout and errors to stderr; a closed pipe is nobody's loss.
            let _closed = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::OK };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            code_of(&error)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Config(command) => config::run(&command, cli.common.sources()),
        Command::Generate(args) => generate::run(&args, command()),
        command => runtime()?.block_on(Box::pin(work(command, cli.common))),
    }
}

async fn work(command: Command, common: Common) -> anyhow::Result<u8> {
    match command {
        Command::Serve(args) => serve::serve(args, common.load(Logs::Full)?).await,
        Command::Demo(args) => demo::demo(&args, common).await,
        Command::Stdio(args) => Box::pin(stdio::stdio(&args, common.load(Logs::Full)?)).await,
        Command::Settings(settings::SettingsCommand::Explain { name, json }) => {
            settings::explain(name.as_deref(), json, common.load(Logs::Warnings)?.config.language)
        }
        Command::Bridge(args) => bridge::run(&args).await,
        Command::Connect(args) => connect::run(&args, common.load(Logs::Warnings)?).await,
        Command::Register(args) => register::register(&args, common.load(Logs::Warnings)?).await,
        Command::Job(job::JobCommand::Verify(args)) => job::verify(&args, &common.load(Logs::Warnings)?.config, clock().now_ms()),
        Command::Drill(command) => drill::run(command).await,
        Command::Doctor(args) => Box::pin(doctor::doctor(&args, &common)).await,
        command => {
            let core = Core::open(common.load(Logs::Warnings)?.config, clock()).await?;
            core.start_recording();
            // A database that was never served has no groups yet; whoever comes first makes them.
            let setup = core.set_up().await?;
            if let Some(keys) = serve::new_keys(&setup, core.config.language) {
                output::aside(keys);
            }
            let code = on_core(command, &core).await;
            core.close().await;
            code
        }
    }
}

async fn on_core(command: Command, core: &Core) -> anyhow::Result<u8> {
    match command {
        Command::Group(command) => group::run(command, core).await,
        Command::Key(command) => key::run(command, core).await,
        Command::Limit(command) => limit::run(command, core).await,
        Command::Audit(command) => audit::run(command, core).await,
        Command::Account(command) => account::run(command, core).await,
        Command::Admin(command) => admin::run(command, core).await,
        Command::Oauth(command) => oauth::run(command, core).await,
        Command::Tool(command) => tool::run(command, core).await,
        Command::Agent(command) => agent::run(command, core).await,
        Command::Alert(command) => alert::run(command, core).await,
        Command::Report(args) => report::run(&args, core).await,
        Command::Job(command) => job::run(command, core).await,
        Command::Event(command) => event::run(command, core).await,
        Command::Live(command) => live::run(command, core).await,
        Command::Log(command) => log::run(command, core).await,
        Command::Settings(command) => settings::run(command, core).await,
        Command::Claim(command) => claim::run(command, core).await,
        Command::Import(args) => import::run(&args, core).await,
        Command::Serve(_)
        | Command::Stdio(_)
        | Command::Bridge(_)
        | Command::Connect(_)
        | Command::Demo(_)
        | Command::Drill(_)
        | Command::Doctor(_)
        | Command::Register(_)
        | Command::Config(_)
        | Command::Generate(_) => Err(Fault::new(exit::FAILURE, "this verb does not work on an open database").into()),
    }
}

/// How much of the log a verb shows on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Logs {
    Full,
    /// A verb that ends at once says what it did itself.
    Warnings,
}

impl Common {
    fn sources(&self) -> Sources {
        let mut overrides = self.set.clone();
        if let Some(dir) = &self.data_dir {
            overrides.push(("data_dir".into(), dir.display().to_string()));
        }
        Sources { config_path: self.config.clone(), overrides }
    }

    fn load(&self, logs: Logs) -> anyhow::Result<Loaded> {
        let loaded = Config::load(self.sources())?;
        let environment = environment();
        let format = match loaded.config.log.format {
            LogFormat::Auto => telemetry::Format::Auto,
            LogFormat::Pretty => telemetry::Format::Pretty,
            LogFormat::Json => telemetry::Format::Json,
        };
        let filter = match (environment.rust_log(), logs) {
            (Some(filter), _) => filter,
            (None, Logs::Full) => &loaded.config.log.filter,
            (None, Logs::Warnings) => "warn",
        };
        telemetry::start(format, filter, !environment.no_color());
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        Ok(loaded)
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn clock() -> SharedClock {
    std::sync::Arc::new(SystemClock)
}

/// Who gave this command, for the audit log.
fn by(core: &Core, reason: Option<&str>) -> By {
    let actor = format!("cli:{}", environment().account());
    By { reason: reason.map(str::to_owned), ..By::new(actor, core.clock.now_ms()) }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| "expected KEY=VALUE, such as mcp.listen=127.0.0.1:9000".into())
}

/// A failure that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Fault {
    code: u8,
    text: String,
}

impl Fault {
    fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// Why a call did nothing, with the exit code for it.
fn fault(error: CallError) -> anyhow::Error {
    let fault = |code, text: String| Fault::new(code, text).into();
    match error {
        CallError::NotFound(text) => fault(exit::NOT_FOUND, text.en),
        CallError::Invalid(fields) => {
            let texts: Vec<_> = fields.into_iter().map(|field| field.text.en).collect();
            fault(exit::USAGE, texts.join("; "))
        }
        CallError::Conflict(text) | CallError::Unavailable(text) => fault(exit::FAILURE, text.en),
        CallError::Forbidden(text) => fault(exit::AUTH, text.en),
        CallError::Unconfirmed => fault(exit::AUTH, error.to_string()),
        CallError::Stale { .. } => fault(exit::FAILURE, error.to_string()),
        CallError::Store(error) => error.into(),
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    use crate::{admin::CallError, config::ConfigError, store::StoreError};
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.code;
    }
    if error.downcast_ref::<ConfigError>().is_some() || matches!(error.downcast_ref::<StartError>(), Some(StartError::Setting(_))) {
        return exit::USAGE;
    }
    if let Some(error) = error.downcast_ref::<CallError>() {
        return match error {
            CallError::NotFound(_) => exit::NOT_FOUND,
            CallError::Invalid(_) => exit::USAGE,
            CallError::Forbidden(_) | CallError::Unconfirmed => exit::AUTH,
            CallError::Conflict(_) | CallError::Stale { .. } | CallError::Unavailable(_) | CallError::Store(_) => exit::FAILURE,
        };
    }
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::NotFound(_)) => exit::NOT_FOUND,
        _ => exit::FAILURE,
    }
}
