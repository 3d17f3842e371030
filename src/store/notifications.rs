//! Notices for people who are, or will be, connected: rows that stay until their receiver says it has them.
//!
//! A row is committed before anybody is poked, so that a crash in between loses nothing: the next connection finds it.
//! What has been acknowledged stays acknowledged. Somebody else's notice does not exist for whoever asks.

use rusqlite::{Connection, Row, named_params};
use serde_json::Value;

use super::{
    Store, StoreError,
    rows::{self, Json},
};

/// The recipient that stands for every consultant.
pub const EVERY_CONSULTANT: &str = "";

/// The rows an audience may see: its own and, for consultants, those for every consultant (`:shared` is then the empty text).
const WAITING: &str = "
    SELECT id, registration_id, kind, level, payload, created_at FROM notifications
    WHERE recipient_id IN (:user, :shared) AND acked_at IS NULL AND id > :after
      AND id NOT IN (SELECT value FROM json_each(:except))
    ORDER BY id LIMIT :limit";
const COUNT: &str = "SELECT count(*) FROM notifications WHERE recipient_id IN (:user, :shared) AND acked_at IS NULL";
const ACK: &str = "
    UPDATE notifications SET acked_at = coalesce(acked_at, :now)
    WHERE recipient_id IN (:user, :shared) AND id IN (SELECT value FROM json_each(:ids)) RETURNING id";
const MARK_SENT: &str = "UPDATE notifications SET sent_at = :now WHERE sent_at IS NULL AND id IN (SELECT value FROM json_each(:ids))";

/// Whose notices are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The user.
    pub user_id: String,
    /// Whether those for every consultant are meant too.
    pub consultant: bool,
}

impl Audience {
    fn shared(&self) -> &str {
        if self.consultant { EVERY_CONSULTANT } else { &self.user_id }
    }
}

/// A notice on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// UUID v7.
    pub id: String,
    /// The run it is about.
    pub registration_id: String,
    /// `new_customer`, `customer_claimed`, `escalation`, `message`.
    pub kind: String,
    /// Escalation level; 0 for the first notice.
    pub level: u32,
    /// What it says (PRD 4.4.1).
    pub payload: Value,
    /// When it was made.
    pub created_at: i64,
}

/// Which of the waiting notices are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only those after this id; empty for all.
    pub after: String,
    /// None of these.
    pub except: Vec<String>,
    /// How many at most.
    pub limit: u32,
}

impl Store {
    /// Whose notices were made after row `seen`, by whatever process, and the row to go on from.
    pub async fn recipients_since(&self, seen: i64) -> Result<(i64, Vec<String>), StoreError> {
        self.scan(move |db| {
            let last: i64 = db.prepare_cached("SELECT coalesce(max(rowid), 0) FROM notifications")?.query_row([], |row| row.get(0))?;
            let new = "SELECT DISTINCT recipient_id FROM notifications WHERE rowid > ?1 AND rowid <= ?2";
            let recipients = if last > seen { rows::all(db, new, [seen, last], |row| row.get(0))? } else { Vec::new() };
            Ok((last, recipients))
        })
        .await
    }

    /// Notices that nobody acknowledged yet, by id: as they were made.
    pub fn waiting_notifications(&self, audience: &Audience, wanted: &Wanted) -> Result<Vec<Notification>, StoreError> {
        self.point(|db| {
            let params = named_params! {
                ":user": audience.user_id, ":shared": audience.shared(), ":after": wanted.after,
                ":except": Json(&wanted.except), ":limit": wanted.limit,
            };
            rows::all(db, WAITING, params, read)
        })
    }

    /// How many notices wait for an audience.
    pub fn count_waiting_notifications(&self, audience: &Audience) -> Result<u32, StoreError> {
        self.point(|db| {
            let count = rows::one(db, COUNT, named_params! {":user": audience.user_id, ":shared": audience.shared()}, |row| row.get(0));
            count.map(Option::unwrap_or_default)
        })
    }

    /// Acknowledges notices; returns those of `ids` that are the audience's, whether they were acknowledged before or not.
    pub async fn ack_notifications(&self, audience: Audience, ids: Vec<String>, now: i64) -> Result<Vec<String>, StoreError> {
        self.write(move |db| Ok(ack(db, &audience, &ids, now)?)).await
    }

    /// Notes when notices first went over a live connection.
    pub async fn mark_notifications_sent(&self, ids: Vec<String>, now: i64) -> Result<(), StoreError> {
        self.write(move |db| {
            db.prepare_cached(MARK_SENT)?.execute(named_params! {":ids": Json(&ids), ":now": now})?;
            Ok(())
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Notification> {
    Ok(Notification {
        id: row.get(0)?,
        registration_id: row.get(1)?,
        kind: row.get(2)?,
        level: row.get(3)?,
        payload: rows::json(row, 4)?,
        created_at: row.get(5)?,
    })
}

fn ack(db: &Connection, audience: &Audience, ids: &[String], now: i64) -> rusqlite::Result<Vec<String>> {
    let params = named_params! {":user": audience.user_id, ":shared": audience.shared(), ":ids": Json(ids), ":now": now};
    rows::all(db, ACK, params, |row| row.get(0))
}

/// Writing them is the registration's business, in the transaction of its step; tests of delivery need some as well.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::store::registrations::{NewRegistration, Profile};

    impl Store {
        /// A registration for `user`, for notices to be about.
        pub(crate) async fn registration_for_test(&self, user: &str) -> String {
            let profile = Profile {
                user_id: user.into(),
                username: "测试".into(),
                email: None,
                phone: None,
                avatar: None,
                roles: vec!["customer".into()],
                registered_at: 1,
            };
            let id = crate::ids::new_id_at(1_700_000_000_000);
            let new = NewRegistration {
                skip: None,
                id: id.clone(),
                job_id: crate::ids::new_id_at(1),
                job_kind: "test",
                event_id: None,
                body_hash: [0; 32],
                profile,
                now: 1,
                deadline_at: 2,
                traceparent: None,
            };
            self.accept_registration(new).await.unwrap();
            id
        }

        /// A notice for `recipient`; returns its id.
        pub(crate) async fn notify_for_test(&self, registration: &str, recipient: &str, payload: Value) -> String {
            let id = crate::ids::new_id_at(1_700_000_000_000);
            self.notify_as_for_test(&id, registration, recipient, payload).await;
            id
        }

        /// A notice with an id of the test's choice.
        pub(crate) async fn notify_as_for_test(&self, id: &str, registration: &str, recipient: &str, payload: Value) {
            let (id, registration, recipient) = (id.to_owned(), registration.to_owned(), recipient.to_owned());
            self.write(move |db| {
                db.execute(
                    "INSERT INTO notifications (id, registration_id, kind, level, recipient_id, payload, created_at)
                     VALUES (?1, ?2, 'new_customer', (SELECT count(*) FROM notifications), ?3, ?4, 5)",
                    (id, registration, recipient, Json(payload)),
                )?;
                Ok(())
            })
            .await
            .unwrap();
        }

        /// When a notice was sent and acknowledged.
        pub(crate) fn notification_times_for_test(&self, id: &str) -> (Option<i64>, Option<i64>) {
            self.point(|db| {
                db.query_row("SELECT sent_at, acked_at FROM notifications WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .unwrap()
        }
    }

    fn audience(user: &str, consultant: bool) -> Audience {
        Audience { user_id: user.into(), consultant }
    }

    #[tokio::test]
    async fn everybody_sees_and_acknowledges_what_is_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("a.db")).unwrap();
        let run = store.registration_for_test("c1").await;
        let (own, other, all) = (
            store.notify_for_test(&run, "u1", Value::from(1)).await,
            store.notify_for_test(&run, "u2", Value::from(2)).await,
            store.notify_for_test(&run, EVERY_CONSULTANT, Value::from(3)).await,
        );
        let ids = |audience: &Audience, wanted: Wanted| {
            let found = store.waiting_notifications(audience, &Wanted { limit: 10, ..wanted }).unwrap();
            found.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let (consultant, customer) = (audience("u1", true), audience("u1", false));
        assert_eq!(ids(&consultant, Wanted::default()), [own.clone(), all.clone()]);
        assert_eq!(ids(&customer, Wanted::default()), [own.as_str()]);
        assert_eq!(ids(&consultant, Wanted { after: own.clone(), ..Wanted::default() }), [all.as_str()]);
        assert_eq!(ids(&consultant, Wanted { except: vec![own.clone()], ..Wanted::default() }), [all.as_str()]);
        assert_eq!(store.count_waiting_notifications(&consultant).unwrap(), 2);

        let both = vec![own.clone(), other.clone(), "nothing".into()];
        assert_eq!(store.ack_notifications(customer.clone(), both.clone(), 7).await.unwrap(), [own.as_str()]);
        assert_eq!(store.ack_notifications(customer.clone(), both, 8).await.unwrap(), [own.as_str()], "again is the same");
        assert_eq!(store.notification_times_for_test(&own), (None, Some(7)));
        assert_eq!(store.notification_times_for_test(&other), (None, None));
        assert_eq!(store.ack_notifications(customer, vec![all.clone()], 8).await.unwrap(), Vec::<String>::new());
        store.mark_notifications_sent(vec![all.clone()], 8).await.unwrap();
        store.mark_notifications_sent(vec![all.clone()], 9).await.unwrap();
        assert_eq!(store.notification_times_for_test(&all), (Some(8), None));
        assert_eq!(ids(&consultant, Wanted::default()), [all.as_str()]);
    }

    #[test]
    fn what_waits_is_found_by_its_index() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
        for sql in [WAITING, COUNT] {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Vec<String> = statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(plan[0].contains("notifications_waiting (recipient_id=?"), "{plan:?}");
        }
    }
}
