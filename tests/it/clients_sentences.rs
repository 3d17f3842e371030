//! What real clients need, sentence by sentence. Each holds on both lanes, and with sessions and without, where that
//! can make a difference.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    events::Events,
    harness::{Answer, App, ERAS, Era, GROUPS},
    oauth_kit::{REDIRECT, sent_back, text as field},
    sessions::message,
};

/// Lane × sessions.
const WAYS: [[(&str, &str); 2]; 4] = [
    [("mcp.fast_lane", "true"), ("mcp.sessions", "false")],
    [("mcp.fast_lane", "false"), ("mcp.sessions", "false")],
    [("mcp.fast_lane", "true"), ("mcp.sessions", "true")],
    [("mcp.fast_lane", "false"), ("mcp.sessions", "true")],
];
const LANES: [[(&str, &str); 1]; 2] = [[("mcp.fast_lane", "true")], [("mcp.fast_lane", "false")]];

/// Posts as Dify does: no version header, and what `initialize` gave as session, if it gave one.
struct Dify<'a> {
    app: &'a App,
    url: String,
    bearer: String,
    session: Option<String>,
}

impl<'a> Dify<'a> {
    /// Says hello with id 0 and 2025-06-18, and that it is ready, without params.
    async fn hello(app: &'a App, code: &str) -> Self {
        let mut dify = Self { app, url: app.group_url(code), bearer: format!("Bearer {}", app.key(code)), session: None };
        let answer = dify.post(r#"{"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"Dify","version":"1.14.0"}},"jsonrpc":"2.0","id":0}"#).await;
        assert_eq!((answer.status.as_u16(), &message(&answer)["id"]), (200, &json!(0)), "{answer:?}");
        assert_eq!(message(&answer)["result"]["protocolVersion"], "2025-06-18");
        dify.session = answer.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        let ready = dify.post(r#"{"method":"notifications/initialized","jsonrpc":"2.0"}"#).await;
        assert_eq!((ready.status.as_u16(), ready.body.as_str()), (202, ""));
        dify
    }

    async fn post(&self, body: &str) -> Answer {
        let mut headers = vec![("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        headers.push(("accept", "application/json,text/event-stream"));
        headers.extend(self.session.as_deref().map(|id| ("mcp-session-id", id)));
        self.app.send("POST", &self.url, &headers, body).await
    }

    async fn ask(&self, body: &str) -> Value {
        let answer = self.post(body).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        message(&answer)
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let body = json!({"method": "tools/call", "params": {"name": tool, "arguments": arguments}, "jsonrpc": "2.0", "id": 2});
        self.ask(&body.to_string()).await
    }
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn id_zero_no_version_header_no_params_and_no_meta_are_in_order() {
    for way in WAYS {
        let app = App::with_records(&way).await;
        let dify = Dify::hello(&app, "system_tools").await;
        let list = dify.ask(r#"{"method":"tools/list","jsonrpc":"2.0","id":0}"#).await;
        assert_eq!((&list["id"], list["result"]["tools"].as_array().unwrap().len()), (&json!(0), 2), "{way:?}");
        let call = dify.call("get_user_profile", json!({"user_id": "usr_anna"})).await;
        assert!(call["result"]["structuredContent"].is_object(), "{way:?} {call}");
        let ping = dify.ask(r#"{"method":"ping","jsonrpc":"2.0","id":"5f2a9c0de4b1476688aa01f3c7d95e2b"}"#).await;
        assert_eq!(ping["id"], "5f2a9c0de4b1476688aa01f3c7d95e2b");
    }
}

#[tokio::test]
async fn the_version_a_client_asks_for_is_echoed_and_an_unknown_one_gets_our_latest() {
    for way in WAYS {
        let app = App::start(&way).await;
        let key = app.key("system_tools");
        for (asked, given) in [
            ("2025-11-25", "2025-11-25"),
            ("2025-06-18", "2025-06-18"),
            ("2025-03-26", "2025-03-26"),
            ("2024-11-05", "2024-11-05"),
            ("1999-01-01", "2025-11-25"),
        ] {
            let params = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
            let answer = app.rpc(Era::Silent, &app.root_url(), Some(&key), "initialize", params).await;
            assert_eq!(message(&answer)["result"]["protocolVersion"], given, "{way:?} {asked}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_version_header_that_nobody_knows_is_400() {
    for way in WAYS {
        let app = App::start(&way).await;
        let answer = app.rpc(Era::Handshake("1999-01-01"), &app.root_url(), Some(&app.key("system_tools")), "tools/list", json!({})).await;
        assert!(answer.status == 400 && answer.json()["error"]["code"].is_i64(), "{way:?} {answer:?}");
    }
}

#[tokio::test]
async fn a_blank_argument_that_the_client_dropped_is_told_as_missing_with_an_example() {
    for way in WAYS {
        let app = App::with_records(&way).await;
        let dify = Dify::hello(&app, "system_tools").await;
        for arguments in [json!({}), json!({"user_id": ""}), json!({"user_id": null})] {
            let answer = dify.call("get_user_profile", arguments.clone()).await;
            assert_eq!(answer["result"]["isError"], true, "{way:?} {arguments} {answer}");
            let text = text(&answer);
            assert!(text.contains("user_id") && (text.contains("Error") || text.contains("错误")), "{way:?} {text}");
            assert!(text.contains("Accepted example: {"), "{way:?} {text}");
        }
        let none = dify.ask(r#"{"method":"tools/call","params":{"name":"get_user_profile"},"jsonrpc":"2.0","id":3}"#).await;
        assert!(text(&none).contains("user_id"), "{way:?} {none}");
    }
}

#[tokio::test]
async fn integers_as_floats_or_text_and_booleans_as_text_are_understood() {
    for way in LANES {
        let app = App::with_records(&way).await;
        let dify = Dify::hello(&app, "system_tools").await;
        for limit in [json!(3), json!(3.0), json!("3")] {
            let answer = dify.call("search_users", json!({"query": "a", "limit": limit})).await;
            assert_eq!(answer["result"]["isError"], false, "{way:?} {limit} {answer}");
        }
        let answer = dify.call("get_user_profile", json!({"user_id": "usr_anna", "include_details": "true"})).await;
        assert_eq!(answer["result"]["structuredContent"]["details_included"], true, "{way:?} {answer}");
    }
}

#[tokio::test]
async fn every_get_is_answered_at_once_with_a_stream_or_405_or_401() {
    for sessions in ["false", "true"] {
        let app = App::start(&[("mcp.sessions", sessions)]).await;
        let bearer = format!("Bearer {}", app.key("system_tools"));
        for url in [app.root_url(), app.group_url("system_tools")] {
            for (headers, status) in [
                (vec![], 401),
                (vec![("authorization", bearer.as_str())], 405),
                (vec![("authorization", bearer.as_str()), ("accept", "*/*")], 405),
                (vec![("authorization", bearer.as_str()), ("accept", "application/json")], 405),
                (vec![("authorization", bearer.as_str()), ("accept", "text/event-stream"), ("mcp-protocol-version", "2025-06-18")], 405),
                (vec![("authorization", bearer.as_str()), ("accept", "text/event-stream"), ("last-event-id", "0")], 405),
                (vec![("authorization", bearer.as_str()), ("accept", "text/event-stream")], 200),
            ] {
                let start = Instant::now();
                let answer = Events::open("GET", &url, &headers, "").await;
                assert_eq!(answer.status, status, "{sessions} {headers:?}");
                assert!(start.elapsed() < Duration::from_secs(1), "{headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn without_sessions_delete_is_405_and_a_stray_session_id_does_no_harm() {
    let app = App::start(&[]).await;
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("mcp-session-id", "of another server")];
    let ended = app.send("DELETE", &app.root_url(), &headers, "").await;
    assert_eq!((ended.status.as_u16(), ended.headers["allow"].as_bytes()), (405, &b"POST"[..]));
    assert_eq!(app.send("GET", &app.root_url(), &headers, "").await.status, 405);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert_eq!(app.send("POST", &app.root_url(), &headers, body).await.status, 200);
}

#[tokio::test]
async fn a_request_is_never_answered_202_and_a_notification_always() {
    for way in WAYS {
        let app = App::start(&way).await;
        let dify = Dify::hello(&app, "system_tools").await;
        for method in ["ping", "tools/list", "tools/call", "resources/read", "no/such", "completion/complete"] {
            let answer = dify.post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}).to_string()).await;
            assert!(answer.status != 202, "{way:?} {method}");
            let answer = message(&answer);
            assert!(answer["id"] == 1 && (answer.get("result").is_some() || answer.get("error").is_some()), "{way:?} {method} {answer}");
        }
        for method in ["notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/of/tomorrow"] {
            let answer = dify.post(&json!({"jsonrpc": "2.0", "method": method, "params": {}}).to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (202, ""), "{way:?} {method}");
        }
    }
}

#[tokio::test]
async fn no_event_of_any_stream_has_empty_data_or_another_name_than_message() {
    for way in WAYS {
        let app = App::with_records(&way).await;
        let bearer = format!("Bearer {}", app.key("system_tools"));
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json"), ("accept", "text/event-stream")];
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
        let mut all = Vec::new();
        let mut opened = Events::open("POST", &app.root_url(), &headers, request("initialize", &hello)).await;
        let session = opened.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        while let Some(event) = opened.next().await {
            all.push(event);
        }
        headers.extend(session.as_deref().map(|id| ("mcp-session-id", id)));
        Events::open("POST", &app.root_url(), &headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        for (method, params) in [
            ("ping", json!({})),
            ("tools/list", json!({})),
            ("tools/call", json!({"name": "get_user_profile", "arguments": {"user_id": "usr_anna"}})),
            ("prompts/list", json!({})),
        ] {
            let mut events = Events::open("POST", &app.root_url(), &headers, request(method, &params)).await;
            assert_eq!(events.headers["content-type"].as_bytes(), b"text/event-stream", "{way:?} {method}");
            let before = all.len();
            while let Some(event) = events.next().await {
                all.push(event);
            }
            assert_eq!(all.len(), before + 1, "{way:?} {method}: one answer, and then the stream ends");
        }
        for event in &all {
            assert!(event.name == "message" && event.json()["id"] == 0, "{way:?} {event:?}");
        }
        if session.is_some() {
            let mut stream = Events::open("GET", &app.root_url(), &headers, "").await;
            assert!(stream.is_silent(Duration::from_millis(300)).await, "{way:?}: a priming event");
        }
    }
}

fn request(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).to_string()
}

#[tokio::test]
async fn every_list_is_one_page_and_a_cursor_is_refused() {
    for way in WAYS {
        let app = App::start(&way).await;
        let key = app.key("consultation_tools");
        for era in ERAS {
            for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
                let list = app.rpc(era, &app.root_url(), Some(&key), method, json!({})).await.json();
                assert!(list["result"].is_object() && list["result"].get("nextCursor").is_none(), "{way:?} {era:?} {method} {list}");
                let paged = app.rpc(era, &app.root_url(), Some(&key), method, json!({"cursor": "2"})).await.json();
                assert_eq!(paged["error"]["code"], -32602, "{way:?} {era:?} {method} {paged}");
            }
        }
    }
}

/// Dify ignores `isError`.
#[tokio::test]
async fn the_text_of_an_error_says_itself_that_it_is_one_and_what_to_do() {
    for way in LANES {
        let app = App::with_records(&way).await;
        let dify = Dify::hello(&app, "system_tools").await;
        for (tool, arguments, what_to_do) in [
            ("get_user_profile", json!({"user_id": "usr_nobody"}), "Find the right id with search_users"),
            ("get_user_profile", json!({}), "Accepted example: {"),
            ("search_users", json!({"query": "x", "limit": "many"}), "Accepted example: {"),
            ("search_users", json!({"query": "x", "limitt": 3}), "Accepted example: {"),
        ] {
            let answer = dify.call(tool, arguments).await;
            assert_eq!(answer["result"]["isError"], true, "{way:?} {answer}");
            let text = text(&answer);
            assert!(text.starts_with("错误") && text.contains("Error"), "{way:?} {text}");
            assert!(text.contains(what_to_do), "{way:?} {text}");
            assert!(serde_json::from_str::<Value>(text).is_err(), "an error that is JSON would be shown as data: {text}");
        }
    }
}

/// The write that the call waits for is held up by a lock for longer than the tool may take.
#[tokio::test]
async fn a_call_that_takes_too_long_says_what_to_do() {
    for way in LANES {
        let app = App::with_records(&way).await;
        app.ok(&["tool", "set", "consultation_tools", "create_consultation_summary", "--timeout", "1"]);
        let dify = Dify::hello(&app, "consultation_tools").await;
        let lock = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let summary = json!({"consultation_data": {"customer_id": "usr_zhangwei", "type": "skin", "notes": "客户担心色斑。"}});
        let (answer, ()) = tokio::join!(dify.call("create_consultation_summary", summary), async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            lock.execute_batch("ROLLBACK").unwrap();
        });
        assert_eq!(answer["result"]["isError"], true, "{way:?} {answer}");
        let text = text(&answer);
        assert!(text.starts_with("错误 / Error") && text.contains("within 1 s"), "{way:?} {text}");
        assert!(text.contains("请缩小范围后重试") && text.contains("Try again with less to do"), "{way:?} {text}");
    }
}

/// A single call is refused with 403; in a batch each call has an answer of its own.
#[tokio::test]
async fn a_call_in_a_batch_that_a_token_does_not_cover_says_what_to_do() {
    for way in LANES {
        let app = App::with_records(&way).await;
        let (client, url, key) = (app.client().await, app.group_url("consultation_tools"), app.key("consultation_tools"));
        let page = app.page(&App::request(&client, &url)).await;
        let back = sent_back(&app.answer(&page, &[("action", "allow"), ("key", &key)]).await, REDIRECT);
        let tokens = app.token(&App::exchange(&client, &back["code"])).await.json();
        let bearer = format!("Bearer {}", field(&tokens, "access_token"));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("accept", "application/json")];
        let call = json!({"name": "create_consultation_summary", "arguments": {"consultation_data": {}}});
        let batch = json!([{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}]);
        let answer = app.send("POST", &url, &headers, batch.to_string()).await.json();
        assert_eq!(answer[0]["result"]["isError"], true, "{way:?} {answer}");
        let text = text(&answer[0]);
        assert!(text.starts_with("错误 / Error") && text.contains("请重新授权") && text.contains("tools:write"), "{way:?} {text}");
    }
}

/// In Docker, Dify's `Host` is the name by which its container knows the machine.
#[tokio::test]
async fn a_host_that_the_operator_allows_is_answered() {
    let app = App::start(&[("mcp.allowed_hosts", "localhost,127.0.0.1,host.docker.internal")]).await;
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    for (host, status) in [
        ("host.docker.internal", 200),
        ("host.docker.internal:8000", 200),
        ("HOST.docker.internal", 200),
        ("127.0.0.1:8000", 200),
        ("docker.internal", 403),
        ("host.docker.internal.evil.example", 403),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("host", host)];
        let answer = app.send("POST", &app.root_url(), &headers, body.clone()).await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
}

#[tokio::test]
async fn every_result_has_content_of_a_type_that_every_client_knows() {
    for way in WAYS {
        let app = App::with_records(&way).await;
        let dify = Dify::hello(&app, "system_tools").await;
        for arguments in [json!({"user_id": "usr_anna"}), json!({"user_id": "usr_nobody"}), json!({})] {
            let answer = dify.call("get_user_profile", arguments).await;
            let content = answer["result"]["content"].as_array().unwrap();
            assert!(!content.is_empty() && content.iter().all(|block| block["type"] == "text"), "{way:?} {answer}");
        }
    }
}

#[tokio::test]
async fn schemas_are_flat_enough_for_a_client_that_reads_properties_only() {
    let app = App::start(&[]).await;
    for code in GROUPS {
        let list = app.rpc(Era::Silent, &app.group_url(code), Some(&app.key(code)), "tools/list", json!({})).await.json();
        for tool in list["result"]["tools"].as_array().unwrap() {
            let schema = &tool["inputSchema"];
            assert!(schema["type"] == "object" && !schema.to_string().contains("$ref"), "{tool}");
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let typed = property["type"].as_str().is_some_and(|kind| TYPES.contains(&kind));
                assert!(property.is_object() && typed && property["description"].is_string(), "{name} of {tool}");
            }
        }
    }
}

/// The types that every client knows; of one that it does not, Dify drops the whole provider.
const TYPES: [&str; 6] = ["string", "integer", "number", "boolean", "array", "object"];

/// Dify keeps the type and the description of an argument, and nothing else.
#[tokio::test]
async fn allowed_values_bounds_and_defaults_are_in_the_description_too() {
    let app = App::start(&[]).await;
    let mut seen = 0;
    for code in GROUPS {
        let list = app.rpc(Era::Silent, &app.group_url(code), Some(&app.key(code)), "tools/list", json!({})).await.json();
        for tool in list["result"]["tools"].as_array().unwrap() {
            for (name, property) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
                let description = property["description"].as_str().unwrap();
                let allowed = property["enum"].as_array().cloned().unwrap_or_default();
                let bounds = ["default", "minimum", "maximum"].into_iter().filter_map(|word| property.get(word).cloned());
                for value in allowed.into_iter().chain(bounds) {
                    let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    assert!(description.contains(&said), "{said} is not told of {name} of {}: {description}", tool["name"]);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[tokio::test]
async fn a_prefixed_tool_name_is_understood() {
    for way in WAYS {
        let app = App::with_records(&way).await;
        let dify = Dify::hello(&app, "system_tools").await;
        let answer = dify.call("anmei_system__get_user_profile", json!({"user_id": "usr_anna"})).await;
        assert!(answer["result"]["structuredContent"].is_object(), "{way:?} {answer}");
        let other = dify.call("anmei_medical__optimize_plan", json!({})).await;
        assert_eq!(other["error"]["code"], -32602, "{way:?} another group's tool {other}");
    }
}

#[tokio::test]
async fn resources_and_prompts_are_empty_lists_and_no_error() {
    for way in WAYS {
        let app = App::start(&way).await;
        let dify = Dify::hello(&app, "project_tools").await;
        for (method, member) in
            [("resources/list", "resources"), ("resources/templates/list", "resourceTemplates"), ("prompts/list", "prompts")]
        {
            let list = dify.ask(&json!({"jsonrpc": "2.0", "id": 4, "method": method}).to_string()).await;
            assert_eq!(list["result"][member], json!([]), "{way:?} {method}");
        }
    }
}

#[tokio::test]
async fn an_unknown_well_known_path_is_a_plain_404_at_once() {
    let app = App::start(&[]).await;
    for path in [
        "/.well-known/nothing-here",
        "/.well-known/nothing-here/server/system_tools/mcp",
        "/mcp/.well-known/nothing-here",
        "/server/system_tools/.well-known/nothing-here",
        "/favicon.ico",
    ] {
        let start = Instant::now();
        let answer = app.send("GET", &format!("{}{path}", app.mcp_root()), &[("accept", "application/json")], "").await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        assert!(start.elapsed() < Duration::from_secs(1), "{path}");
    }
}

/// Claude Code shows the body to its user.
#[tokio::test]
async fn a_401_holds_the_fix_whatever_the_method() {
    let app = App::start(&[]).await;
    for (method, path) in [("POST", "/mcp"), ("GET", "/mcp"), ("GET", "/sse"), ("POST", "/mcp/messages?sessionId=1"), ("DELETE", "/mcp")] {
        let answer = app.send(method, &format!("{}{path}", app.mcp_root()), &[("accept", "text/event-stream")], "").await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        assert!(answer.json()["detail"].as_str().unwrap().contains("Authorization"), "{answer:?}");
    }
}

#[tokio::test]
async fn each_group_has_a_url_of_its_own_that_ends_in_mcp() {
    let app = App::start(&[]).await;
    for code in GROUPS {
        let url = app.group_url(code);
        assert!(url.ends_with("/mcp"));
        assert_eq!(app.rpc(Era::Silent, &url, Some(&app.key(code)), "tools/list", json!({})).await.status, 200, "{code}");
    }
}

/// A new connection for every request: nothing may depend on the last one.
#[tokio::test]
async fn a_call_needs_no_handshake_before_it() {
    for way in WAYS {
        let app = App::with_records(&way).await;
        let dify = Dify { app: &app, url: app.root_url(), bearer: format!("Bearer {}", app.key("system_tools")), session: None };
        let answer = dify.call("get_user_profile", json!({"user_id": "usr_anna"})).await;
        assert!(answer["result"]["structuredContent"].is_object(), "{way:?} {answer}");
    }
}
