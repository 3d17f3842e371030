//! The existing app's paths: `/mcp/admin/…` in its envelope, with the names of its fields, and the PRD's two, which have
//! none; all behind the same door.

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, App, Era};

fn data(answer: &Answer) -> Value {
    let envelope = answer.json();
    assert!(envelope["success"] == true && envelope["message"].is_string(), "{answer:?}");
    envelope["data"].clone()
}

async fn opens(app: &App, key: &str) -> u16 {
    app.rpc(Era::Silent, &app.root_url(), Some(key), "tools/list", json!({})).await.status.as_u16()
}

#[tokio::test]
async fn groups_are_listed_made_changed_and_deleted_in_the_envelope() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let ask = async |method: &str, path: &str, body: Option<Value>| app.api(&token, method, &format!("/mcp/admin{path}"), &[], body).await;
    let groups = data(&ask("GET", "/groups", None).await);
    assert_eq!(groups.as_array().unwrap().len(), 5, "{groups}");
    for field in [
        "id",
        "name",
        "description",
        "server_code",
        "user_tier_access",
        "allowed_roles",
        "enabled",
        "created_by",
        "created_at",
        "updated_at",
    ] {
        assert!(groups[0].get(field).is_some(), "{field}: {groups}");
    }
    let made = ask("POST", "/groups", Some(json!({"name": "前台工具", "description": "查询"}))).await;
    assert_eq!((made.status.as_u16(), made.json()["effective_immediately"].clone()), (200, json!(true)), "{made:?}");
    let group = data(&made);
    let (id, key) = (group["id"].as_str().unwrap().to_owned(), group["api_key"].as_str().unwrap().to_owned());
    assert_eq!((opens(&app, &key).await, group["server_code"].as_str()), (200, Some("group")));

    assert_eq!(data(&ask("GET", &format!("/groups/{id}/api-key"), None).await)["api_key"], json!(key));
    assert_eq!(app.audited("key.reveal"), 1);
    let url = data(&ask("GET", &format!("/groups/{id}/server-url"), None).await);
    assert_eq!(url["server_url"], json!(app.group_url("group")), "{url}");
    let again = data(&ask("POST", &format!("/groups/{id}/regenerate-key"), None).await);
    let new = again["api_key"].as_str().unwrap();
    assert_eq!((opens(&app, new).await, opens(&app, &key).await), (200, 200), "the old key is good for its grace: {again}");

    let changed = ask("PUT", &format!("/groups/{id}"), Some(json!({"name": "前台", "enabled": false}))).await;
    assert_eq!((&data(&changed)["name"], opens(&app, new).await), (&json!("前台"), 403));
    let taken = ask("PUT", &format!("/groups/{id}"), Some(json!({"name": "系统工具"}))).await;
    assert_eq!(
        (taken.status, &taken.json()["success"], &taken.json()["data"]),
        (StatusCode::CONFLICT, &json!(false), &Value::Null),
        "{taken:?}"
    );
    data(&ask("DELETE", &format!("/groups/{id}"), None).await);
    let gone = ask("GET", &format!("/groups/{id}"), None).await;
    assert_eq!((gone.status, &gone.json()["success"]), (StatusCode::NOT_FOUND, &json!(false)), "{gone:?}");
    assert!(!app.log().contains(&key) && !app.log().contains(new));
}

#[tokio::test]
async fn tools_are_changed_and_read_anew() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let ask = async |method: &str, path: &str, body: Option<Value>| app.api(&token, method, &format!("/mcp/admin{path}"), &[], body).await;
    let groups = data(&ask("GET", "/groups", None).await);
    let id_of = |code: &str| {
        groups.as_array().unwrap().iter().find(|group| group["server_code"] == code).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (system, projects) = (id_of("system_tools"), id_of("project_tools"));
    let tools = data(&ask("GET", &format!("/tools?group_id={system}"), None).await);
    assert_eq!(tools.as_array().unwrap().len(), 2, "{tools}");
    let tool = tools.as_array().unwrap().iter().find(|tool| tool["tool_name"] == "search_users").unwrap();
    let path = format!("/tools/{}", tool["id"].as_str().unwrap());
    let body = json!({"group_id": system, "enabled": true, "timeout_seconds": 12, "description": "按姓名", "config_data": {"allow_contact": true}});
    let changed = ask("PUT", &path, Some(body)).await;
    assert_eq!((&changed.json()["effective_immediately"], &data(&changed)["timeout_seconds"]), (&json!(true), &json!(12)), "{changed:?}");
    let wrong = ask("PUT", &path, Some(json!({"timeout_seconds": 301}))).await;
    assert!(wrong.status == 422 && wrong.json()["message"].as_str().unwrap().contains("timeout_seconds"), "{wrong:?}");
    let moved = data(&ask("PUT", &path, Some(json!({"group_id": projects}))).await);
    assert_eq!(
        (&moved["group_id"], &moved["config_data"], &moved["id"]),
        (&json!(projects), &json!({"allow_contact": true}), &tool["id"]),
        "{moved}"
    );
    let found = data(&ask("POST", "/tools/refresh", None).await);
    assert_eq!((&found["tools"], &found["definitions"]), (&json!(11), &json!([])), "{found}");
    let status = data(&ask("GET", "/server/status", None).await);
    assert_eq!((&status["status"], &status["groups"], &status["tools"]), (&json!("running"), &json!(5), &json!(11)), "{status}");
}

#[tokio::test]
async fn the_same_door_stands_before_it_and_says_no_in_the_envelope() {
    let app = App::start(&[]).await;
    let operator = app.token_of_a("operator");
    let refused = |answer: &Answer, status: u16| {
        assert_eq!((answer.status.as_u16(), &answer.json()["success"]), (status, &json!(false)), "{answer:?}");
    };
    let url = format!("{}/mcp/admin/groups", app.admin_root());
    refused(&app.send("GET", &url, &[], "").await, 401);
    refused(&app.api("anmei_admin_nonsense", "GET", "/mcp/admin/groups", &[], None).await, 401);
    refused(&app.api(&operator, "POST", "/mcp/admin/groups", &[], Some(json!({"name": "x"}))).await, 403);
    let groups = app.api(&operator, "GET", "/mcp/admin/groups", &[], None).await;
    let id = data(&groups)[0]["id"].as_str().unwrap().to_owned();
    refused(&app.api(&operator, "GET", &format!("/mcp/admin/groups/{id}/api-key"), &[], None).await, 403);
    let tools = data(&app.api(&operator, "GET", "/mcp/admin/tools", &[], None).await);
    let tool = tools.as_array().unwrap().iter().find(|tool| tool["tool_name"] == "search_users").unwrap();
    let path = format!("/mcp/admin/tools/{}", tool["id"].as_str().unwrap());
    let daily = json!({"group_id": tool["group_id"], "enabled": true, "timeout_seconds": 8, "description": "", "config_data": {}});
    assert_eq!(app.api(&operator, "PUT", &path, &[], Some(daily)).await.status, 200, "what stays as it is is no change of it");
    refused(&app.api(&operator, "PUT", &path, &[], Some(json!({"config_data": {"allow_contact": true}}))).await, 403);
    refused(&app.api(&operator, "POST", "/mcp/admin/groups", &[("content-type", "text/plain")], None).await, 403);
    assert_eq!(app.audited("key.reveal"), 0);
}

#[tokio::test]
async fn whatever_is_refused_is_refused_in_the_envelope() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("auditor");
    for (method, path, status) in
        [("PATCH", "/groups", 405), ("GET", "/groups/%FF", 400), ("GET", "/tools?group_id=a&group_id=b", 422), ("GET", "/groups/x", 404)]
    {
        let answer = app.api(&token, method, &format!("/mcp/admin{path}"), &[], None).await;
        let envelope = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &envelope["success"], &envelope["data"]),
            (status, &json!(false), &Value::Null),
            "{path}: {answer:?}"
        );
        assert!(envelope["message"].as_str().is_some_and(|message| !message.is_empty()), "{path}: {envelope}");
    }
    let method = app.api(&token, "PATCH", "/mcp/admin/groups", &[], None).await;
    assert_eq!(method.headers["allow"], "GET,HEAD,POST");
}

#[tokio::test]
async fn a_request_that_comes_twice_is_done_once_here_as_well() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let send = async |path: &str, body: Option<Value>| {
        let answer = app.api(&token, "POST", path, &[("idempotency-key", "k-1")], body).await;
        (data(&answer)["api_key"].as_str().unwrap().to_owned(), answer.headers.contains_key("idempotency-replayed"))
    };
    let body = || Some(json!({"name": "front"}));
    let (first, again) = (send("/mcp/admin/groups", body()).await, send("/mcp/admin/groups", body()).await);
    assert_eq!((&first.0, first.1, again.1), (&again.0, false, true));
    assert_eq!(app.count("SELECT count(*) FROM mcp_tool_groups WHERE name = 'front'"), 1);
    let path = "/mcp/admin/groups/front/regenerate-key";
    let (new, again) = (send(path, None).await, send(path, None).await);
    assert_eq!((&new.0, new.1, again.1), (&again.0, false, true));
    assert_eq!((app.audited("key.rotate"), opens(&app, &new.0).await), (1, 200));
}

fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap_or_else(|| panic!("{object}")).keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn the_prds_two_paths_have_its_field_names() {
    let app = App::start(&[]).await;
    let auditor = app.token_of_a("auditor");
    let ask = async |path: &str| app.api(&auditor, "GET", path, &[], None).await.json();
    let metrics = ask("/registration-automation/metrics").await;
    for name in ["mcp_metrics", "dify_agent_status", "automation_success_rate", "daily_registrations", "welcome_message_stats"] {
        assert!(!metrics[name].is_null(), "{name}: {metrics}");
    }
    assert_eq!(fields(&metrics["mcp_metrics"]), ["error_rates", "success_rate", "tool_calls", "total_calls"]);
    let dashboard = ask("/admin/registration-automation/dashboard").await;
    for name in ["automation_metrics", "mcp_server_status", "dify_agent_status", "recent_errors", "system_health"] {
        assert!(!dashboard[name].is_null(), "{name}: {dashboard}");
    }
    let automation = ["average_response_time", "daily_trends", "dify_call_count", "mcp_call_count", "success_rate", "total_automations"];
    assert_eq!(fields(&dashboard["automation_metrics"]), automation);
    assert_eq!(fields(&dashboard["system_health"]), ["database_status", "dify_response_time", "mcp_response_time"]);
    let status = data(&app.api(&auditor, "GET", "/mcp/admin/server/status", &[], None).await);
    for name in ["status", "server_url", "version", "groups", "tools", "started_at"] {
        assert_eq!(dashboard["mcp_server_status"][name], status[name], "{name}");
    }
}

#[tokio::test]
async fn the_prds_two_paths_are_for_those_who_may_read() {
    let app = App::start(&[]).await;
    let operator = app.token_of_a("operator");
    for path in ["/registration-automation/metrics", "/admin/registration-automation/dashboard"] {
        assert_eq!(app.api(&operator, "GET", path, &[], None).await.status, 200, "{path}");
        assert_eq!(app.send("GET", &format!("{}{path}", app.admin_root()), &[], "").await.status, 401, "{path}");
        assert_eq!(app.api("anmei_admin_nonsense", "GET", path, &[], None).await.status, 401, "{path}");
        assert_eq!(app.api(&operator, "GET", path, &[("origin", "https://evil.example")], None).await.status, 403, "{path}");
        assert_eq!(app.api(&operator, "POST", path, &[], Some(json!({}))).await.status, 405, "{path}");
    }
}
