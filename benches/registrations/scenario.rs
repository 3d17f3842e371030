//! The scenarios: how registrations come, and what is kept of each run.

use std::{
    sync::{Arc, atomic::AtomicU64},
    thread::sleep,
    time::{Duration, Instant},
};

use anmei_mcp::clock::{Clock, SystemClock};
use anyhow::{Result, ensure};
use serde::Serialize;

use crate::{
    agents::Agents,
    common::{
        client::{self, Load, Outcome},
        request::Request,
        site::Site,
    },
    consultants::{self, Consultants},
    receiver::Receiver,
    rows::{self, Rows},
};

/// Longest wait for everything that was accepted to be done, events included.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often the daemon's queue is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What is not the daemon.
pub(crate) struct Outside {
    pub(crate) agents: Agents,
    pub(crate) receiver: Receiver,
    /// Where all of them run; the load itself runs on the calling thread.
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Outside {
    pub(crate) async fn stop(self) {
        self.receiver.stop().await;
        self.agents.stop().await;
    }
}

/// How registrations come.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    count: u64,
    connections: u64,
    every: Option<Duration>,
    /// Whether the goals of a single registration apply; a burst has goals of its own.
    pub(crate) is_usual: bool,
}

/// What one scenario showed.
#[derive(Serialize)]
pub(crate) struct Measured {
    /// Answered 202.
    pub(crate) accepted: u64,
    pub(crate) accept_s: f64,
    pub(crate) intake_p50_ms: f64,
    pub(crate) intake_p99_ms: f64,
    #[serde(flatten)]
    pub(crate) rows: Rows,
    /// From the first registration until nothing was left to do.
    pub(crate) drained_s: f64,
    pub(crate) events_received: u64,
    pub(crate) events_repeated: u64,
    pub(crate) events_refused: u64,
    pub(crate) tool_calls: usize,
    pub(crate) tool_calls_failed: usize,
    /// What `job verify` found wrong.
    pub(crate) findings: u64,
    pub(crate) daemon_cpu_s: f64,
    pub(crate) rss_mib: f64,
}

impl Measured {
    /// Accepted registrations without exactly one conversation, one welcome, or its consultants' notices.
    pub(crate) fn lost(&self) -> u64 {
        self.accepted.saturating_sub(self.rows.whole)
    }
}

impl Scenario {
    pub(crate) fn all(quick: bool) -> [Self; 3] {
        let (sustained, burst) = if quick { (25, 500) } else { (100, 2_000) };
        [
            Self { name: "at_once", count: 100, connections: 100, every: None, is_usual: true },
            Self { name: "sustained", count: sustained, connections: 8, every: Some(Duration::from_millis(600)), is_usual: true },
            Self { name: "burst", count: burst, connections: 100, every: None, is_usual: false },
        ]
    }

    pub(crate) fn what(&self) -> String {
        let how = match self.every {
            Some(every) => format!("one every {} ms", every.as_millis()),
            None => format!("as fast as {} connections send them", self.connections),
        };
        format!("{}: {} registrations, {how}", self.name, self.count)
    }

    /// Runs it on a copy of the installation.
    pub(crate) fn run(&self, site: &Site, outside: &Outside) -> Result<Measured> {
        let site = site.copy(self.name)?;
        let daemon = site.serve()?;
        outside.agents.connect(&daemon, &site.key);
        let tokens = consultants::tokens(&site)?;
        let consultants = outside.runtime.block_on(Consultants::connect(daemon.live, tokens))?;
        let users = Arc::new(AtomicU64::new(0));
        let request = Request::registration(daemon.hook, &users)?;
        // The first one opens what stays open, and lets the agents learn which tools there are.
        send(&Load { request: request.clone(), connections: 1, at_most: PATIENCE, count: Some(1), every: None })?;
        wait_until_idle(&site)?;

        let (tools, events, cpu) = (outside.agents.tool_calls(), outside.receiver.events(), daemon.process.cpu()?);
        let (since, began) = (SystemClock.now_ms(), Instant::now());
        let load = Load { request, connections: self.connections, at_most: PATIENCE, count: Some(self.count), every: self.every };
        let outcome = send(&load)?;
        wait_until_idle(&site)?;
        let drained_s = began.elapsed().as_secs_f64();
        let daemon_cpu_s = daemon.process.cpu()?.saturating_sub(cpu).as_secs_f64();
        let rss_mib = daemon.process.resident_mib()?;
        let arrivals = outside.runtime.block_on(consultants.leave());
        daemon.process.terminate(&site.log())?;
        let findings = site.findings()?;
        let rows = rows::read(&site.database()?, since, &arrivals)?;
        site.remove()?;
        let (tools_after, events_after) = (outside.agents.tool_calls(), outside.receiver.events());
        Ok(Measured {
            accepted: outcome.done(),
            accept_s: outcome.elapsed.as_secs_f64(),
            intake_p50_ms: outcome.latency.quantile_ms(0.5),
            intake_p99_ms: outcome.latency.quantile_ms(0.99),
            rows,
            drained_s,
            events_received: events_after.received - events.received,
            events_repeated: events_after.repeated - events.repeated,
            events_refused: events_after.refused - events.refused,
            tool_calls: tools_after.made - tools.made,
            tool_calls_failed: tools_after.failed - tools.failed,
            findings,
            daemon_cpu_s,
            rss_mib,
        })
    }
}

fn send(load: &Load) -> Result<Outcome> {
    let outcome = client::run(load)?;
    let reason = outcome.first_error.as_deref().unwrap_or("no reason");
    ensure!(outcome.errors == 0, "{} registrations were not accepted; first: {reason}", outcome.errors);
    Ok(outcome)
}

fn wait_until_idle(site: &Site) -> Result<()> {
    let (database, end) = (site.database()?, Instant::now() + PATIENCE);
    loop {
        let left = rows::left_to_do(&database)?;
        if left == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{left} jobs are not done after {PATIENCE:?}");
        sleep(LOOK);
    }
}
