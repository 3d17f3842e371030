//! Small steps between a row and a domain value: JSON columns, times, and what an upsert did.
//!
//! Kept apart so that each aggregate's file holds SQL and nothing else. It refuses a stored text that is not the JSON
//! its column promises: the read fails, and says so, instead of answering with something made up.

use chrono::{DateTime, Utc};
use rusqlite::{
    Connection, OptionalExtension, Params, Row, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::clock::from_ms;

/// A value kept as JSON text.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0);
        text.map(ToSqlOutput::from).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

/// A JSON column as a value.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get(column).map(|Json(value)| value)
}

/// A time column as a value.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    row.get(column).map(from_ms)
}

/// A time column that may be NULL.
pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DateTime<Utc>>> {
    row.get::<_, Option<i64>>(column).map(|ms| ms.map(from_ms))
}

/// The one row of a cached statement, if there is one.
pub(super) fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    db.prepare_cached(sql)?.query_row(params, read).optional()
}

/// Every row of a cached statement.
pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// What an upsert did to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The row is new.
    Added,
    /// A stored row has other values than before.
    Changed,
    /// The stored row says all of it already.
    Unchanged,
}

/// One upsert: `exists` asks by key, `sql` writes only where something differs.
///
/// Asked beforehand, because neither the count of changes nor RETURNING tells an inserted row from an updated one.
pub(super) fn upsert(db: &Connection, exists: &str, key: &str, sql: &str, params: &[(&str, &dyn ToSql)]) -> rusqlite::Result<Change> {
    let known = db.prepare_cached(exists)?.exists([key])?;
    let written = db.prepare_cached(sql)?.execute(params)?;
    Ok(match (known, written) {
        (_, 0) => Change::Unchanged,
        (true, _) => Change::Changed,
        (false, _) => Change::Added,
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{Json, json};

    #[test]
    fn a_json_column_round_trips_and_a_broken_one_is_an_error() {
        let db = Connection::open_in_memory().unwrap();
        let read = |sql: &str, value: &dyn rusqlite::ToSql| db.query_row(sql, [value], |row| json::<Vec<String>>(row, 0));
        let list = vec!["色斑".to_owned(), "a \"quoted\" one".to_owned()];
        assert_eq!(read("SELECT ?1", &Json(&list)).unwrap(), list);
        let broken = read("SELECT ?1", &"{not json").unwrap_err();
        assert!(matches!(broken, rusqlite::Error::FromSqlConversionFailure(..)), "{broken}");
    }
}
