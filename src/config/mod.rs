//! Configuration: one struct per section, merged from defaults, a file, the environment and flags.
//!
//! Everything a person sees of it comes from these structs: `config check` and `config dump`, the sample file, the
//! man page, and what an error says is allowed. It is also the only folder that reads environment variables.
//! A configuration with an error is refused as a whole, with every error named: a daemon that guesses is worse
//! than one that does not start.

mod admin;
mod call_log;
mod catalogue;
mod chinese;
mod edit;
mod environment;
mod external_idp;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hook;
mod http;
mod keys;
mod layers;
mod live;
mod load;
mod log;
mod manual;
mod mcp;
mod metrics;
mod oauth;
mod outbound;
mod problem;
mod registration;
mod roff;
mod sample;
mod secrets;
mod shape;
mod suggest;
mod telemetry;
mod units;
mod validate;
mod value;
mod warnings;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    admin::Admin,
    call_log::{Bodies, CallLog},
    catalogue::{Bilingual, Catalogue, KeyInfo, Kind, Section, Word},
    chinese::meaning_of,
    edit::{Draft, EditError, Next, outranked, why_fixed},
    environment::{Environment, environment},
    external_idp::ExternalIdp,
    hook::Hook,
    http::Http,
    keys::{Keys, Reveal},
    live::Live,
    load::{Entry, Loaded, Sources},
    log::{Log, LogFormat},
    manual::manual,
    mcp::Mcp,
    metrics::Metrics,
    oauth::Oauth,
    outbound::Outbound,
    problem::{ConfigError, Origin, Problem},
    registration::Registration,
    roff::Page,
    sample::{one_line, sample},
    shape::{ObjectKind, Part, Shape},
    telemetry::Telemetry,
    units::{ByteSize, ByteSizeError, HumanDuration},
    validate::{web_url, webhook_secret},
};

/// Language of what the daemon says to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Language {
    /// Simplified Chinese.
    #[default]
    #[serde(rename = "zh-CN")]
    ZhCn,
    /// English.
    #[serde(rename = "en")]
    En,
}

/// Settings of the anmei-mcp daemon.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Directory of the database and the master key; made at first start, with mode 0700. When unset:
    /// `$XDG_DATA_HOME/anmei-mcp`, else `~/.local/share/anmei-mcp`; for root and for accounts without a home
    /// `/var/lib/anmei-mcp`.
    #[schemars(extend("format" = "path"))]
    pub data_dir: PathBuf,
    /// Language of messages to people. When unset: that of the terminal (`LANG`), else `zh-CN`.
    pub language: Language,
    /// The MCP listener.
    pub mcp: Mcp,
    /// The registration hook.
    pub hook: Hook,
    /// An identity provider of your own.
    pub external_idp: ExternalIdp,
    /// Live connections.
    pub live: Live,
    /// The admin side: panel and API.
    pub admin: Admin,
    /// Limits of every listener.
    pub http: Http,
    /// Group keys and the master key.
    pub keys: Keys,
    /// The authorization server for clients without a key.
    pub oauth: Oauth,
    /// The record of tool calls.
    pub call_log: CallLog,
    /// The registration automation.
    pub registration: Registration,
    /// Outgoing webhooks.
    pub outbound: Outbound,
    /// Log lines.
    pub log: Log,
    /// Figures for Prometheus.
    pub metrics: Metrics,
    /// Traces.
    pub telemetry: Telemetry,
}

impl Default for Config {
    /// The defaults as documented, without a look at the environment: [`Config::load`] replaces `data_dir` and
    /// `language` by what suits the account that runs it.
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/anmei-mcp"),
            language: Language::ZhCn,
            mcp: Mcp::default(),
            hook: Hook::default(),
            external_idp: ExternalIdp::default(),
            live: Live::default(),
            admin: Admin::default(),
            http: Http::default(),
            keys: Keys::default(),
            oauth: Oauth::default(),
            call_log: CallLog::default(),
            registration: Registration::default(),
            outbound: Outbound::default(),
            log: Log::default(),
            metrics: Metrics::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Config {
    /// Merges defaults, file, environment and flags. Every error is reported, not only the first.
    pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
        Self::load_from(sources, &environment())
    }

    /// As [`Config::load`], with an environment of the caller's choice.
    pub fn load_from(sources: Sources, environment: &Environment) -> Result<Loaded, ConfigError> {
        load::load(sources, environment)
    }

    /// Where the master key is kept when it does not come from the configuration itself.
    pub fn master_key_path(&self) -> PathBuf {
        self.keys.master_key_file.clone().unwrap_or_else(|| self.data_dir.join("master.key"))
    }

    /// A path inside the data directory.
    pub fn in_data_dir(&self, name: impl AsRef<Path>) -> PathBuf {
        self.data_dir.join(name)
    }
}
