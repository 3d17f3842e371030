//! Changes of agents: versions, the audit log, and the version somebody changes on.

use super::*;
use crate::store::{
    audit::{By, Wanted},
    rows_for_tests::{Bench, T0},
};

fn by(at: i64) -> By {
    By { reason: Some("试".into()), ..By::new("account:xu", at) }
}

fn change(agent: &Agent, seen: Option<i64>, edit: impl FnOnce(&mut AgentSettings)) -> AgentChange {
    let mut settings = agent.settings();
    edit(&mut settings);
    AgentChange { id: agent.id.clone(), settings, seen, action: "agent.update" }
}

fn one(bench: &Bench) -> Agent {
    bench.store.agents().unwrap().remove(0)
}

#[tokio::test]
async fn every_change_is_a_version_and_a_row_of_the_audit_log_without_a_key() {
    let bench = Bench::new();
    let key = b"app-secret-1".to_vec();
    let agent = Agent { rollout_percent: 5, ..Agent::new("a".into(), "管家".into(), "http://dify".into(), key, T0) };
    bench.store.add_agent(agent.clone(), by(T0)).await.unwrap();
    assert_eq!(one(&bench).rollout_since, Some(T0));
    let first = one(&bench);
    let Written::Done(second) = bench.store.update_agent(change(&first, None, |to| to.weight = 7), by(T0)).await.unwrap() else { panic!() };
    assert_eq!((second.weight, second.updated_at), (7, T0 + 1), "the version rises even within a millisecond");
    let same = bench.store.update_agent(change(&second, None, |_| {}), by(T0 + 5)).await.unwrap();
    assert_eq!(same, Written::Done(second.clone()), "what changes nothing leaves no trace");
    let Written::Done(third) = bench.store.set_agent_key("a", b"app-secret-2".to_vec(), Some(T0 + 1), by(T0 + 9)).await.unwrap() else {
        panic!()
    };
    assert_eq!(third.updated_at, T0 + 9);

    let versions = bench.store.agent_versions("a", None, 10).await.unwrap();
    let told: Vec<_> = versions.iter().map(|version| (version.number, version.action.as_str(), version.settings.weight)).collect();
    assert_eq!(told, [(3, "agent.key", 7), (2, "agent.update", 7), (1, "agent.add", 100)]);
    assert_eq!((versions[1].changed_by.as_str(), versions[1].reason.as_deref()), ("account:xu", Some("试")));
    assert_eq!(bench.store.agent_versions("a", Some(3), 1).await.unwrap(), versions[1..2]);

    let entries = bench.store.audit_entries(Wanted { limit: 9, object: "agent/管家".into(), ..Wanted::default() }).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["agent.add", "agent.update", "agent.key"]);
    assert!(entries[1].before.as_ref().unwrap().contains("\"weight\":100") && entries[1].after.as_ref().unwrap().contains("\"weight\":7"));
    let kept = format!("{entries:?}{versions:?}");
    assert!(!kept.contains("app-secret") && !kept.contains("97, 112, 112"), "{kept}");
}

#[tokio::test]
async fn a_change_on_an_old_version_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    bench.agent("a", "stable", 0).await;
    let seen = one(&bench).updated_at;
    let Written::Done(now) = bench.store.update_agent(change(&one(&bench), Some(seen), |to| to.weight = 1), by(T0)).await.unwrap() else {
        panic!()
    };
    let late = bench.store.update_agent(change(&one(&bench), Some(seen), |to| to.weight = 2), by(T0)).await.unwrap();
    assert_eq!(late, Written::Stale(now.clone()));
    assert_eq!(bench.store.set_agent_key("a", vec![1], Some(seen), by(T0)).await.unwrap(), Written::Stale(now.clone()));
    assert_eq!((one(&bench), bench.number("SELECT count(*) FROM agent_versions")), (now, 2));
}

#[tokio::test]
async fn weights_change_together_or_not_at_all() {
    let bench = Bench::new();
    bench.agent("a", "stable", 0).await;
    bench.agent("b", "stable", 0).await;
    let version = || bench.store.agents().unwrap().iter().map(|agent| agent.updated_at).sum::<i64>();
    let weights = |list: &[(&str, u32)]| list.iter().map(|(id, weight)| ((*id).to_owned(), *weight)).collect::<Vec<_>>();
    let seen = version();
    let missing = bench.store.set_agent_weights(weights(&[("a", 9), ("nobody", 1)]), None, by(T0)).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))));
    assert_eq!(version(), seen, "nothing of it was done");
    assert!(bench.store.set_agent_weights(weights(&[("a", 70), ("b", 100)]), Some(seen), by(T0)).await.unwrap());
    assert!(version() > seen && one(&bench).weight == 70);
    assert_eq!(bench.number("SELECT count(*) FROM agent_versions WHERE action = 'agent.weight'"), 1, "b has what it had");
    assert!(!bench.store.set_agent_weights(weights(&[("a", 1)]), Some(seen), by(T0)).await.unwrap());
    assert_eq!(one(&bench).weight, 70);
}

#[tokio::test]
async fn two_agents_have_two_names() {
    let bench = Bench::new();
    bench.agent("a", "stable", 0).await;
    bench.agent("b", "stable", 0).await;
    let taken = bench.store.update_agent(change(&one(&bench), None, |to| to.app_name = "b".into()), by(T0)).await.unwrap_err();
    assert_eq!(taken.to_string(), "there is an agent called b already");
}
