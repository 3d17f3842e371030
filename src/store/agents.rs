//! `dify_configs`: the agents that may write a welcome. Keys are stored sealed; this folder never opens one.

use rusqlite::{Row, params};
use serde::Serialize;
use serde_json::{Map, Value};

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
        }
    }
}

impl Store {
    /// All agents, oldest first.
    pub fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        self.point(|db| rows::all(db, AGENTS, [], agent))
    }

    /// Adds an agent.
    pub async fn add_agent(&self, agent: Agent) -> Result<(), StoreError> {
        self.write(move |db| {
            db.execute(
                ADD,
                params![agent.id, agent.environment, agent.app_name, agent.kind, agent.base_url, agent.sealed_key, agent.created_at],
            )
            .map_err(|error| match StoreError::from(error) {
                StoreError::Conflict(_) => StoreError::Conflict(format!("there is an agent called {} already", agent.app_name)),
                other => other,
            })?;
            update(db, &agent, agent.created_at)?;
            Ok(())
        })
        .await
    }

    /// Writes an agent's settings, all but its key. A new share of users begins a new comparison.
    pub async fn update_agent(&self, agent: Agent, now: i64) -> Result<(), StoreError> {
        self.write(move |db| {
            let changed = update(db, &agent, now)?;
            if changed == 0 { Err(StoreError::NotFound(format!("there is no agent called {}", agent.app_name))) } else { Ok(()) }
        })
        .await
    }

    /// Replaces an agent's key, by id.
    pub async fn set_agent_key(&self, agent_id: &str, sealed_key: Vec<u8>, now: i64) -> Result<(), StoreError> {
        let id = agent_id.to_owned();
        self.write(move |db| {
            db.execute("UPDATE dify_configs SET sealed_key = ?2, updated_at = ?3 WHERE id = ?1", params![id, sealed_key, now])?;
            Ok(())
        })
        .await
    }
}

const AGENTS: &str =
    "SELECT id, environment, app_name, app_id, kind, version, part, weight, rollout_percent, rollout_since, base_url, sealed_key,
        inputs, timeout_seconds, first_byte_ms, stall_ms, max_concurrent, enabled, created_at
    FROM dify_configs ORDER BY created_at, id";
const ADD: &str = "INSERT INTO dify_configs (id, environment, app_name, kind, base_url, sealed_key, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
const UPDATE: &str =
    "UPDATE dify_configs SET environment = ?2, app_name = ?3, app_id = ?4, kind = ?5, version = ?6, part = ?7, weight = ?8,
        rollout_since = CASE WHEN rollout_percent <> ?9 THEN ?17 ELSE rollout_since END, rollout_percent = ?9,
        base_url = ?10, inputs = ?11, timeout_seconds = ?12, first_byte_ms = ?13, stall_ms = ?14, max_concurrent = ?15, enabled = ?16,
        updated_at = ?17
    WHERE id = ?1";

fn update(db: &rusqlite::Connection, agent: &Agent, now: i64) -> rusqlite::Result<usize> {
    db.execute(
        UPDATE,
        params![
            agent.id,
            agent.environment,
            agent.app_name,
            agent.app_id,
            agent.kind,
            agent.version,
            agent.part,
            agent.weight,
            agent.rollout_percent,
            agent.base_url,
            Value::Object(agent.inputs.clone()).to_string(),
            agent.timeout_seconds,
            agent.first_byte_ms,
            agent.stall_ms,
            agent.max_concurrent,
            agent.enabled,
            now
        ],
    )
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
    })
}
