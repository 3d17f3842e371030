//! The database. The only folder that writes SQL, and the only one that sees rusqlite.
//!
//! One writer, many readers: reads come from pools of `query_only` connections, every write goes through one
//! thread that commits in groups ([`writer`]). What other folders see are domain operations with domain types, one
//! file per aggregate, so that a second engine could stand behind the same calls.
//!
//! Architecture invariant: no rusqlite type leaves this folder (`tests/it/layers.rs`).

mod error;
mod inbox;
pub mod migrate;
mod pool;
mod revision;
mod writer;

pub mod accounts;
pub mod admin_sessions;
pub mod agent_calls;
pub mod agents;
pub mod alerts;
pub mod api_tokens;
pub mod audit;
pub mod call_log;
pub mod call_log_read;
pub mod claims;
pub mod consultations;
pub mod conversation_list;
pub mod conversations;
pub mod customers_words;
pub mod deliveries;
pub mod disk;
pub mod escalations;
pub mod events;
pub mod failures;
pub mod feedback;
pub mod figures;
pub mod health;
pub mod idempotency;
pub mod import;
pub mod intake;
pub mod job_admin;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod live_revocations;
pub mod logged_calls;
pub mod messages;
pub mod notices;
pub mod notifications;
pub mod oauth_clients;
pub mod oauth_grants;
pub mod outcomes;
pub mod page;
pub mod plans;
pub mod policy;
pub mod prune;
pub mod pushes;
mod reach;
pub mod records;
pub mod registrations;
pub mod replays;
mod rows;
#[cfg(test)]
pub(crate) mod rows_for_tests;
pub mod run_list;
pub mod runs;
pub mod search;
pub mod second_factors;
pub mod services;
pub mod settings;
pub mod setup_links;
pub mod staff;
pub mod stale;
pub mod standing;
pub mod story;
pub mod subjects;
pub mod tasks;
pub mod users;
pub mod variants;
pub mod verify;
mod version;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;

pub use self::error::{OpenError, StoreError};
use self::{pool::Readers, revision::Revision, writer::Writer};

/// A handle on the database. Cheap to clone; the last one closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    events: bool,
}

struct Inner {
    path: PathBuf,
    readers: Readers,
    writer: Writer,
    revision: Arc<Revision>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `path`, creating or migrating it first. Blocks: call it at start.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = migrate::open_writer(path)?;
        let revision = Arc::new(Revision::default());
        let writer = Writer::start(connection, Arc::clone(&revision))?;
        let inner = Inner { path: path.to_owned(), readers: Readers::open(path)?, writer, revision };
        Ok(Self { inner: Arc::new(inner), events: false })
    }

    /// The same database for tools whose claims make events, or make none: a receiver is configured, or is not.
    #[must_use]
    pub fn with_events(mut self, events: bool) -> Self {
        self.events = events;
        self
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// A read of a few rows by key, on the calling thread: it takes microseconds, and handing it over would cost more.
    fn point<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.inner.readers.point(read)
    }

    /// A read that may take long, on a blocking thread. Dropping the future interrupts the query.
    async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.readers.scan(read).await
    }

    /// A write. Returns after its group's COMMIT; an error of one write undoes that write alone.
    ///
    /// Everything `work` does is one transaction. [`StoreError::InDoubt`] means the commit failed in a way that may
    /// still prove durable: never tell a caller that it was rejected.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.submit(work).await
    }

    /// A write that goes before the daemon's own work: somebody outside waits for it.
    async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.submit_first(work).await
    }

    /// Resolves when the disk failed under a commit: the process must stop and recover by a fresh start.
    pub async fn failed(&self) -> String {
        self.inner.writer.failed().await
    }

    /// Whether a read works at this moment; the error says why not.
    pub fn check(&self) -> Result<(), StoreError> {
        self.point(|db| db.query_row("SELECT revision FROM policy_revision", [], |row| row.get::<_, i64>(0))).map(|_| ())
    }

    /// Finishes every write that was submitted, and closes the writer.
    pub async fn close(&self) {
        self.inner.writer.close().await;
    }
}
