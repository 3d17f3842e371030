//! Welcomes as the agents of today would write them: one row for each time somebody asked, and nothing else.
//!
//! A replay has a subject of its own. It lives in its row, beside those of runs: it stands for the run's customer only
//! while the question goes on, and whoever resolves it learns that it is a rehearsal, so that nothing may be stored for
//! it.

use rusqlite::{Connection, Row, params};

use super::{
    Store, StoreError,
    agent_calls::Thought,
    audit::{self, By, Change},
    rows::{self, Json},
};

/// A replay about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplay {
    /// UUID v7.
    pub id: String,
    /// The run whose facts the agent is told.
    pub registration_id: String,
    /// `sub_…`, from [`crate::ids::subject_id`].
    pub subject_id: String,
    /// When that stops standing for anybody, at the latest.
    pub subject_expires_at: i64,
    /// Who is asked.
    pub agent_id: String,
    /// That agent's name and version.
    pub agent: String,
}

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplayEnd {
    /// `answered` or `failed`.
    pub state: &'static str,
    /// Time to the first event.
    pub first_byte_ms: Option<i64>,
    /// Time to the end.
    pub duration_ms: Option<i64>,
    /// What a customer would be shown; when that is nothing, the agent's words.
    pub text: Option<String>,
    /// `passes`, or why a customer may not see it.
    pub verdict: Option<&'static str>,
    /// What the agent thought.
    pub thoughts: Vec<Thought>,
    /// Tokens used.
    pub tokens: Option<i64>,
    /// What it cost.
    pub price: Option<String>,
    /// In what.
    pub currency: Option<String>,
    /// Class of the error.
    pub error_kind: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A replay as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// UUID v7.
    pub id: String,
    /// The run.
    pub registration_id: String,
    /// Who was asked.
    pub agent_id: String,
    /// Its name and version at that time.
    pub agent: String,
    /// Who wanted to know.
    pub asked_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub asked_at: i64,
    /// `asked`, `answered`, `failed` or `unknown`.
    pub state: String,
    /// Time to the first event.
    pub first_byte_ms: Option<i64>,
    /// Time to the end.
    pub duration_ms: Option<i64>,
    /// The welcome the customer has.
    pub old_text: Option<String>,
    /// Which rung wrote it.
    pub old_rung: Option<String>,
    /// What a customer would be shown; when that is nothing, the agent's words.
    pub text: Option<String>,
    /// `passes`, or why a customer may not see it.
    pub verdict: Option<String>,
    /// What the agent thought.
    pub thoughts: Vec<Thought>,
    /// Tokens used.
    pub tokens: Option<i64>,
    /// What it cost.
    pub price: Option<String>,
    /// In what.
    pub currency: Option<String>,
    /// Class of the error.
    pub error_kind: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

const BEGIN: &str = "
    INSERT INTO registration_replays (id, registration_id, subject_id, subject_expires_at, agent_id, agent, asked_by, reason, asked_at, state,
                                      old_text, old_rung)
    SELECT ?2, r.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'asked', coalesce(json_extract(m.content, '$.text'), r.welcome_text), r.welcome_rung
      FROM registrations r LEFT JOIN messages m ON m.id = r.welcome_message_id WHERE r.id = ?1";
const END: &str = "
    UPDATE registration_replays SET state = ?2, first_byte_ms = ?3, duration_ms = ?4, text = ?5, verdict = ?6, thoughts = ?7, tokens = ?8,
           price = ?9, currency = ?10, error_kind = ?11, error = ?12
     WHERE id = ?1 AND state = 'asked'";
macro_rules! columns {
    () => {
        "SELECT id, registration_id, agent_id, agent, asked_by, reason, asked_at, state, first_byte_ms, duration_ms, old_text, old_rung,
                text, verdict, thoughts, tokens, price, currency, error_kind, error FROM registration_replays "
    };
}
const BY_ID: &str = concat!(columns!(), "WHERE id = ?1");
const OF_RUN: &str = concat!(columns!(), "WHERE registration_id = ?1 ORDER BY asked_at DESC, id DESC LIMIT ?2");
const OPEN: &str = "
    UPDATE registration_replays SET state = 'unknown', error = 'the process ended before the answer came' WHERE state = 'asked'";
/// Whom a replay's subject stands for.
pub(super) const LIVE: &str = "
    SELECT p.id, r.user_id FROM registration_replays p JOIN registrations r ON r.id = p.registration_id
     WHERE p.subject_id = ?1 AND p.subject_expires_at > ?2 AND p.state = 'asked'";

impl Store {
    /// Notes that an agent is about to be asked, with the welcome that the customer has.
    pub async fn begin_replay(&self, new: NewReplay, by: By) -> Result<Replay, StoreError> {
        self.write(move |db| {
            let begun = db.prepare_cached(BEGIN)?.execute(params![
                new.registration_id,
                new.id,
                new.subject_id,
                new.subject_expires_at,
                new.agent_id,
                new.agent,
                by.actor,
                by.reason,
                by.at
            ])?;
            if begun == 0 {
                return Err(StoreError::NotFound(format!("there is no registration {}", new.registration_id)));
            }
            let change = Change::new("registration.rehearse", format!("registration/{}", new.registration_id))
                .after(serde_json::json!({"replay_id": new.id, "agent": new.agent}));
            audit::append(db, &by, &change)?;
            Ok(db.prepare_cached(BY_ID)?.query_row([&new.id], replay)?)
        })
        .await
    }

    /// Notes how it ended. Only an open one can end.
    pub async fn end_replay(&self, id: &str, end: ReplayEnd) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.prepare_cached(END)?.execute(params![
                id,
                end.state,
                end.first_byte_ms,
                end.duration_ms,
                end.text,
                end.verdict,
                Json(&end.thoughts),
                end.tokens,
                end.price,
                end.currency,
                end.error_kind,
                end.error
            ])?;
            Ok(())
        })
        .await
    }

    /// Ends those whose process is gone. Says how many.
    pub async fn end_lost_replays(&self) -> Result<usize, StoreError> {
        self.write(|db| Ok(db.execute(OPEN, [])?)).await
    }

    /// One replay.
    pub fn replay(&self, id: &str) -> Result<Option<Replay>, StoreError> {
        self.point(|db| rows::one(db, BY_ID, [id], replay))
    }

    /// Replays of a run, the latest first.
    pub fn replays_of_run(&self, registration_id: &str, limit: u32) -> Result<Vec<Replay>, StoreError> {
        self.point(|db| of_run(db, registration_id, limit))
    }
}

fn of_run(db: &Connection, registration_id: &str, limit: u32) -> rusqlite::Result<Vec<Replay>> {
    rows::all(db, OF_RUN, params![registration_id, limit], replay)
}

fn replay(row: &Row<'_>) -> rusqlite::Result<Replay> {
    Ok(Replay {
        id: row.get(0)?,
        registration_id: row.get(1)?,
        agent_id: row.get(2)?,
        agent: row.get(3)?,
        asked_by: row.get(4)?,
        reason: row.get(5)?,
        asked_at: row.get(6)?,
        state: row.get(7)?,
        first_byte_ms: row.get(8)?,
        duration_ms: row.get(9)?,
        old_text: row.get(10)?,
        old_rung: row.get(11)?,
        text: row.get(12)?,
        verdict: row.get(13)?,
        thoughts: row.get::<_, Option<Json<Vec<Thought>>>>(14)?.map_or_else(Vec::new, |Json(thoughts)| thoughts),
        tokens: row.get(15)?,
        price: row.get(16)?,
        currency: row.get(17)?,
        error_kind: row.get(18)?,
        error: row.get(19)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        audit::Wanted,
        rows_for_tests::{Bench, Run},
    };

    fn new(id: &str) -> NewReplay {
        NewReplay {
            id: id.into(),
            registration_id: "run".into(),
            subject_id: format!("sub_{id}"),
            subject_expires_at: 100,
            agent_id: "a".into(),
            agent: "管家 v1".into(),
        }
    }

    #[tokio::test]
    async fn a_replay_keeps_the_old_welcome_and_ends_once() {
        let bench = Bench::new();
        bench.run(Run { id: "run", state: "done", finished_at: Some(1), rung: Some("agent"), ..Run::default() });
        bench.sql("UPDATE registrations SET welcome_text = '旧' WHERE id = 'run'", &[]);
        let by = By { reason: Some("新提示词".into()), ..By::new("account:op", 5) };
        let begun = bench.store.begin_replay(new("p1"), by.clone()).await.unwrap();
        assert_eq!((begun.old_text.as_deref(), begun.state.as_str(), begun.asked_by.as_str()), (Some("旧"), "asked", "account:op"));
        let audited = bench.store.audit_entries(Wanted { limit: 9, ..Wanted::default() }).await.unwrap();
        assert_eq!((audited[0].action.as_str(), audited[0].reason.as_deref()), ("registration.rehearse", Some("新提示词")));
        let end = ReplayEnd { state: "answered", text: Some("新".into()), verdict: Some("passes"), ..ReplayEnd::default() };
        bench.store.end_replay("p1", end.clone()).await.unwrap();
        bench.store.end_replay("p1", ReplayEnd { text: Some("再".into()), ..end }).await.unwrap();
        let ended = bench.store.replay("p1").unwrap().unwrap();
        assert_eq!((ended.text.as_deref(), ended.verdict.as_deref()), (Some("新"), Some("passes")));
        bench.store.begin_replay(new("p2"), by.clone()).await.unwrap();
        assert_eq!(bench.store.end_lost_replays().await.unwrap(), 1);
        let states: Vec<_> = bench.store.replays_of_run("run", 9).unwrap().into_iter().map(|one| one.state).collect();
        assert_eq!(states, ["unknown", "answered"]);
        let none = bench.store.begin_replay(NewReplay { registration_id: "nothing".into(), ..new("p3") }, by).await;
        assert!(matches!(none, Err(StoreError::NotFound(_))));
    }

    #[tokio::test]
    async fn its_subject_lives_while_it_goes_on() {
        let bench = Bench::new();
        bench.run(Run { id: "run", state: "done", finished_at: Some(1), ..Run::default() });
        bench.store.begin_replay(new("p1"), By::new("t", 1)).await.unwrap();
        let subject = bench.store.subject("sub_p1", 50).unwrap().unwrap();
        assert_eq!((subject.user_id.as_str(), subject.registration_id.as_str(), subject.rehearsal), ("run", "p1", true));
        assert_eq!(bench.store.subject("sub_p1", 100).unwrap(), None, "expired");
        bench.store.end_lost_replays().await.unwrap();
        assert_eq!(bench.store.subject("sub_p1", 50).unwrap(), None, "ended");
    }
}
