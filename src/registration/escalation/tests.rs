//! The schedule on a clock that is moved, over a real database.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Escalation;
use crate::{
    clock::{Clock, from_ms, rfc3339},
    queue::{Handler, JobError},
    registration::Connected,
    settings::{Book, Given},
    store::{
        Store,
        audit::By,
        claims::{
            NewClaim, Target, Via,
            fixture::{NOW, clinic, customer_waits, execute, rows},
        },
    },
};

const MINUTE: i64 = 60_000;

/// A clock that is set.
#[derive(Debug)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        from_ms(self.0.load(Ordering::SeqCst))
    }
}

/// Remembers who was looked for.
#[derive(Debug, Default)]
struct Looked(Mutex<Vec<Vec<String>>>);

impl Connected for Looked {
    fn any(&self, _users: &[String]) -> bool {
        false
    }

    fn look(&self, users: &[String]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(users.to_vec());
    }
}

struct Desk {
    _dir: tempfile::TempDir,
    store: Store,
    clock: Arc<Hand>,
    looked: Arc<Looked>,
    escalation: Escalation,
}

async fn desk() -> Desk {
    let (dir, store) = clinic().await;
    let (clock, looked) = (Arc::new(Hand(AtomicI64::new(NOW))), Arc::new(Looked::default()));
    let escalation = Escalation {
        store: store.clone(),
        clock: Arc::clone(&clock) as _,
        book: Book::new(store.clone(), Arc::new(crate::secret::MasterKey::generate().unwrap()), Arc::clone(&clock) as _),
        connected: Arc::clone(&looked) as _,
        wake: Arc::new(Notify::new()),
    };
    Desk { _dir: dir, store, clock, looked, escalation }
}

impl Desk {
    /// One look at a moment: when the next one is due, if there is one.
    async fn look(&self, run: &str, at: i64) -> Option<i64> {
        self.clock.0.store(at, Ordering::SeqCst);
        match self.escalation.run(run, 1).await {
            Ok(()) => None,
            Err(JobError::Later { run_at }) => Some(run_at),
            Err(error) => panic!("{error}"),
        }
    }

    fn levels(&self) -> Vec<Value> {
        rows(&self.store, "SELECT json_array(level, target, escalated_at) FROM escalations ORDER BY level")
    }

    fn told(&self) -> Vec<Value> {
        rows(
            &self.store,
            "SELECT json_array(level, recipient_id) FROM notifications WHERE kind = 'escalation' ORDER BY level, recipient_id",
        )
    }

    async fn set(&self, sql: &'static str) {
        execute(&self.store, sql).await;
    }
}

/// Looks as the queue does: at the time each look asks for. Returns when the last one was.
async fn all_looks(desk: &Desk, run: &str, first: i64) -> Vec<i64> {
    let mut looks = vec![first];
    while let Some(next) = desk.look(run, *looks.last().unwrap()).await {
        looks.push(next);
        assert!(looks.len() < 20, "{looks:?}");
    }
    looks
}

#[tokio::test]
async fn the_levels_are_reached_in_working_time_across_a_night() {
    let desk = desk().await;
    // 20:56 in UTC+8: four minutes before the clinic closes.
    let told_at = NOW + 176 * MINUTE;
    let run = customer_waits(&desk.store, "usr_new", told_at).await;
    let looks = all_looks(&desk, &run, told_at + MINUTE).await;
    // 09:00 of the next morning.
    let opens = NOW + 15 * 60 * MINUTE;
    assert_eq!(looks, [told_at + MINUTE, told_at + 3 * MINUTE, opens + 2 * MINUTE, opens + 6 * MINUTE]);
    let expected = [
        json!([1, "again", told_at + 3 * MINUTE]),
        json!([2, "supervisors", opens + 2 * MINUTE]),
        json!([3, "administrator", opens + 6 * MINUTE]),
    ];
    assert_eq!(desk.levels(), expected);
    let people = [json!([1, "usr_c1"]), json!([1, "usr_c2"]), json!([1, "usr_c3"]), json!([2, "usr_sup"]), json!([3, "usr_admin"])];
    assert_eq!(desk.told(), people);
    assert_eq!(*desk.looked.0.lock().unwrap(), [vec!["usr_c1", "usr_c2", "usr_c3"], vec!["usr_sup"], vec!["usr_admin"]]);
}

#[tokio::test]
async fn a_notice_says_who_waits_and_since_when() {
    let desk = desk().await;
    desk.set(r#"INSERT INTO system_settings (name, value, updated_by, updated_at) VALUES ('notice.link_template', '"https://app.example/c/{conversation_id}"', 'cli', 0)"#).await;
    let run = customer_waits(&desk.store, "usr_new", NOW).await;
    desk.look(&run, NOW + 4 * MINUTE).await;
    let notice = &rows(&desk.store, "SELECT payload FROM notifications WHERE kind = 'escalation' LIMIT 1")[0];
    let expected = json!({
        "type": "escalation", "action": "claim_customer", "registration_id": run, "conversation_id": "cnv_usr_new", "customer_id": "usr_new",
        "level": 1, "target": "again", "waiting_since": rfc3339(NOW), "waiting_seconds": 240, "timestamp": rfc3339(NOW + 4 * MINUTE),
        "conversation_link": "https://app.example/c/cnv_usr_new",
        "title": "客户等待认领（第 1 次提醒） / A customer waits (reminder 1)",
        "message": "已等待 4 分钟（工作时间），尚无顾问认领。 / Nobody has claimed this customer for 4 working minutes.",
    });
    assert_eq!(notice, &expected);
}

#[tokio::test]
async fn each_level_is_pushed_once_over_the_channels_of_whom_it_tells() {
    let desk = desk().await;
    let channels = |text: &str| Given::Value(serde_json::from_str(text).unwrap());
    let changes = [
        (
            "notice.channels".to_owned(),
            channels(
                r#"[{"kind":"ntfy","name":"desk","url":"https://n.example/1","token":null},
                    {"kind":"wecom","name":"robot","url":"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k"}]"#,
            ),
        ),
        ("alerts.channels".to_owned(), channels(r#"[{"kind":"ntfy","name":"boss","url":"https://n.example/3","token":null}]"#)),
    ];
    desk.escalation.book.set(&changes, &By::new("test", NOW)).await.unwrap();
    let run = customer_waits(&desk.store, "usr_new", NOW).await;
    all_looks(&desk, &run, NOW).await;
    let pushes = rows(&desk.store, "SELECT json_array(level, channel, reason, subject_id) FROM pushes ORDER BY level, channel");
    let push = |level: i64, channel: &str| json!([level, channel, "escalation", run]);
    assert_eq!(pushes, [push(1, "desk"), push(1, "robot"), push(2, "desk"), push(2, "robot"), push(3, "boss")]);
    let jobs = "SELECT json_array(count(*)) FROM jobs j JOIN pushes p ON p.id = j.subject_id WHERE j.kind = 'push' AND j.state = 'ready'";
    assert_eq!(rows(&desk.store, jobs), [json!([5])]);
    let payload = &rows(&desk.store, "SELECT payload FROM pushes WHERE level = 3")[0];
    assert_eq!((&payload["data"]["conversation_id"], &payload["data"]["target"]), (&json!("cnv_usr_new"), &json!("administrator")));
    assert!(payload["title"].is_string() && payload["body"].as_str().unwrap().contains("10 分钟") && payload["link"].is_null());
    assert!(!payload.to_string().contains("phone") && !payload.to_string().contains("username"));
}

#[tokio::test]
async fn nothing_escalates_after_a_claim() {
    let desk = desk().await;
    let run = customer_waits(&desk.store, "usr_new", NOW).await;
    assert_eq!(desk.look(&run, NOW + 3 * MINUTE).await, Some(NOW + 6 * MINUTE));
    let claim = NewClaim {
        target: Target::Registration(run.clone()),
        consultant_id: "usr_c1".into(),
        via: Via::Rest,
        events: false,
        now: NOW + 5 * MINUTE,
    };
    desk.store.claim(claim).await.unwrap();
    let jobs = rows(&desk.store, "SELECT json_array(kind, state) FROM jobs WHERE kind <> 'registration' ORDER BY kind");
    assert_eq!(jobs, [json!(["escalation", "cancelled"]), json!(["notice_ack", "cancelled"])]);
    // A worker that had the job in its hands at that moment finds nothing left to do either.
    let (levels, told) = (desk.levels(), desk.told());
    assert_eq!(desk.look(&run, NOW + 60 * MINUTE).await, None);
    assert_eq!((desk.levels(), desk.told()), (levels, told));
}

/// The look and the level are two transactions; the level asks again.
#[tokio::test]
async fn a_claim_between_the_look_and_the_level_wins() {
    let desk = desk().await;
    let run = customer_waits(&desk.store, "usr_new", NOW).await;
    let customer = desk.store.unclaimed(&run).unwrap().unwrap();
    let settings = desk.escalation.book.current().unwrap();
    let level = super::new_level(&settings, &super::Hours::always(), &customer, settings.escalation.levels[0], NOW);
    let claim = NewClaim { target: Target::Registration(run), consultant_id: "usr_c1".into(), via: Via::Live, events: false, now: NOW };
    desk.store.claim(claim).await.unwrap();
    assert_eq!(desk.store.escalate(level, NOW).await.unwrap(), None);
    assert!(desk.levels().is_empty() && desk.told().is_empty());
}

#[tokio::test]
async fn a_look_that_is_repeated_after_a_crash_tells_nobody_twice() {
    let desk = desk().await;
    let run = customer_waits(&desk.store, "usr_new", NOW).await;
    let customer = desk.store.unclaimed(&run).unwrap().unwrap();
    let settings = desk.escalation.book.current().unwrap();
    let level = super::new_level(&settings, &super::Hours::always(), &customer, settings.escalation.levels[0], NOW);
    assert!(desk.store.escalate(level.clone(), NOW).await.unwrap().is_some());
    assert_eq!(desk.store.escalate(level, NOW + 1).await.unwrap(), None);
    assert_eq!(desk.told().len(), 3);
    assert_eq!(desk.look(&run, NOW + MINUTE).await, Some(NOW + 6 * MINUTE), "it goes on at the next level");
}

#[tokio::test]
async fn settings_count_from_the_next_look_on() {
    let desk = desk().await;
    let run = customer_waits(&desk.store, "usr_new", NOW).await;
    assert_eq!(desk.look(&run, NOW + 3 * MINUTE).await, Some(NOW + 6 * MINUTE));
    desk.set(r#"INSERT INTO system_settings (name, value, updated_by, updated_at) VALUES ('escalation.levels', '[{"after":"1m","target":"again"},{"after":"30m","target":"administrator"}]', 'cli', 0)"#).await;
    assert_eq!(desk.look(&run, NOW + 6 * MINUTE).await, Some(NOW + 30 * MINUTE));
    desk.set("INSERT INTO system_settings (name, value, updated_by, updated_at) VALUES ('escalation.enabled', 'false', 'cli', 0)").await;
    assert_eq!(desk.look(&run, NOW + 31 * MINUTE).await, None);
    assert_eq!(desk.levels().len(), 1);
}

#[tokio::test]
async fn without_people_or_readable_hours_it_still_goes_on() {
    let desk = desk().await;
    desk.set(r#"INSERT INTO system_settings (name, value, updated_by, updated_at) VALUES ('working_hours.from', '"nine"', 'cli', 0)"#)
        .await;
    desk.set("UPDATE users SET is_active = 0").await;
    let midnight = NOW + 6 * 60 * MINUTE;
    let run = customer_waits(&desk.store, "usr_new", midnight).await;
    let looks = all_looks(&desk, &run, midnight).await;
    assert_eq!(looks, [midnight, midnight + 3 * MINUTE, midnight + 6 * MINUTE, midnight + 10 * MINUTE]);
    assert_eq!(desk.told(), [json!([1, ""])], "the empty name stands for every consultant");
    assert_eq!(desk.levels().len(), 3);
}

#[tokio::test]
async fn who_stopped_waiting_or_was_never_announced_is_left_alone() {
    let desk = desk().await;
    let run = customer_waits(&desk.store, "usr_new", NOW).await;
    desk.set("UPDATE conversations SET status = 'closed'").await;
    assert_eq!(desk.look(&run, NOW + 60 * MINUTE).await, None);
    desk.set("UPDATE conversations SET status = 'open'").await;
    desk.set("DELETE FROM notifications").await;
    assert_eq!(desk.look(&run, NOW + 60 * MINUTE).await, None);
    assert_eq!(desk.look("no such run", NOW).await, None);
    assert!(desk.levels().is_empty());
}
