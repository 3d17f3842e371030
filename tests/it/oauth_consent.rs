//! The consent page: what a person sees, who may answer, and what proves the right to a group.

use http::StatusCode;

use crate::{
    admin_entry::{between, code},
    admin_kit::Browser,
    harness::{App, Era},
    oauth_kit::{Page, REDIRECT, encode, error, sent_back, text, with},
};

async fn page(app: &App, client: &str, group: &str) -> Page {
    let url = app.group_url(group);
    app.page(&App::request(client, &url)).await
}

#[tokio::test]
async fn the_page_lets_nothing_in_and_nobody_frame_it() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let page = page(&app, &client, "system_tools").await;
    let policy = page.answer.headers["content-security-policy"].to_str().unwrap();
    for part in ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' https:"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.answer.headers[name], value);
    }
    let body = page.answer.body.to_ascii_lowercase();
    for forbidden in ["<script", "style=", "<style", " onclick", " onload", "javascript:", "http-equiv"] {
        assert!(!body.contains(forbidden), "{forbidden}");
    }
    let style = app.send("GET", &format!("{}/oauth/style.css", app.mcp_root()), &[], "").await;
    assert!(style.status == StatusCode::OK && style.headers["content-type"] == "text/css; charset=utf-8");
    assert!(style.body.contains("prefers-color-scheme: dark") && !style.body.contains("url(") && !style.body.contains("@import"));
    let cookie = page.answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    let app = App::start(&[("mcp.public_url", "https://mcp.clinic.cn")]).await;
    let client = app.client().await;
    let url = "https://mcp.clinic.cn/server/system_tools/mcp";
    let answer = app.authorize(&App::request(&client, url), &[("host", "mcp.clinic.cn")]).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-") && cookie.contains("; Secure") && cookie.contains("Path=/") && !cookie.contains("Domain"),
        "{cookie}"
    );
}

#[tokio::test]
async fn the_page_says_who_asks_for_what_and_where_the_answer_goes() {
    let app = App::start(&[]).await;
    let evil = "<b>Claude</b>\u{202e}\"'";
    let body = serde_json::json!({"client_name": evil, "redirect_uris": [REDIRECT, "http://localhost/cb"]});
    let client = text(&app.post_json("/oauth/register", &body).await.json(), "client_id").to_owned();
    let url = app.group_url("system_tools");
    let request = App::request(&client, &url);
    let english = [("accept-language", "en-US,en;q=0.9")];
    let shown = app.authorize(&request, &english).await.body;
    assert!(!shown.contains("<b>") && !shown.contains('\u{202e}') && shown.contains("Claude"), "{shown}");
    assert!(shown.contains("<code>system_tools</code>") && shown.contains("<code>client.example</code>"), "{shown}");
    assert!(shown.contains("nobody has verified it") && !shown.contains("on your own computer"), "{shown}");
    let local = app.authorize(&with(&request, &[("redirect_uri", "http://localhost:4567/cb")]), &english).await.body;
    assert!(local.contains("on your own computer") && local.contains("http://localhost:4567"), "{local}");
    let known = app.ok_json(&["oauth", "client", "add", "Intranet", "--redirect", REDIRECT]);
    let trusted = app.authorize(&App::request(text(&known, "client_id"), &url), &english).await.body;
    assert!(trusted.contains("Intranet") && !trusted.contains("nobody has verified it"));
}

#[tokio::test]
async fn chinese_comes_first_and_can_be_switched() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let page = page(&app, &client, "system_tools").await;
    assert!(page.answer.body.contains("<html lang=\"zh-CN\">") && page.answer.body.contains("同意"));
    let switched = app.answer(&page, &[("lang", "en")]).await;
    assert!(
        switched.status == StatusCode::OK && switched.body.contains("<html lang=\"en\">") && switched.body.contains("Allow"),
        "{switched:?}"
    );
    let url = app.group_url("system_tools");
    let english = app.authorize(&App::request(&client, &url), &[("accept-language", "en")]).await;
    assert!(english.body.contains("<html lang=\"en\">"));
    let asked = app.authorize(&with(&App::request(&client, &url), &[("ui_locales", "en")]), &[]).await;
    assert!(asked.body.contains("<html lang=\"en\">"));
    let wrong = app.authorize(&[("client_id", "nobody")], &[]).await;
    assert!(wrong.body.contains("未知的客户端"), "{wrong:?}");
}

#[tokio::test]
async fn a_form_counts_only_from_our_page_and_the_browser_that_was_shown_it() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let shown = page(&app, &client, "system_tools").await;
    let other = page(&app, &client, "system_tools").await;
    let key = app.key("system_tools");
    let fields = [("transaction", shown.transaction.as_str()), ("action", "allow"), ("key", key.as_str())];
    let root = app.mcp_root().to_owned();
    let cookie = shown.cookie.as_str();
    for (case, headers) in [
        ("no origin", vec![("cookie", cookie)]),
        ("a hidden origin", vec![("origin", "null"), ("cookie", cookie)]),
        ("another origin", vec![("origin", "https://evil.example"), ("cookie", cookie)]),
        ("another port", vec![("origin", "http://127.0.0.1:1"), ("cookie", cookie)]),
        ("another scheme", vec![("origin", "https://127.0.0.1"), ("cookie", cookie)]),
        ("cross-site", vec![("origin", root.as_str()), ("sec-fetch-site", "cross-site"), ("cookie", cookie)]),
        ("same-site", vec![("origin", root.as_str()), ("sec-fetch-site", "same-site"), ("cookie", cookie)]),
        ("typed in", vec![("origin", root.as_str()), ("sec-fetch-site", "none"), ("cookie", cookie)]),
        ("no cookie", vec![("origin", root.as_str())]),
        ("another browser", vec![("origin", root.as_str()), ("cookie", other.cookie.as_str())]),
    ] {
        let answer = app.post_form("/oauth/consent", &headers, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{case}");
        assert!(!answer.headers.contains_key("location"), "{case}");
    }
    let headers = [("origin", root.as_str()), ("cookie", cookie)];
    for changed in ["", "AAAA", &shown.transaction[..40], &shown.transaction.replace(&shown.transaction[60..64], "AAAA")] {
        let answer = app.post_form("/oauth/consent", &headers, &with(&fields, &[("transaction", changed)])).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{changed}");
    }
    let json = app
        .send(
            "POST",
            &format!("{root}/oauth/consent"),
            &[("origin", &root), ("content-type", "application/json"), ("cookie", cookie)],
            "{}",
        )
        .await;
    assert_eq!(json.status, StatusCode::BAD_REQUEST);
    let get = app.send("GET", &format!("{root}/oauth/consent?{}", encode(&fields)), &headers, "").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(app.count("SELECT count(*) FROM oauth_grants"), 0);
    sent_back(&app.post_form("/oauth/consent", &headers, &fields).await, REDIRECT);
}

#[tokio::test]
async fn a_page_is_answered_once() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let shown = page(&app, &client, "system_tools").await;
    let key = app.key("system_tools");
    let allow = [("action", "allow"), ("key", key.as_str())];
    sent_back(&app.answer(&shown, &allow).await, REDIRECT);
    let again = app.answer(&shown, &allow).await;
    assert!(again.status == StatusCode::BAD_REQUEST && !again.headers.contains_key("location"), "{again:?}");
    let denied = app.answer(&shown, &[("action", "deny")]).await;
    assert!(denied.status == StatusCode::BAD_REQUEST && !denied.headers.contains_key("location"), "{denied:?}");
    assert_eq!(app.count("SELECT count(*) FROM oauth_grants"), 1);
}

#[tokio::test]
async fn who_denied_cannot_go_back_and_allow() {
    let mut app = App::start(&[]).await;
    let client = app.client().await;
    let shown = page(&app, &client, "system_tools").await;
    let other = page(&app, &client, "system_tools").await;
    assert_eq!(sent_back(&app.answer(&shown, &[("action", "deny")]).await, REDIRECT)["error"], "access_denied");
    let key = app.key("system_tools");
    let allow = [("action", "allow"), ("key", key.as_str())];
    let back = app.answer(&shown, &allow).await;
    assert!(back.status == StatusCode::BAD_REQUEST && !back.headers.contains_key("location"), "{back:?}");
    assert_eq!(app.count("SELECT count(*) FROM oauth_grants"), 0);
    sent_back(&app.answer(&other, &allow).await, REDIRECT);
    app.kill();
    app.spawn().await;
    assert_eq!(app.count("SELECT count(*) FROM oauth_denials"), 1, "a denial outlives the daemon");
}

#[tokio::test]
async fn our_own_page_is_answered_whatever_other_origins_may_call() {
    let public = "https://mcp.clinic.cn";
    let app = App::start(&[("mcp.allowed_origins", "https://app.clinic.cn"), ("mcp.public_url", public)]).await;
    let client = app.client().await;
    let key = app.key("system_tools");
    let local = app.mcp_root();
    for base in [local, public] {
        let host = base.split_once("://").unwrap().1;
        let url = format!("{base}/server/system_tools/mcp");
        let shown = Page::of(app.authorize(&App::request(&client, &url), &[("host", host)]).await);
        let fields = [("transaction", shown.transaction.as_str()), ("action", "allow"), ("key", key.as_str())];
        let answered = async |origin: &str| {
            let headers = [("host", host), ("origin", origin), ("cookie", shown.cookie.as_str())];
            app.post_form("/oauth/consent", &headers, &fields).await
        };
        for other in ["https://app.clinic.cn", "https://evil.example"] {
            let refused = answered(other).await;
            assert!(refused.status == StatusCode::FORBIDDEN && !refused.headers.contains_key("location"), "{other}: {refused:?}");
        }
        sent_back(&answered(base).await, REDIRECT);
    }
    let elsewhere = [("host", "evil.example"), ("origin", "http://evil.example")];
    let refused = app.post_form("/oauth/consent", &elsewhere, &[("action", "allow")]).await;
    assert!(refused.status == StatusCode::FORBIDDEN && refused.body.contains("mcp.allowed_hosts"), "{refused:?}");
}

#[tokio::test]
async fn what_a_key_proved_ends_when_the_key_does() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let made = app.ok_json(&["key", "add", "system_tools", "--name", "short", "--expires", "1h"]);
    let shown = page(&app, &client, "system_tools").await;
    let back = sent_back(&app.answer(&shown, &[("action", "allow"), ("key", text(&made, "key"))]).await, REDIRECT);
    let tokens = app.token(&App::exchange(&client, &back["code"])).await.json();
    let ends = "SELECT count(*) FROM oauth_grants g JOIN mcp_keys k ON k.id = g.key_id AND k.name = 'short'";
    assert_eq!(app.count(&format!("{ends} WHERE g.expires_at = k.expires_at")), 1);
    let of_tokens = format!("{ends} JOIN oauth_tokens t ON t.grant_id = g.id");
    assert_eq!(app.count(&format!("{of_tokens} WHERE t.kind = 'refresh' AND t.expires_at = k.expires_at")), 1);
    let next = app.refresh(&client, text(&tokens, "refresh_token")).await;
    assert_eq!(next.status, StatusCode::OK, "{next:?}");
    assert_eq!(app.count(&format!("{of_tokens} WHERE t.expires_at > k.expires_at")), 0);
}

#[tokio::test]
async fn rfc6749_4_1_2_1_who_denies_is_sent_back_with_access_denied() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let shown = page(&app, &client, "system_tools").await;
    let answer = app.answer(&shown, &[("action", "deny")]).await;
    let back = sent_back(&answer, REDIRECT);
    assert_eq!((back["error"].as_str(), back["state"].as_str(), back["iss"].as_str()), ("access_denied", "st&te=1", app.mcp_root()));
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
}

#[tokio::test]
async fn rfc9207_2_who_allows_is_sent_back_with_code_state_and_iss_and_nothing_else() {
    let app = App::start(&[]).await;
    let client = app.client_with(&["https://client.example/callback?keep=1"]).await;
    let url = app.group_url("system_tools");
    let redirect = "https://client.example/callback?keep=1";
    let shown = app.page(&with(&App::request(&client, &url), &[("redirect_uri", redirect)])).await;
    let answer = app.answer(&shown, &[("action", "allow"), ("key", &app.key("system_tools"))]).await;
    let back = sent_back(&answer, redirect);
    assert_eq!(back.keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
    assert!(back["code"].starts_with("mcp_ac_") && back["iss"] == app.mcp_root() && back["state"] == "st&te=1");
}

#[tokio::test]
async fn a_wrong_proof_is_told_apart_from_nothing() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let other = app.key("medical_tools");
    let revoked = app.key("project_tools");
    app.ok(&["key", "revoke", "project_tools"]);
    let unknown = format!("mcp_key_{}", "A".repeat(43));
    let mut answers = Vec::new();
    for key in [other.as_str(), revoked.as_str(), unknown.as_str(), "mcp_key_x", "secret", "mcp_at_x"] {
        for group in ["system_tools", "no_such_group"] {
            let shown = page(&app, &client, group).await;
            let answer = app.answer(&shown, &[("action", "allow"), ("key", key)]).await;
            assert!(!answer.headers.contains_key("location") && !answer.body.contains(key), "{key}");
            answers.push((answer.status, answer.body.replace(&shown.transaction, "").replace(group, "")));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, StatusCode::FORBIDDEN);
    assert_eq!(app.count("SELECT count(*) FROM oauth_grants"), 0);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let app = App::start(&[("keys.failed_attempts", "5")]).await;
    let client = app.client().await;
    let shown = page(&app, &client, "system_tools").await;
    let unknown = format!("mcp_key_{}", "A".repeat(43));
    for attempt in 0..200 {
        let answer = app.answer(&shown, &[("action", "allow"), ("key", &unknown)]).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers.contains_key("retry-after") && attempt > 3);
            return;
        }
    }
    panic!("200 guesses were answered");
}

#[tokio::test]
async fn who_withholds_the_right_to_store_gives_a_token_that_only_reads() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let shown = page(&app, &client, "consultation_tools").await;
    assert!(shown.answer.body.contains("name=\"write\" value=\"1\" checked"));
    let key = app.key("consultation_tools");
    let back = sent_back(&app.answer(&shown, &[("action", "allow"), ("key", &key)]).await, REDIRECT);
    let tokens = app.token(&App::exchange(&client, &back["code"])).await.json();
    assert_eq!(tokens["scope"], "group:consultation_tools tools:read");
    let url = app.group_url("consultation_tools");
    let reading = app.page(&with(&App::request(&client, &url), &[("scope", "tools:read")])).await;
    assert!(!reading.answer.body.contains("value=\"1\" checked"), "only what was asked for is offered");
}

#[tokio::test]
async fn rfc6750_3_1_a_tool_that_stores_needs_the_scope_and_the_answer_says_which() {
    for fast_lane in ["true", "false"] {
        let app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let client = app.client().await;
        let shown = page(&app, &client, "consultation_tools").await;
        let key = app.key("consultation_tools");
        let back = sent_back(&app.answer(&shown, &[("action", "allow"), ("key", &key)]).await, REDIRECT);
        let tokens = app.token(&App::exchange(&client, &back["code"])).await.json();
        let (bearer, url) = (text(&tokens, "access_token"), app.group_url("consultation_tools"));
        let params = serde_json::json!({"name": "create_consultation_summary", "arguments": {}});
        for era in [Era::Modern, Era::Handshake("2025-11-25"), Era::Silent] {
            let answer = app.rpc(era, &url, Some(bearer), "tools/call", params.clone()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{era:?} {answer:?}");
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            assert!(challenge.contains("scope=\"group:consultation_tools tools:read tools:write\""), "{challenge}");
            assert!(challenge.contains("resource_metadata=\"http://127.0.0.1"), "{challenge}");
            let list = app.rpc(era, &url, Some(bearer), "tools/list", serde_json::json!({})).await;
            assert!(list.body.contains("create_consultation_summary"), "it is listed, so that a client can ask for more");
        }
        assert_eq!(app.count("SELECT count(*) FROM consultation_summaries"), 0);
        let with_key = app.rpc(Era::Silent, &url, Some(&key), "tools/call", params.clone()).await;
        assert_eq!(with_key.status, StatusCode::OK);
        let full = app.tokens(&client, "consultation_tools").await;
        assert_eq!(app.rpc(Era::Silent, &url, Some(text(&full, "access_token")), "tools/call", params).await.status, StatusCode::OK);
    }
}

const PASSWORD: &str = "a quiet afternoon in May";

fn add_account(app: &App, login: &str, roles: &str, tier: &str) {
    let mut command = app.command(&["account", "add", login, "--roles", roles, "--tier", tier]);
    let done = command.env("ANMEI_MCP_ACCOUNT_PASSWORD", PASSWORD).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn an_account_proves_the_right_to_the_groups_that_list_its_role_and_tier() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    add_account(&app, "doctor", "doctor", "internal");
    add_account(&app, "customer", "customer", "premium");
    let allow =
        |login: &'static str, password: &'static str| [("action", "allow"), ("login", login), ("password", password), ("write", "1")];
    for (login, password, group) in [
        ("doctor", "another afternoon", "medical_tools"),
        ("nobody", PASSWORD, "medical_tools"),
        ("doctor", PASSWORD, "system_tools"),
        ("doctor", PASSWORD, "no_such_group"),
        ("customer", PASSWORD, "medical_tools"),
        ("customer", PASSWORD, "project_tools"),
        ("doctor", "", "medical_tools"),
    ] {
        let shown = page(&app, &client, group).await;
        let answer = app.answer(&shown, &allow(login, password)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{login} {group}");
        assert!(!answer.headers.contains_key("location") && !answer.body.contains(PASSWORD), "{login} {group}");
    }
    let shown = page(&app, &client, "medical_tools").await;
    let back = sent_back(&app.answer(&shown, &allow("doctor", PASSWORD)).await, REDIRECT);
    let tokens = app.token(&App::exchange(&client, &back["code"])).await.json();
    let (url, access) = (app.group_url("medical_tools"), text(&tokens, "access_token"));
    assert_eq!(app.listed(&url, access).await, 200);
    let grants = app.ok_json(&["oauth", "grants", "list"]);
    assert!(grants[0]["account_id"].is_string() && grants[0]["key_id"].is_null(), "{grants}");
    // What an account granted stands and falls with it, from the next request on.
    app.ok(&["account", "disable", "doctor"]);
    assert_eq!(app.listed(&url, access).await, 401);
    assert_eq!(app.refresh(&client, text(&tokens, "refresh_token")).await.status, StatusCode::BAD_REQUEST);
    app.ok(&["account", "enable", "doctor"]);
    assert_eq!(app.listed(&url, access).await, 200);
    app.ok(&["account", "set", "doctor", "--roles", "operator"]);
    assert_eq!(app.listed(&url, access).await, 401);
    app.ok(&["account", "set", "doctor", "--roles", "doctor"]);
    app.ok(&["group", "set", "medical_tools", "--tiers", "premium"]);
    assert_eq!(app.listed(&url, access).await, 401);
    app.ok(&["group", "set", "medical_tools", "--tiers", "internal"]);
    assert_eq!(app.listed(&url, access).await, 200);
    app.ok(&["account", "delete", "doctor", "--yes"]);
    assert_eq!(app.listed(&url, access).await, 401);
}

#[tokio::test]
async fn another_password_ends_what_the_old_one_granted() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    add_account(&app, "doctor", "doctor", "internal");
    let url = app.group_url("medical_tools");
    let granted = async |password: &str| {
        let shown = page(&app, &client, "medical_tools").await;
        let answer = app.answer(&shown, &[("action", "allow"), ("login", "doctor"), ("password", password)]).await;
        app.token(&App::exchange(&client, &sent_back(&answer, REDIRECT)["code"])).await.json()
    };
    let before = granted(PASSWORD).await;
    assert_eq!(app.listed(&url, text(&before, "access_token")).await, 200);
    let another = "a quiet evening in June";
    let changed = app.command(&["account", "password", "doctor"]).env("ANMEI_MCP_ACCOUNT_PASSWORD", another).output().unwrap();
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    let refused = app.rpc(Era::Silent, &url, Some(text(&before, "access_token")), "tools/list", serde_json::json!({})).await;
    assert!(refused.status == StatusCode::UNAUTHORIZED && refused.body.contains("password"), "{refused:?}");
    assert_eq!(error(&app.refresh(&client, text(&before, "refresh_token")).await).1, "invalid_grant");
    let after = granted(another).await;
    assert_eq!(app.listed(&url, text(&after, "access_token")).await, 200);
    assert_eq!(app.listed(&url, text(&before, "access_token")).await, 401);
}

/// The first administrator, with a telephone: its secret, the code that proved it, and a recovery code.
async fn administrator(app: &App) -> [String; 3] {
    let link = app.setup_link().await;
    let path = link.strip_prefix(app.admin_root()).unwrap();
    let mut browser = Browser::new(app);
    let form = browser.get(path).await.body;
    let (pending, secret) = (between(&form, "name=\"pending\" value=\"", "\""), between(&form, "<dd><code>", "</code>"));
    let proof = code(secret, 0);
    let chosen = [("login", "mei"), ("password", PASSWORD), ("again", PASSWORD), ("pending", pending), ("code", proof.as_str())];
    let made = browser.post(path, &chosen).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let recovery = between(&made.body, "<pre id=\"once\" tabindex=\"0\">", "</pre>").lines().next().unwrap().to_owned();
    [secret.to_owned(), proof, recovery]
}

#[tokio::test]
async fn an_account_with_a_second_factor_shows_it_here_as_well() {
    let app = App::start(&[]).await;
    let [secret, used, recovery] = administrator(&app).await;
    let client = app.client().await;
    let shown = page(&app, &client, "medical_tools").await;
    assert!(shown.answer.body.contains("name=\"otp\"") && shown.answer.body.contains("验证码"));
    let next = code(&secret, 1);
    let sign_in = [("action", "allow"), ("login", "mei"), ("password", PASSWORD), ("otp", next.as_str())];
    let mut refused = Vec::new();
    for change in [("password", "another afternoon"), ("otp", ""), ("otp", used.as_str())] {
        let answer = app.answer(&shown, &with(&sign_in, &[change])).await;
        assert!(answer.status == StatusCode::FORBIDDEN && !answer.headers.contains_key("location"), "{change:?}: {answer:?}");
        refused.push(answer.body);
    }
    refused.dedup();
    assert_eq!(refused.len(), 1, "a right password without its code is a wrong one: {refused:?}");
    let back = sent_back(&app.answer(&shown, &sign_in).await, REDIRECT);
    assert_eq!(app.token(&App::exchange(&client, &back["code"])).await.status, StatusCode::OK);
    let shown = page(&app, &client, "medical_tools").await;
    assert_eq!(app.answer(&shown, &sign_in).await.status, StatusCode::FORBIDDEN, "a code counts once");
    let panel = Browser::new(&app).sign_in("mei", PASSWORD, &next).await;
    assert_eq!(panel.status, StatusCode::UNPROCESSABLE_ENTITY, "here and at the panel together");
    sent_back(&app.answer(&shown, &with(&sign_in, &[("otp", &recovery)])).await, REDIRECT);
}

#[tokio::test]
async fn at_the_root_an_account_says_which_of_its_groups() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    add_account(&app, "doctor", "doctor", "internal");
    add_account(&app, "consultant", "consultant", "internal");
    let url = app.root_url();
    let shown = app.page(&App::request(&client, &url)).await;
    let sign_in = [("action", "allow"), ("login", "doctor"), ("password", PASSWORD)];
    let which = app.answer(&shown, &sign_in).await;
    assert_eq!(which.status, StatusCode::BAD_REQUEST);
    assert!(which.body.contains("consultation_tools、medical_tools"), "{which:?}");
    let chosen = app.answer(&shown, &with(&sign_in, &[("group", "medical_tools")])).await;
    let tokens = app.token(&App::exchange(&client, &sent_back(&chosen, REDIRECT)["code"])).await.json();
    assert_eq!(tokens["scope"], "group:medical_tools tools:read");
    let shown = app.page(&App::request(&client, &url)).await;
    let only = app.answer(&shown, &with(&sign_in, &[("login", "consultant")])).await;
    let tokens = app.token(&App::exchange(&client, &sent_back(&only, REDIRECT)["code"])).await.json();
    assert_eq!(tokens["scope"], "group:consultation_tools tools:read", "the only one it may enter");
}
