//! Callers who work from an old list: old names, tools that are gone, arguments that were good before. Each is told what
//! changed, and counted for the operator.

use serde_json::{Value, json};

use crate::{
    harness::{App, ERAS, Era},
    modern::Host,
};

const LANES: [&str; 2] = ["true", "false"];

async fn call(app: &App, era: Era, key: &str, tool: &str, arguments: Value) -> Value {
    app.rpc(era, &app.root_url(), Some(key), "tools/call", json!({"name": tool, "arguments": arguments})).await.json()
}

/// What `tool stale` says, once the call log has written it.
fn stale(app: &App) -> Vec<Value> {
    app.ok_json(&["tool", "stale"]).as_array().unwrap().clone()
}

#[tokio::test]
async fn an_old_name_works_until_its_sunset_and_says_so() {
    for fast_lane in LANES {
        let mut app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let key = app.key("system_tools");
        app.ok(&["tool", "alias", "system_tools", "find_users", "search_users", "--until", "2030-01-01"]);
        for era in ERAS {
            for name in ["find_users", "server__find_users"] {
                let result = call(&app, era, &key, name, json!({"query": "anna"})).await["result"].clone();
                assert_eq!(result["isError"], false, "{era:?} {result}");
                assert!(result["structuredContent"]["result"].is_array(), "{result}");
                let block: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
                assert_eq!(block, result["structuredContent"], "the result comes first, whole");
                let hint = result["content"][1]["text"].as_str().unwrap();
                for word in ["find_users", "search_users", "2030-01-01", "tools/list"] {
                    assert!(hint.contains(word), "{hint}");
                }
                let note = &result["_meta"]["anmei-smart/oldList"];
                assert_eq!((&note["reason"], &note["callInstead"]), (&json!("renamed"), &json!("search_users")), "{result}");
                assert_eq!(result["_meta"].get("io.modelcontextprotocol/serverInfo").is_some(), era == Era::Modern, "{result}");
            }
        }
        let list = app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.body;
        assert!(!list.contains("find_users"), "an old name is not offered");
        app.change("UPDATE mcp_tool_aliases SET until = 1700000000000");
        let ended = call(&app, Era::Modern, &key, "find_users", json!({"query": "anna"})).await;
        assert_eq!(ended["error"]["code"], -32602, "{ended}");
        let text = ended["error"]["message"].as_str().unwrap();
        assert!(text.contains("search_users") && text.contains("2023-11-14") && text.contains("refresh the list"), "{text}");
        app.stop().await;
        app.spawn().await;
        let counted = stale(&app);
        let renamed = counted.iter().find(|row| row["reason"] == "renamed").unwrap();
        assert_eq!(
            (&renamed["calls"], &renamed["called"], &renamed["server_code"]),
            (&json!(8), &json!("find_users"), &json!("system_tools"))
        );
        assert!(renamed["client"].is_string() && renamed["last_at"].is_string(), "{renamed}");
        assert!(counted.iter().any(|row| row["reason"] == "sunset" && row["calls"] == 1), "{counted:?}");
        assert_eq!(app.ok_json(&["key", "show", "system_tools"])["stale_callers"].as_array().unwrap().len(), 2);
        assert!(app.ok(&["tool", "stale"]).contains("find_users"));
    }
}

#[tokio::test]
async fn a_tool_that_is_gone_says_what_happened_and_when() {
    for fast_lane in LANES {
        let app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let key = app.key("system_tools");
        app.ok(&["tool", "disable", "system_tools", "search_users"]);
        let since =
            app.database().query_row("SELECT changed_at FROM mcp_offer_changes WHERE change = 'disabled'", [], |row| row.get::<_, i64>(0));
        let day = anmei_mcp::clock::rfc3339(since.unwrap());
        // What else changes later does not move the time.
        app.ok(&["tool", "set", "system_tools", "search_users", "--timeout", "9"]);
        for era in ERAS {
            let answer = call(&app, era, &key, "search_users", json!({"query": "anna"})).await;
            let text = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert_eq!(answer["error"]["code"], -32602);
            for word in ["search_users", "disabled", &day, "refresh the list", "get_user_profile"] {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
        let never = call(&app, Era::Modern, &key, "optimize_plan", json!({})).await;
        assert!(!never["error"]["message"].as_str().unwrap().contains("refresh"), "what was never offered is no news: {never}");
        app.change("DELETE FROM mcp_tools WHERE tool_name = 'search_users'");
        let removed = call(&app, Era::Silent, &key, "search_users", json!({})).await;
        assert!(removed["error"]["message"].as_str().unwrap().contains("removed"), "{removed}");
        app.ok(&["tool", "enable", "system_tools", "search_users"]);
        let back = call(&app, Era::Silent, &key, "search_users", json!({"query": "anna"})).await;
        assert_eq!(back["result"]["content"].as_array().unwrap().len(), 1, "{back}");
    }
}

#[tokio::test]
async fn a_group_that_was_bound_to_subjects_says_why_a_tool_is_gone() {
    let app = App::with_records(&[]).await;
    let key = app.key("system_tools");
    app.ok(&["group", "set", "system_tools", "--subject-scoped", "true"]);
    let answer = call(&app, Era::Modern, &key, "search_users", json!({"query": "anna"})).await;
    let text = answer["error"]["message"].as_str().unwrap();
    assert!(text.contains("live run") && text.contains("refresh the list"), "{text}");
}

#[tokio::test]
async fn arguments_of_an_older_definition_are_recognised() {
    let mut app = App::idle(&[]);
    app.import_records();
    app.change(
        r#"INSERT INTO mcp_tool_schemas (tool_name, seen_at, input_schema) VALUES
           ('search_users', 1700000000000, '{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}'),
           ('find_everything', 1700000000000, '{"type":"object"}')"#,
    );
    app.spawn().await;
    assert_eq!(
        app.count("SELECT count(*) FROM mcp_tool_schemas WHERE tool_name = 'search_users'"),
        2,
        "the present one is noted beside it"
    );
    let key = app.key("system_tools");
    for era in ERAS {
        let result = call(&app, era, &key, "search_users", json!({"name": "anna"})).await["result"].clone();
        assert_eq!(result["isError"], true, "{result}");
        assert!(result["content"][0]["text"].as_str().unwrap().contains("`query`"), "what is wrong comes first: {result}");
        let hint = result["content"][1]["text"].as_str().unwrap();
        assert!(hint.contains("The tool list changed at 20") && hint.contains("Refresh the list"), "{hint}");
        assert_eq!(result["_meta"]["anmei-smart/oldList"]["reason"], "arguments", "{result}");
        let never = call(&app, era, &key, "search_users", json!({"nobody": 1})).await["result"].clone();
        assert_eq!(never["content"].as_array().unwrap().len(), 1, "arguments that never were good are no sign of an old list: {never}");
    }
    app.change(
        "INSERT INTO mcp_tools (id, tool_name, group_id, created_at, updated_at)
         SELECT 'x', 'find_everything', id, 1, 1 FROM mcp_tool_groups WHERE server_code = 'system_tools'",
    );
    let gone = call(&app, Era::Modern, &key, "find_everything", json!({})).await;
    assert!(gone["error"]["message"].as_str().unwrap().contains("removed"), "a tool of an earlier version: {gone}");
    app.stop().await;
    let reasons: Vec<_> =
        stale(&app).into_iter().map(|row| (row["reason"].as_str().unwrap().to_owned(), row["calls"].as_i64().unwrap())).collect();
    assert!(reasons.contains(&("arguments".into(), 4)) && reasons.contains(&("removed".into(), 1)), "{reasons:?}");
}

#[tokio::test]
async fn every_older_definition_that_is_kept_is_recognised() {
    let mut app = App::idle(&[]);
    app.import_records();
    let schema = |name: &str| {
        json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name], "additionalProperties": false}).to_string()
    };
    app.change(&format!(
        "INSERT INTO mcp_tool_schemas (tool_name, seen_at, input_schema) VALUES
         ('search_users', 1600000000000, '{}'), ('search_users', 1700000000000, '{}')",
        schema("who"),
        schema("name")
    ));
    app.spawn().await;
    assert_eq!(app.count("SELECT count(*) FROM mcp_tool_schemas WHERE tool_name = 'search_users'"), 3, "the present one beside them");
    let key = app.key("system_tools");
    for era in ERAS {
        for (argument, changed) in [("name", "20"), ("who", "2023-11-14")] {
            let result = call(&app, era, &key, "search_users", json!({argument: "anna"})).await["result"].clone();
            let note = &result["_meta"]["anmei-smart/oldList"];
            assert_eq!(note["reason"], "arguments", "{argument}: {result}");
            assert!(note["changedAt"].as_str().unwrap().starts_with(changed), "{argument}: when the next one came: {note}");
        }
    }
}

#[test]
fn aliases_are_checked_and_can_be_taken_back() {
    let app = App::idle(&[]);
    app.ok(&["group", "list"]);
    let alias = |rest: &[&str]| app.cli(&[&["tool", "alias", "system_tools"], rest].concat());
    for (rest, code, word) in [
        (&["old_name", "search_users"][..], 2, "--until"),
        (&["old_name", "search_users", "--until", "2020-01-01"], 2, "has passed"),
        (&["old_name", "search_users", "--until", "soon"], 2, "2027-06-30"),
        (&["Old Name", "search_users", "--until", "2030-01-01"], 2, "no tool's name"),
        (&["get_user_profile", "search_users", "--until", "2030-01-01"], 2, "offers get_user_profile itself"),
        (&["old_name", "optimize_plan", "--until", "2030-01-01"], 4, "does not offer"),
        (&["old_name", "--remove"], 4, "no alias"),
        (&["old_name"], 2, ""),
    ] {
        let output = alias(rest);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{rest:?}: {text}");
        assert!(text.contains(word), "{rest:?}: {text}");
    }
    assert!(alias(&["old_name", "search_users", "--until", "2030-01-01T08:00:00+08:00"]).status.success());
    let listed = app.ok_json(&["tool", "alias", "system_tools"]);
    assert_eq!(listed, json!([{"alias": "old_name", "tool_name": "search_users", "until": "2030-01-01T00:00:00.000Z", "by": "group"}]));
    assert!(alias(&["old_name", "--remove"]).status.success());
    assert_eq!(app.ok_json(&["tool", "alias", "system_tools"]), json!([]));
    assert_eq!(app.ok(&["tool", "stale"]).trim(), "nobody works from an old list");
}

#[test]
fn hosts_over_stdio_and_the_command_line_are_told_and_counted_too() {
    let app = App::idle(&[]);
    app.import_records();
    app.ok(&["tool", "alias", "system_tools", "find_users", "search_users", "--until", "2030-01-01"]);
    for mut host in [Host::modern(&app, "system_tools"), Host::older(&app, "system_tools")] {
        let call = host.request("tools/call", json!({"name": "find_users", "arguments": {"query": "anna"}}));
        let result = host.ask(&call)["result"].clone();
        assert!(result["content"][1]["text"].as_str().unwrap().contains("search_users"), "{result}");
        host.end();
    }
    let output = app.cli(&["tool", "call", "system_tools", "find_users", "--arguments", r#"{"query":"anna"}"#]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("is now called `search_users`"));
    let counted: i64 = stale(&app).iter().map(|row| row["calls"].as_i64().unwrap()).sum();
    assert_eq!(counted, 3);
}
