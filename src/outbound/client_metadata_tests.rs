//! Documents from a server beside the test.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::{Clock, FixedClock};

/// Serves what `body` makes of the document's own address, and counts.
async fn serving(headers: &'static str, body: fn(&str) -> String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id = format!("http://127.0.0.1:{}/client.json", listener.local_addr().unwrap().port());
    let (hits, text) = (Arc::new(AtomicUsize::new(0)), body(&id));
    let counted = Arc::clone(&hits);
    TaskTracker::new().spawn(async move {
        loop {
            let Ok((mut socket, _)) = listener.accept().await else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 2048];
            let _read = socket.read(&mut head).await;
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{text}", text.len());
            let _written = socket.write_all(answer.as_bytes()).await;
        }
    });
    (id, hits)
}

fn reader(domains: &[&str]) -> (ClientDocuments, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at_ms(1_790_000_000_000));
    let settings = DocumentSettings { domains: domains.iter().map(|name| (*name).to_owned()).collect(), loopback: true };
    (ClientDocuments::new(settings, Arc::clone(&clock) as SharedClock).unwrap(), clock)
}

fn good(id: &str) -> String {
    format!(
        r#"{{"client_id":"{id}","client_name":"A client","client_uri":"https://client.example/","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","logo_uri":"javascript:alert(1)"}}"#
    )
}

#[tokio::test]
async fn a_document_is_read_and_kept_as_its_headers_say() {
    let (documents, clock) = reader(&[]);
    let (id, hits) = serving("cache-control: public, max-age=60\r\n", good).await;
    let client = documents.read(&id).await.unwrap();
    assert_eq!(client.client_name.as_deref(), Some("A client"));
    assert_eq!(client.redirect_uris, ["http://127.0.0.1/cb"]);
    assert_eq!(
        (client.grant_types.as_slice(), client.token_endpoint_auth_method.as_str()),
        (&["authorization_code".to_owned()][..], "none")
    );
    clock.advance_ms(59_000);
    documents.read(&id).await.unwrap();
    assert_eq!(hits.load(Ordering::SeqCst), 1);
    clock.advance_ms(2_000);
    documents.read(&id).await.unwrap();
    assert_eq!(hits.load(Ordering::SeqCst), 2);
    let (id, hits) = serving("cache-control: no-store\r\n", good).await;
    for _ in 0..3 {
        documents.read(&id).await.unwrap();
    }
    assert_eq!(hits.load(Ordering::SeqCst), 3);
    let (id, hits) = serving("cache-control: max-age=99999999\r\n", good).await;
    documents.read(&id).await.unwrap();
    clock.advance_ms(DAY_MS + 1);
    documents.read(&id).await.unwrap();
    assert_eq!(hits.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_a_document_must_be_is_named_and_a_failure_is_not_repeated_at_once() {
    type Case = (fn(&str) -> String, &'static str);
    let cases: [Case; 10] = [
        (|_| good("https://other.example/client.json"), "its own address"),
        (|id| good(&format!("{id}?")), "its own address"),
        (|_| "not json".into(), "JSON object"),
        (|_| "[]".into(), "JSON object"),
        (|id| format!(r#"{{"client_id":"{id}"}}"#), "JSON object"),
        (|id| format!(r#"{{"client_id":"{id}","redirect_uris":[]}}"#), "redirect_uris"),
        (|id| format!(r#"{{"client_id":"{id}","redirect_uris":["http://127.0.0.1/a"],"client_secret":"x"}}"#), "secret"),
        (
            |id| {
                format!(
                    r#"{{"client_id":"{id}","redirect_uris":["http://127.0.0.1/a"],"token_endpoint_auth_method":"client_secret_basic"}}"#
                )
            },
            "none",
        ),
        (|id| format!(r#"{{"client_id":"{id}","client_id":"{id}","redirect_uris":["http://127.0.0.1/a"]}}"#), "JSON object"),
        (|id| format!(r#"{{"client_id":"{id}","redirect_uris":["http://127.0.0.1/a"],"x":"{}"}}"#, "y".repeat(6000)), "5120 bytes"),
    ];
    for (body, told) in cases {
        let (documents, clock) = reader(&[]);
        let (id, hits) = serving("", body).await;
        for _ in 0..5 {
            let error = documents.read(&id).await.unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        assert_eq!(hits.load(Ordering::SeqCst), 1);
        clock.advance_ms(FAILURE_MS + 1);
        documents.read(&id).await.unwrap_err();
        assert_eq!(hits.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn ids_have_one_form_and_private_hosts_are_not_asked() {
    let settings = DocumentSettings { domains: Vec::new(), loopback: false };
    let documents = ClientDocuments::new(settings, Arc::new(FixedClock::at_ms(0))).unwrap();
    let long = format!("https://client.example/{}", "a".repeat(600));
    for id in [
        "http://client.example/c.json",
        "https://client.example",
        "https://client.example/",
        "https://client.example/c.json#x",
        "https://a@client.example/c.json",
        "https://a:b@client.example/c.json",
        "https://CLIENT.example/c.json",
        "https://client.example:443/c.json",
        "https://client.example/a/../c.json",
        "https://client.example/a/./c.json",
        "https://127.1/c.json",
        "https://2130706433/c.json",
        "https://127。0。0。1/c.json",
        " https://client.example/c.json",
        "https:client.example/c.json",
        "ftp://client.example/c.json",
        "javascript:alert(1)",
        &long,
    ] {
        let error = documents.read(id).await.unwrap_err();
        assert!(matches!(error, DocumentError::Id { .. }), "{id}: {error:?}");
    }
    for id in [
        "https://127.0.0.1/c.json",
        "https://localhost/c.json",
        "https://[::1]/c.json",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1:8443/c",
    ] {
        let error = documents.read(id).await.unwrap_err();
        assert!(matches!(error, DocumentError::Fetch(GuardError::NotPublic { .. })), "{id}: {error:?}");
    }
}

#[tokio::test]
async fn only_listed_domains_are_asked_when_there_is_a_list() {
    let (documents, _) = reader(&["clinic.example", ".Partner.example"]);
    let allows = |text: &str| documents.0.settings.allows(&text.parse().unwrap());
    for yes in ["https://clinic.example/c", "https://a.b.clinic.example/c", "https://partner.example/c", "https://x.partner.example:8443/c"]
    {
        assert!(allows(yes), "{yes}");
    }
    for no in [
        "https://notclinic.example/c",
        "https://clinic.example.evil.example/c",
        "https://example/c",
        "https://clinic.example@evil.example/c",
    ] {
        assert!(!allows(no), "{no}");
    }
    let (id, hits) = serving("", good).await;
    assert!(matches!(documents.read(&id).await, Err(DocumentError::Domain { .. })));
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn fetches_are_bounded_at_once_in_a_minute_and_in_memory() {
    let (documents, clock) = reader(&[]);
    let (id, hits) = serving("cache-control: no-store\r\n", good).await;
    let mut good_ones = 0;
    for _ in 0..100 {
        good_ones += usize::from(documents.read(&id).await.is_ok());
    }
    assert_eq!((good_ones, hits.load(Ordering::SeqCst)), (60, 60));
    assert_eq!(documents.read(&id).await, Err(DocumentError::Busy));
    clock.advance_ms(60_000);
    documents.read(&id).await.unwrap();
    let now = clock.now_ms();
    for n in 0..2000_i64 {
        documents.0.keep(&format!("https://client.example/{n}"), (Err(DocumentError::Busy), now + 1000 + n), now);
    }
    assert_eq!(documents.0.kept.lock().unwrap().documents.len(), MOST);
}
