//! `[admin]`: where the panel and the admin API are served, and how long somebody stays signed in.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    HumanDuration,
    mcp::{local_hosts, loopback, plain_host},
};

/// The admin side: panel and REST API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Whether panel and API are served at all. Without them, everything is done with this program's commands.
    pub enabled: bool,
    /// Address and port on which panel and API are served. Sections given the same address share one listener.
    #[schemars(extend("format" = "socket-address"))]
    pub listen: SocketAddr,
    /// URL under which browsers reach this listener, when it is not the listener's own: scheme, host and port, without a
    /// path. Its host is always allowed. With `https://`, cookies are for encrypted connections only.
    #[schemars(extend("format" = "http-url", "examples" = ["https://admin.clinic.example.com"]))]
    pub public_url: Option<String>,
    /// Values of the `Host` header that are answered: a name or address (any port), or one with its port; anything
    /// else is refused with 403. `"*"` turns the check off.
    pub allowed_hosts: Vec<String>,
    /// Web origins (`https://app.example.com`) whose pages may call the API with a token; a request with any other
    /// `Origin` header is refused with 403. Nobody signs in from such a page: sessions are for our own pages only.
    #[schemars(extend("examples" = [["https://app.example.com"]]))]
    pub allowed_origins: Vec<String>,
    /// Silence after which somebody is signed out. A page that renews itself is silence.
    #[schemars(extend("minimum" = "1m", "maximum" = "24h"))]
    pub session_idle: HumanDuration,
    /// Time after which somebody is signed out in any case.
    #[schemars(extend("minimum" = "5m", "maximum" = "720h"))]
    pub session_lifetime: HumanDuration,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: loopback(8002),
            public_url: None,
            allowed_hosts: local_hosts(),
            allowed_origins: Vec::new(),
            session_idle: HumanDuration::from_secs(30 * 60),
            session_lifetime: HumanDuration::from_secs(12 * 3600),
        }
    }
}

impl Admin {
    /// Every host that is answered: `allowed_hosts` and the host of `public_url`, in lower case.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self.allowed_hosts.iter().map(|host| plain_host(host)).collect();
        let public = self.public_url.as_deref().and_then(|text| url::Url::parse(text).ok());
        if let Some(public) = public.as_ref().and_then(url::Url::host_str).map(plain_host)
            && !hosts.contains(&public)
        {
            hosts.push(public);
        }
        hosts
    }

    /// The origin (`scheme://host[:port]`) under which browsers reach us, when it is not the listener's own.
    pub fn public_origin(&self) -> Option<String> {
        let url = url::Url::parse(self.public_url.as_deref()?).ok()?;
        Some(url.origin().ascii_serialization())
    }
}
