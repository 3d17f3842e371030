//! The protocol as clients of each revision speak it, on both lanes; each test runs with the fast lane and without.

use serde_json::{Value, json};

use crate::harness::{App, ERAS, Era};

const LANES: [&str; 2] = ["true", "false"];

#[tokio::test]
async fn both_lanes_give_the_same_answers() {
    let (fast, slow) = (App::with_records(&[("mcp.fast_lane", "true")]).await, App::with_records(&[("mcp.fast_lane", "false")]).await);
    let cases = [
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "get_user_profile", "arguments": {"user_id": "usr_zhangwei", "include_details": true}})),
        ("tools/call", json!({"name": "get_user_profile", "arguments": {"user_id": "usr_nobody"}})),
        ("tools/call", json!({"name": "get_user_profile"})),
        ("tools/call", json!({"name": "search_users", "arguments": {"query": "张", "limit": "3"}})),
        ("tools/call", json!({"name": "other__search_users", "arguments": {"query": "anna", "limit": 3.0}})),
        ("tools/call", json!({"name": "no_such_tool", "arguments": {}})),
    ];
    for era in ERAS {
        for (method, params) in &cases {
            let mut answers = Vec::new();
            for app in [&fast, &slow] {
                let key = app.key("system_tools");
                let answer = app.rpc(era, &app.root_url(), Some(&key), method, params.clone()).await;
                let kind = answer.headers["content-type"].to_str().unwrap().to_owned();
                answers.push((answer.status, kind, without_server_info(answer.json())));
            }
            assert_eq!(answers[0], answers[1], "{era:?} {method} {params}");
        }
    }
}

/// rmcp's lane names the server to older clients too, which they ignore.
fn without_server_info(mut answer: Value) -> Value {
    if let Some(result) = answer.get_mut("result").and_then(Value::as_object_mut) {
        result.remove("_meta");
        result.remove("ttlMs");
        result.remove("cacheScope");
    }
    answer
}

#[tokio::test]
async fn a_modern_result_says_what_the_revision_asks_for() {
    for fast_lane in LANES {
        let app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let key = app.key("system_tools");
        let list = app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.json();
        let result = &list["result"];
        assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("private")));
        assert!(result["ttlMs"].is_u64(), "{result}");
        let result = app.call(Era::Modern, "system_tools", "get_user_profile", json!({"user_id": "usr_zhangwei"})).await;
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "AnmeiSmart MCP Server");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"]);
        assert_eq!(result["structuredContent"]["username"], "张伟");
    }
}

#[tokio::test]
async fn the_handshake_echoes_the_clients_version_and_says_who_we_are() {
    let app = App::start(&[]).await;
    let key = app.key("consultation_tools");
    for version in ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] {
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "Dify", "version": "1.14"}});
        let answer = app.rpc(Era::Silent, &app.group_url("consultation_tools"), Some(&key), "initialize", params).await;
        let result = answer.json()["result"].clone();
        assert_eq!(result["protocolVersion"], version, "{answer:?}");
        assert_eq!(result["serverInfo"]["name"], "AnmeiSmart MCP Server");
        assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
        assert_eq!(result["capabilities"]["experimental"]["anmei_smart"]["version"], "1.0.0");
        assert!(result["instructions"].as_str().unwrap().contains("客户"), "{result}");
        assert!(!answer.headers.contains_key("mcp-session-id"));
    }
}

/// Dify's own sequence: id 0, no version header, no params where it sends none, a new connection each time.
#[tokio::test]
async fn dify_gets_in() {
    let app = App::with_records(&[]).await;
    let (url, bearer) = (app.group_url("system_tools"), format!("Bearer {}", app.key("system_tools")));
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("accept", "application/json,text/event-stream")];
    let post = async |body: &str| app.send("POST", &url, &headers, body).await;
    let hello = post(r#"{"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"Dify","version":"1.14.0"}},"jsonrpc":"2.0","id":0}"#).await;
    assert_eq!((hello.json()["id"].clone(), hello.json()["result"]["protocolVersion"].clone()), (json!(0), json!("2025-06-18")));
    let initialized = post(r#"{"method":"notifications/initialized","jsonrpc":"2.0"}"#).await;
    assert_eq!((initialized.status.as_u16(), initialized.body.as_str()), (202, ""));
    let list = post(r#"{"method":"tools/list","jsonrpc":"2.0","id":1}"#).await;
    assert_eq!(list.headers["content-type"], "application/json");
    assert_eq!(list.json()["result"]["tools"].as_array().unwrap().len(), 2);
    let call = post(r#"{"method":"tools/call","params":{"name":"get_user_profile","arguments":{"user_id":"usr_anna","include_details":"true"}},"jsonrpc":"2.0","id":2}"#).await;
    assert_eq!(call.json()["result"]["structuredContent"]["details_included"], true);
    for method in ["GET", "DELETE"] {
        assert_eq!(app.send(method, &url, &headers[..1], "").await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn empty_lists_are_answered_and_not_refused() {
    let app = App::start(&[]).await;
    let key = app.key("project_tools");
    for era in ERAS {
        for (method, member) in
            [("resources/list", "resources"), ("resources/templates/list", "resourceTemplates"), ("prompts/list", "prompts")]
        {
            let answer = app.rpc(era, &app.root_url(), Some(&key), method, json!({})).await;
            assert_eq!(answer.json()["result"][member], json!([]), "{era:?} {method}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn discovery_names_every_revision() {
    let app = App::start(&[]).await;
    let answer = app.rpc(Era::Modern, &app.root_url(), Some(&app.key("system_tools")), "server/discover", json!({})).await.json();
    let versions: Vec<_> =
        answer["result"]["supportedVersions"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    for version in ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"] {
        assert!(versions.contains(&version.to_owned()), "{versions:?}");
    }
}

#[tokio::test]
async fn a_client_is_answered_in_the_type_it_accepts() {
    let app = App::start(&[]).await;
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}).to_string();
    for (accept, kind) in [
        (Some("application/json"), "application/json"),
        (Some("*/*"), "application/json"),
        (None, "application/json"),
        (Some("application/json, text/event-stream"), "application/json"),
        (Some("text/event-stream"), "text/event-stream"),
    ] {
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json; charset=utf-8")];
        headers.extend(accept.map(|accept| ("accept", accept)));
        let answer = app.send("POST", &app.root_url(), &headers, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.headers["content-type"].to_str().unwrap()), (200, kind), "{accept:?}");
        if kind == "text/event-stream" {
            assert!(answer.body.starts_with("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_batch_is_a_thing_of_2025_03_26() {
    let app = App::start(&[]).await;
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":"b","method":"tools/list"},{"jsonrpc":"2.0","id":3,"method":"no/such"}]"#;
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = app.send("POST", &app.root_url(), &headers, batch).await;
    let ids: Vec<_> = answer.json().as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!("b"), json!(3)], "{answer:?}");
    let newer = [headers[0], headers[1], ("mcp-protocol-version", "2025-06-18")];
    assert_eq!(app.send("POST", &app.root_url(), &newer, batch).await.json()["error"]["code"], -32600);
    assert_eq!(app.send("POST", &app.root_url(), &headers, "[]").await.json()["error"]["code"], -32600);
}

/// 2026-07-28, streamable HTTP: what headers and body say must agree.
#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    for fast_lane in LANES {
        let app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        let key = app.key("system_tools");
        let params = json!({"name": "search_users", "arguments": {"query": "x"}});
        let cases: [(&str, Option<&str>, i64); 5] = [
            ("mcp-name", Some("get_user_profile"), -32020),
            ("mcp-method", Some("tools/list"), -32020),
            ("mcp-method", None, -32020),
            ("mcp-protocol-version", Some("2025-06-18"), -32020),
            ("mcp-protocol-version", Some("2031-01-01"), -32022),
        ];
        for (header, value, code) in cases {
            let (mut headers, mut body) = Era::Modern.request(Some(&key), "tools/call", params.clone());
            headers.retain(|(name, _)| name != header);
            headers.extend(value.map(|value| (header.to_owned(), value.to_owned())));
            if code == -32022 {
                body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
            }
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = app.send("POST", &app.root_url(), &headers, body.to_string()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()["error"]["code"].clone()),
                (400, json!(code)),
                "{header} {value:?}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_open_subscription_hears_of_a_change_and_of_nothing_else() {
    use futures_util::StreamExt as _;
    let app = App::start(&[]).await;
    let (headers, body) =
        Era::Modern.request(Some(&app.key("system_tools")), "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut request = reqwest_post(&app.root_url());
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    let response = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    let mut next = async || {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(3), stream.next()).await;
        chunk.map(|chunk| String::from_utf8(chunk.unwrap().unwrap().to_vec()).unwrap())
    };
    assert!(next().await.unwrap().contains("notifications/subscriptions/acknowledged"));
    app.ok(&["tool", "disable", "medical_tools", "optimize_plan"]);
    app.ok(&["tool", "disable", "system_tools", "search_users"]);
    let told = next().await.unwrap();
    assert!(told.contains("notifications/tools/list_changed"), "{told}");
    assert_eq!(told.matches("list_changed").count(), 1);
}

#[expect(clippy::disallowed_methods, reason = "a client of the tests, not of the product")]
fn reqwest_post(url: &str) -> reqwest::RequestBuilder {
    reqwest::Client::builder().no_proxy().build().unwrap().post(url)
}
