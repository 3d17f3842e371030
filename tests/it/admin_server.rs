//! The server's page and API: what it says of itself, changes of its configuration file, a restart that loses nothing, and a
//! stop.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{admin_kit::Browser, harness::App};

const FILE: &str = "\
# The clinic's own server.
[http] # limits
max_connections = 100 # enough for two rooms
# header_timeout = \"5s\"
";

async fn with_file() -> App {
    let mut app = App::idle(&[]);
    std::fs::write(app.config_file(), FILE).unwrap();
    app.spawn().await;
    app
}

#[tokio::test]
async fn the_server_says_what_it_is_and_who_is_connected() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let token = app.token_of_a("auditor");
    let server = app.api(&token, "GET", "/api/v1/server", &[], None).await.json();
    assert_eq!(
        (&server["version"], &server["anonymous_access"], &server["can_restart"]),
        (&json!(env!("CARGO_PKG_VERSION")), &json!(false), &json!(true))
    );
    let on: Vec<(&str, bool)> =
        server["transports"].as_array().unwrap().iter().map(|one| (one["name"].as_str().unwrap(), one["on"].as_bool().unwrap())).collect();
    assert_eq!(on, [("streamable_http", true), ("sessions", true), ("sse", true), ("stdio", true)]);
    let sections: Vec<&Value> = server["listeners"].as_array().unwrap().iter().map(|one| &one["sections"][0]).collect();
    assert_eq!(sections, ["mcp", "hook", "live", "admin"]);
    assert!(server["open"]["connections"].as_u64().unwrap() >= 1 && server["open"]["sessions"] == 0, "{server}");
    assert!(server["health"].as_array().unwrap().iter().all(|check| check["state"] != "failed"), "{server}");
    let policy = |key: &str| server["security"].as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap()["value"].clone();
    assert_eq!((policy("keys.reveal"), policy("oauth.enabled")), (json!("sealed"), json!(true)));

    let key = app.key("system_tools");
    let bearer = format!("Bearer {key}");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let opened = app.send("POST", &app.root_url(), &headers, hello.to_string()).await;
    assert!(opened.headers.contains_key("mcp-session-id"), "{opened:?}");
    let mut stream = TcpStream::connect(app.mcp_root().trim_start_matches("http://")).await.unwrap();
    let get = format!("GET /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut first = [0; 64];
    assert!(stream.read(&mut first).await.unwrap() > 0);
    let open = app.api(&token, "GET", "/api/v1/server", &[], None).await.json()["open"].clone();
    assert_eq!((&open["sessions"], &open["event_streams"]), (&json!(1), &json!(1)), "{open}");
}

#[tokio::test]
async fn a_key_is_written_into_the_file_and_counts_from_the_next_start() {
    let mut app = with_file().await;
    let token = app.token_of_a("administrator");
    let path = "/api/v1/server/config/http.max_connections";
    let shown = app.api(&token, "GET", path, &[], None).await;
    let version = shown.headers["etag"].to_str().unwrap().to_owned();
    assert!(shown.json()["value"] == 100 && shown.json()["origin"].as_str().unwrap().ends_with("own.toml:3"), "{shown:?}");
    assert_eq!(app.api(&token, "PUT", path, &[], Some(json!({"value": 200}))).await.status, StatusCode::PRECONDITION_REQUIRED);
    let changed = app.api(&token, "PUT", path, &[("if-match", &version)], Some(json!({"value": 200}))).await;
    assert_eq!(
        (changed.status, &changed.json()["restart_required"], &changed.json()["entry"]["next"]),
        (StatusCode::OK, &json!(true), &json!(200)),
        "{changed:?}"
    );
    assert_eq!(std::fs::read_to_string(app.config_file()).unwrap(), FILE.replace("= 100", "= 200"), "everything else stays");
    assert_eq!(app.audited("config.set"), 1);
    let stale = app.api(&token, "PUT", path, &[("if-match", &version)], Some(json!({"value": 300}))).await;
    assert_eq!((stale.status, &stale.json()["current"]["next"]), (StatusCode::PRECONDITION_FAILED, &json!(200)), "{stale:?}");

    let refused = async |key: &str, value: Value| {
        let answer = app
            .api(
                &token,
                "PUT",
                &format!("/api/v1/server/config/{key}"),
                &[("if-match", "*"), ("accept-language", "en")],
                Some(json!({"value": value})),
            )
            .await;
        (answer.status.as_u16(), answer.body)
    };
    for (key, value, status, part) in [
        ("http.max_connections", json!(0), 422, "out of range"),
        ("http.max_connections", json!({}), 422, "expected a whole number"),
        ("http.max_connection", json!(1), 404, "did you mean http.max_connections?"),
        ("mcp.listen", json!("127.0.0.1:9"), 409, "the flag --set mcp.listen"),
        ("hook.key", json!("sixteen-letters-long"), 409, "is a secret"),
        ("data_dir", json!("/tmp"), 409, "names a path"),
    ] {
        let (found, body) = refused(key, value).await;
        assert!(found == status && body.contains(part), "{key}: {found} {body}");
    }
    let server = app.api(&token, "GET", "/api/v1/server", &[], None).await.json();
    assert_eq!(server["restart_pending"], true);
    assert_eq!(app.api(&token, "POST", "/api/v1/server/restart", &[], None).await.status, StatusCode::ACCEPTED);
    app.begun_anew().await;
    let entry = app.api(&token, "GET", path, &[], None).await.json();
    assert_eq!((&entry["value"], &entry["next"]), (&json!(200), &Value::Null), "{entry}");
    let operator = app.token_of_a("operator");
    assert_eq!(app.api(&operator, "PUT", path, &[("if-match", "*")], Some(json!({"value": 1}))).await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.api(&operator, "POST", "/api/v1/server/restart", &[], None).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_restart_answers_what_runs_keeps_the_process_and_serves_on() {
    let mut app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let before = app.api(&token, "GET", "/api/v1/server", &[], None).await.json();
    let accepted = app.register(None, &json!({"user_id": "usr_1", "username": "林晓月", "roles": ["customer"]})).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);

    // A request whose body is half there when the restart is asked for.
    let key = app.key("system_tools");
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}).to_string();
    let (one, other) = body.split_at(10);
    let mut running = TcpStream::connect(app.mcp_root().trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{one}",
        body.len()
    );
    running.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let restarting = app.api(&token, "POST", "/api/v1/server/restart", &[], None).await;
    assert_eq!((restarting.status, &restarting.json()["pid"]), (StatusCode::ACCEPTED, &before["pid"]), "{restarting:?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    running.write_all(other.as_bytes()).await.unwrap();
    let mut answer = String::new();
    running.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("search_users"), "{answer}");

    app.begun_anew().await;
    let after = app.api(&token, "GET", "/api/v1/server", &[], None).await.json();
    assert_eq!(after["pid"], before["pid"]);
    assert_ne!(after["started_at"], before["started_at"]);
    assert!(after["uptime_seconds"].as_i64().unwrap() < 60);
    assert_eq!(app.finished(&accepted.json()).await["user_id"], "usr_1", "what was accepted before is done after");
    assert_eq!(app.audited("server.restart"), 1);
    assert_eq!(app.stop().await, Some(0), "and it stops as ever");
}

#[tokio::test]
async fn a_configuration_that_would_not_start_is_not_restarted_into() {
    let app = with_file().await;
    let token = app.token_of_a("administrator");
    let restart = async || app.api(&token, "POST", "/api/v1/server/restart", &[("accept-language", "zh-CN")], None).await;
    std::fs::write(app.config_file(), "[http]\nmax_connections = 0\n").unwrap();
    let refused = restart().await;
    assert!(refused.status == StatusCode::CONFLICT && refused.body.contains("现在的配置无法启动"), "{refused:?}");
    let config = app.api(&token, "GET", "/api/v1/server/config", &[], None).await.json();
    assert!(config["problems"][0].as_str().unwrap().contains("max_connections"), "{config}");
    std::fs::write(app.config_file(), FILE.replace("100", "50")).unwrap();
    let before = app.api(&token, "GET", "/api/v1/server", &[], None).await.json();
    assert_eq!((&before["restart_pending"], app.audited("server.restart")), (&json!(true), 0));
}

#[tokio::test]
async fn the_pages_show_it_and_a_restart_is_confirmed() {
    let mut app = with_file().await;
    app.account("lin", "administrator");
    let started = Instant::now();
    {
        let mut browser = Browser::signed_in(&app, "lin").await;
        let page = browser.get("/panel/server").await;
        assert!(
            page.status == StatusCode::OK
                && page.body.contains("Streamable HTTP")
                && page.body.contains("mcp.legacy_sse")
                && !page.body.contains(" style="),
            "{}",
            page.body
        );
        let page = browser.get("/panel/server/config").await;
        assert!(page.status == StatusCode::OK && page.body.contains("own.toml:3") && page.body.contains("***"), "{}", page.body);
        let page = browser.get("/panel/server/config/mcp.legacy_sse").await;
        let version = page.body.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let wrong = browser.post("/panel/server/config/http.max_connections", &[("version", &version), ("value", "many")]).await;
        assert!(wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.body.contains("value=\"many\""), "{}", wrong.body);
        let written = browser.post("/panel/server/config/mcp.legacy_sse", &[("version", &version), ("value", "false")]).await;
        assert_eq!(
            (written.status, written.location()),
            (StatusCode::SEE_OTHER, "/panel/server/config?said=server-written"),
            "{written:?}"
        );
        let stale = browser.post("/panel/server/config/mcp.sessions", &[("version", &version), ("value", "true")]).await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{stale:?}");
        assert_eq!(browser.post("/panel/server/restart", &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let restarting = browser.post("/panel/server/restart", &[("sure", "true")]).await;
        assert!(restarting.status == StatusCode::ACCEPTED && restarting.body.contains("data-wait-for"), "{restarting:?}");
    }
    app.begun_anew().await;
    let token = app.token_of_a("auditor");
    let transports = app.api(&token, "GET", "/api/v1/server", &[], None).await.json()["transports"].clone();
    assert_eq!(transports[2]["on"], false, "{transports}");
    assert!(started.elapsed() < Duration::from_mins(1));
}

/// Waits until a process has ended: it is not waited for yet, so that its entry is still there.
async fn ended(pid: &Value) {
    let until = Instant::now() + Duration::from_secs(20);
    let state = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    while !state().contains("State:\tZ") {
        assert!(Instant::now() < until, "the process goes on: {}", state());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stop_is_confirmed_and_ends_the_process_for_whoever_watches_over_it() {
    let mut app = App::start(&[]).await;
    app.account("lin", "administrator");
    let (token, operator) = (app.token_of_a("auditor"), app.token_of_a("operator"));
    let pid = app.api(&token, "GET", "/api/v1/server", &[], None).await.json()["pid"].clone();
    assert_eq!(app.api(&operator, "POST", "/api/v1/server/stop", &[], None).await.status, StatusCode::FORBIDDEN);
    {
        let mut browser = Browser::signed_in(&app, "lin").await;
        let page = browser.get("/panel/server").await.body;
        assert!(page.contains("action=\"/panel/server/stop\"") && page.contains("Restart=always"), "{page}");
        let unsure = browser.post("/panel/server/stop", &[]).await;
        assert!(unsure.status == StatusCode::UNPROCESSABLE_ENTITY && unsure.body.contains("id=\"wrong-stop\""), "{unsure:?}");
        let stopping = browser.post("/panel/server/stop", &[("stop", "true")]).await;
        assert!(stopping.status == StatusCode::ACCEPTED && stopping.body.contains("<h1>Stopping</h1>"), "{stopping:?}");
    }
    ended(&pid).await;
    assert_eq!((app.stop().await, app.audited("server.stop"), app.audited("server.restart")), (Some(0), 1, 0));

    app.spawn().await;
    let administrator = app.token_of_a("administrator");
    let stopping = app.api(&administrator, "POST", "/api/v1/server/stop", &[], None).await;
    assert_eq!((stopping.status, &stopping.json()["stopping"]), (StatusCode::ACCEPTED, &json!(true)), "{stopping:?}");
    ended(&stopping.json()["pid"]).await;
    assert_eq!((app.stop().await, app.audited("server.stop")), (Some(0), 2));
}
