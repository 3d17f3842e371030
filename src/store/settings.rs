//! `system_settings`: one row for each setting that was changed.

use rusqlite::params;
use serde_json::Value;

use super::{Store, StoreError, policy, rows};

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

impl Store {
    /// Every stored setting, by name.
    pub fn settings(&self) -> Result<Vec<StoredSetting>, StoreError> {
        self.point(|db| {
            rows::all(db, "SELECT name, value, updated_by, updated_at FROM system_settings ORDER BY name", [], |row| {
                Ok(StoredSetting { name: row.get(0)?, value: rows::json(row, 1)?, updated_by: row.get(2)?, updated_at: row.get(3)? })
            })
        })
    }

    /// Stores settings, all or none; without a value, a setting returns to its default. Does nothing and says false
    /// when something was changed since revision `seen`: what was checked then may no longer hold.
    pub async fn put_settings(&self, changes: Vec<(String, Option<Value>)>, by: &str, now: i64, seen: i64) -> Result<bool, StoreError> {
        let by = by.to_owned();
        self.write(move |db| {
            if policy::revision(db)? != seen {
                return Ok(false);
            }
            for (name, value) in &changes {
                match value {
                    Some(value) => db.execute(
                        "INSERT INTO system_settings (name, value, updated_by, updated_at) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by, updated_at = excluded.updated_at",
                        params![name, value.to_string(), by, now],
                    )?,
                    None => db.execute("DELETE FROM system_settings WHERE name = ?1", [name])?,
                };
            }
            Ok(true)
        })
        .await
    }
}
