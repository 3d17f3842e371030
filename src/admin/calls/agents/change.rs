//! Adding agents, changing what is set about them, replacing their keys.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{AgentView, rules};
use crate::{
    admin::calls::{CallError, Calls, said},
    ids::new_id,
    registration::agent_key_purpose,
    secret::SecretText,
    store::{
        StoreError,
        agents::{Agent, AgentChange, AgentSettings},
        audit::By,
    },
};

/// What is to be set about an agent; what is not named stays as it is, or as is usual.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentPatch {
    /// Name shown to people.
    pub name: Option<String>,
    /// Root of the Dify installation's API, such as `https://dify.example.com`.
    pub base_url: Option<String>,
    /// Where it is used (`production`).
    pub environment: Option<String>,
    /// Dify's own id of the app; an empty text takes it away.
    pub app_id: Option<String>,
    /// `chat`, `agent` or `workflow` (`agent`).
    pub kind: Option<String>,
    /// Version of its prompt (`1`).
    pub version: Option<String>,
    /// `stable`, `candidate` or `fallback` (`stable`).
    pub part: Option<String>,
    /// Share among agents of the same part, 0 to 10000 (100).
    #[schema(minimum = 0, maximum = 10_000)]
    pub weight: Option<u32>,
    /// Share of all users a candidate gets, in percent; another value begins another comparison.
    #[schema(minimum = 0, maximum = 100)]
    pub rollout_percent: Option<u32>,
    /// The app's input, and which fact it gets, or a constant as `{"value": …}`. Replaces the whole mapping.
    #[schema(value_type = Option<Object>)]
    pub inputs: Option<Map<String, Value>>,
    /// Limit of one run, in seconds (60).
    #[schema(minimum = 1, maximum = 600)]
    pub timeout_seconds: Option<u32>,
    /// Limit until the first event, in milliseconds (2000).
    #[schema(minimum = 50, maximum = 600_000)]
    pub first_byte_ms: Option<u32>,
    /// Longest silence within an answer, in milliseconds (15000).
    #[schema(minimum = 50, maximum = 600_000)]
    pub stall_ms: Option<u32>,
    /// Runs at once (8).
    #[schema(minimum = 1, maximum = 1_000)]
    pub max_concurrent: Option<u32>,
    /// Whether it may be chosen.
    pub enabled: Option<bool>,
}

impl AgentPatch {
    /// Settings with what is named written over them.
    fn over(self, settings: AgentSettings) -> AgentSettings {
        AgentSettings {
            app_name: self.name.unwrap_or(settings.app_name),
            base_url: self.base_url.map_or(settings.base_url, |url| url.trim().to_owned()),
            environment: self.environment.unwrap_or(settings.environment),
            app_id: self.app_id.map_or(settings.app_id, |id| Some(id).filter(|id| !id.is_empty())),
            kind: self.kind.unwrap_or(settings.kind),
            version: self.version.unwrap_or(settings.version),
            part: self.part.unwrap_or(settings.part),
            weight: self.weight.unwrap_or(settings.weight),
            rollout_percent: self.rollout_percent.unwrap_or(settings.rollout_percent),
            inputs: self.inputs.unwrap_or(settings.inputs),
            timeout_seconds: self.timeout_seconds.unwrap_or(settings.timeout_seconds),
            first_byte_ms: self.first_byte_ms.unwrap_or(settings.first_byte_ms),
            stall_ms: self.stall_ms.unwrap_or(settings.stall_ms),
            max_concurrent: self.max_concurrent.unwrap_or(settings.max_concurrent),
            enabled: self.enabled.unwrap_or(settings.enabled),
        }
    }
}

impl Calls {
    /// Adds an agent with its key, which is sealed and never shown.
    pub async fn add_agent(&self, patch: AgentPatch, key: &SecretText, by: &By) -> Result<AgentView, CallError> {
        let (name, base_url) = (patch.name.clone().unwrap_or_default(), patch.base_url.clone().unwrap_or_default());
        let blank = Agent::new(new_id(self.clock.as_ref()), name, base_url, Vec::new(), by.at);
        let settings = patch.over(blank.settings());
        rules::check(&settings)?;
        rules::usable_key(key)?;
        let sealed_key = self.sealed_agent_key(&blank.id, key)?;
        let agent = Agent { sealed_key, ..blank.with(settings) };
        let (id, name) = (agent.id.clone(), agent.app_name.clone());
        self.store.add_agent(agent, by.clone()).await.map_err(|error| name_taken(error, &name))?;
        tracing::info!(agent.name = name, by = by.actor, "已添加智能体 / an agent was added");
        self.agent(&id)
    }

    /// Changes what is named about an agent, for the next registration on. `seen` is the version it was made on.
    pub async fn update_agent(&self, name: &str, patch: AgentPatch, seen: Option<i64>, by: &By) -> Result<AgentView, CallError> {
        let agent = self.stored_agent(name)?;
        let settings = patch.over(agent.settings());
        self.write_agent(AgentChange { id: agent.id, settings, seen, action: "agent.update" }, by).await
    }

    /// Replaces an agent's key, which is sealed and never shown.
    pub async fn set_agent_key(&self, name: &str, key: &SecretText, seen: Option<i64>, by: &By) -> Result<AgentView, CallError> {
        let agent = self.stored_agent(name)?;
        rules::usable_key(key)?;
        let sealed = self.sealed_agent_key(&agent.id, key)?;
        let written = self.store.set_agent_key(&agent.id, sealed, seen, by.clone()).await?;
        tracing::info!(agent.name = agent.app_name, by = by.actor, "智能体的密钥已更换 / an agent has another key");
        self.agent_written(written)
    }

    /// Writes settings that were checked, and says what the agent is then.
    pub(super) async fn write_agent(&self, change: AgentChange, by: &By) -> Result<AgentView, CallError> {
        rules::check(&change.settings)?;
        let (name, action) = (change.settings.app_name.clone(), change.action);
        let written = self.store.update_agent(change, by.clone()).await.map_err(|error| name_taken(error, &name))?;
        let view = self.agent_written(written)?;
        tracing::info!(agent.name = name, action, by = by.actor, "智能体已更改，立即生效 / an agent was changed, in force at once");
        Ok(view)
    }

    fn sealed_agent_key(&self, agent_id: &str, key: &SecretText) -> Result<Vec<u8>, CallError> {
        let sealed = self.master.seal(&agent_key_purpose(agent_id), key.expose().as_bytes());
        sealed.map_err(|error| {
            CallError::Unavailable(said(format!("密钥无法加密保存：{error}"), format!("the key could not be sealed: {error}")))
        })
    }
}

fn name_taken(error: StoreError, name: &str) -> CallError {
    match error {
        StoreError::Conflict(why) if why.contains("already") => CallError::conflict(format!("已有名为 {name} 的智能体"), why),
        other => other.into(),
    }
}
