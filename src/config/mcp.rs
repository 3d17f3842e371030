//! `[mcp]`: where tools are offered, and to whom the door opens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, HumanDuration};

/// The MCP listener: tool sets over streamable HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mcp {
    /// Address and port on which MCP clients are served. Sections given the same address share one listener.
    #[schemars(extend("format" = "socket-address"))]
    pub listen: SocketAddr,
    /// URL under which clients reach this listener: what `serve` prints when it is not this machine's own. Its host is
    /// always allowed, whatever `allowed_hosts` says. A path is the prefix under which a proxy offers it
    /// (`https://clinic.example.com/anmei` for `/anmei/mcp`); requests are answered with the prefix and without it.
    #[schemars(extend("format" = "http-url"))]
    pub public_url: String,
    /// Values of the `Host` header that are answered: a name or address (any port), or one with its port; anything
    /// else is refused with 403. This stops web pages that rebind their name to this machine. `"*"` turns the check
    /// off.
    pub allowed_hosts: Vec<String>,
    /// Web origins (`https://app.example.com`) whose pages may call; a request with any other `Origin` header is
    /// refused with 403. While the list is empty, pages served from an allowed host may call. Programs send no such
    /// header and need no entry.
    #[schemars(extend("examples" = [["https://app.example.com"]]))]
    pub allowed_origins: Vec<String>,
    /// Whether `tools/call` and `tools/list` of stateless clients take the short path past the protocol library.
    /// Answers are the same; turn it off to rule it out when something looks wrong.
    pub fast_lane: bool,
    /// Whether clients of HTTP+SSE (protocol 2024-11-05, `"transport": "sse"`) are served: a GET that accepts event
    /// streams, on `/mcp` and `/sse` and those of each group.
    pub legacy_sse: bool,
    /// Event streams of HTTP+SSE that one key may hold open at a time; a further one is answered 429.
    #[schemars(range(min = 1, max = 100_000))]
    pub legacy_sse_streams: usize,
    /// Subscriptions (`subscriptions/listen`, protocol 2026-07-28) that one key may hold open at a time; a further one is
    /// answered 429.
    #[schemars(range(min = 1, max = 100_000))]
    pub subscription_streams: usize,
    /// Whether clients of protocol 2025-03-26 to 2025-11-25 get a session when they begin with `initialize`. Without one
    /// each request stands alone, which is all that tools need; with one, a client can hold a stream open on which it
    /// hears of changes of its tools.
    pub sessions: bool,
    /// Silence after which a session ends. An open stream and a running call are not silence.
    #[schemars(extend("minimum" = "1s", "maximum" = "168h"))]
    pub session_timeout: HumanDuration,
    /// Sessions at a time; a further one is answered 503. One key holds at most a quarter of them, and is answered 429 beyond that.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_sessions: usize,
    /// Name that clients see in the server's information.
    pub server_name: String,
    /// Version that clients see in the server's information: that of your deployment, not of this program.
    pub server_version: String,
    /// Largest request body, in bytes; a larger one is refused with 413.
    #[schemars(extend("minimum" = "1KiB", "maximum" = "64MiB"))]
    pub max_body: ByteSize,
    /// How long clients of protocol 2026-07-28 may keep a list (`ttlMs`). With `"0s"` they ask each time, so that a
    /// change of a group is seen at once.
    #[schemars(extend("maximum" = "24h"))]
    pub list_ttl: HumanDuration,
    /// How long a task (a call that outlives its request, protocol 2026-07-28) can be asked for, from its start. A task
    /// is kept for at least as long as its tool may take, whatever is set here.
    #[schemars(extend("minimum" = "1m", "maximum" = "24h"))]
    pub task_ttl: HumanDuration,
    /// Tasks that one key or grant may have at a time, running or finished and not yet forgotten. A call beyond them
    /// is answered when it is done, like every call of a client that knows no tasks. With 0 there are none.
    #[schemars(range(min = 0, max = 10_000))]
    pub tasks_per_key: u32,
}

impl Default for Mcp {
    fn default() -> Self {
        Self {
            listen: loopback(8000),
            public_url: "http://localhost:8000".to_owned(),
            allowed_hosts: local_hosts(),
            allowed_origins: Vec::new(),
            fast_lane: true,
            legacy_sse: true,
            legacy_sse_streams: 64,
            subscription_streams: 64,
            sessions: false,
            session_timeout: HumanDuration::from_secs(3600),
            max_sessions: 1000,
            server_name: "AnmeiSmart MCP Server".to_owned(),
            server_version: "1.0.0".to_owned(),
            max_body: ByteSize::mib(1),
            list_ttl: HumanDuration::from_secs(0),
            task_ttl: HumanDuration::from_secs(600),
            tasks_per_key: 64,
        }
    }
}

impl Mcp {
    /// The public address in front of every path of ours, without a slash at its end.
    pub fn public_base(&self) -> String {
        let origin = url::Url::parse(&self.public_url).map(|url| url.origin().ascii_serialization());
        origin.map_or_else(|_| self.public_url.clone(), |origin| origin + &self.public_path())
    }

    /// The address in front of every path of ours, as clients are told: the public one; while nobody set that, the one at
    /// which the daemon listens, which is `bound` when that is known better than by the configuration.
    pub fn client_base(&self, bound: Option<&str>) -> String {
        let usual = Self::default();
        if self.public_url != usual.public_url {
            return self.public_base();
        }
        match bound {
            Some(bound) => bound.trim_end_matches('/').to_owned(),
            None if self.listen == usual.listen || self.listen.port() == 0 => self.public_base(),
            None if self.listen.ip().is_unspecified() => format!("http://localhost:{}", self.listen.port()),
            None => format!("http://{}", self.listen),
        }
    }

    /// The prefix that a proxy puts in front of our paths, such as `/anmei`; empty without one.
    pub fn public_path(&self) -> String {
        url::Url::parse(&self.public_url).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }

    /// Every host that is answered: `allowed_hosts` and the host of `public_url`, in lower case.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self.allowed_hosts.iter().map(|host| plain_host(host)).collect();
        if let Some(public) = url::Url::parse(&self.public_url).ok().as_ref().and_then(url::Url::host_str) {
            let public = plain_host(public);
            if !hosts.contains(&public) {
                hosts.push(public);
            }
        }
        hosts
    }
}

/// A host in the form in which it is compared: lower case, IPv6 without brackets.
pub(super) fn plain_host(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).to_ascii_lowercase()
}

/// `127.0.0.1` with a port.
pub(super) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// The names under which a machine calls itself.
pub(super) fn local_hosts() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_the_public_address_or_the_one_at_which_the_daemon_listens() {
        let with =
            |listen: &str, public_url: &str| Mcp { listen: listen.parse().unwrap(), public_url: public_url.into(), ..Mcp::default() };
        let usual = Mcp::default().public_url;
        assert_eq!(Mcp::default().client_base(None), "http://localhost:8000");
        assert_eq!(with("127.0.0.1:9000", &usual).client_base(None), "http://127.0.0.1:9000");
        assert_eq!(with("0.0.0.0:9000", &usual).client_base(None), "http://localhost:9000");
        assert_eq!(with("127.0.0.1:0", &usual).client_base(Some("http://127.0.0.1:4711/")), "http://127.0.0.1:4711");
        assert_eq!(
            with("127.0.0.1:9000", "https://clinic.cn/anmei/").client_base(Some("http://127.0.0.1:9000")),
            "https://clinic.cn/anmei"
        );
    }
}
