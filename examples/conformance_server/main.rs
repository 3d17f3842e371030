//! The fixtures of the official conformance suite, behind the daemon's own endpoint: its gate, its transports, both lanes.
//!
//! ```text
//! cargo run --example conformance_server [-- --no-fast-lane]
//! ```
//!
//! It makes a database in a temporary directory, listens on a free port of this machine, and prints one line of JSON:
//! `{"url":"http://127.0.0.1:…/mcp","group":"http://127.0.0.1:…/server/…/mcp"}`. Point the suite at either URL. It ends with SIGTERM or SIGINT.
//!
//! The suite can send no key. A layer here adds one to requests that have none, so that the gate does its whole work all
//! the same. No such layer is in the daemon.
//!
//! ```text
//! about      who answers, who asks
//! lane       what the fast lane answers           handler    every method, through rmcp
//! content    tools that answer at once            telling    tools that report, log and change lists
//! asking     tools that ask a session's client    rounds     input-required results and their sealed state
//! inputs     tools that need input first          tasks      tools that go on as tasks
//! prompts, resources, tools    what there is      changes    who is told of changes
//! ```
#![expect(deprecated, reason = "logging, sampling and roots are deprecated since 2026-07-28, and part of what the suite checks")]

mod about;
mod asking;
mod changes;
mod content;
mod handler;
mod inputs;
mod lane;
mod prompts;
mod resources;
mod rounds;
mod tasks;
mod telling;
mod tools;
mod world;

use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};

use anmei_mcp::{
    app::{Core, NewKey},
    clock::SystemClock,
    config::Config,
    http::{ConnectionLimits, bind},
    lifecycle,
    mcp::{Endpoint, EndpointSettings, SessionSettings, router},
};
use anyhow::Context;
use axum::{extract::Request, middleware::map_request};
use http::{HeaderValue, header::AUTHORIZATION};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Sessions as the daemon has them, but with the event that names a time to reconnect: the suite looks for it.
fn sessions(stop: &CancellationToken, tasks: &TaskTracker) -> SessionSettings {
    SessionSettings {
        timeout: Duration::from_hours(1),
        // The suite is one key, which has a quarter of them.
        max: 4000,
        retry: Some(Duration::from_secs(3)),
        stop: stop.clone(),
        tasks: tasks.clone(),
    }
}

/// Far above what the suite does.
fn limits() -> ConnectionLimits {
    ConnectionLimits {
        connections: 1000,
        per_address: 0,
        proxies: Arc::default(),
        first_byte: Duration::from_secs(30),
        head: Duration::from_secs(30),
        write: Duration::from_secs(30),
        shutdown: Duration::from_secs(5),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let fast_lane = fast_lane(std::env::args().skip(1))?;
    let directory = tempfile::tempdir().context("no temporary directory can be made")?;
    let config = Config { data_dir: directory.path().join("data"), ..Config::default() };
    let core = Core::open(config, Arc::new(SystemClock)).await?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    lifecycle::stop_on_signals(stop.clone(), lifecycle::Again::default())?;
    let key = core.set_up().await?.keys.into_iter().next().context("a new database made no key")?;
    let settings = EndpointSettings { fast_lane, sessions: Some(sessions(&stop, &tasks)), ..EndpointSettings::default() };
    let world = world::World::new(Arc::clone(&core.clock), stop.clone(), tasks.clone())?;
    let endpoint = Endpoint::new(lane::FixtureBackend::new(world)?, Arc::clone(&core.gate), settings);
    let bearer = HeaderValue::from_str(&format!("Bearer {}", key.key.expose()))?;
    let routes = router(endpoint).layer(map_request(move |request: Request| std::future::ready(with_key(request, &bearer))));
    let bound = bind("mcp", SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    announce(bound.address, &key)?;
    bound.serve(routes, limits(), stop).await;
    tasks.close();
    tasks.wait().await;
    core.close().await;
    Ok(())
}

/// Reads the command line: whether the fast lane is on.
fn fast_lane(arguments: impl Iterator<Item = String>) -> anyhow::Result<bool> {
    let mut on = true;
    for argument in arguments {
        match argument.as_str() {
            "--no-fast-lane" => on = false,
            other => anyhow::bail!("{other} is not understood; there is only --no-fast-lane"),
        }
    }
    Ok(on)
}

fn with_key(mut request: Request, bearer: &HeaderValue) -> Request {
    request.headers_mut().entry(AUTHORIZATION).or_insert_with(|| bearer.clone());
    request
}

fn announce(address: SocketAddr, key: &NewKey) -> anyhow::Result<()> {
    let line =
        serde_json::json!({"url": format!("http://{address}/mcp"), "group": format!("http://{address}/server/{}/mcp", key.server_code)});
    writeln!(std::io::stdout().lock(), "{line}").context("the addresses cannot be printed")
}
