//! Tasks: long calls that outlive the request that made them. A row is there before anybody hears of a task, and every
//! read asks for the one who started it, so that another caller's id is no id.

use rusqlite::{Row, params};

use super::{Store, StoreError, rows};

/// A task about to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// Its unguessable id.
    pub id: String,
    /// Who starts it.
    pub principal: String,
    /// In which group.
    pub group_id: String,
    /// The tool that is called.
    pub tool_name: String,
    /// `http` or `stdio`.
    pub channel: &'static str,
    /// The time.
    pub created_at: i64,
    /// When it has lost its process if it still is working.
    pub deadline_at: i64,
    /// When it is forgotten.
    pub expires_at: i64,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Its tool is running, or its process died.
    Working,
    /// The tool answered, with a result or with a failure.
    Completed,
    /// There is no answer.
    Failed,
    /// The caller stopped it.
    Cancelled,
}

impl TaskState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "completed" => Self::Completed,
            "cancelled" => Self::Cancelled,
            "working" => Self::Working,
            _ => Self::Failed,
        }
    }
}

/// A task as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its id.
    pub id: String,
    /// The tool that was called.
    pub tool_name: String,
    /// How far it is.
    pub state: TaskState,
    /// The tool's result, as JSON text.
    pub answer: Option<String>,
    /// What the caller is told instead.
    pub failure: Option<String>,
    /// What the caller should know about its old list, as JSON text.
    pub note: Option<String>,
    /// When it was started.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// When it has lost its process if it still is working.
    pub deadline_at: i64,
    /// When it is forgotten.
    pub expires_at: i64,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Not [`TaskState::Working`].
    pub state: TaskState,
    /// The tool's result, as JSON text.
    pub answer: Option<String>,
    /// What the caller is told instead.
    pub failure: Option<String>,
    /// What the caller should know about its old list, as JSON text.
    pub note: Option<String>,
}

/// Who asks for a task, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Who asks.
    pub principal: &'a str,
    /// In which group.
    pub group_id: &'a str,
    /// The time.
    pub now: i64,
}

impl Store {
    /// Keeps a task, unless its principal has `most` already. Forgets the principal's expired ones first.
    pub async fn add_task(&self, task: NewTask, most: u32) -> Result<bool, StoreError> {
        self.write_first(move |db| {
            db.prepare_cached("DELETE FROM mcp_tasks WHERE principal = ?1 AND expires_at <= ?2")?
                .execute(params![task.principal, task.created_at])?;
            let added = db
                .prepare_cached(
                    "INSERT INTO mcp_tasks (id, principal, group_id, tool_name, channel, created_at, updated_at, deadline_at, expires_at)
                     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8 WHERE (SELECT count(*) FROM mcp_tasks WHERE principal = ?2) < ?9",
                )?
                .execute(params![
                    task.id,
                    task.principal,
                    task.group_id,
                    task.tool_name,
                    task.channel,
                    task.created_at,
                    task.deadline_at,
                    task.expires_at,
                    most
                ])?;
            Ok(added == 1)
        })
        .await
    }

    /// The asker's own task.
    pub fn task(&self, id: &str, asker: Asker<'_>) -> Result<Option<TaskRow>, StoreError> {
        self.point(|db| rows::one(db, ONE, params![id, asker.principal, asker.group_id, asker.now], task))
    }

    /// Writes down how a task ended, unless it ended before.
    pub async fn settle_task(&self, id: &str, end: Settled, now: i64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let changed = db
                .prepare_cached(
                    "UPDATE mcp_tasks SET state = ?2, answer = ?3, failure = ?4, note = ?5, updated_at = ?6 WHERE id = ?1 AND state = 'working'",
                )?
                .execute(params![id, end.state.as_str(), end.answer, end.failure, end.note, now])?;
            Ok(changed == 1)
        })
        .await
    }

    /// Fails the tasks of a channel that nobody works on any more. Says how many.
    pub async fn fail_lost_tasks(&self, channel: &'static str, failure: &str, now: i64) -> Result<usize, StoreError> {
        let failure = failure.to_owned();
        self.write(move |db| {
            Ok(db.execute(
                "UPDATE mcp_tasks SET state = 'failed', failure = ?2, updated_at = ?3 WHERE channel = ?1 AND state = 'working'",
                params![channel, failure, now],
            )?)
        })
        .await
    }
}

const ONE: &str = "SELECT id, tool_name, state, answer, failure, note, created_at, updated_at, deadline_at, expires_at FROM mcp_tasks
    WHERE id = ?1 AND principal = ?2 AND group_id = ?3 AND expires_at > ?4";

fn task(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    Ok(TaskRow {
        id: row.get(0)?,
        tool_name: row.get(1)?,
        state: TaskState::read(row.get_ref(2)?.as_str()?),
        answer: row.get(3)?,
        failure: row.get(4)?,
        note: row.get(5)?,
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        deadline_at: row.get(8)?,
        expires_at: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn new(id: &str, principal: &str) -> NewTask {
        NewTask {
            id: id.into(),
            principal: principal.into(),
            group_id: "g".into(),
            tool_name: "t".into(),
            channel: "http",
            created_at: NOW,
            deadline_at: NOW + 10,
            expires_at: NOW + 100,
        }
    }

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
        store
            .write(|db| {
                Ok(db.execute_batch(
                    "INSERT INTO mcp_tool_groups (id, server_code, name, created_by, created_at, updated_at) VALUES ('g', 'g', 'g', 'cli', 0, 0)",
                )?)
            })
            .await
            .unwrap();
        (dir, store)
    }

    fn asks(principal: &str, now: i64) -> Asker<'_> {
        Asker { principal, group_id: "g", now }
    }

    #[tokio::test]
    async fn a_task_is_its_callers_alone_and_forgotten_in_time() {
        let (_dir, store) = store().await;
        assert!(store.add_task(new("a", "k1"), 2).await.unwrap());
        assert_eq!(store.task("a", asks("k1", NOW)).unwrap().unwrap().state, TaskState::Working);
        assert_eq!(store.task("a", asks("k2", NOW)).unwrap(), None);
        assert_eq!(store.task("a", Asker { group_id: "h", ..asks("k1", NOW) }).unwrap(), None);
        assert_eq!(store.task("a", asks("k1", NOW + 100)).unwrap(), None);
    }

    #[tokio::test]
    async fn a_caller_has_so_many_at_most_and_expired_ones_do_not_count() {
        let (_dir, store) = store().await;
        for (id, good) in [("a", true), ("b", true), ("c", false)] {
            assert_eq!(store.add_task(new(id, "k1"), 2).await.unwrap(), good, "{id}");
        }
        assert!(store.add_task(new("d", "k2"), 2).await.unwrap());
        let later = NewTask { created_at: NOW + 100, expires_at: NOW + 200, ..new("c", "k1") };
        assert!(store.add_task(later, 2).await.unwrap());
    }

    #[tokio::test]
    async fn a_task_ends_once() {
        let (_dir, store) = store().await;
        store.add_task(new("a", "k1"), 9).await.unwrap();
        let cancelled = Settled { state: TaskState::Cancelled, answer: None, failure: None, note: None };
        assert!(store.settle_task("a", cancelled, NOW + 1).await.unwrap());
        let done = Settled { state: TaskState::Completed, answer: Some("{}".into()), failure: None, note: None };
        assert!(!store.settle_task("a", done, NOW + 2).await.unwrap());
        assert_eq!(store.fail_lost_tasks("http", "gone", NOW).await.unwrap(), 0);
        let row = store.task("a", asks("k1", NOW)).unwrap().unwrap();
        assert_eq!((row.state, row.updated_at, row.answer), (TaskState::Cancelled, NOW + 1, None));
    }
}
