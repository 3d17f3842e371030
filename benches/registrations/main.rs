//! `cargo bench --bench registrations`: the whole automation under load, each figure beside its goal.
//!
//! The daemon is the one that ships, on a data directory of its own under `target/bench`, on a real disk. The agents
//! (stand-ins for Dify that think for 2 s, fail and stall, and really call our tools), the consultants on their live
//! connections and the receiver of events live in this process, on the same cores. What counts is what the rows say
//! after an orderly stop, and what `job verify` says of them; only the time an intake takes and the moment at which a
//! notice arrives are the clients' own.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on the terminal")]

mod agents;
#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod common;
mod consultants;
mod receiver;
mod report;
mod rows;
mod scenario;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

use self::{
    agents::Agents,
    common::{
        frame,
        site::{Beginning, Site},
    },
    receiver::Receiver,
    report::Report,
    scenario::{Outside, Scenario},
};

/// Measures the registration automation.
#[derive(Parser)]
struct Arguments {
    /// Take less of everything, noisier
    #[arg(long)]
    quick: bool,
    /// Measure only this scenario; may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Measure this binary instead of the one cargo built
    #[arg(long, default_value = env!("CARGO_BIN_EXE_anmei-mcp"))]
    binary: PathBuf,
    /// `cargo bench` says this to every benchmark, `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    frame::run("registrations", arguments.bench, || measure(&arguments).map(frame::met))
}

/// True when every goal was reached.
fn measure(arguments: &Arguments) -> Result<bool> {
    let (folder, scratch) = frame::folders("registrations")?;
    // The agents and the receiver; the load itself runs on the main thread.
    let runtime = tokio::runtime::Runtime::new()?;
    let receiver = runtime.block_on(Receiver::start())?;
    let agents = runtime.block_on(Agents::start())?;
    let settings = receiver.settings();
    let site = Site::prepare(
        &arguments.binary,
        scratch.path(),
        &Beginning { group: agents::GROUP, users: &consultants::accounts(), settings: &settings },
    )
    .context("preparing an installation")?;
    agents.add_to(&site).context("adding the agents")?;

    let mut report = Report::new(&site, &agents)?;
    let outside = Outside { agents, receiver, runtime: runtime.handle().clone() };
    for scenario in Scenario::all(arguments.quick) {
        if arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name) {
            eprintln!("{}", scenario.what());
            let measured = scenario.run(&site, &outside).with_context(|| scenario.what())?;
            report.add(scenario, measured);
        }
    }
    println!("\n{}", report.text()?);
    let summary = folder.join("registrations.json");
    report.save(&summary, arguments.quick)?;
    println!("written to {}", summary.display());
    runtime.block_on(outside.stop());
    Ok(report.met())
}
