//! The one writer: a thread that takes what waits, runs it in one transaction, and commits once for all.
//!
//! While a commit waits for the disk, the next writes gather; so the group grows with the load and a lone write never
//! waits for company. What goes into a group, and what steps back while many are being accepted, is said in `inbox.rs`.
//! Each write runs inside a savepoint: its error undoes it alone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Semaphore, oneshot, watch};

use super::{
    error::{IOERR_WRITE, OpenError, StoreError},
    inbox::{GROUP, Inbox, Lane},
    revision::Revision,
};

/// Writes of the first lane that may wait; callers beyond it wait themselves.
const FIRST: usize = 4096;
/// Writes of the ordinary kind that may wait at a time.
const ORDINARY: usize = 128;

pub(super) struct Writer {
    first: Semaphore,
    ordinary: Semaphore,
    inbox: Arc<Inbox<Box<dyn Work>>>,
    failure: watch::Receiver<Option<String>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. `revision` is told of every commit.
    pub(super) fn start(db: Connection, revision: Arc<Revision>) -> Result<Self, OpenError> {
        let inbox = Arc::new(Inbox::new());
        let (fail, failure) = watch::channel(None);
        let work = Arc::clone(&inbox);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                let _end = End(&work);
                run(&db, &work, &fail, &revision);
            })
            .map_err(|error| OpenError::Unusable { path: "writer thread".into(), why: error.to_string() })?;
        let (first, ordinary) = (Semaphore::new(FIRST), Semaphore::new(ORDINARY));
        Ok(Self { first, ordinary, inbox, failure, thread: Mutex::new(Some(thread)) })
    }

    /// A write that waits its turn: while the daemon works on thousands of runs, what it writes must not be before
    /// those who are being accepted.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.ordinary.acquire().await;
        self.through(Lane::Ordinary, work).await
    }

    /// A write that somebody outside waits for.
    pub(super) async fn submit_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.first.acquire().await;
        self.through(Lane::First, work).await
    }

    async fn through<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Closed("it is shutting down".into());
        let (reply, answer) = oneshot::channel();
        if !self.inbox.put(lane, Box::new(Task { work: Some(work), result: None, reply })) {
            return Err(closed());
        }
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
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread reports its own failures; there is nothing left to say about how it ended.
            let _ended = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// Whatever ends the thread, nobody waits for it after that.
struct End<'a>(&'a Inbox<Box<dyn Work>>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.close();
        // Callers hear that their write was not run when it is dropped.
        while self.0.take(&mut Vec::new()) {}
    }
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

fn run(db: &Connection, inbox: &Inbox<Box<dyn Work>>, fail: &watch::Sender<Option<String>>, revision: &Revision) {
    let mut group = Vec::with_capacity(GROUP);
    while inbox.take(&mut group) {
        let commit = match fail.borrow().as_ref() {
            Some(why) => Err(StoreError::Closed(why.clone())),
            None => commit(db, &mut group),
        };
        revision.forget();
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
