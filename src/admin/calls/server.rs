//! The process itself: where it listens, who is connected, what it is configured to be, beginning anew, and its end.

use std::{fmt, net::SocketAddr, sync::Arc};

use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::{
    CallError, Calls, Running,
    health::HealthCheck,
    said,
    server_config::{self, ConfigEntry},
};
use crate::{
    clock::rfc3339,
    config::{Config, ConfigError, Kind, Loaded, environment},
    http::Connections,
    lifecycle::Again,
    store::audit::{By, Change},
};

/// Keys of the configuration that say who is let in, and what is kept of whom.
const SECURITY: [&str; 22] = [
    "mcp.allowed_hosts",
    "mcp.allowed_origins",
    "mcp.public_url",
    "hook.allowed_hosts",
    "live.allowed_hosts",
    "live.allowed_origins",
    "admin.allowed_hosts",
    "admin.allowed_origins",
    "admin.session_idle",
    "admin.session_lifetime",
    "http.trusted_proxies",
    "keys.reveal",
    "keys.default_grace",
    "keys.failed_attempts",
    "oauth.enabled",
    "oauth.registration",
    "oauth.client_documents",
    "external_idp.issuer",
    "live.jwt_issuer",
    "live.jwks_url",
    "call_log.bodies",
    "metrics.enabled",
];
/// Keys that say how much is taken at a time.
const LIMITS: [&str; 17] = [
    "http.max_connections",
    "http.max_connections_per_address",
    "http.first_byte_timeout",
    "http.header_timeout",
    "http.request_timeout",
    "http.write_timeout",
    "http.shutdown_timeout",
    "mcp.max_body",
    "mcp.max_sessions",
    "mcp.session_timeout",
    "mcp.legacy_sse_streams",
    "mcp.subscription_streams",
    "mcp.tasks_per_key",
    "hook.max_body",
    "live.max_connections",
    "registration.workers",
    "call_log.queue",
];

/// What the process knows of itself. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    /// The configuration in force, with the origin of each value.
    pub loaded: Arc<Loaded>,
    /// Where it listens.
    pub listeners: Arc<[ListenerFacts]>,
    /// What clients hold open at this moment.
    pub held: Arc<dyn Fn() -> HeldOpen + Send + Sync>,
    /// Beginning anew.
    pub again: Again,
    /// One change of the configuration file at a time.
    pub file: Arc<Mutex<()>>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

/// One listener.
#[derive(Debug, Clone)]
pub struct ListenerFacts {
    /// The sections of the configuration that share it.
    pub sections: Vec<&'static str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// How many connections it holds.
    pub connections: Connections,
}

/// What clients of the older transports hold open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldOpen {
    /// Sessions of handshake clients.
    pub sessions: usize,
    /// Event streams of HTTP+SSE.
    pub event_streams: usize,
}

/// The server as it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ServerView {
    /// Version of this program.
    pub version: &'static str,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: String,
    /// For how long it has run.
    pub uptime_seconds: i64,
    /// The configuration file in use.
    pub config_file: Option<String>,
    /// Whether the configuration that the next start will read differs from the one in force.
    pub restart_pending: bool,
    /// Whether the daemon can begin anew in place.
    pub can_restart: bool,
    /// Ways to speak with it.
    pub transports: Vec<TransportView>,
    /// Where it listens.
    pub listeners: Vec<ListenerView>,
    /// What is open now.
    pub open: OpenView,
    /// Whether anybody may call tools without a key or a token. Nobody may.
    pub anonymous_access: bool,
    /// Who is let in, and what is kept of whom.
    pub security: Vec<ConfigEntry>,
    /// How much is taken at a time.
    pub limits: Vec<ConfigEntry>,
    /// Whether it can do its work.
    pub health: Vec<HealthCheck>,
}

/// A way to speak with the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TransportView {
    /// Its name: streamable_http, sessions, sse or stdio.
    pub name: &'static str,
    /// Whether it is on.
    pub on: bool,
    /// The key of the configuration that switches it, with the next start; none for what is always on.
    pub key: Option<&'static str>,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListenerView {
    /// The sections of the configuration that share it: mcp, hook, live, admin.
    pub sections: Vec<&'static str>,
    /// Address and port.
    pub address: String,
    /// Connections at this moment.
    pub connections: usize,
    /// Most connections at a time.
    pub max_connections: usize,
}

/// What is open at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenView {
    /// Connections over all listeners.
    pub connections: usize,
    /// Sessions of handshake clients.
    pub sessions: usize,
    /// Most sessions at a time; none where sessions are off.
    pub max_sessions: Option<usize>,
    /// Event streams of HTTP+SSE.
    pub event_streams: usize,
    /// Consultants and customers who are connected live.
    pub live_users: usize,
    /// Their connections.
    pub live_connections: usize,
    /// Most live connections at a time.
    pub max_live_connections: usize,
}

/// What a restart answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Restarting {
    /// Always true: running requests are finished, then the daemon begins anew.
    pub restarting: bool,
    /// The process id, which stays.
    pub pid: u32,
    /// When the daemon that ends now started: another time in `GET /api/v1/server` says that the new one answers.
    pub started_at: String,
}

/// What a stop answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stopping {
    /// Always true: running requests are finished, then the process ends.
    pub stopping: bool,
    /// The process id: one that starts later has another.
    pub pid: u32,
}

impl Calls {
    /// What only a running daemon knows.
    pub(super) fn running(&self) -> Result<&Running, CallError> {
        self.running.as_ref().ok_or_else(|| CallError::Unavailable(said("守护进程没有运行。", "No daemon runs.")))
    }

    /// The server as it is.
    pub fn server(&self) -> Result<ServerView, CallError> {
        let running = self.running()?;
        let process = &running.process;
        let configuration = server_config::view(process);
        let pick = |keys: &[&str]| configuration.entries.iter().filter(|entry| keys.contains(&&*entry.key)).cloned().collect();
        Ok(ServerView {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started_at: rfc3339(running.started_at),
            uptime_seconds: (self.clock.now_ms() - running.started_at).max(0) / 1_000,
            config_file: configuration.file.clone(),
            restart_pending: configuration.restart_pending,
            can_restart: process.again.is_possible(),
            transports: transports(&self.config),
            listeners: process.listeners.iter().map(|facts| listener(facts, &self.config)).collect(),
            open: open(running, &self.config),
            anonymous_access: false,
            security: pick(&SECURITY),
            limits: pick(&LIMITS),
            health: self.health()?,
        })
    }

    /// Ends the daemon softly and begins it anew in place, once it is known that it will come up again.
    pub async fn restart_server(&self, by: &By) -> Result<Restarting, CallError> {
        let running = self.running()?;
        let process = &running.process;
        if !process.again.is_possible() {
            let text = said(
                "程序文件不在启动时的位置，无法原地重新启动；请通过服务管理器重启。",
                "The program is not where it was started from, so that it cannot begin anew in place; restart it as it was started.",
            );
            return Err(CallError::Conflict(text));
        }
        match process.loaded.next(&environment()).loaded {
            Ok(next) => free_to_listen(process, &next)?,
            Err(error) => return Err(CallError::Conflict(would_not_start(&error))),
        }
        self.store.audit(by.clone(), Change::new("server.restart", "server")).await?;
        tracing::info!(by = by.actor, "重新启动 / restarting");
        process.again.want();
        running.stop.cancel();
        let started_at = rfc3339(running.started_at);
        Ok(Restarting { restarting: true, pid: std::process::id(), started_at })
    }

    /// Ends the daemon softly. What watches over the process decides whether it is started again.
    pub async fn stop_server(&self, by: &By) -> Result<Stopping, CallError> {
        let running = self.running()?;
        self.store.audit(by.clone(), Change::new("server.stop", "server")).await?;
        tracing::info!(by = by.actor, "停止 / stopping");
        running.stop.cancel();
        Ok(Stopping { stopping: true, pid: std::process::id() })
    }
}

fn transports(config: &Config) -> Vec<TransportView> {
    let transport = |name, on, key| TransportView { name, on, key };
    vec![
        transport("streamable_http", true, None),
        transport("sessions", config.mcp.sessions, Some("mcp.sessions")),
        transport("sse", config.mcp.legacy_sse, Some("mcp.legacy_sse")),
        transport("stdio", true, None),
    ]
}

fn listener(facts: &ListenerFacts, config: &Config) -> ListenerView {
    ListenerView {
        sections: facts.sections.clone(),
        address: facts.address.to_string(),
        connections: facts.connections.count(),
        max_connections: config.http.max_connections,
    }
}

fn open(running: &Running, config: &Config) -> OpenView {
    let held = (running.process.held)();
    let (live_users, live_connections) = running.hub.crowd();
    OpenView {
        connections: running.process.listeners.iter().map(|facts| facts.connections.count()).sum(),
        sessions: held.sessions,
        max_sessions: config.mcp.sessions.then_some(config.mcp.max_sessions),
        event_streams: held.event_streams,
        live_users,
        live_connections,
        max_live_connections: config.live.max_connections,
    }
}

fn would_not_start(error: &ConfigError) -> crate::config::Bilingual {
    let lines: Vec<String> = match error {
        ConfigError::Unreadable { .. } => vec![error.to_string()],
        ConfigError::Invalid(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    let lines = lines.join("; ");
    said(
        format!("现在的配置无法启动，未重新启动：{lines}"),
        format!("The configuration as it is now would not start, so nothing was restarted: {lines}"),
    )
}

/// Whether the addresses that the next start will ask for are ours already, or free.
fn free_to_listen(process: &Process, next: &Loaded) -> Result<(), CallError> {
    let catalogue = crate::config::Catalogue::new();
    let addresses = catalogue.keys().filter(|info| info.kind == Kind::Address && info.name == "listen");
    for info in addresses {
        let value = next.value(&info.key);
        let Some(address) = value.as_str().and_then(|text| text.parse::<SocketAddr>().ok()) else { continue };
        let ours = process.listeners.iter().any(|listener| listener.address.port() == address.port());
        if address.port() == 0 || ours {
            continue;
        }
        if let Err(error) = std::net::TcpListener::bind(address) {
            let key = &info.key;
            return Err(CallError::Conflict(said(
                format!("{key} 的地址 {address} 无法监听（{error}），未重新启动。"),
                format!("{key}: {address} cannot be had ({error}), so nothing was restarted."),
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn an_address_that_cannot_be_had_is_known_before_the_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("anmei-mcp.toml");
        let load = |address: SocketAddr| {
            std::fs::write(&path, format!("[hook]\nlisten = \"{address}\"\n[mcp]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
            let sources = Sources { config_path: Some(path.clone()), overrides: Vec::new() };
            Config::load_from(sources, &crate::config::Environment::default()).unwrap()
        };
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let listener =
            |port| ListenerFacts { sections: vec!["x"], address: ([127, 0, 0, 1], port).into(), connections: Connections::default() };
        let process = |ports: &[u16]| Process {
            loaded: Arc::new(load(address)),
            listeners: ports.iter().map(|port| listener(*port)).collect(),
            held: Arc::new(HeldOpen::default),
            again: Again::default(),
            file: Arc::default(),
        };
        // The default ports of the other sections may be in use on this machine.
        let others = [8000, 8001, 8002, 8003];
        let strange = process(&others);
        let refused = free_to_listen(&strange, &strange.loaded).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("hook.listen: {address} cannot be had")), "{refused}");
        let ours = process(&[&others[..], &[address.port()]].concat());
        assert!(free_to_listen(&ours, &ours.loaded).is_ok());
    }
}
