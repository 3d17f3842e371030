//! Opening the database file: engine check, pragmas, and the way from an older schema to today's.

use std::{path::Path, sync::LazyLock, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction};
use rusqlite_migration::{HookError, M, Migrations};

use super::{error::OpenError, figures};
use crate::drill;

/// Today's schema, for fresh installations.
pub const SCHEMA: &str = include_str!("../../schema.sql");

/// The steps from an empty file to today's schema, in order. Append only: a released step is never edited.
static STEPS: LazyLock<Vec<M<'static>>> = LazyLock::new(|| {
    vec![
        M::up(include_str!("migrations/0001_base.sql")),
        M::up(include_str!("migrations/0002_live_revocations.sql")),
        M::up(include_str!("migrations/0003_keys.sql")),
        M::up(include_str!("migrations/0004_tasks_and_old_lists.sql")),
        M::up(include_str!("migrations/0005_accounts.sql")),
        M::up(include_str!("migrations/0006_oauth.sql")),
        M::up(include_str!("migrations/0007_limits.sql")),
        M::up(include_str!("migrations/0008_admin_entry.sql")),
        M::up(include_str!("migrations/0011_runs.sql")),
        M::up(include_str!("migrations/0012_agent_versions.sql")),
        M::up(include_str!("migrations/0014_failures.sql")),
        M::up(include_str!("migrations/0015_traceparent.sql")),
        M::up_with_hook(include_str!("migrations/0016_figures.sql"), |db: &Transaction<'_>| {
            figures::upkeep::count_all(db).map_err(|error| HookError::Hook(error.to_string()))
        }),
        M::up(include_str!("migrations/0017_variants.sql")),
        M::up(include_str!("migrations/0018_consent.sql")),
    ]
});

/// Oldest SQLite without the bug that loses a write-ahead log (sqlite.org/wal.html#walresetbug).
const OLDEST_ENGINE: i32 = 3_051_003;

/// Opens the file for writing, at today's schema.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < OLDEST_ENGINE {
        return Err(OpenError::OldEngine { found: rusqlite::version().into() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let explain = |error| explain(path, &error);
    let mut db = Connection::open_with_flags(path, flags).map_err(explain)?;
    db.busy_timeout(Duration::from_secs(5)).map_err(explain)?;
    let found = user_version(&db).map_err(explain)?;
    let known = version();
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    pragmas(&db).map_err(explain)?;
    bring_up_to_date(&mut db, found, known).map_err(|why| match why {
        rusqlite_migration::Error::RusqliteError { err, .. } => explain(err),
        other => OpenError::Corrupt { path: path.to_owned(), why: other.to_string() },
    })?;
    Ok(db)
}

fn bring_up_to_date(db: &mut Connection, found: i64, known: i64) -> rusqlite_migration::Result<()> {
    if found == known {
        return Ok(());
    }
    if found == 0 && is_empty(db)? {
        return Ok(install(db, known)?);
    }
    migrations().to_latest(db)
}

/// Runs `schema.sql` in one transaction; of two processes that start together, the second finds the work done.
fn install(db: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if user_version(&tx)? == 0 {
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "user_version", version)?;
    }
    tx.commit()
}

fn migrations() -> Migrations<'static> {
    Migrations::from_slice(&STEPS)
}

/// Builds the schema by the migrations alone: what an installation of the first release has today.
pub fn migrate_from_nothing(path: &Path) -> Result<(), OpenError> {
    let mut db = Connection::open(path).map_err(|error| explain(path, &error))?;
    migrations().to_latest(&mut db).map_err(|error| OpenError::Corrupt { path: path.to_owned(), why: error.to_string() })
}

/// Version of today's schema.
pub(super) fn version() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

fn user_version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get(0))
}

/// Everything is stated, nothing left to the engine's defaults. FULL: with NORMAL a power cut loses acknowledged commits.
fn pragmas(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(128);
    db.pragma_update(None, "synchronous", drill::synchronous())?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 67108864; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -768;",
    )
}

fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Corrupt { path, why: error.to_string() },
        _ => OpenError::Unusable { path, why: error.to_string() },
    }
}
