//! Revision 2026-07-28 over HTTP: what every result says, and which status an error has. On both lanes.

use serde_json::{Value, json};

use crate::harness::{Answer, App, Era};

const LANES: [&str; 2] = ["true", "false"];

/// A request in order, changed by `change` before it is sent.
async fn changed(app: &App, method: &str, params: Value, change: impl FnOnce(&mut Vec<(String, String)>, &mut Value)) -> Answer {
    let (mut headers, mut body) = Era::Modern.request(Some(&app.key("system_tools")), method, params);
    change(&mut headers, &mut body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    app.send("POST", &app.root_url(), &headers, body.to_string()).await
}

async fn ask(app: &App, method: &str, params: Value) -> Answer {
    changed(app, method, params, |_, _| {}).await
}

#[tokio::test]
async fn every_result_is_complete_and_names_the_server() {
    for lane in LANES {
        let app = App::with_records(&[("mcp.fast_lane", lane)]).await;
        for (method, params, cached) in [
            ("server/discover", json!({}), true),
            ("tools/list", json!({}), true),
            ("resources/list", json!({}), true),
            ("resources/templates/list", json!({}), true),
            ("prompts/list", json!({}), true),
            ("tools/call", json!({"name": "get_user_profile", "arguments": {"user_id": "usr_anna"}}), false),
            ("tools/call", json!({"name": "get_user_profile", "arguments": {}}), false),
        ] {
            let answer = ask(&app, method, params).await;
            let result = answer.json()["result"].clone();
            assert_eq!(result["resultType"], "complete", "{lane} {method} {answer:?}");
            assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "AnmeiSmart MCP Server", "{lane} {method} {result}");
            // What is filtered by key must never be shared by a cache.
            let hints = (result["ttlMs"].is_u64(), result["cacheScope"] == "private");
            assert_eq!(hints, (cached, cached), "{lane} {method} {result}");
        }
    }
}

#[tokio::test]
async fn discovery_says_what_there_is() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let result = ask(&app, "server/discover", json!({})).await.json()["result"].clone();
    let versions: Vec<_> = result["supportedVersions"].as_array().unwrap().iter().map(|version| version.as_str().unwrap()).collect();
    assert!(versions.contains(&"2026-07-28"), "{result}");
    for capability in ["tools", "prompts", "resources"] {
        assert!(result["capabilities"][capability].is_object(), "{result}");
    }
    assert!(result["instructions"].as_str().is_some_and(|text| !text.is_empty()), "{result}");
}

#[tokio::test]
async fn each_kind_of_error_has_its_status_and_code() {
    for lane in LANES {
        let app = App::start(&[("mcp.fast_lane", lane), ("mcp.sessions", "true")]).await;
        let call = || json!({"name": "search_users", "arguments": {"query": "x"}});
        let expect = |what: &str, answer: &Answer, status: u16, code: i64| {
            let json = answer.json();
            assert_eq!((answer.status.as_u16(), &json["error"]["code"]), (status, &json!(code)), "{lane} {what}: {answer:?}");
            json
        };
        for key in ["io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"] {
            let answer = changed(&app, "tools/call", call(), |_, body| {
                body["params"]["_meta"].as_object_mut().unwrap().remove(key);
            });
            expect(key, &answer.await, 400, -32602);
        }
        let answer = changed(&app, "tools/call", call(), |_, body| body["params"]["_meta"] = json!({})).await;
        expect("no _meta keys", &answer, 400, -32602);
        let answer = changed(&app, "tools/list", json!({}), |headers, body| {
            body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
            headers.retain(|(name, _)| name != "mcp-protocol-version");
            headers.push(("mcp-protocol-version".into(), "2031-01-01".into()));
        });
        let error = expect("a version of the future", &answer.await, 400, -32022);
        assert!(error["error"]["data"]["supported"].as_array().unwrap().contains(&json!("2026-07-28")), "{error}");
        assert_eq!(error["error"]["data"]["requested"], "2031-01-01");
        for method in ["no/such", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
            expect(method, &ask(&app, method, json!({})).await, 404, -32601);
        }
        let unknown = changed(&app, "tools/call", json!({"name": "no_such_tool", "arguments": {}}), |_, _| {}).await;
        expect("an unknown tool", &unknown, 200, -32602);
        expect(
            "no such resource",
            &changed(&app, "resources/read", json!({"uri": "x://y"}), |headers, _| headers.push(("mcp-name".into(), "x://y".into()))).await,
            200,
            -32602,
        );
        let answer = changed(&app, "tools/list", json!({}), |_, body| *body = json!([body.clone()])).await;
        expect("a batch", &answer, 400, -32600);
        let answer = changed(&app, "tools/list", json!({}), |_, body| *body = json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
        expect("an answer", &answer, 400, -32600);
    }
}

/// Clients that speak several revisions try this first.
#[tokio::test]
async fn a_handshake_that_asks_for_this_revision_is_answered_with_the_last_one_that_has_it() {
    for lane in LANES {
        let app = App::start(&[("mcp.fast_lane", lane), ("mcp.sessions", "true")]).await;
        let hello = json!({"protocolVersion": "2026-07-28", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
        let answer = ask(&app, "initialize", hello).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25", "{lane} {answer:?}");
        assert!(!answer.headers.contains_key("mcp-session-id"), "{lane} {answer:?}");
    }
}

#[tokio::test]
async fn headers_are_compared_as_the_standard_says() {
    for lane in LANES {
        let app = App::start(&[("mcp.fast_lane", lane)]).await;
        let call = || json!({"name": "search_users", "arguments": {"query": "x"}});
        let with = |name: &'static str, value: &'static str| {
            move |headers: &mut Vec<(String, String)>, _: &mut Value| {
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                headers.push((name.to_owned(), value.to_owned()));
            }
        };
        for (name, value, status) in [
            ("Mcp-Name", "search_users", 200),
            ("MCP-NAME", "  search_users ", 200),
            ("mcp-name", "=?base64?c2VhcmNoX3VzZXJz?=", 200),
            ("mcp-name", "=?base64?!!!?=", 400),
            ("mcp-name", "Search_Users", 400),
            ("mcp-method", "Tools/Call", 400),
            ("mcp-protocol-version", "2025-11-25", 400),
        ] {
            let answer = changed(&app, "tools/call", call(), with(name, value)).await;
            assert_eq!(answer.status, status, "{lane} {name}: {value} {answer:?}");
            if status == 400 {
                assert_eq!(answer.json()["error"]["code"], -32020, "{lane} {name}: {value} {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn there_are_no_streams_to_get_and_nothing_to_delete() {
    for sessions in ["true", "false"] {
        let app = App::start(&[("mcp.sessions", sessions)]).await;
        let bearer = format!("Bearer {}", app.key("system_tools"));
        let headers = [
            ("authorization", bearer.as_str()),
            ("mcp-protocol-version", "2026-07-28"),
            ("accept", "text/event-stream"),
            ("mcp-session-id", "x"),
        ];
        for method in ["GET", "DELETE", "PUT", "OPTIONS"] {
            let answer = app.send(method, &app.root_url(), &headers, "").await;
            assert_eq!(answer.status, 405, "{sessions} {method} {answer:?}");
        }
        let note = changed(&app, "notifications/cancelled", json!({"requestId": 7}), |_, body| {
            body.as_object_mut().unwrap().remove("id");
        });
        let note = note.await;
        assert_eq!((note.status.as_u16(), note.body.as_str()), (202, ""), "{sessions}");
    }
}
