//! `system_settings`: one row for each setting that was changed.

use rusqlite::params;
use serde_json::Value;

use super::{Store, StoreError, rows};

impl Store {
    /// Every stored setting, by name.
    pub fn settings(&self) -> Result<Vec<(String, Value)>, StoreError> {
        self.point(|db| {
            rows::all(db, "SELECT name, value FROM system_settings ORDER BY name", [], |row| {
                Ok((row.get(0)?, row.get::<_, rows::Json<Value>>(1)?.0))
            })
        })
    }

    /// Stores settings, all or none; without a value, a setting returns to its default.
    pub async fn put_settings(&self, changes: Vec<(String, Option<Value>)>, by: &str, now: i64) -> Result<(), StoreError> {
        let by = by.to_owned();
        self.write(move |db| {
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
            Ok(())
        })
        .await
    }
}
