//! Clients of the authorization server and what they were granted, in the API and on the pages.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admin_kit::Browser,
    harness::App,
    oauth_kit::{REDIRECT, basic, text},
};

const CLIENTS: &str = "/api/v1/oauth/clients";
const HOSTILE: &str = "<img src=x onerror=alert(1)><b>Dify</b>";

/// The status of a token for a client that enters by itself.
async fn enters(app: &App, id: &str, secret: &str) -> (u16, Value) {
    let resource = app.group_url("system_tools");
    let fields = [("grant_type", "client_credentials"), ("resource", resource.as_str())];
    let answer = app.post_form("/oauth/token", &[("authorization", &basic(id, secret))], &fields).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn a_client_added_by_hand_has_its_secret_in_one_answer_and_nowhere_else() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let body = json!({"name": "backend", "confidential": true, "groups": ["system_tools"], "may_write": true});
    let made = app.api(&token, "POST", CLIENTS, &[], Some(body)).await;
    let client = made.json();
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    assert_eq!((made.status, made.location()), (StatusCode::CREATED, format!("{CLIENTS}/{id}").as_str()), "{made:?}");
    assert_eq!((&client["kind"], &client["groups"], &client["may_write"]), (&json!("operator"), &json!(["system_tools"]), &json!(true)));
    let shown = app.api(&token, "GET", &format!("{CLIENTS}/{id}"), &[], None).await;
    assert!(shown.status == 200 && !shown.body.contains(secret) && shown.json().get("client_secret").is_none(), "{shown:?}");
    assert_eq!(enters(&app, id, secret).await.1["scope"], "group:system_tools tools:read tools:write");
    let audit = app.ok(&["audit", "list", "--object", &format!("oauth/client/{id}"), "--json"]);
    assert!(audit.contains("oauth.client.add") && audit.contains("account:administrator") && !audit.contains(secret), "{audit}");
    for (body, pointer) in [
        (json!({"name": " "}), "/name"),
        (json!({"name": "x"}), "/redirect_uris"),
        (json!({"name": "x", "confidential": true}), "/groups"),
        (json!({"name": "x", "redirect_uris": [REDIRECT, "javascript:alert(1)"]}), "/redirect_uris/1"),
        (json!({"name": "x", "redirect_uris": [REDIRECT], "may_write": true}), "/confidential"),
        (json!({"name": "x", "redirect_uris": "no list"}), "/redirect_uris"),
    ] {
        let refused = app.api(&token, "POST", CLIENTS, &[], Some(body.clone())).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}: {refused:?}");
    }
    let operator = app.token_of_a("operator");
    assert_eq!(app.api(&operator, "POST", CLIENTS, &[], Some(json!({"name": "x"}))).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_is_shut_out_can_be_let_in_again_and_what_it_had_stays_ended() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let client = app.client().await;
    let tokens = app.tokens(&client, "system_tools").await;
    let (url, access) = (app.group_url("system_tools"), text(&tokens, "access_token"));
    assert_eq!(app.listed(&url, access).await, 200);
    let at = format!("{CLIENTS}/{client}");
    let shown = app.api(&token, "GET", &at, &[], None).await.json();
    assert_eq!((&shown["kind"], &shown["grants"]), (&json!("dynamic"), &json!(1)), "{shown}");
    assert!(text(&shown, "forgotten_at") > text(&shown, "used_at"), "{shown}");
    let early = app.api(&token, "POST", &format!("{at}/restore"), &[], None).await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{early:?}");
    let ended = app.api(&token, "POST", &format!("{at}/revoke"), &[], None).await.json();
    assert_eq!((&ended["grants"], app.listed(&url, access).await), (&json!(1), 401), "{ended}");
    let resource = app.group_url("system_tools");
    let asked = app.authorize(&App::request(&client, &resource), &[]).await;
    assert_eq!(asked.status, StatusCode::BAD_REQUEST, "shut out: nobody is asked");
    let back = app.api(&token, "POST", &format!("{at}/restore"), &[], None).await.json();
    assert_eq!((&back["revoked_at"], &back["grants"], app.listed(&url, access).await), (&Value::Null, &json!(0), 401), "{back}");
    let again = app.tokens(&client, "system_tools").await;
    assert_eq!(app.listed(&url, text(&again, "access_token")).await, 200);
    assert_eq!(app.api(&token, "DELETE", &at, &[], None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.listed(&url, text(&again, "access_token")).await, 401, "removed with everything it had");
    assert_eq!(app.api(&token, "GET", &at, &[], None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.count("SELECT (SELECT count(*) FROM oauth_grants) + (SELECT count(*) FROM oauth_tokens)"), 0);
    for (action, was_shut_out, is_shut_out) in [("oauth.client.revoke", false, true), ("oauth.client.restore", true, false)] {
        let rows = app.ok_json(&["audit", "list", "--action", action]);
        let [row] = rows.as_array().unwrap().as_slice() else { panic!("{rows}") };
        assert_eq!(
            (row["before"]["revoked_at"].is_string(), row["after"]["revoked_at"].is_string(), &row["before"]["name"]),
            (was_shut_out, is_shut_out, &json!("Tester")),
            "{row}"
        );
    }
    assert_eq!(app.ok_json(&["audit", "list", "--action", "oauth.client.revoke"])[0]["after"]["grants_ended"], 1);
    assert_eq!(app.audited("oauth.client.remove"), 1);
}

#[tokio::test]
async fn the_command_line_lets_a_client_in_again_and_removes_it() {
    let app = App::start(&[]).await;
    let client = app.client().await;
    let code = |args: &[&str]| app.cli(&[&["oauth", "clients"][..], args].concat()).status.code();
    assert_eq!(code(&["restore", &client]), Some(1), "it is not shut out");
    app.ok(&["oauth", "clients", "revoke", &client]);
    let resource = app.group_url("system_tools");
    assert_eq!(app.authorize(&App::request(&client, &resource), &[]).await.status, StatusCode::BAD_REQUEST);
    assert!(app.ok(&["oauth", "clients", "restore", &client]).contains("may ask again"));
    let tokens = app.tokens(&client, "system_tools").await;
    let access = text(&tokens, "access_token");
    assert_eq!(app.listed(&resource, access).await, 200);
    assert!(app.ok(&["oauth", "clients", "remove", &client]).contains("is removed"));
    assert_eq!((app.listed(&resource, access).await, app.ok_json(&["oauth", "clients", "list"])), (401, json!([])));
    assert_eq!((code(&["restore", &client]), code(&["remove", &client])), (Some(4), Some(4)));
}

#[tokio::test]
async fn grants_say_who_gave_them_and_are_listed_by_client_and_by_group() {
    let app = App::start(&[]).await;
    let (token, auditor) = (app.token_of_a("administrator"), app.token_of_a("auditor"));
    let (one, other) = (app.client().await, app.client().await);
    let tokens = app.tokens(&one, "system_tools").await;
    app.tokens(&other, "system_tools").await;
    app.tokens(&one, "project_tools").await;
    let list = async |query: &str| {
        let found = app.api(&auditor, "GET", &format!("/api/v1/oauth/grants{query}"), &[], None).await;
        assert_eq!(found.status, 200, "{found:?}");
        found.json()["items"].as_array().unwrap().clone()
    };
    assert_eq!(list("").await.len(), 3);
    assert_eq!(list("?server_code=system_tools").await.len(), 2);
    let found = list(&format!("?server_code=system_tools&client_id={one}")).await;
    let [grant] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&grant["client_name"], &grant["in_force"]), (&json!("Tester"), &json!(true)));
    let giver = text(grant, "given_by");
    assert!(giver.starts_with("default …") && app.key("system_tools").ends_with(giver.split('…').nth(1).unwrap()), "{giver}");
    assert_eq!(app.api(&auditor, "GET", "/api/v1/oauth/grants?server_code=nobody", &[], None).await.status, StatusCode::NOT_FOUND);
    let at = format!("/api/v1/oauth/grants/{}/revoke", text(grant, "id"));
    assert_eq!(app.api(&auditor, "POST", &at, &[], None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.api(&token, "POST", &at, &[], None).await.json()["grants"], 1);
    assert_eq!(app.listed(&app.group_url("system_tools"), text(&tokens, "access_token")).await, 401);
    assert_eq!((list("").await.len(), list("?all=true").await.len()), (2, 3));
    let rows = app.ok_json(&["audit", "list", "--action", "oauth.grant.revoke"]);
    assert_eq!(
        (&rows[0]["before"]["client_id"], &rows[0]["before"]["revoked_at"], &rows[0]["after"]["revoked_why"]),
        (&json!(one), &Value::Null, &json!("revoked by an operator")),
        "{rows}"
    );
    let page = async |query: &str| app.api(&auditor, "GET", &format!("/api/v1/oauth/grants?all=true&limit=2{query}"), &[], None).await;
    let first = page("").await.json();
    app.change(&format!("DELETE FROM oauth_grants WHERE id = '{}'", text(&first["items"][1], "id")));
    let rest = page(&format!("&cursor={}", text(&first, "next_cursor"))).await;
    assert_eq!((rest.status.as_u16(), rest.json()["items"].as_array().unwrap().len()), (200, 1), "{rest:?}");
}

#[tokio::test]
async fn the_pages_show_clients_and_grants_and_end_them() {
    let app = App::start(&[]).await;
    app.account("admin", "administrator");
    let answer = app.post_json("/oauth/register", &json!({"client_name": HOSTILE, "redirect_uris": [REDIRECT]})).await.json();
    let client = text(&answer, "client_id").to_owned();
    let tokens = app.tokens(&client, "system_tools").await;
    let (url, access) = (app.group_url("system_tools"), text(&tokens, "access_token"));
    let mut browser = Browser::signed_in(&app, "admin").await;
    let at = format!("/panel/oauth/clients/{client}");
    for (path, language, words) in [
        ("/panel/oauth", "en", vec!["OAuth clients", "registered itself", REDIRECT, "Forgotten on"]),
        ("/panel/oauth", "zh-CN", vec!["OAuth 客户端", "自行注册", REDIRECT, "清除时间"]),
        (at.as_str(), "en", vec!["nobody has verified it", "key default …", "tools:write", "End it"]),
        (at.as_str(), "zh-CN", vec!["未经核实", "密钥 default …", "tools:write", "结束授权"]),
        ("/panel/oauth/grants", "en", vec!["Allowed by", "in force"]),
        ("/panel/oauth/grants", "zh-CN", vec!["同意者", "有效"]),
        ("/panel/groups/system_tools", "en", vec!["/panel/oauth/grants?server_code=system_tools"]),
    ] {
        let page = browser.send("GET", path, &[("cookie", &format!("anmei_language={language}"))], "").await;
        assert_eq!(page.status, 200, "{path}");
        for word in words {
            assert!(page.body.contains(word), "{path} in {language} does not say {word}: {}", page.body);
        }
        assert!(!page.body.contains("<img") && !page.body.contains("<b>"), "{path} in {language}: a client's name became markup");
    }
    let grant: String = app.database().query_row("SELECT id FROM oauth_grants", [], |row| row.get(0)).unwrap();
    let ended = browser.post(&format!("/panel/oauth/grants/{grant}/revoke"), &[("back", &at)]).await;
    assert_eq!((ended.status, ended.location()), (StatusCode::SEE_OTHER, format!("{at}?said=oauth-grant-ended").as_str()));
    assert_eq!(app.listed(&url, access).await, 401);
    assert!(browser.get(&at).await.body.contains("ended by hand"));
    let away = browser.post(&format!("/panel/oauth/grants/{grant}/revoke"), &[("back", "https://evil.example/")]).await;
    assert_eq!(away.location(), "/panel/?said=oauth-grant-had-ended");
    for (verb, said) in [("revoke", "oauth-revoked"), ("restore", "oauth-restored")] {
        let done = browser.post(&format!("{at}/{verb}"), &[]).await;
        assert_eq!(done.location(), format!("{at}?said={said}"), "{done:?}");
    }
    assert_eq!(browser.post(&format!("{at}/remove"), &[]).await.location(), "/panel/oauth?said=oauth-removed");
    assert_eq!(browser.get(&at).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_form_keeps_what_was_typed_and_shows_a_secret_once() {
    let app = App::start(&[]).await;
    app.account("admin", "administrator");
    app.account("auditor", "auditor");
    let mut browser = Browser::signed_in(&app, "admin").await;
    assert!(browser.get("/panel/oauth/clients/new").await.body.contains("value=\"system_tools\""));
    let new = "/panel/oauth/clients/new";
    let refused = browser.post(new, &[("name", "Intranet"), ("redirect_uris", "javascript:alert(1)")]).await;
    assert!(refused.status == 422 && refused.body.contains("value=\"Intranet\"") && refused.body.contains("id=\"wrong-redirect_uris\""));
    let fields = [("name", "后端"), ("confidential", "true"), ("groups", "system_tools"), ("groups", "project_tools")];
    let made = browser.post(new, &fields).await;
    assert_eq!(made.status, 200, "{made:?}");
    let of = |id: &str| made.body.split(&format!("id=\"{id}\">")).nth(1).unwrap().split('<').next().unwrap().to_owned();
    let (id, secret) = (of("client-id"), of("client-secret"));
    let (status, token) = enters(&app, &id, &secret).await;
    assert_eq!((status, &token["scope"]), (200, &json!("group:system_tools tools:read")), "{token}");
    let shown = browser.get(&format!("/panel/oauth/clients/{id}")).await.body;
    assert!(!shown.contains(&secret) && shown.contains("the client itself") && shown.contains("account:admin"), "{shown}");
    let public = browser.post(new, &[("name", "Intranet"), ("redirect_uris", &format!("{REDIRECT}\r\nhttp://localhost/cb"))]).await;
    assert!(public.status == 303 && public.location().ends_with("?said=oauth-added"), "{public:?}");
    let mut auditor = Browser::signed_in(&app, "auditor").await;
    let page = auditor.get(&format!("/panel/oauth/clients/{id}")).await;
    assert!(page.status == 200 && !page.body.contains("/revoke\""), "who may not is not offered");
    assert_eq!(auditor.post(&format!("/panel/oauth/clients/{id}/revoke"), &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(auditor.get(new).await.status, StatusCode::FORBIDDEN);
}
