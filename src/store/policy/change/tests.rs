use super::*;
use crate::store::rows_for_tests::Bench;

fn by(at: i64) -> By {
    By::new("test", at)
}

fn group(code: &str) -> NewGroup {
    let group = Group {
        id: format!("id-{code}"),
        server_code: code.into(),
        name: code.into(),
        description: String::new(),
        user_tier_access: Vec::new(),
        allowed_roles: Vec::new(),
        enabled: true,
        subject_scoped: false,
        created_by: "test".into(),
        created_at: 10,
        updated_at: 10,
    };
    let key =
        Key { id: format!("k-{code}"), group_id: group.id.clone(), name: "default".into(), hash: [code.len() as u8; 32], ..Key::default() };
    let tools = vec![tool(code, "t")];
    NewGroup { group, key, tools }
}

fn tool(code: &str, name: &str) -> ToolPolicy {
    ToolPolicy {
        id: format!("{code}/{name}"),
        tool_name: name.into(),
        group_id: format!("id-{code}"),
        version: "1.0.0".into(),
        description: None,
        enabled: true,
        timeout_seconds: 30,
        config_data: Map::new(),
        created_at: 10,
        updated_at: 10,
    }
}

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.store.create_groups(vec![group("a"), group("bb")], by(10)).await.unwrap();
    bench
}

#[tokio::test]
async fn a_change_on_an_old_version_is_not_done_and_versions_rise_whatever_the_clock_says() {
    let bench = bench().await;
    let name = |name: &str| GroupChange { name: Some(name.into()), ..GroupChange::default() };
    let Written::Done(first) = bench.store.change_group("a", name("x"), Some(10), by(10)).await.unwrap() else { panic!("stale") };
    assert_eq!((first.name.as_str(), first.updated_at), ("x", 11), "the clock stood still");
    let late = bench.store.change_group("a", name("y"), Some(10), by(50)).await.unwrap();
    assert_eq!(late, Written::Stale(first.clone()));
    assert_eq!(bench.store.delete_group("a", Some(10), by(50)).await.unwrap(), Written::Stale(first));
    let change = ToolChange { enabled: Some(false), ..ToolChange::default() };
    assert!(matches!(bench.store.change_tool(("id-a", "t"), change.clone(), Some(9), by(20)).await.unwrap(), Written::Stale(_)));
    assert!(
        matches!(bench.store.change_tool(("id-a", "t"), change, Some(10), by(5)).await.unwrap(), Written::Done(tool) if tool.updated_at == 11)
    );
    assert!(matches!(bench.store.remove_tool(("id-a", "t"), Some(10), by(20)).await.unwrap(), Written::Stale(_)));
    assert!(matches!(bench.store.remove_tool(("id-a", "t"), Some(11), by(20)).await.unwrap(), Written::Done(_)));
    assert!(bench.store.policy().unwrap().tools.iter().all(|tool| tool.group_id != "id-a"));
}

#[tokio::test]
async fn each_change_has_its_name_in_the_audit_log() {
    let bench = bench().await;
    let named = GroupChange { description: Some("d".into()), ..GroupChange::switched(true) };
    for change in [GroupChange::switched(false), GroupChange::switched(true), named] {
        let _written = bench.store.change_group("a", change, None, by(20)).await.unwrap();
    }
    let rows = bench.store.audit_entries(audit::Wanted { object: "group/a".into(), limit: 9, ..audit::Wanted::default() }).await.unwrap();
    let actions: Vec<_> = rows.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["group.create", "group.disable", "group.enable", "group.set"]);
}

#[tokio::test]
async fn a_tool_moves_as_it_is_set_up_and_to_a_group_that_lacks_it_only() {
    let bench = bench().await;
    bench.store.add_tool(ToolPolicy { timeout_seconds: 7, ..tool("a", "u") }, by(10)).await.unwrap();
    let moved = bench.store.move_tool(("id-a", "u"), "id-bb", by(20)).await.unwrap();
    assert_eq!((moved.id.as_str(), moved.group_id.as_str(), moved.timeout_seconds), ("a/u", "id-bb", 7));
    let taken = bench.store.move_tool(("id-a", "t"), "id-bb", by(20)).await.unwrap_err();
    assert!(matches!(&taken, StoreError::Conflict(text) if text.contains("already")), "{taken}");
    assert!(bench.store.policy().unwrap().tools.iter().any(|tool| tool.group_id == "id-a"), "nothing of a move that failed is kept");
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_in_words() {
    let bench = bench().await;
    let taken = GroupChange { name: Some("bb".into()), ..GroupChange::default() };
    let error = bench.store.change_group("a", taken, None, by(20)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(text) if text.contains("bb exists already")), "{error}");
}
