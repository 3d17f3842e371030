//! The daemon: listeners, queue and automation around the core, until told to stop.

use std::{fs::File, sync::Arc};

use axum::Router;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    automation::{self, Shared},
    core::{Core, StartError},
    data_dir::{DataDir, RunFile},
    keys, limits,
    listeners::Listeners,
    process, scrape, traces,
};
use crate::{
    admin,
    config::{Config, Loaded},
    gate::origins::Origins,
    http::Late,
    lifecycle::Again,
    live::{self, Hub},
    mcp::{self, Endpoint, EndpointSettings, LegacySse, Product, ServerSettings, SessionSettings},
    oauth,
    outbound::standard_webhooks::WebhookSecret,
    registration::{self, HookParts, HookSettings, HookState},
    secret::{SecretText, random_bytes},
    telemetry,
};

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
    /// The configuration of the core, with the origin of each value.
    pub loaded: Arc<Loaded>,
    /// Beginning anew once it has stopped.
    pub again: Again,
}

/// Starts the daemon on `core`. When it returns, the listeners answer.
pub async fn serve(core: Core, parts: Parts) -> Result<Daemon, StartError> {
    let lock = core.dir.lock()?;
    let stop = parts.stop.clone();
    let (hook_key, hook_key_is_new) = hook_key(&core)?;
    let config = &core.config;
    let mut sections = vec![("mcp", config.mcp.listen), ("hook", config.hook.listen), ("live", config.live.listen)];
    if config.admin.enabled {
        sections.push(("admin", config.admin.listen));
    }
    let listeners = Listeners::bind(&sections).await?;
    let addresses = RunFile {
        pid: std::process::id(),
        mcp: listeners.root(0),
        hook: listeners.root(1),
        live: listeners.root(2),
        admin: config.admin.enabled.then(|| listeners.root(3)),
    };
    let tasks = TaskTracker::new();
    if config.metrics.enabled {
        telemetry::begin();
        tasks.spawn(scrape::keep(stop.clone()));
    }
    traces::start(&core)?;
    let shared = Shared { hub: Hub::new(), wake: Arc::new(Notify::new()), desk: Arc::default() };
    let endpoint = endpoint(&core, &stop, &tasks);
    let process = process::facts(&parts, &listeners, &endpoint);
    let mut routes = vec![
        mcp::router(endpoint).merge(super::oauth::state(&core).map_or_else(Router::new, oauth::router)),
        registration::router(hook_state(&core, hook_key.clone(), &shared.wake)?),
        live::router(super::live::state(&core, &shared, &stop, &tasks)?),
    ];
    let admin = config.admin.enabled.then(|| {
        routes.push(Router::new());
        let state = core.admin(&shared, process, &stop, &tasks);
        Late::new(admin::BELOW, move || admin::router(state))
    });
    // Figures are for whoever runs the daemon: they are shown where it is administered.
    if let Some(last) = routes.pop() {
        routes.push(last.merge(scrape::router(&core, &shared)));
    }
    core.start_recording();
    look_back(&core).await?;
    automation::start(&core, shared, &stop, &tasks)?;
    listeners.serve(&core, (&routes, admin.as_ref()), &stop, &tasks);
    tasks.spawn(keys::keep(core.clone(), stop.clone()));
    tasks.spawn(limits::keep(core.clone(), stop.clone()));
    if let Some(external) = &core.external {
        tasks.spawn(external.clone().keep_keys(stop.clone()));
    }
    core.dir.write_run_file(&addresses)?;
    let panel = addresses.admin.as_deref().unwrap_or("off");
    tracing::info!(mcp = addresses.mcp, hook = addresses.hook, live = addresses.live, panel, database = %core.store.path().display(), "ready");
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
        traces::finish().await;
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

/// What a daemon before this one left behind: its tasks, and what its tools were.
async fn look_back(core: &Core) -> Result<(), StartError> {
    let lost = core.dispatch.fail_lost_tasks().await?;
    if lost > 0 {
        tracing::warn!(tasks = lost, "tasks were interrupted when the daemon before this one ended; their callers are told so");
    }
    Ok(core.dispatch.remember_definitions().await?)
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

fn endpoint(core: &Core, stop: &CancellationToken, tasks: &TaskTracker) -> Endpoint<Product> {
    let (mcp, http) = (&core.config.mcp, &core.config.http);
    let settings = EndpointSettings {
        origins: Origins::new(&mcp.hosts(), &mcp.allowed_origins, "mcp"),
        max_body: mcp.max_body.as_usize(),
        body_timeout: http.request_timeout.into(),
        fast_lane: mcp.fast_lane,
        challenges: super::oauth::challenges(core),
        public_path: mcp.public_path(),
        legacy_sse: mcp.legacy_sse.then(|| LegacySse {
            streams_per_key: mcp.legacy_sse_streams,
            stop: stop.clone(),
            shutdown: http.shutdown_timeout.into(),
            tasks: tasks.clone(),
        }),
        subscriptions_per_key: mcp.subscription_streams,
        sessions: mcp.sessions.then(|| SessionSettings {
            timeout: mcp.session_timeout.into(),
            max: mcp.max_sessions,
            retry: None,
            stop: stop.clone(),
            tasks: tasks.clone(),
        }),
    };
    let gate = Arc::clone(&core.gate);
    let product = Product::new(Arc::clone(&core.dispatch), Arc::clone(&gate), server_settings(&core.config), stop.clone(), tasks);
    Endpoint::new(product, gate, settings)
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
    };
    let parts = HookParts {
        store: core.store.clone(),
        clock: Arc::clone(&core.clock),
        wake: Arc::clone(wake),
        book: core.settings.clone(),
        gate: Arc::clone(&core.gate),
        master: Arc::clone(&core.master),
    };
    Ok(HookState::new(parts, settings))
}

pub(super) fn secrets(texts: &[SecretText], setting: &str) -> Result<Vec<WebhookSecret>, StartError> {
    texts
        .iter()
        .map(|text| WebhookSecret::parse(text.expose()).map_err(|error| StartError::Setting(format!("{setting}: {error}"))))
        .collect()
}
