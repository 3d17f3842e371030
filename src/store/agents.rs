//! `dify_configs`: the agents that may write a welcome. Keys are stored sealed; this folder never opens one.

use rusqlite::{Row, params};
use serde::Serialize;

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
    /// Root of the installation's API.
    pub base_url: String,
    /// The app's key, sealed.
    #[serde(skip)]
    pub sealed_key: Vec<u8>,
    /// Limit of one run.
    pub timeout_seconds: u32,
    /// Whether it may be chosen.
    pub enabled: bool,
    /// When it was added.
    pub created_at: i64,
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
                "INSERT INTO dify_configs (id, environment, app_name, app_id, kind, base_url, sealed_key, timeout_seconds, enabled, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
                params![
                    agent.id,
                    agent.environment,
                    agent.app_name,
                    agent.app_id,
                    agent.kind,
                    agent.base_url,
                    agent.sealed_key,
                    agent.timeout_seconds,
                    agent.enabled,
                    agent.created_at
                ],
            )
            .map_err(|error| match StoreError::from(error) {
                StoreError::Conflict(_) => StoreError::Conflict(format!("there is an agent called {} already", agent.app_name)),
                other => other,
            })?;
            Ok(())
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

    /// Switches an agent on or off, by name.
    pub async fn set_agent_enabled(&self, app_name: &str, enabled: bool, now: i64) -> Result<(), StoreError> {
        let name = app_name.to_owned();
        self.write(move |db| {
            let changed =
                db.execute("UPDATE dify_configs SET enabled = ?2, updated_at = ?3 WHERE app_name = ?1", params![name, enabled, now])?;
            if changed == 0 { Err(StoreError::NotFound(format!("there is no agent called {name}"))) } else { Ok(()) }
        })
        .await
    }
}

const AGENTS: &str = "SELECT id, environment, app_name, app_id, kind, base_url, sealed_key, timeout_seconds, enabled, created_at
    FROM dify_configs ORDER BY created_at, id";

fn agent(row: &Row<'_>) -> rusqlite::Result<Agent> {
    Ok(Agent {
        id: row.get(0)?,
        environment: row.get(1)?,
        app_name: row.get(2)?,
        app_id: row.get(3)?,
        kind: row.get(4)?,
        base_url: row.get(5)?,
        sealed_key: row.get(6)?,
        timeout_seconds: row.get(7)?,
        enabled: row.get(8)?,
        created_at: row.get(9)?,
    })
}
