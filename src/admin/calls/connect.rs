//! Where a group is reached, and what a host must be told of it.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallError, Calls, groups::GroupView, keys::Wanted};
use crate::{
    connect::{self, Host, Offer, Program, Server, Transport},
    secret::SecretText,
    store::audit::By,
};

/// The program as it is called on the machine of whoever uses a group.
const PROGRAM: &str = "anmei-mcp";

/// Where a group is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServerUrl {
    /// The group.
    pub server_code: String,
    /// Over streamable HTTP.
    pub url: String,
    /// Over HTTP+SSE, for older clients.
    pub sse_url: String,
    /// The address at which the key alone says which group is meant.
    pub root_url: String,
}

/// What a host must be told.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Snippets {
    /// The host.
    pub host: String,
    /// How it reaches the group: http or sse.
    pub transport: String,
    /// The ways in which it can reach it, the usual one first.
    pub transports: Vec<String>,
    /// The name under which it lists the group.
    pub name: String,
    /// Commands that set it up.
    pub commands: Vec<String>,
    /// What belongs into its configuration file, or is pasted into its import dialog.
    pub file: Option<SnippetFile>,
    /// A link that sets it up.
    pub link: Option<String>,
    /// What its form asks.
    pub fields: Vec<SnippetField>,
    /// What bites.
    pub notes: Vec<String>,
    /// Whether the key is in it; else a word stands in its place.
    pub with_key: bool,
}

/// It may hold a key.
impl fmt::Debug for Snippets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snippets").field("host", &self.host).field("with_key", &self.with_key).finish_non_exhaustive()
    }
}

/// The part of a file.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SnippetFile {
    /// json or toml.
    pub format: String,
    /// The text.
    pub text: String,
}

/// One line of a form.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SnippetField {
    /// What the form calls it.
    pub name: String,
    /// What to fill in.
    pub value: String,
}

impl Calls {
    /// Where a group is reached.
    pub fn server_url(&self, code: &str) -> Result<ServerUrl, CallError> {
        self.group_policy(code)?;
        let base = self.base();
        Ok(ServerUrl {
            server_code: code.to_owned(),
            url: format!("{base}/server/{code}/mcp"),
            sse_url: format!("{base}/server/{code}/sse"),
            root_url: format!("{base}/mcp"),
        })
    }

    /// What a host must be told of a group, with a word in the place of the key.
    pub fn snippets(&self, code: &str, host: Host, transport: Option<Transport>) -> Result<Snippets, CallError> {
        let group = self.group_view(&*self.group_policy(code)?);
        self.snippets_with(&group, (host, transport), None)
    }

    /// The same with a key in it. The look at the key is on record.
    pub async fn snippets_with_key(
        &self,
        code: &str,
        (host, transport): (Host, Option<Transport>),
        wanted: Wanted<'_>,
        by: &By,
    ) -> Result<Snippets, CallError> {
        let group = self.group_view(&*self.group_policy(code)?);
        reachable(host, transport)?;
        let key = self.reveal_key(code, wanted, by).await?.key;
        self.snippets_with(&group, (host, transport), Some(key))
    }

    /// The address in front of every path of the MCP listener.
    pub(in crate::admin) fn base(&self) -> String {
        let listeners = self.running.iter().flat_map(|running| running.process.listeners.iter());
        let address = listeners.filter(|one| one.sections.contains(&"mcp")).map(|one| one.address).next();
        // Every address of this machine is one under which it can be asked, but none to be told to others.
        let bound = address.map(|address| {
            if address.ip().is_unspecified() { format!("http://localhost:{}", address.port()) } else { format!("http://{address}") }
        });
        self.config.mcp.client_base(bound.as_deref())
    }

    fn snippets_with(
        &self,
        group: &GroupView,
        (host, transport): (Host, Option<Transport>),
        key: Option<SecretText>,
    ) -> Result<Snippets, CallError> {
        let transport = reachable(host, transport)?;
        let with_key = key.is_some();
        let server = Server { code: group.server_code.clone(), title: group.name.clone(), key };
        let program = Program { path: PROGRAM.to_owned(), arguments: Vec::new() };
        let offer = Offer { transport, base: self.base(), program, servers: vec![server] };
        let pieces = connect::pieces(host, &offer).map_err(|error| unreachable_by(host, &error.to_string()))?;
        let entry = pieces.entries.into_iter().next().unwrap_or_default();
        Ok(Snippets {
            host: host.name().to_owned(),
            transport: transport.name().to_owned(),
            transports: remote(host).map(|one| one.name().to_owned()).collect(),
            name: entry.name,
            commands: entry.commands,
            file: pieces.file.map(|file| SnippetFile {
                format: match file.format {
                    connect::Format::Json => "json".to_owned(),
                    connect::Format::Toml => "toml".to_owned(),
                },
                text: file.text(),
            }),
            link: entry.link.or(pieces.link),
            fields: entry.fields.into_iter().map(|field| SnippetField { name: field.name.to_owned(), value: field.value }).collect(),
            notes: pieces.notes,
            with_key,
        })
    }
}

/// The host of this name.
pub fn host(name: &str) -> Result<Host, CallError> {
    name.parse().map_err(|why: String| {
        let names = Host::ALL.map(Host::name).join(", ");
        CallError::invalid("/host", format!("没有这个宿主；可选：{names}"), why)
    })
}

/// The transport of this name.
pub fn transport(name: &str) -> Result<Transport, CallError> {
    name.parse().map_err(|why: String| CallError::invalid("/transport", "没有这种传输方式；可选：http、sse", why))
}

/// The ways that lead here over the network. To start the program itself a host must be on this machine, and there
/// `anmei-mcp connect` knows where everything is.
fn remote(host: Host) -> impl Iterator<Item = Transport> {
    host.transports().iter().copied().filter(|transport| *transport != Transport::Stdio)
}

fn reachable(host: Host, transport: Option<Transport>) -> Result<Transport, CallError> {
    let found = match transport {
        None => remote(host).next(),
        Some(wanted) => remote(host).find(|one| *one == wanted),
    };
    found.ok_or_else(|| unreachable_by(host, "not over the network in this way; on this machine `anmei-mcp connect` sets it up"))
}

fn unreachable_by(host: Host, why: &str) -> CallError {
    let ways: Vec<_> = remote(host).map(Transport::name).collect();
    let ways = ways.join(", ");
    CallError::invalid(
        "/transport",
        format!("{host} 不能这样连接；可选：{ways}"),
        format!("{host} cannot be reached so ({why}); there are: {ways}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_can_be_reached_over_the_network() {
        for host in Host::ALL {
            assert!(reachable(host, None).is_ok(), "{host}");
            assert!(reachable(host, Some(Transport::Stdio)).is_err(), "{host}");
        }
        assert_eq!(reachable(Host::DifyPlugin, None).unwrap(), Transport::Sse);
        assert!(host("nobody").is_err() && transport("pigeon").is_err());
    }
}
