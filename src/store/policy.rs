//! Groups and tools (and keys, of which [`super::keys`] knows more): who may call what. Read as one snapshot, changed by single operations.
//!
//! Triggers of the schema count every change in `policy_revision`, whichever process makes it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Store, StoreError,
    audit::{self, By, Change},
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

/// A change of one tool in one group; `None` leaves a field alone.
#[derive(Debug, Clone, Default)]
pub struct ToolChange {
    /// Switch it on or off.
    pub enabled: Option<bool>,
    /// Another limit, 1 to 300 s.
    pub timeout_seconds: Option<u32>,
    /// Another description; `Some(None)` goes back to the definition's.
    pub description: Option<Option<String>>,
    /// Another configuration.
    pub config_data: Option<Map<String, Value>>,
}

/// A change of a group; `None` leaves a field alone.
#[derive(Debug, Clone, Default)]
pub struct GroupChange {
    /// Other roles that may open it by account.
    pub allowed_roles: Option<Vec<String>>,
    /// Other tiers that may open it by account.
    pub user_tier_access: Option<Vec<String>>,
    /// Binds its tools to the subjects of live runs, or frees them.
    pub subject_scoped: Option<bool>,
}

/// A group to be created with its first key and its tools.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// The group.
    pub group: Group,
    /// Its key.
    pub key: Key,
    /// Its tools.
    pub tools: Vec<ToolPolicy>,
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

    /// Creates groups with their keys and tools; all or none.
    pub async fn create_groups(&self, groups: Vec<NewGroup>, by: By) -> Result<(), StoreError> {
        self.write(move |db| groups.iter().try_for_each(|new| insert_new(db, new, &by))).await
    }

    /// Creates the groups of a first start, unless there ever were groups. Says whether it did.
    pub async fn seed_groups(&self, groups: Vec<NewGroup>, by: By) -> Result<bool, StoreError> {
        self.write(move |db| {
            let seeded = db.execute("INSERT INTO meta (name, value) VALUES ('groups_seeded', '1') ON CONFLICT (name) DO NOTHING", [])?;
            if seeded == 0 {
                return Ok(false);
            }
            groups.iter().try_for_each(|new| insert_new(db, new, &by))?;
            Ok(true)
        })
        .await
    }

    /// Switches a group on or off.
    pub async fn set_group_enabled(&self, server_code: &str, enabled: bool, by: By) -> Result<(), StoreError> {
        let (code, action) = (server_code.to_owned(), if enabled { "group.enable" } else { "group.disable" });
        self.write(move |db| {
            change_group(db, (action, &code), &by, |db| {
                db.execute("UPDATE mcp_tool_groups SET enabled = ?2, updated_at = ?3 WHERE server_code = ?1", params![code, enabled, by.at])
            })
        })
        .await
    }

    /// Changes who opens a group, and whose data its tools see.
    pub async fn change_group(&self, server_code: &str, change: GroupChange, by: By) -> Result<(), StoreError> {
        let code = server_code.to_owned();
        self.write(move |db| {
            let list = |names: &Option<Vec<String>>| names.as_ref().map(serde_json::to_string).transpose();
            let (roles, tiers) = (list(&change.allowed_roles)?, list(&change.user_tier_access)?);
            change_group(db, ("group.set", &code), &by, |db| {
                db.execute(
                    "UPDATE mcp_tool_groups SET allowed_roles = coalesce(?2, allowed_roles), user_tier_access = coalesce(?3, user_tier_access),
                            subject_scoped = coalesce(?4, subject_scoped), updated_at = ?5 WHERE server_code = ?1",
                    params![code, roles, tiers, change.subject_scoped, by.at],
                )
            })
        })
        .await
    }

    /// Deletes a group with its keys and its tools. The call log keeps its rows.
    pub async fn delete_group(&self, server_code: &str, by: By) -> Result<(), StoreError> {
        let code = server_code.to_owned();
        self.write(move |db| {
            change_group(db, ("group.delete", &code), &by, |db| db.execute("DELETE FROM mcp_tool_groups WHERE server_code = ?1", [&code]))
        })
        .await
    }

    /// Changes a tool in a group.
    pub async fn change_tool(&self, group_id: &str, tool_name: &str, change: ToolChange, by: By) -> Result<(), StoreError> {
        let (group, name) = (group_id.to_owned(), tool_name.to_owned());
        self.write(move |db| {
            let before = one_tool(db, &group, &name)?.ok_or_else(|| StoreError::NotFound(format!("the group has no tool {name}")))?;
            write_tool(db, &before.id, change, by.at)?;
            let after = one_tool(db, &group, &name)?;
            let change = Change::new("tool.change", tool_object(db, &group, &name)?);
            let change = change.before(serde_json::to_value(before)?).after(serde_json::to_value(after)?);
            audit::append(db, &by, &change)
        })
        .await
    }

    /// Adds a tool to a group.
    pub async fn add_tool(&self, tool: ToolPolicy, by: By) -> Result<(), StoreError> {
        self.write(move |db| {
            insert_tool(db, &tool)?;
            let change = Change::new("tool.add", tool_object(db, &tool.group_id, &tool.tool_name)?);
            audit::append(db, &by, &change.after(serde_json::to_value(&tool)?))
        })
        .await
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

/// A change of one group (`what`: action and server code) with its row in the audit log.
fn change_group(
    db: &Connection,
    (action, code): (&'static str, &str),
    by: &By,
    change: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
) -> Result<(), StoreError> {
    let before = one_group(db, code)?.ok_or_else(|| StoreError::NotFound(format!("there is no group {code}")))?;
    change(db)?;
    let mut row = Change::new(action, format!("group/{code}")).before(serde_json::to_value(before)?);
    row.after = one_group(db, code)?.map(serde_json::to_value).transpose()?;
    audit::append(db, by, &row)
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

fn write_tool(db: &Connection, id: &str, change: ToolChange, now: i64) -> Result<(), StoreError> {
    let config = change.config_data.as_ref().map(serde_json::to_string).transpose()?;
    db.execute(
        "UPDATE mcp_tools SET enabled = coalesce(?2, enabled), timeout_seconds = coalesce(?3, timeout_seconds),
                description = CASE WHEN ?4 THEN ?5 ELSE description END, config_data = coalesce(?6, config_data), updated_at = ?7
          WHERE id = ?1",
        params![id, change.enabled, change.timeout_seconds, change.description.is_some(), change.description.flatten(), config, now],
    )?;
    Ok(())
}

fn insert_new(db: &Connection, new: &NewGroup, by: &By) -> Result<(), StoreError> {
    let group = &new.group;
    db.prepare_cached(
        "INSERT INTO mcp_tool_groups (id, server_code, name, description, user_tier_access, allowed_roles, enabled, subject_scoped, created_by, created_at,
            updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        group.id,
        group.server_code,
        group.name,
        group.description,
        serde_json::to_string(&group.user_tier_access)?,
        serde_json::to_string(&group.allowed_roles)?,
        group.enabled,
        group.subject_scoped,
        group.created_by,
        group.created_at,
        group.updated_at
    ])
    .map_err(|error| duplicate(error, || format!("a group with the code {} or the name {} exists already", group.server_code, group.name)))?;
    keys::insert(db, &new.key)?;
    new.tools.iter().try_for_each(|tool| insert_tool(db, tool))?;
    let names: Vec<_> = new.tools.iter().map(|tool| tool.tool_name.as_str()).collect();
    let mut after = serde_json::to_value(group)?;
    if let Some(object) = after.as_object_mut() {
        object.insert("key".into(), new.key.facts());
        object.insert("tools".into(), names.into());
    }
    audit::append(db, by, &Change::new("group.create", format!("group/{}", group.server_code)).after(after))
}

fn insert_tool(db: &Connection, tool: &ToolPolicy) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO mcp_tools (id, tool_name, group_id, version, description, enabled, timeout_seconds, config_data, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        tool.id,
        tool.tool_name,
        tool.group_id,
        tool.version,
        tool.description,
        tool.enabled,
        tool.timeout_seconds,
        serde_json::to_string(&tool.config_data)?,
        tool.created_at,
        tool.updated_at
    ])
    .map_err(|error| duplicate(error, || format!("the group has {} already", tool.tool_name)))?;
    Ok(())
}

fn duplicate(error: rusqlite::Error, say: impl FnOnce() -> String) -> StoreError {
    match StoreError::from(error) {
        StoreError::Conflict(_) => StoreError::Conflict(say()),
        other => other,
    }
}
