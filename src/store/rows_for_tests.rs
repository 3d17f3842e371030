//! A real database with rows put into it by hand, a clock that is moved, and settings: for tests that ask what rows say.

use std::sync::Arc;

use rusqlite::{Connection, ToSql};

use super::{Store, agents::Agent, audit::By};
use crate::{
    clock::{Clock, FixedClock},
    secret::MasterKey,
    settings::{Book, Given},
};

/// Where the clock begins: a Friday at noon, UTC.
pub(crate) const T0: i64 = 1_800_014_400_000;
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) struct Bench {
    _dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) book: Book,
    pub(crate) db: Connection,
}

/// A registration; what is not said is as in a run that was just accepted.
#[derive(Default, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) id: &'a str,
    pub(crate) state: &'a str,
    pub(crate) accepted_at: i64,
    pub(crate) finished_at: Option<i64>,
    pub(crate) agent_id: Option<&'a str>,
    pub(crate) rung: Option<&'a str>,
    pub(crate) welcome_at: Option<i64>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.sqlite3");
        let store = Store::open(&path).unwrap();
        let clock = Arc::new(FixedClock::at_ms(T0));
        let book = Book::new(store.clone(), Arc::new(MasterKey::generate().unwrap()), clock.clone());
        let db = Connection::open(path).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        Self { _dir: dir, store, clock, book, db }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) async fn set(&self, name: &str, value: serde_json::Value) {
        self.book.set(&[(name.to_owned(), Given::Value(value))], &super::audit::By::new("test", T0)).await.unwrap();
    }

    pub(crate) fn sql(&self, sql: &str, params: &[&dyn ToSql]) -> usize {
        self.db.execute(sql, params).unwrap()
    }

    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        self.db.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The user, the run and its conversation, all named after the run.
    pub(crate) fn run(&self, run: Run<'_>) {
        let id = run.id;
        let state = if run.state.is_empty() { "accepted" } else { run.state };
        let at = run.accepted_at;
        self.sql("INSERT INTO users (id, username, registered_at, created_at, updated_at) VALUES (?1, 'x', ?2, ?2, ?2)", &[&id, &at]);
        self.sql(
            "INSERT INTO conversations (id, customer_id, registration_id, title, created_at, updated_at) VALUES (?1, ?1, ?1, 't', ?2, ?2)",
            &[&id, &at],
        );
        self.sql(
            "INSERT INTO registrations (id, user_id, body_hash, profile, state, accepted_at, deadline_at, conversation_id, agent_id, welcome_rung, welcome_at, finished_at)
             VALUES (?1, ?1, x'00', '{}', ?2, ?3, ?3 + 3000, ?1, ?4, ?5, ?6, ?7)",
            &[&id, &state, &at, &run.agent_id, &run.rung, &run.welcome_at, &run.finished_at],
        );
    }

    /// A question of a run.
    pub(crate) fn call(&self, run: &str, (agent, rung): (&str, &str), state: &str, duration_ms: i64) {
        self.sql(
            "INSERT INTO agent_calls (id, registration_id, agent_id, rung, state, started_at, duration_ms)
             SELECT ?1 || '/' || count(*), ?1, ?2, ?3, ?4, ?5 + count(*), ?6 FROM agent_calls WHERE registration_id = ?1",
            &[&run, &agent, &rung, &state, &self.now(), &duration_ms],
        );
    }

    /// A job; one that ended did so now.
    pub(crate) fn job(&self, kind: &str, subject: &str, state: &str) {
        let now = self.now();
        let finished = matches!(state, "dead" | "done" | "cancelled").then_some(now);
        self.sql(
            "INSERT INTO jobs (id, kind, subject_id, state, run_at, created_at, finished_at, last_error) VALUES (?1 || '/' || ?2, ?1, ?2, ?3, ?4, ?4, ?5, 'why')
             ON CONFLICT (kind, subject_id) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at",
            &[&kind, &subject, &state, &now, &finished],
        );
    }

    /// What the customer of a run says.
    pub(crate) fn says(&self, run: &str, at: i64) {
        self.sql(
            "INSERT INTO messages (id, conversation_id, sender_type, sender_id, type, content, created_at) VALUES (?1 || ?2, ?1, 'customer', ?1, 'text', '{}', ?2)",
            &[&run, &at],
        );
    }

    pub(crate) fn claimed(&self, run: &str, at: i64) {
        self.sql(
            "INSERT INTO claims (registration_id, conversation_id, customer_id, consultant_id, via, claimed_at) VALUES (?1, ?1, ?1, 'c', 'rest', ?2)",
            &[&run, &at],
        );
    }

    pub(crate) fn rated(&self, run: &str, rating: i64) {
        let now = self.now();
        self.sql("INSERT INTO feedback (registration_id, rating, source, created_at) VALUES (?1, ?2, 'live', ?3)", &[&run, &rating, &now]);
    }

    /// An agent, enabled.
    pub(crate) async fn agent(&self, id: &str, part: &str, rollout_percent: u32) {
        let agent =
            Agent { part: part.into(), rollout_percent, ..Agent::new(id.into(), id.into(), "http://dify".into(), vec![0], self.now()) };
        self.store.add_agent(agent, By::new("test", self.now())).await.unwrap();
    }
}
