//! Records put one by one while the daemon runs: a record that cannot be stored costs only itself.

use rusqlite::{Connection, ffi::SQLITE_CONSTRAINT_FOREIGNKEY};

use super::{Record, put};
use crate::store::{Store, StoreError, rows::Change};

/// Why one record was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The field to blame, where there is one.
    pub field: Option<&'static str>,
    /// What is wrong with it, and what to do.
    pub why: String,
}

impl Store {
    /// Stores records in their order, in one commit; says of each whether it changed anything, or why it was refused.
    pub async fn put_records(&self, records: Vec<Record>, now_ms: i64) -> Result<Vec<Result<bool, Refused>>, StoreError> {
        self.write(move |db| records.iter().map(|record| put_one(db, record, now_ms)).collect()).await
    }
}

/// The outer error is the database's and undoes everything; the inner one is the record's, and its statement did nothing.
fn put_one(db: &Connection, record: &Record, now_ms: i64) -> Result<Result<bool, Refused>, StoreError> {
    let error = match put(db, record, now_ms) {
        Ok(change) => return Ok(Ok(change != Change::Unchanged)),
        Err(error) => error,
    };
    let dangles = error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_CONSTRAINT_FOREIGNKEY);
    if dangles && let Some(pointer) = record.points_at() {
        let (field, why) = pointer.dangling();
        return Ok(Err(Refused { field: Some(field), why }));
    }
    match StoreError::from(error) {
        StoreError::Conflict(why) => Ok(Err(Refused { field: None, why: format!("the database refuses it: {why}") })),
        other => Err(other),
    }
}
