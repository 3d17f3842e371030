//! What an agent was after each change, who made it and why; and going back to it. Keys are no part of it.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::AgentView;
use crate::{
    admin::calls::{CallError, Calls, Listed, pages},
    clock::rfc3339,
    store::{
        agents::{AgentChange, AgentSettings, AgentVersion},
        audit::By,
    },
};

/// An agent as one change left it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AgentVersionView {
    /// 1 for the agent as it was added.
    pub number: i64,
    /// When the change was made.
    pub changed_at: String,
    /// By whom: as in the audit log.
    pub changed_by: String,
    /// What was done, such as `agent.update`, `agent.key` or `agent.roll_back`.
    pub action: String,
    /// Why, in the words of whoever did it.
    pub reason: Option<String>,
    /// What differs from the version before; all of it stays the same when a key is replaced.
    pub changed: Vec<ChangedField>,
    /// What was set about the agent from then on.
    pub settings: AgentSettingsView,
}

/// A field that a change gave another value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChangedField {
    /// Its name.
    pub field: String,
    /// What it was.
    pub before: Value,
    /// What it was from then on.
    pub after: Value,
}

/// What is set about an agent: everything but its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgentSettingsView {
    /// Name shown to people.
    pub name: String,
    /// Where it is used.
    pub environment: String,
    /// Dify's own id of the app.
    pub app_id: Option<String>,
    /// `chat`, `agent` or `workflow`.
    pub kind: String,
    /// Version of its prompt.
    pub version: String,
    /// `stable`, `candidate` or `fallback`.
    pub part: String,
    /// Share among those of the same part.
    pub weight: u32,
    /// Share of all users a candidate gets, in percent.
    pub rollout_percent: u32,
    /// Root of the installation's API.
    pub base_url: String,
    /// The app's input, and which fact it gets, or a constant.
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// Limit of one run, in seconds.
    pub timeout_seconds: u32,
    /// Limit until the first event, in milliseconds.
    pub first_byte_ms: u32,
    /// Longest silence within an answer, in milliseconds.
    pub stall_ms: u32,
    /// Runs at once.
    pub max_concurrent: u32,
    /// Whether it may be chosen.
    pub enabled: bool,
}

impl From<AgentSettings> for AgentSettingsView {
    fn from(settings: AgentSettings) -> Self {
        Self {
            name: settings.app_name,
            environment: settings.environment,
            app_id: settings.app_id,
            kind: settings.kind,
            version: settings.version,
            part: settings.part,
            weight: settings.weight,
            rollout_percent: settings.rollout_percent,
            base_url: settings.base_url,
            inputs: settings.inputs,
            timeout_seconds: settings.timeout_seconds,
            first_byte_ms: settings.first_byte_ms,
            stall_ms: settings.stall_ms,
            max_concurrent: settings.max_concurrent,
            enabled: settings.enabled,
        }
    }
}

impl Calls {
    /// The versions of an agent, the latest first. `cursor` is the number of the last one on the page before.
    pub async fn agent_versions(&self, name: &str, cursor: Option<&str>, limit: u32) -> Result<Listed<AgentVersionView>, CallError> {
        let agent = self.stored_agent(name)?;
        let below = pages::number(cursor)?;
        // One more than is shown: it says whether there is a next page, and what the last one shown was before.
        let found = self.store.agent_versions(&agent.id, below, limit.saturating_add(1)).await?;
        let pairs: Vec<_> = found.iter().zip(found.iter().skip(1).map(Some).chain([None])).collect();
        Ok(pages::cut(pairs, limit, |(one, _)| one.number.to_string(), |(one, before)| view(one, before)))
    }

    /// One version of an agent.
    pub async fn agent_version(&self, name: &str, number: i64) -> Result<AgentVersionView, CallError> {
        let agent = self.stored_agent(name)?;
        let found = self.store.agent_versions(&agent.id, number.checked_add(1), 2).await?;
        let [one, before @ ..] = found.as_slice() else { return Err(no_version(name, number)) };
        if one.number == number { Ok(view(one, before.first())) } else { Err(no_version(name, number)) }
    }

    /// Sets an agent as it was in a version, for the next registration on. Its key stays: versions hold none.
    pub async fn restore_agent_version(&self, name: &str, number: i64, seen: Option<i64>, by: &By) -> Result<AgentView, CallError> {
        let agent = self.stored_agent(name)?;
        let found = self.store.agent_versions(&agent.id, number.checked_add(1), 1).await?;
        let version = found.into_iter().next().filter(|version| version.number == number).ok_or_else(|| no_version(name, number))?;
        let change = AgentChange { id: agent.id, settings: version.settings, seen, action: "agent.restore" };
        self.write_agent(change, by).await
    }
}

fn no_version(name: &str, number: i64) -> CallError {
    CallError::not_found(format!("智能体 {name} 没有第 {number} 版"), format!("the agent {name} has no version {number}"))
}

fn view(version: &AgentVersion, before: Option<&AgentVersion>) -> AgentVersionView {
    let settings = AgentSettingsView::from(version.settings.clone());
    let changed = before.map(|before| changed(&AgentSettingsView::from(before.settings.clone()), &settings)).unwrap_or_default();
    AgentVersionView {
        number: version.number,
        changed_at: rfc3339(version.changed_at),
        changed_by: version.changed_by.clone(),
        action: version.action.clone(),
        reason: version.reason.clone(),
        changed,
        settings,
    }
}

fn changed(before: &AgentSettingsView, after: &AgentSettingsView) -> Vec<ChangedField> {
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) = (serde_json::to_value(before), serde_json::to_value(after)) else {
        return Vec::new();
    };
    let differs = |(field, after): (String, Value)| {
        let before = before.get(&field).cloned().unwrap_or_default();
        (before != after).then_some(ChangedField { field, before, after })
    };
    after.into_iter().filter_map(differs).collect()
}
