//! RFC 9728 and RFC 8414: where everything is, in every spelling that clients probe, and what strangers do not learn by it.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    harness::{App, Era},
    oauth_kit::{encode, text},
};

async fn get(app: &App, path: &str) -> crate::harness::Answer {
    app.send("GET", &format!("{}{path}", app.mcp_root()), &[], "").await
}

#[tokio::test]
async fn rfc9728_3_every_endpoint_has_a_document_and_it_names_what_was_asked_for() {
    let app = App::start(&[]).await;
    let root = app.mcp_root();
    for path in ["", "/mcp", "/sse", "/server/system_tools/mcp", "/server/system_tools/sse", "/server/no_such/mcp"] {
        let answer = get(&app, &format!("/.well-known/oauth-protected-resource{path}")).await;
        assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (StatusCode::OK, "application/json"), "{path}");
        let document = answer.json();
        assert_eq!(text(&document, "resource"), format!("{root}{path}"), "RFC 9728, section 3.3");
        assert_eq!(document["authorization_servers"], json!([root]));
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
        assert_eq!(document["scopes_supported"], json!(["tools:read", "tools:write"]));
    }
    for path in ["/mcp", "/server/system_tools/mcp"] {
        let behind = get(&app, &format!("{path}/.well-known/oauth-protected-resource")).await.json();
        assert_eq!(text(&behind, "resource"), format!("{root}{path}"));
    }
}

#[tokio::test]
async fn rfc9728_3_a_document_does_not_tell_which_groups_exist() {
    let app = App::start(&[]).await;
    app.ok(&["group", "disable", "medical_tools"]);
    let mut documents = Vec::new();
    for code in ["system_tools", "medical_tools", "no_such_group"] {
        let answer = get(&app, &format!("/.well-known/oauth-protected-resource/server/{code}/mcp")).await;
        documents.push((answer.status, answer.body.replace(code, "CODE")));
        let challenge = app.rpc(Era::Silent, &app.group_url(code), None, "tools/list", json!({})).await;
        documents.push((challenge.status, challenge.headers["www-authenticate"].to_str().unwrap().replace(code, "CODE")));
    }
    documents.sort();
    documents.dedup();
    assert_eq!(documents.len(), 2, "{documents:?}");
}

#[tokio::test]
async fn rfc9728_5_1_a_401_points_to_the_document_and_says_which_scope() {
    let app = App::start(&[]).await;
    let root = app.mcp_root();
    let (at_root, in_group) = ("tools:read tools:write", "group:system_tools tools:read tools:write");
    for (path, scope) in
        [("/mcp", at_root), ("/sse", at_root), ("/server/system_tools/mcp", in_group), ("/server/system_tools/sse", in_group)]
    {
        let url = format!("{root}{path}");
        let answer = app.rpc(Era::Silent, &url, None, "tools/list", json!({})).await;
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(challenge.contains(&format!("resource_metadata=\"{root}/.well-known/oauth-protected-resource{path}\"")), "{challenge}");
        assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
        assert!(!challenge.contains("error="), "RFC 6750, section 3.1: no code without credentials: {challenge}");
        let document = app.send("GET", challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap(), &[], "").await;
        assert_eq!(text(&document.json(), "resource"), url, "section 3.3: the address that was asked, in its own spelling");
        let answer = app.rpc(Era::Silent, &url, Some("mcp_at_nobody"), "tools/list", json!({})).await;
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains("resource_metadata="), "{challenge}");
    }
    for endpoint in ["/mcp", "/server/system_tools/mcp"] {
        let answer = app.rpc(Era::Silent, &format!("{root}{endpoint}/messages"), None, "tools/list", json!({})).await;
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        let document = format!("resource_metadata=\"{root}/.well-known/oauth-protected-resource{endpoint}\"");
        assert!(answer.status == StatusCode::UNAUTHORIZED && challenge.contains(&document), "{challenge}");
    }
}

#[tokio::test]
async fn rfc8414_3_the_server_is_found_in_every_spelling_and_is_the_same_one() {
    let app = App::start(&[]).await;
    let root = app.mcp_root();
    let mut found = Vec::new();
    for name in ["oauth-authorization-server", "openid-configuration"] {
        for path in ["", "/mcp", "/server/system_tools/mcp", "/server/no_such/mcp"] {
            found.push(format!("/.well-known/{name}{path}"));
            found.push(format!("{path}/.well-known/{name}"));
        }
    }
    for path in &found {
        let answer = get(&app, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let server = answer.json();
        assert_eq!(text(&server, "issuer"), root, "{path}");
        for (name, at) in [
            ("authorization_endpoint", "/oauth/authorize"),
            ("token_endpoint", "/oauth/token"),
            ("registration_endpoint", "/oauth/register"),
            ("revocation_endpoint", "/oauth/revoke"),
            ("introspection_endpoint", "/oauth/introspect"),
        ] {
            assert_eq!(text(&server, name), format!("{root}{at}"), "{path}");
        }
    }
}

#[tokio::test]
async fn rfc8414_2_and_rfc9207_3_what_the_server_says_of_itself() {
    let app = App::start(&[]).await;
    let server = get(&app, "/.well-known/oauth-authorization-server").await.json();
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["token_endpoint_auth_methods_supported"], json!(["none", "client_secret_basic", "client_secret_post"]));
    assert_eq!(server["response_types_supported"], json!(["code"]));
    assert_eq!(server["response_modes_supported"], json!(["query"]));
    assert_eq!(server["grant_types_supported"], json!(["authorization_code", "refresh_token", "client_credentials"]));
    assert_eq!(server["authorization_response_iss_parameter_supported"], json!(true));
    assert_eq!(server["client_id_metadata_document_supported"], json!(true));
    let openid = get(&app, "/.well-known/openid-configuration").await.json();
    for name in ["jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported"] {
        assert!(openid.get(name).is_some() && server.get(name).is_none(), "{name}");
    }
    let keys = app.send("GET", text(&openid, "jwks_uri"), &[], "").await.json();
    assert_eq!(keys, json!({"keys": []}));
    let app = App::start(&[("oauth.registration", "false"), ("oauth.client_documents", "false")]).await;
    let server = get(&app, "/.well-known/oauth-authorization-server").await.json();
    assert!(server.get("registration_endpoint").is_none());
    assert_eq!(server["client_id_metadata_document_supported"], json!(false));
}

#[tokio::test]
async fn unknown_well_known_paths_are_a_plain_404_at_once() {
    let app = App::start(&[]).await;
    for path in [
        "/.well-known/nothing",
        "/.well-known/oauth-protected-resource/no/such",
        "/.well-known/oauth-protected-resource/server/UPPER/mcp",
        "/.well-known/oauth-authorization-server/elsewhere",
        "/.well-known/openid-federation",
        "/mcp/.well-known/nothing",
        "/server/system_tools/mcp/.well-known/nothing",
        "/server/system_tools/.well-known/oauth-authorization-server",
        "/elsewhere/.well-known/openid-configuration",
    ] {
        let start = Instant::now();
        let answer = get(&app, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.headers["content-type"].to_str().unwrap().contains("json"), "{path} {answer:?}");
        assert!(!answer.headers.contains_key("www-authenticate"), "{path}");
        assert!(start.elapsed() < Duration::from_secs(1), "{path}");
    }
    let posted = app.send("POST", &format!("{}/.well-known/oauth-authorization-server", app.mcp_root()), &[], "").await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn switched_off_there_is_nothing_to_discover_and_nothing_to_ask() {
    let app = App::start(&[("oauth.enabled", "false")]).await;
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", "/oauth/authorize", "/oauth/style.css"]
    {
        let answer = get(&app, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.headers["content-type"].to_str().unwrap().contains("json"), "{path}");
    }
    for path in ["/oauth/token", "/oauth/register", "/oauth/consent", "/oauth/revoke", "/oauth/introspect"] {
        assert_eq!(app.post_form(path, &[], &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let answer = app.rpc(Era::Silent, &app.root_url(), None, "tools/list", json!({})).await;
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer") && !challenge.contains("resource_metadata") && !challenge.contains("scope"), "{challenge}");
}

#[tokio::test]
async fn rfc8414_2_the_issuer_is_the_address_the_client_used() {
    let app = App::start(&[("mcp.public_url", "https://mcp.clinic.cn/anmei")]).await;
    let asked = async |path: &str, host: &str| app.send("GET", &format!("{}{path}", app.mcp_root()), &[("host", host)], "").await;
    let public = "https://mcp.clinic.cn/anmei";
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/anmei",
        "/anmei/.well-known/oauth-authorization-server",
        "/anmei/.well-known/openid-configuration",
        "/.well-known/openid-configuration/anmei/server/system_tools/mcp",
    ] {
        let server = asked(path, "mcp.clinic.cn").await.json();
        assert_eq!(text(&server, "issuer"), public, "{path}");
        assert_eq!(text(&server, "token_endpoint"), format!("{public}/oauth/token"), "{path}");
    }
    for path in ["/.well-known/oauth-protected-resource/anmei/server/a/mcp", "/anmei/.well-known/oauth-protected-resource/server/a/mcp"] {
        let document = asked(path, "mcp.clinic.cn").await.json();
        assert_eq!(text(&document, "resource"), format!("{public}/server/a/mcp"), "{path}");
        assert_eq!(document["authorization_servers"], json!([public]));
    }
    let local: Value = get(&app, "/.well-known/oauth-authorization-server").await.json();
    assert_eq!(text(&local, "issuer"), app.mcp_root(), "a local client finds the address it used");
    for path in ["/.well-known/oauth-authorization-server", "/oauth/authorize"] {
        assert_eq!(asked(path, "evil.example").await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_and_others_may_not() {
    let app = App::start(&[]).await;
    let url = format!("{}/.well-known/oauth-authorization-server", app.mcp_root());
    let answer = app.send("GET", &url, &[("origin", "http://localhost:6274")], "").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "http://localhost:6274");
    assert!(answer.headers.get_all("vary").iter().any(|value| value == "origin"));
    let preflight = app.send("OPTIONS", &format!("{}/oauth/token", app.mcp_root()), &[("origin", "http://localhost:6274")], "").await;
    assert_eq!(
        (preflight.status, &preflight.headers["access-control-allow-origin"] == "http://localhost:6274"),
        (StatusCode::NO_CONTENT, true)
    );
    for (method, path) in [
        ("GET", "/.well-known/oauth-authorization-server"),
        ("POST", "/oauth/token"),
        ("POST", "/oauth/register"),
        ("OPTIONS", "/oauth/token"),
    ] {
        let answer = app.send(method, &format!("{}{path}", app.mcp_root()), &[("origin", "https://evil.example")], encode(&[])).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{method} {path}");
    }
    let without = app.send("GET", &url, &[], "").await;
    assert!(!without.headers.contains_key("access-control-allow-origin"));
}
