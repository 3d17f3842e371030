//! The requests of the load: written once as bytes, then sent again and again with other digits in the user's id.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use serde_json::json;

/// Users in the database, `usr_00000000` and up.
pub(crate) const USERS: u64 = 10_000;
/// The group key that the reference servers know: as long as a real one.
pub(crate) const REFERENCE_KEY: &str = "mcp_key_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";
/// The hook key in our configuration and in the reference server.
pub(crate) const HOOK_KEY: &str = "hook_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";
/// Where the tool of the load is.
pub(crate) const MCP_PATH: &str = "/server/system_tools/mcp";

/// Stands for the id in a request and in what is expected of the answer.
const ID: &[u8] = b"usr_00000000";
/// First number of a new user.
const FIRST_NEW: u64 = 10_000_000;

/// A revision of the protocol, as a client speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: metadata in every request.
    Modern,
    /// 2025-06-18 without a session.
    Legacy,
}

/// Which users are asked for.
#[derive(Clone)]
enum Users {
    Known,
    New(Arc<AtomicU64>),
}

/// A request, and what its answer must be.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) target: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) status: u16,
    /// Another status that is in order, whatever comes with it.
    pub(crate) also: Option<u16>,
    /// Bytes that the body must contain.
    pub(crate) marker: Vec<u8>,
    users: Users,
    digits_at: usize,
    marker_digits_at: Option<usize>,
}

impl Request {
    /// A call of `get_user_profile`, answered with the profile of the user asked for.
    pub(crate) fn tools_call(target: SocketAddr, key: &str, era: Era) -> Result<Self> {
        let mut params = json!({"name": "get_user_profile", "arguments": {"user_id": "usr_00000000"}});
        let mut headers = format!("Authorization: Bearer {key}\r\nAccept: application/json, text/event-stream\r\n");
        match era {
            Era::Modern => {
                headers.push_str("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: get_user_profile\r\n");
                let meta = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/clientInfo": {"name": "anmei-bench", "version": "1.0.0"},
                });
                params.as_object_mut().context("params is an object")?.insert("_meta".into(), meta);
            }
            Era::Legacy => headers.push_str("MCP-Protocol-Version: 2025-06-18\r\n"),
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        Ok(Self::post(target, MCP_PATH, &headers, &body)?.expecting(200, br#""user_id":"usr_00000000""#))
    }

    /// A registration of a user nobody registered before, answered with its id.
    pub(crate) fn registration(target: SocketAddr, counter: &Arc<AtomicU64>) -> Result<Self> {
        let headers = format!("Authorization: Bearer {HOOK_KEY}\r\n");
        let body = json!({
            "user_id": "usr_00000000",
            "username": "陈晓雯",
            "email": "chen.xiaowen@example.com",
            "roles": ["customer"],
            "phone": "13812345678",
            "avatar": "https://cdn.example.com/avatars/7f3a.png",
        });
        let mut request = Self::post(target, "/hooks/registration", &headers, &body.to_string())?;
        request.users = Users::New(Arc::clone(counter));
        Ok(request.expecting(202, br#""registration_id":""#))
    }

    /// The same request, answered with this status and a body that holds `marker`; an id in it follows the request's.
    pub(crate) fn expecting(mut self, status: u16, marker: &[u8]) -> Self {
        self.status = status;
        self.marker = marker.to_vec();
        self.marker_digits_at = find(marker, ID).map(|at| at + 4);
        self
    }

    /// The same request, which this status answers as well.
    pub(crate) fn or(mut self, status: u16) -> Self {
        self.also = Some(status);
        self
    }

    fn post(target: SocketAddr, path: &str, headers: &str, body: &str) -> Result<Self> {
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: anmei-bench/1.0.0\r\nContent-Type: application/json\r\n\
             {headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let bytes = text.into_bytes();
        let digits_at = find(&bytes, ID).context("the request names a user")? + 4;
        Ok(Self { target, bytes, status: 0, also: None, marker: Vec::new(), users: Users::Known, digits_at, marker_digits_at: None })
    }

    /// Asks for another user; `random` is the caller's xorshift state.
    pub(crate) fn turn(&mut self, random: &mut u64) {
        let number = match &self.users {
            Users::Known => next(random) % USERS,
            Users::New(counter) => FIRST_NEW + counter.fetch_add(1, Ordering::Relaxed),
        };
        put(&mut self.bytes, self.digits_at, number);
        if let Some(at) = self.marker_digits_at {
            put(&mut self.marker, at, number);
        }
    }
}

/// Position of `needle` in `hay`.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

fn put(bytes: &mut [u8], at: usize, mut number: u64) {
    for digit in bytes.iter_mut().skip(at).take(8).rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
