//! Peers that mean harm to HTTP itself: each costs only itself, memory stays bounded, and nobody is answered twice.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    events::Events,
    harness::{App, Era},
};

fn connect(app: &App) -> TcpStream {
    let stream = TcpStream::connect(app.mcp_root().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    stream
}

/// Everything that comes back for some bytes, until the daemon closes; what is read until then if it does not.
fn exchange(app: &App, bytes: &[u8]) -> String {
    let mut stream = connect(app);
    stream.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    // A daemon that has refused already may have closed: what it said is still to be read.
    let _cut = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status lines of all the answers in a text.
fn statuses(text: &str) -> Vec<&str> {
    text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect()
}

/// What a proxy in front could read in another way than this daemon must be refused, or be read in the one way that
/// the standard allows; a request hidden in another's body is never answered.
#[tokio::test]
async fn no_spelling_of_a_request_smuggles_a_second_one() {
    let app = App::start(&[("http.header_timeout", "1s")]).await;
    let key = app.key("system_tools");
    let hidden = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let (length, chunked) = (body.len(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
    let head = |extra: &str| {
        format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n{extra}\r\n")
    };
    let refused: [(&str, String); 22] = [
        ("two lengths that differ", head(&format!("Content-Length: {length}\r\nContent-Length: 0\r\n")) + body + hidden),
        ("a list of lengths", head(&format!("Content-Length: {length}, {length}\r\n")) + body + hidden),
        ("a signed length", head(&format!("Content-Length: +{length}\r\n")) + body + hidden),
        ("a negative length", head("Content-Length: -1\r\n") + body + hidden),
        ("a length beyond 64 bits", head("Content-Length: 18446744073709551616\r\n") + body + hidden),
        ("a length that is a word", head("Content-Length: forty\r\n") + body + hidden),
        ("an unknown coding", head("Transfer-Encoding: xchunked\r\n") + &chunked + hidden),
        ("a coding after a vertical tab", head("Transfer-Encoding: \x0bchunked\r\n") + &chunked + hidden),
        ("chunked and then identity", head("Transfer-Encoding: chunked, identity\r\n") + &chunked + hidden),
        ("a blank before the colon", head("Transfer-Encoding : chunked\r\n") + &chunked + hidden),
        ("a folded header", head("X-A: b\r\n Content-Length: 0\r\n") + body + hidden),
        ("a NUL in a header", head("X-A: b\0c\r\nContent-Length: 0\r\n") + hidden),
        ("a bare CR in a header", head("X-A: b\rContent-Length: 0\r\n") + hidden),
        ("a chunk size that is none", head("Transfer-Encoding: chunked\r\n") + "zz\r\n" + body + "\r\n0\r\n\r\n" + hidden),
        ("a chunk size beyond 64 bits", head("Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n" + body + "\r\n0\r\n\r\n" + hidden),
        ("chunks in HTTP/1.0", head("Transfer-Encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0") + &chunked + hidden),
        ("HTTP/0.9", "GET /mcp\r\n".to_owned()),
        ("a method with a blank line first and no version", "\r\n\r\nGET / \r\n\r\n".to_owned()),
        ("no Host", head(&format!("Content-Length: {length}\r\n")).replace("Host: localhost\r\n", "") + body),
        ("two Hosts", head(&format!("Host: localhost\r\nContent-Length: {length}\r\n")) + body),
        (
            "an address of another host",
            head(&format!("Content-Length: {length}\r\n")).replace("POST /mcp", "POST http://evil.example/mcp") + body,
        ),
        ("a Host with a path", head(&format!("Content-Length: {length}\r\n")).replace("Host: localhost", "Host: localhost/evil") + body),
    ];
    for (what, bytes) in &refused {
        let answer = exchange(&app, bytes.as_bytes());
        let found = statuses(&answer);
        assert!(found.len() <= 1 && found.iter().all(|status| status.starts_with('4')), "{what}: {answer}");
        assert!(!answer.contains("\"version\":"), "{what}: the hidden request was answered: {answer}");
    }
    // Read in the only way that is left (RFC 9112, section 6.3): chunked wins, and the connection ends.
    let both = exchange(
        &app,
        (head(&format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", length + 40)) + &chunked + hidden).as_bytes(),
    );
    assert!(statuses(&both).len() <= 1 && !both.contains("\"version\":"), "{both}");
    let in_order = exchange(&app, (head(&format!("Content-Length: {length}\r\nConnection: close\r\n")) + body).as_bytes());
    assert_eq!(statuses(&in_order), ["200"], "the table's own base is in order: {in_order}");
    let two = exchange(&app, (head(&format!("Content-Length: {length}\r\n")) + body + hidden).as_bytes());
    assert_eq!(statuses(&two), ["200", "200"], "an honest second request is answered: {two}");
}

/// Most bytes of a request's head (`src/http/listener.rs`).
const HEAD: usize = 64 * 1024;

/// A request for the health whose head has so many bytes.
fn head_of(bytes: usize) -> String {
    let (begin, end) = ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-A: ", "\r\n\r\n");
    format!("{begin}{}{end}", "a".repeat(bytes - begin.len() - end.len()))
}

/// The answers to the same bytes, sent over so many connections at once.
fn at_once(app: &App, bytes: &str, connections: usize) -> Vec<String> {
    std::thread::scope(|scope| {
        let sent: Vec<_> = (0..connections).map(|_| scope.spawn(|| exchange(app, bytes.as_bytes()))).collect();
        sent.into_iter().map(|answer| answer.join().unwrap()).collect()
    })
}

#[tokio::test]
async fn a_head_that_is_too_large_or_has_too_many_lines_is_431() {
    let app = App::start(&[]).await;
    let before = app.memory_kib();
    let with = |lines: &str| format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    for (what, bytes, status) in [
        ("as large as it may be", head_of(HEAD), "200"),
        ("a byte more", head_of(HEAD + 1), "431"),
        ("a long value", with(&format!("X-A: {}\r\n", "a".repeat(200_000))), "431"),
        ("a long name", with(&format!("{}: b\r\n", "X".repeat(200_000))), "431"),
        ("many lines", with(&"X-A: b\r\n".repeat(300)), "431"),
    ] {
        for answer in at_once(&app, &bytes, 20) {
            assert_eq!(statuses(&answer), [status], "{what}: {answer}");
        }
    }
    assert!(app.memory_kib().saturating_sub(before) < 20_000);
    assert_eq!(app.send("GET", &format!("{}/healthz", app.mcp_root()), &[], "").await.status, 200);
}

/// HTTP/1.1 is what is spoken: who begins with HTTP/2 is cut off, and an offer to change over is not taken.
#[tokio::test]
async fn nobody_is_answered_in_http_2() {
    let app = App::start(&[]).await;
    let (preface, settings) = ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\x04\0\0\0\0\0");
    for bytes in ["PRI * HTTP/2.0\r\n\r\n".to_owned(), preface.to_owned(), format!("{preface}{settings}").repeat(50)] {
        let start = Instant::now();
        for answer in at_once(&app, &bytes, 10) {
            let refused = statuses(&answer).iter().all(|status| *status == "400");
            assert!(refused && (answer.is_empty() || answer.starts_with("HTTP/1.1 ")), "{answer:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(1), "the connection is closed at once: {:?}", start.elapsed());
    }
    let offer = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    for answer in at_once(&app, &format!("{offer}{preface}{settings}"), 10) {
        assert_eq!(statuses(&answer), ["200"], "answered as it was asked, and not changed over: {answer:?}");
        assert!(answer.ends_with("{\"status\":\"ok\"}"), "{answer:?}");
    }
    assert_eq!(app.rpc(Era::Modern, &app.root_url(), Some(&app.key("system_tools")), "tools/list", json!({})).await.status, 200);
}

/// Beyond its connections a listener takes none in: they wait where they cost it nothing, and are served when there is room.
#[tokio::test]
async fn a_full_listener_lets_wait_and_serves_again_after() {
    let app = App::start(&[("http.max_connections", "8"), ("http.first_byte_timeout", "30s")]).await;
    let crowd: Vec<_> = (0..8).map(|_| connect(&app)).collect();
    let mut waiting: Vec<_> = (0..4).map(|_| connect(&app)).collect();
    let mut first = [0];
    for stream in &mut waiting {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(stream.read(&mut first).is_err(), "the ninth is not served");
        stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    }
    let other = app.send("GET", &format!("{}/healthz", app.hook_root()), &[], "").await;
    assert_eq!(other.status, 200, "another listener has room of its own");
    drop(crowd);
    for mut stream in waiting {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(statuses(&text), ["200"], "{text}");
    }
    for _ in 0..20 {
        assert_eq!(app.send("GET", &format!("{}/healthz", app.mcp_root()), &[], "").await.status, 200);
    }
}

/// One stream of a session tells of changes; others that are opened beside it end when there are too many of them.
#[tokio::test]
async fn the_streams_of_one_session_do_not_pile_up() {
    let app = App::start(&[("mcp.sessions", "true")]).await;
    let (url, key) = (app.root_url(), app.key("system_tools"));
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}});
    let begun = app.rpc(Era::Silent, &url, Some(&key), "initialize", params).await;
    let (session, bearer) = (begun.headers["mcp-session-id"].to_str().unwrap(), format!("Bearer {key}"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let told = app.send("POST", &url, &headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(told.status, 202);
    let mut streams = Vec::new();
    for _ in 0..36 {
        let stream = Events::open("GET", &url, &headers, "").await;
        assert_eq!(stream.status, 200);
        streams.push(stream);
    }
    for stream in &mut streams[1..=3] {
        assert_eq!(stream.next().await, None, "the oldest have ended");
    }
    for at in [0, 4, 35] {
        assert!(streams[at].is_silent(Duration::from_millis(50)).await, "{at} is open");
    }
    assert_eq!(app.send("POST", &url, &headers, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.status, 200);
}

/// One address fills its own share; the health of everybody else's is not touched by it, and all of it is given back.
#[tokio::test]
async fn a_crowd_of_idle_connections_costs_little_and_ends() {
    let app = App::start(&[("http.max_connections_per_address", "300"), ("http.first_byte_timeout", "2s")]).await;
    let (key, before) = (app.key("system_tools"), app.memory_kib());
    let mut crowd: Vec<_> = (0..280).map(|_| connect(&app)).collect();
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    crowd.extend((0..60).map(|_| connect(&app)));
    let mut turned_away = 0;
    for stream in &mut crowd[280..] {
        let mut text = String::new();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let _still_open = stream.read_to_string(&mut text);
        turned_away += usize::from(text.starts_with("HTTP/1.1 429") && text.contains("http.max_connections_per_address"));
    }
    assert!((30..60).contains(&turned_away), "{turned_away}");
    assert!(app.memory_kib().saturating_sub(before) < 25 * 340, "{} KiB", app.memory_kib() - before);
    for stream in &mut crowd[..280] {
        let mut text = Vec::new();
        assert!(stream.read_to_end(&mut text).is_ok_and(|read| read == 0), "cut after the first-byte timeout");
    }
    let again = connect(&app);
    drop((crowd, again));
    assert_eq!(app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.status, 200);
}

/// Asks a hundred times over one connection and reads nothing: the connection is cut, and others do not notice.
#[tokio::test]
async fn a_peer_that_does_not_read_its_answers_is_cut() {
    let app = App::start(&[("http.write_timeout", "1s")]).await;
    let (key, before) = (app.key("consultation_tools"), app.memory_kib());
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = connect(&app);
    stream.set_write_timeout(Some(Duration::from_secs(8))).unwrap();
    let start = Instant::now();
    let cut = (0..200_000).find_map(|_| stream.write_all(request.as_bytes()).err());
    assert!(cut.is_some() && start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(app.memory_kib().saturating_sub(before) < 20_000);
    assert_eq!(app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.status, 200);
}

/// A byte now and then, in the head and in the body: cut by the time that each may take as a whole.
#[tokio::test]
async fn heads_and_bodies_that_drip_are_cut() {
    let app = App::start(&[("http.header_timeout", "600ms"), ("http.request_timeout", "1s")]).await;
    let key = app.key("system_tools");
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".to_owned();
    let body = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    );
    let drips: Vec<_> = [head, body].into_iter().map(|first| (connect(&app), first)).collect();
    let dripping = drips.into_iter().map(|(mut stream, first)| {
        tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            stream.write_all(first.as_bytes()).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let mut chunk = [0; 1024];
            while start.elapsed() < Duration::from_secs(6) {
                if stream.write_all(b"a").is_err() || matches!(stream.read(&mut chunk), Ok(0)) {
                    return start.elapsed();
                }
            }
            start.elapsed()
        })
    });
    let dripping: Vec<_> = dripping.collect();
    assert_eq!(app.send("GET", &format!("{}/healthz", app.mcp_root()), &[], "").await.status, 200);
    for drip in dripping {
        let took = drip.await.unwrap();
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
}
