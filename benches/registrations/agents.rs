//! The agents: two stand-ins for Dify, one that writes the welcomes and one that is asked when the first fails.

use anyhow::Result;

use anmei_mcp::{
    demo::stand_in_dify::{Behaviour, McpServer, Mixed, StandIn, StandInHandle},
    secret::SecretText,
};

use crate::common::site::{Daemon, Site};

/// The group whose tools the agents have.
pub(crate) const GROUP: &str = "welcome_tools";
/// How long the model takes for one of its three turns: 2 s together, and the time its two tool calls take on top.
const THINK_MS: u64 = 667;
const ERRORS_PERCENT: u8 = 5;
const STALLS_PERCENT: u8 = 2;
/// How each of them is added; everything else is as shipped.
const OPTIONS: [&str; 4] = ["--max-concurrent", "256", "--first-byte-ms", "500"];

/// An agent, as the daemon knows it.
struct Agent {
    name: &'static str,
    part: &'static str,
    dify: StandInHandle,
}

/// Both agents while they run.
pub(crate) struct Agents([Agent; 2]);

/// Tool calls that the agents made.
pub(crate) struct ToolCalls {
    pub(crate) made: usize,
    pub(crate) failed: usize,
}

impl Agents {
    pub(crate) async fn start() -> Result<Self> {
        Ok(Self([start("welcome", "stable", 1).await?, start("spare", "fallback", 1_000_000).await?]))
    }

    /// Adds them as an operator would; the daemon must not run.
    pub(crate) fn add_to(&self, site: &Site) -> Result<()> {
        for Agent { name, part, dify } in &self.0 {
            let mut command = vec!["agent", "add", name, "--base-url", &dify.base_url, "--part", part];
            command.extend(OPTIONS);
            site.command(&command, dify.key.expose())?;
        }
        Ok(())
    }

    /// Gives them the tools of this daemon.
    pub(crate) fn connect(&self, daemon: &Daemon, key: &str) {
        let url = format!("http://{}/server/{GROUP}/mcp", daemon.mcp);
        for Agent { dify, .. } in &self.0 {
            dify.connect(vec![McpServer { name: GROUP.into(), url: url.clone(), key: SecretText::new(key) }]);
        }
    }

    /// All tool calls so far.
    pub(crate) fn tool_calls(&self) -> ToolCalls {
        let calls: Vec<bool> = self.0.iter().flat_map(|agent| agent.dify.ledger.tool_calls()).map(|call| call.ok).collect();
        ToolCalls { made: calls.len(), failed: calls.iter().filter(|ok| !**ok).count() }
    }

    /// For the reader.
    pub(crate) fn text(&self) -> String {
        let parts = self.0.each_ref().map(|agent| agent.part);
        format!(
            "agents: {}; each thinks for {} ms and calls two of our tools, {ERRORS_PERCENT} % errors, {STALLS_PERCENT} % stalls; {}",
            parts.join(" and "),
            3 * THINK_MS,
            OPTIONS.join(" ")
        )
    }

    pub(crate) async fn stop(self) {
        for agent in self.0 {
            agent.dify.shutdown().await;
        }
    }
}

async fn start(name: &'static str, part: &'static str, seed: u64) -> Result<Agent> {
    let mixed = Mixed { think_ms: THINK_MS, errors_percent: ERRORS_PERCENT, stalls_percent: STALLS_PERCENT, seed };
    let stand_in = StandIn { behaviour: Behaviour::Mixed(mixed), ..StandIn::default() };
    Ok(Agent { name, part, dify: StandIn::start(([127, 0, 0, 1], 0).into(), stand_in).await? })
}
