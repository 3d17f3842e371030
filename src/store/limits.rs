//! Limits that operators set, and how many calls each principal made on its day.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    policy::Written,
    rows,
    version::version_of,
};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `tools/list` in a minute.
    ListPerMinute,
    /// `tools/call` in a minute.
    CallPerMinute,
    /// Other requests in a minute.
    OtherPerMinute,
    /// Calls at a time.
    ConcurrentCalls,
    /// Calls in a day.
    CallsPerDay,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ListPerMinute, Self::CallPerMinute, Self::OtherPerMinute, Self::ConcurrentCalls, Self::CallsPerDay];

    /// Its name, as it is stored and typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListPerMinute => "list_per_minute",
            Self::CallPerMinute => "call_per_minute",
            Self::OtherPerMinute => "other_per_minute",
            Self::ConcurrentCalls => "concurrent_calls",
            Self::CallsPerDay => "calls_per_day",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The time it is counted over.
    pub fn window(self) -> &'static str {
        match self {
            Self::ListPerMinute | Self::CallPerMinute | Self::OtherPerMinute => "60s",
            Self::ConcurrentCalls => "at a time",
            Self::CallsPerDay => "day",
        }
    }

    /// Whether a tool may have it: its calls can be counted, and nothing else.
    pub fn fits_tool(self) -> bool {
        matches!(self, Self::CallPerMinute | Self::ConcurrentCalls)
    }
}

/// For whom a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each key of a group.
    Group,
    /// One key.
    Key,
    /// One tool of a group, for everybody together.
    Tool,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Key => "key",
            Self::Tool => "tool",
        }
    }
}

/// A limit that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitRow {
    /// For whom.
    pub scope: Scope,
    /// The group.
    pub group_id: String,
    /// The key, for a limit of a key.
    pub key_id: Option<String>,
    /// The tool, for a limit of a tool.
    pub tool_name: Option<String>,
    /// What is limited.
    pub kind: Kind,
    /// To how much; 0 is no limit.
    pub value: u32,
    /// Who set it.
    pub updated_by: String,
    /// When, in milliseconds.
    pub updated_at: i64,
}

/// A change of limits of one group, all or none.
#[derive(Debug, Clone, Default)]
pub struct LimitsChange {
    /// The group.
    pub group_id: String,
    /// What is set.
    pub set: Vec<LimitRow>,
    /// What is taken away, so that the next wider word counts; values are of no account.
    pub cleared: Vec<LimitRow>,
}

/// Calls of one principal on its latest day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCount {
    /// Id of the key, or what a token stands for.
    pub principal: Arc<str>,
    /// Number of the day, from 1970-01-01 in the clinic's time.
    pub day: u32,
    /// How many.
    pub calls: u32,
}

const LIMITS: &str = "SELECT scope, group_id, key_id, tool_name, kind, value, updated_by, updated_at FROM mcp_limits";
const ORDER: &str = "ORDER BY group_id, scope, key_id, tool_name, kind";
const DAYS: &str = "SELECT principal, day, calls FROM mcp_day_counts";

impl Store {
    /// The latest day of every principal.
    pub fn day_counts(&self) -> Result<Vec<DayCount>, StoreError> {
        self.point(|db| {
            rows::all(db, DAYS, [], |row| Ok(DayCount { principal: row.get::<_, String>(0)?.into(), day: row.get(1)?, calls: row.get(2)? }))
        })
    }

    /// The version of a group's limits, which a change names: made of all that are set in it.
    pub fn limits_version(&self, group_id: &str) -> Result<i64, StoreError> {
        self.point(|db| of_group(db, group_id)).map(|rows| version(&rows))
    }

    /// Sets limits and takes limits away. `seen` is the version of the group's limits the change was made on; none changes
    /// whatever is there. Says how many were there of those that were taken away.
    pub async fn change_limits(&self, change: LimitsChange, seen: Option<i64>, by: By) -> Result<Written<usize>, StoreError> {
        self.write(move |db| {
            let is_old = |seen: i64| of_group(db, &change.group_id).map(|rows| version(&rows) != seen);
            if seen.map(is_old).transpose()?.unwrap_or_default() {
                return Ok(Written::Stale(0));
            }
            change.set.iter().try_for_each(|row| set(db, row, &by))?;
            let mut gone = 0;
            for row in &change.cleared {
                gone += clear(db, row, &by)?;
            }
            Ok(Written::Done(gone))
        })
        .await
    }

    /// Writes down how many calls were made.
    pub async fn note_days(&self, counts: Vec<DayCount>) -> Result<(), StoreError> {
        self.write(move |db| {
            let mut put = db.prepare_cached(
                "INSERT INTO mcp_day_counts (principal, day, calls) VALUES (?1, ?2, ?3)
                 ON CONFLICT (principal) DO UPDATE SET day = excluded.day, calls = excluded.calls",
            )?;
            for count in &counts {
                put.execute(params![&*count.principal, count.day, count.calls])?;
            }
            // Of nobody who counts today or yesterday: keys and tokens come and go.
            if let Some(latest) = counts.iter().map(|count| count.day).max() {
                db.prepare_cached("DELETE FROM mcp_day_counts WHERE day + 1 < ?1")?.execute([latest])?;
            }
            Ok(())
        })
        .await
    }
}

/// Every limit that was set.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<LimitRow>> {
    rows::all(db, &format!("{LIMITS} {ORDER}"), [], limit)
}

/// Every limit that was set in a group.
pub(super) fn of_group(db: &Connection, group_id: &str) -> rusqlite::Result<Vec<LimitRow>> {
    rows::all(db, &format!("{LIMITS} WHERE group_id = ?1 {ORDER}"), [group_id], limit)
}

fn version(rows: &[LimitRow]) -> i64 {
    version_of(&json!(rows))
}

fn set(db: &Connection, row: &LimitRow, by: &By) -> Result<(), StoreError> {
    let before = value(db, row)?;
    delete(db, row)?;
    audit::append(db, by, &change(db, "limit.set", row, before)?.after(json!(row.value)))?;
    db.prepare_cached(
        "INSERT INTO mcp_limits (scope, group_id, key_id, tool_name, kind, value, updated_by, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        row.scope.as_str(),
        row.group_id,
        row.key_id,
        row.tool_name,
        row.kind.as_str(),
        row.value,
        row.updated_by,
        row.updated_at
    ])?;
    Ok(())
}

/// Takes a limit away. Says whether there was one, as a number.
fn clear(db: &Connection, row: &LimitRow, by: &By) -> Result<usize, StoreError> {
    let before = value(db, row)?;
    if before.is_none() {
        return Ok(0);
    }
    audit::append(db, by, &change(db, "limit.clear", row, before)?)?;
    delete(db, row)
}

/// The value that is set, if one is.
fn value(db: &Connection, row: &LimitRow) -> Result<Option<u32>, StoreError> {
    let sql = "SELECT value FROM mcp_limits WHERE scope = ?1 AND group_id = ?2 AND key_id IS ?3 AND tool_name IS ?4 AND kind = ?5";
    let place = params![row.scope.as_str(), row.group_id, row.key_id, row.tool_name, row.kind.as_str()];
    Ok(db.prepare_cached(sql)?.query_row(place, |row| row.get(0)).optional()?)
}

/// What the audit log says of a limit: which one, in the names that people use.
fn change(db: &Connection, action: &'static str, row: &LimitRow, before: Option<u32>) -> Result<Change, StoreError> {
    let names = "SELECT g.server_code, k.name FROM mcp_tool_groups g LEFT JOIN mcp_keys k ON k.id = ?2 WHERE g.id = ?1";
    let names = db
        .prepare_cached(names)?
        .query_row(params![row.group_id, row.key_id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
    let (group, key) = names.optional()?.ok_or_else(|| StoreError::NotFound("there is no such group any more".into()))?;
    let whose = match (key, &row.tool_name) {
        (Some(key), _) => format!("/key/{key}"),
        (None, Some(tool)) => format!("/tool/{tool}"),
        (None, None) => String::new(),
    };
    let change = Change::new(action, format!("limit/{group}{whose}/{}", row.kind.as_str()));
    Ok(match before {
        Some(before) => change.before(json!(before)),
        None => change,
    })
}

fn delete(db: &Connection, row: &LimitRow) -> Result<usize, StoreError> {
    let sql = "DELETE FROM mcp_limits WHERE scope = ?1 AND group_id = ?2 AND key_id IS ?3 AND tool_name IS ?4 AND kind = ?5";
    Ok(db.prepare_cached(sql)?.execute(params![row.scope.as_str(), row.group_id, row.key_id, row.tool_name, row.kind.as_str()])?)
}

fn limit(row: &Row<'_>) -> rusqlite::Result<LimitRow> {
    Ok(LimitRow {
        scope: word(row, 0, |text| [Scope::Group, Scope::Key, Scope::Tool].into_iter().find(|scope| scope.as_str() == text))?,
        group_id: row.get(1)?,
        key_id: row.get(2)?,
        tool_name: row.get(3)?,
        kind: word(row, 4, Kind::parse)?,
        value: row.get(5)?,
        updated_by: row.get(6)?,
        updated_at: row.get(7)?,
    })
}

fn word<T>(row: &Row<'_>, column: usize, read: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    read(text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("`{text}` is not known here").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn the_latest_day_of_each_is_kept_and_older_days_go() {
        let (_dir, store) = store();
        let count = |principal: &str, day, calls| DayCount { principal: principal.into(), day, calls };
        store.note_days(vec![count("a", 10, 1), count("b", 10, 5)]).await.unwrap();
        store.note_days(vec![count("a", 11, 2)]).await.unwrap();
        let mut kept = store.day_counts().unwrap();
        kept.sort_by(|a, b| a.principal.cmp(&b.principal));
        assert_eq!(kept, [count("a", 11, 2), count("b", 10, 5)]);
        store.note_days(vec![count("a", 12, 1)]).await.unwrap();
        assert_eq!(store.day_counts().unwrap(), [count("a", 12, 1)]);
    }

    #[tokio::test]
    async fn a_limit_without_its_group_is_refused() {
        let (_dir, store) = store();
        let row = LimitRow {
            scope: Scope::Group,
            group_id: "nobody".into(),
            key_id: None,
            tool_name: None,
            kind: Kind::CallsPerDay,
            value: 3,
            updated_by: "t".into(),
            updated_at: 1,
        };
        let change = LimitsChange { group_id: "nobody".into(), set: vec![row], cleared: Vec::new() };
        assert!(matches!(store.change_limits(change, None, By::new("t", 1)).await, Err(StoreError::NotFound(_))));
        assert!(store.policy().unwrap().limits.is_empty());
    }
}
