//! The daemon: listeners, queue and automation around the core, until told to stop.

use std::{collections::HashMap, fs::File, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    core::{Core, StartError},
    data_dir::{DataDir, RunFile},
    watching,
};
use crate::{
    config::Config,
    gate::origins::Origins,
    http::{BindError, Bound, ConnectionLimits, Readiness, bind, health_routes},
    mcp::{self, EndpointSettings, McpState, ServerSettings},
    outbound::{
        http_client::{HttpClient, ProxyUse, SetupError},
        standard_webhooks::WebhookSecret,
    },
    queue::{Handler, Handlers, Queue, QueueSettings},
    registration::{
        self, Agents, Desk, ESCALATION_JOB, Escalation, EventReceiver, EventSender, HookSettings, HookState, NOTICE_JOB, Nobody,
        NoticeWatch, PushSender, RUN_JOB, Runner, RunnerParts,
    },
    secret::{SecretText, random_bytes},
    store::{events::EVENT_JOB, pushes::PUSH_JOB},
};

/// How often the last uses of keys are written down.
const USES: Duration = Duration::from_secs(30);

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Setting(error.to_string())
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    /// Where it can be reached.
    pub addresses: RunFile,
    /// The key of its hook.
    pub hook_key: SecretText,
    /// Whether the hook's key was made by this start.
    pub hook_key_is_new: bool,
    core: Core,
    stop: CancellationToken,
    tasks: TaskTracker,
    _lock: File,
}

/// What a start works with besides the core.
#[derive(Debug)]
pub struct Parts {
    /// Ends the daemon softly.
    pub stop: CancellationToken,
}

/// Starts the daemon on `core`. When it returns, the listeners answer.
pub async fn serve(core: Core, parts: Parts) -> Result<Daemon, StartError> {
    let lock = core.dir.lock()?;
    let stop = parts.stop;
    let wake = Arc::new(Notify::new());
    let (hook_key, hook_key_is_new) = hook_key(&core)?;
    let mcp = bind("mcp", core.config.mcp.listen).await?;
    let shared = core.config.hook.listen == core.config.mcp.listen && core.config.mcp.listen.port() != 0;
    let hook = if shared { None } else { Some(bind("hook", core.config.hook.listen).await?) };
    let addresses =
        RunFile { pid: std::process::id(), mcp: root(mcp.address), hook: root(hook.as_ref().map_or(mcp.address, |bound| bound.address)) };
    let mcp_routes = mcp::router(mcp_state(&core, &stop));
    let hook_routes = registration::router(hook_state(&core, hook_key.clone(), &wake)?);
    let tasks = TaskTracker::new();
    core.start_recording();
    start_queue(&core, &wake, &stop, &tasks)?;
    start_listeners(&core, (mcp, mcp_routes), (hook, hook_routes), &stop, &tasks);
    tasks.spawn(note_uses(core.clone(), stop.clone()));
    core.dir.write_run_file(&addresses)?;
    tracing::info!(mcp = addresses.mcp, hook = addresses.hook, database = %core.store.path().display(), "ready");
    Ok(Daemon { addresses, hook_key, hook_key_is_new, core, stop, tasks, _lock: lock })
}

impl Daemon {
    /// Waits until the daemon is told to stop, or its disk fails. The error is the reason for a non-zero exit.
    pub async fn run(self) -> Result<(), String> {
        let failed = tokio::select! {
            () = self.stop.cancelled() => None,
            why = self.core.store.failed() => Some(why),
        };
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.core.close().await;
        self.core.dir.remove_run_file();
        tracing::info!("stopped");
        match failed {
            Some(why) => {
                Err(format!("the disk under the database failed a commit ({why}); the daemon stops so that a fresh start can recover"))
            }
            None => Ok(()),
        }
    }
}

fn root(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The hook's key: from the configuration, or made at the first start.
fn hook_key(core: &Core) -> Result<(SecretText, bool), StartError> {
    match &core.config.hook.key {
        Some(key) => Ok((key.clone(), false)),
        None => DataDir::secret(&core.dir.path().join("hook.key"), || {
            Ok(SecretText::new(format!("hook_key_{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))))
        }),
    }
}

fn mcp_state(core: &Core, stop: &CancellationToken) -> McpState {
    let (mcp, http) = (&core.config.mcp, &core.config.http);
    let endpoint = EndpointSettings {
        server: server_settings(&core.config),
        origins: Origins::new(&mcp.hosts(), &mcp.allowed_origins, "mcp"),
        max_body: mcp.max_body.as_usize(),
        body_timeout: http.request_timeout.into(),
        fast_lane: mcp.fast_lane,
    };
    McpState::new(Arc::clone(&core.dispatch), Arc::clone(&core.gate), endpoint, stop.clone())
}

/// What the server says of itself.
pub fn server_settings(config: &Config) -> ServerSettings {
    ServerSettings {
        name: config.mcp.server_name.clone(),
        version: config.mcp.server_version.clone(),
        list_ttl_ms: u64::try_from(config.mcp.list_ttl.as_ms()).unwrap_or_default(),
    }
}

fn hook_state(core: &Core, key: SecretText, wake: &Arc<Notify>) -> Result<HookState, StartError> {
    let hook = &core.config.hook;
    let settings = HookSettings {
        key,
        secrets: secrets(&hook.signing_secrets, "hook.signing_secrets")?,
        origins: Origins::new(&hook.hosts(), &[], "hook"),
        max_body: hook.max_body.as_usize(),
        body_timeout: core.config.http.request_timeout.into(),
        settings: core.settings.clone(),
    };
    Ok(HookState::new(core.store.clone(), Arc::clone(&core.clock), Arc::clone(wake), settings))
}

fn secrets(texts: &[SecretText], setting: &str) -> Result<Vec<WebhookSecret>, StartError> {
    texts
        .iter()
        .map(|text| WebhookSecret::parse(text.expose()).map_err(|error| StartError::Setting(format!("{setting}: {error}"))))
        .collect()
}

/// Starts the queue behind the listeners: loading the system's certificates takes tens of milliseconds, and the first
/// caller should not wait for them.
fn start_queue(core: &Core, wake: &Arc<Notify>, stop: &CancellationToken, tasks: &TaskTracker) -> Result<(), StartError> {
    let receiver = receiver(core)?;
    let settings = core.settings.current()?;
    if !settings.registration_automation.enabled {
        tracing::warn!("registration_automation.enabled is false: registrations are accepted and kept, and wait");
        return Ok(());
    }
    let (core, wake, stop, spawner) = (core.clone(), Arc::clone(wake), stop.clone(), tasks.clone());
    tasks.spawn(async move {
        let built = tokio::task::spawn_blocking(Clients::new).await;
        let clients = match built.map_err(|error| error.to_string()).and_then(|built| built.map_err(|error| error.to_string())) {
            Ok(clients) => clients,
            Err(error) => {
                tracing::error!(%error, "the automation cannot start");
                stop.cancel();
                return;
            }
        };
        let desk = desk(&core, &clients);
        watching::start(&core, Arc::clone(&desk), &wake, &stop, &spawner);
        let queue = queue(&core, clients.usual, receiver, (Arc::clone(&desk), wake));
        let healing = desk.heal(core.settings.clone(), stop.clone());
        match queue.rescue().await {
            Ok(0) => {}
            Ok(rescued) => tracing::warn!(rescued, "jobs of a process that was killed go on"),
            Err(error) => tracing::error!(%error, "jobs of a killed process could not be taken over; they wait for their leases to end"),
        }
        tokio::join!(queue.run(stop), healing);
    });
    Ok(())
}

/// The clients for everything outside.
struct Clients {
    usual: HttpClient,
    fresh: HttpClient,
}

impl Clients {
    fn new() -> Result<Self, SetupError> {
        Ok(Self { usual: HttpClient::new(ProxyUse::System)?, fresh: HttpClient::without_pool(ProxyUse::System)? })
    }
}

fn desk(core: &Core, clients: &Clients) -> Arc<Desk> {
    let environment = &core.config.registration.environment;
    let agents = Agents::new(core.store.clone(), clients.usual.clone(), Arc::clone(&core.master), environment);
    Arc::new(Desk::new(agents, clients.fresh.clone()))
}

fn queue(core: &Core, http: HttpClient, receiver: Option<EventReceiver>, (desk, wake): (Arc<Desk>, Arc<Notify>)) -> Queue {
    let (store, clock, book) = (core.store.clone(), Arc::clone(&core.clock), core.settings.clone());
    let runner = Runner::new(RunnerParts {
        store: store.clone(),
        clock: Arc::clone(&clock),
        desk,
        book: book.clone(),
        connected: Arc::new(Nobody),
        events: receiver.is_some(),
        wake: Arc::clone(&wake),
    });
    let events = EventSender::new(store.clone(), Arc::clone(&clock), http.clone(), book.clone(), receiver);
    let notices = NoticeWatch::new(store.clone(), Arc::clone(&clock), book.clone(), Arc::clone(&wake));
    let escalation = Escalation {
        store: store.clone(),
        clock: Arc::clone(&clock),
        book: book.clone(),
        connected: Arc::new(Nobody),
        wake: Arc::clone(&wake),
    };
    let pushes = PushSender::new(store.clone(), Arc::clone(&clock), http, book);
    let handlers: Handlers = HashMap::from([
        (RUN_JOB, Arc::new(runner) as Arc<dyn Handler>),
        (EVENT_JOB, Arc::new(events) as _),
        (NOTICE_JOB, Arc::new(notices) as _),
        (ESCALATION_JOB, Arc::new(escalation) as _),
        (PUSH_JOB, Arc::new(pushes) as _),
    ]);
    let config = &core.config.registration;
    let settings = QueueSettings { workers: config.workers, lease: config.lease.into() };
    Queue::new(store, clock, settings, handlers, wake)
}

fn receiver(core: &Core) -> Result<Option<EventReceiver>, StartError> {
    let outbound = &core.config.outbound;
    match (&outbound.webhook_url, &outbound.webhook_secret) {
        (None, _) => Ok(None),
        (Some(url), Some(secret)) => {
            let secrets = secrets(std::slice::from_ref(secret), "outbound.webhook_secret")?;
            Ok(Some(EventReceiver { url: url.clone(), secrets, timeout: outbound.timeout.into() }))
        }
        (Some(_), None) => Err(StartError::Setting("outbound.webhook_url is set, and outbound.webhook_secret is not: events are always signed. Make a secret (`whsec_` and base64 of 32 random bytes) and give it to the receiver too".into())),
    }
}

type Listening<B> = (B, Router);

fn start_listeners(core: &Core, mcp: Listening<Bound>, hook: Listening<Option<Bound>>, stop: &CancellationToken, tasks: &TaskTracker) {
    let http = &core.config.http;
    let limits = ConnectionLimits {
        connections: http.max_connections,
        first_byte: http.first_byte_timeout.into(),
        head: http.header_timeout.into(),
        shutdown: http.shutdown_timeout.into(),
    };
    let health = || health_routes(Readiness { store: core.store.clone(), stop: stop.clone() });
    let ((mcp, mcp_routes), (hook, hook_routes)) = (mcp, hook);
    match hook {
        Some(hook) => {
            tasks.spawn(hook.serve(guarded(hook_routes.merge(health())), limits, stop.clone()));
            tasks.spawn(mcp.serve(guarded(mcp_routes.merge(health())), limits, stop.clone()));
        }
        None => {
            tasks.spawn(mcp.serve(guarded(mcp_routes.merge(hook_routes).merge(health())), limits, stop.clone()));
        }
    }
}

/// A panic in a handler is a 500 for that request alone.
fn guarded(router: Router) -> Router {
    router.layer(tower_http::catch_panic::CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
        use axum::response::IntoResponse;
        crate::problem::Problem::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "This request failed inside the daemon; others are not affected.",
        )
        .into_response()
    }))
}

async fn note_uses(core: Core, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(USES) => {}
        }
        if let Err(error) = core.gate.flush_uses().await {
            tracing::error!(%error, "the last uses of keys could not be written");
        }
    }
}
