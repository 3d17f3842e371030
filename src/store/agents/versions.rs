//! `agent_versions`: what an agent was after each change, who made it and why.

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{Agent, AgentSettings};
use crate::store::{
    Store, StoreError,
    audit::By,
    rows::{self, Json},
};

/// An agent as one change left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentVersion {
    /// 1 for the agent as it was added.
    pub number: i64,
    /// When the change was made.
    pub changed_at: i64,
    /// By whom.
    pub changed_by: String,
    /// What was done, such as `agent.update`.
    pub action: String,
    /// Why.
    pub reason: Option<String>,
    /// What was set about the agent from then on.
    pub settings: AgentSettings,
}

impl Store {
    /// The versions of an agent below a number, the latest first.
    pub async fn agent_versions(&self, agent_id: &str, below: Option<i64>, limit: u32) -> Result<Vec<AgentVersion>, StoreError> {
        let (id, below) = (agent_id.to_owned(), below.unwrap_or(i64::MAX));
        self.scan(move |db| {
            let sql = "SELECT number, changed_at, changed_by, action, reason, settings FROM agent_versions
                WHERE agent_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
            rows::all(db, sql, params![id, below, limit], version)
        })
        .await
    }
}

/// Adds the version that an agent now is.
pub(super) fn keep(db: &Connection, agent: &Agent, action: &str, by: &By) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO agent_versions (agent_id, number, changed_at, changed_by, action, reason, settings)
         VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM agent_versions WHERE agent_id = ?1), ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![agent.id, by.at, by.actor, action, by.reason, Json(agent.settings())])?;
    Ok(())
}

fn version(row: &Row<'_>) -> rusqlite::Result<AgentVersion> {
    Ok(AgentVersion {
        number: row.get(0)?,
        changed_at: row.get(1)?,
        changed_by: row.get(2)?,
        action: row.get(3)?,
        reason: row.get(4)?,
        settings: rows::json(row, 5)?,
    })
}
