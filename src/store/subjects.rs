//! Subjects: what an agent is told instead of a user id, for as long as the run that asked it goes on.

use rusqlite::{Connection, Row, params};

use super::{Store, StoreError, replays, rows};

/// A subject to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubject {
    /// `sub_…`, from [`crate::ids::subject_id`].
    pub id: String,
    /// The run it lives in.
    pub registration_id: String,
    /// Who it stands for.
    pub user_id: String,
    /// When it stops standing for anybody, in milliseconds.
    pub expires_at: i64,
}

/// A subject of a live run, or of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The run it lives in; of a rehearsal, its own id.
    pub registration_id: String,
    /// Who it stands for.
    pub user_id: String,
    /// Whether it is a rehearsal's: then nothing may be stored.
    pub rehearsal: bool,
}

impl Store {
    /// Keeps a subject by itself, as [`insert`].
    #[cfg(test)]
    async fn mint_subject(&self, new: NewSubject) -> Result<String, StoreError> {
        self.write(move |db| insert(db, &new)).await
    }

    /// Who the subject stands for at `now`: nobody once it has expired, or its run has ended and no agent is asked any more.
    pub fn subject(&self, id: &str, now: i64) -> Result<Option<Subject>, StoreError> {
        self.point(|db| match rows::one(db, LIVE, params![id, now], |row| subject(row, false))? {
            Some(found) => Ok(Some(found)),
            None => rows::one(db, replays::LIVE, params![id, now], |row| subject(row, true)),
        })
    }

    /// Removes those that expired before `now`. Says how many.
    pub async fn prune_subjects(&self, now: i64) -> Result<usize, StoreError> {
        self.write(move |db| Ok(db.execute("DELETE FROM subjects WHERE expires_at <= ?1", [now])?)).await
    }
}

/// An agent that answers late is still asked after the run's last step: its calls belong to the run.
const LIVE: &str = "SELECT s.registration_id, s.user_id FROM subjects s JOIN registrations r ON r.id = s.registration_id
    WHERE s.id = ?1 AND s.expires_at > ?2 AND (r.finished_at IS NULL
        OR EXISTS (SELECT 1 FROM agent_calls a WHERE a.registration_id = r.id AND a.state = 'asked'))";

fn subject(row: &Row<'_>, rehearsal: bool) -> rusqlite::Result<Subject> {
    Ok(Subject { registration_id: row.get(0)?, user_id: row.get(1)?, rehearsal })
}

/// Keeps a subject within the caller's transaction; returns its id. A run has one: the id that was kept first stays, and
/// lives as long as the new one.
pub(super) fn insert(db: &Connection, new: &NewSubject) -> Result<String, StoreError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO subjects (id, registration_id, user_id, expires_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (registration_id) DO UPDATE SET expires_at = excluded.expires_at RETURNING id",
    )?;
    Ok(insert.query_row(params![new.id, new.registration_id, new.user_id, new.expires_at], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    async fn store_with_run() -> (tempfile::TempDir, Store) {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
        change(
            &store,
            "INSERT INTO registrations (id, user_id, body_hash, profile, state, accepted_at, deadline_at)
             VALUES ('run_1', 'usr_1', x'00', '{}', 'accepted', 0, 0)",
        )
        .await;
        (dir, store)
    }

    async fn change(store: &Store, sql: &'static str) {
        store.write(move |db| Ok(db.execute_batch(sql)?)).await.unwrap();
    }

    fn new(id: &str, expires_at: i64) -> NewSubject {
        NewSubject { id: id.into(), registration_id: "run_1".into(), user_id: "usr_1".into(), expires_at }
    }

    #[tokio::test]
    async fn a_run_has_one_subject_however_often_its_first_step_is_tried() {
        let (_dir, store) = store_with_run().await;
        assert_eq!(store.mint_subject(new("sub_a", NOW + 10)).await.unwrap(), "sub_a");
        assert_eq!(store.mint_subject(new("sub_b", NOW + 20)).await.unwrap(), "sub_a");
        assert_eq!(store.subject("sub_b", NOW).unwrap(), None);
        let about = store.subject("sub_a", NOW + 19).unwrap().unwrap();
        assert_eq!((about.user_id.as_str(), about.registration_id.as_str()), ("usr_1", "run_1"));
        assert_eq!(store.subject("sub_a", NOW + 20).unwrap(), None, "expired");
        assert_eq!(store.prune_subjects(NOW + 19).await.unwrap(), 0);
        assert_eq!(store.prune_subjects(NOW + 20).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn it_ends_with_the_run_unless_an_agent_is_still_asked() {
        let (_dir, store) = store_with_run().await;
        store.mint_subject(new("sub_a", NOW + 10)).await.unwrap();
        change(
            &store,
            "UPDATE registrations SET state = 'done', finished_at = 1;
             INSERT INTO agent_calls (id, registration_id, agent_id, rung, state, started_at) VALUES ('c', 'run_1', 'a', 'agent', 'asked', 1)",
        )
        .await;
        assert!(store.subject("sub_a", NOW).unwrap().is_some(), "a late answer may come");
        change(&store, "UPDATE agent_calls SET state = 'late'").await;
        assert_eq!(store.subject("sub_a", NOW).unwrap(), None);
    }

    #[test]
    fn the_look_up_goes_by_keys() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(super::super::migrate::SCHEMA).unwrap();
        for sql in [LIVE, replays::LIVE] {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan.query_map(params!["", 0], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            assert!(steps.iter().all(|step| !step.starts_with("SCAN") || step.contains("CONSTANT")), "{steps:?}");
        }
    }
}
