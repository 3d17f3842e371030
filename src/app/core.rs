//! What every verb shares: configuration, database, master key, gate and dispatch.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    data_dir::{DataDir, DataDirError},
    external_idp::external,
};
use crate::{
    clock::SharedClock,
    config::{Bodies, Config},
    dispatch::{self, Catalogue, Dispatch, Limits, RecordSettings, Recorder, TaskSettings},
    gate::{Gate, TokenCheck, accounts::Accounts, oauth::tokens::Tokens},
    identity::{Doors, External},
    secret::{MasterKey, MasterKeyError, NoRandomness, SealError},
    settings::Book,
    store::{OpenError, Store, StoreError},
};

/// Calls in progress over all groups: far above what two cores can do, far below what would fill the memory.
const CONCURRENT_CALLS: usize = 1024;
/// How often a client should ask for its task: plans take a second or two.
const TASK_POLL: Duration = Duration::from_millis(500);
/// What the key check seals.
const KEY_CHECK: &[u8] = b"anmei-mcp";
const KEY_CHECK_PURPOSE: &str = "meta/key_check";

/// Why nothing can be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A first read or write.
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    /// The master key is not one.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The master key is another one.
    #[error(
        "the master key is not the one this database was set up with ({0}). Restore the right one (keys.master_key_file), or the database that belongs to this key"
    )]
    OtherMasterKey(SealError),
    /// The system gives no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// A tool's definition.
    #[error(transparent)]
    Definition(#[from] dispatch::BadDefinition),
    /// A setting that only shows itself to be wrong in use.
    #[error("{0}")]
    Setting(String),
}

/// What every verb shares.
#[derive(Debug, Clone)]
pub struct Core {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The data directory.
    pub dir: DataDir,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// The key that seals secrets.
    pub master: Arc<MasterKey>,
    /// The runtime settings.
    pub settings: Book,
    /// Who may do what.
    pub gate: Arc<Gate>,
    /// Tokens of the authorization server.
    pub tokens: Arc<Tokens>,
    /// The identity provider whose tokens open groups, unless there is none.
    pub external: Option<External>,
    /// Who signs in with a password.
    pub accounts: Arc<Accounts>,
    /// The tools.
    pub dispatch: Arc<Dispatch>,
}

impl Core {
    /// Opens the database and puts the core together. Blocks: call it at start.
    pub async fn open(config: Config, clock: SharedClock) -> Result<Self, StartError> {
        let dir = DataDir::open(&config.data_dir)?;
        let store = Store::open(&dir.database())?;
        let master = master_key(&config)?;
        check_master_key(&store, &master).await?;
        let master = Arc::new(master);
        let settings = Book::new(store.clone(), Arc::clone(&master), Arc::clone(&clock));
        let gate = Gate::new(store.clone(), Arc::clone(&clock)).with_failed_attempts(config.keys.failed_attempts);
        let tokens = Arc::new(Tokens::new(store.clone()));
        let external = external(&config, &clock)?;
        let gate = match bearers(&config, &tokens, external.as_ref()) {
            Some(bearers) => gate.with_tokens(bearers),
            None => gate,
        };
        let gate = Arc::new(gate);
        let accounts = Arc::new(Accounts::new(store.clone(), Arc::clone(&clock)));
        let catalogue = Catalogue::new(anmei_mcp_tools::all())?;
        let recorder = Recorder::new(record_settings(&config));
        let limits = Limits { concurrent_calls: CONCURRENT_CALLS, tasks: task_settings(&config) };
        let dispatch = Dispatch::new(
            catalogue,
            store.clone().with_events(config.outbound.webhook_url.is_some()),
            Arc::clone(&clock),
            recorder,
            limits,
        );
        Ok(Self {
            config: Arc::new(config),
            dir,
            store,
            clock,
            master,
            settings,
            gate,
            tokens,
            external,
            accounts,
            dispatch: Arc::new(dispatch),
        })
    }

    /// Writes the call log in the background, until [`Self::close`].
    #[expect(clippy::disallowed_methods, reason = "it ends with the process; `close` waits until everything is written")]
    pub fn start_recording(&self) {
        tokio::spawn(self.dispatch.recorder().clone().run(self.store.clone()));
    }

    /// Writes what is still in memory, and closes the database.
    pub async fn close(&self) {
        self.dispatch.finish_tasks().await;
        self.dispatch.flush().await;
        if let Err(error) = self.gate.flush_uses().await {
            tracing::error!(%error, "the last uses of keys could not be written");
        }
        if let Err(error) = self.accounts.flush().await {
            tracing::error!(%error, "the last failed sign-ins could not be written");
        }
        if let Err(error) = self.tokens.flush_uses().await {
            tracing::error!(%error, "the last uses of tokens could not be written");
        }
        self.store.close().await;
    }
}

/// Who is asked about bearers that are no keys.
fn bearers(config: &Config, tokens: &Arc<Tokens>, external: Option<&External>) -> Option<Arc<dyn TokenCheck>> {
    let own = config.oauth.enabled.then(|| Arc::clone(tokens) as Arc<dyn TokenCheck>);
    match external {
        Some(external) => Some(Arc::new(Doors::new(own, external.clone()))),
        None => own,
    }
}

fn task_settings(config: &Config) -> TaskSettings {
    TaskSettings { ttl: config.mcp.task_ttl.into(), poll: TASK_POLL, per_principal: config.mcp.tasks_per_key }
}

fn record_settings(config: &Config) -> RecordSettings {
    let log = &config.call_log;
    RecordSettings {
        durable: log.durable,
        bodies: match log.bodies {
            Bodies::Redacted => dispatch::Bodies::Redacted,
            Bodies::Full => dispatch::Bodies::Full,
            Bodies::None => dispatch::Bodies::None,
        },
        queue: log.queue,
        flush_interval: log.flush_interval.into(),
    }
}

fn master_key(config: &Config) -> Result<MasterKey, StartError> {
    if let Some(key) = &config.keys.master_key {
        return Ok(MasterKey::parse(key.expose())?);
    }
    let path = config.master_key_path();
    let (text, made) = DataDir::secret(&path, || Ok::<_, StartError>(MasterKey::generate()?.to_base64()))?;
    if made {
        tracing::info!(path = %path.display(), "made the master key; keep a copy of it apart from the database");
    }
    Ok(MasterKey::parse(text.expose())?)
}

/// A sealed constant tells a wrong master key at start, and not when the first secret is needed.
async fn check_master_key(store: &Store, master: &MasterKey) -> Result<(), StartError> {
    let kept = if let Some(kept) = store.meta("key_check")? {
        kept
    } else {
        let sealed = master.seal(KEY_CHECK_PURPOSE, KEY_CHECK).map_err(StartError::OtherMasterKey)?;
        store.keep_meta("key_check", STANDARD.encode(sealed)).await?
    };
    let sealed = STANDARD.decode(kept).unwrap_or_default();
    master.open(KEY_CHECK_PURPOSE, &sealed).map(drop).map_err(StartError::OtherMasterKey)
}
