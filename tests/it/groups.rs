//! I2: a key sees and calls exactly its own group's enabled tools. Every key × group × method × transport is tried.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{App, ERAS, Era, GROUPS};

/// What a group's key must see.
fn tools_of(app: &App) -> BTreeMap<String, Vec<String>> {
    let groups = app.ok_json(&["group", "list"]);
    let names = |group: &Value| group["tools"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    groups.as_array().unwrap().iter().map(|group| (group["server_code"].as_str().unwrap().to_owned(), names(group))).collect()
}

fn listed(answer: &Value) -> Vec<String> {
    answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn i2_every_key_sees_and_calls_exactly_its_own_group() {
    for fast_lane in ["true", "false"] {
        let app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        let tools = tools_of(&app);
        assert_eq!(tools.values().flatten().count(), 14, "{tools:?}");
        let keys: BTreeMap<_, _> = GROUPS.iter().map(|code| (*code, app.key(code))).collect();
        for era in ERAS {
            for (holder, key) in &keys {
                for target in GROUPS.iter().map(|code| Some(*code)).chain([None]) {
                    one_cell(&app, era, (holder, key), target, &tools).await;
                }
            }
        }
    }
}

/// One key on one URL: list, and a call of every tool there is.
async fn one_cell(app: &App, era: Era, (holder, key): (&str, &str), target: Option<&str>, tools: &BTreeMap<String, Vec<String>>) {
    let url = target.map_or_else(|| app.root_url(), |code| app.group_url(code));
    let at_home = target.is_none_or(|code| code == holder);
    let list = app.rpc(era, &url, Some(key), "tools/list", json!({})).await;
    if at_home {
        assert_eq!(listed(&list.json()), tools[holder], "{era:?} {holder} {target:?}");
    } else {
        assert_eq!(list.status, StatusCode::FORBIDDEN, "{era:?} {holder} {target:?}");
    }
    for name in tools.values().flatten() {
        let answer = app.rpc(era, &url, Some(key), "tools/call", json!({"name": name, "arguments": {"nobody": 1}})).await;
        let reached = at_home && tools[holder].contains(name);
        match (at_home, reached) {
            (false, _) => assert_eq!(answer.status, StatusCode::FORBIDDEN, "{era:?} {holder} {target:?} {name}"),
            (true, false) => assert_eq!(answer.json()["error"]["code"], -32602, "{era:?} {holder} {target:?} {name}"),
            (true, true) => assert_eq!(answer.json()["result"]["isError"], true, "{era:?} {holder} {target:?} {name}"),
        }
    }
}

#[tokio::test]
async fn i2_other_methods_are_closed_to_strangers_and_to_other_groups_too() {
    let app = App::start(&[]).await;
    let other = app.key("project_tools");
    for era in ERAS {
        for method in ["initialize", "ping", "server/discover", "resources/list", "prompts/list", "subscriptions/listen", "no/such"] {
            for (key, status) in [(None, 401), (Some("mcp_key_wrong"), 401), (Some(other.as_str()), 403)] {
                let answer = app.rpc(era, &app.group_url("system_tools"), key, method, json!({})).await;
                assert_eq!(answer.status.as_u16(), status, "{era:?} {method} {key:?}");
            }
        }
    }
    for method in ["GET", "DELETE", "PUT", "OPTIONS"] {
        for url in [app.group_url("system_tools"), app.root_url()] {
            assert_eq!(app.send(method, &url, &[], "").await.status, StatusCode::UNAUTHORIZED, "{method} {url}");
        }
    }
}

/// Every route of the MCP listener that is behind the gate, by method.
const GATED: [(&str, &str); 9] = [
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("POST", "/server/system_tools/mcp"),
    ("GET", "/server/system_tools/mcp"),
    ("DELETE", "/server/system_tools/mcp"),
    ("POST", "/server/no_such_group/mcp"),
    ("PUT", "/mcp"),
    ("OPTIONS", "/server/system_tools/mcp"),
];

#[tokio::test]
async fn i2_every_credential_that_is_not_in_force_is_refused_on_every_route() {
    let app = App::start(&[]).await;
    let add = |name: &str, more: &[&str]| {
        let made = app.ok_json(&[&["key", "add", "system_tools", "--name", name], more].concat());
        made["key"].as_str().unwrap().to_owned()
    };
    let (valid, revoked, replaced, expired) = (app.key("system_tools"), add("b", &[]), add("c", &[]), add("d", &["--expires", "1ms"]));
    app.ok(&["key", "revoke", "system_tools", "--key", "b"]);
    app.ok(&["key", "rotate", "system_tools", "--key", "c", "--grace", "0s"]);
    let (head, check) = valid.rsplit_once('_').unwrap();
    let mistyped = format!("{head}_{}", check.chars().rev().collect::<String>());
    let unknown = "mcp_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    let strangers = [
        ("none", None),
        ("empty", Some(String::new())),
        ("no token", Some("Bearer".into())),
        ("basic", Some(format!("Basic {valid}"))),
        ("without a scheme", Some(valid.clone())),
        ("malformed", bearer("mcp_key_wrong")),
        ("another kind", bearer("hook_key_AAAA")),
        ("bad check characters", bearer(&mistyped)),
        ("unknown", bearer(&unknown)),
        ("upper case", bearer(&valid.to_uppercase())),
        ("two in one", bearer(&format!("{valid} {valid}"))),
    ];
    let holders = [("revoked", &revoked, "key-revoked"), ("replaced", &replaced, "key-replaced"), ("expired", &expired, "key-expired")];
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_users", "arguments": {"query": "x"}}})
        .to_string();
    let before = app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome <> 'refused'");
    let mut bodies = Vec::new();
    for (method, path) in GATED {
        for suffix in [String::new(), format!("?key={valid}&authorization=Bearer%20{valid}&access_token={valid}")] {
            let url = format!("{}{path}{suffix}", app.mcp_root());
            let send = async |header: Option<&String>| {
                let mut headers = vec![("content-type", "application/json"), ("cookie", valid.as_str())];
                headers.extend(header.map(|value| ("authorization", value.as_str())));
                app.send(method, &url, &headers, call.clone()).await
            };
            for (name, header) in &strangers {
                let answer = send(header.as_ref()).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {url} {name}");
                let challenge = answer.headers["www-authenticate"].to_str().unwrap();
                assert_eq!(challenge.contains("error="), header.is_some(), "{name}: {challenge}");
                bodies.push(answer.body);
            }
            for (name, key, kind) in holders {
                let answer = send(bearer(key).as_ref()).await;
                let told = answer.json()["type"].as_str().unwrap().ends_with(kind);
                assert!(answer.status == StatusCode::UNAUTHORIZED && told, "{method} {url} {name}: {answer:?}");
            }
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "a stranger hears the same bytes, whatever was sent and wherever to: {bodies:?}");
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome <> 'refused'"), before, "nothing was done");
}

#[tokio::test]
async fn a_stranger_cannot_tell_which_groups_exist() {
    let app = App::start(&[]).await;
    app.ok(&["group", "disable", "medical_tools"]);
    let mut answers = Vec::new();
    for code in ["system_tools", "medical_tools", "no_such_group"] {
        for key in [None, Some("mcp_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
            let answer = app.rpc(Era::Silent, &app.group_url(code), key, "tools/list", json!({})).await;
            assert!(answer.headers.contains_key("www-authenticate"));
            answers.push((answer.status, answer.body));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "one text for everybody: {answers:?}");
}

#[tokio::test]
async fn the_holder_of_a_key_hears_what_is_the_matter() {
    let app = App::start(&[]).await;
    let key = app.key("system_tools");
    let status = async |code: &str| app.rpc(Era::Silent, &app.group_url(code), Some(&key), "tools/list", json!({})).await;
    assert_eq!(status("system_tools").await.status, 200);
    assert_eq!(status("no_such_group").await.status, 404);
    let other = status("medical_tools").await;
    assert!(other.status == 403 && other.body.contains("system_tools"), "{other:?}");
    app.ok(&["group", "disable", "system_tools"]);
    let disabled = status("system_tools").await;
    assert!(disabled.status == 403 && disabled.body.contains("disabled"), "{disabled:?}");
    app.ok(&["group", "enable", "system_tools"]);
    assert_eq!(status("system_tools").await.status, 200);
}

#[tokio::test]
async fn a_change_by_another_process_is_in_force_for_the_next_request() {
    for fast_lane in ["true", "false"] {
        let app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        let key = app.key("system_tools");
        let names = async || listed(&app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.json());
        assert_eq!(names().await, ["get_user_profile", "search_users"]);
        app.ok(&["tool", "disable", "system_tools", "search_users"]);
        assert_eq!(names().await, ["get_user_profile"]);
        let call = app
            .rpc(Era::Modern, &app.root_url(), Some(&key), "tools/call", json!({"name": "search_users", "arguments": {"query": "x"}}))
            .await;
        let error = &call.json()["error"];
        assert!(error["code"] == -32602 && error["message"].as_str().unwrap().contains("get_user_profile"), "{error}");
        app.ok(&["tool", "enable", "system_tools", "get_service_info"]);
        assert_eq!(names().await, ["get_user_profile", "get_service_info"]);
        app.ok(&["tool", "set", "system_tools", "get_user_profile", "--description", "只读资料"]);
        let list = app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.json();
        assert_eq!(list["result"]["tools"][0]["description"], "只读资料");
    }
}

#[tokio::test]
async fn keys_rotate_with_grace_and_are_revoked_at_once() {
    let app = App::start(&[]).await;
    let old = app.key("system_tools");
    let status = async |key: &str| app.rpc(Era::Silent, &app.root_url(), Some(key), "tools/list", json!({})).await.status.as_u16();
    let new = app.ok_json(&["key", "rotate", "system_tools", "--grace", "24h"])["key"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    assert_eq!((status(&old).await, status(&new).await, app.key("system_tools") == new), (200, 200, true));
    let last = app.ok_json(&["key", "rotate", "system_tools", "--grace", "0s"])["key"].as_str().unwrap().to_owned();
    assert_eq!((status(&new).await, status(&last).await), (401, 200));
    app.ok(&["key", "revoke", "system_tools"]);
    assert_eq!((status(&old).await, status(&last).await), (401, 401));
}

#[tokio::test]
async fn i6_the_bytes_of_a_list_change_only_when_the_group_changes() {
    let mut app = App::start(&[]).await;
    let key = app.key("consultation_tools");
    let mut first = None;
    for round in 0..3 {
        for era in [Era::Modern, Era::Silent] {
            let body =
                app.rpc(era, &app.group_url("consultation_tools"), Some(&key), "tools/list", json!({})).await.json()["result"]["tools"]
                    .to_string();
            assert_eq!(*first.get_or_insert_with(|| body.clone()), body, "round {round} {era:?}");
        }
        if round == 0 {
            app.ok(&["tool", "disable", "system_tools", "search_users"]);
        } else {
            app.stop().await;
            app.spawn().await;
        }
    }
}
