//! Changes of groups and of the tools they offer, each with its row of the audit log in the same transaction.
//!
//! A version is a row's `updated_at`, which rises with every change whatever the clock says. A change names the version
//! it was made on; what was made on another one is not done, and whoever made it is shown what there is.

use rusqlite::{Connection, params};
use serde_json::{Map, Value, json};

use super::{Group, ToolPolicy, one_group, one_tool, tool_object};
use crate::store::{
    Store, StoreError,
    audit::{self, By, Change},
    keys::{self, Key},
    limits, rows, stale,
};

/// A change of one tool in one group; `None` leaves a field alone.
#[derive(Debug, Clone, Default, PartialEq)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Switch it on or off.
    pub enabled: Option<bool>,
    /// Other roles that may open it by account.
    pub allowed_roles: Option<Vec<String>>,
    /// Other tiers that may open it by account.
    pub user_tier_access: Option<Vec<String>>,
    /// Binds its tools to the subjects of live runs, or frees them.
    pub subject_scoped: Option<bool>,
}

impl GroupChange {
    /// A group switched on or off.
    pub fn switched(enabled: bool) -> Self {
        Self { enabled: Some(enabled), ..Self::default() }
    }

    /// What the audit log calls it.
    fn action(&self) -> &'static str {
        match self.enabled {
            Some(true) if *self == Self::switched(true) => "group.enable",
            Some(false) if *self == Self::switched(false) => "group.disable",
            _ => "group.set",
        }
    }
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

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Written<T> {
    /// It is done, and this is what there is; of what was deleted, what there was.
    Done(T),
    /// It was made on another version; this is what there is, unchanged.
    Stale(T),
}

impl Store {
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

    /// Changes a group. `seen` is the version the change was made on; none changes whatever is there.
    pub async fn change_group(
        &self,
        server_code: &str,
        change: GroupChange,
        seen: Option<i64>,
        by: By,
    ) -> Result<Written<Group>, StoreError> {
        let code = server_code.to_owned();
        self.write(move |db| {
            let before = existing_group(db, &code)?;
            if seen.is_some_and(|seen| seen != before.updated_at) {
                return Ok(Written::Stale(before));
            }
            write_group(db, &before, &change, by.at)?;
            let after = existing_group(db, &code)?;
            let row = Change::new(change.action(), group_object(&code)).before(serde_json::to_value(before)?);
            audit::append(db, &by, &row.after(serde_json::to_value(&after)?))?;
            Ok(Written::Done(after))
        })
        .await
    }

    /// Deletes a group with its keys, tools, limits and aliases, which its row of the audit log names. The call log keeps
    /// its rows.
    pub async fn delete_group(&self, server_code: &str, seen: Option<i64>, by: By) -> Result<Written<Group>, StoreError> {
        let code = server_code.to_owned();
        self.write(move |db| {
            let before = existing_group(db, &code)?;
            if seen.is_some_and(|seen| seen != before.updated_at) {
                return Ok(Written::Stale(before));
            }
            let whole = with_content(db, &before)?;
            db.execute("DELETE FROM mcp_tool_groups WHERE id = ?1", [&before.id])?;
            audit::append(db, &by, &Change::new("group.delete", group_object(&code)).before(whole))?;
            Ok(Written::Done(before))
        })
        .await
    }

    /// Changes a tool (`of`: id of its group, its name).
    pub async fn change_tool(
        &self,
        (group_id, tool_name): (&str, &str),
        change: ToolChange,
        seen: Option<i64>,
        by: By,
    ) -> Result<Written<ToolPolicy>, StoreError> {
        let (group, name) = (group_id.to_owned(), tool_name.to_owned());
        self.write(move |db| {
            let before = existing_tool(db, &group, &name)?;
            if seen.is_some_and(|seen| seen != before.updated_at) {
                return Ok(Written::Stale(before));
            }
            write_tool(db, &before.id, change, by.at)?;
            let after = existing_tool(db, &group, &name)?;
            let change = Change::new("tool.change", tool_object(db, &group, &name)?);
            audit::append(db, &by, &change.before(serde_json::to_value(before)?).after(serde_json::to_value(&after)?))?;
            Ok(Written::Done(after))
        })
        .await
    }

    /// Adds a tool to a group.
    pub async fn add_tool(&self, tool: ToolPolicy, by: By) -> Result<(), StoreError> {
        self.write(move |db| add(db, &tool, &by)).await
    }

    /// Takes a tool out of a group.
    pub async fn remove_tool(
        &self,
        (group_id, tool_name): (&str, &str),
        seen: Option<i64>,
        by: By,
    ) -> Result<Written<ToolPolicy>, StoreError> {
        let (group, name) = (group_id.to_owned(), tool_name.to_owned());
        self.write(move |db| {
            let before = existing_tool(db, &group, &name)?;
            if seen.is_some_and(|seen| seen != before.updated_at) {
                return Ok(Written::Stale(before));
            }
            remove(db, &before, &by)?;
            Ok(Written::Done(before))
        })
        .await
    }

    /// Takes a tool out of one group and puts it, as it is set up, into another.
    pub async fn move_tool(&self, (group_id, tool_name): (&str, &str), to_group: &str, by: By) -> Result<ToolPolicy, StoreError> {
        let (group, name, to) = (group_id.to_owned(), tool_name.to_owned(), to_group.to_owned());
        self.write(move |db| {
            let before = existing_tool(db, &group, &name)?;
            remove(db, &before, &by)?;
            let moved = ToolPolicy { group_id: to, updated_at: by.at.max(before.updated_at + 1), ..before };
            add(db, &moved, &by)?;
            Ok(moved)
        })
        .await
    }
}

fn group_object(code: &str) -> String {
    format!("group/{code}")
}

/// A group and what goes with it, by the names and hints that people know.
fn with_content(db: &Connection, group: &Group) -> Result<Value, StoreError> {
    let keys = "SELECT id, name, hint FROM mcp_keys WHERE group_id = ?1 ORDER BY created_at, id";
    let keys = rows::all(db, keys, [&group.id], |row| {
        let (id, name, hint): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(json!({"id": id, "name": name, "hint": hint}))
    })?;
    let tools = "SELECT tool_name FROM mcp_tools WHERE group_id = ?1 ORDER BY created_at, id";
    let tools: Vec<String> = rows::all(db, tools, [&group.id], |row| row.get(0))?;
    let mut whole = serde_json::to_value(group)?;
    if let Some(object) = whole.as_object_mut() {
        object.insert("keys".into(), keys.into());
        object.insert("tools".into(), tools.into());
        object.insert("limits".into(), serde_json::to_value(limits::of_group(db, &group.id)?)?);
        object.insert("aliases".into(), serde_json::to_value(stale::aliases_of(db, &group.id)?)?);
    }
    Ok(whole)
}

fn existing_group(db: &Connection, code: &str) -> Result<Group, StoreError> {
    one_group(db, code)?.ok_or_else(|| StoreError::NotFound(format!("there is no group {code}")))
}

fn existing_tool(db: &Connection, group: &str, name: &str) -> Result<ToolPolicy, StoreError> {
    one_tool(db, group, name)?.ok_or_else(|| StoreError::NotFound(format!("the group has no tool {name}")))
}

fn write_group(db: &Connection, before: &Group, change: &GroupChange, now: i64) -> Result<(), StoreError> {
    let list = |names: &Option<Vec<String>>| names.as_ref().map(serde_json::to_string).transpose();
    db.execute(
        "UPDATE mcp_tool_groups SET name = coalesce(?2, name), description = coalesce(?3, description), enabled = coalesce(?4, enabled),
                allowed_roles = coalesce(?5, allowed_roles), user_tier_access = coalesce(?6, user_tier_access),
                subject_scoped = coalesce(?7, subject_scoped), updated_at = max(?8, updated_at + 1) WHERE id = ?1",
        params![
            before.id,
            change.name,
            change.description,
            change.enabled,
            list(&change.allowed_roles)?,
            list(&change.user_tier_access)?,
            change.subject_scoped,
            now
        ],
    )
    .map_err(|error| duplicate(error, || format!("a group with the name {} exists already", change.name.as_deref().unwrap_or_default())))?;
    Ok(())
}

fn write_tool(db: &Connection, id: &str, change: ToolChange, now: i64) -> Result<(), StoreError> {
    let config = change.config_data.as_ref().map(serde_json::to_string).transpose()?;
    db.execute(
        "UPDATE mcp_tools SET enabled = coalesce(?2, enabled), timeout_seconds = coalesce(?3, timeout_seconds),
                description = CASE WHEN ?4 THEN ?5 ELSE description END, config_data = coalesce(?6, config_data),
                updated_at = max(?7, updated_at + 1) WHERE id = ?1",
        params![id, change.enabled, change.timeout_seconds, change.description.is_some(), change.description.flatten(), config, now],
    )?;
    Ok(())
}

fn add(db: &Connection, tool: &ToolPolicy, by: &By) -> Result<(), StoreError> {
    insert_tool(db, tool)?;
    let change = Change::new("tool.add", tool_object(db, &tool.group_id, &tool.tool_name)?);
    audit::append(db, by, &change.after(serde_json::to_value(tool)?))
}

fn remove(db: &Connection, tool: &ToolPolicy, by: &By) -> Result<(), StoreError> {
    let change = Change::new("tool.remove", tool_object(db, &tool.group_id, &tool.tool_name)?).before(serde_json::to_value(tool)?);
    db.execute("DELETE FROM mcp_tools WHERE id = ?1", [&tool.id])?;
    audit::append(db, by, &change)
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

#[cfg(test)]
mod tests;
