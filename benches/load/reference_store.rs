//! What the reference servers do with SQLite: the point read on a thread's own connection, and the group commit on a
//! thread of its own. Pragmas, columns and statements are those of `src/store`.

use std::{
    cell::RefCell,
    path::Path,
    thread::{JoinHandle, sleep},
    time::Duration,
};

use anyhow::Result;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

/// Rows that may wait for the writer; senders beyond it wait themselves.
const QUEUE: usize = 4_096;
/// Most rows in one commit.
const GROUP: usize = 2_048;

/// A row of `users`.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) avatar: Option<String>,
    pub(crate) roles: String,
    pub(crate) is_active: bool,
    pub(crate) registered_at: i64,
}

thread_local! {
    static READER: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// The user with this id, read on the calling thread.
pub(crate) fn user(db: &Path, id: &str) -> Result<Option<User>> {
    READER.with_borrow_mut(|slot| {
        let reader = match slot {
            Some(reader) => reader,
            None => slot.insert(open_reader(db)?),
        };
        let mut read =
            reader.prepare_cached("SELECT id, username, email, phone, avatar, roles, is_active, registered_at FROM users WHERE id = ?1")?;
        let user = read.query_row([id], |row| {
            Ok(User {
                id: row.get(0)?,
                username: row.get(1)?,
                email: row.get(2)?,
                phone: row.get(3)?,
                avatar: row.get(4)?,
                roles: row.get(5)?,
                is_active: row.get(6)?,
                registered_at: row.get(7)?,
            })
        });
        Ok(user.optional()?)
    })
}

fn open_reader(db: &Path) -> Result<Connection> {
    let reader = Connection::open_with_flags(db, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    reader.busy_timeout(Duration::from_secs(5))?;
    reader.execute_batch(
        "PRAGMA query_only = ON; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(reader)
}

/// Something the writer stores.
pub(crate) trait Row: Send + Sized + 'static {
    /// Stores a group, inside the writer's transaction.
    fn insert(group: &[Self], db: &Connection) -> rusqlite::Result<()>;

    /// Is told after the commit.
    fn committed(self) {}
}

/// Starts the writer. It waits `linger` for company to the first row of a group, and ends when every sender is gone.
pub(crate) fn start<R: Row>(path: &Path, linger: Duration) -> Result<(mpsc::Sender<R>, JoinHandle<()>)> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 67108864; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;",
    )?;
    let (queue, waiting) = mpsc::channel(QUEUE);
    Ok((queue, std::thread::spawn(move || write(&db, waiting, linger))))
}

fn write<R: Row>(db: &Connection, mut waiting: mpsc::Receiver<R>, linger: Duration) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
        if !linger.is_zero() {
            sleep(linger);
            while group.len() < GROUP
                && let Ok(next) = waiting.try_recv()
            {
                group.push(next);
            }
        }
        if let Err(error) = commit(db, &group) {
            eprintln!("the reference's commit failed: {error}");
            std::process::exit(1);
        }
        group.drain(..).for_each(Row::committed);
    }
}

fn commit<R: Row>(db: &Connection, group: &[R]) -> rusqlite::Result<()> {
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    R::insert(group, db)?;
    db.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

/// A row of the call log, as the daemon writes it for an answered call over HTTP.
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) group: &'static str,
    pub(crate) key: &'static str,
    pub(crate) client: String,
    pub(crate) protocol: String,
    pub(crate) request: String,
    pub(crate) response: String,
    pub(crate) duration_ms: i64,
    pub(crate) created_at: i64,
}

impl Row for Call {
    fn insert(group: &[Self], db: &Connection) -> rusqlite::Result<()> {
        let mut insert = db.prepare_cached(
            "INSERT INTO mcp_call_logs (call_id, tool_name, group_id, key_id, caller_app_id, client_name, channel, protocol,
                request_data, response_data, success, outcome, error_message, duration_ms, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?;
        let none: Option<&str> = None;
        for call in group {
            insert.execute(params![
                call.id,
                "get_user_profile",
                call.group,
                call.key,
                none,
                call.client,
                "http",
                call.protocol,
                call.request,
                call.response,
                true,
                "ok",
                none,
                call.duration_ms,
                call.created_at
            ])?;
        }
        Ok(())
    }
}

/// An accepted registration and its job, as the daemon writes them.
pub(crate) struct Registration {
    pub(crate) id: String,
    pub(crate) job: String,
    pub(crate) user: String,
    pub(crate) body_hash: [u8; 32],
    pub(crate) profile: String,
    pub(crate) accepted_at: i64,
    pub(crate) reply: oneshot::Sender<()>,
}

impl Row for Registration {
    fn insert(group: &[Self], db: &Connection) -> rusqlite::Result<()> {
        let mut registration = db.prepare_cached(
            "INSERT INTO registrations (id, event_id, user_id, body_hash, profile, state, accepted_at, deadline_at)
             VALUES (?1, NULL, ?2, ?3, ?4, 'accepted', ?5, ?6)",
        )?;
        let mut job = db.prepare_cached(
            "INSERT INTO jobs (id, kind, subject_id, state, attempt, run_at, created_at) VALUES (?1, 'registration', ?2, 'ready', 0, ?3, ?3)",
        )?;
        for new in group {
            let deadline = new.accepted_at + 3_000;
            registration.execute(params![new.id, new.user, new.body_hash, new.profile, new.accepted_at, deadline])?;
            job.execute(params![new.job, new.id, new.accepted_at])?;
        }
        Ok(())
    }

    fn committed(self) {
        // Whoever hung up needs no answer.
        let _gone = self.reply.send(());
    }
}
