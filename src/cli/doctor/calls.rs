//! The full way of a call, for every group: over stdio with a process of our own, over HTTP with the group's key.

use super::{
    Office,
    finding::{Finding, Report},
    probe::{self, Came},
};
use crate::{
    cli::key,
    outbound::mcp_client::{Dialect, HttpTarget, McpClient},
};

/// A group as it should be seen.
struct Expected {
    code: String,
    tools: Vec<String>,
}

/// The groups that are switched on, and what each offers.
fn groups(office: &Office) -> anyhow::Result<Vec<Expected>> {
    let core = &office.core;
    let policy = core.gate.policy().current()?;
    let enabled = policy.groups().iter().filter(|group| group.group.enabled);
    Ok(enabled.filter_map(|group| tools_of(office, &group.group.server_code)).collect())
}

fn tools_of(office: &Office, code: &str) -> Option<Expected> {
    let caller = office.core.gate.admit_local(code).ok()?;
    let offers = office.core.dispatch.catalogue().offers(&caller);
    Some(Expected { code: code.to_owned(), tools: offers.iter().map(|offer| offer.known.tool.name().to_owned()).collect() })
}

/// What is wrong with a server of this group, or nothing.
async fn whole(mut client: McpClient, expected: &Expected) -> Result<String, String> {
    let said = |what: &str, came: Came| match came {
        Came::Broken(why) | Came::Ended(why) => format!("{what}: {why}"),
        other => format!("{what}: {other:?}"),
    };
    let connected = probe::hello(&mut client).await;
    if connected != Came::Answered {
        return Err(said("connecting", connected));
    }
    match probe::list(&mut client).await {
        Came::Listed(names) if names == expected.tools => {}
        Came::Listed(names) => return Err(format!("lists {} and should list {}", names.join(", "), expected.tools.join(", "))),
        other => return Err(said("tools/list", other)),
    }
    if let Some(tool) = expected.tools.first() {
        match probe::call(&mut client, tool).await {
            Came::Reached => {}
            other => return Err(said(tool, other)),
        }
    }
    client.close().await;
    Ok(format!("connects, lists {} tool(s) and answers a call", expected.tools.len()))
}

pub(super) async fn over_stdio(report: &mut Report, office: &Office) -> anyhow::Result<()> {
    for expected in groups(office)? {
        let code = &expected.code;
        let client = McpClient::over_stdio(office.stdio(code)?, Dialect::Handshake("2025-11-25"), office.limits);
        report.add(match whole(client, &expected).await {
            Ok(text) => Finding::ok("stdio", format!("{code}: {text}")),
            Err(why) => Finding::failed(
                "stdio",
                format!("{code}: {why}"),
                format!("run `anmei-mcp stdio --server-code {code}` and read its stderr"),
            ),
        });
    }
    Ok(())
}

pub(super) async fn over_http(report: &mut Report, office: &Office) -> anyhow::Result<()> {
    let Some(running) = office.core.dir.read_run_file() else {
        report.add(Finding::skipped("http", "no daemon works on this directory", "start `anmei-mcp serve`, and ask again"));
        return Ok(());
    };
    for expected in groups(office)? {
        let code = &expected.code;
        let key = match key::open::current(&office.core, code, "doctor").await {
            Ok(key) => key,
            Err(error) => {
                report.add(Finding::skipped(
                    "http",
                    format!("{code}: {error}"),
                    format!("`anmei-mcp key rotate {code}` makes one that can be shown"),
                ));
                continue;
            }
        };
        let target = at(office, &running.mcp, &format!("/server/{code}/mcp"), Some(&key))?;
        let client = McpClient::over_http(office.http.clone(), target, Dialect::Modern, office.limits);
        report.add(match whole(client, &expected).await {
            Ok(text) => Finding::ok("http", format!("{code}: {text}")),
            Err(why) => Finding::failed(
                "http",
                format!("{code}: {why}"),
                "the daemon's log says what happened; `anmei-mcp doctor --matrix` tries every way in",
            ),
        });
    }
    Ok(())
}

/// An address of the daemon, under a name that it answers to.
pub(super) fn at(office: &Office, root: &str, path: &str, key: Option<&crate::secret::SecretText>) -> anyhow::Result<HttpTarget> {
    let target = HttpTarget::new(&format!("{}{path}", root.trim_end_matches('/')), key)?;
    let hosts = office.loaded.config.mcp.hosts();
    let host = target.host();
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).trim_matches(['[', ']']);
    let answered = hosts.iter().any(|allowed| allowed == "*" || allowed == name || *allowed == host);
    match hosts.last() {
        // By its socket's address it is not answered: it is called by its public name.
        Some(public) if !answered => Ok(target.with_header("host", public)?),
        _ => Ok(target),
    }
}
