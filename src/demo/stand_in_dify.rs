//! A stand-in for Dify: an HTTP server that speaks Dify's real stream and really calls our tools.
//!
//! The demo and the tests need an agent without a model, a network or an account. This one answers the service API
//! (`/v1/chat-messages`, `/v1/workflows/run`, `/v1/messages`, `/v1/info`, `/v1/parameters`, stop), calls the MCP
//! servers it is given exactly as Dify's native client does, and writes the welcome from what they answered. What a
//! model would decide is decided by a few plain rules, so that the same facts make the same welcome; how it behaves
//! ([`Behaviour`]) is switched while it runs, from a slow answer to one that obeys an injection. `GET /ledger` and
//! [`StandInHandle::ledger`] tell what was asked of it and which tools it called.
//!
//! It stands alone: nothing of the daemon but the HTTP client, the clock and the secret type is used here. It refuses
//! what Dify refuses: a wrong key, blocking mode for agents, a missing required input, the wrong kind of app.

mod agent;
mod behaviour;
mod ledger;
mod mcp;
mod routes;
mod sse;
mod words;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    behaviour::{Behaviour, Mixed},
    ledger::{Ledger, RunEntry, ToolEntry},
};
use super::held;
use crate::{
    outbound::{
        dify::AgentKind,
        http_client::{HttpClient, ProxyUse},
    },
    secret::{SecretText, random_bytes},
};

/// How long a client may take for its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// An MCP server whose tools the agent has.
#[derive(Debug, Clone)]
pub struct McpServer {
    /// Its name in Dify.
    pub name: String,
    /// Its address; the last segment is `mcp`.
    pub url: String,
    /// Its bearer key.
    pub key: SecretText,
}

/// How the stand-in is set up.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// The kind of app it is. Agents and workflows call tools; a chatbot does not.
    pub kind: AgentKind,
    /// Where its tools are.
    pub mcp: Vec<McpServer>,
    /// How it behaves at first.
    pub behaviour: Behaviour,
    /// The app's key; drawn at random when there is none.
    pub key: Option<SecretText>,
}

impl Default for StandIn {
    fn default() -> Self {
        Self { kind: AgentKind::Agent, mcp: Vec::new(), behaviour: Behaviour::default(), key: None }
    }
}

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct StandInHandle {
    /// The root of its API, without `/v1`.
    pub base_url: String,
    /// The app's key.
    pub key: SecretText,
    /// What was asked of it.
    pub ledger: Ledger,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// What every request sees.
#[derive(Debug)]
struct Shared {
    kind: AgentKind,
    key: SecretText,
    http: HttpClient,
    behaviour: Mutex<Behaviour>,
    /// How it behaves before that, one question each.
    before: Mutex<VecDeque<Behaviour>>,
    /// Questions so far.
    asked: AtomicU64,
    mcp: Mutex<Vec<McpServer>>,
    /// Which server has which tool: Dify stores the lists too, at "Update".
    tools: Mutex<HashMap<String, McpServer>>,
    /// The runs that can be stopped, by task.
    running: Mutex<HashMap<String, CancellationToken>>,
    ledger: Ledger,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl StandIn {
    /// Starts to serve on `addr`; port 0 takes any free one.
    pub async fn start(addr: SocketAddr, config: Self) -> io::Result<StandInHandle> {
        let listener = TcpListener::bind(addr).await?;
        let key = match config.key {
            Some(key) => key,
            None => random_key()?,
        };
        let (shutdown, tasks, ledger) = (CancellationToken::new(), TaskTracker::new(), Ledger::default());
        let shared = Arc::new(Shared {
            kind: config.kind,
            key: key.clone(),
            http: HttpClient::new(ProxyUse::Direct).map_err(io::Error::other)?,
            behaviour: Mutex::new(config.behaviour),
            before: Mutex::default(),
            asked: AtomicU64::new(0),
            mcp: Mutex::new(config.mcp),
            tools: Mutex::default(),
            running: Mutex::default(),
            ledger: ledger.clone(),
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        });
        let base_url = format!("http://{}", listener.local_addr()?);
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(StandInHandle { base_url, key, ledger, shared, shutdown, tasks })
    }
}

impl StandInHandle {
    /// Behaves like this from the next question on.
    pub fn behave(&self, behaviour: Behaviour) {
        *held(&self.shared.behaviour) = behaviour;
    }

    /// Behaves like this for one question, before all else; several are taken in turn.
    pub fn behave_once(&self, behaviour: Behaviour) {
        held(&self.shared.before).push_back(behaviour);
    }

    /// Gives it other MCP servers, as an operator would in Dify.
    pub fn connect(&self, mcp: Vec<McpServer>) {
        *held(&self.shared.mcp) = mcp;
        held(&self.shared.tools).clear();
    }

    /// Stops, breaking off whatever is going on, and waits for the end.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for StandInHandle {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let socket = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match socket {
            Ok((socket, _)) => drop(shared.tasks.spawn(serve(socket, Arc::clone(&shared)))),
            // Out of file descriptors, most likely: others will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let shutdown = shared.shutdown.clone();
    let service = TowerToHyperService::new(routes::router(shared));
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        () = shutdown.cancelled() => {}
        ended = connection => {
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection to the stand-in for Dify broke off");
            }
        }
    }
}

fn random_key() -> io::Result<SecretText> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let bytes: [u8; 18] = random_bytes().map_err(io::Error::other)?;
    Ok(SecretText::new(format!("app-{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// An id as Dify makes them.
fn new_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests;
