//! The place of a drill: a directory, a configuration, the stand-ins, and the daemon that is killed.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Client;
use crate::{
    app::{Core, DataDir, RunFile},
    cli::{Fault, clock, exit},
    config::{Config, Environment, Sources},
    demo::{
        stand_in_app::StandInApp,
        stand_in_dify::{Behaviour, StandIn, StandInHandle},
    },
    outbound::standard_webhooks::WebhookSecret,
    secret::{SecretText, random_bytes},
    settings::Given,
    store::audit::By,
};

/// Longest a start may take.
const START: Duration = Duration::from_secs(30);
/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// The welcome's deadline in a drill: short, so that an answer can be late soon.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// The place.
pub(super) struct Site {
    /// Dify.
    pub(super) dify: StandInHandle,
    /// The app, and the push service.
    pub(super) app: StandInApp,
    /// Who registers.
    pub(super) client: Client,
    /// The configuration of the daemon.
    pub(super) config: Config,
    /// The data directory.
    pub(super) data: DataDir,
    file: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    said: BTreeSet<String>,
}

impl Site {
    /// Sets everything up in the empty directory `dir`.
    pub(super) async fn build(dir: &Path) -> anyhow::Result<Self> {
        let secret = WebhookSecret::generate()?;
        let app = StandInApp::start(WebhookSecret::parse(secret.to_text().expose())?).await?;
        let dify = StandIn::start(([127, 0, 0, 1], 0).into(), StandIn::default()).await?;
        let key = SecretText::new(format!("hook_key_{}", URL_SAFE_NO_PAD.encode(random_bytes::<24>()?)));
        let file = dir.join("anmei-mcp.toml");
        write_config(&file, &config_text(dir, &key, &app, &secret))?;
        let sources = Sources { config_path: Some(file.clone()), overrides: Vec::new() };
        // Nothing of this machine's environment: a drill is the same everywhere.
        let config = Config::load_from(sources, &Environment::default())?.config;
        prepare(config.clone(), &app, &secret).await?;
        let (data, client) = (DataDir::open(&config.data_dir)?, Client::new(key)?);
        let site = Self { dify, app, client, config, data, file, log: dir.join("log.jsonl"), child: None, said: BTreeSet::new() };
        site.add_agent()?;
        Ok(site)
    }

    /// Starts the daemon, perhaps to die at `point`, and waits until it answers. Returns its hook's root.
    pub(super) async fn start(&mut self, point: Option<&str>) -> anyhow::Result<String> {
        // What a killed daemon left behind tells of no one.
        self.data.remove_run_file();
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.command(&["serve", "--quiet"])?;
        command.stdout(Stdio::null()).stderr(log);
        if let Some(point) = point {
            command.env("ANMEI_MCP_DRILL", point);
        }
        let child = self.child.insert(command.spawn()?);
        let until = Instant::now() + START;
        loop {
            if let Some(status) = child.try_wait()? {
                return Err(self.gone(&format!("ended with {status} instead of starting")));
            }
            if let Some(RunFile { pid, hook, .. }) = self.data.read_run_file()
                && pid == child.id()
            {
                return Ok(hook);
            }
            if Instant::now() > until {
                return Err(self.gone("was not ready in time"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the daemon has died by itself, as a point makes it. False when it still lives after `patience`.
    pub(super) async fn died(&mut self, patience: Duration) -> anyhow::Result<bool> {
        let until = Instant::now() + patience;
        while let Some(child) = &mut self.child {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return if aborted(status) { Ok(true) } else { Err(self.gone(&format!("ended with {status}, which is no drill's doing"))) };
            }
            if Instant::now() > until {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(false)
    }

    /// kill -9.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    fn command(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env_clear().args(args).arg("--config").arg(&self.file).stdin(Stdio::null());
        Ok(command)
    }

    /// The way an operator does it: then the drill knows nothing of how agents are stored.
    fn add_agent(&self) -> anyhow::Result<()> {
        let mut command = self.command(&["agent", "add", "drill", "--kind", "agent", "--base-url", &self.dify.base_url])?;
        let mut adding = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = adding.stdin.take() {
            // One that ended early says why by itself.
            let _unread = stdin.write_all(self.dify.key.expose().as_bytes());
        }
        let ended = adding.wait_with_output()?;
        if ended.status.success() {
            return Ok(());
        }
        Err(Fault::new(exit::FAILURE, format!("the drill's agent could not be added: {}", String::from_utf8_lossy(&ended.stderr))).into())
    }

    fn gone(&self, how: &str) -> anyhow::Error {
        Fault::new(exit::FAILURE, format!("the drill's daemon {how}; its log is {}", self.log.display())).into()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "the drill's daemon could not be ended");
        }
    }
}

/// A point ends its process by SIGABRT.
fn aborted(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(6)
}

fn write_config(path: &Path, text: &str) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

fn config_text(dir: &Path, key: &SecretText, app: &StandInApp, secret: &WebhookSecret) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    format!(
        "data_dir = {}\n\n[mcp]\nlisten = \"127.0.0.1:0\"\n\n[live]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n[hook]\nlisten = \"127.0.0.1:0\"\nkey = {}\n\n[outbound]\nwebhook_url = {}\nwebhook_secret = {}\n\n[log]\nformat = \"json\"\n",
        quoted(&dir.join("data").display().to_string()),
        quoted(key.expose()),
        quoted(&app.url),
        quoted(secret.to_text().expose()),
    )
}

/// Groups, and the settings of a drill: the same rules with shorter waits, and a channel to push over.
async fn prepare(config: Config, app: &StandInApp, secret: &WebhookSecret) -> anyhow::Result<()> {
    let core = Core::open(config, clock()).await?;
    core.set_up().await?;
    let waits = json!(["300ms", "600ms", "1s", "1s", "1s"]);
    let channel = json!({"kind": "webhook", "name": "drill", "url": app.url, "secret": secret.to_text().expose()});
    let settings = [
        ("welcome.deadline", json!(format!("{}ms", DEADLINE.as_millis()))),
        ("welcome.total_limit", json!("10s")),
        ("retry.delays", waits.clone()),
        ("events.delays", waits),
        ("notice.ack_timeout", json!("500ms")),
        ("notice.channels", json!([channel])),
        // Nobody claims a drill's customers.
        ("escalation.enabled", json!(false)),
        ("intake.disk_min_mib", json!(1)),
    ];
    let changes: Vec<_> = settings.into_iter().map(|(name, value)| (name.to_owned(), Given::Value(value))).collect();
    core.settings.set(&changes, &By::new("drill", core.clock.now_ms())).await?;
    core.close().await;
    Ok(())
}

impl Site {
    /// Whether this finding is new: the rows stay, and each strike answers for its own.
    pub(super) fn is_news(&mut self, finding: &str) -> bool {
        self.said.insert(finding.to_owned())
    }

    /// How the agent behaves towards what comes next.
    pub(super) fn answer_late(&self, late: bool) {
        self.dify.behave(if late { Behaviour::Slow(DEADLINE + Duration::from_millis(500)) } else { Behaviour::Normal { think_ms: 5 } });
    }
}
