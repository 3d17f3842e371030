//! The measurements: tool calls, memory, cold start, intake. Each starts its servers and stops them again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

use crate::{
    common::client::{self, Load},
    common::measure::{Contest, Shape, accepted, median},
    common::process::Process,
    common::request::{Era, REFERENCE_KEY, Request},
    common::site::{Site, count},
    reference::Reference,
};

/// Connections of the tool-call load.
const CALLERS: u64 = 32;
/// Connections of the intake load.
const HOOKS: u64 = 100;
/// Rest between two loads: what the last one left to be written is written.
const REST: Duration = Duration::from_millis(150);

/// How much of everything is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Calls before the last look at the memory, and the time they may take.
    pub(crate) memory_calls: u64,
    pub(crate) memory_time: Duration,
    pub(crate) cold_starts: usize,
}

impl Plan {
    pub(crate) fn full() -> Self {
        Self {
            rounds: 3,
            warm_up: Duration::from_millis(400),
            measured: Duration::from_secs(3),
            memory_calls: 1_000_000,
            memory_time: Duration::from_secs(110),
            cold_starts: 10,
        }
    }

    pub(crate) fn quick() -> Self {
        Self {
            warm_up: Duration::from_millis(150),
            measured: Duration::from_millis(700),
            memory_calls: 120_000,
            memory_time: Duration::from_secs(10),
            cold_starts: 5,
            ..Self::full()
        }
    }

    fn shape(&self, connections: u64) -> Shape {
        Shape { connections, warm_up: self.warm_up, measured: self.measured }
    }
}

/// Where the references keep their files.
pub(crate) struct References {
    folder: PathBuf,
    base: PathBuf,
}

/// A reference server while it runs.
struct Running {
    process: Process,
    target: std::net::SocketAddr,
    db: PathBuf,
}

impl References {
    /// Copies the installation's database for them; the daemon must not run.
    pub(crate) fn prepare(site: &Site, folder: &Path) -> Result<Self> {
        let base = folder.join("reference.db");
        Connection::open(site.database()?)?.execute("VACUUM INTO ?1", [base.to_string_lossy()])?;
        Connection::open(&base)?.execute_batch("PRAGMA journal_mode = WAL")?;
        Ok(Self { folder: folder.to_owned(), base })
    }

    fn log(&self) -> PathBuf {
        self.folder.join("reference.log")
    }

    fn start(&self, kind: Reference) -> Result<Running> {
        let db = self.folder.join(format!("{}.db", kind.name()));
        for suffix in ["", "-wal", "-shm"] {
            let old = PathBuf::from(format!("{}{suffix}", db.display()));
            if old.exists() {
                fs::remove_file(old)?;
            }
        }
        fs::copy(&self.base, &db)?;
        let port_file = self.folder.join(format!("{}.port", kind.name()));
        if port_file.exists() {
            fs::remove_file(&port_file)?;
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--reference", kind.name(), "--db"]).arg(&db).arg("--port-file").arg(&port_file);
        let mut process = Process::spawn(&mut command, &self.log(), &self.log())?;
        let port = process.wait_for(&self.log(), Duration::from_millis(2), || fs::read_to_string(&port_file).ok()?.parse::<u16>().ok())?;
        Ok(Running { process, target: ([127, 0, 0, 1], port).into(), db })
    }
}

/// Answered calls and the rows they left behind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Kept {
    pub(crate) answered: u64,
    pub(crate) rows: u64,
}

/// What the tool-call load showed.
#[derive(Serialize)]
pub(crate) struct Calls {
    pub(crate) contest: Contest,
    /// Rows in our call log after an orderly stop.
    pub(crate) logged: Kept,
}

/// `tools/call get_user_profile` at 32 connections.
pub(crate) fn calls(site: &Site, references: &References, plan: &Plan) -> Result<Calls> {
    let rows_before = site.count("mcp_call_logs")?;
    let daemon = site.serve()?;
    let (hyper, rmcp, limit) =
        (references.start(Reference::Hyper)?, references.start(Reference::Rmcp)?, references.start(Reference::Limit)?);
    let contenders = [
        ("hyper", &hyper.process, Request::tools_call(hyper.target, REFERENCE_KEY, Era::Modern)?.expecting(200, br#""user_id":"usr_"#)),
        ("rmcp, 2026-07-28", &rmcp.process, Request::tools_call(rmcp.target, REFERENCE_KEY, Era::Modern)?),
        ("rmcp, 2025-06-18", &rmcp.process, Request::tools_call(rmcp.target, REFERENCE_KEY, Era::Legacy)?),
        ("ours, 2026-07-28", &daemon.process, Request::tools_call(daemon.mcp, &site.key, Era::Modern)?),
        ("limit", &limit.process, Request::tools_call(limit.target, REFERENCE_KEY, Era::Modern)?),
        ("ours, 2025-06-18", &daemon.process, Request::tools_call(daemon.mcp, &site.key, Era::Legacy)?),
    ];
    let mut probes = 0;
    for &(name, _, ref request) in &contenders {
        probe(request).with_context(|| format!("the first call of {name}"))?;
        probes += u64::from(name.starts_with("ours"));
    }
    let mut contest = Contest::default();
    for _ in 0..plan.rounds {
        for &(name, process, ref request) in &contenders {
            contest.of(name).run(process, request, plan.shape(CALLERS)).with_context(|| format!("the load on {name}"))?;
            std::thread::sleep(REST);
        }
    }
    daemon.process.terminate(&site.log())?;
    for reference in [hyper, rmcp, limit] {
        reference.process.hang_up(&references.log())?;
    }
    let ours = contest.0.iter().filter(|(name, _)| name.starts_with("ours")).map(|(_, measured)| measured.answered);
    let answered = ours.sum::<u64>() + probes;
    Ok(Calls { logged: Kept { answered, rows: site.count("mcp_call_logs")? - rows_before }, contest })
}

/// One call whose whole answer is looked at: a result, structured and as text.
fn probe(request: &Request) -> Result<()> {
    let answer = client::once(request)?;
    let shown = || String::from_utf8_lossy(&answer).into_owned();
    let parsed: Value = serde_json::from_slice(&answer).with_context(shown)?;
    let result = parsed.get("result").with_context(shown)?;
    let user = result.pointer("/structuredContent/user_id").and_then(Value::as_str);
    let text = result.pointer("/content/0/text").and_then(Value::as_str);
    let good = result.get("isError") != Some(&Value::Bool(true)) && user == Some("usr_00000000") && text.is_some();
    ensure!(good, "no profile of usr_00000000: {}", shown());
    Ok(())
}

/// The daemon's memory over many calls.
#[derive(Serialize)]
pub(crate) struct Memory {
    /// Calls answered since the start, and resident MiB at that moment.
    pub(crate) at: Vec<(u64, f64)>,
    /// Calls that were meant to be answered.
    pub(crate) wanted: u64,
    pub(crate) logged: Kept,
}

/// Resident memory after one call, and at each quarter of the calls.
pub(crate) fn memory(site: &Site, plan: &Plan) -> Result<Memory> {
    let rows_before = site.count("mcp_call_logs")?;
    let daemon = site.serve()?;
    let request = Request::tools_call(daemon.mcp, &site.key, Era::Modern)?;
    probe(&request)?;
    let mut answered = 1;
    let mut at = vec![(answered, daemon.process.resident_mib()?)];
    let end = Instant::now() + plan.memory_time;
    for _ in 0..4 {
        let at_most = end.saturating_duration_since(Instant::now());
        if at_most.is_zero() {
            break;
        }
        let load = Load { request: request.clone(), connections: CALLERS, at_most, count: Some(plan.memory_calls / 4), every: None };
        answered += accepted(&client::run(&load)?)?;
        at.push((answered, daemon.process.resident_mib()?));
    }
    daemon.process.terminate(&site.log())?;
    Ok(Memory { at, wanted: plan.memory_calls, logged: Kept { answered, rows: site.count("mcp_call_logs")? - rows_before } })
}

/// Milliseconds from the start of the process to the first answered call.
pub(crate) fn cold_start(site: &Site, plan: &Plan) -> Result<Vec<f64>> {
    let mut starts = Vec::new();
    for _ in 0..plan.cold_starts {
        let began = Instant::now();
        let daemon = site.serve()?;
        client::once(&Request::tools_call(daemon.mcp, &site.key, Era::Modern)?)?;
        starts.push(began.elapsed().as_secs_f64() * 1_000.0);
        daemon.process.terminate(&site.log())?;
    }
    Ok(starts)
}

/// What the intake load showed.
#[derive(Serialize)]
pub(crate) struct Intake {
    pub(crate) contest: Contest,
    /// Registrations in our database after `kill -9` at the end of each round.
    pub(crate) kept: Kept,
}

/// The daemon that accepts, and so writes exactly the rows that the reference writes; and the daemon as shipped, which
/// works on what it accepted while more arrives.
const INTAKES: [(&str, &str); 2] = [("ours", "[registration]\nworkers = 0\n"), ("ours, with the automation at work", "")];

/// Registrations at 100 connections. Every load begins with fresh files, and ends with `kill -9`: what the daemon does
/// with the registrations it accepted must not weigh on the reference's turn.
pub(crate) fn intake(site: &Site, references: &References, plan: &Plan) -> Result<Intake> {
    let counter = Arc::new(AtomicU64::new(0));
    let mut intake = Intake { contest: Contest::default(), kept: Kept::default() };
    for round in 0..plan.rounds {
        let reference = references.start(Reference::Intake)?;
        let request = Request::registration(reference.target, &counter)?;
        let limit = intake.contest.of("limit");
        let before = limit.answered;
        limit.run(&reference.process, &request, plan.shape(HOOKS)).context("the load on the reference intake")?;
        let accepted = limit.answered - before;
        reference.process.kill()?;
        let kept = count(&reference.db, "registrations")?;
        ensure!(kept >= accepted, "the reference lost {} registrations", accepted.saturating_sub(kept));

        for (n, (name, more)) in INTAKES.into_iter().enumerate() {
            let copy = site.copy(&format!("intake-{round}-{n}"))?;
            copy.configure(more)?;
            // Every request comes under one key: its limit of a minute is no matter here.
            copy.command(&["settings", "set", "intake.per_minute=100000000", "intake.backlog=100000000"], "")?;
            let daemon = copy.serve()?;
            let request = Request::registration(daemon.hook, &counter)?;
            let ours = intake.contest.of(name);
            let before = ours.answered;
            ours.run(&daemon.process, &request, plan.shape(HOOKS)).with_context(|| format!("the load on our intake ({name})"))?;
            intake.kept.answered += ours.answered - before;
            daemon.process.kill()?;
            intake.kept.rows += copy.count("registrations")?;
            copy.remove()?;
        }
    }
    Ok(intake)
}

impl Memory {
    /// The last look.
    pub(crate) fn last(&self) -> (u64, f64) {
        self.at.last().copied().unwrap_or_default()
    }

    /// What it grew by from the first quarter to the end.
    pub(crate) fn growth_mib(&self) -> f64 {
        self.at.get(1).map_or(0.0, |(_, first)| self.last().1 - first)
    }
}

/// The median of the starts.
pub(crate) fn typical(starts: &[f64]) -> f64 {
    median(starts.to_vec())
}
