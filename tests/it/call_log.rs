//! I3: a tool call that was answered is in the call log, exactly once; refused ones too; nothing personal is in it.

use std::time::Duration;

use serde_json::json;

use crate::harness::{App, Era, HOOK_KEY};

#[tokio::test]
async fn i3_every_answer_is_one_row_after_an_orderly_stop() {
    for fast_lane in ["true", "false"] {
        let mut app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let (key, url) = (app.key("system_tools"), app.root_url());
        let mut answered = 0;
        for round in 0..40 {
            for arguments in [json!({"user_id": "usr_anna"}), json!({"user_id": "usr_nobody"}), json!({"user_id": 7})] {
                let era = if round % 2 == 0 { Era::Modern } else { Era::Silent };
                let answer =
                    app.rpc(era, &url, Some(&key), "tools/call", json!({"name": "get_user_profile", "arguments": arguments})).await;
                answered += i64::from(answer.status == 200);
            }
        }
        assert_eq!(app.stop().await, Some(0));
        assert_eq!((answered, app.count("SELECT count(*) FROM mcp_call_logs")), (120, 120));
        assert_eq!(app.count("SELECT count(DISTINCT call_id) FROM mcp_call_logs"), 120);
        let outcome = |name: &str| app.count(&format!("SELECT count(*) FROM mcp_call_logs WHERE outcome = '{name}'"));
        assert_eq!((outcome("ok"), outcome("tool_error"), outcome("invalid_arguments")), (40, 40, 40));
        assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE protocol = '2026-07-28' AND client_name LIKE 'tests%'"), 60);
    }
}

#[tokio::test]
async fn i3_a_killed_daemon_loses_the_last_second_at_most_and_nothing_when_durable() {
    let mut app = App::with_records(&[]).await;
    let mut durable = App::with_records(&[("call_log.durable", "true")]).await;
    for app in [&app, &durable] {
        let key = app.key("system_tools");
        for _ in 0..20 {
            app.rpc(
                Era::Modern,
                &app.root_url(),
                Some(&key),
                "tools/call",
                json!({"name": "get_user_profile", "arguments": {"user_id": "usr_anna"}}),
            )
            .await;
        }
    }
    durable.kill();
    assert_eq!(durable.count("SELECT count(*) FROM mcp_call_logs"), 20, "each was answered after its commit");
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.kill();
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs"), 20, "all were answered more than a second before");
}

#[tokio::test]
async fn i3_refusals_and_unknown_tools_are_rows_too() {
    let mut app = App::with_records(&[]).await;
    let (key, url) = (app.key("system_tools"), app.group_url("system_tools"));
    let call = json!({"name": "search_users", "arguments": {"query": "张伟"}});
    app.rpc(Era::Modern, &url, None, "tools/call", call.clone()).await;
    app.rpc(Era::Modern, &url, Some("mcp_key_wrong"), "tools/call", call.clone()).await;
    app.rpc(Era::Modern, &app.group_url("medical_tools"), Some(&key), "tools/call", call.clone()).await;
    app.rpc(Era::Modern, &url, Some(&key), "tools/call", json!({"name": "optimize_plan", "arguments": {}})).await;
    app.ok(&["tool", "call", "system_tools", "search_users", "--arguments", r#"{"query":"张伟"}"#]);
    app.stop().await;
    let outcome = |name: &str| app.count(&format!("SELECT count(*) FROM mcp_call_logs WHERE outcome = '{name}'"));
    assert_eq!((outcome("refused"), outcome("unknown_tool"), outcome("ok")), (3, 1, 1));
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE channel = 'cli' AND success = 1"), 1);
}

#[tokio::test]
async fn a_call_whose_client_goes_away_is_cancelled_and_logged_as_such() {
    let mut app = App::with_records(&[]).await;
    let (url, bearer) = (app.group_url("medical_tools"), format!("Bearer {}", app.key("medical_tools")));
    // The writer is held by another process, so that a tool that stores something cannot end; then the client goes.
    let hold = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    hold.execute_batch("BEGIN IMMEDIATE").unwrap();
    let plan = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "generate_treatment_plan",
        "arguments": {"customer_profile": {"user_id": "usr_liuyang"}, "requirements": {"concerns": ["痘印"], "budget": 20000}}}});
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let gone = tokio::time::timeout(Duration::from_millis(300), app.send("POST", &url, &headers, plan.to_string())).await;
    assert!(gone.is_err(), "storing the plan waits for the lock: {gone:?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    hold.execute_batch("ROLLBACK").unwrap();
    app.stop().await;
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'cancelled'"), 1);
}

/// A canary in every secret and every personal field; then the log and the call log are searched for it.
#[tokio::test]
async fn nothing_secret_or_personal_is_logged() {
    let mut app = App::with_records(&[("log.filter", "debug")]).await;
    let key = app.key("system_tools");
    let bad = json!({"query": "x", "limit": "张伟 13800138000", "zhang.wei@example.com": 1});
    app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/call", json!({"name": "search_users", "arguments": bad})).await;
    for query in ["13800138000", "zhang.wei@example.com", "张伟"] {
        app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/call", json!({"name": "search_users", "arguments": {"query": query}}))
            .await;
        app.rpc(
            Era::Handshake("2025-06-18"),
            &app.root_url(),
            Some(&key),
            "tools/call",
            json!({"name": "search_users", "arguments": {"query": query}}),
        )
        .await;
    }
    let body = json!({"user_id": "usr_canary", "username": "金丝雀", "email": "canary@example.com", "phone": "13712341234"});
    let accepted = app.register(None, &body).await.json();
    app.finished(&accepted).await;
    app.stop().await;
    let database = app.database();
    let mut statement = database
        .prepare("SELECT coalesce(request_data, '') || coalesce(response_data, '') || coalesce(error_message, '') FROM mcp_call_logs")
        .unwrap();
    let rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 7);
    let kept = rows.join("\n") + &app.log();
    for secret in [key.as_str(), HOOK_KEY, "13800138000", "zhang.wei@example.com", "张伟", "canary@example.com", "13712341234", "金丝雀"]
    {
        assert!(!kept.contains(secret), "{secret} was logged");
    }
}
