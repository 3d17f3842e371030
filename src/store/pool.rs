//! Read connections: two r2d2 pools, so that a long search never makes a point read wait.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use scheduled_thread_pool::ScheduledThreadPool;

use super::error::{OpenError, StoreError};

/// Statements kept prepared on each connection.
const CACHED_STATEMENTS: usize = 32;
/// Reads that may run at once on blocking threads.
const SCANS: u32 = 4;

/// The two pools.
pub(super) struct Readers {
    point: Pool<SqliteConnectionManager>,
    scan: Pool<SqliteConnectionManager>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        // A point read is never held across an await, so each thread of the runtime needs one at most.
        let threads = std::thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2));
        // Opens connections for both: each thread that allocates has a heap of its own.
        let opener = Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("store-opener").build());
        Ok(Self { point: pool(path, threads + 2, &opener)?, scan: pool(path, SCANS, &opener)? })
    }

    pub(super) fn point<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let db = checkout(&self.point)?;
        Ok(read(&db)?)
    }

    pub(super) async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.scan.clone();
        let interrupt = Arc::new(Interrupt::default());
        // Held by this future: dropping it (cancellation, timeout) ends the query on the other thread.
        let _guard = InterruptOnDrop(Arc::clone(&interrupt));
        let task = tokio::task::spawn_blocking(move || {
            let db = checkout(&pool)?;
            let Some(_running) = interrupt.begin(&db) else {
                return Err(StoreError::Closed("the caller went away".into()));
            };
            Ok(read(&db)?)
        });
        task.await.map_err(|error| StoreError::Engine(error.to_string()))?
    }
}

fn pool(path: &Path, size: u32, opener: &Arc<ScheduledThreadPool>) -> Result<Pool<SqliteConnectionManager>, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let manager = SqliteConnectionManager::file(path).with_flags(flags).with_init(|db| {
        db.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch(
            "PRAGMA query_only = ON; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -448;",
        )
    });
    Pool::builder()
        .max_size(size)
        .thread_pool(Arc::clone(opener))
        .min_idle(Some(1))
        .test_on_check_out(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connection_timeout(Duration::from_secs(2))
        .build(manager)
        .map_err(|error| OpenError::Unusable { path: path.to_owned(), why: error.to_string() })
}

fn checkout(pool: &Pool<SqliteConnectionManager>) -> Result<PooledConnection<SqliteConnectionManager>, StoreError> {
    pool.get().map_err(|error| StoreError::Closed(format!("no read connection: {error}")))
}

/// Interrupts a running query exactly while it runs: a late interrupt must not hit the connection's next user.
#[derive(Default)]
struct Interrupt {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    Running(InterruptHandle),
    Cancelled,
}

impl Interrupt {
    fn begin(self: &Arc<Self>, db: &Connection) -> Option<Running> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Cancelled) {
            return None;
        }
        *state = State::Running(db.get_interrupt_handle());
        Some(Running(Arc::clone(self)))
    }

    fn cancel(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(handle) = &*state {
            handle.interrupt();
        }
        *state = State::Cancelled;
    }
}

/// Marks the end of the query, however it ends.
struct Running(Arc<Interrupt>);

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Cancelled;
    }
}

struct InterruptOnDrop(Arc<Interrupt>);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
