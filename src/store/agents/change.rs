//! Changes of agents, each with its row of the audit log and its version in the same transaction.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{Agent, AgentSettings, all, existing, versions};
use crate::store::{
    Store, StoreError,
    audit::{self, By, Change},
};

/// A change of an agent's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentChange {
    /// The agent.
    pub id: String,
    /// What is set about it from now on.
    pub settings: AgentSettings,
    /// The version it was made on; none changes whatever is there.
    pub seen: Option<i64>,
    /// What is done, for the audit log, such as `agent.update`.
    pub action: &'static str,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It is done, and this is the agent.
    Done(Agent),
    /// It was made on another version; this is the agent, unchanged.
    Stale(Agent),
}

impl Store {
    /// Adds an agent.
    pub async fn add_agent(&self, agent: Agent, by: By) -> Result<(), StoreError> {
        self.write(move |db| {
            insert(db, &agent)?;
            versions::keep(db, &agent, "agent.add", &by)?;
            audit::append(db, &by, &Change::new("agent.add", object(&agent)).after(facts(&agent)))
        })
        .await
    }

    /// Writes an agent's settings. A new share of users begins a new comparison. What changes nothing leaves no trace.
    pub async fn update_agent(&self, change: AgentChange, by: By) -> Result<Written, StoreError> {
        self.write(move |db| {
            let before = existing(db, &change.id)?;
            if is_stale(&before, change.seen) {
                return Ok(Written::Stale(before));
            }
            if before.settings() == change.settings {
                return Ok(Written::Done(before));
            }
            update(db, &change.id, &change.settings, by.at)?;
            record(db, change.action, &before, &by).map(Written::Done)
        })
        .await
    }

    /// Replaces an agent's key, by id.
    pub async fn set_agent_key(&self, agent_id: &str, sealed_key: Vec<u8>, seen: Option<i64>, by: By) -> Result<Written, StoreError> {
        let id = agent_id.to_owned();
        self.write(move |db| {
            let before = existing(db, &id)?;
            if is_stale(&before, seen) {
                return Ok(Written::Stale(before));
            }
            let sql = "UPDATE dify_configs SET sealed_key = ?2, updated_at = max(?3, updated_at + 1) WHERE id = ?1";
            db.execute(sql, params![id, sealed_key, by.at])?;
            let after = existing(db, &id)?;
            versions::keep(db, &after, "agent.key", &by)?;
            let change = Change::new("agent.key", object(&before)).after(json!({"id": id, "key": "replaced"}));
            audit::append(db, &by, &change)?;
            Ok(Written::Done(after))
        })
        .await
    }

    /// Sets the weights of several agents, all or none. `seen` is the sum of the versions of all agents, which rises with
    /// every change of any; false when it is another one by now.
    pub async fn set_agent_weights(&self, weights: Vec<(String, u32)>, seen: Option<i64>, by: By) -> Result<bool, StoreError> {
        self.write(move |db| {
            let version: i64 = all(db)?.iter().map(|agent| agent.updated_at).sum();
            if seen.is_some_and(|seen| seen != version) {
                return Ok(false);
            }
            for (id, weight) in &weights {
                let before = existing(db, id)?;
                if before.weight != *weight {
                    update(db, id, &AgentSettings { weight: *weight, ..before.settings() }, by.at)?;
                    record(db, "agent.weight", &before, &by)?;
                }
            }
            Ok(true)
        })
        .await
    }
}

/// Keeps what an agent has become, beside the change itself. Returns it.
pub(in crate::store) fn record(db: &Connection, action: &'static str, before: &Agent, by: &By) -> Result<Agent, StoreError> {
    let after = existing(db, &before.id)?;
    versions::keep(db, &after, action, by)?;
    let (was, is) = (facts(before), facts(&after));
    audit::append(db, by, &Change::new(action, object(before)).before(was).after(is))?;
    Ok(after)
}

fn is_stale(agent: &Agent, seen: Option<i64>) -> bool {
    seen.is_some_and(|seen| seen != agent.updated_at)
}

fn object(agent: &Agent) -> String {
    format!("agent/{}", agent.app_name)
}

/// What the audit log says of an agent: its settings, which hold no key.
fn facts(agent: &Agent) -> Value {
    let mut facts = json!({"id": agent.id});
    if let (Some(facts), Ok(Value::Object(settings))) = (facts.as_object_mut(), serde_json::to_value(agent.settings())) {
        facts.extend(settings);
    }
    facts
}

fn insert(db: &Connection, agent: &Agent) -> Result<(), StoreError> {
    let since = (agent.rollout_percent > 0).then_some(agent.created_at);
    let added = db.execute(
        "INSERT INTO dify_configs (id, environment, app_name, app_id, kind, version, part, weight, rollout_percent, rollout_since,
            base_url, sealed_key, inputs, timeout_seconds, first_byte_ms, stall_ms, max_concurrent, enabled, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?19)",
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
            since,
            agent.base_url,
            agent.sealed_key,
            Value::Object(agent.inputs.clone()).to_string(),
            agent.timeout_seconds,
            agent.first_byte_ms,
            agent.stall_ms,
            agent.max_concurrent,
            agent.enabled,
            agent.created_at
        ],
    );
    added.map(drop).map_err(|error| taken(error, &agent.app_name))
}

fn update(db: &Connection, id: &str, agent: &AgentSettings, now: i64) -> Result<(), StoreError> {
    let updated = db.execute(
        "UPDATE dify_configs SET environment = ?2, app_name = ?3, app_id = ?4, kind = ?5, version = ?6, part = ?7, weight = ?8,
            rollout_since = CASE WHEN rollout_percent <> ?9 THEN ?17 ELSE rollout_since END, rollout_percent = ?9,
            base_url = ?10, inputs = ?11, timeout_seconds = ?12, first_byte_ms = ?13, stall_ms = ?14, max_concurrent = ?15,
            enabled = ?16, updated_at = max(?17, updated_at + 1)
         WHERE id = ?1",
        params![
            id,
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
    );
    updated.map(drop).map_err(|error| taken(error, &agent.app_name))
}

fn taken(error: rusqlite::Error, name: &str) -> StoreError {
    match StoreError::from(error) {
        StoreError::Conflict(why) if why.contains("dify_configs.app_name") => {
            StoreError::Conflict(format!("there is an agent called {name} already"))
        }
        other => other,
    }
}
