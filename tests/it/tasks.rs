//! Tasks: long calls that outlive their request. Durable, their caller's alone, stopped when they are told to.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    harness::{Answer, App, Era},
    modern::{Host, busy_clinic, declaring_tasks, ended, long_call},
    oauth_kit::text,
};

const LANES: [&str; 2] = ["true", "false"];

/// A request of 2026-07-28 that declares the tasks extension, or does not.
async fn ask(app: &App, key: &str, method: &str, params: Value, declared: bool) -> Answer {
    let (mut headers, mut body) = Era::Modern.request(Some(key), method, params);
    if let Some(id) = body["params"]["taskId"].as_str() {
        headers.push(("mcp-name".into(), id.to_owned()));
    }
    if declared {
        declaring_tasks(&mut body);
    }
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // A token is for the URL of its group; a key opens both.
    let url = if key.starts_with("mcp_key_") { app.root_url() } else { app.group_url("medical_tools") };
    app.send("POST", &url, &headers, body.to_string()).await
}

async fn start(app: &App, key: &str) -> Value {
    let answer = ask(app, key, "tools/call", long_call(), true).await.json();
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    answer["result"].clone()
}

async fn get(app: &App, key: &str, task: &Value) -> Value {
    ask(app, key, "tasks/get", json!({"taskId": task["taskId"]}), true).await.json()
}

/// The task once it is no longer at work.
async fn settled(app: &App, key: &str, task: &Value) -> Value {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = get(app, key, task).await["result"].clone();
        if shown["status"] != "working" {
            return shown;
        }
        assert!(Instant::now() < until, "{shown} {}", app.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_long_tool_becomes_a_task_when_this_request_declares_the_extension() {
    for fast_lane in LANES {
        let app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let key = app.key("medical_tools");
        let task = start(&app, &key).await;
        assert!(task["taskId"].as_str().unwrap().len() > 30 && task["status"] == "working", "{task}");
        assert_eq!((&task["ttlMs"], &task["pollIntervalMs"]), (&json!(600_000), &json!(500)));
        assert_eq!(task["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "AnmeiSmart MCP Server");
        let shown = settled(&app, &key, &task).await;
        assert_eq!((&shown["status"], &shown["resultType"]), (&json!("completed"), &json!("complete")), "{shown}");
        assert_eq!(shown["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "AnmeiSmart MCP Server");
        let result = &shown["result"];
        assert!(result["structuredContent"]["plan_id"].is_string() && result["isError"] == false, "{result}");
        let plain = ask(&app, &key, "tools/call", long_call(), false).await.json();
        assert!(plain["result"]["structuredContent"]["plan_id"].is_string(), "{plain}");
        let other = json!({"name": "optimize_plan", "arguments": {"plan_id": plain["result"]["structuredContent"]["plan_id"], "feedback": "恢复期不超过5天"}});
        let short = ask(&app, &key, "tools/call", other, true).await.json();
        assert_eq!(short["result"]["resultType"], "complete", "only long tools become tasks: {short}");
        for era in [Era::Handshake("2025-11-25"), Era::Silent] {
            let plain = app.rpc(era, &app.root_url(), Some(&key), "tools/call", long_call()).await.json();
            assert!(plain["result"]["structuredContent"]["plan_id"].is_string(), "{era:?} {plain}");
        }
    }
}

#[tokio::test]
async fn a_task_by_an_old_name_has_the_time_and_the_limits_of_its_tool() {
    let app = App::with_records(&[]).await;
    let key = app.key("medical_tools");
    app.ok(&["tool", "alias", "medical_tools", "make_plan", "generate_treatment_plan", "--until", "2030-01-01"]);
    let mut by_old_name = long_call();
    by_old_name["name"] = json!("make_plan");
    for params in [long_call(), by_old_name.clone()] {
        let task = ask(&app, &key, "tools/call", params, true).await.json()["result"].clone();
        assert_eq!(task["resultType"], "task", "{task}");
        assert_eq!(settled(&app, &key, &task).await["status"], "completed");
    }
    let times = app.count("SELECT count(DISTINCT deadline_at - created_at) FROM mcp_tasks");
    assert_eq!((app.count("SELECT count(*) FROM mcp_tasks"), times), (2, 1), "both have the same time");
    app.ok(&["limit", "set", "medical_tools", "call_per_minute=1", "--tool", "generate_treatment_plan"]);
    let mut last = 200;
    for _ in 0..3 {
        last = ask(&app, &key, "tools/call", long_call(), false).await.status.as_u16();
    }
    assert_eq!(last, 429, "the tool has no room");
    let refused = ask(&app, &key, "tools/call", by_old_name, true).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"]["code"].as_i64()), (429, Some(429)), "no task was begun: {refused:?}");
    app.change("UPDATE mcp_tool_aliases SET until = 1700000000000");
    let mut ended = long_call();
    ended["name"] = json!("make_plan");
    let answer = ask(&app, &key, "tools/call", ended, true).await.json();
    assert!(
        answer["error"]["message"].as_str().unwrap().contains("generate_treatment_plan"),
        "an old name that ended is no task: {answer}"
    );
}

#[tokio::test]
async fn a_task_that_fails_says_so_as_a_call_would() {
    let app = App::with_records(&[]).await;
    let key = app.key("medical_tools");
    for (arguments, word) in [
        (json!({"customer_profile": {"age": 12}, "requirements": {"concerns": ["色斑"]}}), "18"),
        (json!({"customer_profile": {"age": 30}, "requirement": {}}), "requirement"),
    ] {
        let params = json!({"name": "generate_treatment_plan", "arguments": arguments});
        let task = ask(&app, &key, "tools/call", params, true).await.json()["result"].clone();
        let shown = settled(&app, &key, &task).await;
        assert_eq!((&shown["status"], &shown["result"]["isError"]), (&json!("completed"), &json!(true)), "{shown}");
        assert!(shown["result"]["content"][0]["text"].as_str().unwrap().contains(word), "{shown}");
    }
}

#[tokio::test]
async fn methods_of_tasks_want_the_extension_declared_each_time() {
    let app = App::with_records(&[]).await;
    let key = app.key("medical_tools");
    let task = start(&app, &key).await;
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let mut params = json!({"taskId": task["taskId"]});
        if method == "tasks/update" {
            params["inputResponses"] = json!({});
        }
        let refused = ask(&app, &key, method, params.clone(), false).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (400, &json!(-32021)), "{method}");
        let required = &refused.json()["error"]["data"]["requiredCapabilities"]["extensions"];
        assert!(required["io.modelcontextprotocol/tasks"].is_object(), "{refused:?}");
        let taken = ask(&app, &key, method, params, true).await;
        assert_eq!((taken.status.as_u16(), &taken.json()["result"]["resultType"]), (200, &json!("complete")), "{method}: {taken:?}");
        assert_eq!(taken.json()["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["version"], "1.0.0", "{method}: {taken:?}");
    }
}

#[tokio::test]
async fn a_task_is_its_callers_alone() {
    let app = App::with_records(&[]).await;
    let key = app.key("medical_tools");
    let task = start(&app, &key).await;
    settled(&app, &key, &task).await;
    let unknown = ask(&app, &key, "tasks/get", json!({"taskId": "task_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}), true).await;
    assert_eq!(unknown.json()["error"]["code"], -32602);
    let other_group = app.key("system_tools");
    app.ok(&["key", "rotate", "medical_tools"]);
    let other_key = app.key("medical_tools");
    assert_ne!(other_key, key);
    for stranger in [other_group, other_key] {
        for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
            let params = json!({"taskId": task["taskId"], "inputResponses": {}});
            let answer = ask(&app, &stranger, method, params, true).await;
            assert_eq!((answer.status, &answer.body), (unknown.status, &unknown.body), "{method}");
        }
    }
    assert_eq!(get(&app, &key, &task).await["result"]["status"], "completed", "and nobody touched it");
}

#[tokio::test]
async fn a_task_begun_with_a_token_is_its_grants_and_outlives_the_token() {
    let app = App::with_records(&[]).await;
    let client = app.client().await;
    let (mine, anothers) = (app.tokens(&client, "medical_tools").await, app.tokens(&client, "medical_tools").await);
    let task = start(&app, text(&mine, "access_token")).await;
    assert_eq!(settled(&app, text(&mine, "access_token"), &task).await["status"], "completed");
    for stranger in [text(&anothers, "access_token"), &app.key("medical_tools")] {
        assert_eq!(get(&app, stranger, &task).await["error"]["code"], -32602, "it is nobody else's");
    }
    let next = app.refresh(&client, text(&mine, "refresh_token")).await.json();
    assert_eq!(get(&app, text(&next, "access_token"), &task).await["result"]["status"], "completed", "the next token is the same grant's");
    let grants = app.ok_json(&["oauth", "grants", "list"]);
    for grant in grants.as_array().unwrap() {
        app.ok(&["oauth", "grants", "revoke", text(grant, "id")]);
    }
    let refused = ask(&app, text(&next, "access_token"), "tasks/get", json!({"taskId": task["taskId"]}), true).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_cancelled_task_stops_its_work() {
    let mut app = App::idle(&[]);
    busy_clinic(&app);
    app.spawn().await;
    let key = app.key("medical_tools");
    let task = start(&app, &key).await;
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = get(&app, &key, &task).await["result"].clone();
        assert_eq!(shown["status"], "working", "{shown}");
        if shown["statusMessage"].as_str().is_some_and(|message| message.contains('%')) {
            break;
        }
        assert!(Instant::now() < until, "it never says how far it is: {shown}");
    }
    let ack = ask(&app, &key, "tasks/cancel", json!({"taskId": task["taskId"]}), true).await.json();
    assert_eq!(ack["result"]["resultType"], "complete", "{ack}");
    assert_eq!(get(&app, &key, &task).await["result"]["status"], "cancelled");
    ended(&app, "cancelled").await;
    assert_eq!(app.count("SELECT count(*) FROM plans"), 0, "nothing was stored");
    let again = ask(&app, &key, "tasks/cancel", json!({"taskId": task["taskId"]}), true).await.json();
    assert_eq!(again["result"]["resultType"], "complete", "a second time is no error: {again}");
}

#[tokio::test]
async fn a_finished_task_survives_a_restart_and_one_at_work_is_told_as_interrupted() {
    let mut app = App::with_records(&[]).await;
    let key = app.key("medical_tools");
    let finished = start(&app, &key).await;
    let before = settled(&app, &key, &finished).await;
    busy_clinic(&app);
    let at_work = start(&app, &key).await;
    app.kill();
    app.spawn().await;
    assert_eq!(get(&app, &key, &finished).await["result"]["result"], before["result"]);
    let lost = get(&app, &key, &at_work).await["result"].clone();
    assert_eq!(lost["status"], "failed", "{lost}");
    let text = lost["error"]["message"].as_str().unwrap();
    assert!(text.contains("interrupted") && text.contains("Call the tool again"), "{text}");
}

#[tokio::test]
async fn an_orderly_stop_lets_a_task_end_or_says_that_it_did_not() {
    let mut app = App::with_records(&[]).await;
    let key = app.key("medical_tools");
    let task = start(&app, &key).await;
    assert_eq!(app.stop().await, Some(0));
    assert_eq!(app.count("SELECT count(*) FROM mcp_tasks WHERE state = 'working'"), 0);
    app.spawn().await;
    assert_eq!(get(&app, &key, &task).await["result"]["status"], "completed");
}

#[tokio::test]
async fn a_key_has_so_many_tasks_and_beyond_them_calls_are_answered_plainly() {
    let app = App::with_records(&[("mcp.tasks_per_key", "2")]).await;
    let key = app.key("medical_tools");
    for _ in 0..2 {
        start(&app, &key).await;
    }
    let plain = ask(&app, &key, "tools/call", long_call(), true).await.json();
    assert_eq!(plain["result"]["resultType"], "complete", "{plain}");
    app.change("UPDATE mcp_tasks SET expires_at = 1");
    start(&app, &key).await;
    assert_eq!(app.count("SELECT count(*) FROM mcp_tasks"), 1, "forgotten ones make room");
}

#[tokio::test]
async fn every_task_is_one_row_of_the_call_log() {
    let mut app = App::with_records(&[]).await;
    let key = app.key("medical_tools");
    let task = start(&app, &key).await;
    settled(&app, &key, &task).await;
    app.stop().await;
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'ok' AND channel = 'http' AND protocol = '2026-07-28'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs"), 1);
}

#[test]
fn stdio_has_tasks_too() {
    let app = App::idle(&[]);
    app.import_records();
    let mut host = Host::modern(&app, "medical_tools");
    let mut call = host.request("tools/call", long_call());
    declaring_tasks(&mut call);
    let task = host.ask(&call)["result"].clone();
    assert_eq!(task["resultType"], "task", "{task}");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let mut get = host.request("tasks/get", json!({"taskId": task["taskId"]}));
        declaring_tasks(&mut get);
        let shown = host.ask(&get)["result"].clone();
        if shown["status"] == "completed" {
            assert!(shown["result"]["structuredContent"]["plan_id"].is_string(), "{shown}");
            break;
        }
        assert!(Instant::now() < until && shown["status"] == "working", "{shown}");
        std::thread::sleep(Duration::from_millis(50));
    }
    host.end();
}
