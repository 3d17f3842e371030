//! What is offered to a host.

use serde::Serialize;

use super::host::Transport;
use crate::secret::SecretText;

/// Groups, an address, and how this program is started.
#[derive(Debug, Clone)]
pub struct Offer {
    /// How the host shall reach them.
    pub transport: Transport,
    /// The address in front of every path, without a slash at its end.
    pub base: String,
    /// How this program is started on the machine where its database is.
    pub program: Program,
    /// The groups.
    pub servers: Vec<Server>,
}

/// One group.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its server code.
    pub code: String,
    /// What people call it.
    pub title: String,
    /// Its key; nothing when it cannot be shown.
    pub key: Option<SecretText>,
}

/// A program with the arguments it always has.
#[derive(Debug, Clone, Serialize)]
pub struct Program {
    /// Where it is.
    pub path: String,
    /// Arguments after the verb's own, such as `--data-dir`.
    pub arguments: Vec<String>,
}

impl Offer {
    /// The address of a group.
    pub fn url(&self, server: &Server) -> String {
        let last = if self.transport == Transport::Sse { "sse" } else { "mcp" };
        format!("{}/server/{}/{last}", self.base, server.code)
    }

    /// The name under which a host lists a group: unique among those offered, without underscores, which some hosts use
    /// to put a server's name and a tool's together.
    pub fn name(&self, server: &Server) -> String {
        let plain = |server: &Server| server.code.replace('_', "-");
        let taken = self.servers.iter().filter(|other| plain(other) == plain(server)).count() > 1;
        format!("anmei-{}", if taken { server.code.clone() } else { plain(server) })
    }

    /// What stands in the place of each key that is not known.
    pub fn placeholders(&self) -> Vec<String> {
        self.servers.iter().filter(|server| server.key.is_none()).map(Server::key_text).collect()
    }

    /// The command that serves a group on standard input and output: from the database, or through the bridge.
    pub fn command(&self, server: &Server, bridged: bool) -> (String, Vec<String>) {
        let mut arguments = if bridged {
            vec!["bridge".to_owned(), format!("{}/server/{}/mcp", self.base, server.code)]
        } else {
            vec!["stdio".to_owned(), "--server-code".to_owned(), server.code.clone()]
        };
        if !bridged {
            arguments.extend(self.program.arguments.iter().cloned());
        }
        (self.program.path.clone(), arguments)
    }
}

impl Server {
    /// The key, or what stands in its place.
    pub(super) fn key_text(&self) -> String {
        match &self.key {
            Some(key) => key.expose().to_owned(),
            None => format!("KEY_OF_{}", self.code.to_ascii_uppercase()),
        }
    }

    /// The header that carries the key.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.key_text())
    }

    /// A variable for the key.
    pub(super) fn variable(&self) -> String {
        format!("ANMEI_MCP_KEY_{}", self.code.to_ascii_uppercase().replace('-', "_"))
    }
}
