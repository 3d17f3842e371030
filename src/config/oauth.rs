//! `[oauth]`: the authorization server through which clients without a key get in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HumanDuration;

/// The OAuth 2.1 authorization server: clients that are not given a key ask a person for access.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Oauth {
    /// Whether there is one. When off, keys are the only way in and no token is accepted.
    pub enabled: bool,
    /// Whether clients may register themselves (RFC 7591). Dify has no other way in. When off, only clients known by
    /// their document and those added by `anmei-mcp oauth client add` may ask.
    pub registration: bool,
    /// Most clients that registered themselves at any time; further ones are refused with 503.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_clients: u32,
    /// Most registrations an hour from one address; further ones are refused with 429.
    #[schemars(range(min = 1, max = 10_000))]
    pub registrations_per_hour: u32,
    /// Time after which a client that registered itself and never got anything is forgotten.
    #[schemars(extend("minimum" = "1m", "maximum" = "8760h"))]
    pub unused_client_expiry: HumanDuration,
    /// Whether a client may be known by a document: its `client_id` is the https URL of it, and it is fetched from there.
    pub client_documents: bool,
    /// Domains from which such documents are fetched; a domain covers those below it. While the list is empty, any public
    /// host will do. Private addresses are never asked.
    #[schemars(extend("examples" = [["claude.ai", "vscode.dev"]]))]
    pub client_document_domains: Vec<String>,
    /// Whether such documents are also fetched over http from this machine itself: for tests and development.
    pub client_documents_loopback: bool,
    /// How long a code may wait for its exchange.
    #[schemars(extend("minimum" = "1s", "maximum" = "60s"))]
    pub code_lifetime: HumanDuration,
    /// How long an access token is in force.
    #[schemars(extend("minimum" = "1m", "maximum" = "1h"))]
    pub access_token_lifetime: HumanDuration,
    /// How long a refresh token is in force. Each exchange gives a new one.
    #[schemars(extend("minimum" = "1h", "maximum" = "2160h"))]
    pub refresh_token_lifetime: HumanDuration,
    /// How long a grant lasts, however often it is refreshed; then a person is asked again.
    #[schemars(extend("minimum" = "1h", "maximum" = "8760h"))]
    pub grant_lifetime: HumanDuration,
    /// Schemes of apps to which answers may be sent besides https and loopback addresses.
    pub app_schemes: Vec<String>,
    /// Hosts to which answers may be sent over plain http, such as a Dify in the same private network. The code then
    /// travels in the clear: prefer https.
    #[schemars(extend("examples" = [["dify.lan"]]))]
    pub http_redirect_hosts: Vec<String>,
}

impl Default for Oauth {
    fn default() -> Self {
        Self {
            enabled: true,
            registration: true,
            max_clients: 1_000,
            registrations_per_hour: 10,
            unused_client_expiry: HumanDuration::from_secs(24 * 3600),
            client_documents: true,
            client_document_domains: Vec::new(),
            client_documents_loopback: false,
            code_lifetime: HumanDuration::from_secs(60),
            access_token_lifetime: HumanDuration::from_secs(30 * 60),
            refresh_token_lifetime: HumanDuration::from_secs(30 * 24 * 3600),
            grant_lifetime: HumanDuration::from_secs(90 * 24 * 3600),
            app_schemes: ["cursor", "vscode", "vscode-insiders", "windsurf", "cherrystudio"].map(str::to_owned).to_vec(),
            http_redirect_hosts: Vec::new(),
        }
    }
}
