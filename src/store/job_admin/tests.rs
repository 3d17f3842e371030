//! What an operator may do to a job in each state, and what becomes of its run.

use super::{Job, JobFilter};
use crate::store::{
    Store, StoreError,
    audit::{By, Wanted},
    verify::{Measures, verify},
};

const NOW: i64 = 1_779_271_400_000;
const SOUND: &str = include_str!("../verify/sound.sql");
const DONE: &str = "00000000-0000-7000-8000-000000000001";
const DEAD: &str = "00000000-0000-7000-8000-000000000002";

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei-mcp.sqlite3")).unwrap();
    store.write(|db| Ok(db.execute_batch(SOUND)?)).await.unwrap();
    (dir, store)
}

fn run_state(store: &Store, id: &str) -> (String, Option<i64>) {
    let id = id.to_owned();
    let sql = "SELECT state, finished_at FROM registrations WHERE id = ?1";
    store.point(|db| db.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))).unwrap()
}

fn carried(store: &Store) {
    let measures = Measures {
        now: NOW,
        daemon_runs: false,
        drained: false,
        events: false,
        run_waits: vec![5_000, 15_000, 60_000],
        event_waits: vec![],
        deliveries_kept: 0,
    };
    let broken: Vec<_> = verify(store.path(), &measures).unwrap().into_iter().filter(|check| check.broken > 0).collect();
    assert_eq!(broken, [], "what an operator does breaks no rule");
}

fn by(at: i64) -> By {
    By { reason: Some("看一看".into()), ..By::new("cli:tester", at) }
}

fn is(job: &Job, state: &str, attempt: i64) {
    assert_eq!((job.state.as_str(), job.attempt), (state, attempt), "{job:?}");
}

#[tokio::test]
async fn a_dead_run_is_tried_again_from_the_first_try() {
    let (_dir, store) = store().await;
    // By its registration or by its own id.
    assert_eq!(store.job(DEAD).unwrap(), store.job("job-2").unwrap());
    let job = store.retry_job(DEAD, by(NOW)).await.unwrap();
    is(&job, "ready", 0);
    assert_eq!((job.run_at, job.finished_at), (NOW, None));
    assert_eq!(run_state(&store, DEAD), ("accepted".into(), None));
    carried(&store);
    assert!(matches!(store.retry_job(DEAD, by(NOW)).await, Err(StoreError::Conflict(_))), "it waits already");
    assert!(matches!(store.retry_job("job-1", by(NOW)).await, Err(StoreError::Conflict(_))), "what is done is not tried again");
    assert!(matches!(store.retry_job("nothing", by(NOW)).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_and_can_be_taken_up_again() {
    let (_dir, store) = store().await;
    assert!(matches!(store.cancel_job(DEAD, by(NOW)).await, Err(StoreError::Conflict(_))), "it does not wait");
    store.retry_job(DEAD, by(NOW)).await.unwrap();
    is(&store.cancel_job(DEAD, by(NOW + 1)).await.unwrap(), "cancelled", 0);
    assert_eq!(run_state(&store, DEAD), ("cancelled".into(), Some(NOW + 1)));
    carried(&store);
    is(&store.retry_job("job-2", by(NOW + 2)).await.unwrap(), "ready", 0);
    assert_eq!(run_state(&store, DEAD), ("accepted".into(), None));
    let log = store.audit_entries(Wanted { limit: 9, ..Wanted::default() }).await.unwrap();
    let done: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.object.as_str(), entry.reason.as_deref())).collect();
    let object = format!("registration/{DEAD}");
    let by_whom = |action| (action, object.as_str(), Some("看一看"));
    assert_eq!(done, [by_whom("job.retry"), by_whom("job.cancel"), by_whom("job.retry")], "what was refused is not in it");
}

#[tokio::test]
async fn a_held_job_is_left_alone() {
    let (_dir, store) = store().await;
    let hold = "UPDATE jobs SET state = 'running', lease_token = 't', lease_until = 1, boot_id = 'b'";
    store.write(move |db| Ok(db.execute_batch(hold)?)).await.unwrap();
    for id in [DONE, DEAD] {
        assert!(matches!(store.cancel_job(id, by(NOW)).await, Err(StoreError::Conflict(_))));
        assert!(matches!(store.retry_job(id, by(NOW)).await, Err(StoreError::Conflict(_))));
        assert!(matches!(store.replay_registration(id, by(NOW)).await, Err(StoreError::Conflict(_))));
    }
}

#[tokio::test]
async fn a_run_is_replayed_with_or_without_its_old_job() {
    let (_dir, store) = store().await;
    is(&store.replay_registration(DONE, by(NOW)).await.unwrap(), "ready", 0);
    assert_eq!(run_state(&store, DONE), ("accepted".into(), None));
    let deadline = "SELECT deadline_at FROM registrations WHERE id = ?1";
    let deadline = |id: &'static str| store.point(move |db| db.query_row(deadline, [id], |row| row.get::<_, i64>(0))).unwrap();
    assert_eq!(deadline(DONE), 1_779_271_203_000, "it has its welcome");
    store.write(|db| Ok(db.execute_batch("DELETE FROM jobs WHERE id = 'job-2'")?)).await.unwrap();
    is(&store.replay_registration(DEAD, by(NOW)).await.unwrap(), "ready", 0);
    assert_eq!(deadline(DEAD), NOW + 3_000, "there is time for a welcome again");
    carried(&store);
    assert!(matches!(store.replay_registration("nothing", by(NOW)).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn jobs_are_listed_by_state_and_kind() {
    let (_dir, store) = store().await;
    let ids = async |filter: JobFilter| store.jobs(filter).await.unwrap().items.into_iter().map(|job| job.id).collect::<Vec<_>>();
    let all = JobFilter { limit: 10, ..JobFilter::default() };
    assert_eq!(ids(all.clone()).await, ["job-2", "job-1"]);
    assert_eq!(ids(JobFilter { limit: 1, ..all.clone() }).await, ["job-2"]);
    assert_eq!(ids(JobFilter { state: Some("done".into()), ..all.clone() }).await, ["job-1"]);
    assert_eq!(ids(JobFilter { subject_id: Some(DEAD.into()), ..all.clone() }).await, ["job-2"]);
    assert_eq!(ids(JobFilter { after: Some("job-2".into()), ..all.clone() }).await, ["job-1"]);
    assert!(ids(JobFilter { kind: Some("push".into()), ..all }).await.is_empty());
}
