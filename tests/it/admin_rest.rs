//! The REST API's front door, route by route, where no other file asks for what a route means: what it changes, what is
//! refused afterwards, and what the audit log says of it. And whether answers are what the document says of them.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admin_entry::code,
    admin_kit::{Browser, PASSWORD, Person, etag},
    harness::{Answer, App, Era, HOOK_SECRET},
    registration::{new_user, receiver},
};

/// Another password than the one that every account here begins with.
const NEW: &str = "another afternoon in June";

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// The pointer of the first field that a refusal names.
fn pointer(refused: &Answer) -> (u16, String) {
    (refused.status.as_u16(), text(&refused.json()["errors"][0]["pointer"]))
}

/// The latest row of the audit log with this action.
async fn latest(app: &App, person: &Person, action: &str) -> Value {
    person.get(app, &format!("/audit?action={action}&limit=1")).await["items"][0].clone()
}

/// A change in the API that a page of ours sends.
async fn from_page(browser: &Browser<'_>, (method, path): (&str, &str), body: &Value) -> Answer {
    let csrf = browser.csrf().await;
    let headers = [("x-csrf-token", csrf.as_str()), ("origin", browser.app.admin_root()), ("content-type", "application/json")];
    browser.send(method, &format!("/api/v1{path}"), &headers, &body.to_string()).await
}

/// A token of the account `mei`.
fn token_of_mei(app: &App) -> String {
    app.ok(&["admin", "token", "mei", "--name", "tests", "--role", "operator"]).trim().to_owned()
}

/// What signing in as `mei` is answered.
async fn signs_in(app: &App, password: &str, code: &str) -> StatusCode {
    Browser::new(app).sign_in("mei", password, code).await.status
}

/// Whether somebody is signed in in a browser.
async fn is_in(browser: &Browser<'_>) -> bool {
    browser.get("/api/v1/me").await.status == StatusCode::OK
}

/// Sets up the second factor of whoever has the token: the secret, and the recovery codes.
async fn enrolled(app: &App, token: &str) -> (String, Vec<String>) {
    let begun = app.api(token, "POST", "/api/v1/me/second-factor", &[], None).await.json();
    let secret = text(&begun["secret"]);
    let proof = json!({"pending": begun["pending"], "code": code(&secret, 0)});
    let done = app.api(token, "PUT", "/api/v1/me/second-factor", &[], Some(proof)).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    (secret, done.json()["recovery_codes"].as_array().unwrap().iter().map(text).collect())
}

#[tokio::test]
async fn health_names_every_part_and_is_as_bad_as_the_worst() {
    let app = App::start(&[("retry.delays", "50ms")]).await;
    let auditor = Person::new(&app, "auditor");
    let health = async || auditor.get(&app, "/health").await;
    let state = |health: &Value, name: &str| {
        let checks = health["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {health}"))["state"].clone()
    };
    until("the automation runs", async || state(&health().await, "automation") == "ok").await;
    let fresh = health().await;
    for name in ["database", "wal", "disk", "queue", "alerts"] {
        assert_eq!(state(&fresh, name), "ok", "{fresh}");
    }
    assert_eq!((state(&fresh, "agents"), &fresh["state"]), (json!("warning"), &json!("warning")), "there is no agent: {fresh}");
    let agents = fresh["checks"].as_array().unwrap().iter().find(|check| check["name"] == "agents").unwrap();
    assert!(agents["fix"]["zh"].is_string() && agents["fix"]["en"].is_string(), "it is said in both languages what to do: {agents}");
    assert!(fresh["version"] == env!("CARGO_PKG_VERSION") && fresh["started_at"].is_string(), "{fresh}");

    app.change("CREATE TRIGGER broken BEFORE INSERT ON conversations BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END");
    app.finished(&app.register(None, &new_user(1)).await.json()).await;
    until("the alert counts", async || state(&health().await, "alerts") == "warning").await;
    let nobody = app.send("GET", &format!("{}/api/v1/health", app.admin_root()), &[], "").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert!(nobody.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{nobody:?}");
}

#[tokio::test]
async fn an_alert_is_read_by_its_id_while_it_is_open_and_after() {
    let app = App::start(&[("retry.delays", "50ms")]).await;
    let operator = Person::new(&app, "operator");
    app.change("CREATE TRIGGER broken BEFORE INSERT ON conversations BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END");
    let run = text(&app.finished(&app.register(None, &new_user(1)).await.json()).await["registration_id"]);
    until("an alert", async || app.count("SELECT count(*) FROM alerts WHERE resolved_at IS NULL") == 1).await;
    let listed = operator.get(&app, "/alerts?open=true").await["items"][0].clone();
    let path = format!("/alerts/{}", text(&listed["id"]));
    let open = operator.get(&app, &path).await;
    for field in ["id", "condition", "subject", "severity", "summary", "opened_at"] {
        assert_eq!(open[field], listed[field], "{field}");
    }
    assert_eq!((&open["condition"], &open["open"], &open["resolved_at"]), (&json!("dead_letter"), &json!(true), &Value::Null), "{open}");

    app.change("DROP TRIGGER broken");
    operator.post(&app, &format!("/jobs/{run}/retry"), Value::Null).await;
    until("the alert's end", async || operator.get(&app, &path).await["open"] == false).await;
    let closed = operator.get(&app, &path).await;
    assert!(closed["resolved_at"].is_string() && closed["opened_at"] == open["opened_at"], "it stays to be read: {closed}");
    for nothing in ["nothing", "018f0000-0000-7000-8000-000000000000"] {
        let answer = operator.ask(&app, ("GET", &format!("/alerts/{nothing}")), &[], Value::Null).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[tokio::test]
async fn a_key_with_another_name_opens_what_it_opened_and_the_old_name_is_free() {
    let app = App::start(&[]).await;
    let admin = Person::new(&app, "administrator");
    let keys = "/groups/system_tools/keys";
    let text_of_key = app.key("system_tools");
    let id = text(&admin.get(&app, keys).await[0]["id"]);
    let path = format!("{keys}/{id}");
    let rename = async |name: &str| admin.ask(&app, ("PATCH", &path), &[("if-match", "*")], json!({"name": name})).await;
    let renamed = rename("dify").await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["name"]), (200, &json!("dify")), "{renamed:?}");
    let listed = app.rpc(Era::Silent, &app.root_url(), Some(&text_of_key), "tools/list", json!({})).await;
    assert_eq!(listed.status, 200, "it is the same key");
    let row = latest(&app, &admin, "key.rename").await;
    assert_eq!(
        (&row["actor"], &row["before"]["name"], &row["after"]["name"]),
        (&json!("account:administrator"), &json!("default"), &json!("dify")),
        "{row}"
    );
    admin.post(&app, keys, json!({"name": "default"})).await;
    let taken = rename("default").await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "another key is called so: {taken:?}");
    assert_eq!(pointer(&rename("two words").await), (422, "/name".to_owned()));
    let other =
        admin.ask(&app, ("PATCH", &path.replace("system_tools", "project_tools")), &[("if-match", "*")], json!({"name": "x"})).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "it is no key of that group: {other:?}");
    assert_eq!((admin.get(&app, &path).await["name"].clone(), app.audited("key.rename")), (json!("dify"), 1));
}

#[tokio::test]
async fn who_still_uses_a_replaced_key_that_ends_soon_is_named() {
    let mut app = App::start(&[]).await;
    let admin = Person::new(&app, "administrator");
    let old = app.key("system_tools");
    let id = text(&admin.get(&app, "/groups/system_tools/keys").await[0]["id"]);
    admin.post(&app, &format!("/groups/system_tools/keys/{id}/rotate"), json!({"grace": "2h"})).await;
    assert_eq!(admin.get(&app, "/keys/stragglers").await, json!([]), "nobody used it since");
    // A hundred minutes later.
    app.change("UPDATE mcp_keys SET rotated_at = rotated_at - 6000000, grace_until = grace_until - 6000000 WHERE rotated_at IS NOT NULL");
    assert_eq!(app.rpc(Era::Silent, &app.root_url(), Some(&old), "tools/list", json!({})).await.status, 200);
    // What keys were used for is written down by the half minute, and when the daemon stops.
    app.stop().await;
    app.spawn().await;
    let found = admin.get(&app, "/keys/stragglers").await;
    let one = &found[0];
    assert_eq!(
        (found.as_array().unwrap().len(), &one["key_id"], &one["server_code"], &one["name"], &one["users"]),
        (1, &json!(id), &json!("system_tools"), &json!("default"), &json!(1)),
        "{found}"
    );
    assert!(one["last_used_at"].is_string() && text(&one["ends_at"]) > text(&one["last_used_at"]), "{found}");
    admin.post(&app, &format!("/groups/system_tools/keys/{id}/retire"), json!({})).await;
    assert_eq!(admin.get(&app, "/keys/stragglers").await, json!([]), "what has ended is used by nobody");
}

#[tokio::test]
async fn who_works_from_an_old_list_is_named_by_group() {
    let mut app = App::with_records(&[]).await;
    let admin = Person::new(&app, "administrator");
    assert_eq!(admin.get(&app, "/stale-callers").await, json!([]));
    let alias = json!({"tool_name": "search_users", "until": "90d"});
    let put = admin.ask(&app, ("PUT", "/groups/system_tools/aliases/find_users"), &[], alias).await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
    let key = app.key("system_tools");
    let called = json!({"name": "find_users", "arguments": {"query": "anna"}});
    for _ in 0..2 {
        let answer = app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/call", called.clone()).await;
        assert_eq!(answer.json()["result"]["isError"], false, "{answer:?}");
    }
    app.stop().await;
    app.spawn().await;
    let found = admin.get(&app, "/stale-callers").await;
    let one = &found[0];
    assert_eq!(
        (found.as_array().unwrap().len(), &one["called"], &one["reason"], &one["calls"], &one["server_code"]),
        (1, &json!("find_users"), &json!("renamed"), &json!(2), &json!("system_tools")),
        "{found}"
    );
    assert!(text(&one["who"]).starts_with("default") && !found.to_string().contains(&key), "{found}");
    assert_eq!(admin.get(&app, "/stale-callers?server_code=system_tools").await, found);
    assert_eq!(admin.get(&app, "/stale-callers?server_code=project_tools").await, json!([]));
    assert_eq!(admin.ask(&app, ("GET", "/stale-callers?server_code=nobody"), &[], Value::Null).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_password_that_an_administrator_sets_puts_everybody_out_who_had_the_old_one() {
    let app = App::start(&[]).await;
    let (admin, operator) = (Person::new(&app, "administrator"), Person::new(&app, "operator"));
    app.account("mei", "operator");
    let browser = Browser::signed_in(&app, "mei").await;
    let put = async |who: &Person, login: &str, password: &str| {
        who.ask(&app, ("PUT", &format!("/accounts/{login}/password")), &[], json!({"password": password})).await
    };
    assert_eq!(put(&operator, "mei", NEW).await.status, StatusCode::FORBIDDEN);
    assert_eq!(put(&admin, "nobody", NEW).await.status, StatusCode::NOT_FOUND);
    assert_eq!(pointer(&put(&admin, "mei", "123").await), (422, "/password".to_owned()));
    assert!(is_in(&browser).await, "what was refused changed nothing");
    assert_eq!(put(&admin, "mei", NEW).await.status, StatusCode::NO_CONTENT);
    assert!(!is_in(&browser).await);
    assert_eq!(
        (signs_in(&app, PASSWORD, "").await, signs_in(&app, NEW, "").await),
        (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::SEE_OTHER)
    );
    let row = latest(&app, &admin, "account.password").await;
    assert_eq!((&row["actor"], &row["object"]), (&json!("account:administrator"), &json!("account/mei")), "{row}");
    assert!(!row.to_string().contains("afternoon") && app.audited("account.password") == 1, "{row}");
    assert!(!app.log().contains(NEW));
}

#[tokio::test]
async fn an_administrator_takes_a_second_factor_away_and_the_password_alone_signs_in() {
    let app = App::start(&[]).await;
    let (admin, operator) = (Person::new(&app, "administrator"), Person::new(&app, "operator"));
    app.account("mei", "operator");
    let remove = async |who: &Person, login: &str| {
        who.ask(&app, ("DELETE", &format!("/accounts/{login}/second-factor")), &[], Value::Null).await.status
    };
    assert_eq!(remove(&admin, "mei").await, StatusCode::CONFLICT, "there is none");
    enrolled(&app, &token_of_mei(&app)).await;
    assert_eq!(signs_in(&app, PASSWORD, "").await, StatusCode::UNPROCESSABLE_ENTITY, "a code is asked for");
    assert_eq!(remove(&operator, "mei").await, StatusCode::FORBIDDEN);
    assert_eq!(remove(&admin, "nobody").await, StatusCode::NOT_FOUND);
    assert_eq!(remove(&admin, "mei").await, StatusCode::NO_CONTENT);
    assert_eq!(signs_in(&app, PASSWORD, "").await, StatusCode::SEE_OTHER);
    let row = latest(&app, &admin, "account.totp.off").await;
    assert_eq!((&row["actor"], &row["object"]), (&json!("account:administrator"), &json!("account/mei")), "{row}");
    assert_eq!(app.count("SELECT (SELECT count(*) FROM admin_totp) + (SELECT count(*) FROM admin_recovery_codes)"), 0);
    assert_eq!(remove(&admin, "mei").await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn an_administrator_ends_every_session_of_an_account_and_its_tokens_stay() {
    let app = App::start(&[]).await;
    let (admin, operator) = (Person::new(&app, "administrator"), Person::new(&app, "operator"));
    app.account("mei", "operator");
    let (one, other) = (Browser::signed_in(&app, "mei").await, Browser::signed_in(&app, "mei").await);
    let token = token_of_mei(&app);
    let end =
        async |who: &Person, login: &str| who.ask(&app, ("DELETE", &format!("/accounts/{login}/sessions")), &[], Value::Null).await.status;
    assert_eq!((end(&operator, "mei").await, end(&admin, "nobody").await), (StatusCode::FORBIDDEN, StatusCode::NOT_FOUND));
    assert!(is_in(&one).await && is_in(&other).await);
    assert_eq!(end(&admin, "mei").await, StatusCode::NO_CONTENT);
    assert!(!is_in(&one).await && !is_in(&other).await);
    assert!(is_in(&Browser::of(&app, &operator)).await, "nobody else is signed out");
    assert_eq!(app.api(&token, "GET", "/api/v1/me", &[], None).await.status, StatusCode::OK);
    let row = latest(&app, &admin, "session.revoke").await;
    assert_eq!((&row["object"], &row["after"]["ended"]), (&json!("account/mei"), &json!(2)), "{row}");
    assert_eq!((end(&admin, "mei").await, app.audited("session.revoke")), (StatusCode::NO_CONTENT, 1), "there was nothing to end");
}

#[tokio::test]
async fn ones_own_password_ends_the_other_sessions_and_asks_for_the_old_one_first() {
    let app = App::start(&[]).await;
    app.account("mei", "auditor");
    let (own, other) = (Browser::signed_in(&app, "mei").await, Browser::signed_in(&app, "mei").await);
    let put = async |password: &str| from_page(&own, ("PUT", "/me/password"), &json!({"password": password})).await;
    app.change("UPDATE admin_sessions SET confirmed_at = confirmed_at - 600000; UPDATE accounts SET password_changed_at = 1");
    let unconfirmed = put(NEW).await;
    assert_eq!((unconfirmed.status, &unconfirmed.json()["type"]), (StatusCode::FORBIDDEN, &json!("urn:anmei-mcp:problem:unconfirmed")));
    assert_eq!(from_page(&own, ("POST", "/me/confirm"), &json!({"password": PASSWORD})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(pointer(&put("123").await), (422, "/password".to_owned()));
    assert_eq!(put(NEW).await.status, StatusCode::NO_CONTENT);
    assert!(is_in(&own).await && !is_in(&other).await);
    assert_eq!(
        (signs_in(&app, PASSWORD, "").await, signs_in(&app, NEW, "").await),
        (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::SEE_OTHER)
    );
    let admin = Person::new(&app, "administrator");
    let row = latest(&app, &admin, "account.password").await;
    assert_eq!((&row["actor"], &row["object"]), (&json!("account:mei"), &json!("account/mei")), "{row}");
}

#[tokio::test]
async fn the_right_password_confirms_a_session_for_a_while_and_wrong_ones_are_slowed_down() {
    let app = App::start(&[]).await;
    app.account("mei", "operator");
    let browser = Browser::signed_in(&app, "mei").await;
    let make = async |name: &str| from_page(&browser, ("POST", "/tokens"), &json!({"name": name, "role": "operator"})).await.status;
    let confirm = async |password: &str| from_page(&browser, ("POST", "/me/confirm"), &json!({"password": password})).await;
    let confirmed = async || browser.get("/api/v1/me").await.json()["confirmed"].clone();
    app.change("UPDATE admin_sessions SET confirmed_at = confirmed_at - 600000; UPDATE accounts SET password_changed_at = 1");
    assert_eq!((confirmed().await, make("early").await), (json!(false), StatusCode::FORBIDDEN));
    let wrong = confirm("not this one at all").await;
    assert_eq!(pointer(&wrong), (422, "/password".to_owned()));
    assert_eq!((confirmed().await, app.audited("session.confirm")), (json!(false), 0));
    assert_eq!(confirm(PASSWORD).await.status, StatusCode::NO_CONTENT);
    assert_eq!((confirmed().await, make("late").await), (json!(true), StatusCode::CREATED));
    let admin = Person::new(&app, "administrator");
    let row = latest(&app, &admin, "session.confirm").await;
    assert_eq!((&row["actor"], &row["object"]), (&json!("account:mei"), &json!("account/mei")), "{row}");
    // A program has no session: it shows a password, and nothing is noted.
    let shown = app.api(&token_of_mei(&app), "POST", "/api/v1/me/confirm", &[], Some(json!({"password": PASSWORD}))).await;
    assert_eq!((shown.status, app.audited("session.confirm")), (StatusCode::NO_CONTENT, 1));

    let mut answer = confirm("not this one at all").await;
    for _ in 0..12 {
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        answer = confirm("not this one at all").await;
    }
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1, "{answer:?}");
}

#[tokio::test]
async fn a_second_factor_is_asked_for_once_a_code_proved_it_and_not_before() {
    let app = App::start(&[]).await;
    app.account("mei", "operator");
    let token = token_of_mei(&app);
    let other = Person::new(&app, "operator");
    let ask = async |method: &str, body: Option<Value>| app.api(&token, method, "/api/v1/me/second-factor", &[], body).await;
    let state = async || app.api(&token, "GET", "/api/v1/me", &[], None).await.json()["second_factor"].clone();
    let begun = ask("POST", None).await.json();
    let (secret, pending) = (text(&begun["secret"]), text(&begun["pending"]));
    assert!(text(&begun["uri"]).starts_with("otpauth://totp/") && text(&begun["qr"]).starts_with("data:image/svg+xml;base64,"), "{begun}");
    assert_eq!((&state().await["since"], signs_in(&app, PASSWORD, "").await), (&Value::Null, StatusCode::SEE_OTHER), "nothing changed yet");
    let proof = |pending: &str, code: &str| Some(json!({"pending": pending, "code": code}));
    let far = code(&secret, 100);
    assert_eq!(pointer(&ask("PUT", proof(&pending, &far)).await), (422, "/code".to_owned()));
    let of_other = text(&other.post(&app, "/me/second-factor", Value::Null).await["pending"]);
    assert_eq!(pointer(&ask("PUT", proof(&of_other, &code(&secret, 0))).await), (422, "/pending".to_owned()), "it is somebody else's");
    let done = ask("PUT", proof(&pending, &code(&secret, 0))).await;
    let codes: Vec<String> = done.json()["recovery_codes"].as_array().unwrap().iter().map(text).collect();
    assert_eq!((done.status, codes.len()), (StatusCode::OK, 10), "{done:?}");
    let known = state().await;
    assert!(known["since"].is_string() && known["recovery_codes_left"] == 10, "{known}");

    assert_eq!(signs_in(&app, PASSWORD, "").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(signs_in(&app, PASSWORD, &code(&secret, 1)).await, StatusCode::SEE_OTHER);
    assert_eq!(signs_in(&app, PASSWORD, &codes[0]).await, StatusCode::SEE_OTHER);
    assert_eq!(signs_in(&app, PASSWORD, &codes[0]).await, StatusCode::UNPROCESSABLE_ENTITY, "each works once");
    assert_eq!(state().await["recovery_codes_left"], 9);
    let admin = Person::new(&app, "administrator");
    let row = latest(&app, &admin, "account.totp.on").await;
    assert_eq!(
        (&row["actor"], &row["object"], &row["after"]),
        (&json!("account:mei"), &json!("account/mei"), &json!({"recovery_codes": 10}))
    );
    let seen = app.log() + &app.ok(&["audit", "list", "--json"]);
    assert!(!seen.contains(&secret) && codes.iter().all(|code| !seen.contains(code)), "what is shown once is nowhere else");
    assert_eq!(ask("DELETE", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!((&state().await["since"], signs_in(&app, PASSWORD, "").await), (&Value::Null, StatusCode::SEE_OTHER));
}

#[tokio::test]
async fn a_receiver_that_is_put_back_into_use_gets_what_waited() {
    let (url, mut heard) = receiver(StatusCode::NO_CONTENT).await;
    let app = App::start(&[("outbound.webhook_url", &url), ("outbound.webhook_secret", HOOK_SECRET)]).await;
    let (admin, operator, auditor) = (Person::new(&app, "administrator"), Person::new(&app, "operator"), Person::new(&app, "auditor"));
    app.change("UPDATE event_endpoint SET failing_since = 1, disabled_at = 2, reason = 'it has failed for a day'");
    app.finished(&app.register(None, &new_user(1)).await.json()).await;
    let endpoint = async || operator.get(&app, "/events/endpoint").await;
    until("the events wait", async || endpoint().await["waiting"] == 4).await;
    let out = endpoint().await;
    assert!(out["disabled_at"].is_string() && out["reason"] == "it has failed for a day", "{out}");
    assert!(heard.try_recv().is_err(), "nothing is sent to a receiver that is out of use");
    let enable = "/events/endpoint/enable?reason=fixed";
    assert_eq!(auditor.ask(&app, ("POST", enable), &[], Value::Null).await.status, StatusCode::FORBIDDEN);
    let back = operator.post(&app, enable, Value::Null).await;
    assert_eq!((&back["disabled_at"], &back["reason"], &back["failing_since"]), (&Value::Null, &Value::Null, &Value::Null), "{back}");
    let row = latest(&app, &admin, "events.enable").await;
    assert_eq!(
        (&row["actor"], &row["object"], &row["reason"], &row["before"]["reason"]),
        (&json!("account:operator"), &json!("events/endpoint"), &json!("fixed"), &json!("it has failed for a day")),
        "{row}"
    );
    // Those that were looked at meanwhile rest for a minute; nobody wants to wait for it here.
    app.change("UPDATE jobs SET run_at = 1 WHERE state = 'ready'");
    operator.post(&app, "/events/endpoint/enable", Value::Null).await;
    assert_eq!(app.audited("events.enable"), 1, "what changes nothing leaves no trace");
    until("what waited is sent", async || endpoint().await["waiting"] == 0).await;
    assert_eq!(std::iter::from_fn(|| heard.try_recv().ok()).count(), 4);
}

#[tokio::test]
async fn a_row_of_the_audit_log_is_read_by_its_place_and_follows_the_one_before() {
    let app = App::start(&[]).await;
    let (admin, auditor) = (Person::new(&app, "administrator"), Person::new(&app, "auditor"));
    let edit = json!({"name": "前台"});
    let changed = admin.ask(&app, ("PATCH", "/groups/system_tools"), &[("if-match", "*")], edit).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let listed = latest(&app, &auditor, "group.set").await;
    let seq = listed["seq"].as_i64().unwrap();
    let row = auditor.get(&app, &format!("/audit/{seq}")).await;
    assert_eq!(row, listed);
    assert_eq!((&row["actor"], &row["object"]), (&json!("account:administrator"), &json!("group/system_tools")), "{row}");
    assert_eq!((&row["after"]["name"], &row["address"]), (&json!("前台"), &json!("127.0.0.1")), "{row}");
    let before = auditor.get(&app, &format!("/audit/{}", seq - 1)).await;
    assert_eq!((&row["prev_hash"], before["seq"].as_i64()), (&before["hash"], Some(seq - 1)));
    for nothing in ["0", "-1", "999999", "x", "99999999999999999999"] {
        let answer = auditor.ask(&app, ("GET", &format!("/audit/{nothing}")), &[], Value::Null).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[tokio::test]
async fn a_group_and_a_key_that_are_made_twice_under_one_name_are_made_once() {
    let app = App::start(&[]).await;
    let (admin, other) = (Person::new(&app, "administrator"), Person::called(&app, "other", "administrator"));
    let make = async |who: &Person, path: &str, name: &str, body: &Value| {
        who.ask(&app, ("POST", path), &[("idempotency-key", name)], body.clone()).await
    };
    let group = json!({"server_code": "frontdesk", "tools": ["search_users"]});
    let key = json!({"name": "dify"});
    for (path, body, secret) in [("/groups", &group, "/key/key"), ("/groups/frontdesk/keys", &key, "/key")] {
        // A name is one for each route: `one` names two requests here.
        let (first, again) = (make(&admin, path, "one", body).await, make(&admin, path, "one", body).await);
        assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED), "{path}: {again:?}");
        assert!(!first.headers.contains_key("idempotency-replayed") && again.headers["idempotency-replayed"] == "true", "{path}");
        for header in ["location", "content-type"] {
            assert_eq!(first.headers[header], again.headers[header], "{path}");
        }
        assert_eq!(
            (first.headers.get("etag"), &first.body),
            (again.headers.get("etag"), &again.body),
            "{path}: and the key in it is the same"
        );
        let key = text(first.json().pointer(secret).unwrap());
        assert_eq!(app.rpc(Era::Silent, &app.root_url(), Some(&key), "tools/list", json!({})).await.status, 200, "{path}");
        let stranger = make(&other, path, "one", body).await;
        assert_eq!(stranger.status, StatusCode::CONFLICT, "{path}: another person's names are others, and it is there: {stranger:?}");
        assert!(!stranger.body.contains(&key), "{path}");
        assert_eq!(make(&admin, path, "two", body).await.status, StatusCode::CONFLICT, "{path}: another name is another request");
    }
    assert_eq!(make(&admin, "/groups", "one", &json!({"server_code": "backdesk"})).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(app.count("SELECT count(*) FROM mcp_tool_groups WHERE server_code IN ('frontdesk', 'backdesk')"), 1);
    let keys = admin.get(&app, "/groups/frontdesk/keys").await;
    let names: Vec<_> = keys.as_array().unwrap().iter().map(|key| text(&key["name"])).collect();
    assert_eq!(names, ["default", "dify"], "{keys}");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'group.create' AND object = 'group/frontdesk'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'key.add' AND object = 'key/frontdesk/dify'"), 1);
}

#[tokio::test]
async fn an_answer_carries_a_version_where_the_document_says_so_and_nowhere_else() {
    let app = App::start(&[]).await;
    let admin = Person::new(&app, "administrator");
    let document = admin.get(&app, "/openapi.json").await;
    let key = text(&admin.get(&app, "/groups/system_tools/keys").await[0]["id"]);
    let names = [
        ("{server_code}", "system_tools"),
        ("{name}", "search_users"),
        ("{key_id}", key.as_str()),
        ("{login}", "administrator"),
        ("{key}", "mcp.listen"),
        ("{seq}", "1"),
    ];
    let filled = |path: &str| {
        let path = path.replace("/settings/{name}", "/settings/welcome.deadline");
        names.iter().fold(path, |path, (name, value)| path.replace(name, value))
    };
    let mut versions = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // What never ends, and what asks for more than a path.
        let asked = filled(path);
        if item.get("get").is_none()
            || asked.contains('{')
            || path.ends_with("/tail")
            || path.ends_with("/export")
            || path.ends_with("/connect")
        {
            continue;
        }
        let query = if path == "/api/v1/limits" { "?server_code=system_tools" } else { "" };
        let answer = app.api(&admin.token, "GET", &format!("{asked}{query}"), &[], None).await;
        assert_eq!(answer.status, StatusCode::OK, "{asked}: {answer:?}");
        let said = item["get"]["responses"]["200"]["headers"]["ETag"].is_object();
        assert_eq!(answer.headers.contains_key("etag"), said, "{path}: the document says so: {said}");
        versions += usize::from(said);
    }
    assert!(versions >= 8, "{versions}");
    let stale = admin.ask(&app, ("PATCH", "/groups/system_tools"), &[("if-match", "\"1\"")], json!({"name": "x"})).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let shown = admin.ask(&app, ("GET", "/groups/system_tools"), &[], Value::Null).await;
    assert_eq!(etag(&stale), etag(&shown), "a refusal says the version that there is");
}

#[tokio::test]
async fn the_page_of_the_document_asks_nobody_outside() {
    let app = App::start(&[]).await;
    let admin = Person::new(&app, "administrator");
    let page = admin.ask(&app, ("GET", "/docs/"), &[], Value::Null).await;
    assert!(page.status == StatusCode::OK && page.body.contains("swagger-initializer.js"), "{page:?}");
    let begin = admin.ask(&app, ("GET", "/docs/swagger-initializer.js"), &[], Value::Null).await;
    assert!(begin.body.contains("\"/api/v1/openapi.json\"") && begin.body.contains("\"validatorUrl\": \"none\""), "{}", begin.body);
    assert!(!begin.body.contains("https://"), "{}", begin.body);
}
