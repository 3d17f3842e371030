//! Each condition on a real database: opened once, seen, resolved with a notice; and a watcher that outlives failures.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Notify;

use super::{
    conditions::{Condition, Finding, Kind, Scene, all},
    watch::CALM_MS,
    *,
};
use crate::store::{
    StoreError,
    alerts::Alert,
    audit::By,
    rows_for_tests::{Bench, HOUR, MINUTE, Run, T0},
};

#[derive(Default)]
struct Agents(Mutex<Vec<(String, String)>>);

impl Breakers for Agents {
    fn open_breakers(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }
}

struct Stage {
    bench: Bench,
    agents: Arc<Agents>,
    wake: Arc<Notify>,
    watcher: Watcher,
}

impl std::ops::Deref for Stage {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

async fn stage_of(conditions: Vec<Box<dyn Condition>>) -> Stage {
    let bench = Bench::new();
    let (agents, wake) = (Arc::new(Agents::default()), Arc::new(Notify::new()));
    let channel = |name: &str| json!({"kind": "wecom", "name": name, "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k"});
    bench.set("alerts.channels", json!([channel("a"), channel("b")])).await;
    bench.set("alerts.disk_low_mib", json!(0)).await;
    let parts = WatcherParts {
        store: bench.store.clone(),
        book: bench.book.clone(),
        clock: bench.clock.clone(),
        breakers: agents.clone(),
        wake: wake.clone(),
        period: Duration::from_millis(5),
    };
    Stage { watcher: Watcher::of(parts, conditions), bench, agents, wake }
}

async fn stage() -> Stage {
    stage_of(all()).await
}

impl Stage {
    /// Lets time pass, and looks.
    async fn after(&self, ms: i64) -> Vec<Alert> {
        self.clock.advance_ms(ms);
        self.watcher.look().await.unwrap();
        self.store.open_alerts().unwrap()
    }

    /// `reason/channel` of the pushes so far.
    fn pushes(&self) -> Vec<String> {
        self.texts("SELECT reason || '/' || channel FROM pushes ORDER BY rowid")
    }

    /// Exactly one alert, with its condition and subject.
    fn one(alerts: &[Alert]) -> (&str, &str) {
        assert_eq!(alerts.len(), 1, "{alerts:#?}");
        (&alerts[0].condition, &alerts[0].subject)
    }

    fn resolved(&self, condition: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM alerts WHERE condition = '{condition}' AND resolved_at IS NOT NULL"))
    }
}

#[tokio::test]
async fn nothing_is_wrong_with_an_idle_database() {
    let stage = stage().await;
    assert_eq!(stage.after(0).await, []);
    assert_eq!(stage.after(HOUR).await, []);
}

#[tokio::test]
async fn a_dead_letter_is_told_once_and_resolved_when_its_replay_is_done() {
    let stage = stage().await;
    stage.job("registration", "r1", "dead");
    let opened = stage.after(0).await;
    assert_eq!(Stage::one(&opened), ("dead_letter", "registration/r1"));
    assert_eq!(opened[0].severity, "critical");
    assert!(opened[0].summary.contains(" / ") && opened[0].summary.contains("r1"), "{}", opened[0].summary);
    assert_eq!(stage.pushes(), ["alert/a", "alert/b"]);
    assert_eq!(stage.number("SELECT count(*) FROM jobs WHERE kind = 'push' AND state = 'ready'"), 2);
    tokio::time::timeout(Duration::from_secs(1), stage.wake.notified()).await.expect("the queue is woken");
    let payload = &stage.texts("SELECT payload FROM pushes LIMIT 1")[0];
    let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
    assert_eq!(payload["severity"], "critical");
    assert_eq!(payload["body"], opened[0].summary.as_str());
    assert_eq!(payload["data"]["alert_id"], opened[0].id.as_str());
    // The pushes' own jobs are not worked off here.
    stage.sql("UPDATE jobs SET state = 'done' WHERE kind = 'push'", &[]);

    let seen = stage.after(30_000).await;
    assert_eq!((seen[0].id.as_str(), seen[0].opened_at, seen[0].seen_at), (opened[0].id.as_str(), T0, T0 + 30_000));
    stage.job("registration", "r1", "ready");
    assert_eq!(Stage::one(&stage.after(2_000).await), ("dead_letter", "registration/r1"), "tried again is not settled");
    stage.job("registration", "r1", "done");
    assert_eq!(stage.after(2_000).await, []);
    assert_eq!(stage.pushes(), ["alert/a", "alert/b", "resolved/a", "resolved/b"]);
    assert_eq!(stage.number("SELECT resolved_at FROM alerts"), stage.now());
}

#[tokio::test]
async fn a_dead_letter_that_is_recorded_only_is_told_to_nobody() {
    let stage = stage().await;
    stage.job("registration", "r1", "dead");
    assert_eq!(Stage::one(&stage.after(0).await), ("dead_letter", "registration/r1"));
    stage.bench.set("retry.on_failure", json!("record")).await;
    for n in 0..40 {
        stage.job("registration", &format!("s{n:02}"), "dead");
    }
    assert_eq!(Stage::one(&stage.after(2_000).await), ("dead_letter", "registration/r1"), "what was told goes on until it is settled");
    stage.job("registration", "r1", "done");
    assert_eq!(stage.after(2_000).await, []);
    stage.bench.set("retry.on_failure", json!("alert")).await;
    assert_eq!(stage.after(2_000).await.len(), 11, "told again, those that still wait are told");
}

#[tokio::test]
async fn many_dead_letters_are_told_together() {
    let stage = stage().await;
    for n in 0..40 {
        stage.job("registration", &format!("r{n:02}"), "dead");
    }
    let opened = stage.after(0).await;
    assert_eq!(opened.len(), 11);
    let rest = opened.iter().find(|alert| alert.subject.is_empty()).unwrap();
    assert_eq!(rest.detail["jobs"], 30);
    stage.sql("UPDATE jobs SET state = 'done' WHERE kind = 'push'", &[]);
    stage.sql("UPDATE jobs SET state = 'cancelled' WHERE subject_id < 'r10'", &[]);
    assert_eq!(Stage::one(&stage.after(2_000).await), ("dead_letter", ""), "the rest goes on together");
    stage.sql("UPDATE jobs SET state = 'cancelled' WHERE state = 'dead'", &[]);
    assert_eq!(stage.after(2_000).await, []);
}

#[tokio::test]
async fn an_open_breaker_that_flickers_makes_one_notice() {
    let stage = stage().await;
    let open = vec![("gpt".to_owned(), "5 failures".to_owned())];
    *stage.agents.0.lock().unwrap() = open.clone();
    let opened = stage.after(0).await;
    assert_eq!(Stage::one(&opened), ("breaker_open", "gpt"));
    stage.sql("UPDATE jobs SET state = 'done'", &[]);
    for _ in 0..4 {
        stage.agents.0.lock().unwrap().clear();
        stage.after(CALM_MS / 2).await;
        *stage.agents.0.lock().unwrap() = open.clone();
        let again = stage.after(CALM_MS / 4).await;
        assert_eq!(again[0].id, opened[0].id);
    }
    assert_eq!(stage.pushes(), ["alert/a", "alert/b"]);
    stage.agents.0.lock().unwrap().clear();
    assert_eq!(stage.after(CALM_MS - 1).await.len(), 1);
    assert_eq!(stage.after(1).await, []);
    assert_eq!(stage.pushes(), ["alert/a", "alert/b", "resolved/a", "resolved/b"]);
}

#[tokio::test]
async fn the_success_rate_counts_fallbacks_as_welcomes_and_needs_enough_runs() {
    let stage = stage().await;
    let run = |n: usize, state: &'static str| {
        stage.run(Run { id: &format!("r{n}"), state, accepted_at: stage.now(), finished_at: Some(stage.now()), ..Run::default() });
    };
    (0..18).for_each(|n| run(n, if n % 2 == 0 { "done" } else { "done_with_fallback" }));
    run(18, "dead_letter");
    (30..35).for_each(|n| run(n, "skipped"));
    assert_eq!(stage.after(1_000).await, [], "19 runs say nothing");
    run(19, "done");
    let opened = stage.after(11_000).await;
    assert_eq!(Stage::one(&opened), ("success_rate", ""));
    assert_eq!((&opened[0].detail["hits"], &opened[0].detail["of"]), (&json!(19), &json!(20)));
    stage.sql("UPDATE jobs SET state = 'done'", &[]);
    (100..2_000).for_each(|n| run(n, "done"));
    assert_eq!(stage.after(11_000).await.len(), 1, "it has been well for a moment only");
    assert_eq!(stage.after(CALM_MS).await, []);
    assert_eq!(stage.resolved("success_rate"), 1);
}

#[tokio::test]
async fn agents_are_judged_by_runs_and_not_by_questions() {
    let stage = stage().await;
    for n in 0..20 {
        let id = format!("r{n}");
        stage.run(Run { id: &id, state: "done", accepted_at: stage.now(), finished_at: Some(stage.now()), ..Run::default() });
        stage.call(&id, ("g", "agent"), "failed", 100);
        stage.call(&id, ("g", "agent"), if n < 19 { "answered" } else { "failed" }, 100);
    }
    stage.run(Run { id: "cut", state: "done", accepted_at: stage.now(), ..Run::default() });
    stage.call("cut", ("g", "agent"), "unknown", 100);
    assert_eq!(stage.after(1_000).await, [], "19 of 20 is 95 %");
    stage.run(Run { id: "refused", state: "done", accepted_at: stage.now(), ..Run::default() });
    stage.call("refused", ("g", "agent"), "refused", 100);
    let opened = stage.after(11_000).await;
    assert_eq!(Stage::one(&opened), ("agent_success", ""));
    assert_eq!((opened[0].severity.as_str(), &opened[0].detail["of"]), ("warning", &json!(21)));
}

#[tokio::test]
async fn registrations_without_one_success_are_told_of() {
    let stage = stage().await;
    stage.run(Run { id: "old", state: "done", accepted_at: T0 - 60_000, finished_at: Some(T0 - 59_000), ..Run::default() });
    stage.run(Run { id: "off", state: "skipped", accepted_at: T0, ..Run::default() });
    stage.run(Run { id: "r1", accepted_at: T0 + 30_000, ..Run::default() });
    assert_eq!(stage.after(30_000 + 10 * MINUTE - 1).await, []);
    let opened = stage.after(1).await;
    assert_eq!(Stage::one(&opened), ("no_success", ""));
    assert_eq!((&opened[0].detail["registrations"], &opened[0].detail["first_at"]), (&json!(1), &json!(T0 + 30_000)));
    stage.sql("UPDATE jobs SET state = 'done'", &[]);
    stage.sql("UPDATE registrations SET state = 'done', finished_at = ?1 WHERE id = 'r1'", &[&stage.now()]);
    assert_eq!(stage.after(CALM_MS).await, []);
    assert_eq!(stage.resolved("no_success"), 1);
}

#[tokio::test]
async fn a_full_disk_is_told_of_and_the_threshold_is_in_force_at_once() {
    let stage = stage().await;
    stage.set("alerts.disk_low_mib", json!(4_000_000_000_u32)).await;
    let opened = stage.after(0).await;
    assert_eq!(Stage::one(&opened), ("disk_low", ""));
    assert!(opened[0].detail["free_mib"].as_u64().unwrap() > 0);
    stage.sql("UPDATE jobs SET state = 'done'", &[]);
    stage.set("alerts.disk_low_mib", json!(0)).await;
    assert_eq!(stage.after(CALM_MS).await, []);
}

#[tokio::test]
async fn an_old_backlog_is_told_of() {
    let stage = stage().await;
    stage.job("registration", "r1", "ready");
    assert_eq!(stage.after(MINUTE).await, []);
    assert_eq!(Stage::one(&stage.after(1).await), ("backlog_old", ""));
    stage.sql("UPDATE jobs SET state = 'done'", &[]);
    assert_eq!(stage.after(CALM_MS).await, []);
}

#[tokio::test]
async fn a_receiver_out_of_use_is_told_of_until_it_is_used_again() {
    let stage = stage().await;
    stage.store.set_event_endpoint(Some("503 for a day".into()), By::new("daemon", T0)).await.unwrap();
    let opened = stage.after(0).await;
    assert_eq!(Stage::one(&opened), ("events_disabled", ""));
    assert!(opened[0].summary.contains("503 for a day"));
    stage.store.set_event_endpoint(None, By::new("test", T0)).await.unwrap();
    assert_eq!(stage.after(1).await, []);
    assert_eq!(stage.pushes().len(), 4);
}

#[tokio::test]
async fn a_channel_fails_until_it_takes_a_push_again() {
    let stage = stage().await;
    let push = |id: &str, channel: &str, reason: &str| {
        stage.sql(
            "INSERT INTO pushes (id, channel, reason, subject_id, payload, created_at, last_error) VALUES (?1, ?2, ?3, ?1, '{}', 0, 'refused')",
            &[&id, &channel, &reason],
        );
    };
    push("p1", "a", "alert");
    stage.job("push", "p1", "dead");
    push("p2", "gone", "new_customer");
    stage.job("push", "p2", "dead");
    let opened = stage.after(1).await;
    assert_eq!(Stage::one(&opened), ("channel_failing", "alerts/a"), "a channel that is not configured any more is nobody's concern");
    assert!(opened[0].summary.contains("refused"));
    // The same name among the other channels says nothing of this one.
    push("p3", "a", "new_customer");
    stage.sql("UPDATE pushes SET delivered_at = ?1 WHERE id = 'p3'", &[&stage.now()]);
    assert_eq!(stage.after(1).await.len(), 1);
    push("p4", "a", "resolved");
    stage.sql("UPDATE pushes SET delivered_at = ?1 WHERE id = 'p4'", &[&stage.now()]);
    assert_eq!(stage.after(1).await, []);
}

#[tokio::test]
async fn an_old_key_that_is_used_near_its_end_is_told_until_it_is_over() {
    let stage = stage().await;
    stage.sql(
        "INSERT INTO mcp_tool_groups (id, server_code, name, created_by, created_at, updated_at) VALUES ('g', 'lab', 'lab', 'test', 1, 1)",
        &[],
    );
    stage.sql(
        "INSERT INTO mcp_keys (id, group_id, name, hash, hint, created_at, rotated_at, grace_until, last_used_at)
         VALUES ('k', 'g', 'dify', zeroblob(32), 'abcd', 1, ?1, ?1 + ?2, ?1 + 1)",
        &[&T0, &(10 * HOUR)],
    );
    assert_eq!(stage.after(9 * HOUR).await, [], "used at first, and not since");
    stage.sql("UPDATE mcp_keys SET last_used_at = ?1", &[&stage.now()]);
    let opened = stage.after(11_000).await;
    assert_eq!(Stage::one(&opened), ("old_key_in_use", "k"));
    assert!(opened[0].summary.contains("key usage lab") && opened[0].summary.contains(" / "), "{}", opened[0].summary);
    stage.sql("UPDATE jobs SET state = 'done'", &[]);
    assert_eq!(stage.after(HOUR).await, [], "its end has come");
    assert_eq!(stage.resolved("old_key_in_use"), 1);
}

/// Panics, fails or finds something, as it is told.
struct Fickle(&'static str, Arc<Mutex<&'static str>>);

#[async_trait]
impl Condition for Fickle {
    fn kind(&self) -> Kind {
        Kind { name: self.0, zh: "试", en: "test", severity: "warning", flaps: false, every_ms: 0 }
    }

    async fn holds(&self, _scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let mood = *self.1.lock().unwrap();
        match mood {
            "panic" => panic!("as the test says"),
            "locked" => Err(StoreError::Busy),
            "holds" => Ok(vec![Finding { subject: String::new(), summary: "x".into(), detail: json!({}) }]),
            _ => Ok(Vec::new()),
        }
    }
}

#[tokio::test]
async fn a_condition_that_fails_costs_only_itself() {
    let (first, second) = (Arc::new(Mutex::new("holds")), Arc::new(Mutex::new("")));
    let stage = stage_of(vec![Box::new(Fickle("one", first.clone())), Box::new(Fickle("two", second.clone()))]).await;
    assert_eq!(Stage::one(&stage.after(0).await), ("one", ""));
    for mood in ["panic", "locked"] {
        *first.lock().unwrap() = mood;
        *second.lock().unwrap() = "holds";
        assert_eq!(stage.after(MINUTE).await.len(), 2, "{mood}: the other is asked, and what is open stays open");
        *second.lock().unwrap() = "";
        assert_eq!(Stage::one(&stage.after(MINUTE).await), ("one", ""), "{mood}");
    }
    *first.lock().unwrap() = "";
    assert_eq!(stage.after(MINUTE).await, []);
}

#[tokio::test]
async fn the_watcher_goes_on_when_the_database_was_locked() {
    let mut stage = stage().await;
    stage.job("registration", "r1", "dead");
    let lock = rusqlite::Connection::open(stage.store.path()).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let parts = WatcherParts {
        store: stage.store.clone(),
        book: stage.book.clone(),
        clock: stage.clock.clone(),
        breakers: stage.agents.clone(),
        wake: stage.wake.clone(),
        period: Duration::from_millis(5),
    };
    let watcher = std::mem::replace(&mut stage.watcher, Watcher::new(parts));
    let stop = tokio_util::sync::CancellationToken::new();
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(watcher.run(stop.clone()));
    // Longer than the writer waits for the lock.
    tokio::time::sleep(Duration::from_millis(5_300)).await;
    assert_eq!(stage.store.open_alerts().unwrap(), []);
    lock.execute_batch("ROLLBACK").unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        while stage.store.open_alerts().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the alert is opened once the database can be written");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
