//! Peers that mean harm to HTTP itself: each costs only itself, memory stays bounded, and nobody is answered twice.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{App, Era};

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

#[tokio::test]
async fn a_head_that_is_too_large_or_has_too_many_lines_is_431() {
    let app = App::start(&[]).await;
    let before = app.memory_kib();
    for filler in [format!("X-A: {}\r\n", "a".repeat(200_000)), "X-A: b\r\n".repeat(300), format!("{}: b\r\n", "X".repeat(200_000))] {
        for _ in 0..20 {
            let answer = exchange(&app, format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{filler}\r\n").as_bytes());
            assert!(statuses(&answer).iter().all(|status| *status == "431" || *status == "400"), "{answer}");
        }
    }
    assert!(app.memory_kib().saturating_sub(before) < 20_000);
    assert_eq!(app.send("GET", &format!("{}/healthz", app.mcp_root()), &[], "").await.status, 200);
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
