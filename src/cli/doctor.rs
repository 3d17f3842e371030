//! `doctor`: is everything as it should be, and if not, what puts it right.
//!
//! It sets nothing and changes no records: it makes no directory and no database, brings no schema up to date, and calls tools
//! only with arguments that are refused before anything runs. It leaves traces as any client does: each key that it opens is in
//! the audit log, each call in the call log. What it finds is one line each, with the fix below it.

mod agents;
mod calls;
mod database;
mod finding;
mod machine;
mod matrix;
mod probe;
mod web;

use std::time::Duration;

use clap::Args;

use self::finding::{Finding, Report};
use super::{Common, clock, exit};
use crate::{
    app::{Core, DataDir},
    config::{Config, ConfigError, HumanDuration, Loaded},
    outbound::{
        http_client::{HttpClient, ProxyUse},
        mcp_client::{Limits, Program},
    },
};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Calls every key × group × method × transport on the running daemon, and prints the grid; fails on any leak
    #[arg(long)]
    matrix: bool,
    /// Where the matrix finds the daemon, such as its public address [default: the one that works on the data directory]
    #[arg(long, value_name = "URL", requires = "matrix")]
    url: Option<String>,
    /// Longest wait for one answer
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: HumanDuration,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What the checks work with.
struct Office {
    loaded: Loaded,
    core: Core,
    http: HttpClient,
    limits: Limits,
    /// The flags that a process of our own is given, so that it works on the same data.
    flags: Vec<String>,
}

impl Office {
    /// This program, serving a group on stdio.
    fn stdio(&self, code: &str) -> anyhow::Result<Program> {
        let args = ["stdio", "--server-code", code].map(str::to_owned).into_iter().chain(self.flags.iter().cloned());
        Ok(Program { path: std::env::current_exe()?, args: args.collect(), env: Vec::new() })
    }
}

pub(super) async fn doctor(args: &DoctorArgs, common: &Common) -> anyhow::Result<u8> {
    if args.matrix {
        let loaded = common.load(super::Logs::Warnings)?;
        database::must_be_there(&loaded.config)?;
        let office = open(loaded, common, args.timeout.into()).await?;
        let code = matrix::run(args, &office).await;
        office.core.close().await;
        return code;
    }
    let mut report = Report::default();
    if let Some(loaded) = configuration(&mut report, common) {
        examine(&mut report, loaded, common, args).await?;
    }
    report.show(args.json)?;
    Ok(if report.is_well() { exit::OK } else { exit::FAILURE })
}

/// The configuration, if there is one to go on with.
fn configuration(report: &mut Report, common: &Common) -> Option<Loaded> {
    match Config::load(common.sources()) {
        Ok(loaded) => {
            let file = loaded.file.as_ref().map_or_else(|| "no file, defaults only".to_owned(), |file| file.display().to_string());
            report.add(Finding::ok("configuration", format!("is right: {file}")));
            for warning in &loaded.warnings {
                report.add(Finding::warning(
                    "configuration",
                    warning.to_string(),
                    "`anmei-mcp config dump` shows where each value comes from",
                ));
            }
            Some(loaded)
        }
        Err(error) => {
            let fix = "correct it; `anmei-mcp config check` looks at the configuration alone, `anmei-mcp generate config` writes a sample";
            match &error {
                ConfigError::Invalid(problems) => {
                    for problem in problems {
                        report.add(Finding::failed("configuration", problem.to_string(), fix));
                    }
                }
                ConfigError::Unreadable { source, .. } => report.add(Finding::failed("configuration", format!("{error}: {source}"), fix)),
            }
            None
        }
    }
}

async fn examine(report: &mut Report, loaded: Loaded, common: &Common, args: &DoctorArgs) -> anyhow::Result<()> {
    if !machine::data_directory(report, &loaded.config) {
        return Ok(());
    }
    let dir = DataDir::open(&loaded.config.data_dir)?;
    machine::ports(report, &loaded.config, &dir, args.timeout.into()).await;
    machine::hook_secret(report, &loaded.config);
    let now = clock().now_ms();
    if !database::examine(report, &dir.database(), now) || !machine::master_key(report, &loaded.config) {
        return Ok(());
    }
    let office = match open(loaded, common, args.timeout.into()).await {
        Ok(office) => office,
        Err(error) => {
            report.add(Finding::failed("database", error.to_string(), "what is wrong and what to do is in the text"));
            return Ok(());
        }
    };
    machine::disk(report, &office.core);
    web::public_url(report, &office).await;
    agents::examine(report, &office).await;
    calls::over_stdio(report, &office).await?;
    calls::over_http(report, &office).await?;
    office.core.close().await;
    Ok(())
}

async fn open(loaded: Loaded, common: &Common, timeout: Duration) -> anyhow::Result<Office> {
    let core = Core::open(loaded.config.clone(), clock()).await?;
    core.start_recording();
    let limits = Limits { timeout, ..Limits::default() };
    Ok(Office { loaded, core, http: HttpClient::new(ProxyUse::Direct)?, limits, flags: flags(common) })
}

fn flags(common: &Common) -> Vec<String> {
    let mut flags = Vec::new();
    let mut add = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
    if let Some(path) = &common.config {
        add("--config", path.display().to_string());
    }
    if let Some(path) = &common.data_dir {
        add("--data-dir", path.display().to_string());
    }
    common.set.iter().for_each(|(key, value)| add("--set", format!("{key}={value}")));
    flags
}
