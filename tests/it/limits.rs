//! Limits: who asks too much hears which limit, until when and what changes it, on every transport; nobody else notices.

use std::time::{Duration, Instant};

use anmei_mcp::{
    outbound::{
        http_client::{HttpClient, ProxyUse},
        mcp_client::{Dialect, HttpTarget, Limits, McpClient, McpError},
    },
    secret::SecretText,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, App, ERAS, Era};

/// A group for each era, so that none uses up what is another's.
const HOMES: [(&str, &str); 4] = [
    ("system_tools", "get_user_profile"),
    ("consultation_tools", "analyze_customer"),
    ("medical_tools", "optimize_plan"),
    ("project_tools", "get_service_info"),
];

async fn ask(app: &App, era: Era, code: &str, method: &str, params: Value) -> Answer {
    app.rpc(era, &app.group_url(code), Some(&app.key(code)), method, params).await
}

async fn call(app: &App, era: Era, code: &str, tool: &str) -> Answer {
    ask(app, era, code, "tools/call", json!({"name": tool, "arguments": {}})).await
}

/// The refusal says everything there is to say of it.
fn assert_limited(answer: &Answer, limit: &str, value: u64) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    let json = answer.json();
    let (error, data) = (&json["error"], &json["error"]["data"]);
    assert_eq!((json["id"].as_u64(), error["code"].as_i64()), (Some(1), Some(429)), "{answer:?}");
    assert_eq!(
        (data["limit"].as_str(), data["value"].as_u64(), data["retryAfterSeconds"].as_u64()),
        (Some(limit), Some(value), Some(wait))
    );
    assert!((1..=86_400).contains(&wait), "{wait}");
    let text = error["message"].as_str().unwrap();
    for part in [limit, &value.to_string(), "重试", "Try again in", "anmei-mcp limit set"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(data["freeAt"].as_str().unwrap().ends_with('Z') && data["change"].as_str().unwrap().contains(limit), "{data}");
}

#[tokio::test]
async fn over_a_rate_every_lane_and_revision_says_which_limit_and_when_to_come_again() {
    for fast_lane in ["true", "false"] {
        let mut app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        for (era, (code, tool)) in ERAS.into_iter().zip(HOMES) {
            app.ok(&["limit", "set", code, "call_per_minute=2", "list_per_minute=2", "other_per_minute=2"]);
            for _ in 0..2 {
                assert_eq!(call(&app, era, code, tool).await.status, 200, "{era:?}");
                assert_eq!(ask(&app, era, code, "tools/list", json!({})).await.status, 200, "{era:?}");
                assert_eq!(ask(&app, era, code, "resources/list", json!({})).await.status, 200, "{era:?}");
            }
            assert_limited(&call(&app, era, code, tool).await, "call_per_minute", 2);
            assert_limited(&call(&app, era, code, "no_such_tool").await, "call_per_minute", 2);
            assert_limited(&ask(&app, era, code, "tools/list", json!({})).await, "list_per_minute", 2);
            assert_limited(&ask(&app, era, code, "resources/list", json!({})).await, "other_per_minute", 2);
        }
        app.stop().await;
        let limited = app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'limited' AND success = 0 AND key_id IS NOT NULL");
        assert_eq!(limited, 16, "every refusal is a row");
        assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'limited' AND tool_name = 'tools/list'"), 4);
    }
}

#[tokio::test]
async fn a_limit_of_another_process_is_in_force_for_the_next_request_and_so_is_its_end() {
    let app = App::start(&[]).await;
    let status = async || call(&app, Era::Modern, "system_tools", "get_user_profile").await.status.as_u16();
    app.ok(&["limit", "set", "system_tools", "call_per_minute=1"]);
    assert_eq!((status().await, status().await), (200, 429));
    app.ok(&["limit", "set", "system_tools", "call_per_minute=0"]);
    assert_eq!((status().await, status().await), (200, 200));
    app.ok(&["limit", "set", "system_tools", "call_per_minute=1"]);
    assert_eq!(status().await, 429, "what was used before counts on");
    let listed = app.ok_json(&["limit", "clear", "system_tools"]);
    let line = listed.as_array().unwrap().iter().find(|line| line["limit"] == "call_per_minute").unwrap().clone();
    assert_eq!((line["value"].as_u64(), line["from"].as_str()), (Some(240), Some("settings")));
    // The minute that was used up counts on: at the higher rate there is room again after a quarter of a second for each call.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((status().await, status().await), (200, 200));
    app.ok(&["settings", "set", "limits.call_per_minute=1"]);
    assert_eq!(status().await, 429);
}

#[tokio::test]
async fn a_key_has_its_own_limits_and_others_do_not_pay_for_it() {
    let app = App::start(&[]).await;
    let busy = app.ok_json(&["key", "add", "system_tools", "--name", "busy"])["key"].as_str().unwrap().to_owned();
    app.ok(&["limit", "set", "system_tools", "call_per_minute=3", "--key", "busy"]);
    let status = async |key: &str| {
        let params = json!({"name": "get_user_profile", "arguments": {}});
        app.rpc(Era::Modern, &app.root_url(), Some(key), "tools/call", params).await.status.as_u16()
    };
    let other = app.key("system_tools");
    for n in 0..10 {
        assert_eq!(status(&busy).await, if n < 3 { 200 } else { 429 }, "{n}");
        assert_eq!(status(&other).await, 200, "{n}");
    }
    let lines = app.ok_json(&["limit", "list", "system_tools"]);
    let own: Vec<_> = lines.as_array().unwrap().iter().filter(|line| line["from"] == "key").collect();
    assert!(own.len() == 1 && own[0]["value"] == 3 && own[0]["whose"].as_str().unwrap().contains("busy"), "{lines}");
}

#[tokio::test]
async fn a_rotation_takes_no_limit_away_and_begins_no_day_anew() {
    let app = App::start(&[]).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let old = text(&app.ok_json(&["key", "add", "system_tools", "--name", "busy"])["key"]);
    app.ok(&["limit", "set", "system_tools", "calls_per_day=3", "call_per_minute=100", "--key", "busy"]);
    let send = async |key: &str| {
        let params = json!({"name": "get_user_profile", "arguments": {}});
        app.rpc(Era::Modern, &app.root_url(), Some(key), "tools/call", params).await
    };
    for _ in 0..2 {
        assert_eq!(send(&old).await.status, 200);
    }
    let until = Instant::now() + Duration::from_secs(20);
    while app.count("SELECT coalesce(sum(calls), 0) FROM mcp_day_counts") < 2 {
        assert!(Instant::now() < until, "the calls of the day are not written down: {}", app.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rotated = app.ok_json(&["key", "rotate", "system_tools", "--key", "busy", "--grace", "1h"]);
    let (new, whose) = (text(&rotated["key"]), format!("key busy …{}", text(&rotated["hint"])));
    let lines = app.ok_json(&["limit", "list", "system_tools"]);
    let own = |limit: &str| lines.as_array().unwrap().iter().find(|line| line["whose"] == whose && line["limit"] == limit).unwrap();
    let (minute, day) = (own("call_per_minute"), own("calls_per_day"));
    assert_eq!((&minute["value"], &minute["from"]), (&json!(100), &json!("key")), "{lines}");
    assert_eq!((&day["value"], &day["from"], &day["used_today"]), (&json!(3), &json!("key"), &json!(2)), "{lines}");
    assert_eq!(send(&new).await.status, 200);
    assert_limited(&send(&new).await, "calls_per_day", 3);
    let set = app.ok_json(&["audit", "list", "--action", "limit.set", "--object", "limit/system_tools/key/busy"]);
    assert_eq!(set.as_array().unwrap().len(), 4, "two that were set and two that were taken over: {set}");
}

#[tokio::test]
async fn a_tools_rate_holds_for_all_keys_together_and_for_that_tool_alone() {
    for fast_lane in ["true", "false"] {
        let app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        app.ok(&["limit", "set", "medical_tools", "call_per_minute=2", "--tool", "optimize_plan"]);
        for era in [Era::Modern, Era::Silent] {
            assert_eq!(call(&app, era, "medical_tools", "optimize_plan").await.status, 200);
        }
        let refused = call(&app, Era::Modern, "medical_tools", "optimize_plan").await;
        assert_limited(&refused, "call_per_minute", 2);
        assert_eq!(refused.json()["error"]["data"]["tool"], "optimize_plan");
        assert_eq!(call(&app, Era::Modern, "medical_tools", "generate_treatment_plan").await.status, 200);
    }
}

#[tokio::test]
async fn calls_at_a_time_are_refused_at_once_and_let_in_again_when_one_has_ended() {
    for whose in [&["--tool", "create_consultation_summary"][..], &[]] {
        let app = App::with_records(&[]).await;
        app.ok(&[&["limit", "set", "consultation_tools", "concurrent_calls=1"], whose].concat());
        let key = app.key("consultation_tools");
        let summary = json!({"name": "create_consultation_summary", "arguments": {"consultation_data": {"customer_id": "usr_zhangwei", "type": "skin", "notes": "客户担心色斑。"}}});
        let send = async || app.rpc(Era::Modern, &app.group_url("consultation_tools"), Some(&key), "tools/call", summary.clone()).await;
        // While somebody else writes, a tool that writes waits.
        let lock = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (waiting, refused) = tokio::join!(send(), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let refused = send().await;
            lock.execute_batch("ROLLBACK").unwrap();
            refused
        });
        assert_limited(&refused, "concurrent_calls", 1);
        assert_eq!(waiting.json()["result"]["isError"], false, "{waiting:?}");
        assert_eq!(send().await.status, 200);
    }
}

#[tokio::test]
async fn the_calls_of_a_day_survive_a_restart_and_what_is_refused_does_not_count() {
    let mut app = App::start(&[]).await;
    app.ok(&["limit", "set", "system_tools", "calls_per_day=3"]);
    for _ in 0..2 {
        assert_eq!(call(&app, Era::Modern, "system_tools", "get_user_profile").await.status, 200);
    }
    app.stop().await;
    app.spawn().await;
    assert_eq!(call(&app, Era::Silent, "system_tools", "get_user_profile").await.status, 200);
    for _ in 0..2 {
        let refused = call(&app, Era::Modern, "system_tools", "get_user_profile").await;
        assert_limited(&refused, "calls_per_day", 3);
        // The clinic's midnight, by the settings' default of +08:00.
        assert!(refused.json()["error"]["data"]["freeAt"].as_str().unwrap().ends_with("T16:00:00.000Z"), "{refused:?}");
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    app.kill();
    app.spawn().await;
    assert_limited(&call(&app, Era::Modern, "system_tools", "get_user_profile").await, "calls_per_day", 3);
    let lines = app.ok_json(&["limit", "list", "system_tools"]);
    let day = lines.as_array().unwrap().iter().find(|line| line["limit"] == "calls_per_day" && line["used_today"].is_u64()).unwrap();
    assert_eq!(day["used_today"], 3, "{lines}");
}

#[tokio::test]
async fn the_guides_defaults_hold_and_the_welcome_agents_group_is_free_of_them() {
    let app = App::start(&[]).await;
    let flood = async |code: &str, tool: &str, count: usize| {
        let (key, url) = (app.key(code), app.group_url(code));
        let mut passed = 0;
        for _ in 0..count {
            let answer = app.rpc(Era::Modern, &url, Some(&key), "tools/call", json!({"name": tool, "arguments": {}})).await;
            passed += usize::from(answer.status == 200);
        }
        passed
    };
    // Some come in while the flood lasts: one each quarter of a second.
    let passed = flood("system_tools", "get_user_profile", 400).await;
    assert!((240..400).contains(&passed), "{passed}");
    assert_eq!(flood("welcome_tools", "get_user_profile", 400).await, 400);
    let lines = app.ok_json(&["limit", "list", "welcome_tools"]);
    assert!(lines.as_array().unwrap().iter().all(|line| line["value"] == 0 && line["from"] == "subject-scoped"), "{lines}");
}

#[tokio::test]
async fn who_is_at_the_machine_has_no_rate() {
    let app = App::idle(&[]);
    app.ok(&["limit", "set", "system_tools", "call_per_minute=1", "calls_per_day=1"]);
    for _ in 0..3 {
        let said = app.cli(&["tool", "call", "system_tools", "get_user_profile", "--arguments", "{\"user_id\":\"nobody\"}"]);
        assert!(!String::from_utf8_lossy(&said.stderr).contains("call_per_minute"), "{said:?}");
    }
}

#[tokio::test]
async fn in_a_batch_each_message_is_counted_and_refused_for_itself() {
    let app = App::start(&[]).await;
    app.ok(&["limit", "set", "system_tools", "list_per_minute=2"]);
    let one = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"});
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let answer = app.send("POST", &app.root_url(), &headers, json!([one(1), one(2), one(3)]).to_string()).await;
    let answers = answer.json();
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!((answer.status.as_u16(), codes), (200, vec![None, None, Some(429)]), "{answers}");
}

#[tokio::test]
async fn in_sessions_and_over_http_and_sse_the_refusal_comes_as_the_answer() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let limits = ["call_per_minute=1", "list_per_minute=1", "other_per_minute=3"];
    for (code, tool) in [HOMES[0], HOMES[1]] {
        app.ok(&[&["limit", "set", code][..], &limits].concat());
        let http = HttpClient::new(ProxyUse::Direct).unwrap();
        let target = |last: &str| {
            HttpTarget::new(&format!("{}/server/{code}/{last}", app.mcp_root()), Some(&SecretText::new(app.key(code)))).unwrap()
        };
        let mut client = match code {
            "system_tools" => McpClient::over_sse(http, target("sse"), Limits::default()),
            _ => McpClient::over_http(http, target("mcp"), Dialect::Handshake("2025-11-25"), Limits::default()),
        };
        client.connect().await.unwrap();
        client.tools().await.unwrap();
        client.call(tool, json!({})).await.unwrap();
        for (limit, refused) in
            [("list_per_minute", client.tools().await.unwrap_err()), ("call_per_minute", client.call(tool, json!({})).await.unwrap_err())]
        {
            let McpError::Rpc { code: 429, data: Some(data), .. } = &refused else { panic!("{code}: {refused:?}") };
            assert_eq!((data["limit"].as_str(), data["value"].as_u64()), (Some(limit), Some(1)), "{code}");
        }
        client.request("ping", json!({})).await.unwrap();
        client.close().await;
    }
}

#[tokio::test]
async fn what_is_no_limit_is_refused_with_what_there_is() {
    let app = App::idle(&[]);
    for (args, code, said) in [
        (&["set", "system_tools", "calls=1"][..], 2, "list_per_minute"),
        (&["set", "system_tools", "call_per_minute=many"], 2, "whole number"),
        (&["set", "system_tools", "call_per_minute=60000001"], 2, "60000000"),
        (&["set", "system_tools"], 2, "LIMIT=VALUE"),
        (&["set", "nobody", "call_per_minute=1"], 4, "there is no group nobody"),
        (&["set", "system_tools", "call_per_minute=1", "--tool", "optimize_plan"], 4, "get_user_profile"),
        (&["set", "system_tools", "calls_per_day=1", "--tool", "search_users"], 2, "a tool has no calls_per_day"),
        (&["set", "system_tools", "call_per_minute=1", "--key", "nobody"], 4, "nobody"),
        (&["clear", "system_tools"], 4, "nothing of that was set"),
    ] {
        let output = app.cli(&[&["limit"], args].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(said), "{args:?}: {text}");
    }
    assert_eq!(app.count("SELECT count(*) FROM mcp_limits"), 0);
}
