//! RFC 7591: clients introduce themselves, few at a time, and get nothing by it but the right to ask.

use http::StatusCode;
use serde_json::json;

use crate::{
    harness::App,
    oauth_kit::{REDIRECT, error, text},
};

#[tokio::test]
async fn rfc7591_3_2_1_dify_registers_and_its_redirects_are_repeated() {
    let app = App::start(&[]).await;
    let redirect = "https://dify.clinic.cn/console/api/mcp/oauth/callback";
    let answer = app
        .post_json(
            "/oauth/register",
            &json!({
                "client_name": "Dify", "redirect_uris": [redirect], "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                "client_uri": "https://github.com/langgenius/dify",
            }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let client = answer.json();
    assert_eq!((text(&client, "client_name"), &client["redirect_uris"]), ("Dify", &json!([redirect])));
    assert_eq!(text(&client, "token_endpoint_auth_method"), "none");
    assert!(!text(&client, "client_id").is_empty() && client["client_id_issued_at"].as_i64() > Some(1_700_000_000));
    assert_eq!(client["grant_types"], json!(["authorization_code", "refresh_token"]));
}

#[tokio::test]
async fn rfc7591_a_client_that_registers_gets_no_secret_whatever_it_asks_for() {
    let app = App::start(&[]).await;
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let client =
            app.post_json("/oauth/register", &json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": method})).await.json();
        assert!(client.get("client_secret").is_none() && client["token_endpoint_auth_method"] == "none", "{client}");
    }
    assert_eq!(app.count("SELECT count(*) FROM oauth_clients WHERE secret_hash IS NOT NULL"), 0);
}

#[tokio::test]
async fn rfc7591_3_2_2_what_does_not_fit_is_refused_and_keeps_nothing() {
    let app = App::start(&[]).await;
    for (body, expected) in [
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["data:text/html,x"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://elsewhere.example/cb"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["https://a.example/cb#fragment"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"client_name": "x"}), "invalid_redirect_uri"),
        (json!({"redirect_uris": [REDIRECT], "logo_uri": "javascript:alert(1)"}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "client_uri": "data:text/html,x"}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "grant_types": ["client_credentials"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "grant_types": ["password"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "response_types": ["token"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt"}), "invalid_client_metadata"),
        (json!("text"), "invalid_client_metadata"),
    ] {
        assert_eq!(error(&app.post_json("/oauth/register", &body).await), (400, expected.into()), "{body}");
    }
    let form = app.post_form("/oauth/register", &[], &[("redirect_uris", REDIRECT)]).await;
    assert_eq!(error(&form).1, "invalid_client_metadata");
    let broken = app.send("POST", &format!("{}/oauth/register", app.mcp_root()), &[("content-type", "application/json")], "{").await;
    assert_eq!(error(&broken).1, "invalid_client_metadata");
    let twice = format!(r#"{{"redirect_uris":["{REDIRECT}"],"redirect_uris":["https://evil.example/cb"]}}"#);
    let twice = app.send("POST", &format!("{}/oauth/register", app.mcp_root()), &[("content-type", "application/json")], twice).await;
    assert_eq!(error(&twice), (400, "invalid_client_metadata".into()), "two readers could each take another one");
    let huge = json!({"redirect_uris": [REDIRECT], "client_name": "x".repeat(70_000)});
    assert_eq!(error(&app.post_json("/oauth/register", &huge).await).1, "invalid_request");
    assert_eq!(app.count("SELECT count(*) FROM oauth_clients"), 0);
}

#[tokio::test]
async fn one_address_registers_a_few_clients_an_hour() {
    let app = App::start(&[("oauth.registrations_per_hour", "3")]).await;
    for _ in 0..3 {
        app.client().await;
    }
    let answer = app.post_json("/oauth/register", &json!({"redirect_uris": [REDIRECT]})).await;
    assert_eq!(error(&answer), (429, "slow_down".into()));
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3601).contains(&wait), "{wait}");
}

#[tokio::test]
async fn there_is_a_most_and_unused_clients_make_room() {
    let app = App::start(&[("oauth.max_clients", "3")]).await;
    let used = app.client().await;
    app.tokens(&used, "system_tools").await;
    let fresh = app.client().await;
    app.client().await;
    let full = app.post_json("/oauth/register", &json!({"redirect_uris": [REDIRECT]})).await;
    assert!(full.status == StatusCode::SERVICE_UNAVAILABLE && full.headers.contains_key("retry-after"), "{full:?}");
    app.change(&format!("UPDATE oauth_clients SET created_at = created_at - 25 * 3600000 WHERE id <> '{fresh}'"));
    let next = app.client().await;
    let clients = app.ok_json(&["oauth", "clients", "list"]);
    let ids: Vec<_> = clients.as_array().unwrap().iter().map(|client| text(client, "client_id")).collect();
    assert_eq!(ids.len(), 3);
    assert!([&used, &fresh, &next].into_iter().all(|id| ids.contains(&id.as_str())), "only what was unused for a day is forgotten");
}

#[tokio::test]
async fn registration_can_be_switched_off_and_an_operator_adds_clients() {
    let app = App::start(&[("oauth.registration", "false")]).await;
    let answer = app.post_json("/oauth/register", &json!({"redirect_uris": [REDIRECT]})).await;
    assert_eq!(error(&answer).1, "access_denied");
    let known = app.ok_json(&["oauth", "client", "add", "Dify", "--redirect", REDIRECT]);
    assert!(known.get("client_secret").is_none());
    let tokens = app.tokens(text(&known, "client_id"), "system_tools").await;
    assert_eq!(app.listed(&app.group_url("system_tools"), text(&tokens, "access_token")).await, 200);
    for wrong in [
        vec!["oauth", "client", "add", "x"],
        vec!["oauth", "client", "add", "x", "--confidential"],
        vec!["oauth", "client", "add", "x", "--redirect", "javascript:alert(1)"],
        vec!["oauth", "client", "add", " ", "--redirect", REDIRECT],
        vec!["oauth", "client", "add", "x", "--introspect"],
    ] {
        assert_eq!(app.cli(&wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(app.cli(&["oauth", "client", "add", "x", "--confidential", "--group", "no_such"]).status.code(), Some(4));
    assert_eq!(app.cli(&["oauth", "clients", "revoke", "nobody"]).status.code(), Some(4));
}
