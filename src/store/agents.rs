//! `dify_configs`: the agents that may write a welcome. Keys are stored sealed; this folder never opens one.
//!
//! Every change is one transaction with its row of the audit log and with a version of the agent as it then is, so that
//! it can be looked at and restored. Neither holds a key.

mod change;
#[cfg(test)]
mod tests;
mod versions;

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) use self::change::record;
pub use self::{
    change::{AgentChange, Written},
    versions::AgentVersion,
};
use super::{Store, StoreError, rows};

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// UUID v7.
    pub id: String,
    /// Where it is used.
    pub environment: String,
    /// Name shown to people.
    pub app_name: String,
    /// Dify's own app id.
    pub app_id: Option<String>,
    /// `chat`, `agent` or `workflow`.
    pub kind: String,
    /// Version of its prompt.
    pub version: String,
    /// `stable`, `candidate` or `fallback`.
    pub part: String,
    /// Share among those of the same part.
    pub weight: u32,
    /// Share of all users a candidate gets.
    pub rollout_percent: u32,
    /// When that share was last set.
    pub rollout_since: Option<i64>,
    /// Root of the installation's API.
    pub base_url: String,
    /// The app's key, sealed.
    #[serde(skip)]
    pub sealed_key: Vec<u8>,
    /// The app's input → our fact, or a constant.
    pub inputs: Map<String, Value>,
    /// Limit of one run.
    pub timeout_seconds: u32,
    /// Limit until the first event, in milliseconds.
    pub first_byte_ms: u32,
    /// Longest silence within a stream, in milliseconds.
    pub stall_ms: u32,
    /// Runs at once.
    pub max_concurrent: u32,
    /// Whether it may be chosen.
    pub enabled: bool,
    /// When it was added.
    pub created_at: i64,
    /// When it last changed: its version, which always rises.
    pub updated_at: i64,
}

/// What people set about an agent: everything but its key. Kept as a version with each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// Where it is used.
    pub environment: String,
    /// Name shown to people.
    pub app_name: String,
    /// Dify's own app id.
    pub app_id: Option<String>,
    /// `chat`, `agent` or `workflow`.
    pub kind: String,
    /// Version of its prompt.
    pub version: String,
    /// `stable`, `candidate` or `fallback`.
    pub part: String,
    /// Share among those of the same part.
    pub weight: u32,
    /// Share of all users a candidate gets.
    pub rollout_percent: u32,
    /// Root of the installation's API.
    pub base_url: String,
    /// The app's input → our fact, or a constant.
    pub inputs: Map<String, Value>,
    /// Limit of one run.
    pub timeout_seconds: u32,
    /// Limit until the first event, in milliseconds.
    pub first_byte_ms: u32,
    /// Longest silence within a stream, in milliseconds.
    pub stall_ms: u32,
    /// Runs at once.
    pub max_concurrent: u32,
    /// Whether it may be chosen.
    pub enabled: bool,
}

impl Agent {
    /// An enabled agent with the usual settings.
    pub fn new(id: String, app_name: String, base_url: String, sealed_key: Vec<u8>, created_at: i64) -> Self {
        Self {
            id,
            environment: "production".into(),
            app_name,
            app_id: None,
            kind: "agent".into(),
            version: "1".into(),
            part: "stable".into(),
            weight: 100,
            rollout_percent: 0,
            rollout_since: None,
            base_url,
            sealed_key,
            inputs: Map::new(),
            timeout_seconds: 60,
            first_byte_ms: 2_000,
            stall_ms: 15_000,
            max_concurrent: 8,
            enabled: true,
            created_at,
            updated_at: created_at,
        }
    }

    /// What people set about it.
    pub fn settings(&self) -> AgentSettings {
        AgentSettings {
            environment: self.environment.clone(),
            app_name: self.app_name.clone(),
            app_id: self.app_id.clone(),
            kind: self.kind.clone(),
            version: self.version.clone(),
            part: self.part.clone(),
            weight: self.weight,
            rollout_percent: self.rollout_percent,
            base_url: self.base_url.clone(),
            inputs: self.inputs.clone(),
            timeout_seconds: self.timeout_seconds,
            first_byte_ms: self.first_byte_ms,
            stall_ms: self.stall_ms,
            max_concurrent: self.max_concurrent,
            enabled: self.enabled,
        }
    }

    /// The same agent with these settings.
    #[must_use]
    pub fn with(self, settings: AgentSettings) -> Self {
        let AgentSettings { environment, app_name, app_id, kind, version, part, weight, rollout_percent, base_url, .. } = settings;
        let AgentSettings { inputs, timeout_seconds, first_byte_ms, stall_ms, max_concurrent, enabled, .. } = settings;
        Self {
            environment,
            app_name,
            app_id,
            kind,
            version,
            part,
            weight,
            rollout_percent,
            base_url,
            inputs,
            timeout_seconds,
            first_byte_ms,
            stall_ms,
            max_concurrent,
            enabled,
            ..self
        }
    }
}

impl Store {
    /// All agents, oldest first.
    pub fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        self.point(all)
    }
}

const AGENTS: &str =
    "SELECT id, environment, app_name, app_id, kind, version, part, weight, rollout_percent, rollout_since, base_url, sealed_key,
        inputs, timeout_seconds, first_byte_ms, stall_ms, max_concurrent, enabled, created_at, updated_at
    FROM dify_configs";

fn all(db: &Connection) -> rusqlite::Result<Vec<Agent>> {
    rows::all(db, &format!("{AGENTS} ORDER BY created_at, id"), [], agent)
}

/// The agent of this id.
pub(super) fn existing(db: &Connection, id: &str) -> Result<Agent, StoreError> {
    let found = rows::one(db, &format!("{AGENTS} WHERE id = ?1"), [id], agent)?;
    found.ok_or_else(|| StoreError::NotFound(format!("there is no agent {id}")))
}

fn agent(row: &Row<'_>) -> rusqlite::Result<Agent> {
    Ok(Agent {
        id: row.get(0)?,
        environment: row.get(1)?,
        app_name: row.get(2)?,
        app_id: row.get(3)?,
        kind: row.get(4)?,
        version: row.get(5)?,
        part: row.get(6)?,
        weight: row.get(7)?,
        rollout_percent: row.get(8)?,
        rollout_since: row.get(9)?,
        base_url: row.get(10)?,
        sealed_key: row.get(11)?,
        inputs: rows::json(row, 12)?,
        timeout_seconds: row.get(13)?,
        first_byte_ms: row.get(14)?,
        stall_ms: row.get(15)?,
        max_concurrent: row.get(16)?,
        enabled: row.get(17)?,
        created_at: row.get(18)?,
        updated_at: row.get(19)?,
    })
}
