//! Clients known by a document: the client_id is its address (client ID metadata documents).

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    harness::App,
    oauth_kit::{CHALLENGE, REDIRECT, VERIFIER, error, sent_back, text},
};

const LOOPBACK: [(&str, &str); 1] = [("oauth.client_documents_loopback", "true")];

/// Makes a document for its address.
type Make = fn(&str) -> Value;

/// Serves a document that can be replaced, and is not to be kept; its address.
async fn documents(make: impl Fn(&str) -> Value) -> (String, Arc<Mutex<Value>>) {
    documents_kept("no-store", make).await
}

/// The same, to be kept as `cache_control` says.
async fn documents_kept(cache_control: &'static str, make: impl Fn(&str) -> Value) -> (String, Arc<Mutex<Value>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/client.json", listener.local_addr().unwrap());
    let document = Arc::new(Mutex::new(make(&url)));
    let served = Arc::clone(&document);
    let answer = move || async move {
        ([("content-type", "application/json"), ("cache-control", cache_control)], served.lock().unwrap().to_string())
    };
    let router = Router::new().route("/client.json", get(answer));
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, document)
}

fn good(url: &str) -> Value {
    json!({
        "client_id": url, "client_name": "Documented", "redirect_uris": [REDIRECT, "http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
    })
}

#[tokio::test]
async fn a_client_known_by_its_document_gets_in() {
    let app = App::start(&LOOPBACK).await;
    let (client, _) = documents(good).await;
    let url = app.group_url("system_tools");
    let request = App::request(&client, &url);
    let english = app.authorize(&request, &[("accept-language", "en")]).await.body;
    assert!(english.contains("Documented") && english.contains(&client) && english.contains("nobody has verified it"), "{english}");
    let code = app.code(&request, "system_tools").await;
    let tokens = app.token(&App::exchange(&client, &code)).await.json();
    assert_eq!(app.listed(&url, text(&tokens, "access_token")).await, 200);
    let next = app.refresh(&client, text(&tokens, "refresh_token")).await.json();
    assert_eq!(app.listed(&url, text(&next, "access_token")).await, 200);
    let clients = app.ok_json(&["oauth", "clients", "list"]);
    assert_eq!((text(&clients[0], "kind"), text(&clients[0], "client_id")), ("document", client.as_str()));
    app.ok(&["oauth", "clients", "revoke", &client]);
    assert_eq!(app.listed(&url, text(&next, "access_token")).await, 401);
    assert_eq!(app.authorize(&request, &[]).await.status, StatusCode::BAD_REQUEST, "its document does not let it in again");
}

#[tokio::test]
async fn only_redirects_of_the_document_are_answered() {
    let app = App::start(&LOOPBACK).await;
    let (client, _) = documents(good).await;
    let url = app.group_url("system_tools");
    for (redirect, allowed) in
        [("http://127.0.0.1:50123/callback", true), ("https://client.example/other", false), ("https://evil.example/callback", false)]
    {
        let fields = [
            ("response_type", "code"),
            ("client_id", client.as_str()),
            ("redirect_uri", redirect),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", url.as_str()),
        ];
        let answer = app.authorize(&fields, &[]).await;
        assert_eq!(answer.status == StatusCode::OK, allowed, "{redirect}");
        assert!(!answer.headers.contains_key("location"), "{redirect}");
    }
}

#[tokio::test]
async fn a_document_that_is_not_one_is_a_page() {
    let app = App::start(&LOOPBACK).await;
    let url = app.group_url("system_tools");
    let cases: [(&str, Make); 5] = [
        ("another client_id", |_| json!({"client_id": "https://elsewhere.example/c.json", "redirect_uris": [REDIRECT]})),
        ("no redirects", |url| json!({"client_id": url, "redirect_uris": []})),
        ("a script as redirect", |url| json!({"client_id": url, "redirect_uris": ["javascript:alert(1)"]})),
        ("a secret", |url| json!({"client_id": url, "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_post"})),
        ("no object", |_| json!([])),
    ];
    for (case, make) in cases {
        let (client, _) = documents(make).await;
        let answer = app.authorize(&App::request(&client, &url), &[]).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && !answer.headers.contains_key("location"), "{case}: {answer:?}");
    }
}

#[tokio::test]
async fn documents_can_be_switched_off_and_plain_http_is_for_development() {
    for settings in [vec![("oauth.client_documents", "false"), LOOPBACK[0]], vec![]] {
        let app = App::start(&settings).await;
        let (client, _) = documents(good).await;
        let url = app.group_url("system_tools");
        let answer = app.authorize(&App::request(&client, &url), &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{settings:?}");
        let fields = [("grant_type", "authorization_code"), ("client_id", client.as_str()), ("code", "x"), ("code_verifier", VERIFIER)];
        assert_eq!(error(&app.token(&fields).await).1, "invalid_client");
    }
}

#[tokio::test]
async fn who_is_known_by_a_document_is_shut_out_with_the_documents() {
    let mut app = App::idle(&[]);
    let (client, _) = documents(good).await;
    let allowed = "[oauth]\nclient_documents_loopback = true\n";
    std::fs::write(app.config_file(), allowed).unwrap();
    app.spawn().await;
    let mut refresh = text(&app.tokens(&client, "system_tools").await, "refresh_token").to_owned();
    for narrower in ["client_documents = false\n", "client_document_domains = [\"clinic.cn\"]\n"].map(|line| format!("{allowed}{line}")) {
        app.stop().await;
        std::fs::write(app.config_file(), &narrower).unwrap();
        app.spawn().await;
        assert_eq!(error(&app.refresh(&client, &refresh).await), (401, "invalid_client".into()), "{narrower}");
        app.stop().await;
        std::fs::write(app.config_file(), allowed).unwrap();
        app.spawn().await;
        let next = app.refresh(&client, &refresh).await;
        assert_eq!(next.status, StatusCode::OK, "what was refused used nothing up: {next:?}");
        text(&next.json(), "refresh_token").clone_into(&mut refresh);
    }
}

#[tokio::test]
async fn a_document_on_no_public_address_is_not_asked_for_and_the_page_says_so() {
    let app = App::start(&[]).await;
    let url = app.group_url("system_tools");
    for (client, said) in [
        ("https://127.0.0.1/client.json", "127.0.0.1 is not on the public internet"),
        ("https://[::1]/client.json", "[::1] is not on the public internet"),
        ("https://[::ffff:7f00:1]/client.json", "[::ffff:7f00:1] is not on the public internet"),
        ("https://[::ffff:127.0.0.1]/client.json", "it is not in its plain form"),
        ("https://169.254.169.254/latest/client.json", "169.254.169.254 is not on the public internet"),
        ("https://10.0.0.1:8443/client.json", "10.0.0.1:8443 is not on the public internet"),
    ] {
        let answer = app.authorize(&App::request(client, &url), &[("accept-language", "en")]).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && answer.body.contains(said), "{client}: {answer:?}");
        assert!(!answer.headers.contains_key("location"), "{client}");
    }
}

#[tokio::test]
async fn only_documents_that_have_to_be_fetched_count_against_an_address() {
    let app = App::start(&LOOPBACK).await;
    let url = app.group_url("system_tools");
    let (kept, _) = documents_kept("max-age=3600", good).await;
    for attempt in 0..70 {
        assert_eq!(app.authorize(&App::request(&kept, &url), &[]).await.status, StatusCode::OK, "{attempt}");
    }
    let (fetched, _) = documents(good).await;
    for attempt in 1..60 {
        assert_eq!(app.authorize(&App::request(&fetched, &url), &[]).await.status, StatusCode::OK, "{attempt}");
    }
    let busy = app.authorize(&App::request(&fetched, &url), &[]).await;
    assert!(busy.status == StatusCode::TOO_MANY_REQUESTS && busy.headers.contains_key("retry-after"), "{busy:?}");
    assert_eq!(app.authorize(&App::request(&kept, &url), &[]).await.status, StatusCode::OK, "what is kept costs nobody anything");
}

#[tokio::test]
async fn what_the_document_says_today_counts() {
    let app = App::start(&LOOPBACK).await;
    let (client, document) = documents(good).await;
    let url = app.group_url("system_tools");
    let page = app.page(&App::request(&client, &url)).await;
    document.lock().unwrap()["client_name"] = json!("Renamed");
    let deny = app.answer(&page, &[("action", "deny")]).await;
    assert_eq!(sent_back(&deny, REDIRECT)["error"], "access_denied");
    let again = app.authorize(&App::request(&client, &url), &[]).await;
    assert!(again.body.contains("Renamed"), "a document that is not to be kept is read again");
    let first = app.tokens(&client, "system_tools").await;
    document.lock().unwrap()["grant_types"] = json!(["authorization_code"]);
    let second = app.tokens(&client, "system_tools").await;
    assert!(first["refresh_token"].is_string() && second["refresh_token"].is_null(), "{second}");
    assert_eq!(error(&app.refresh(&client, text(&first, "refresh_token")).await).1, "invalid_grant", "it uses no refresh tokens any more");
}
