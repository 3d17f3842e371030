//! What is kept only for a while is deleted in small bites; what customers are part of never is.
//!
//! Old rows are looked for by readers and deleted by key, at most [`BITE`] in one write, so that the writer is never
//! held for long. Never deleted: registrations and their steps, conversations, messages, agents' calls, alerts; and
//! whatever is not settled: dead jobs (somebody has to replay or cancel them), what was not delivered, and the subject
//! of a run that may go on.

use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags, Params, params};
use serde::Serialize;

use super::{Store, StoreError, rows};

/// Most rows deleted in one write.
const BITE: i64 = 1_000;

/// Rows older than these times are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutoffs {
    /// Jobs that ended.
    pub jobs: i64,
    /// Notices, pushes and events that arrived.
    pub deliveries: i64,
    /// Entries of the call log.
    pub call_log: i64,
    /// Subjects that stand for nobody any more.
    pub subjects: i64,
    /// Tasks by the time they are forgotten.
    pub tasks: i64,
}

/// How many rows were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Pruned {
    /// Jobs.
    pub jobs: usize,
    /// Notices.
    pub notifications: usize,
    /// Pushes.
    pub pushes: usize,
    /// Events, each with its attempts.
    pub events: usize,
    /// Entries of the call log.
    pub calls: usize,
    /// Subjects.
    pub subjects: usize,
    /// Tasks that nobody may ask for any more.
    pub tasks: usize,
    /// Counts of stale callers who came back no more.
    pub stale_callers: usize,
}

impl Pruned {
    /// All of them.
    pub fn total(&self) -> usize {
        self.jobs + self.notifications + self.pushes + self.events + self.calls + self.subjects + self.tasks + self.stale_callers
    }
}

/// Finds keys of old rows, and deletes by key. Both take the cutoff where they say ?1, the keys come as a JSON array.
struct Rule {
    find: &'static str,
    delete: &'static str,
}

// What a job is about tells whether it comes again: a job that ended is deleted, the UNIQUE row of its effect stays.
const JOBS: Rule = Rule {
    find: "SELECT id FROM jobs WHERE finished_at < ?1 AND state IN ('done', 'cancelled') LIMIT ?2",
    delete: "DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ('done', 'cancelled')",
};
const NOTIFICATIONS: Rule = Rule {
    find: "SELECT id FROM notifications WHERE acked_at < ?1 LIMIT ?2",
    delete: "DELETE FROM notifications WHERE id IN (SELECT value FROM json_each(?1))",
};
// The latest one of a channel stays: it proves that the channel works.
const PUSHES: Rule = Rule {
    find: "SELECT p.id FROM pushes p WHERE p.delivered_at < ?1 AND EXISTS (SELECT 1 FROM pushes n WHERE n.channel = p.channel
        AND n.delivered_at > p.delivered_at AND (n.reason IN ('alert', 'resolved')) = (p.reason IN ('alert', 'resolved'))) LIMIT ?2",
    delete: "DELETE FROM pushes WHERE id IN (SELECT value FROM json_each(?1))",
};
const EVENTS: Rule = Rule {
    find: "SELECT id FROM outgoing_events WHERE delivered_at < ?1 LIMIT ?2",
    delete: "DELETE FROM outgoing_events WHERE id IN (SELECT value FROM json_each(?1))",
};
// The log is in the order of arrival: only its beginning is looked at.
const CALLS: Rule = Rule {
    find: "SELECT id FROM (SELECT id, created_at FROM mcp_call_logs ORDER BY id LIMIT ?2) WHERE created_at < ?1",
    delete: "DELETE FROM mcp_call_logs WHERE id IN (SELECT value FROM json_each(?1))",
};
const SUBJECTS: Rule = Rule {
    find: "SELECT s.id FROM subjects s JOIN registrations r ON r.id = s.registration_id
        WHERE s.expires_at < ?1 AND r.state NOT IN ('accepted', 'dead_letter') LIMIT ?2",
    delete: "DELETE FROM subjects WHERE id IN (SELECT value FROM json_each(?1))",
};
const TASKS: Rule = Rule {
    find: "SELECT id FROM mcp_tasks WHERE expires_at <= ?1 LIMIT ?2",
    delete: "DELETE FROM mcp_tasks WHERE id IN (SELECT value FROM json_each(?1))",
};
// Found by time, deleted by time: whoever came back in between has a later one.
const STALE_CALLERS: Rule = Rule {
    find: "SELECT last_at FROM mcp_stale_calls WHERE last_at < ?1 LIMIT ?2",
    delete: "DELETE FROM mcp_stale_calls WHERE last_at IN (SELECT value FROM json_each(?1))",
};

impl Store {
    /// Deletes what is older than the cutoffs.
    pub async fn prune(&self, cutoffs: Cutoffs) -> Result<Pruned, StoreError> {
        Ok(Pruned {
            jobs: self.bite_off(&JOBS, cutoffs.jobs).await?,
            notifications: self.bite_off(&NOTIFICATIONS, cutoffs.deliveries).await?,
            pushes: self.bite_off(&PUSHES, cutoffs.deliveries).await?,
            events: self.bite_off(&EVENTS, cutoffs.deliveries).await?,
            calls: self.bite_off(&CALLS, cutoffs.call_log).await?,
            subjects: self.bite_off(&SUBJECTS, cutoffs.subjects).await?,
            tasks: self.bite_off(&TASKS, cutoffs.tasks).await?,
            stale_callers: self.bite_off(&STALE_CALLERS, cutoffs.call_log).await?,
        })
    }

    async fn bite_off(&self, rule: &'static Rule, cutoff: i64) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let keys = self.scan(move |db| keys(db, rule.find, params![cutoff, BITE])).await?;
            if keys.is_empty() {
                return Ok(deleted);
            }
            let keys = serde_json::Value::Array(keys).to_string();
            let bite = self.write(move |db| Ok(db.prepare_cached(rule.delete)?.execute([keys])?)).await?;
            if bite == 0 {
                return Ok(deleted);
            }
            deleted += bite;
        }
    }

    /// Empties the write-ahead log once it is longer than `most` bytes. Says how long it was, when it was emptied; a
    /// reader that is still in it puts that off.
    pub async fn empty_long_wal(&self, most: u64) -> Result<Option<u64>, StoreError> {
        let database = self.path().to_owned();
        let wal = PathBuf::from(format!("{}-wal", database.display()));
        let length = tokio::fs::metadata(&wal).await.map_or(0, |file| file.len());
        if length <= most {
            return Ok(None);
        }
        let emptied = tokio::task::spawn_blocking(move || -> rusqlite::Result<bool> {
            let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            // The bulk is copied while writers go on; what is left to be done under the lock is little.
            db.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(PASSIVE)")?;
            db.busy_timeout(std::time::Duration::from_millis(500))?;
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).map(|busy| !busy)
        });
        let emptied = emptied.await.map_err(|error| StoreError::Engine(error.to_string()))??;
        Ok(emptied.then_some(length))
    }
}

fn keys(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Vec<serde_json::Value>> {
    rows::all(db, sql, params, |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(id) => id.into(),
            other => other.as_str()?.into(),
        })
    })
}

#[cfg(test)]
mod tests;
