//! The Dify agents: reachable, their keys accepted, of the kind they are taken for, and given what they ask for.

use super::{
    Office,
    finding::{Finding, Report},
};
use crate::store::agents::Agent;

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
    let check = office.core.calls(None).check_agent(&agent.id).await?;
    match check.problem {
        Some(problem) => Err(anyhow::anyhow!(problem.en)),
        None => Ok(format!("reachable, key accepted: {} ({})", check.app_name.unwrap_or_default(), check.app_mode.unwrap_or_default())),
    }
}
