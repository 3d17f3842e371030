//! The token endpoint and what its tokens open: RFC 6749 §4.1.3, §4.4, §5, §6, RFC 7636 §4.6, RFC 8707, RFC 9700.

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    harness::{App, Era},
    oauth_kit::{CHALLENGE, REDIRECT, basic, error, text, with},
};

async fn code_for(app: &App, client: &str, group: &str) -> String {
    let url = app.group_url(group);
    app.code(&App::request(client, &url), group).await
}

#[tokio::test]
async fn rfc6749_5_1_a_code_becomes_a_pair_that_no_cache_keeps() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let code = code_for(&app, &client, "system_tools").await;
    let answer = app.token(&App::exchange(&client, &code)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!((&answer.headers["cache-control"], &answer.headers["pragma"]), (&"no-store".parse().unwrap(), &"no-cache".parse().unwrap()));
    let tokens = answer.json();
    assert_eq!((text(&tokens, "token_type"), tokens["expires_in"].as_i64()), ("Bearer", Some(1800)));
    assert_eq!(text(&tokens, "scope"), "group:system_tools tools:read tools:write");
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    assert!(access.starts_with("mcp_at_") && refresh.starts_with("mcp_rt_") && access.len() >= 7 + 30);
    assert_eq!(app.listed(&app.group_url("system_tools"), access).await, 200);
    assert_eq!(app.listed(&app.group_url("system_tools"), refresh).await, 401, "a refresh token opens nothing");
    let kept: i64 = app.count(&format!("SELECT count(*) FROM oauth_tokens WHERE cast(hash AS TEXT) LIKE '%{}%'", &access[7..20]));
    assert_eq!((kept, app.count("SELECT count(*) FROM oauth_tokens WHERE length(hash) = 32")), (0, 2));
}

#[tokio::test]
async fn rfc6749_4_1_3_a_code_is_bound_to_client_redirect_challenge_and_resource() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let other = app.client().await;
    let elsewhere = app.group_url("medical_tools");
    let code = code_for(&app, &client, "system_tools").await;
    let exchange = App::exchange(&client, &code);
    for (case, changes, expected) in [
        ("another client", vec![("client_id", other.as_str())], "invalid_grant"),
        ("another redirect", vec![("redirect_uri", "https://client.example/other")], "invalid_grant"),
        ("no redirect", vec![("redirect_uri", "")], "invalid_grant"),
        ("another verifier", vec![("code_verifier", "xBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")], "invalid_grant"),
        ("no verifier", vec![("code_verifier", "")], "invalid_grant"),
        ("the challenge as verifier", vec![("code_verifier", CHALLENGE)], "invalid_grant"),
        ("another resource", vec![("resource", elsewhere.as_str())], "invalid_target"),
        ("a foreign resource", vec![("resource", "https://elsewhere.example/mcp")], "invalid_target"),
        ("no code", vec![("code", "")], "invalid_request"),
        ("half a code", vec![("code", &code[..20])], "invalid_grant"),
        ("no client", vec![("client_id", "")], "invalid_client"),
        ("an unknown client", vec![("client_id", "client_nobody")], "invalid_client"),
    ] {
        let answer = app.token(&with(&exchange, &changes)).await;
        assert_eq!(error(&answer).1, expected, "{case}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{case}");
    }
    assert_eq!(app.token(&exchange).await.status, StatusCode::OK, "none of these used the code up");
}

#[tokio::test]
async fn rfc6749_4_1_3_a_redirect_that_the_request_left_out_need_not_be_named() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    for (said, status) in [("", 200), (REDIRECT, 200), ("https://client.example/other", 400)] {
        let code = app.code(&with(&App::request(&client, &url), &[("redirect_uri", "")]), "system_tools").await;
        let answer = app.token(&with(&App::exchange(&client, &code), &[("redirect_uri", said)])).await;
        assert_eq!(answer.status.as_u16(), status, "{said}: {answer:?}");
        if status == 200 {
            assert_eq!(app.listed(&url, text(&answer.json(), "access_token")).await, 200, "{said}");
        } else {
            assert_eq!(error(&answer).1, "invalid_grant", "what is named must be what was used");
        }
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_ends_after_a_minute() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let code = code_for(&app, &client, "system_tools").await;
    assert!(app.count("SELECT expires_at - created_at FROM oauth_codes") <= 60_000);
    app.change("UPDATE oauth_codes SET expires_at = created_at");
    assert_eq!(error(&app.token(&App::exchange(&client, &code)).await), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn rfc9700_2_1_1_a_code_that_comes_again_revokes_what_it_gave() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let code = code_for(&app, &client, "system_tools").await;
    let tokens = app.token(&App::exchange(&client, &code)).await.json();
    let url = app.group_url("system_tools");
    assert_eq!(app.listed(&url, text(&tokens, "access_token")).await, 200);
    assert_eq!(error(&app.token(&App::exchange(&client, &code)).await), (400, "invalid_grant".into()));
    assert_eq!(app.listed(&url, text(&tokens, "access_token")).await, 401);
    assert_eq!(error(&app.refresh(&client, text(&tokens, "refresh_token")).await).1, "invalid_grant");
}

#[tokio::test]
async fn rfc9700_2_1_1_of_fifty_parallel_exchanges_one_wins_and_all_ends() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let code = code_for(&app, &client, "system_tools").await;
    let exchange = App::exchange(&client, &code);
    let answers = join_all((0..50).map(|_| app.token(&exchange))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK || error(answer).1 == "invalid_grant"));
    assert_eq!(app.listed(&app.group_url("system_tools"), text(&won[0].json(), "access_token")).await, 401, "the family is revoked");
    assert_eq!(app.count("SELECT count(*) FROM oauth_tokens"), 2);
    assert_eq!(app.count("SELECT count(*) FROM oauth_grants WHERE revoked_why = 'code used twice'"), 1);
}

#[tokio::test]
async fn rfc9700_4_14_refresh_tokens_rotate_and_reuse_revokes_the_family() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    let first = app.tokens(&client, "system_tools").await;
    let second = app.refresh(&client, text(&first, "refresh_token")).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(app.listed(&url, text(&second, "access_token")).await, 200);
    let third = app.refresh(&client, text(&second, "refresh_token")).await.json();
    assert_eq!(app.listed(&url, text(&third, "access_token")).await, 200);
    assert_eq!(error(&app.refresh(&client, text(&first, "refresh_token")).await), (400, "invalid_grant".into()));
    for tokens in [&first, &second, &third] {
        assert_eq!(app.listed(&url, text(tokens, "access_token")).await, 401);
        assert_eq!(error(&app.refresh(&client, text(tokens, "refresh_token")).await).1, "invalid_grant");
    }
    assert_eq!(app.count("SELECT count(*) FROM oauth_grants WHERE revoked_why = 'refresh token used twice'"), 1);
}

#[tokio::test]
async fn a_lost_answer_to_a_refresh_costs_nobody_the_grant() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    let first = app.tokens(&client, "system_tools").await;
    let lost = app.refresh(&client, text(&first, "refresh_token")).await.json();
    let again = app.refresh(&client, text(&first, "refresh_token")).await.json();
    assert_eq!(app.listed(&url, text(&lost, "access_token")).await, 401, "what was lost is revoked");
    assert_eq!(app.listed(&url, text(&again, "access_token")).await, 200);
    // From here on the first token has a successor that was used.
    assert_eq!(error(&app.refresh(&client, text(&first, "refresh_token")).await).1, "invalid_grant");
    assert_eq!(app.listed(&url, text(&again, "access_token")).await, 401);
}

#[tokio::test]
async fn what_a_resource_server_asked_about_was_used_and_no_lost_answer() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let asker = app.ok_json(&["oauth", "client", "add", "rs", "--confidential", "--introspect", "--group", "system_tools"]);
    let first = app.tokens(&client, "system_tools").await;
    let second = app.refresh(&client, text(&first, "refresh_token")).await.json();
    let authorization = basic(text(&asker, "client_id"), text(&asker, "client_secret"));
    let asked = [("token", text(&second, "access_token"))];
    let told = app.post_form("/oauth/introspect", &[("authorization", &authorization)], &asked).await;
    assert_eq!(told.json()["active"], json!(true));
    assert_eq!(error(&app.refresh(&client, text(&first, "refresh_token")).await), (400, "invalid_grant".into()));
    assert_eq!(error(&app.refresh(&client, text(&second, "refresh_token")).await).1, "invalid_grant", "the family is revoked");
    assert_eq!(app.count("SELECT count(*) FROM oauth_grants WHERE revoked_why = 'refresh token used twice'"), 1);
}

#[tokio::test]
async fn a_pair_that_was_reissued_is_not_to_come_back() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let first = app.tokens(&client, "system_tools").await;
    let lost = app.refresh(&client, text(&first, "refresh_token")).await.json();
    let again = app.refresh(&client, text(&first, "refresh_token")).await.json();
    assert_eq!(error(&app.refresh(&client, text(&lost, "refresh_token")).await).1, "invalid_grant");
    assert_eq!(app.listed(&app.group_url("system_tools"), text(&again, "access_token")).await, 401, "somebody else holds the lost answer");
}

#[tokio::test]
async fn of_two_parallel_refreshes_one_pair_lives() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    let first = app.tokens(&client, "system_tools").await;
    let answers = join_all((0..2).map(|_| app.refresh(&client, text(&first, "refresh_token")))).await;
    let mut living = 0;
    for answer in answers.iter().filter(|answer| answer.status == StatusCode::OK) {
        living += i32::from(app.listed(&url, text(&answer.json(), "access_token")).await == 200);
    }
    assert_eq!(living, 1, "{answers:?}");
}

#[tokio::test]
async fn rfc6749_6_a_refresh_is_for_the_same_client_and_never_for_more() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let other = app.client().await;
    let first = app.tokens(&client, "consultation_tools").await;
    let refresh = text(&first, "refresh_token");
    let request = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh)];
    let elsewhere = app.group_url("system_tools");
    let root = app.root_url();
    for (case, changes, expected) in [
        ("another client", vec![("client_id", other.as_str())], "invalid_grant"),
        ("no token", vec![("refresh_token", "")], "invalid_request"),
        ("an access token", vec![("refresh_token", text(&first, "access_token"))], "invalid_grant"),
        ("another group", vec![("scope", "group:system_tools")], "invalid_scope"),
        ("another resource", vec![("resource", elsewhere.as_str())], "invalid_target"),
        ("the root resource", vec![("resource", root.as_str())], "invalid_target"),
        ("no scope", vec![("scope", "\"")], "invalid_scope"),
    ] {
        assert_eq!(error(&app.token(&with(&request, &changes)).await).1, expected, "{case}");
    }
    let less = app.token(&with(&request, &[("scope", "tools:read")])).await.json();
    assert_eq!(text(&less, "scope"), "group:consultation_tools tools:read");
    let more = app.refresh(&client, text(&less, "refresh_token")).await.json();
    assert_eq!(text(&more, "scope"), "group:consultation_tools tools:read tools:write", "what was consented to");
    let code = {
        let url = app.group_url("consultation_tools");
        let page = app.page(&App::request(&client, &url)).await;
        let key = app.key("consultation_tools");
        crate::oauth_kit::sent_back(&app.answer(&page, &[("action", "allow"), ("key", &key)]).await, REDIRECT)["code"].clone()
    };
    let reading = app.token(&App::exchange(&client, &code)).await.json();
    let widened = [
        ("grant_type", "refresh_token"),
        ("client_id", &client),
        ("refresh_token", text(&reading, "refresh_token")),
        ("scope", "tools:write"),
    ];
    assert_eq!(error(&app.token(&widened).await).1, "invalid_scope");
}

#[tokio::test]
async fn tokens_end_in_time_and_nothing_outlives_the_grant() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    let tokens = app.tokens(&client, "system_tools").await;
    let day = 24 * 3_600_000;
    assert_eq!(app.count("SELECT expires_at - created_at FROM oauth_tokens WHERE kind = 'access'"), 30 * 60_000);
    assert_eq!(app.count("SELECT expires_at - created_at FROM oauth_tokens WHERE kind = 'refresh'"), 30 * day);
    assert_eq!(app.count("SELECT expires_at - created_at FROM oauth_grants"), 90 * day);
    app.change("UPDATE oauth_tokens SET expires_at = created_at WHERE kind = 'access'");
    let answer = app.rpc(Era::Silent, &url, Some(text(&tokens, "access_token")), "tools/list", json!({})).await;
    assert!(answer.status == 401 && answer.body.contains("expired"), "{answer:?}");
    let next = app.refresh(&client, text(&tokens, "refresh_token")).await.json();
    assert_eq!(app.listed(&url, text(&next, "access_token")).await, 200);
    app.change("UPDATE oauth_grants SET expires_at = created_at");
    assert_eq!(app.listed(&url, text(&next, "access_token")).await, 401, "the grant's own end");
    assert_eq!(error(&app.refresh(&client, text(&next, "refresh_token")).await).1, "invalid_grant");
    app.change(&format!("UPDATE oauth_grants SET expires_at = created_at + 90 * {day}; UPDATE oauth_tokens SET expires_at = created_at"));
    assert_eq!(error(&app.refresh(&client, text(&next, "refresh_token")).await).1, "invalid_grant", "thirty idle days");
}

#[tokio::test]
async fn rfc8707_2_a_token_is_for_its_resource_on_every_call() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let tokens = app.tokens(&client, "system_tools").await;
    let bearer = text(&tokens, "access_token");
    assert_eq!(app.listed(&app.group_url("system_tools"), bearer).await, 200);
    for url in [app.root_url(), app.group_url("medical_tools"), app.group_url("no_such_group")] {
        for era in [Era::Modern, Era::Silent] {
            for method in ["tools/list", "tools/call", "ping", "initialize"] {
                let answer = app.rpc(era, &url, Some(bearer), method, json!({"name": "search_users", "arguments": {"query": "x"}})).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{url} {era:?} {method}");
                assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
            }
        }
    }
    let root = app.root_url();
    let code = app.code(&App::request(&client, &root), "system_tools").await;
    let group = app.group_url("system_tools");
    let narrowed = app.token(&with(&App::exchange(&client, &code), &[("resource", &group)])).await.json();
    assert_eq!(app.listed(&group, text(&narrowed, "access_token")).await, 200, "section 2.2: narrower than what was consented to");
    assert_eq!(app.listed(&root, text(&narrowed, "access_token")).await, 401);
}

#[tokio::test]
async fn rfc6749_2_3_a_client_is_what_it_proves_to_be() {
    let app = App::start(&[]).await;
    let public = app.client().await;
    let known = app.ok_json(&["oauth", "client", "add", "backend", "--confidential", "--group", "system_tools"]);
    let (id, secret) = (text(&known, "client_id"), text(&known, "client_secret"));
    assert!(secret.starts_with("mcp_cs_"));
    let grant = ("grant_type", "client_credentials");
    let wrong_basic = basic(id, "mcp_cs_wrong");
    let right_basic = basic(id, secret);
    for (case, headers, fields, expected) in [
        ("no secret", vec![], vec![grant, ("client_id", id)], "invalid_client"),
        ("a wrong secret", vec![], vec![grant, ("client_id", id), ("client_secret", "x")], "invalid_client"),
        ("a wrong basic", vec![("authorization", wrong_basic.as_str())], vec![grant], "invalid_client"),
        ("a bearer", vec![("authorization", "Bearer x")], vec![grant, ("client_id", id)], "invalid_client"),
        ("half a basic", vec![("authorization", "Basic !!!")], vec![grant], "invalid_client"),
        ("both ways", vec![("authorization", right_basic.as_str())], vec![grant, ("client_secret", secret)], "invalid_request"),
        ("two names", vec![("authorization", right_basic.as_str())], vec![grant, ("client_id", public.as_str())], "invalid_request"),
        ("a secret of a public client", vec![], vec![grant, ("client_id", public.as_str()), ("client_secret", secret)], "invalid_client"),
        ("a public client", vec![], vec![grant, ("client_id", public.as_str())], "unauthorized_client"),
    ] {
        let answer = app.post_form("/oauth/token", &headers, &fields).await;
        let (status, found) = error(&answer);
        assert_eq!(found, expected, "{case}");
        if expected == "invalid_client" {
            assert!(status == 401 && answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic"), "{case}");
        }
    }
    let blank = app
        .post_form("/oauth/token", &[("authorization", &basic(&public, ""))], &[("grant_type", "refresh_token"), ("refresh_token", "x")])
        .await;
    assert_eq!(error(&blank).1, "invalid_client", "a blank secret is no secret");
    for headers in [vec![("authorization", right_basic.as_str())], vec![]] {
        let fields = if headers.is_empty() { vec![grant, ("client_id", id), ("client_secret", secret)] } else { vec![grant] };
        assert_eq!(app.post_form("/oauth/token", &headers, &fields).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn rfc6749_4_4_a_confidential_client_enters_its_own_groups() {
    let app = App::with_records(&[]).await;
    let known =
        app.ok_json(&["oauth", "client", "add", "backend", "--confidential", "--group", "system_tools", "--group", "consultation_tools"]);
    let credentials =
        [("grant_type", "client_credentials"), ("client_id", text(&known, "client_id")), ("client_secret", text(&known, "client_secret"))];
    let (own, foreign) = (app.group_url("system_tools"), app.group_url("medical_tools"));
    for (case, changes, expected) in [
        ("which of two", vec![], "invalid_target"),
        ("a foreign group", vec![("resource", foreign.as_str())], "invalid_target"),
        ("a foreign scope", vec![("scope", "group:medical_tools")], "invalid_target"),
        ("a foreign resource", vec![("resource", "https://elsewhere.example")], "invalid_target"),
        ("storing", vec![("resource", own.as_str()), ("scope", "tools:write")], "invalid_scope"),
    ] {
        assert_eq!(error(&app.token(&with(&credentials, &changes)).await).1, expected, "{case}");
    }
    let tokens = app.token(&with(&credentials, &[("resource", &own)])).await.json();
    assert!(tokens.get("refresh_token").is_none(), "RFC 6749, section 4.4.3");
    assert_eq!(text(&tokens, "scope"), "group:system_tools tools:read");
    assert_eq!(app.listed(&own, text(&tokens, "access_token")).await, 200);
    let by_scope = app.token(&with(&credentials, &[("scope", "group:consultation_tools")])).await.json();
    assert_eq!(app.listed(&app.root_url(), text(&by_scope, "access_token")).await, 200);
    app.is_for_elsewhere("system_tools", text(&by_scope, "access_token")).await;
    app.ok(&["oauth", "clients", "revoke", text(&known, "client_id")]);
    assert_eq!(app.listed(&own, text(&tokens, "access_token")).await, 401);
    assert_eq!(error(&app.token(&with(&credentials, &[("resource", &own)])).await).1, "invalid_client");
}

#[tokio::test]
async fn rfc6749_3_2_the_endpoint_takes_forms_by_post_and_each_parameter_once() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = format!("{}/oauth/token", app.mcp_root());
    assert_eq!(app.send("GET", &url, &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let json = app.post_json("/oauth/token", &json!({"grant_type": "refresh_token"})).await;
    assert_eq!(error(&json), (400, "invalid_request".into()));
    for (fields, expected) in [
        (vec![("client_id", client.as_str())], "invalid_request"),
        (vec![("grant_type", "password"), ("client_id", client.as_str()), ("username", "a"), ("password", "b")], "unsupported_grant_type"),
        (vec![("grant_type", "implicit"), ("client_id", client.as_str())], "unsupported_grant_type"),
        (vec![("grant_type", "refresh_token"), ("grant_type", "refresh_token"), ("client_id", client.as_str())], "invalid_request"),
        (vec![("grant_type", "refresh_token"), ("resource", "a"), ("resource", "b"), ("client_id", client.as_str())], "invalid_target"),
    ] {
        assert_eq!(error(&app.token(&fields).await).1, expected, "{fields:?}");
    }
    for name in ["code", "client_secret", "refresh_token", "code_verifier"] {
        let answer =
            app.post_form(&format!("/oauth/token?{name}=x"), &[], &[("grant_type", "authorization_code"), ("client_id", &client)]).await;
        assert_eq!(error(&answer).1, "invalid_request", "{name} in the address");
    }
    let long = "x".repeat(70_000);
    assert_eq!(error(&app.token(&[("grant_type", &long)]).await).1, "invalid_request");
}

#[tokio::test]
async fn rfc6750_2_3_a_token_in_the_address_is_no_token() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let tokens = app.tokens(&client, "system_tools").await;
    let url = format!("{}?access_token={}", app.group_url("system_tools"), text(&tokens, "access_token"));
    assert_eq!(app.rpc(Era::Silent, &url, None, "tools/list", json!({})).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn rfc7009_2_revoking_either_token_ends_the_whole_grant() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let other = app.client().await;
    let url = app.group_url("system_tools");
    for kind in ["access_token", "refresh_token"] {
        let tokens = app.tokens(&client, "system_tools").await;
        let request = [("client_id", client.as_str()), ("token", text(&tokens, kind))];
        let revoke = async |changes: &[(&str, &str)]| app.post_form("/oauth/revoke", &[], &with(&request, changes)).await;
        assert_eq!(error(&revoke(&[("token", "")]).await).1, "invalid_request");
        assert_eq!(error(&revoke(&[("client_id", "")]).await).1, "invalid_client");
        assert_eq!(error(&revoke(&[("client_id", &other)]).await).1, "invalid_grant", "section 2.1: another client's token");
        assert_eq!(revoke(&[("token", "mcp_at_nobody")]).await.status, StatusCode::OK, "section 2.2: unknown is revoked");
        assert_eq!(app.listed(&url, text(&tokens, "access_token")).await, 200);
        assert_eq!(revoke(&[("token_type_hint", "nonsense")]).await.status, StatusCode::OK);
        assert_eq!(app.listed(&url, text(&tokens, "access_token")).await, 401);
        assert_eq!(error(&app.refresh(&client, text(&tokens, "refresh_token")).await).1, "invalid_grant");
        assert_eq!(revoke(&[]).await.status, StatusCode::OK, "twice is as good as once");
    }
}

#[tokio::test]
async fn rfc7662_2_only_our_resource_servers_hear_of_tokens_and_only_of_their_own() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let add = |args: &[&str]| app.ok_json(&[&["oauth", "client", "add", "rs", "--confidential", "--group"], args].concat());
    let asker = add(&["system_tools", "--introspect"]);
    let stranger = add(&["medical_tools", "--introspect"]);
    let not_allowed = add(&["system_tools"]);
    let tokens = app.tokens(&client, "system_tools").await;
    let ask = async |who: &Value, token: &str| {
        let authorization = basic(text(who, "client_id"), text(who, "client_secret"));
        app.post_form("/oauth/introspect", &[("authorization", &authorization)], &[("token", token)]).await
    };
    let access = text(&tokens, "access_token");
    let told = ask(&asker, access).await.json();
    assert_eq!(
        (told["active"].as_bool(), text(&told, "client_id"), text(&told, "aud")),
        (Some(true), client.as_str(), app.group_url("system_tools").as_str())
    );
    assert_eq!(
        (text(&told, "scope"), text(&told, "iss"), text(&told, "token_type")),
        ("group:system_tools tools:read tools:write", app.mcp_root(), "Bearer")
    );
    assert!(told["exp"].as_i64() > told["iat"].as_i64());
    let nothing = json!({"active": false});
    for token in [text(&tokens, "refresh_token"), "mcp_at_nobody", "x"] {
        assert_eq!(ask(&asker, token).await.json(), nothing);
    }
    assert_eq!(ask(&stranger, access).await.json(), nothing);
    assert_eq!(error(&ask(&not_allowed, access).await), (401, "invalid_client".into()));
    assert_eq!(
        error(&app.post_form("/oauth/introspect", &[], &[("client_id", &client), ("token", access)]).await),
        (401, "invalid_client".into())
    );
    app.post_form("/oauth/revoke", &[], &[("client_id", &client), ("token", access)]).await;
    assert_eq!(ask(&asker, access).await.json(), nothing);
}

#[tokio::test]
async fn tokens_survive_a_restart_and_a_kill() {
    let mut app = App::start(&[]).await;
    let client = app.client().await;
    let tokens = app.tokens(&client, "system_tools").await;
    app.stop().await;
    app.spawn().await;
    // The test's daemon gets another port each time: the group of the URL is what the token is bound to.
    assert_eq!(app.listed(&app.group_url("system_tools"), text(&tokens, "access_token")).await, 200);
    app.kill();
    app.spawn().await;
    assert_eq!(app.listed(&app.group_url("system_tools"), text(&tokens, "access_token")).await, 200);
    assert_eq!(app.refresh(&client, text(&tokens, "refresh_token")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_another_process_revokes_is_out_for_the_next_request() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let url = app.group_url("system_tools");
    let first = app.tokens(&client, "system_tools").await;
    let second = app.tokens(&client, "system_tools").await;
    let third = app.tokens(&client, "medical_tools").await;
    let listed = async |tokens: &Value| app.listed(&url, text(tokens, "access_token")).await;
    assert_eq!((listed(&first).await, listed(&second).await), (200, 200));
    let grants = app.ok_json(&["oauth", "grants", "list"]);
    assert_eq!(grants.as_array().unwrap().len(), 3);
    let oldest = grants.as_array().unwrap().last().unwrap();
    assert_eq!((text(oldest, "server_code"), text(oldest, "client_id")), ("system_tools", client.as_str()));
    app.ok(&["oauth", "grants", "revoke", text(oldest, "id")]);
    assert_eq!((listed(&first).await, listed(&second).await), (401, 200));
    app.ok(&["key", "revoke", "system_tools"]);
    assert_eq!(listed(&second).await, 401, "what a revoked key proved ends with it");
    let medical = app.group_url("medical_tools");
    assert_eq!(app.listed(&medical, text(&third, "access_token")).await, 200);
    app.ok(&["group", "disable", "medical_tools"]);
    assert_eq!(app.listed(&medical, text(&third, "access_token")).await, 403);
    app.ok(&["group", "enable", "medical_tools"]);
    assert_eq!(app.listed(&medical, text(&third, "access_token")).await, 200);
    app.ok(&["oauth", "clients", "revoke", &client]);
    assert_eq!(app.listed(&medical, text(&third, "access_token")).await, 401);
    assert_eq!(app.cli(&["oauth", "grants", "revoke", "nobody"]).status.code(), Some(4));
}

#[tokio::test]
async fn no_token_code_secret_or_key_is_logged_or_kept() {
    let app = App::start(&[("log.filter", "debug")]).await;
    let client = app.client().await;
    let known = app.ok_json(&["oauth", "client", "add", "backend", "--confidential", "--group", "system_tools"]);
    let code = code_for(&app, &client, "system_tools").await;
    let tokens = app.token(&App::exchange(&client, &code)).await.json();
    app.token(&App::exchange(&client, &code)).await;
    let secrets = [code.as_str(), text(&tokens, "access_token"), text(&tokens, "refresh_token"), text(&known, "client_secret")];
    let mut kept = std::fs::read(app.data().join("anmei-mcp.sqlite3")).unwrap();
    kept.extend(std::fs::read(app.data().join("anmei-mcp.sqlite3-wal")).unwrap_or_default());
    let log = app.log();
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} in the log");
        assert!(!kept.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in the database");
    }
    assert!(!log.contains(&app.key("system_tools")));
}

#[tokio::test]
async fn rfc6749_4_1_3_a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let app = App::start(&[]).await;
    let body = json!({"redirect_uris": [REDIRECT], "grant_types": ["authorization_code"]});
    let client = text(&app.post_json("/oauth/register", &body).await.json(), "client_id").to_owned();
    let tokens = app.tokens(&client, "system_tools").await;
    assert!(tokens.get("refresh_token").is_none());
}
