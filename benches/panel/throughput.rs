//! Tool calls a second, without and with people in the panel, in turns.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    common::{
        measure::{Measured, Sample, Shape, median},
        request::{Era, Request},
        site::{Daemon, Site},
    },
    visitors::{Seen, Visitors},
};

/// Connections of the tool-call load.
const CALLERS: u64 = 32;
/// Rest between two loads: what the last one left to be written is written.
const REST: Duration = Duration::from_millis(500);

/// How long it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    /// Rounds with people in the panel; there is one more without.
    pub(crate) count: usize,
    pub(crate) measured: Duration,
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Throughput {
    pub(crate) without: Measured,
    pub(crate) with: Measured,
    pub(crate) pages_p95_ms: f64,
    pub(crate) pages: u64,
    pub(crate) live_parts: u64,
}

impl Throughput {
    /// What is left of the calls a second: the median of each round with people against the two around it without, so
    /// that neither the machine's drift nor the growing log shows.
    pub(crate) fn ratio(&self) -> f64 {
        self.against(|sample| sample.per_second)
    }

    /// The same of the slowest calls.
    pub(crate) fn p99_ratio(&self) -> f64 {
        self.against(|sample| sample.p99_ms)
    }

    fn against(&self, of: fn(&Sample) -> f64) -> f64 {
        let around = self.without.rounds.iter().zip(self.without.rounds.iter().skip(1));
        let ratio = |(with, (before, after)): (&Sample, (&Sample, &Sample))| 2.0 * of(with) / (of(before) + of(after));
        median(self.with.rounds.iter().zip(around).map(ratio).collect())
    }
}

/// Calls a tool as fast as it is answered, with and without people.
pub(crate) fn measure(site: &Site, daemon: &Daemon, run: &str, rounds: Rounds) -> Result<Throughput> {
    let request = Request::tools_call(daemon.mcp, &site.key, Era::Modern)?;
    let shape = Shape { connections: CALLERS, warm_up: Duration::from_secs(1), measured: rounds.measured };
    let (mut without, mut with, mut seen) = (Measured::default(), Measured::default(), Seen::default());
    without.run(&daemon.process, &request, shape).context("the load alone")?;
    for _ in 0..rounds.count {
        std::thread::sleep(REST);
        let visitors = Visitors::arrive(daemon.admin, run)?;
        with.run(&daemon.process, &request, shape).context("the load beside people")?;
        let saw = visitors.leave()?;
        seen.pages.add(&saw.pages);
        seen.parts += saw.parts;
        std::thread::sleep(REST);
        without.run(&daemon.process, &request, shape).context("the load alone")?;
    }
    Ok(Throughput { without, with, pages_p95_ms: seen.pages.quantile_ms(0.95), pages: seen.pages.count(), live_parts: seen.parts })
}
