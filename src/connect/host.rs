//! The hosts, and by which transports each can be reached.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// A program that uses MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host {
    /// Claude Code.
    ClaudeCode,
    /// Claude Desktop: starts programs, speaks no HTTP with a key.
    ClaudeDesktop,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    VsCode,
    /// Cherry Studio.
    CherryStudio,
    /// n8n's MCP Client node.
    N8n,
    /// Dify's own MCP client.
    Dify,
    /// The `mcp_sse` plugin of Dify, every group on one address.
    DifyPlugin,
    /// MCP Inspector.
    Inspector,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl Host {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::Cursor,
        Self::VsCode,
        Self::CherryStudio,
        Self::N8n,
        Self::Dify,
        Self::DifyPlugin,
        Self::Inspector,
        Self::Codex,
        Self::Gemini,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::CherryStudio => "cherry-studio",
            Self::N8n => "n8n",
            Self::Dify => "dify",
            Self::DifyPlugin => "dify-plugin",
            Self::Inspector => "inspector",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    /// How it is reached, the usual way first. Claude Desktop reaches an HTTP server through `anmei-mcp bridge`.
    pub fn transports(self) -> &'static [Transport] {
        use Transport::{Http, Sse, Stdio};
        match self {
            Self::ClaudeDesktop => &[Stdio, Http],
            Self::ClaudeCode | Self::Cursor | Self::VsCode | Self::CherryStudio | Self::Inspector | Self::Gemini => &[Http, Sse, Stdio],
            Self::N8n | Self::Dify => &[Http, Sse],
            // What the product's requirements show.
            Self::DifyPlugin => &[Sse, Http],
            Self::Codex => &[Http, Stdio],
        }
    }

    /// Checks that it can be reached like this.
    pub fn supports(self, transport: Transport) -> Result<(), Unsupported> {
        if self.transports().contains(&transport) { Ok(()) } else { Err(Unsupported { host: self, transport }) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|host| host.name() == text).ok_or_else(|| format!("there is no host {text}; there are: {}", names()))
    }
}

/// How a host reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// The host starts a program and speaks through its standard input and output.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

impl Transport {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::Sse => "sse",
        }
    }
}

impl FromStr for Transport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Stdio, Self::Http, Self::Sse];
        all.into_iter().find(|one| one.name() == text).ok_or_else(|| format!("there is no transport {text}; there are: stdio, http, sse"))
    }
}

/// A host that cannot be reached like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{host} cannot be reached by {}; use --transport {}", .transport.name(), .host.transports().iter().map(|one| one.name()).collect::<Vec<_>>().join(" or --transport "))]
pub struct Unsupported {
    /// Which host.
    pub host: Host,
    /// How it cannot.
    pub transport: Transport,
}
