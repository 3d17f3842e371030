//! The Dify agents: reachable, their keys accepted, of the kind they are taken for, and given what they ask for.

use super::{
    Office,
    finding::{Finding, Report},
};
use crate::{
    cli::agent::missing_inputs,
    outbound::{
        dify::AgentKind,
        http_client::{HttpClient, ProxyUse},
    },
    registration::Agents,
    store::agents::Agent,
};

pub(super) async fn examine(report: &mut Report, office: &Office) {
    let agents = match office.core.store.agents() {
        Ok(agents) => agents,
        Err(error) => {
            report.add(Finding::failed("agents", error.to_string(), "what is wrong is in the text"));
            return;
        }
    };
    let enabled: Vec<_> = agents.into_iter().filter(|agent| agent.enabled).collect();
    if enabled.is_empty() {
        let fix = "`anmei-mcp agent add --help`; until then welcomes come from the templates";
        report.add(Finding::warning("agents", "no agent is enabled", fix));
    }
    for agent in enabled {
        let name = &agent.app_name;
        report.add(match one(office, &agent).await {
            Ok(text) => Finding::ok("agents", format!("{name}: {text}")),
            Err(why) => Finding::failed(
                "agents",
                format!("{name}: {why}"),
                format!("`anmei-mcp agent check {name}` says more; `anmei-mcp agent set-key {name}` replaces its key"),
            ),
        });
    }
}

async fn one(office: &Office, agent: &Agent) -> anyhow::Result<String> {
    let core = &office.core;
    let agents = Agents::new(core.store.clone(), HttpClient::new(ProxyUse::System)?, core.master.clone(), &agent.environment);
    let client = agents.client(agent)?;
    let info = client.info().await?;
    let kind: AgentKind = agent.kind.parse()?;
    anyhow::ensure!(kind.fits(&info.mode), "the app is of the kind {}, and it is set up as {}", info.mode, agent.kind);
    let inputs = client.parameters().await?.inputs;
    let missing = missing_inputs(agent, &inputs);
    anyhow::ensure!(missing.is_empty(), "required inputs without a value: {}", missing.join(", "));
    Ok(format!("reachable, key accepted: {} ({})", info.name, info.mode))
}
