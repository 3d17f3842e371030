//! The public address: does it lead here, under a host that is answered, and encrypted?

use url::Url;

use super::{
    Office,
    finding::{Finding, Report},
};
use crate::{
    config::Mcp,
    outbound::{
        http_client::{HttpClient, ProxyUse},
        mcp_client::{Dialect, HttpTarget, McpClient, McpError},
    },
};

/// Asks the public address without a key: this daemon answers 401, and only a daemon of ours does so in these words.
pub(super) async fn public_url(report: &mut Report, office: &Office) {
    let mcp = &office.loaded.config.mcp;
    let Ok(url) = Url::parse(&mcp.public_url) else { return };
    if mcp.public_url == Mcp::default().public_url {
        let fix = "set mcp.public_url when clients on other machines are to connect";
        report.add(Finding::skipped("public url", format!("{} is this machine's own", mcp.public_url), fix));
        return;
    }
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" && !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
        let fix = "put a proxy with TLS in front, and set mcp.public_url to its https:// address";
        report.add(Finding::warning("tls", format!("keys travel unencrypted to {}", mcp.public_url), fix));
    }
    let answered = ask(office, &format!("{}/mcp", mcp.public_url.trim_end_matches('/'))).await;
    report.add(judge(mcp, host, answered));
}

async fn ask(office: &Office, url: &str) -> Result<(), McpError> {
    let http = HttpClient::new(ProxyUse::System).map_err(|error| McpError::Target(error.to_string()))?;
    McpClient::over_http(http, HttpTarget::new(url, None)?, Dialect::Modern, office.limits).connect().await.map(drop)
}

fn judge(mcp: &Mcp, host: &str, answered: Result<(), McpError>) -> Finding {
    let public = &mcp.public_url;
    match answered {
        Ok(()) => Finding::failed(
            "public url",
            format!("{public} answers without a key"),
            "something in front adds a key to every request: whoever reaches it is let in. Take that away",
        ),
        Err(McpError::Refused { status, .. }) if status.as_u16() == 401 => {
            Finding::ok("public url", format!("{public} leads here, its host is answered, and it asks for a key"))
        }
        Err(McpError::Refused { status, detail, .. }) if status.as_u16() == 403 => {
            let fix = format!("let the proxy pass the Host header on, or add {host} to mcp.allowed_hosts");
            Finding::failed("public url", format!("{public}: {detail}"), fix)
        }
        Err(error) => {
            let fix = "is the daemon running, does the name lead to this machine, and does the proxy pass /mcp on? For https: is its certificate valid?";
            Finding::warning("public url", format!("{public}: {error}"), fix)
        }
    }
}
