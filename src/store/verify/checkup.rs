//! The file itself, before anybody works with it: any version's, and a damaged one's.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{VerifyError, foreign_keys, integrity};
use crate::store::{OpenError, migrate};

/// How a database file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// Version of its schema.
    pub version: i64,
    /// The version that this program works with.
    pub known: i64,
    /// What is wrong with its pages, indices and references.
    pub faults: Vec<String>,
    /// Size of the file.
    pub bytes: u64,
    /// Size of its write-ahead log.
    pub wal_bytes: u64,
    /// Time of the newest row of the logs, in milliseconds.
    pub latest_ms: Option<i64>,
}

/// Looks at the database at `path`, and changes nothing.
pub fn checkup(path: &Path) -> Result<Checkup, VerifyError> {
    let corrupt = |error: rusqlite::Error| OpenError::Corrupt { path: path.to_owned(), why: error.to_string() };
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| OpenError::Unusable { path: path.to_owned(), why: error.to_string() })?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;")?;
    let version = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(corrupt)?;
    let mut faults = integrity(&db)?.findings;
    if version == migrate::version() {
        faults.extend(foreign_keys(&db)?.findings);
    }
    let size = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
    let wal = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
    Ok(Checkup { version, known: migrate::version(), faults, bytes: size(path), wal_bytes: size(&wal), latest_ms: latest(&db) })
}

/// An older schema may lack a table: it says nothing of the time then.
fn latest(db: &Connection) -> Option<i64> {
    let newest = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional().ok().flatten().flatten();
    let calls = newest("SELECT created_at FROM mcp_call_logs ORDER BY id DESC LIMIT 1");
    calls.max(newest("SELECT max(accepted_at) FROM registrations"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sound_and_damaged_files_are_told_apart() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("db.sqlite3");
        let store = crate::store::Store::open(&path).unwrap();
        store.close().await;
        drop(store);
        let found = checkup(&path).unwrap();
        assert_eq!((found.version, found.faults.len(), found.latest_ms), (found.known, 0, None));
        assert!(found.bytes > 0);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0xA5);
        std::fs::write(&path, &bytes).unwrap();
        let damaged = checkup(&path);
        assert!(damaged.as_ref().map_or(true, |found| !found.faults.is_empty()), "{damaged:?}");
        std::fs::write(&path, b"this is no database at all, only some text").unwrap();
        assert!(checkup(&path).is_err());
    }
}
