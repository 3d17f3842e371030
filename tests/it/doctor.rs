//! `doctor`: a sound installation is called sound, what is not is named with its fix, and a leak fails the matrix.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
};

use axum::{Json, Router, http::Method, response::IntoResponse, routing::any};
use serde_json::{Value, json};

use crate::harness::{App, GROUPS, binary};

/// What `doctor` finds, and how it exits.
fn examine(app: &App, more: &[&str]) -> (Option<i32>, Value) {
    let output = app.cli(&[&["doctor", "--json"], more].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let found = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), found)
}

fn states<'a>(found: &'a Value, check: &str) -> Vec<&'a str> {
    let findings = found["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["check"] == check).map(|finding| finding["state"].as_str().unwrap()).collect()
}

/// The one failure of a check, which says what and has a fix.
fn failure(found: &Value, check: &str, what: &str) {
    let findings = found["findings"].as_array().unwrap();
    let failed: Vec<_> = findings.iter().filter(|finding| finding["check"] == check && finding["state"] == "failed").collect();
    assert!(failed.iter().any(|finding| finding["text"].as_str().unwrap().contains(what)), "{check}, {what}: {found}");
    assert!(failed.iter().all(|finding| !finding["fix"].as_str().unwrap().is_empty()), "{found}");
    assert_eq!(found["ok"], false);
}

#[tokio::test]
async fn a_sound_installation_is_called_sound_beside_its_daemon_and_without_it() {
    let mut app = App::start(&[]).await;
    let (code, found) = examine(&app, &[]);
    assert_eq!((code, &found["ok"]), (Some(0), &json!(true)), "{found}");
    for check in ["configuration", "directory", "hook secret", "migrations", "database", "wal", "clock", "master key", "disk"] {
        assert_eq!(states(&found, check), ["ok"], "{check}: {found}");
    }
    assert_eq!(states(&found, "ports"), ["ok"; 4], "{found}");
    assert_eq!(states(&found, "stdio"), ["ok"; 5], "{found}");
    assert_eq!(states(&found, "http"), ["ok"; 5], "{found}");
    assert_eq!(states(&found, "agents"), ["warning"], "{found}");
    // The looks at keys are on record; nothing else is changed.
    let rows = app.ok_json(&["audit", "list"]);
    let looks = rows.as_array().unwrap().iter().filter(|row| row["action"] == "key.reveal" && row["reason"] == "doctor");
    assert_eq!(looks.count(), GROUPS.len(), "{rows}");
    let text = app.ok(&["doctor"]);
    assert!(text.contains("0 failed") && !text.contains("mcp_key_"), "{text}");
    app.stop().await;
    let (code, found) = examine(&app, &[]);
    assert_eq!((code, states(&found, "http")), (Some(0), vec!["skipped"]), "{found}");
}

#[tokio::test]
async fn every_key_is_tried_at_every_door_and_finds_its_own_group_alone() {
    let app = App::start(&[]).await;
    app.ok(&["group", "disable", "project_tools"]);
    app.ok(&["tool", "disable", "system_tools", "search_users"]);
    let output = app.cli(&["doctor", "--matrix", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let grid: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let cells = grid["cells"].as_array().unwrap();
    let odd: Vec<_> = cells.iter().filter(|cell| !matches!(cell["verdict"].as_str(), Some("right" | "off"))).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    assert_eq!((output.status.code(), grid["leaks"].as_u64(), grid["not_tried"].as_array().map(Vec::len)), (Some(0), Some(0), Some(0)));
    assert_eq!((&grid["ok"], &grid["untried"], &grid["warnings"]), (&json!(true), &json!(0), &json!([])));
    let of = |name: &str| cells.iter().map(|cell| cell[name].as_str().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!((of("key").len(), of("target").len(), of("transport").len()), (GROUPS.len() + 2, GROUPS.len() + 1, 5));
    // Each key opens exactly its own group, by its own URL and by the one that all share; the disabled one opens nothing.
    let open = |cell: &&Value| cell["expected"] == "its own group" && cell["method"] == "tools/list" && cell["verdict"] == "right";
    let doors: Vec<_> =
        cells.iter().filter(open).filter(|cell| cell["transport"] == "http 2026-07-28").map(|cell| &cell["target"]).collect();
    assert_eq!(doors.len(), 2 * (GROUPS.len() - 1), "{doors:?}");
    assert!(cells.iter().filter(|cell| cell["target"] == "project_tools").all(|cell| cell["expected"] == "a refusal"));
    assert!(!text.contains("mcp_key_"), "keys are not shown");
    every_method_is_asked(cells);
    every_tool_is_called(&app, cells);
}

/// What is asked at a group's own door with its key, over one transport, and how each is expected to end.
fn asked<'a>(cells: &'a [Value], (key, target, transport): (&str, &str, &str)) -> BTreeMap<&'a str, &'a str> {
    let of = |name: &str, cell: &Value, value: &str| cell[name].as_str().unwrap().starts_with(value);
    let cells = cells.iter().filter(|cell| of("key", cell, key) && cell["target"] == target && of("transport", cell, transport));
    cells.map(|cell| (cell["method"].as_str().unwrap(), cell["expected"].as_str().unwrap())).collect()
}

fn every_method_is_asked(cells: &[Value]) {
    let everywhere = [
        "tools/list",
        "ping",
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "tasks/get",
        "tasks/update",
        "tasks/cancel",
    ];
    for (transport, more) in [
        ("http 2026-07-28", &["server/discover", "subscriptions/listen"][..]),
        ("http 2025-11-25 handshake", &["initialize"]),
        ("http 2025-11-25 stateless", &[]),
        ("sse", &["initialize", "GET /server/medical_tools/mcp"]),
        ("stdio", &["initialize"]),
    ] {
        let own = asked(cells, ("medical_tools/", "medical_tools", transport));
        let others: BTreeSet<_> = own.keys().copied().filter(|method| !method.starts_with("tools/call ")).collect();
        assert_eq!(others, everywhere.iter().chain(more).copied().collect::<BTreeSet<_>>(), "{transport}");
        assert!(others.iter().all(|method| own[method] == "its own group"), "{own:?}");
        // With another group's key the same is asked, and refused; where no conversation begins, nothing more can be asked.
        let foreign = asked(cells, ("system_tools/", "medical_tools", transport));
        assert!(foreign.values().all(|expected| *expected == "a refusal"), "{foreign:?}");
        if transport.starts_with("http") {
            assert_eq!(foreign.keys().collect::<Vec<_>>(), own.keys().collect::<Vec<_>>(), "{transport}");
        }
    }
    let roots = asked(cells, ("system_tools/", "/mcp", "sse"));
    assert_eq!(roots.get("GET /mcp"), Some(&"its own group"), "{roots:?}");
    for nobody in ["(no key)", "(unknown key)"] {
        let asked = asked(cells, (nobody, "system_tools", "sse"));
        assert_eq!(asked.get("GET /server/system_tools/mcp"), Some(&"a refusal"), "{nobody}: {asked:?}");
    }
}

/// Whether a group offers it, switched it off, or nobody that is on offers it at all.
fn every_tool_is_called(app: &App, cells: &[Value]) {
    let rows = app.ok_json(&["tool", "list"]);
    let of_group = |code: &str| {
        let rows = rows.as_array().unwrap().iter().filter(|row| row["server_code"] == code);
        rows.map(|row| (row["tool_name"].as_str().unwrap().to_owned(), row["enabled"] == true)).collect::<BTreeMap<_, _>>()
    };
    let every: BTreeSet<String> = GROUPS.iter().flat_map(|code| of_group(code).into_keys()).collect();
    let system = of_group("system_tools");
    assert_eq!((system.get("search_users"), every.len() > system.len()), (Some(&false), true), "{system:?}");
    for transport in ["http 2026-07-28", "http 2025-11-25 handshake", "http 2025-11-25 stateless", "sse", "stdio"] {
        let own = asked(cells, ("system_tools/", "system_tools", transport));
        for tool in &every {
            let expected = if system.get(tool) == Some(&true) { "the tool" } else { "not offered" };
            assert_eq!(own.get(format!("tools/call {tool}").as_str()), Some(&expected), "{transport}, {tool}");
        }
    }
    let closed = asked(cells, ("project_tools/", "project_tools", "http 2026-07-28"));
    assert!(every.iter().all(|tool| closed.get(format!("tools/call {tool}").as_str()) == Some(&"a refusal")), "{closed:?}");
}

/// Answers everybody, with every tool there is.
async fn open_door(tools: Value) -> String {
    let answer = async move |method: Method, body: String| {
        let asked: Value = serde_json::from_str(&body).unwrap_or_default();
        if method != Method::POST {
            return http::StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        let result = match asked["method"].as_str().unwrap_or_default() {
            "initialize" => json!({"protocolVersion": "2025-11-25", "serverInfo": {"name": "x", "version": "1"}, "capabilities": {}}),
            "tools/list" => json!({"tools": tools}),
            "tools/call" => json!({"content": [], "isError": true}),
            _ => json!({}),
        };
        Json(json!({"jsonrpc": "2.0", "id": asked["id"], "result": result})).into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(any(answer));
    tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
    root
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_stands_open_is_a_leak_and_fails_the_matrix() {
    let app = App::idle(&[]);
    app.ok(&["group", "list"]);
    let tools = json!([{"name": "get_user_profile", "inputSchema": {"type": "object"}}, {"name": "optimize_plan", "inputSchema": {"type": "object"}}]);
    let root = open_door(tools).await;
    let output = app.cli(&["doctor", "--matrix", "--json", "--url", &root]);
    let grid: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &grid["ok"]), (Some(1), &json!(false)));
    let leaks: Vec<_> = grid["cells"].as_array().unwrap().iter().filter(|cell| cell["verdict"] == "leak").collect();
    let leaked = |key: &str, target: &str, method: &str| {
        let is = |cell: &&&Value| cell["key"].as_str().unwrap().starts_with(key) && cell["target"] == target && cell["method"] == method;
        leaks.iter().filter(is).count()
    };
    assert_eq!(leaked("(no key)", "system_tools", "tools/list"), 3, "without a key, over every kind of HTTP");
    assert_eq!(leaked("medical_tools/", "system_tools", "tools/list"), 3, "with another group's key");
    assert_eq!(leaked("system_tools/", "system_tools", "tools/list"), 3, "a list that shows another group's tool");
    assert_eq!(leaked("system_tools/", "system_tools", "tools/call optimize_plan"), 3, "a call of another group's tool");
    assert_eq!(leaked("system_tools/", "system_tools", "tools/call get_user_profile"), 0, "its own tool is its own");
    let said = app.cli(&["doctor", "--matrix", "--url", &root]);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.code() == Some(1) && text.contains("LEAK"), "{text}");
}

#[tokio::test]
async fn a_key_that_cannot_be_shown_is_listed_as_not_tried() {
    let app = App::start(&[("keys.reveal", "never")]).await;
    let output = app.cli(&["doctor", "--matrix", "--json"]);
    let grid: Value = serde_json::from_slice(&output.stdout).unwrap();
    let not_tried = grid["not_tried"].as_array().unwrap();
    assert_eq!((output.status.code(), not_tried.len()), (Some(0), GROUPS.len()), "{not_tried:?}");
    assert!(not_tried.iter().all(|key| key["why"].as_str().unwrap().contains("key rotate") && key["in_force"] == true), "{not_tried:?}");
    assert_eq!((&grid["ok"], grid["untried"].as_u64()), (&json!(false), Some(5)), "nothing is called right that was not tried");
    let warnings = grid["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("5 of 5 keys in force were not tried"), "{warnings:?}");
    let said = app.cli(&["doctor", "--matrix"]);
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.contains("warning: 5 of 5 keys") && text.contains("5 keys in force not tried"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_fix() {
    let app = App::idle(&[]);
    let nowhere = app.cli(&["doctor", "--json"]);
    failure(&serde_json::from_slice(&nowhere.stdout).unwrap(), "directory", "No such file");
    assert!(!app.data().exists(), "a look makes nothing");
    app.ok(&["group", "list"]);
    let mode = |path: &std::path::Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&app.data(), 0o755);
    failure(&examine(&app, &[]).1, "directory", "mode 0755");
    mode(&app.data(), 0o700);
    let key = app.data().join("master.key");
    mode(&key, 0o644);
    failure(&examine(&app, &[]).1, "master key", "can be read by other users");
    mode(&key, 0o600);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("mcp.listen={}", taken.local_addr().unwrap());
    let mut command = binary();
    command.args([
        "doctor",
        "--json",
        "--set",
        &address,
        "--set",
        "hook.listen=127.0.0.1:0",
        "--set",
        "live.listen=127.0.0.1:0",
        "--set",
        "admin.listen=127.0.0.1:0",
    ]);
    let output = command.arg("--data-dir").arg(app.data()).output().unwrap();
    failure(&serde_json::from_slice(&output.stdout).unwrap(), "ports", "cannot be had");
    let (code, found) = examine(&app, &["--set", "mcp.nope=1"]);
    failure(&found, "configuration", "mcp.nope");
    assert_eq!(code, Some(1));
    failure(
        &examine(&app, &["--set", "mcp.public_url=http://127.0.0.1:1", "--set", "keys.master_key_file=/nonexistent/key"]).1,
        "master key",
        "/nonexistent/key",
    );
    app.change("PRAGMA user_version = 999");
    failure(&examine(&app, &[]).1, "migrations", "999");
    fs::write(app.data().join("anmei-mcp.sqlite3"), "no database").unwrap();
    failure(&examine(&app, &[]).1, "database", "");
}

#[tokio::test]
async fn an_agent_that_is_down_and_a_group_that_was_never_served_are_told() {
    let app = App::start(&[]).await;
    let mut add = app
        .command(&["agent", "add", "welcome", "--base-url", "http://127.0.0.1:1"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(add.stdin.as_mut().unwrap(), b"app-0123456789").unwrap();
    assert!(add.wait().unwrap().success());
    let (code, found) = examine(&app, &[]);
    failure(&found, "agents", "cannot reach 127.0.0.1:1");
    assert_eq!((code, states(&found, "http")), (Some(1), vec!["ok"; 5]));
}
