//! `cargo bench --bench load`: our daemon beside reference servers on the same machine in the same run, ratios first.
//!
//! Everything stays on 127.0.0.1 and is bounded in count and time: under five minutes, under one with `--quick`. The
//! data lies in a folder of its own under `target/bench`, on a real disk, because intake is measured with its fsyncs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on the terminal")]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod common;
mod phases;
mod reference;
mod reference_answers;
mod reference_store;
mod report;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use self::{
    common::{
        frame,
        people::people,
        request::USERS,
        site::{Beginning, Site},
    },
    phases::{Plan, References},
    reference::Reference,
    report::Report,
};

/// Exit status of `--check` when a figure misses its goal.
const MISSED: u8 = 2;

/// Measures anmei-mcp against reference servers.
#[derive(Parser)]
struct Arguments {
    /// Take less of everything: under a minute, noisier
    #[arg(long)]
    quick: bool,
    /// End with status 2 when a figure misses its goal
    #[arg(long)]
    check: bool,
    /// Measure only this; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Measure this binary instead of the one cargo built
    #[arg(long, default_value = env!("CARGO_BIN_EXE_anmei-mcp"))]
    binary: PathBuf,
    /// Be a reference server
    #[arg(long, value_enum, hide = true, requires_all = ["db", "port_file"])]
    reference: Option<Reference>,
    #[arg(long, hide = true)]
    db: Option<PathBuf>,
    #[arg(long, hide = true)]
    port_file: Option<PathBuf>,
    /// `cargo bench` says this to every benchmark, `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Calls,
    Memory,
    ColdStart,
    Intake,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The benchmark starts itself again to be a reference, and then says so.
    frame::run("load", arguments.bench || arguments.reference.is_some(), || {
        match (&arguments.reference, &arguments.db, &arguments.port_file) {
            (Some(kind), Some(db), Some(port_file)) => reference::run(*kind, db, port_file).map(|()| ExitCode::SUCCESS),
            _ => measure(&arguments),
        }
    })
}

fn measure(arguments: &Arguments) -> Result<ExitCode> {
    let (folder, scratch) = frame::folders("load")?;
    let plan = if arguments.quick { Plan::quick() } else { Plan::full() };
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut report = Report::default();

    eprintln!("preparing an installation with {USERS} users");
    let beginning = Beginning { group: "system_tools", users: &people(0..USERS)?, settings: "" };
    let site = Site::prepare(&arguments.binary, scratch.path(), &beginning).context("preparing an installation")?;
    let references = References::prepare(&site, scratch.path()).context("preparing the references")?;
    // Copies the installation while it is small.
    if wanted(Part::Intake) {
        eprintln!("intake: {} rounds", plan.rounds);
        report.intake(&phases::intake(&site, &references, &plan).context("intake")?)?;
    }
    if wanted(Part::Calls) {
        eprintln!("tools/call: {} rounds", plan.rounds);
        report.calls(&phases::calls(&site, &references, &plan).context("tools/call")?)?;
    }
    if wanted(Part::Memory) {
        eprintln!("memory: {} calls, {:?} at most", plan.memory_calls, plan.memory_time);
        report.memory(&phases::memory(&site, &plan).context("memory")?)?;
    }
    if wanted(Part::ColdStart) {
        eprintln!("cold start: {} times", plan.cold_starts);
        report.cold_start(&phases::cold_start(&site, &plan).context("cold start")?)?;
    }
    println!("\n{}", report.text()?);
    let summary = folder.join("summary.json");
    report.save(&summary, arguments.quick)?;
    println!("written to {}", summary.display());
    Ok(if arguments.check && !report.met() { ExitCode::from(MISSED) } else { ExitCode::SUCCESS })
}
