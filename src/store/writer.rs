//! The one writer: a thread that takes what waits, runs it in one transaction, and commits once for all.
//!
//! While a commit waits for the disk, the next writes gather; so the group grows with the load and a lone write never
//! waits for company. Each write runs inside a savepoint: its error undoes it alone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::error::{IOERR_WRITE, OpenError, StoreError};

/// Writes that may wait; callers beyond it wait themselves.
const QUEUE: usize = 4096;
/// Writes of the ordinary kind that may wait at a time: few enough that one of the first kind is never far behind.
const ORDINARY: usize = 128;
/// Most writes in one commit.
const GROUP: usize = 512;

pub(super) struct Writer {
    ordinary: Arc<Semaphore>,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Work>>>>,
    failure: watch::Receiver<Option<String>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(db: Connection) -> Result<Self, OpenError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (fail, failure) = watch::channel(None);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&db, waiting, &fail))
            .map_err(|error| OpenError::Unusable { path: "writer thread".into(), why: error.to_string() })?;
        let ordinary = Arc::new(Semaphore::new(ORDINARY));
        Ok(Self { ordinary, queue: Mutex::new(Some(queue)), failure, thread: Mutex::new(Some(thread)) })
    }

    /// A write that waits its turn: while the daemon works on thousands of runs, what it writes must not fill the queue
    /// before those who are being accepted.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.ordinary.acquire().await;
        self.submit_first(work).await
    }

    /// A write that somebody outside waits for.
    pub(super) async fn submit_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Closed("it is shutting down".into());
        let queue = lock(&self.queue).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        queue.send(Box::new(Task { work: Some(work), result: None, reply })).await.map_err(|_| closed())?;
        drop(queue);
        answer.await.map_err(|_| closed())?
    }

    pub(super) async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Lets the thread finish what waits, then end.
    pub(super) async fn close(&self) {
        drop(lock(&self.queue).take());
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // The thread reports its own failures; there is nothing left to say about how it ended.
            let _ended = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One write with its caller's types erased.
trait Work: Send {
    /// Does it; false asks to undo it.
    fn run(&mut self, db: &Connection) -> bool;
    /// Tells the caller, after the commit.
    fn settle(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, StoreError> + Send> Work for Task<T, F> {
    fn run(&mut self, db: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| work(db)))
            .unwrap_or_else(|_| Err(StoreError::Engine("a write panicked and was undone".into())));
        let good = result.is_ok();
        self.result = Some(result);
        good
    }

    fn settle(self: Box<Self>, commit: Result<(), StoreError>) {
        let result = match (commit, self.result) {
            (Err(error), Some(Ok(_)) | None) => Err(error),
            (_, Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed("it was not run".into())),
        };
        // A caller that went away needs no answer.
        let _gone = self.reply.send(result);
    }
}

fn run(db: &Connection, mut waiting: mpsc::Receiver<Box<dyn Work>>, fail: &watch::Sender<Option<String>>) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = waiting.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        let commit = match fail.borrow().as_ref() {
            Some(why) => Err(StoreError::Closed(why.clone())),
            None => commit(db, &mut group),
        };
        if let Err(StoreError::InDoubt(why)) = &commit {
            tracing::error!(error = %why, "a commit failed; writing stops until the daemon is started again");
            fail.send_replace(Some(why.clone()));
        }
        group.drain(..).for_each(|work| work.settle(commit.clone()));
    }
    // What an orderly stop leaves behind is one file. A reader that is still there keeps the rest; nothing is lost by it.
    let _unable = db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// One transaction around the whole group.
fn commit(db: &Connection, group: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
    let step = |sql: &str| db.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(|_| ());
    step("BEGIN IMMEDIATE")?;
    for work in group.iter_mut() {
        step("SAVEPOINT work")?;
        if !work.run(db) {
            if db.is_autocommit() {
                // The engine gave the whole transaction up (disk full, I/O error).
                return Err(StoreError::Full);
            }
            step("ROLLBACK TO work")?;
        }
        step("RELEASE work")?;
    }
    step("COMMIT").map_err(|error| failed_commit(db, &error))
}

fn failed_commit(db: &Connection, error: &rusqlite::Error) -> StoreError {
    if !db.is_autocommit() {
        // Nothing can be done about a rollback that fails as well: the next BEGIN will say so.
        let _unable = db.execute_batch("ROLLBACK");
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::DiskFull) => StoreError::Full,
        // A write that failed (a file-size limit says so) left no whole commit behind; a failed fsync may have.
        _ if error.sqlite_error().is_some_and(|e| e.extended_code == IOERR_WRITE) => StoreError::Full,
        _ => StoreError::InDoubt(error.to_string()),
    }
}
