//! Bad input gets a clear answer and costs only itself (invariant I5): what, where, what to do; never a panic.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{App, Era, HOOK_KEY};

#[tokio::test]
async fn malformed_messages_get_the_protocols_errors() {
    for fast_lane in ["true", "false"] {
        let app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        let bearer = format!("Bearer {}", app.key("system_tools"));
        let headers =
            [("authorization", bearer.as_str()), ("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        for (body, code) in [
            ("{", -32700),
            ("", -32700),
            ("not json", -32700),
            ("7", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1}", -32600),
            ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/list\"}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no/such\"}", -32601),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}", -32602),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":7}}", -32602),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"search_users\",\"arguments\":[1]}}", -32602),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"search_users\",\"arguments\":{\"query\":\"a\",\"query\":\"b\"}}}",
                -32602,
            ),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":[]}", -32602),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":\"x\"}}", -32602),
        ] {
            let answer = app.send("POST", &app.root_url(), &headers, body).await;
            assert_eq!(answer.json()["error"]["code"], code, "{body}: {answer:?}");
        }
        // The message, its parameters and the arguments are three levels; 64 there may be.
        let deep = |levels: usize| {
            let (open, close) = ("[".repeat(levels - 3), "]".repeat(levels - 3));
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{{\"name\":\"search_users\",\"arguments\":{{\"query\":{open}{close}}}}}}}"
            )
        };
        let deepest = app.send("POST", &app.root_url(), &headers, deep(64)).await.json();
        assert_eq!(deepest["result"]["isError"], true, "read, and refused by the tool's schema: {deepest}");
        for levels in [65, 128, 10_000, 400_000] {
            let answer = app.send("POST", &app.root_url(), &headers, deep(levels)).await;
            let (status, error) = (answer.status, answer.json());
            assert_eq!((status.as_u16(), &error["id"], &error["error"]["code"]), (400, &json!(7), &json!(-32600)), "{levels}: {error}");
        }
        assert_eq!(app.rpc(Era::Silent, &app.root_url(), Some(&app.key("system_tools")), "ping", json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn bad_arguments_name_field_reason_and_an_example() {
    let app = App::start(&[]).await;
    let text = async |arguments: Value| {
        app.call(Era::Modern, "system_tools", "search_users", arguments).await["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let missing = text(json!({})).await;
    assert!(missing.contains("`query`") && missing.contains("missing") && missing.contains("Accepted example: {"), "{missing}");
    let unknown = text(json!({"query": "x", "limitt": 3})).await;
    assert!(unknown.contains("`limitt`") && unknown.contains("no such argument"), "{unknown}");
    let range = text(json!({"query": "x", "limit": 5000})).await;
    assert!(range.contains("`limit`") && range.contains("50"), "{range}");
    for text in [missing, unknown, range] {
        assert!(text.starts_with("错误") && text.contains("Error"), "Dify ignores isError, so the text says it: {text}");
    }
}

#[tokio::test]
async fn size_type_host_and_origin_are_checked_and_the_setting_is_named() {
    let app = App::start(&[]).await;
    let bearer = format!("Bearer {}", app.key("system_tools"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let huge = app.send("POST", &app.root_url(), &headers, " ".repeat(1024 * 1024 + 1)).await;
    assert!(huge.status == 413 && huge.body.contains("mcp.max_body"), "{huge:?}");
    assert_eq!(app.send("POST", &app.root_url(), &headers[..1], body.clone()).await.status, 415);
    let host = app.send("POST", &app.root_url(), &[headers[0], headers[1], ("host", "host.docker.internal")], body.clone()).await;
    assert!(host.status == 403 && host.body.contains("host.docker.internal") && host.body.contains("mcp.allowed_hosts"), "{host:?}");
    let origin = app.send("POST", &app.root_url(), &[headers[0], headers[1], ("origin", "https://evil.example")], body.clone()).await;
    assert!(
        origin.status == 403 && origin.body.contains("https://evil.example") && origin.body.contains("mcp.allowed_origins"),
        "{origin:?}"
    );
    assert_eq!(app.send("POST", &app.root_url(), &[headers[0], headers[1], ("origin", "http://localhost:3000")], body).await.status, 200);
    assert_eq!(app.send("GET", &format!("{}/nothing", app.mcp_root()), &[], "").await.status, 404);
}

#[tokio::test]
async fn silent_and_slow_peers_are_cut_and_others_do_not_notice() {
    let app = App::start(&[("http.first_byte_timeout", "300ms"), ("http.header_timeout", "300ms"), ("http.request_timeout", "1s")]).await;
    let address = app.mcp_root().trim_start_matches("http://").to_owned();
    let open = |first: &[u8]| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(first).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    };
    let key = app.key("system_tools");
    let slow_body = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let peers = [open(b""), open(b"POST /mcp HTTP/1.1\r\nHost: lo"), open(slow_body.as_bytes())];
    assert_eq!(app.send("GET", &format!("{}/healthz", app.mcp_root()), &[], "").await.status, 200);
    for mut peer in peers {
        let start = Instant::now();
        let mut answer = Vec::new();
        let ended = peer.read_to_end(&mut answer);
        assert!(ended.is_ok() && start.elapsed() < Duration::from_secs(4), "{ended:?} {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn the_hook_refuses_what_it_cannot_use_and_says_why() {
    let app = App::start(&[]).await;
    let url = format!("{}/hooks/registration", app.hook_root());
    let bearer = format!("Bearer {HOOK_KEY}");
    let good = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for (headers, body, status, says) in [
        (&good[1..], "{}", 401, "hook key"),
        (&[("authorization", "Bearer nope")][..], "{}", 401, "hook key"),
        (&[("webhook-id", "m"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")][..], "{}", 401, "signature"),
        (&good[..], "nonsense", 400, "JSON"),
        (&good[..], "{}", 422, "user_id"),
        (&good[..], "{\"user_id\":\"a b\"}", 422, "/user_id"),
    ] {
        let answer = app.send("POST", &url, headers, body).await;
        assert!(answer.status == status && answer.body.contains(says), "{body}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let huge = app.send("POST", &url, &good, format!("{{\"user_id\":\"{}\"}}", "x".repeat(70_000))).await;
    assert!(huge.status == 413 && huge.body.contains("hook.max_body"), "{huge:?}");
    assert_eq!(app.send("GET", &format!("{url}/nope"), &good, "").await.status, 404);
    assert_eq!(app.send("GET", &format!("{url}/nope"), &[], "").await.status, 401);
    assert_eq!(app.count("SELECT count(*) FROM registrations"), 0);
}

#[test]
fn a_bad_configuration_names_file_line_key_and_what_is_allowed() {
    let app = App::idle(&[]);
    let file = app.dir.path().join("bad.toml");
    std::fs::write(&file, "[http]\nheader_timout = \"5s\"\n\n[mcp]\nfast_lane = \"maybe\"\n").unwrap();
    let output = app.cli(&["config", "check", "--config", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in ["bad.toml:2", "header_timout", "header_timeout", "bad.toml:5", "fast_lane", "true"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn a_database_that_cannot_be_used_says_what_it_is_and_what_to_do() {
    let complaint = |app: &App| {
        let output = app.cli(&["group", "list"]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let app = App::idle(&[]);
    app.ok(&["group", "list"]);
    let file = app.data().join("anmei-mcp.sqlite3");
    let db = rusqlite::Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let newer = complaint(&app);
    assert!(newer.contains("newer anmei-mcp") && newer.contains("99") && newer.contains("anmei-mcp.sqlite3"), "{newer}");
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    std::fs::write(&file, "this is no database, but long enough to look at".repeat(100)).unwrap();
    for side in ["-wal", "-shm"] {
        let _none = std::fs::remove_file(format!("{}{side}", file.display()));
    }
    let corrupt = complaint(&app);
    assert!(corrupt.contains("not a database") && corrupt.contains("backup"), "{corrupt}");

    let locked = App::idle(&[]);
    std::fs::create_dir_all(locked.data()).unwrap();
    let db = rusqlite::Connection::open(locked.data().join("anmei-mcp.sqlite3")).unwrap();
    db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE x (y)").unwrap();
    let text = complaint(&locked);
    assert!(text.contains("locked by another process"), "{text}");
}

#[tokio::test]
async fn a_busy_port_and_a_busy_directory_name_themselves() {
    let app = App::start(&[]).await;
    let taken = app.mcp_root().trim_start_matches("http://");
    let second = App::idle(&[("mcp.listen", taken)]);
    let output = second.cli(&["serve"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("mcp.listen") && text.contains(taken), "{text}");
    let output = app.cli(&["serve"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && text.contains("another anmei-mcp serve"), "{text}");
}
