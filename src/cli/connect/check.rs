//! Connects as the host will, and lists the tools.

use std::fmt;

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::{
    cli::exit,
    connect::{Host, Offer, Server, Transport},
    outbound::{
        http_client::{HttpClient, ProxyUse},
        mcp_client::{Dialect, HttpTarget, Limits, McpClient, McpError, Program},
    },
    secret::SecretText,
};

/// The revision most hosts begin with.
const DIALECT: Dialect = Dialect::Handshake("2025-11-25");

/// What came of one group.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    code: String,
    ok: bool,
    tools: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The key is missing, or was not accepted.
    refused: bool,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            None => write!(f, "{}: connected, {} tools: {}", self.code, self.tools.len(), self.tools.join(", ")),
            Some(error) => write!(f, "{}: failed: {error}", self.code),
        }
    }
}

/// A refused key counts for more than any other failure.
pub(super) fn exit_code(checked: &[Checked]) -> u8 {
    if checked.iter().any(|one| one.refused) {
        exit::AUTH
    } else if checked.iter().all(|one| one.ok) {
        exit::OK
    } else {
        exit::FAILURE
    }
}

/// Every group, one after the other.
pub(super) async fn all(host: Host, offer: &Offer) -> anyhow::Result<Vec<Checked>> {
    let proxy = if is_local(&offer.base) { ProxyUse::Direct } else { ProxyUse::System };
    let http = HttpClient::new(proxy)?;
    let mut checked = Vec::new();
    for server in &offer.servers {
        checked.push(one(host, offer, server, &http).await);
    }
    Ok(checked)
}

async fn one(host: Host, offer: &Offer, server: &Server, http: &HttpClient) -> Checked {
    let code = server.code.clone();
    if offer.transport != Transport::Stdio && server.key.is_none() {
        let error = "its key cannot be shown; set ANMEI_MCP_API_KEY to it, and name the group with --group".to_owned();
        return Checked { code, ok: false, tools: Vec::new(), error: Some(error), refused: true };
    }
    match list(host, offer, server, http).await {
        Ok(tools) => Checked { code, ok: true, tools, error: None, refused: false },
        Err(error) => Checked { code, ok: false, tools: Vec::new(), refused: is_auth(&error), error: Some(error.to_string()) },
    }
}

async fn list(host: Host, offer: &Offer, server: &Server, http: &HttpClient) -> Result<Vec<String>, McpError> {
    let limits = Limits::default();
    let target = |url: &str| HttpTarget::new(url, server.key.as_ref());
    let bridged = host == Host::ClaudeDesktop && offer.transport != Transport::Stdio;
    let mut client = match offer.transport {
        Transport::Stdio => McpClient::over_stdio(program(offer, server, false), DIALECT, limits),
        _ if bridged => McpClient::over_stdio(program(offer, server, true), DIALECT, limits),
        Transport::Http if host == Host::DifyPlugin => {
            McpClient::over_http(http.clone(), target(&format!("{}/mcp", offer.base))?, DIALECT, limits)
        }
        Transport::Sse if host == Host::DifyPlugin => McpClient::over_sse(http.clone(), target(&format!("{}/mcp", offer.base))?, limits),
        Transport::Http => McpClient::over_http(http.clone(), target(&offer.url(server))?, DIALECT, limits),
        Transport::Sse => McpClient::over_sse(http.clone(), target(&offer.url(server))?, limits),
    };
    let listed = async {
        client.connect().await?;
        client.tools().await
    }
    .await;
    client.close().await;
    Ok(listed?.into_iter().map(|tool| tool.name).collect())
}

fn program(offer: &Offer, server: &Server, bridged: bool) -> Program {
    let (path, args) = offer.command(server, bridged);
    let key = server.key.clone().filter(|_| bridged);
    let env: Vec<(String, SecretText)> = key.into_iter().map(|key| ("ANMEI_MCP_API_KEY".to_owned(), key)).collect();
    Program { path: path.into(), args, env }
}

fn is_auth(error: &McpError) -> bool {
    let is_status = |status: u64| matches!(status, 401 | 403);
    match error {
        McpError::Refused { status, .. } => is_status(status.as_u16().into()),
        McpError::Rpc { data, status, .. } => {
            let told = data.as_ref().and_then(|data| data.get("status")).and_then(Value::as_u64);
            status.map(|status: StatusCode| u64::from(status.as_u16())).or(told).is_some_and(is_status)
        }
        _ => false,
    }
}

fn is_local(base: &str) -> bool {
    let host = url::Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
