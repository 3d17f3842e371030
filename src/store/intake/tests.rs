//! Acceptance against a real database file: once per user, skipped and revived, and what counts as backlog.

use super::{Accepted, NewRegistration, Profile};
use crate::{
    ids::new_id_at,
    store::{
        Store,
        jobs::{Claim, Ending},
    },
};

const NOW: i64 = 1_779_271_200_000;

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    (dir, store)
}

fn new(user: &str, event: Option<&str>, skip: Option<&'static str>) -> NewRegistration {
    NewRegistration {
        id: new_id_at(NOW),
        job_id: new_id_at(NOW),
        job_kind: "registration",
        event_id: event.map(str::to_owned),
        body_hash: [u8::try_from(user.len()).unwrap(); 32],
        profile: Profile {
            user_id: user.into(),
            username: "林晓月".into(),
            email: None,
            phone: None,
            avatar: None,
            roles: vec!["customer".into()],
            registered_at: NOW,
        },
        skip,
        now: NOW,
        deadline_at: NOW + 3000,
        traceparent: None,
    }
}

#[tokio::test]
async fn a_user_and_an_event_are_accepted_once() {
    let (_dir, store) = open();
    let first = new("usr_1", Some("evt_1"), None);
    let id = first.id.clone();
    assert_eq!(store.accept_registration(first).await.unwrap(), Accepted::New(id.clone()));
    for event in [Some("evt_1"), Some("evt_2"), None] {
        assert_eq!(store.accept_registration(new("usr_1", event, None)).await.unwrap(), Accepted::Known(id.clone()));
    }
    assert_eq!(store.accept_registration(new("usr_22", Some("evt_1"), None)).await.unwrap(), Accepted::OtherBody);
    // A switch that goes off later changes nothing about a run.
    assert_eq!(store.accept_registration(new("usr_1", None, Some("off"))).await.unwrap(), Accepted::Known(id));
}

#[tokio::test]
async fn a_skipped_row_has_no_job_and_becomes_a_run_when_it_is_sent_again() {
    let (_dir, store) = open();
    let first = new("usr_1", Some("evt_1"), Some("off"));
    let id = first.id.clone();
    let skipped = |is_new| Accepted::Skipped { id: id.clone(), reason: "off".into(), is_new };
    assert_eq!(store.accept_registration(first).await.unwrap(), skipped(true));
    assert_eq!(store.accept_registration(new("usr_1", None, Some("another"))).await.unwrap(), skipped(false));
    assert_eq!((store.next_job().unwrap(), store.registration(&id).unwrap().unwrap().skip_reason.as_deref()), (None, Some("off")));
    assert_eq!(store.accept_registration(new("usr_22", Some("evt_1"), None)).await.unwrap(), Accepted::OtherBody);
    let again = NewRegistration { now: NOW + 5, ..new("usr_1", Some("evt_1"), None) };
    assert_eq!(store.accept_registration(again).await.unwrap(), Accepted::New(id.clone()));
    assert_eq!((store.next_job().unwrap(), store.registration(&id).unwrap().unwrap().skip_reason), (Some(NOW + 5), None));
    assert_eq!(store.accept_registration(new("usr_1", Some("evt_1"), None)).await.unwrap(), Accepted::Known(id));
}

#[tokio::test]
async fn several_are_accepted_in_their_order_and_the_backlog_is_what_is_not_over() {
    let (_dir, store) = open();
    let many = vec![new("usr_1", None, None), new("usr_2", None, None), new("usr_1", None, None), new("usr_3", None, Some("off"))];
    let became = store.accept_registrations(many).await.unwrap();
    let [Accepted::New(first), Accepted::New(_), Accepted::Known(again), Accepted::Skipped { .. }] = became.as_slice() else {
        panic!("{became:?}")
    };
    assert_eq!(first, again);
    assert_eq!(store.count_backlog("registration").await.unwrap(), 2);
    let claim = Claim { boot_id: "b".into(), lease_token: "t".into(), now: NOW, lease_until: NOW + 1000, most: 1 };
    let job = store.claim_jobs(claim).await.unwrap().remove(0);
    assert_eq!(store.count_backlog("registration").await.unwrap(), 2);
    assert!(store.end_job(&job, Ending::Done, NOW).await.unwrap());
    assert_eq!((store.count_backlog("registration").await.unwrap(), store.count_backlog("feedback").await.unwrap()), (1, 0));
}

#[test]
fn the_backlog_is_counted_without_looking_at_finished_jobs() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {}", super::BACKLOG)).unwrap();
    let plan: Vec<String> = statement.query_map(["x"], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    let looks: Vec<_> = plan.iter().filter(|step| step.contains("jobs")).collect();
    assert!(looks.len() == 2 && looks[0].contains("jobs_due") && looks[1].contains("jobs_held"), "{plan:?}");
}
