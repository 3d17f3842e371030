//! A client of MCP, for commands that must know whether a server answers as it should.
//!
//! ```text
//! client      what is asked: connect, list tools, call one, anything else
//! dialect     how a revision asks it: `_meta` and headers of 2026-07-28, the handshake of older ones
//! streamable  streamable HTTP: one POST for each message, JSON or an event stream back
//! sse         HTTP+SSE of 2024-11-05: a GET stream, and POSTs to the address it names
//! stdio       a program of ours or of others, a line for each message
//! message     JSON-RPC read strictly: an answer is one only if it is to our question
//! ```
//!
//! Every wait has a limit and every answer a cap. The key leaves in one header to one origin: redirects are not followed,
//! and an event stream that names an address elsewhere is refused. Nothing here tries again or judges an answer.

mod client;
mod dialect;
mod error;
mod message;
mod sse;
mod stdio;
mod streamable;
mod target;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::{
    client::{CallReply, McpClient, ServerFacts, ToolFacts},
    dialect::Dialect,
    error::McpError,
    stdio::Program,
    target::HttpTarget,
};

/// How long and how large an answer may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest wait for one answer, from connecting to its last byte.
    pub timeout: Duration,
    /// Largest answer.
    pub max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), max_bytes: 8 * 1024 * 1024 }
    }
}
