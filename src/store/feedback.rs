//! What customers say of their welcomes: one rating for each registration, the latest.
//!
//! A rating and the job that forwards it are written together; a rating that says nothing new writes nothing.

use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    jobs::{self, NewJob, Priority},
    rows,
};

/// Which welcome is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rated {
    /// The one of this registration.
    Registration(String),
    /// The one of this user.
    User(String),
}

/// A rating about to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFeedback {
    /// Which welcome.
    pub rated: Rated,
    /// 1 bad … 5 good.
    pub rating: u8,
    /// The customer's words.
    pub comment: Option<String>,
    /// `live` or `hook`.
    pub source: &'static str,
    /// UUID v7 of the job that forwards it.
    pub job_id: String,
    /// Name of the job's handler.
    pub job_kind: &'static str,
    /// The time.
    pub now: i64,
}

/// A rating that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The registration whose welcome it is about.
    pub registration_id: String,
    /// Whether it says something new.
    pub changed: bool,
}

impl Store {
    /// Keeps a rating with the job that forwards it. None when there is no such registration.
    pub async fn keep_feedback(&self, new: NewFeedback) -> Result<Option<Kept>, StoreError> {
        self.write(move |db| {
            let found: Option<String> = match &new.rated {
                Rated::Registration(id) => rows::one(db, "SELECT id FROM registrations WHERE id = ?1", [id], |row| row.get(0))?,
                Rated::User(id) => rows::one(db, "SELECT id FROM registrations WHERE user_id = ?1", [id], |row| row.get(0))?,
            };
            let Some(registration_id) = found else { return Ok(None) };
            let changed = keep(db, &registration_id, &new)?;
            Ok(Some(Kept { registration_id, changed }))
        })
        .await
    }
}

/// A rating and the answer it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// 1 bad … 5 good.
    pub rating: u8,
    /// The customer's words.
    pub comment: Option<String>,
    /// When Dify had it.
    pub forwarded_at: Option<i64>,
    /// The agent that wrote what is rated, and its message at Dify; none when no agent did.
    pub written_by: Option<(String, String)>,
}

impl Store {
    /// The rating of a run's welcome, with the agent's answer that the customer saw.
    pub fn rating(&self, registration_id: &str) -> Result<Option<Rating>, StoreError> {
        self.point(|db| {
            rows::one(db, RATING, [registration_id], |row| {
                let (agent, message): (Option<String>, Option<String>) = (row.get(3)?, row.get(4)?);
                Ok(Rating { rating: row.get(0)?, comment: row.get(1)?, forwarded_at: row.get(2)?, written_by: agent.zip(message) })
            })
        })
    }

    /// Notes that Dify has the rating, unless another one came meanwhile.
    pub async fn note_forwarded(&self, registration_id: &str, rating: u8, now: i64) -> Result<(), StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            db.execute("UPDATE feedback SET forwarded_at = ?3 WHERE registration_id = ?1 AND rating = ?2", params![id, rating, now])?;
            Ok(())
        })
        .await
    }
}

const RATING: &str = "SELECT f.rating, f.comment, f.forwarded_at, c.agent_id, c.dify_message_id
    FROM feedback f LEFT JOIN agent_calls c ON c.registration_id = f.registration_id AND c.state IN ('answered', 'late')
    WHERE f.registration_id = ?1 ORDER BY c.started_at DESC LIMIT 1";
const KEEP: &str = "INSERT INTO feedback (registration_id, rating, comment, source, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (registration_id) DO UPDATE SET rating = excluded.rating, comment = excluded.comment, source = excluded.source,
        created_at = excluded.created_at, forwarded_at = NULL
    WHERE (rating, comment) IS NOT (excluded.rating, excluded.comment)";
/// The job of an earlier rating is over: the later one needs it again.
const FORWARD_AGAIN: &str = "UPDATE jobs SET state = 'ready', attempt = 0, run_at = ?3, finished_at = NULL, last_error = NULL
    WHERE kind = ?1 AND subject_id = ?2 AND state IN ('done', 'dead', 'cancelled')";

fn keep(db: &Connection, registration_id: &str, new: &NewFeedback) -> Result<bool, StoreError> {
    let written = db.prepare_cached(KEEP)?.execute(params![registration_id, new.rating, new.comment, new.source, new.now])?;
    if written == 0 {
        return Ok(false);
    }
    let job = NewJob {
        id: new.job_id.clone(),
        kind: new.job_kind,
        subject_id: registration_id.to_owned(),
        run_at: new.now,
        priority: Priority::Bulk,
    };
    jobs::enqueue(db, &job, new.now)?;
    db.prepare_cached(FORWARD_AGAIN)?.execute(params![new.job_kind, registration_id, new.now])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{NewFeedback, Rated, keep};
    use crate::store::migrate::SCHEMA;

    fn rating(rating: u8, now: i64) -> NewFeedback {
        NewFeedback {
            rated: Rated::User("usr_1".into()),
            rating,
            comment: Some("很好".into()),
            source: "hook",
            job_id: format!("job_{now}"),
            job_kind: "feedback",
            now,
        }
    }

    #[test]
    fn a_later_rating_replaces_an_earlier_one_and_is_forwarded_again() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db.execute_batch(
            "INSERT INTO registrations (id, user_id, body_hash, profile, state, accepted_at, deadline_at)
             VALUES ('reg_1', 'usr_1', x'00', '{}', 'done', 1, 2)",
        )
        .unwrap();
        let job = || {
            db.query_row("SELECT id || ' ' || state || ' ' || attempt || ' ' || run_at FROM jobs", [], |row| row.get::<_, String>(0))
                .unwrap()
        };
        assert!(keep(&db, "reg_1", &rating(2, 10)).unwrap());
        assert_eq!(job(), "job_10 ready 0 10");
        assert!(!keep(&db, "reg_1", &rating(2, 20)).unwrap(), "the same again says nothing new");
        assert_eq!(job(), "job_10 ready 0 10");
        db.execute_batch("UPDATE jobs SET state = 'done', attempt = 1, finished_at = 15; UPDATE feedback SET forwarded_at = 15").unwrap();
        assert!(keep(&db, "reg_1", &rating(5, 30)).unwrap());
        assert_eq!(job(), "job_10 ready 0 30");
        let kept: (i64, Option<i64>) =
            db.query_row("SELECT rating, forwarded_at FROM feedback", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(kept, (5, None));
    }
}
