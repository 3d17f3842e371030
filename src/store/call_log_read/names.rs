//! What the groups and keys of calls are called.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::store::{
    Store, StoreError,
    rows::{self, Json},
};

/// Keys that are offered as a filter.
const KEYS: u32 = 300;

/// What groups and keys are called, by their ids. Those that are gone are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallNames {
    /// Server code and name of each group.
    pub groups: HashMap<String, (String, String)>,
    /// Name and last characters of each key.
    pub keys: HashMap<String, (String, String)>,
}

/// A key with the group it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its last four characters.
    pub hint: String,
    /// The name of its group.
    pub group: String,
}

impl Store {
    /// What these groups and keys are called.
    pub fn call_names(&self, groups: &[&str], keys: &[&str]) -> Result<CallNames, StoreError> {
        let names = |db: &Connection, sql: &str, ids: &[&str]| {
            let ids = Json(ids);
            rows::all(db, sql, [ids], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).map(HashMap::from_iter)
        };
        self.point(|db| {
            Ok(CallNames {
                groups: names(
                    db,
                    "SELECT id, server_code, name FROM mcp_tool_groups WHERE id IN (SELECT value FROM json_each(?1))",
                    groups,
                )?,
                keys: names(db, "SELECT id, name, hint FROM mcp_keys WHERE id IN (SELECT value FROM json_each(?1))", keys)?,
            })
        })
    }

    /// Keys by which calls may have come, those in use first.
    pub fn known_keys(&self) -> Result<Vec<KnownKey>, StoreError> {
        let sql = "SELECT k.id, k.name, k.hint, g.name FROM mcp_keys k JOIN mcp_tool_groups g ON g.id = k.group_id
            ORDER BY k.revoked_at IS NOT NULL OR k.retired_at IS NOT NULL, g.created_at, k.created_at DESC LIMIT ?1";
        self.point(|db| {
            rows::all(db, sql, [KEYS], |row| Ok(KnownKey { id: row.get(0)?, name: row.get(1)?, hint: row.get(2)?, group: row.get(3)? }))
        })
    }
}
