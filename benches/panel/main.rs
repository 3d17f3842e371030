//! `cargo bench --bench panel`: the panel and its API over a long log, each figure beside its goal.
//!
//! The daemon is the one that ships. Its database holds a million calls and a hundred thousand registrations of ninety
//! days, always the same ones. One person signs in by the setup link, and every page is asked for over one connection,
//! again and again; then tools are called as fast as they are answered, in turns with and without five people who watch
//! the overview live and load a page every second. Everything stays on 127.0.0.1, and ends with status 1 when a goal is
//! missed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on the terminal")]

mod browser;
#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod common;
mod pages;
mod random;
mod report;
mod seed;
mod throughput;
mod timing;
mod visitors;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Map, Value};

use self::{
    browser::Browser,
    common::{
        frame,
        people::people,
        request::USERS,
        site::{Beginning, Site},
    },
    pages::Known,
    report::Report,
    seed::Amounts,
    throughput::Rounds,
};

/// Entries of the call log.
const ROWS: u64 = 1_000_000;
/// Registrations, at most; else a tenth of the calls.
const MOST_REGISTRATIONS: u64 = 100_000;

/// The group whose tools are called.
const GROUP: &str = "system_tools";

/// Measures the panel.
#[derive(Parser)]
struct Arguments {
    /// A tenth of the rows, fewer repetitions: under two minutes, noisier
    #[arg(long)]
    quick: bool,
    /// Entries of the call log
    #[arg(long)]
    rows: Option<u64>,
    /// Registrations; a tenth of the calls, and 100 000 at most, when it is left out
    #[arg(long)]
    registrations: Option<u64>,
    /// Measure only pages whose path contains this, and no throughput; may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Measure this binary instead of the one cargo built
    #[arg(long, default_value = env!("CARGO_BIN_EXE_anmei-mcp"))]
    binary: PathBuf,
    /// Keep the filled installation in this folder, and measure a copy; when it is there, nothing is filled
    #[arg(long)]
    keep: Option<PathBuf>,
    /// `cargo bench` says this to every benchmark, `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    frame::run("panel", arguments.bench, || measure(&arguments).map(frame::met))
}

/// True when every goal was reached.
fn measure(arguments: &Arguments) -> Result<bool> {
    let (folder, scratch) = frame::folders("panel")?;
    let calls = arguments.rows.unwrap_or(if arguments.quick { ROWS / 10 } else { ROWS });
    let registrations = arguments.registrations.unwrap_or((calls / 10).min(MOST_REGISTRATIONS));
    let amounts = Amounts { calls, registrations };
    let report = match &arguments.keep {
        None => report(arguments, &filled(arguments, scratch.path(), amounts)?)?,
        Some(kept) => {
            let copy = kept_installation(arguments, kept, amounts)?.copy("measured")?;
            let report = report(arguments, &copy);
            copy.remove()?;
            report?
        }
    };
    println!("\n{}", report.text()?);
    let summary = folder.join("panel.json");
    report.save(&summary, arguments.quick)?;
    println!("written to {}", summary.display());
    Ok(report.met())
}

/// An installation with all its rows.
fn filled(arguments: &Arguments, scratch: &Path, amounts: Amounts) -> Result<Site> {
    eprintln!("filling an installation: {} calls, {} registrations", amounts.calls, amounts.registrations);
    let began = Instant::now();
    let users = people(0..USERS)? + &seed::consultants();
    let beginning = Beginning { group: GROUP, users: &users, settings: "" };
    let site = Site::prepare(&arguments.binary, scratch, &beginning).context("preparing an installation")?;
    seed::fill(&site, amounts).context("filling it")?;
    eprintln!("filled in {:.0} s", began.elapsed().as_secs_f64());
    Ok(site)
}

/// The installation in a folder that outlasts the run.
fn kept_installation(arguments: &Arguments, folder: &Path, amounts: Amounts) -> Result<Site> {
    if folder.exists() {
        return Site::prepared(&arguments.binary, folder, GROUP);
    }
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    filled(arguments, folder, amounts)
}

/// Measures everything that is wanted.
fn report(arguments: &Arguments, site: &Site) -> Result<Report> {
    let database = site.database()?;
    let known = Known::read(&database).context("looking for what to ask for")?;
    let setup = setup(site)?;
    let began = Instant::now();
    let mut daemon = site.serve()?;
    eprintln!("the daemon was ready after {:.0} ms", began.elapsed().as_secs_f64() * 1_000.0);
    let mut browser = Browser::set_up(daemon.admin, &site.setup_link(&mut daemon)?).context("signing in")?;
    let times = if arguments.quick { 20 } else { 60 };
    let wanted = |path: &str| arguments.only.is_empty() || arguments.only.iter().any(|part| path.contains(part));
    let mut pages = Vec::new();
    for page in pages::all(&known).into_iter().filter(|page| wanted(&page.path)) {
        pages.push((page.kind, timing::page(&mut browser, &page, times)?));
    }
    eprintln!("{} pages were measured", pages.len());
    let overview = if wanted("overview") { timing::overview(&mut browser, times / 2)? } else { Default::default() };
    let throughput = if arguments.only.is_empty() || arguments.only.iter().any(|part| part == "throughput") {
        eprintln!("tools/call with and without people");
        let (count, seconds) = if arguments.quick { (2, 4) } else { (4, 10) };
        let rounds = Rounds { count, measured: Duration::from_secs(seconds) };
        Some(throughput::measure(site, &daemon, &known.run, rounds)?)
    } else {
        None
    };
    daemon.process.terminate(&site.log())?;
    Ok(Report { setup, overview, pages, throughput })
}

/// How many rows there are, for the reader.
fn setup(site: &Site) -> Result<Map<String, Value>> {
    let tables = ["mcp_call_logs", "registrations", "messages", "agent_calls", "notifications", "outgoing_events", "jobs", "audit_log"];
    let mut setup = Map::new();
    for table in tables {
        setup.insert(table.into(), site.count(table)?.into());
    }
    let bytes = std::fs::metadata(site.database()?)?.len();
    setup.insert("database_mib".into(), (bytes / (1024 * 1024)).into());
    Ok(setup)
}
