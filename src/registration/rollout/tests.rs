//! The guard on a real database: a worse candidate is rolled back once and told of; an equal one goes on.

use super::*;
use crate::store::{
    agents::{Agent, AgentChange, AgentSettings, Written},
    audit::By,
    rows_for_tests::{Bench, MINUTE, Run},
};

struct Stage {
    bench: Bench,
    guard: RolloutGuard,
}

impl std::ops::Deref for Stage {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

/// A stable agent, and a candidate that has had a share of users for a minute.
async fn stage() -> Stage {
    let bench = Bench::new();
    bench.agent("old", "stable", 0).await;
    bench.agent("new", "candidate", 10).await;
    bench
        .set(
            "alerts.channels",
            serde_json::json!([{"kind": "wecom", "name": "a", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k"}]),
        )
        .await;
    bench.clock.advance_ms(MINUTE);
    let guard = RolloutGuard {
        store: bench.store.clone(),
        book: bench.book.clone(),
        clock: bench.clock.clone(),
        wake: Arc::new(Notify::new()),
        period: Duration::from_millis(1),
    };
    Stage { bench, guard }
}

impl Stage {
    /// Runs of an agent of which every `fails`-th ended in a fallback.
    fn runs(&self, agent: &str, fails: usize, count: usize) {
        for n in 0..count {
            let id = format!("{agent}-{}-{n}", self.now());
            let (accepted_at, failed) = (self.now() + n as i64, n % fails == 0);
            let rung = if failed { "static" } else { "agent" };
            let welcome_at = Some(accepted_at + 1_000);
            self.run(Run {
                id: &id,
                state: "done",
                accepted_at,
                agent_id: Some(agent),
                rung: Some(rung),
                welcome_at,
                finished_at: welcome_at,
            });
            self.call(&id, (agent, "agent"), if failed { "failed" } else { "answered" }, 900 + 10 * (n as i64 % 20));
        }
    }

    fn candidate(&self) -> Agent {
        self.store.agents().unwrap().into_iter().find(|agent| agent.app_name == "new").unwrap()
    }
}

#[tokio::test]
async fn a_worse_candidate_is_rolled_back_once_and_told_of() {
    let stage = stage().await;
    stage.runs("old", 20, 100);
    stage.runs("new", 2, 29);
    stage.guard.look().await.unwrap();
    assert_eq!(stage.candidate().rollout_percent, 10, "29 runs are too few");
    stage.clock.advance_ms(MINUTE);
    stage.runs("new", 2, 10);
    stage.guard.look().await.unwrap();
    let candidate = stage.candidate();
    assert_eq!((candidate.rollout_percent, candidate.rollout_since), (0, Some(stage.now())));
    let alerts = stage.store.open_alerts().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].condition.as_str(), &alerts[0].subject), ("rolled_back", &candidate.id));
    assert!(alerts[0].summary.contains("new") && alerts[0].summary.contains("53.3 %"), "{}", alerts[0].summary);
    assert_eq!((&alerts[0].detail["which"], &alerts[0].detail["rollout_percent"]), (&"fallbacks".into(), &10.into()));
    assert_eq!(stage.texts("SELECT reason || '/' || channel FROM pushes"), ["alert/a"]);
    assert_eq!(stage.texts("SELECT actor || ' ' || action FROM audit_log ORDER BY seq DESC LIMIT 1"), ["daemon agent.roll_back"]);
    assert_eq!(stage.number("SELECT count(*) FROM agent_versions WHERE action = 'agent.roll_back'"), 1);
    stage.guard.look().await.unwrap();
    assert_eq!(stage.number("SELECT count(*) FROM alerts"), 1);
}

#[tokio::test]
async fn an_equal_candidate_goes_on_and_so_does_a_worse_one_without_the_guard() {
    let stage = stage().await;
    stage.runs("old", 10, 60);
    stage.runs("new", 10, 60);
    stage.guard.look().await.unwrap();
    assert_eq!(stage.candidate().rollout_percent, 10);
    stage.set("rollout.guard", false.into()).await;
    stage.clock.advance_ms(MINUTE);
    stage.runs("new", 1, 100);
    stage.guard.look().await.unwrap();
    assert_eq!(stage.candidate().rollout_percent, 10);
    stage.set("rollout.guard", true.into()).await;
    stage.guard.look().await.unwrap();
    assert_eq!(stage.candidate().rollout_percent, 0);
}

#[tokio::test]
async fn a_new_share_begins_a_new_comparison_even_while_the_old_one_is_judged() {
    let stage = stage().await;
    stage.runs("old", 20, 60);
    stage.runs("new", 1, 60);
    let judged = stage.candidate();
    stage.clock.advance_ms(MINUTE);
    let settings = AgentSettings { rollout_percent: 50, ..judged.settings() };
    let change = AgentChange { id: judged.id.clone(), settings, seen: None, action: "agent.update" };
    assert!(matches!(stage.store.update_agent(change, By::new("test", stage.now())).await.unwrap(), Written::Done(_)));
    stage.guard.look().await.unwrap();
    assert_eq!(stage.candidate().rollout_percent, 50, "runs from before count no more");
    let settings = stage.book.current().unwrap();
    let stable = stage.store.agents().unwrap().into_iter().find(|agent| agent.app_name == "old").unwrap();
    stage.guard.judge(&judged, &[&stable], &settings).await.unwrap();
    assert_eq!(stage.candidate().rollout_percent, 50, "what was judged is over");
    assert_eq!(stage.number("SELECT count(*) FROM alerts"), 0);
}
