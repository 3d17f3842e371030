//! What may be set about agents, and that no key ever comes out.

use serde_json::json;

use super::*;
use crate::{
    admin::calls::bench::{Bench, by},
    demo::stand_in_dify::StandIn,
    secret::SecretText,
};

const KEY: &str = "app-K3yThatNobodySees";

fn patch(name: &str) -> AgentPatch {
    AgentPatch { name: Some(name.into()), base_url: Some("https://dify.example.com/v1".into()), ..AgentPatch::default() }
}

async fn added(bench: &Bench, patch: AgentPatch) -> AgentView {
    bench.calls.add_agent(patch, &SecretText::new(KEY), &by()).await.unwrap()
}

fn pointers(error: CallError) -> Vec<String> {
    match error {
        CallError::Invalid(fields) => fields.into_iter().map(|field| field.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_wrong_field_is_named_and_nothing_is_kept() {
    let bench = Bench::new().await;
    let wrong = AgentPatch {
        base_url: Some("file:///etc/passwd".into()),
        kind: Some("robot".into()),
        part: Some("star".into()),
        weight: Some(10_001),
        rollout_percent: Some(101),
        timeout_seconds: Some(0),
        inputs: json!({"a": "phone", "b/c": 1, "d": {"value": 1}}).as_object().cloned(),
        ..patch(" x")
    };
    let error = bench.calls.add_agent(wrong, &SecretText::new(KEY), &by()).await.unwrap_err();
    let expected = ["/name", "/kind", "/part", "/base_url", "/weight", "/rollout_percent", "/timeout_seconds", "/inputs/a", "/inputs/b~1c"];
    assert_eq!(pointers(error), expected);
    for bad in ["", "app key\n"] {
        assert_eq!(pointers(bench.calls.add_agent(patch("x"), &SecretText::new(bad), &by()).await.unwrap_err()), ["/key"], "{bad:?}");
    }
    for url in ["", "dify", "ftp://dify.example.com", "https://user:pass@dify.example.com", "http://"] {
        let wrong = AgentPatch { base_url: Some(url.into()), ..patch("x") };
        assert_eq!(pointers(bench.calls.add_agent(wrong, &SecretText::new(KEY), &by()).await.unwrap_err()), ["/base_url"], "{url}");
    }
    assert!(bench.calls.agents().unwrap().is_empty());
}

#[tokio::test]
async fn an_agent_is_found_by_name_and_id_and_its_key_is_nowhere_to_be_seen() {
    let bench = Bench::new().await;
    let agent = added(&bench, patch("管家")).await;
    assert_eq!((agent.share, agent.kind.as_str(), agent.standing.as_ref()), (1.0, "agent", None));
    assert_eq!(bench.calls.agent(&agent.id).unwrap(), bench.calls.agent("管家").unwrap());
    assert!(matches!(bench.calls.agent("nobody"), Err(CallError::NotFound(_))));
    let taken = bench.calls.add_agent(patch("管家"), &SecretText::new(KEY), &by()).await.unwrap_err();
    assert!(matches!(&taken, CallError::Conflict(text) if text.zh.contains("管家")), "{taken:?}");
    let changed = bench.calls.set_agent_key("管家", &SecretText::new(KEY), Some(agent.revision), &by()).await.unwrap();
    assert!(changed.revision > agent.revision);
    let versions = bench.calls.agent_versions("管家", None, 10).await.unwrap();
    let seen = json!([agent, changed, bench.calls.agents().unwrap(), versions]).to_string() + &bench.audited();
    assert!(!seen.contains("K3yThatNobodySees") && seen.contains("agent.key agent/管家"), "{seen}");
    assert!(bench.calls.stored_agent("管家").unwrap().sealed_key.windows(KEY.len()).all(|part| part != KEY.as_bytes()));
}

#[tokio::test]
async fn a_change_on_an_old_version_shows_what_is_there() {
    let bench = Bench::new().await;
    let agent = added(&bench, patch("a")).await;
    let to = |weight| AgentPatch { weight: Some(weight), ..AgentPatch::default() };
    let now = bench.calls.update_agent("a", to(5), Some(agent.revision), &by()).await.unwrap();
    let stale = bench.calls.update_agent("a", to(6), Some(agent.revision), &by()).await.unwrap_err();
    let CallError::Stale { current, version } = stale else { panic!("{stale:?}") };
    assert_eq!((version, &current["weight"], &current["revision"]), (now.revision, &json!(5), &json!(now.revision)));
    let app_id = AgentPatch { app_id: Some("x1".into()), ..AgentPatch::default() };
    assert_eq!(bench.calls.update_agent("a", app_id, None, &by()).await.unwrap().app_id.as_deref(), Some("x1"));
    let none = AgentPatch { app_id: Some(String::new()), ..AgentPatch::default() };
    assert_eq!(bench.calls.update_agent("a", none, None, &by()).await.unwrap().app_id, None);
}

#[tokio::test]
async fn versions_say_what_changed_and_can_be_restored() {
    let bench = Bench::new().await;
    added(&bench, patch("a")).await;
    let to = |weight| AgentPatch { weight: Some(weight), version: Some("2".into()), ..AgentPatch::default() };
    bench.calls.update_agent("a", to(7), None, &by()).await.unwrap();
    let listed = bench.calls.agent_versions("a", None, 1).await.unwrap();
    let changed: Vec<_> = listed.items[0].changed.iter().map(|field| (field.field.as_str(), &field.before, &field.after)).collect();
    assert_eq!(changed, [("version", &json!("1"), &json!("2")), ("weight", &json!(100), &json!(7))]);
    let rest = bench.calls.agent_versions("a", listed.next_cursor.as_deref(), 1).await.unwrap();
    assert_eq!((rest.items[0].number, rest.items[0].action.as_str(), rest.next_cursor), (1, "agent.add", None));
    assert_eq!(bench.calls.agent_version("a", 2).await.unwrap(), listed.items[0]);
    for number in [0, 3, i64::MAX] {
        assert!(matches!(bench.calls.restore_agent_version("a", number, None, &by()).await, Err(CallError::NotFound(_))), "{number}");
        assert!(matches!(bench.calls.agent_version("a", number).await, Err(CallError::NotFound(_))), "{number}");
    }
    let restored = bench.calls.restore_agent_version("a", 1, None, &by()).await.unwrap();
    assert_eq!((restored.weight, restored.version.as_str()), (100, "1"));
    let latest = bench.calls.agent_version("a", 3).await.unwrap();
    assert_eq!((latest.action.as_str(), latest.changed_by.as_str(), latest.reason.as_deref()), ("agent.restore", "account:xu", Some("试")));
    assert!(matches!(bench.calls.agent_versions("a", Some("x"), 1).await, Err(CallError::Invalid(_))));
}

#[tokio::test]
async fn weights_are_previewed_set_and_never_leave_nobody() {
    let bench = Bench::new().await;
    for name in ["a", "b"] {
        added(&bench, patch(name)).await;
    }
    let weight = |agent: &str, weight| Weight { agent: agent.into(), weight };
    let shares = |view: &WeightsView| view.agents.iter().map(|row| (row.name.clone(), row.sum, row.share)).collect::<Vec<_>>();
    let before = bench.calls.weights().unwrap();
    assert_eq!(shares(&before), [("a".into(), 200, 0.5), ("b".into(), 200, 0.5)]);
    let preview = bench.calls.preview_weights(&[weight("a", 300)]).unwrap();
    assert_eq!(shares(&preview), [("a".into(), 400, 0.75), ("b".into(), 400, 0.25)]);
    assert_eq!(bench.calls.weights().unwrap(), before, "nothing is changed");
    let nobody = bench.calls.set_weights(&[weight("a", 0), weight("b", 0)], None, &by()).await.unwrap_err();
    assert_eq!(pointers(nobody), ["/weights"]);
    let wrong = bench.calls.set_weights(&[weight("x", 1), weight("a", 10_001), weight("a", 1)], None, &by()).await.unwrap_err();
    assert_eq!(pointers(wrong), ["/weights/0/agent", "/weights/1/weight", "/weights/2/agent"]);
    let set = bench.calls.set_weights(&[weight("a", 300)], Some(before.revision), &by()).await.unwrap();
    assert_eq!(shares(&set), shares(&preview));
    let stale = bench.calls.set_weights(&[weight("a", 1)], Some(before.revision), &by()).await.unwrap_err();
    assert!(matches!(&stale, CallError::Stale { version, .. } if *version == set.revision), "{stale:?}");
}

#[tokio::test]
async fn only_a_candidate_is_rolled_out_and_back() {
    let bench = Bench::new().await;
    added(&bench, patch("old")).await;
    let candidate = AgentPatch { part: Some("candidate".into()), ..patch("new") };
    added(&bench, candidate).await;
    assert!(matches!(bench.calls.rollout("old").await, Err(CallError::Conflict(_))));
    assert!(matches!(bench.calls.set_rollout("old", 5, None, &by()).await, Err(CallError::Conflict(_))));
    assert!(matches!(bench.calls.roll_back("new", None, &by()).await, Err(CallError::Conflict(_))), "it has no users");
    assert_eq!(pointers(bench.calls.set_rollout("new", 101, None, &by()).await.unwrap_err()), ["/rollout_percent"]);
    let out = bench.calls.set_rollout("new", 20, None, &by()).await.unwrap();
    assert_eq!((out.rollout_percent, out.share, bench.calls.agent("old").unwrap().share), (20, 0.2, 0.8));
    let view = bench.calls.rollout("new").await.unwrap();
    assert_eq!((view.verdict.as_str(), view.have, view.need, view.stable), ("not_enough", Some(0), Some(30), vec!["old".to_owned()]));
    let back = bench.calls.roll_back("new", Some(out.revision), &by()).await.unwrap();
    assert_eq!((back.rollout_percent, bench.calls.agent_version("new", 3).await.unwrap().action.as_str()), (0, "agent.roll_back"));
}

#[tokio::test]
async fn a_check_says_what_the_app_is_and_what_is_wrong() {
    let dify = StandIn::start(([127, 0, 0, 1], 0).into(), StandIn::default()).await.unwrap();
    let bench = Bench::new().await;
    let at = |name: &str| AgentPatch { base_url: Some(dify.base_url.clone()), ..patch(name) };
    bench.calls.add_agent(at("good"), &dify.key, &by()).await.unwrap();
    let check = bench.calls.check_agent("good").await.unwrap();
    assert!(check.ok && check.missing.is_empty() && check.problem.is_none(), "{check:?}");
    assert!(check.inputs.iter().any(|input| input.required && input.fact.as_deref() == Some("user_id")), "{check:?}");

    let mapped = AgentPatch { inputs: json!({"username": "username"}).as_object().cloned(), ..AgentPatch::default() };
    bench.calls.update_agent("good", mapped, None, &by()).await.unwrap();
    let check = bench.calls.check_agent("good").await.unwrap();
    assert_eq!((check.ok, check.missing.as_slice()), (false, &["user_id".to_owned()][..]));
    let kind = AgentPatch { kind: Some("workflow".into()), ..AgentPatch::default() };
    bench.calls.update_agent("good", kind, None, &by()).await.unwrap();
    let check = bench.calls.check_agent("good").await.unwrap();
    assert!(check.problem.unwrap().en.contains("agent-chat") && check.app_mode.as_deref() == Some("agent-chat"));

    bench.calls.add_agent(at("locked out"), &SecretText::new("app-wrong-key-123"), &by()).await.unwrap();
    let problem = bench.calls.check_agent("locked out").await.unwrap().problem.unwrap();
    assert!(problem.en.contains("401") && problem.zh.contains("密钥") && !problem.en.contains("wrong-key"), "{problem:?}");
    let nowhere = AgentPatch { base_url: Some("http://127.0.0.1:1".into()), ..patch("nowhere") };
    added(&bench, nowhere).await;
    assert!(bench.calls.check_agent("nowhere").await.unwrap().problem.unwrap().en.contains("cannot reach 127.0.0.1:1"));
}
