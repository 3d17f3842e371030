//! The call log through the API and the panel: filters, redaction, bodies for a reason, export, tail, errors.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    admin_kit::{Tokens, ask, get, tokens},
    harness::{App, Era},
};

async fn call(app: &App, key: &str, arguments: Value) {
    app.rpc(Era::Modern, &app.root_url(), Some(key), "tools/call", json!({"name": "get_user_profile", "arguments": arguments})).await;
}

/// Waits until the log holds so many calls.
async fn logged(app: &App, count: i64) {
    for _ in 0..200 {
        if app.count("SELECT count(*) FROM mcp_call_logs") >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the log never held {count} calls");
}

/// A daemon with a call that worked, one that failed, and one nobody knows the key of.
async fn with_calls(settings: &[(&str, &str)]) -> (App, Tokens) {
    let app = App::with_records(settings).await;
    let tokens = tokens(&app);
    let key = app.key("system_tools");
    call(&app, &key, json!({"user_id": "usr_anna"})).await;
    call(&app, &key, json!({"user_id": "张伟"})).await;
    logged(&app, 2).await;
    (app, tokens)
}

fn ids(listed: &Value) -> Vec<String> {
    listed["items"].as_array().unwrap().iter().map(|call| call["call_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn calls_are_found_with_names_page_by_page_and_wrong_questions_are_named() {
    let (app, tokens) = with_calls(&[]).await;
    let list = async |query: &str| get(&app, &tokens.operator, &format!("/api/v1/calls?{query}")).await.json();
    let all = list("").await;
    let first = &all["items"][0];
    assert_eq!((first["tool"].as_str(), first["success"].as_bool(), ids(&all).len()), (Some("get_user_profile"), Some(false), 2));
    assert_eq!((first["group"]["code"].as_str(), first["key"]["name"].as_str()), (Some("system_tools"), Some("default")), "{first}");
    assert_eq!((&all["next_cursor"], &all["scanned_until"]), (&Value::Null, &Value::Null));
    let page = list("limit=1").await;
    let rest = list(&format!("limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!([ids(&page), ids(&rest)].concat(), ids(&all));
    for (query, found) in [
        ("success=true", 1),
        ("outcome=ok&tool=get_user_profile&group=system_tools", 1),
        ("group=project_tools", 0),
        ("client=TESTS&channel=http&protocol=2026-07-28", 2),
        ("client=nobody", 0),
        ("min_ms=600000", 0),
        ("since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z", 0),
        ("since=2020-01-01T00:00:00Z", 2),
        ("app=dify", 0),
    ] {
        assert_eq!(ids(&list(query).await).len(), found, "{query}");
    }
    for (query, pointer) in [
        ("since=yesterday", "/since"),
        ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
        ("min_ms=-1", "/min_ms"),
        ("success=perhaps", "/success"),
    ] {
        let refused = ask(&app, &tokens.operator, Method::GET, &format!("/api/v1/calls?{query}"), None).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["errors"][0]["pointer"].as_str().map(str::to_owned)),
            (422, Some(pointer.to_owned()))
        );
    }
    assert_eq!(ask(&app, &tokens.operator, Method::GET, "/api/v1/calls/nobody", None).await.status, 404);
}

#[tokio::test]
async fn what_was_sent_is_shown_to_an_auditor_for_a_reason_that_is_written_down_first() {
    let (app, tokens) = with_calls(&[("call_log.bodies", "full")]).await;
    let listed = get(&app, &tokens.auditor, "/api/v1/calls").await.json();
    let path = format!("/api/v1/calls/{}", ids(&listed)[0]);
    for token in [&tokens.administrator, &tokens.operator, &tokens.auditor] {
        let detail = get(&app, token, &path).await;
        assert_eq!((detail.json()["request"]["user_id"].as_str(), detail.json()["kept"].as_str()), (Some("[2 characters]"), Some("full")));
        assert!(!detail.body.contains("张伟"), "{}", detail.body);
    }
    let bodies = format!("{path}/bodies");
    let look = async |token: &str, reason: &str| ask(&app, token, Method::POST, &bodies, Some(json!({"reason": reason}))).await;
    for token in [&tokens.administrator, &tokens.operator] {
        assert_eq!(look(token, "customer complaint 42").await.status, 403);
    }
    assert_eq!(look(&tokens.auditor, " ").await.json()["errors"][0]["pointer"], "/reason");
    let audited = || app.count("SELECT count(*) FROM audit_log WHERE action = 'call.bodies' AND actor = 'account:auditor'");
    assert_eq!(audited(), 0);
    let seen = look(&tokens.auditor, "customer complaint 42").await;
    assert_eq!((seen.status.as_u16(), seen.json()["request"]["user_id"].as_str().map(str::to_owned)), (200, Some("张伟".to_owned())));
    assert_eq!(audited(), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE reason = 'customer complaint 42' AND address = '127.0.0.1'"), 1);
    app.ok(&["audit", "verify"]);
}

#[tokio::test]
async fn a_log_that_holds_no_more_says_so() {
    let (app, tokens) = with_calls(&[]).await;
    let listed = get(&app, &tokens.auditor, "/api/v1/calls").await.json();
    let path = format!("/api/v1/calls/{}/bodies", ids(&listed)[0]);
    let seen = ask(&app, &tokens.auditor, Method::POST, &path, Some(json!({"reason": "just looking"}))).await.json();
    assert_eq!((seen["kept"].as_str(), seen["request"]["user_id"].as_str()), (Some("redacted"), Some("[2 characters]")));
}

#[tokio::test]
async fn the_log_is_exported_in_every_form_defused_cut_where_it_says_so_and_audited() {
    let (app, tokens) = with_calls(&[]).await;
    app.change(
        "INSERT INTO mcp_call_logs (call_id, tool_name, channel, protocol, client_name, success, outcome, duration_ms, created_at)
         VALUES ('hostile', '=HYPERLINK(1)', 'http', '', '<script>alert(1)</script>', 0, 'unknown_tool', 1, unixepoch() * 1000)",
    );
    let export = async |query: &str| get(&app, &tokens.operator, &format!("/api/v1/calls/export?{query}")).await;
    let csv = export("format=csv").await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"calls-"));
    let lines: Vec<&str> = csv.body.trim_end().split("\r\n").collect();
    assert!(lines.len() == 4 && lines[1].contains(",'=HYPERLINK(1),"), "{}", csv.body);
    let jsonl = export("format=jsonl&success=true").await;
    let line: Value = serde_json::from_str(jsonl.body.trim_end()).unwrap();
    assert_eq!((line["outcome"].as_str(), line["request"]["user_id"].as_str()), (Some("ok"), Some("usr_anna")));
    let cut = export("format=jsonl&max_rows=1").await;
    let last: Value = serde_json::from_str(cut.body.trim_end().lines().last().unwrap()).unwrap();
    assert_eq!((cut.body.lines().count(), &last["truncated"]["rows"]), (2, &json!(1)));
    let xlsx = get(&app, &tokens.auditor, "/api/v1/calls/export?format=xlsx").await;
    assert!(xlsx.status == 200 && xlsx.body.starts_with("PK"), "{:?}", xlsx.headers);
    for wrong in ["", "format=pdf", "format=csv&max_rows=0", "format=csv&since=x"] {
        assert_eq!(ask(&app, &tokens.operator, Method::GET, &format!("/api/v1/calls/export?{wrong}"), None).await.status, 422, "{wrong}");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'call.export'"), 4);
    assert_eq!(
        app.count("SELECT count(*) FROM audit_log WHERE action = 'call.export' AND actor = 'account:auditor' AND after LIKE '%xlsx%'"),
        1
    );
    // The command line writes the same.
    let file = app.dir.path().join("calls.csv");
    app.ok(&["log", "export", "--since", "1h", "--output", file.to_str().unwrap()]);
    // The mark at its beginning is taken off an answer as it is read.
    assert_eq!(std::fs::read_to_string(file).unwrap().trim_start_matches('\u{feff}'), csv.body);
    assert_eq!(app.ok_json(&["log", "list", "--failed", "--tool", "get_user_profile"]).as_array().unwrap().len(), 1);
}

/// An event stream, as a client without buffers sees it.
struct Stream {
    socket: TcpStream,
    text: String,
}

impl Stream {
    async fn open(app: &App, token: &str, path: &str, more: &str) -> Self {
        let host = app.admin_root().trim_start_matches("http://").to_owned();
        let mut socket = TcpStream::connect(&host).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\naccept: text/event-stream\r\n{more}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Self { socket, text: String::new() };
        stream.until("text/event-stream").await;
        stream
    }

    async fn until(&mut self, wanted: &str) -> &str {
        while !self.text.contains(wanted) {
            assert!(self.more().await, "ended before {wanted}: {}", self.text);
        }
        &self.text
    }

    /// Whether anything more came before the end.
    async fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read = timeout(Duration::from_secs(10), self.socket.read(&mut bytes)).await.unwrap().unwrap();
        self.text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        // The last chunk of a body is an empty one.
        read > 0 && !self.text.ends_with("\r\n0\r\n\r\n")
    }
}

#[tokio::test]
async fn the_tail_tells_what_came_goes_on_where_it_ended_and_ends_with_the_token() {
    let (app, tokens) = with_calls(&[]).await;
    let key = app.key("system_tools");
    let mut tail = Stream::open(&app, &tokens.operator, "/api/v1/calls/tail?success=true", "").await;
    call(&app, &key, json!({"user_id": "usr_nobody"})).await;
    call(&app, &key, json!({"user_id": "usr_anna"})).await;
    let seen = tail.until("event: calls").await;
    assert!(!seen.contains("tool_error"), "the filter counts here too: {seen}");
    // What came before the tail began is not told; whoever names the last event gets what came since.
    let mut again = Stream::open(&app, &tokens.auditor, "/api/v1/calls/tail", "last-event-id: 1\r\n").await;
    assert!(again.until("\"number\":2").await.contains("id: "));
    app.change("UPDATE admin_tokens SET revoked_at = 2 WHERE id = 't-operator'");
    while tail.more().await {}
    assert_eq!(ask(&app, &tokens.operator, Method::GET, "/api/v1/calls/tail", None).await.status, 401);
}

#[tokio::test]
async fn errors_are_counted_by_type_with_a_sample() {
    let (app, tokens) = with_calls(&[]).await;
    let key = app.key("system_tools");
    for user in ["usr_1", "usr_22", "usr_333"] {
        call(&app, &key, json!({"user_id": user})).await;
    }
    logged(&app, 5).await;
    let errors = get(&app, &tokens.auditor, "/api/v1/errors").await.json();
    let kinds: Vec<_> =
        errors["kinds"].as_array().unwrap().iter().map(|kind| (kind["kind"].as_str().unwrap(), kind["count"].as_i64().unwrap())).collect();
    assert_eq!(kinds, [("call", 4), ("step", 0), ("agent", 0)]);
    let first = &errors["types"][0];
    assert_eq!(
        (first["count"].as_i64(), first["what"].as_str(), first["outcome"].as_str()),
        (Some(3), Some("get_user_profile"), Some("tool_error")),
        "{errors}"
    );
    let sample = first["sample"]["call_id"].as_str().unwrap();
    get(&app, &tokens.auditor, &format!("/api/v1/calls/{sample}")).await;
    let none = get(&app, &tokens.auditor, "/api/v1/errors?kind=agent").await.json();
    assert_eq!((&none["types"], none["kinds"].as_array().unwrap().len()), (&json!([]), 1));
    assert_eq!(ask(&app, &tokens.auditor, Method::GET, "/api/v1/errors?since=2020-01-01T00:00:00Z", None).await.status, 422);
    assert!(app.ok(&["log", "errors"]).contains("get_user_profile"));
}

#[tokio::test]
async fn the_pages_show_the_same_and_hostile_names_are_text() {
    let (app, tokens) = with_calls(&[("call_log.bodies", "full")]).await;
    app.change(
        "INSERT INTO mcp_call_logs (call_id, tool_name, channel, protocol, client_name, success, outcome, error_message, duration_ms, created_at)
         VALUES ('hostile', 'x', 'http', '', '<script>alert(1)</script>', 0, 'unknown_tool', '\"><img src=x onerror=alert(1)>', 1, unixepoch() * 1000)",
    );
    let page = async |token: &str, path: &str| get(&app, token, path).await.body;
    for path in ["/panel/calls", "/panel/calls?outcome=unknown_tool&client=%3Cscript%3E", "/panel/calls/hostile", "/panel/errors"] {
        let text = page(&tokens.operator, path).await;
        assert!(text.contains("alert(1)") && !text.contains("<script>alert") && !text.contains("<img src=x"), "{path}: {text}");
    }
    let list = page(&tokens.operator, "/panel/calls?tool=get_user_profile&success=false&live=1").await;
    assert!(
        list.contains("hx-sse:connect=\"/panel/calls/live?tool=get_user_profile&#38;success=false\"")
            || list.contains("/panel/calls/live?tool=get_user_profile&amp;success=false"),
        "{list}"
    );
    assert!(list.contains("/panel/calls/export?format=xlsx&amp;tool=get_user_profile"), "{list}");
    let refused = ask(&app, &tokens.operator, Method::GET, "/panel/calls?min_ms=many&tool=kept", None).await;
    assert!(refused.status == 422 && refused.body.contains("value=\"kept\"") && refused.body.contains("aria-invalid"), "{}", refused.body);
    let mut live = Stream::open(&app, &tokens.operator, "/panel/calls/live?outcome=unknown_tool", "").await;
    let part = live.until("</table>").await;
    assert!(part.contains("data: ") && part.contains("/panel/calls/hostile") && !part.contains("<script>alert"), "{part}");

    let listed = get(&app, &tokens.auditor, "/api/v1/calls?tool=get_user_profile").await.json();
    let path = format!("/panel/calls/{}", ids(&listed)[0]);
    assert!(!page(&tokens.operator, &path).await.contains("name=\"reason\""));
    let detail = page(&tokens.auditor, &path).await;
    assert!(detail.contains("name=\"reason\"") && !detail.contains("张伟"), "{detail}");
    let look = async |token: &str, reason: &str| {
        let headers = [("authorization", format!("Bearer {token}")), ("content-type", "application/x-www-form-urlencoded".into())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        app.send("POST", &format!("{}{path}/bodies", app.admin_root()), &headers, format!("reason={reason}")).await
    };
    assert_eq!(look(&tokens.operator, "curious").await.status, 403);
    assert_eq!(look(&tokens.auditor, "").await.status, 422);
    let shown = look(&tokens.auditor, "complaint").await;
    assert!(shown.status == 200 && shown.body.contains("张伟"), "{}", shown.body);
}
