//! `cargo bench --bench limits`: what a limit costs whoever keeps to it, and what a flood costs the others.
//!
//! First the check alone, in nanoseconds: on one thread, on two threads of one key, and refused. Then a daemon of its own,
//! whose calls by one key are timed with and without another key that asks ten times what it may. It ends with status 1
//! when the flood makes the others' p99 more than a fifth slower. Under a minute; everything stays on 127.0.0.1.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on the terminal")]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod common;

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anmei_mcp::gate::limits::{Allowance, Meters, Rules, Standard};
use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::{Value, json};

use self::common::{
    client::{self, Load},
    request::{Era, Request, USERS},
    site::{Beginning, Daemon, Site},
};

/// Checks of one measurement.
const CHECKS: u32 = 5_000_000;
/// What the flooding key may ask in a minute, and how often it asks: ten times that.
const QUOTA: &str = "call_per_minute=6000";
const FLOOD_EVERY: Duration = Duration::from_millis(1);
/// How often the others ask, all together.
const OTHERS_EVERY: Duration = Duration::from_millis(2);
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
/// The most that the flood may add.
const MOST: f64 = 1.2;

/// Measures the limits.
#[derive(Parser)]
struct Arguments {
    /// Measure this binary instead of the one cargo built
    #[arg(long, default_value = env!("CARGO_BIN_EXE_anmei-mcp"))]
    binary: PathBuf,
    /// `cargo bench` says this to every benchmark, `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.bench {
        eprintln!("not measured: run it with `cargo bench --bench limits`, or with --bench");
        return ExitCode::SUCCESS;
    }
    checks();
    match fairness(&arguments.binary) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the benchmark could not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The check alone.
fn checks() {
    let of = |standard: Standard| {
        let rules = Rules::resolve(standard, false, &[], Some("key"));
        Allowance::new(&Meters::default(), &Arc::from("key"), &Arc::from("system_tools"), rules)
    };
    let wide = Standard {
        call_per_minute: 60_000_000,
        list_per_minute: 60_000_000,
        concurrent_calls: 1000,
        calls_per_day: 60_000_000,
        ..Standard::default()
    };
    // The moment moves on with every check, so that the rate is never used up.
    let call = |allowance: &Allowance, n: u32| {
        let _seen = black_box(allowance.call(i64::from(n)).is_ok());
    };
    let list = |allowance: &Allowance, n: u32| {
        let _seen = black_box(allowance.list(i64::from(n)).is_ok());
    };
    report("a call that passes: rate, calls at a time, calls of the day", &of(wide), 1, call);
    report("the same, two threads of one key", &of(wide), 2, call);
    report("a list that passes", &of(wide), 1, list);
    report("a call without any limit", &of(Standard::default()), 1, call);
    let narrow = of(Standard { call_per_minute: 1, ..Standard::default() });
    report("a call that is refused, with its reason", &narrow, 1, |allowance, _| {
        let _seen = black_box(allowance.call(0).is_err());
    });
}

fn report(name: &str, allowance: &Allowance, threads: u32, check: impl Fn(&Allowance, u32) + Sync) {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..CHECKS / threads).for_each(|n| check(allowance, n)));
        }
    });
    // On two threads half of the checks each: the time of one is twice what passes between two.
    let nanos = begin.elapsed().as_nanos() as f64 * f64::from(threads) / f64::from(CHECKS);
    println!("{nanos:7.1} ns  {name}");
}

/// Whether the others notice the flood little enough.
fn fairness(binary: &Path) -> Result<bool> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let scratch = tempfile::Builder::new().prefix("limits-").tempdir_in(&folder)?;
    let site = Site::prepare(binary, scratch.path(), &Beginning { group: "system_tools", users: &people(), settings: "" })?;
    let made = site.command(&["key", "add", "system_tools", "--name", "flood", "--json"], "")?;
    let made: Value = serde_json::from_str(&made)?;
    let flood = made.get("key").and_then(Value::as_str).context("`key add --json` gave no key")?;
    site.command(&["limit", "set", "system_tools", QUOTA, "--key", "flood"], "")?;
    let daemon = site.serve()?;
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    let mut refused = 0;
    for _ in 0..ROUNDS {
        quiet.push(others(&site, &daemon)?);
        let (p99, answered, passed) = beside_a_flood(&site, &daemon, flood)?;
        flooded.push(p99);
        refused += answered - passed;
    }
    daemon.process.terminate(&site.log())?;
    ensure!(refused > 0, "the flood was never refused: nothing was measured");
    let (quiet, flooded) = (median(quiet), median(flooded));
    let ratio = flooded / quiet;
    println!(
        "p99 of the others: {quiet:.2} ms alone, {flooded:.2} ms beside a key that asks ten times what it may ({refused} refusals): ×{ratio:.2}, at most ×{MOST}"
    );
    Ok(ratio <= MOST)
}

fn load(request: Request, every: Duration) -> Load {
    Load { request, connections: 8, at_most: ROUND, count: None, every: Some(every) }
}

/// The others' p99 in milliseconds.
fn others(site: &Site, daemon: &Daemon) -> Result<f64> {
    let outcome = client::run(&load(Request::tools_call(daemon.mcp, &site.key, Era::Modern)?, OTHERS_EVERY))?;
    ensure!(outcome.errors == 0, "{:?}", outcome.first_error);
    Ok(outcome.latency.quantile_ms(0.99))
}

/// The same while the other key floods, and how many of its requests were answered and let pass.
fn beside_a_flood(site: &Site, daemon: &Daemon, key: &str) -> Result<(f64, u64, u64)> {
    let flood = load(Request::tools_call(daemon.mcp, key, Era::Modern)?.or(429), FLOOD_EVERY);
    let before = site.count("mcp_call_logs WHERE outcome = 'ok'")?;
    let (p99, answered) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| client::run(&flood));
        let p99 = others(site, daemon);
        let flooded = flood.join().map_err(|_| anyhow::anyhow!("the flood broke"))??;
        ensure!(flooded.errors == 0, "{:?}", flooded.first_error);
        Ok((p99?, flooded.done()))
    })?;
    // The rows are written within a second.
    std::thread::sleep(Duration::from_secs(1));
    let others = u64::try_from(ROUND.as_millis() / OTHERS_EVERY.as_millis())?;
    let passed = (site.count("mcp_call_logs WHERE outcome = 'ok'")? - before).saturating_sub(others);
    Ok((p99, answered, passed.min(answered)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn people() -> String {
    (0..USERS).map(|n| json!({"id": format!("usr_{n:08}"), "username": "王伟", "roles": ["customer"]}).to_string() + "\n").collect()
}
