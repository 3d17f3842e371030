//! What was offered before: names of tools that were renamed, changes of what a group offers, earlier schemas; and who
//! still works from an old list.

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    policy::{Written, tool_object},
    rows,
};

/// A name that old clients call, in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolAlias {
    /// The group that understands it.
    pub group_id: String,
    /// The name that old clients call.
    pub alias: String,
    /// The tool that answers.
    pub tool_name: String,
    /// From when on it is refused.
    pub until: i64,
    /// When it was made or last changed, which is its version: it rises with every change whatever the clock says.
    pub created_at: i64,
}

/// What somebody who sets an alias knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is set whatever is there.
    Whatever,
    /// There is none of this name.
    Nothing,
    /// There is one, of this version.
    Version(i64),
}

/// A call by somebody whose list is old, to be counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleCall {
    /// Who called.
    pub principal: String,
    /// The name that was called.
    pub called: String,
    /// What is old about it.
    pub reason: &'static str,
}

/// Who still works from an old list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleCaller {
    /// Key id, grant, or `local`.
    pub principal: String,
    /// In which group.
    pub group_id: String,
    /// The name that was called.
    pub called: String,
    /// What is old about it.
    pub reason: String,
    /// Client that did so last.
    pub client_name: Option<String>,
    /// How often.
    pub calls: i64,
    /// First time.
    pub first_at: i64,
    /// Last time.
    pub last_at: i64,
}

/// What happened to a tool in a group last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferChange {
    /// `added`, `enabled`, `disabled` or `removed`.
    pub change: String,
    /// When.
    pub changed_at: i64,
}

/// The schemas of a tool's arguments, by the time a daemon first started with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSchema {
    /// When.
    pub seen_at: i64,
    /// The schema, as JSON text.
    pub input_schema: String,
}

impl Store {
    /// Makes or changes an alias, unless there is another one than was seen.
    pub async fn set_alias(&self, alias: ToolAlias, seen: Seen, by: By) -> Result<Written<ToolAlias>, StoreError> {
        self.write(move |db| {
            let before = one_alias(db, &alias.group_id, &alias.alias)?;
            match (seen, &before) {
                (Seen::Version(_), None) => return Err(no_alias(&alias.alias)),
                (Seen::Nothing, Some(known)) => return Ok(Written::Stale(known.clone())),
                (Seen::Version(seen), Some(known)) if seen != known.created_at => return Ok(Written::Stale(known.clone())),
                _ => {}
            }
            db.execute(
                "INSERT INTO mcp_tool_aliases (group_id, alias, tool_name, until, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (group_id, alias) DO UPDATE SET tool_name = excluded.tool_name, until = excluded.until,
                    created_at = max(excluded.created_at, created_at + 1)",
                params![alias.group_id, alias.alias, alias.tool_name, alias.until, alias.created_at],
            )?;
            let after = one_alias(db, &alias.group_id, &alias.alias)?.ok_or_else(|| no_alias(&alias.alias))?;
            let mut change =
                Change::new("tool.alias", tool_object(db, &alias.group_id, &alias.alias)?).after(serde_json::to_value(&after)?);
            change.before = before.map(serde_json::to_value).transpose()?;
            audit::append(db, &by, &change)?;
            Ok(Written::Done(after))
        })
        .await
    }

    /// Removes an alias. `seen` is its version; none removes whatever is there.
    pub async fn remove_alias(&self, group_id: &str, alias: &str, seen: Option<i64>, by: By) -> Result<Written<ToolAlias>, StoreError> {
        let (group, alias) = (group_id.to_owned(), alias.to_owned());
        self.write(move |db| {
            let before = one_alias(db, &group, &alias)?.ok_or_else(|| no_alias(&alias))?;
            if seen.is_some_and(|seen| seen != before.created_at) {
                return Ok(Written::Stale(before));
            }
            db.execute("DELETE FROM mcp_tool_aliases WHERE group_id = ?1 AND alias = ?2", params![group, alias])?;
            let change = Change::new("tool.unalias", tool_object(db, &group, &alias)?).before(serde_json::to_value(&before)?);
            audit::append(db, &by, &change)?;
            Ok(Written::Done(before))
        })
        .await
    }

    /// What happened to a tool in a group last.
    pub fn offer_change(&self, group_id: &str, tool_name: &str) -> Result<Option<OfferChange>, StoreError> {
        let sql = "SELECT change, changed_at FROM mcp_offer_changes WHERE group_id = ?1 AND tool_name = ?2";
        self.point(|db| {
            rows::one(db, sql, params![group_id, tool_name], |row| Ok(OfferChange { change: row.get(0)?, changed_at: row.get(1)? }))
        })
    }

    /// Notes the schemas a daemon starts with; one that is the same as the last one is not new, and a tool that is not
    /// among them has `null` from now on. Three of each are kept.
    pub async fn remember_schemas(&self, schemas: Vec<(String, String)>, now: i64) -> Result<(), StoreError> {
        self.write(move |db| {
            let known: Vec<&str> = schemas.iter().map(|(tool, _)| tool.as_str()).collect();
            let gone: Vec<String> = rows::all(
                db,
                "SELECT DISTINCT tool_name FROM mcp_tool_schemas WHERE tool_name NOT IN (SELECT value FROM json_each(?1))",
                [serde_json::to_string(&known)?],
                |row| row.get(0),
            )?;
            gone.iter().try_for_each(|tool| remember(db, tool, "null", now))?;
            schemas.iter().try_for_each(|(tool, schema)| remember(db, tool, schema, now))
        })
        .await
    }

    /// The schemas of a tool that are kept, newest first.
    pub fn schemas(&self, tool_name: &str) -> Result<Vec<SeenSchema>, StoreError> {
        let sql = "SELECT seen_at, input_schema FROM mcp_tool_schemas WHERE tool_name = ?1 ORDER BY seen_at DESC";
        self.point(|db| rows::all(db, sql, [tool_name], |row| Ok(SeenSchema { seen_at: row.get(0)?, input_schema: row.get(1)? })))
    }

    /// The latest schema of every tool of which one is kept, by name.
    pub fn latest_schemas(&self) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT tool_name, input_schema FROM mcp_tool_schemas s
            WHERE seen_at = (SELECT max(seen_at) FROM mcp_tool_schemas WHERE tool_name = s.tool_name) ORDER BY tool_name";
        self.point(|db| rows::all(db, sql, [], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// Everybody who worked from an old list, the latest first.
    pub fn stale_callers(&self) -> Result<Vec<StaleCaller>, StoreError> {
        self.point(|db| rows::all(db, STALE, [], stale_caller))
    }
}

const STALE: &str = "SELECT principal, group_id, called, reason, client_name, calls, first_at, last_at FROM mcp_stale_calls
    ORDER BY last_at DESC, called, reason LIMIT 10000";

fn stale_caller(row: &Row<'_>) -> rusqlite::Result<StaleCaller> {
    Ok(StaleCaller {
        principal: row.get(0)?,
        group_id: row.get(1)?,
        called: row.get(2)?,
        reason: row.get(3)?,
        client_name: row.get(4)?,
        calls: row.get(5)?,
        first_at: row.get(6)?,
        last_at: row.get(7)?,
    })
}

const ALIASES: &str = "SELECT group_id, alias, tool_name, until, created_at FROM mcp_tool_aliases";

/// All aliases of all groups, within the caller's snapshot.
pub(super) fn aliases(db: &Connection) -> rusqlite::Result<Vec<ToolAlias>> {
    rows::all(db, &format!("{ALIASES} ORDER BY group_id, alias"), [], tool_alias)
}

/// The aliases of one group.
pub(super) fn aliases_of(db: &Connection, group_id: &str) -> rusqlite::Result<Vec<ToolAlias>> {
    rows::all(db, &format!("{ALIASES} WHERE group_id = ?1 ORDER BY alias"), [group_id], tool_alias)
}

fn one_alias(db: &Connection, group_id: &str, alias: &str) -> rusqlite::Result<Option<ToolAlias>> {
    rows::one(db, &format!("{ALIASES} WHERE group_id = ?1 AND alias = ?2"), [group_id, alias], tool_alias)
}

fn tool_alias(row: &Row<'_>) -> rusqlite::Result<ToolAlias> {
    Ok(ToolAlias { group_id: row.get(0)?, alias: row.get(1)?, tool_name: row.get(2)?, until: row.get(3)?, created_at: row.get(4)? })
}

fn no_alias(alias: &str) -> StoreError {
    StoreError::NotFound(format!("the group has no alias {alias}"))
}

/// Counts a stale call, within the transaction that logs it.
pub(super) fn count(db: &Connection, call: &StaleCall, row: &super::call_log::CallRow) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO mcp_stale_calls (principal, group_id, called, reason, client_name, calls, first_at, last_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6)
         ON CONFLICT (principal, group_id, called, reason) DO UPDATE SET calls = calls + 1, last_at = max(last_at, excluded.last_at),
            client_name = coalesce(excluded.client_name, client_name)",
    )?
    .execute(params![
        call.principal,
        row.group_id.as_deref().unwrap_or_default(),
        call.called,
        call.reason,
        row.client_name,
        row.created_at
    ])?;
    Ok(())
}

fn remember(db: &Connection, tool: &str, schema: &str, now: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO mcp_tool_schemas (tool_name, seen_at, input_schema) SELECT ?1, max(?2, coalesce((SELECT max(seen_at) + 1 FROM mcp_tool_schemas
            WHERE tool_name = ?1), 0)), ?3
         WHERE ?3 IS NOT (SELECT input_schema FROM mcp_tool_schemas WHERE tool_name = ?1 ORDER BY seen_at DESC LIMIT 1)",
    )?
    .execute(params![tool, now, schema])?;
    db.prepare_cached(
        "DELETE FROM mcp_tool_schemas WHERE tool_name = ?1 AND seen_at NOT IN
            (SELECT seen_at FROM mcp_tool_schemas WHERE tool_name = ?1 ORDER BY seen_at DESC LIMIT 3)",
    )?
    .execute([tool])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
        (dir, store)
    }

    async fn change(store: &Store, sql: &'static str) {
        store.write(move |db| Ok(db.execute_batch(sql)?)).await.unwrap();
    }

    #[tokio::test]
    async fn a_schema_is_new_when_it_differs_from_the_last_one_and_three_are_kept() {
        let (_dir, store) = store();
        for (schema, now) in [("{}", 10), ("{}", 20), ("{\"a\":1}", 30), ("{\"a\":2}", 30), ("{}", 40)] {
            store.remember_schemas(vec![("t".into(), schema.into())], now).await.unwrap();
        }
        let kept: Vec<_> = store.schemas("t").unwrap().into_iter().map(|seen| (seen.seen_at, seen.input_schema)).collect();
        assert_eq!(kept, [(40, "{}".into()), (31, "{\"a\":2}".into()), (30, "{\"a\":1}".into())]);
    }

    #[tokio::test]
    async fn what_happens_to_a_tool_in_a_group_is_kept_whoever_does_it() {
        let (_dir, store) = store();
        change(
            &store,
            "INSERT INTO mcp_tool_groups (id, server_code, name, created_by, created_at, updated_at) VALUES ('g', 'g', 'g', 'cli', 0, 0);
             INSERT INTO mcp_tools (id, tool_name, group_id, created_at, updated_at) VALUES ('1', 't', 'g', 1, 5)",
        )
        .await;
        let last = || store.offer_change("g", "t").unwrap().map(|change| (change.change, change.changed_at));
        assert_eq!(last(), Some(("added".into(), 5)));
        change(&store, "UPDATE mcp_tools SET enabled = 0, updated_at = 7").await;
        change(&store, "UPDATE mcp_tools SET timeout_seconds = 9, enabled = 0, updated_at = 8").await;
        assert_eq!(last(), Some(("disabled".into(), 7)), "a change of something else does not move it");
        change(&store, "DELETE FROM mcp_tools").await;
        assert!(last().is_some_and(|(change, at)| change == "removed" && at > 1_700_000_000_000));
        change(&store, "INSERT INTO mcp_tools (id, tool_name, group_id, created_at, updated_at) VALUES ('1', 't', 'g', 1, 5)").await;
        change(&store, "DELETE FROM mcp_tool_groups").await;
        assert_eq!(last(), None, "a group that is gone leaves nothing");
    }
}
