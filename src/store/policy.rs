//! Groups and tools (and keys, of which [`super::keys`] knows more): who may call what. Read as one snapshot, changed by single operations.
//!
//! Triggers of the schema count every change in `policy_revision`, whichever process makes it.

mod change;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::{Map, Value};

pub use self::change::{GroupChange, NewGroup, ToolChange, Written};
use super::{
    Store, StoreError,
    keys::{self, Key},
    limits::{self, LimitRow},
    rows,
    stale::{self, ToolAlias},
};

/// A group of tools behind one server code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// UUID v7.
    pub id: String,
    /// Segment of its URL.
    pub server_code: String,
    /// Name shown to people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Tiers that may open it by account.
    pub user_tier_access: Vec<String>,
    /// Roles that may open it by account.
    pub allowed_roles: Vec<String>,
    /// Whether its keys are accepted.
    pub enabled: bool,
    /// Whether its tools see only the customers of registrations in progress, by subject id.
    pub subject_scoped: bool,
    /// Who created it.
    pub created_by: String,
    /// When, in milliseconds.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

/// A tool as one group offers it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolPolicy {
    /// UUID v7.
    pub id: String,
    /// Wire name.
    pub tool_name: String,
    /// The group.
    pub group_id: String,
    /// Version of the definition when it was added.
    pub version: String,
    /// Replaces the definition's description.
    pub description: Option<String>,
    /// Whether the group offers it.
    pub enabled: bool,
    /// Limit of one call.
    pub timeout_seconds: u32,
    /// Switches of the tool.
    pub config_data: Map<String, Value>,
    /// When it was added.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

/// Everything at one revision.
#[derive(Debug, Clone, Default)]
pub struct PolicyRows {
    /// Counts changes.
    pub revision: i64,
    /// All groups, by creation.
    pub groups: Vec<Group>,
    /// All keys.
    pub keys: Vec<Key>,
    /// All tools of all groups, by creation.
    pub tools: Vec<ToolPolicy>,
    /// All aliases of all groups.
    pub aliases: Vec<ToolAlias>,
    /// All limits that were set.
    pub limits: Vec<LimitRow>,
}

impl Store {
    /// The count of policy changes. Cheap: asked on every request.
    pub fn policy_revision(&self) -> Result<i64, StoreError> {
        self.inner.revision.get(|| self.point(revision))
    }

    /// All groups, keys, tools and limits, at one point in time.
    pub fn policy(&self) -> Result<PolicyRows, StoreError> {
        self.point(|db| {
            let snapshot = db.unchecked_transaction()?;
            let rows = PolicyRows {
                revision: revision(&snapshot)?,
                groups: in_order(&snapshot, GROUPS, group)?,
                keys: keys::all(&snapshot)?,
                tools: in_order(&snapshot, TOOLS, tool)?,
                aliases: stale::aliases(&snapshot)?,
                limits: limits::all(&snapshot)?,
            };
            snapshot.finish()?;
            Ok(rows)
        })
    }

    /// A group by its id.
    pub fn group(&self, id: &str) -> Result<Option<Group>, StoreError> {
        self.point(|db| rows::one(db, &format!("{GROUPS} WHERE id = ?1"), [id], group))
    }

    /// A value this installation keeps about itself.
    pub fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.point(|db| db.prepare_cached("SELECT value FROM meta WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional())
    }

    /// Keeps a value about this installation, unless it has one. Returns the one that is kept.
    pub async fn keep_meta(&self, name: &str, value: String) -> Result<String, StoreError> {
        let name = name.to_owned();
        self.write(move |db| {
            db.execute("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING", [&name, &value])?;
            Ok(db.query_row("SELECT value FROM meta WHERE name = ?1", [&name], |row| row.get(0))?)
        })
        .await
    }
}

const GROUPS: &str =
    "SELECT id, server_code, name, description, user_tier_access, allowed_roles, enabled, subject_scoped, created_by, created_at, updated_at
    FROM mcp_tool_groups";
const TOOLS: &str = "SELECT id, tool_name, group_id, version, description, enabled, timeout_seconds, config_data, created_at, updated_at
    FROM mcp_tools";

pub(super) fn revision(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT revision FROM policy_revision WHERE id = 1")?.query_row([], |row| row.get(0))
}

/// Every row, by creation.
fn in_order<T>(db: &Connection, sql: &str, read: fn(&Row<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<Vec<T>> {
    rows::all(db, &format!("{sql} ORDER BY created_at, id"), [], read)
}

fn group(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        id: row.get(0)?,
        server_code: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        user_tier_access: rows::json(row, 4)?,
        allowed_roles: rows::json(row, 5)?,
        enabled: row.get(6)?,
        subject_scoped: row.get(7)?,
        created_by: row.get(8)?,
        created_at: row.get(9)?,
        updated_at: row.get(10)?,
    })
}

fn tool(row: &Row<'_>) -> rusqlite::Result<ToolPolicy> {
    Ok(ToolPolicy {
        id: row.get(0)?,
        tool_name: row.get(1)?,
        group_id: row.get(2)?,
        version: row.get(3)?,
        description: row.get(4)?,
        enabled: row.get(5)?,
        timeout_seconds: row.get(6)?,
        config_data: rows::json(row, 7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
    })
}

fn one_group(db: &Connection, code: &str) -> Result<Option<Group>, StoreError> {
    Ok(rows::one(db, &format!("{GROUPS} WHERE server_code = ?1"), [code], group)?)
}

fn one_tool(db: &Connection, group_id: &str, name: &str) -> Result<Option<ToolPolicy>, StoreError> {
    Ok(rows::one(db, &format!("{TOOLS} WHERE group_id = ?1 AND tool_name = ?2"), [group_id, name], tool)?)
}

/// What the audit log calls a tool of a group.
pub(super) fn tool_object(db: &Connection, group_id: &str, name: &str) -> Result<String, StoreError> {
    let code: Option<String> = rows::one(db, "SELECT server_code FROM mcp_tool_groups WHERE id = ?1", [group_id], |row| row.get(0))?;
    Ok(format!("tool/{}/{name}", code.as_deref().unwrap_or("?")))
}
