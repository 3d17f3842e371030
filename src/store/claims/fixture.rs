//! A small clinic with customers who wait, for the tests of claims and of what happens without them.

use serde_json::{Value, json};

use super::{ESCALATION_JOB, NOTICE_JOB};
use crate::{
    ids::new_id_at,
    store::{
        Store,
        import::{Record, UserRecord},
        jobs::{self, NewJob, Priority},
        registrations::{NewRegistration, Profile},
    },
};

/// 2026-05-20 18:00 in UTC+8, a Wednesday.
pub(crate) const NOW: i64 = 1_779_271_200_000;

/// A database with `usr_c1` … `usr_c3` as consultants, a supervisor, an administrator, a doctor and somebody who left.
pub(crate) async fn clinic() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    let user = |id: &str, role: &str, is_active: bool| {
        Record::User(UserRecord {
            id: id.into(),
            username: id.into(),
            roles: Some(vec![role.into()]),
            is_active: Some(is_active),
            ..UserRecord::default()
        })
    };
    let people = [
        ("usr_c1", "consultant", true),
        ("usr_c2", "consultant", true),
        ("usr_c3", "consultant", true),
        ("usr_gone", "consultant", false),
        ("usr_sup", "operator", true),
        ("usr_admin", "admin", true),
        ("usr_doctor", "doctor", true),
    ];
    store.import(people.map(|(id, role, active)| user(id, role, active)).to_vec(), NOW).await.unwrap();
    execute(&store, "INSERT INTO consultants (user_id, is_supervisor, updated_at) VALUES ('usr_sup', 1, 0)").await;
    (dir, store)
}

/// A run whose customer has a conversation, of which the three consultants were told at `at`. Returns the run's id; the
/// conversation is `cnv_` and `customer`.
pub(crate) async fn customer_waits(store: &Store, customer: &str, at: i64) -> String {
    let run = new_id_at(at);
    let profile = Profile {
        user_id: customer.into(),
        username: customer.into(),
        email: None,
        phone: None,
        avatar: None,
        roles: vec!["customer".into()],
        registered_at: at,
    };
    let new = NewRegistration {
        skip: None,
        id: run.clone(),
        job_id: new_id_at(at),
        job_kind: "registration",
        event_id: None,
        body_hash: [0; 32],
        profile,
        now: at,
        deadline_at: at,
        traceparent: None,
    };
    store.accept_registration(new).await.unwrap();
    let user = UserRecord { id: customer.into(), username: customer.into(), ..UserRecord::default() };
    store.import(vec![Record::User(user)], at).await.unwrap();
    let (id, customer) = (run.clone(), customer.to_owned());
    let sql = "INSERT INTO conversations (id, customer_id, registration_id, title, created_at, updated_at) VALUES ('cnv_' || ?1, ?1, ?2, '', ?3, ?3)";
    store
        .write(move |db| {
            db.execute(sql, (&customer, &id, at - 1000))?;
            for consultant in ["usr_c1", "usr_c2", "usr_c3"] {
                db.execute(
                    "INSERT INTO notifications (id, registration_id, kind, recipient_id, payload, created_at) VALUES (?1, ?2, 'new_customer', ?3, '{}', ?4)",
                    (new_id_at(at), &id, consultant, at),
                )?;
            }
            for kind in [NOTICE_JOB, ESCALATION_JOB] {
                let job = NewJob { id: new_id_at(at), kind, subject_id: id.clone(), run_at: at + 60_000, priority: Priority::Normal };
                jobs::enqueue(db, &job, at)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    run
}

/// Changes rows as the app or another part of the daemon would.
pub(crate) async fn execute(store: &Store, sql: &'static str) {
    store.write(move |db| Ok(db.execute(sql, [])?)).await.unwrap();
}

/// The rows of a query, each as a JSON text.
pub(crate) fn rows(store: &Store, sql: &str) -> Vec<Value> {
    let texts: Vec<String> = store.point(|db| super::rows::all(db, sql, [], |row| row.get(0))).unwrap();
    texts.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text))).collect()
}
