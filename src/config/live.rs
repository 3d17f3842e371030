//! `[live]`: where consultants and customers connect, and whose tokens are believed.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    mcp::{local_hosts, loopback, plain_host},
    secrets,
};
use crate::secret::SecretText;

/// Live connections: WebSockets of consultants and customers. Besides the app's JWTs, tokens made by this program are
/// always accepted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Live {
    /// Address and port on which live connections are accepted. Sections given the same address share one listener.
    #[schemars(extend("format" = "socket-address"))]
    pub listen: SocketAddr,
    /// Values of the `Host` header that are answered: a name or address (any port), or one with its port; anything
    /// else is refused with 403. `"*"` turns the check off.
    pub allowed_hosts: Vec<String>,
    /// Web origins (`https://app.example.com`) whose pages may connect; a page of any other origin is refused with
    /// 403. While the list is empty, pages served from an allowed host may connect. Programs send no such header and
    /// need no entry.
    #[schemars(extend("examples" = [["https://app.example.com"]]))]
    pub allowed_origins: Vec<String>,
    /// Secret that the app signs its JWTs with (HS256): at least 16 characters, better 32 random ones or more.
    #[serde(with = "secrets::optional")]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub jwt_secret: Option<SecretText>,
    /// File that holds `jwt_secret`, not readable by everyone. Use one of the two.
    #[schemars(extend("format" = "path"))]
    pub jwt_secret_file: Option<PathBuf>,
    /// Address of the app's public keys (a JSON Web Key Set), for JWTs signed with RS256, ES256 or EdDSA.
    #[schemars(extend("format" = "http-url", "examples" = ["https://app.example.com/.well-known/jwks.json"]))]
    pub jwks_url: Option<String>,
    /// What a JWT must name as its issuer (`iss`). When unset, any will do.
    #[schemars(extend("examples" = ["https://app.example.com"]))]
    pub jwt_issuer: Option<String>,
    /// What a JWT must name as, or among, its audience (`aud`). When unset, any will do.
    #[schemars(extend("examples" = ["anmei-live"]))]
    pub jwt_audience: Option<String>,
    /// Live connections at a time; further ones are answered 503. How many one user may have is a setting
    /// (`live.connections_per_user`).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: usize,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            listen: loopback(8002),
            allowed_hosts: local_hosts(),
            allowed_origins: Vec::new(),
            jwt_secret: None,
            jwt_secret_file: None,
            jwks_url: None,
            jwt_issuer: None,
            jwt_audience: None,
            max_connections: 4096,
        }
    }
}

impl Live {
    /// Every host that is answered, in lower case.
    pub fn hosts(&self) -> Vec<String> {
        self.allowed_hosts.iter().map(|host| plain_host(host)).collect()
    }
}
