//! The configuration in force, and changes of the file it is read from. What is in the file counts from the next start.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{CallError, Calls, Field, said, server::Process};
use crate::{
    config::{
        Bilingual, Catalogue, ConfigError, EditError, KeyInfo, Kind, Loaded, Next, Problem, environment, meaning_of, outranked, why_fixed,
    },
    settings::{Choice, choices, kind_name},
    store::audit::{By, Change},
};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConfigView {
    /// The file that was read.
    pub file: Option<String>,
    /// The version of the file as it is now, which a change must name; 0 where there is none.
    pub version: i64,
    /// Whether what the next start will read differs from what is in force.
    pub restart_pending: bool,
    /// What the next start would complain of.
    pub problems: Vec<String>,
    /// Every key.
    pub entries: Vec<ConfigEntry>,
}

/// One key of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConfigEntry {
    /// Its name, such as `mcp.listen`.
    pub key: String,
    /// The first part of the name.
    pub section: String,
    /// Its value in force, null when unset; a secret is `***`.
    pub value: Value,
    /// Where that comes from: `default`, `file PATH:LINE`, `credential NAME`, `env NAME`, `flag --x`.
    pub origin: String,
    /// The value that the next start will have, where it is another one.
    pub next: Option<Value>,
    /// Its default.
    pub default: Value,
    /// What it holds: bool, integer, number, text, choice, duration or list.
    pub kind: &'static str,
    /// The words of a choice.
    pub choices: Option<Vec<Choice>>,
    /// What it means.
    pub meaning: Bilingual,
    /// Whether it is a secret.
    pub secret: bool,
    /// Whether it can be changed here.
    pub changeable: bool,
    /// Why it cannot.
    pub why_not: Option<Bilingual>,
    /// Always true: the file is read at a start.
    pub restart_required: bool,
}

/// What a change of the file came to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConfigChanged {
    /// The key as it is, with the value that the next start will have.
    pub entry: ConfigEntry,
    /// The file that was written.
    pub file: String,
    /// The file's version now.
    pub version: i64,
    /// Always true.
    pub restart_required: bool,
}

impl Calls {
    /// The configuration in force, and what the next start will read.
    pub fn server_config(&self) -> Result<ConfigView, CallError> {
        Ok(view(&self.running()?.process))
    }

    /// One key of it, and the version of the file.
    pub fn server_config_key(&self, key: &str) -> Result<(ConfigEntry, i64), CallError> {
        let view = self.server_config()?;
        let version = view.version;
        let found = view.entries.into_iter().find(|entry| entry.key == key);
        found.map(|entry| (entry, version)).ok_or_else(|| unknown(&Catalogue::new().unknown(key)))
    }

    /// Writes one key into the configuration file; without a value, takes it out. It counts from the next start.
    pub async fn change_server_config(
        &self,
        key: &str,
        value: Option<&Value>,
        seen: Option<i64>,
        by: &By,
    ) -> Result<ConfigChanged, CallError> {
        let process = &self.running()?.process;
        let _alone = process.file.lock().await;
        let draft = match process.loaded.draft(key, value, seen) {
            Ok(draft) => draft,
            Err(EditError::Stale) => {
                let (entry, version) = self.server_config_key(key)?;
                return Err(CallError::Stale { current: Box::new(serde_json::to_value(entry).unwrap_or_default()), version });
            }
            Err(error) => return Err(refusal(key, error)),
        };
        // The log first: a change that nobody wrote down must not be.
        let row = Change::new("config.set", format!("config/{key}")).before(draft.before.clone()).after(draft.after.clone());
        self.store.audit(by.clone(), row).await?;
        draft.write().map_err(|error| refusal(key, error))?;
        tracing::info!(
            config.key = key,
            by = by.actor,
            "配置文件已修改，重新启动后生效 / the configuration file was changed, in force at the next start"
        );
        let (entry, version) = self.server_config_key(key)?;
        Ok(ConfigChanged { entry, file: draft.path.display().to_string(), version, restart_required: true })
    }
}

/// The configuration of a process.
pub(super) fn view(process: &Process) -> ConfigView {
    let Next { loaded: next, version } = process.loaded.next(&environment());
    let problems = match &next {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(error @ ConfigError::Unreadable { .. }) => vec![error.to_string()],
    };
    let after = next.as_ref().ok().map(values);
    let now = values(&process.loaded);
    let entries: Vec<ConfigEntry> = Catalogue::new().keys().map(|info| entry(info, &process.loaded, &now, after.as_ref())).collect();
    let file = next.as_ref().map_or(&process.loaded.file, |next| &next.file);
    ConfigView {
        file: file.as_ref().map(|path| path.display().to_string()),
        version,
        restart_pending: entries.iter().any(|entry| entry.next.is_some()),
        problems,
        entries,
    }
}

fn values(loaded: &Loaded) -> Value {
    serde_json::to_value(&loaded.config).unwrap_or_default()
}

fn entry(info: &KeyInfo, loaded: &Loaded, now: &Value, after: Option<&Value>) -> ConfigEntry {
    let pointer = format!("/{}", info.key.replace('.', "/"));
    let value = now.pointer(&pointer).cloned().unwrap_or_default();
    let next = after.and_then(|after| after.pointer(&pointer)).filter(|next| **next != value).cloned();
    let origin = loaded.origin(&info.key);
    let why_not = why_fixed(info, &origin);
    ConfigEntry {
        key: info.key.clone(),
        section: info.section.clone(),
        value,
        origin: origin.to_string(),
        next,
        default: info.default.clone(),
        kind: kind_name(&info.kind),
        choices: choices(match &info.kind {
            Kind::List(entry) => entry,
            kind => kind,
        }),
        meaning: meaning_of(info),
        secret: info.secret,
        changeable: why_not.is_none(),
        why_not,
        restart_required: true,
    }
}

fn unknown(text: &str) -> CallError {
    CallError::NotFound(said(format!("没有这个配置项：{text}"), format!("there is no such key: {text}")))
}

fn refusal(key: &str, error: EditError) -> CallError {
    match error {
        EditError::Unknown(text) => unknown(&text),
        EditError::NotHere(text) => CallError::Conflict(text),
        EditError::NoFile => CallError::Conflict(said(
            "没有使用配置文件。请先在服务器本机上建立一个：`anmei-mcp generate config > anmei-mcp.toml`，再以 --config 指定它启动。",
            "No configuration file is in use. Make one on the machine itself, with `anmei-mcp generate config > anmei-mcp.toml`, and start with --config.",
        )),
        EditError::Outranked(origin) => CallError::Conflict(outranked(&origin)),
        EditError::Invalid(problems) => CallError::Invalid(problems.into_iter().map(|problem| field(key, problem)).collect()),
        EditError::Broken(problems) => {
            let lines = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            CallError::Conflict(said(
                format!("配置文件本身有误，请先在本机更正：{lines}"),
                format!("The configuration file is wrong as it is; correct it first: {lines}"),
            ))
        }
        EditError::Stale => CallError::Conflict(said("配置文件已被别人修改。", "The configuration file was changed in between.")),
        EditError::Unwritable { path, why } => {
            let path = path.display();
            CallError::Conflict(said(
                format!("无法写入配置文件 {path}：{why}。请在服务器本机上修改。"),
                format!("The configuration file {path} cannot be written: {why}. Change it on the machine itself."),
            ))
        }
    }
}

/// What is wrong with the value, as the loader says it; another key that no longer goes with it is named.
fn field(key: &str, problem: Problem) -> Field {
    let text = if problem.key == key { problem.message } else { format!("{}: {}", problem.key, problem.message) };
    Field { pointer: "/value".to_owned(), text: said(format!("不能使用这个值：{text}"), text) }
}
