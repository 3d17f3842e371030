//! Authorization requests: RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 8707, RFC 9207, RFC 9700.

use http::StatusCode;

use crate::{
    harness::App,
    oauth_kit::{CHALLENGE, REDIRECT, sent_back, with},
};

#[tokio::test]
async fn rfc6749_4_1_2_1_a_wrong_client_or_redirect_is_a_page_and_never_a_redirect() {
    let app = App::start(&[]).await;
    let two = app.client_with(&[REDIRECT, "https://client.example/other"]).await;
    let url = app.group_url("system_tools");
    let request = App::request(&two, &url);
    let long = "x".repeat(5000);
    for (case, changes) in [
        ("no client", vec![("client_id", "")]),
        ("unknown client", vec![("client_id", "client_nobody")]),
        ("a document nobody may fetch", vec![("client_id", "https://127.0.0.1/client.json")]),
        ("no redirect among two", vec![("redirect_uri", "")]),
        ("another host", vec![("redirect_uri", "https://evil.example/callback")]),
        ("a longer path", vec![("redirect_uri", "https://client.example/callback/x")]),
        ("another case", vec![("redirect_uri", "https://client.example/Callback")]),
        ("a query more", vec![("redirect_uri", "https://client.example/callback?x=1")]),
        ("a fragment", vec![("redirect_uri", "https://client.example/callback#x")]),
        ("http", vec![("redirect_uri", "http://client.example/callback")]),
        ("a port", vec![("redirect_uri", "https://client.example:444/callback")]),
        ("a user", vec![("redirect_uri", "https://client.example@evil.example/callback")]),
        ("a script", vec![("redirect_uri", "javascript:alert(1)")]),
        ("a state without end", vec![("state", long.as_str())]),
    ] {
        let answer = app.authorize(&with(&request, &changes), &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{case}");
        assert!(!answer.headers.contains_key("location"), "{case}");
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{case}");
        assert!(!answer.body.contains("name=\"transaction\""), "{case}");
    }
    for name in ["client_id", "redirect_uri", "state"] {
        let twice: Vec<_> = request.iter().copied().chain(request.iter().copied().filter(|(found, _)| *found == name)).collect();
        let answer = app.authorize(&twice, &[]).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && !answer.headers.contains_key("location"), "{name} twice");
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_and_rfc9207_2_what_else_is_wrong_the_client_hears_with_state_and_iss() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    let request = App::request(&client, &url);
    for (error, changes) in [
        ("invalid_request", vec![("response_type", "")]),
        ("unsupported_response_type", vec![("response_type", "token")]),
        ("unsupported_response_type", vec![("response_type", "code id_token")]),
        ("invalid_request", vec![("code_challenge", "")]),
        ("invalid_request", vec![("code_challenge_method", "")]),
        ("invalid_request", vec![("code_challenge_method", "plain")]),
        ("invalid_request", vec![("code_challenge", "tooshort")]),
        ("invalid_request", vec![("code_challenge", &CHALLENGE[1..])]),
        ("invalid_request", vec![("response_mode", "fragment")]),
        ("request_not_supported", vec![("request", "eyJ.x.y")]),
        ("request_uri_not_supported", vec![("request_uri", "https://client.example/request")]),
        ("interaction_required", vec![("prompt", "none")]),
        ("invalid_target", vec![("resource", "https://elsewhere.example/mcp")]),
        ("invalid_target", vec![("resource", "not a url")]),
        ("invalid_scope", vec![("scope", "tools:read \"")]),
        ("invalid_scope", vec![("scope", "group:medical_tools tools:read")]),
        ("invalid_scope", vec![("scope", "group:system_tools group:medical_tools")]),
    ] {
        let answer = app.authorize(&with(&request, &changes), &[]).await;
        let back = sent_back(&answer, REDIRECT);
        assert_eq!(
            (back["error"].as_str(), back["state"].as_str(), back["iss"].as_str()),
            (error, "st&te=1", app.mcp_root()),
            "{changes:?}"
        );
        assert!(!back.contains_key("code") && !back["error_description"].is_empty());
    }
    for (name, error) in [
        ("resource", "invalid_target"),
        ("scope", "invalid_request"),
        ("code_challenge", "invalid_request"),
        ("nonsense", "invalid_request"),
    ] {
        let answer = app.authorize(&[&request[..], &[(name, "a"), (name, "b")]].concat(), &[]).await;
        assert_eq!(sent_back(&answer, REDIRECT)["error"], error, "{name} twice");
    }
}

#[tokio::test]
async fn rfc8252_7_3_a_loopback_redirect_may_come_with_any_port() {
    let app = App::start(&[]).await;
    let client = app.client_with(&["http://127.0.0.1/callback", "http://localhost:1234/callback", "http://[::1]/callback?a=b"]).await;
    let url = app.root_url();
    let request = App::request(&client, &url);
    for good in
        ["http://127.0.0.1:50123/callback", "http://127.0.0.1/callback", "http://localhost:9/callback", "http://[::1]:50123/callback?a=b"]
    {
        let page = app.page(&with(&request, &[("redirect_uri", good)])).await;
        let back = sent_back(&app.answer(&page, &[("action", "deny")]).await, good);
        assert_eq!(back["error"], "access_denied", "{good}");
    }
    for bad in [
        "http://127.0.0.2:1/callback",
        "http://127.0.0.1:50123/other",
        "https://127.0.0.1:50123/callback",
        "http://127.0.0.1.evil.example/callback",
    ] {
        let answer = app.authorize(&with(&request, &[("redirect_uri", bad)]), &[]).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && !answer.headers.contains_key("location"), "{bad}");
    }
}

#[tokio::test]
async fn rfc6749_3_1_2_3_the_only_registered_redirect_may_be_left_out() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.root_url();
    let page = app.page(&with(&App::request(&client, &url), &[("redirect_uri", "")])).await;
    assert_eq!(sent_back(&app.answer(&page, &[("action", "deny")]).await, REDIRECT)["error"], "access_denied");
}

#[tokio::test]
async fn rfc8707_2_without_a_resource_the_key_decides_the_group() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.root_url();
    let request = with(&App::request(&client, &url), &[("resource", "")]);
    let code = app.code(&request, "medical_tools").await;
    let tokens = app.token(&App::exchange(&client, &code)).await.json();
    assert_eq!(tokens["scope"], "group:medical_tools tools:read tools:write");
    let bearer = tokens["access_token"].as_str().unwrap();
    assert_eq!(app.listed(&app.root_url(), bearer).await, 200);
    assert_eq!(app.listed(&app.group_url("medical_tools"), bearer).await, 200);
    app.is_for_elsewhere("system_tools", bearer).await;
}

#[tokio::test]
async fn a_person_is_asked_every_time() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    app.tokens(&client, "system_tools").await;
    let url = app.group_url("system_tools");
    let page = app.page(&App::request(&client, &url)).await;
    let again = app.authorize(&App::request(&client, &url), &[("cookie", page.cookie.as_str())]).await;
    assert!(again.status == StatusCode::OK && again.body.contains("name=\"transaction\""));
    assert!(again.headers["set-cookie"].to_str().unwrap().starts_with(&page.cookie), "several tabs share one cookie");
}

#[tokio::test]
async fn a_client_that_was_shut_out_asks_nobody() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    let page = app.page(&App::request(&client, &url)).await;
    app.ok(&["oauth", "clients", "revoke", &client]);
    let answer = app.authorize(&App::request(&client, &url), &[]).await;
    assert!(answer.status == StatusCode::BAD_REQUEST && !answer.headers.contains_key("location"));
    let key = app.key("system_tools");
    let answer = app.answer(&page, &[("action", "allow"), ("key", &key)]).await;
    assert!(answer.status == StatusCode::BAD_REQUEST && !answer.headers.contains_key("location"), "{answer:?}");
}
