//! What can go wrong with the database, in words an operator can act on.

use std::path::PathBuf;

/// SQLITE_IOERR_WRITE: a file-size limit reports it where a full disk reports SQLITE_FULL.
pub(super) const IOERR_WRITE: i32 = 778;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its directory cannot be used.
    #[error("cannot open the database {path}: {why}. Check that the directory exists and that this user may write to it")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the engine or the system said.
        why: String,
    },
    /// Another process holds it.
    #[error("the database {path} is locked by another process. Stop that process, or give this one another --data-dir")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are no database, or a damaged one.
    #[error("{path} is damaged or not a database ({why}). Restore it from a backup, or move it away to start afresh; nothing was changed")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        why: String,
    },
    /// A later version of the daemon wrote it.
    #[error(
        "the database {path} has schema version {found}, written by a newer anmei-mcp; this one knows version {known}. Start the newer version, or restore a backup made before the upgrade; nothing was changed"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The highest version this binary knows.
        known: i64,
    },
    /// The linked SQLite has a known fault.
    #[error("SQLite {found} can corrupt a write-ahead log; 3.51.3 or later is needed. Build with the bundled SQLite")]
    OldEngine {
        /// Its version.
        found: String,
    },
}

/// Why one read or write failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the write lock for longer than we wait.
    #[error("the database is locked by another process")]
    Busy,
    /// The disk is full.
    #[error("the disk under the database is full")]
    Full,
    /// The commit failed in a way that may still prove durable after a restart.
    #[error("the outcome of the commit is unknown: {0}")]
    InDoubt(String),
    /// The store is closing or has failed.
    #[error("the database is closed: {0}")]
    Closed(String),
    /// A rule of the schema was broken.
    #[error("{0}")]
    Conflict(String),
    /// The thing to be changed does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A stored value makes no sense, or the engine failed otherwise.
    #[error("the database failed: {0}")]
    Engine(String),
}

impl StoreError {
    /// Whether the same call may work in a moment.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::InDoubt(_) | Self::Closed(_))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            _ if error.sqlite_error().is_some_and(|e| e.extended_code == IOERR_WRITE) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Conflict(error.to_string()),
            _ => Self::Engine(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Engine(format!("a stored value is not the JSON it should be: {error}"))
    }
}

impl From<StoreError> for anmei_mcp_tools::port::RecordsError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::Unavailable(error.to_string()) } else { Self::Corrupt(error.to_string()) }
    }
}
