//! `cargo bench --bench figures`: what it costs to count and to time, in nanoseconds: on one thread, on two, and when
//! figures are not kept; and what a scrape takes. It ends with status 1 when a call pays more than it may.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports on the terminal")]

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use anmei_mcp::telemetry::{
    self,
    figures::{self, ToolFigures},
};

/// Recordings of one measurement.
const TIMES: u32 = 2_000_000;
/// How often they are summed up meanwhile, as the daemon does every second at full load.
const SUM_UP_EVERY: u32 = 50_000;
/// The most that one call may pay for all of its figures, in nanoseconds.
const MOST: f64 = 1_000.0;

static TOOL: ToolFigures = ToolFigures::new("get_user_profile");

/// What every call over HTTP pays: its own time, and its request's.
fn call(n: u32) {
    let took = Duration::from_micros(u64::from(n % 4_000));
    TOOL.took(black_box("ok"), took);
    figures::request(black_box("POST"), Some(black_box("/server/{server_code}/mcp")), 200, took);
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        eprintln!("not measured: run it with `cargo bench --bench figures`");
        return ExitCode::SUCCESS;
    }
    report("a call over HTTP, figures not kept", 1, call);
    telemetry::begin();
    let one = report("a call over HTTP: its tool's time and its route's", 1, call);
    let two = report("the same, two threads of one tool", 2, call);
    report("the tool's time alone", 1, |n| TOOL.took(black_box("ok"), Duration::from_micros(u64::from(n % 4_000))));
    report("the route's time alone", 1, |n| figures::request("POST", Some("/mcp"), 200, Duration::from_micros(u64::from(n % 4_000))));
    report("a list: its method's time", 1, |n| {
        let _counted = black_box(figures::operation(Some("tools/list"), None, Duration::from_micros(u64::from(n % 4_000))));
    });
    report("one event", 1, |_| figures::event(black_box("delivered")));
    let begin = Instant::now();
    let text = telemetry::expose(|_| {}).unwrap_or_default();
    println!("{:7.1} ms  a scrape of {} bytes", begin.elapsed().as_secs_f64() * 1_000.0, text.len());
    println!("at most {MOST} ns for a call: {}", if one.max(two) <= MOST { "kept" } else { "NOT kept" });
    if one.max(two) <= MOST { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(name: &str, threads: u32, record: impl Fn(u32) + Sync) -> f64 {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for n in 0..TIMES / threads {
                    record(n);
                    if n % SUM_UP_EVERY == 0 {
                        telemetry::upkeep();
                    }
                }
            });
        }
    });
    // On two threads half of the recordings each: the time of one is twice what passes between two.
    let nanos = begin.elapsed().as_nanos() as f64 * f64::from(threads) / f64::from(TIMES);
    println!("{nanos:7.1} ns  {name}");
    nanos
}
