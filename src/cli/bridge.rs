//! `bridge`: a server that is elsewhere, for a host that starts programs only.

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Fault, exit};
use crate::{
    config::environment,
    lifecycle,
    outbound::{
        bridge,
        http_client::{HttpClient, ProxyUse},
        mcp_client::HttpTarget,
    },
    telemetry,
};

#[derive(Debug, Args)]
pub(super) struct BridgeArgs {
    /// The group's URL, such as https://mcp.example.com/server/system_tools/mcp; the key comes from ANMEI_MCP_API_KEY
    url: String,
}

/// Needs neither a configuration nor a data directory: it runs where the host is.
pub(super) async fn run(args: &BridgeArgs) -> anyhow::Result<u8> {
    let environment = environment();
    telemetry::start(telemetry::Format::Auto, environment.rust_log().unwrap_or("warn"), !environment.no_color());
    let key = environment.api_key();
    let target = HttpTarget::new(&args.url, key.as_ref()).map_err(|error| Fault::new(exit::USAGE, error.to_string()))?;
    if key.is_none() {
        tracing::warn!("ANMEI_MCP_API_KEY is not set: the server is asked without a key");
    } else if args.url.starts_with("http:") && !is_local(&target.host()) {
        tracing::warn!("the key is sent over a connection that others can read; use https");
    }
    let http = HttpClient::new(ProxyUse::System)?;
    let stop = CancellationToken::new();
    lifecycle::stop_on_signals(stop.clone(), lifecycle::Again::default())?;
    let input = tokio::io::BufReader::new(tokio::io::stdin());
    bridge::bridge((http, target), input, tokio::io::stdout(), stop).await?;
    // A reader of stdin that waits for its next line cannot be woken; leaving it must not delay the exit.
    std::process::exit(i32::from(exit::OK));
}

fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
