//! `system_settings`: one row for each setting that was changed.

use rusqlite::params;
use serde_json::Value;

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    policy, rows,
};

/// A setting that was changed.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSetting {
    /// Its name.
    pub name: String,
    /// Its value, sealed where it has secrets.
    pub value: Value,
    /// Who changed it last.
    pub updated_by: String,
    /// When, in milliseconds.
    pub updated_at: i64,
}

/// A setting that is to change.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingChange {
    /// Its name.
    pub name: String,
    /// Its value, sealed where it has secrets; none for its default.
    pub value: Option<Value>,
    /// What the audit log says of it, without secrets.
    pub row: Change,
}

#[cfg(test)]
impl SettingChange {
    /// A value as it is, for tests of what settings do.
    pub(crate) fn plain(name: &str, value: Value) -> Self {
        Self { name: name.to_owned(), value: Some(value), row: Change::new("setting.set", format!("setting/{name}")) }
    }
}

impl Store {
    /// Every stored setting, by name.
    pub fn settings(&self) -> Result<Vec<StoredSetting>, StoreError> {
        self.point(|db| {
            rows::all(db, "SELECT name, value, updated_by, updated_at FROM system_settings ORDER BY name", [], |row| {
                Ok(StoredSetting { name: row.get(0)?, value: rows::json(row, 1)?, updated_by: row.get(2)?, updated_at: row.get(3)? })
            })
        })
    }

    /// Stores settings, all or none, each with its row of the audit log; without a value, a setting returns to its
    /// default. Does nothing and says false when something was changed since revision `seen`: what was checked then may
    /// no longer hold.
    pub async fn put_settings(&self, changes: Vec<SettingChange>, by: By, seen: i64) -> Result<bool, StoreError> {
        self.write(move |db| {
            if policy::revision(db)? != seen {
                return Ok(false);
            }
            for SettingChange { name, value, row } in &changes {
                match value {
                    // The time is the row's version: it rises with each change, even under a clock that goes back.
                    Some(value) => db.execute(
                        "INSERT INTO system_settings (name, value, updated_by, updated_at) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by,
                             updated_at = max(excluded.updated_at, updated_at + 1)",
                        params![name, value.to_string(), by.actor, by.at],
                    )?,
                    None => db.execute("DELETE FROM system_settings WHERE name = ?1", [name])?,
                };
                audit::append(db, &by, row)?;
            }
            Ok(true)
        })
        .await
    }
}
