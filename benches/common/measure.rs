//! One load against one server, with what it cost that server; and how several of them become one figure.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{
    client::{self, Load},
    process::{Process, own_cpu},
    request::Request,
};

/// How a load is shaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) connections: u64,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What one load showed.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU of the server for one request.
    pub(crate) cpu_us: f64,
    /// Memory of the server at the end.
    pub(crate) rss_mib: f64,
    /// Share of one core that the load generator used: near 1, it is the limit.
    pub(crate) client_share: f64,
    pub(crate) errors: f64,
}

/// One contender over all rounds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) rounds: Vec<Sample>,
    /// Requests answered as expected, warm-up included.
    pub(crate) answered: u64,
}

impl Measured {
    /// Warms up, measures, and keeps the sample.
    pub(crate) fn run(&mut self, process: &Process, request: &Request, shape: Shape) -> Result<()> {
        let mut load = Load { request: request.clone(), connections: shape.connections, at_most: shape.warm_up, count: None, every: None };
        self.answered += accepted(&client::run(&load)?)?;
        load.at_most = shape.measured;
        let (server_before, client_before) = (process.cpu()?, own_cpu()?);
        let outcome = client::run(&load)?;
        let (server, client) = (process.cpu()?.saturating_sub(server_before), own_cpu()?.saturating_sub(client_before));
        self.answered += accepted(&outcome)?;
        self.rounds.push(Sample {
            per_second: outcome.per_second(),
            p50_ms: outcome.latency.quantile_ms(0.5),
            p99_ms: outcome.latency.quantile_ms(0.99),
            cpu_us: server.as_secs_f64() * 1e6 / (outcome.done() as f64),
            rss_mib: process.resident_mib()?,
            client_share: client.as_secs_f64() / outcome.elapsed.as_secs_f64(),
            errors: outcome.errors as f64,
        });
        Ok(())
    }

    pub(crate) fn median(&self, of: fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// The median of the ratios of rounds run side by side: it does not see the machine's drift.
    pub(crate) fn ratio(&self, reference: &Self, of: fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().zip(&reference.rounds).map(|(ours, theirs)| of(ours) / of(theirs)).collect())
    }
}

/// Contenders by name.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Contest(pub(crate) BTreeMap<&'static str, Measured>);

impl Contest {
    pub(crate) fn of(&mut self, name: &'static str) -> &mut Measured {
        self.0.entry(name).or_default()
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Measured> {
        self.0.get(name).with_context(|| format!("{name} was not measured"))
    }
}

/// How many were answered as expected; an error when more than one in a hundred was not.
pub(crate) fn accepted(outcome: &client::Outcome) -> Result<u64> {
    let done = outcome.done();
    let reason = outcome.first_error.as_deref().unwrap_or("no request was sent");
    ensure!(done > 0 && outcome.errors <= done / 100, "{} of {} requests failed; first: {reason}", outcome.errors, done + outcome.errors);
    Ok(done)
}

/// The middle one; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
