//! Groups, keys and limits in the API and on the pages: versions, rotation as a client sees it, and where keys are not.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admin_kit::{Browser, etag},
    harness::{App, Era},
};

const GROUPS: &str = "/api/v1/groups";

async fn status(app: &App, key: &str) -> u16 {
    app.rpc(Era::Silent, &app.root_url(), Some(key), "tools/list", json!({})).await.status.as_u16()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// Id of the group's key of this name.
async fn key_id(app: &App, token: &str, code: &str, name: &str) -> String {
    let keys = app.api(token, "GET", &format!("{GROUPS}/{code}/keys"), &[], None).await.json();
    let key = keys.as_array().unwrap().iter().find(|key| key["name"] == name && key["state"] == "current").unwrap();
    text(&key["id"])
}

#[tokio::test]
async fn a_group_is_made_changed_and_deleted_and_a_lost_update_is_refused() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let body = json!({"server_code": "frontdesk", "name": "前台", "tools": ["search_users"], "allowed_roles": ["consultant"], "user_tier_access": ["internal"]});
    let made = app.api(&token, "POST", GROUPS, &[], Some(body.clone())).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.location(), "/api/v1/groups/frontdesk");
    let key = text(&made.json()["key"]["key"]);
    assert_eq!(status(&app, &key).await, 200, "the key opens the group at once");
    assert_eq!(app.api(&token, "POST", GROUPS, &[], Some(body)).await.status, StatusCode::CONFLICT);

    let shown = app.api(&token, "GET", &format!("{GROUPS}/frontdesk"), &[], None).await;
    let etag = shown.headers["etag"].to_str().unwrap().to_owned();
    assert!(!shown.body.contains(&key) && shown.json()["tool_policies"][0]["offered"] == true, "{shown:?}");
    let path = format!("{GROUPS}/frontdesk");
    let change = |name: &str| Some(json!({"name": name}));
    assert_eq!(app.api(&token, "PATCH", &path, &[], change("甲")).await.status, StatusCode::PRECONDITION_REQUIRED);
    let first = app.api(&token, "PATCH", &path, &[("if-match", &etag)], change("甲")).await;
    assert!(first.status == 200 && first.json()["effective_immediately"] == true, "{first:?}");
    let late = app.api(&token, "PATCH", &path, &[("if-match", &etag)], change("乙")).await;
    assert_eq!((late.status, &late.json()["current"]["name"]), (StatusCode::PRECONDITION_FAILED, &json!("甲")), "{late:?}");
    assert_eq!(late.headers["etag"], first.headers["etag"]);
    assert_eq!(app.api(&token, "DELETE", &path, &[("if-match", &etag)], None).await.status, StatusCode::PRECONDITION_FAILED);
    let limit = json!({"server_code": "frontdesk", "limits": {"call_per_minute": 7}});
    assert_eq!(app.api(&token, "PATCH", "/api/v1/limits", &[("if-match", "*")], Some(limit)).await.status, 200);
    let alias = json!({"tool_name": "search_users", "until": "90d"});
    assert_eq!(app.api(&token, "PUT", &format!("{path}/aliases/find_users"), &[], Some(alias)).await.status, 200);
    let etag = first.headers["etag"].to_str().unwrap();
    assert_eq!(app.api(&token, "DELETE", &path, &[("if-match", etag)], None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(status(&app, &key).await, 401);
    let rows = app.ok_json(&["audit", "list", "--action", "group.delete"]);
    let before = &rows[0]["before"];
    assert_eq!(
        (&before["keys"][0]["name"], &before["tools"], &before["limits"][0]["value"], &before["aliases"][0]["alias"]),
        (&json!("default"), &json!(["search_users"]), &json!(7), &json!("find_users")),
        "what went with it is on record: {rows}"
    );
    assert!(key.ends_with(before["keys"][0]["hint"].as_str().unwrap()) && !rows.to_string().contains(&key), "{rows}");
}

#[tokio::test]
async fn a_page_of_groups_follows_although_the_group_before_it_is_gone() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let page = async |query: &str| app.api(&token, "GET", &format!("{GROUPS}?limit=2{query}"), &[], None).await;
    let codes = |page: &Value| page["items"].as_array().unwrap().iter().map(|group| text(&group["server_code"])).collect::<Vec<_>>();
    let (mut all, first) = (Vec::new(), page("").await.json());
    all.extend(codes(&first));
    let gone = all[1].clone();
    assert_eq!(app.api(&token, "DELETE", &format!("{GROUPS}/{gone}"), &[("if-match", "*")], None).await.status, StatusCode::NO_CONTENT);
    let mut next = first["next_cursor"].clone();
    while let Some(cursor) = next.as_str() {
        let page = page(&format!("&cursor={cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        all.extend(codes(&page.json()));
        next = page.json()["next_cursor"].clone();
    }
    all.sort();
    let mut wanted = crate::harness::GROUPS.map(str::to_owned).to_vec();
    wanted.sort();
    assert_eq!(all, wanted);
    let refused = page("&cursor=x").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["pointer"]), (422, &json!("/cursor")), "{refused:?}");
}

#[tokio::test]
async fn every_mistake_is_named_by_its_pointer_in_the_readers_language() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let body = json!({"server_code": "A B", "name": "", "allowed_roles": ["boss"], "user_tier_access": ["internal", "vip"], "tools": []});
    let refused = app.api(&token, "POST", GROUPS, &[("accept-language", "zh-CN")], Some(body)).await;
    let problem = refused.json();
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
    assert_eq!(
        (refused.status.as_u16(), pointers),
        (422, vec!["/server_code".into(), "/name".into(), "/allowed_roles/0".into(), "/user_tier_access/1".into()]),
        "{problem}"
    );
    assert!(text(&problem["errors"][0]["detail"]).contains("分组代码"), "{problem}");
    for (body, pointer) in [(json!({}), "/server_code"), (json!({"server_code": "x", "colour": 1}), "/colour")] {
        let refused = app.api(&token, "POST", GROUPS, &[], Some(body.clone())).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}: {refused:?}");
    }
    let unknown = json!({"server_code": "x", "tools": ["no_such_tool"]});
    assert_eq!(app.api(&token, "POST", GROUPS, &[], Some(unknown)).await.json()["errors"][0]["pointer"], "/tools/0");
    let scoped = json!({"server_code": "x", "subject_scoped": true, "tools": ["get_user_profile", "search_users"]});
    assert_eq!(app.api(&token, "POST", GROUPS, &[], Some(scoped)).await.json()["errors"][0]["pointer"], "/tools/1");
    assert_eq!(app.count("SELECT count(*) FROM mcp_tool_groups"), 5);
}

#[tokio::test]
async fn a_rotation_with_grace_is_what_clients_see_and_who_uses_the_old_key_is_told() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let old = app.key("system_tools");
    let id = key_id(&app, &token, "system_tools", "default").await;
    let path = format!("{GROUPS}/system_tools/keys/{id}");
    let wrong = app.api(&token, "POST", &format!("{path}/rotate"), &[], Some(json!({"grace": "soon", "expires": "later"}))).await;
    assert_eq!(wrong.json()["errors"].as_array().unwrap().len(), 2, "{wrong:?}");
    let rotated = app.api(&token, "POST", &format!("{path}/rotate"), &[], Some(json!({"grace": "1h", "reason": "季度轮换"}))).await.json();
    let new = text(&rotated["key"]);
    assert!(rotated["replaces"] == json!(id) && rotated["old_key_valid_until"].is_string(), "{rotated}");
    assert_eq!((status(&app, &old).await, status(&app, &new).await), (200, 200), "both are good within the grace");
    let users = app.api(&token, "GET", &format!("{GROUPS}/system_tools/key-users?key_id={id}"), &[], None).await.json();
    assert_eq!((&users[0]["state"], &users[0]["users"][0]["calls_since_rotation"]), (&json!("in_grace"), &json!(1)), "{users}");
    let retired = app.api(&token, "POST", &format!("{path}/retire"), &[], Some(json!({}))).await;
    assert!(retired.status == 200 && retired.json()["state"] == "replaced", "{retired:?}");
    assert_eq!(retired.json()["effective_immediately"], true, "{retired:?}");
    assert_eq!((status(&app, &old).await, status(&app, &new).await), (401, 200));
    assert_eq!(
        app.api(&token, "POST", &format!("{path}/rotate"), &[], Some(json!({}))).await.status,
        StatusCode::CONFLICT,
        "it was rotated"
    );
    let id = text(&rotated["id"]);
    let revoked = app.api(&token, "POST", &format!("{GROUPS}/system_tools/keys/{id}/revoke"), &[], Some(json!({"reason": "泄露"}))).await;
    assert_eq!((&revoked.json()["state"], status(&app, &new).await), (&json!("revoked"), 401));
    assert_eq!(revoked.json()["effective_immediately"], true, "{revoked:?}");
}

#[tokio::test]
async fn a_key_is_renamed_on_the_version_that_was_seen() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let path = format!("{GROUPS}/system_tools/keys/{}", key_id(&app, &token, "system_tools", "default").await);
    let shown = app.api(&token, "GET", &path, &[], None).await;
    let seen = etag(&shown);
    assert_eq!(seen, format!("\"{}\"", shown.json()["version"]));
    let name = |name: &str| Some(json!({"name": name}));
    let missing = app.api(&token, "PATCH", &path, &[], name("dify")).await;
    assert_eq!(missing.status, StatusCode::PRECONDITION_REQUIRED, "{missing:?}");
    let renamed = app.api(&token, "PATCH", &path, &[("if-match", &seen)], name("dify")).await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["name"]), (200, &json!("dify")), "{renamed:?}");
    assert_eq!(renamed.json()["effective_immediately"], true);
    let late = app.api(&token, "PATCH", &path, &[("if-match", &seen)], name("cursor")).await;
    assert_eq!((late.status, &late.json()["current"]["name"]), (StatusCode::PRECONDITION_FAILED, &json!("dify")), "{late:?}");
    assert_eq!((etag(&late), app.audited("key.rename")), (etag(&renamed), 1));
    assert_eq!(app.api(&token, "PATCH", &path, &[("if-match", &etag(&late))], name("cursor")).await.status, 200);
}

#[tokio::test]
async fn a_look_at_a_key_is_on_record_and_a_key_is_nowhere_else() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let key = app.key("system_tools");
    let before = app.audited("key.reveal");
    let id = key_id(&app, &token, "system_tools", "default").await;
    let path = format!("{GROUPS}/system_tools/keys/{id}/reveal");
    let silent = app.api(&token, "POST", &path, &[], Some(json!({"reason": " "}))).await;
    assert_eq!((silent.status.as_u16(), &silent.json()["errors"][0]["pointer"]), (422, &json!("/reason")), "{silent:?}");
    assert_eq!(app.audited("key.reveal"), before, "nothing was shown");
    let shown = app.api(&token, "POST", &path, &[], Some(json!({"reason": "排查 Dify"}))).await;
    assert_eq!(text(&shown.json()["key"]), key);
    let connect = json!({"host": "cursor", "reason": "新同事"});
    let snippets = app.api(&token, "POST", &format!("{GROUPS}/system_tools/connect"), &[], Some(connect)).await;
    assert!(snippets.json()["with_key"] == true && text(&snippets.json()["file"]["text"]).contains(&key), "{snippets:?}");
    assert_eq!(app.audited("key.reveal"), before + 2);
    let rows = app.ok_json(&["audit", "list", "--action", "key.reveal"]);
    let last = rows.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["reason"], &last["actor"], &last["object"]),
        (&json!("新同事"), &json!("account:administrator"), &json!("key/system_tools/default"))
    );
    assert!(last["address"].as_str().is_some_and(|address| address.contains("127.0.0.1")), "{last}");
    assert!(!app.ok_json(&["audit", "list"]).to_string().contains(&key), "no secret in the audit log");
    assert!(!app.log().contains(&key), "no secret in the log");
    let plain = app.api(&token, "GET", &format!("{GROUPS}/system_tools/connect?host=cursor"), &[], None).await;
    assert!(!plain.body.contains(&key) && plain.body.contains("KEY_OF_SYSTEM_TOOLS") && plain.body.contains(app.mcp_root()), "{plain:?}");
}

#[tokio::test]
async fn disabling_is_in_force_for_the_next_request_and_who_breaks_is_known_before() {
    let app = App::start(&[("call_log.durable", "true")]).await;
    let token = app.token_of_a("administrator");
    let key = app.key("system_tools");
    app.call(Era::Modern, "system_tools", "search_users", json!({"query": "张"})).await;
    let impact = app.api(&token, "GET", &format!("{GROUPS}/system_tools/impact?enabled=false"), &[], None).await.json();
    assert_eq!(
        (&impact["calls"], &impact["complete"], &impact["clients"][0]["key"]),
        (&json!(1), &json!(true), &json!("default")),
        "{impact}"
    );
    assert_eq!(
        (&impact["accounts"], &impact["tools"]),
        (&json!(["administrator"]), &json!(["get_user_profile", "search_users"])),
        "{impact}"
    );
    let narrowed = app.api(&token, "GET", &format!("{GROUPS}/system_tools/impact?allowed_roles=doctor"), &[], None).await.json();
    assert_eq!((&narrowed["accounts"], &narrowed["calls"]), (&json!(["administrator"]), &json!(0)), "{narrowed}");
    let shown = app.api(&token, "GET", &format!("{GROUPS}/system_tools"), &[], None).await;
    let etag = shown.headers["etag"].to_str().unwrap();
    app.api(&token, "PATCH", &format!("{GROUPS}/system_tools"), &[("if-match", etag)], Some(json!({"enabled": false}))).await;
    assert_eq!(status(&app, &key).await, 403);
    let scoped = app
        .api(
            &token,
            "PATCH",
            &format!("{GROUPS}/system_tools"),
            &[("if-match", "*")],
            Some(json!({"enabled": true, "subject_scoped": true})),
        )
        .await;
    assert_eq!(scoped.json()["hidden"], json!(["search_users"]), "{scoped:?}");
}

#[tokio::test]
async fn limits_are_set_and_taken_away_and_what_is_none_is_named() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let change = async |body: Value| app.api(&token, "PATCH", "/api/v1/limits", &[("if-match", "*")], Some(body)).await;
    let set = change(json!({"server_code": "system_tools", "limits": {"list_per_minute": 1}})).await;
    assert!(
        set.json()
            .as_array()
            .unwrap()
            .iter()
            .any(|line| line["limit"] == "list_per_minute" && line["value"] == 1 && line["from"] == "group"),
        "{set:?}"
    );
    let key = app.key("system_tools");
    assert_eq!((status(&app, &key).await, status(&app, &key).await), (200, 429));
    let cleared = change(json!({"server_code": "system_tools", "limits": {"list_per_minute": null}})).await;
    assert!(cleared.json().as_array().unwrap().iter().all(|line| line["from"] == "settings"), "{cleared:?}");
    let wrong = change(json!({"server_code": "system_tools", "tool": "search_users", "limits": {"calls_per_day": 3}})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["pointer"]), (422, &json!("/limits/calls_per_day")));
    assert_eq!(change(json!({"server_code": "nobody", "limits": {}})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn limits_are_changed_on_the_version_that_was_seen_all_or_none() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let read = async || etag(&app.api(&token, "GET", "/api/v1/limits?server_code=system_tools", &[], None).await);
    let change = async |more: &[(&str, &str)], limits: Value| {
        let body = json!({"server_code": "system_tools", "limits": limits});
        app.api(&token, "PATCH", "/api/v1/limits", more, Some(body)).await
    };
    let seen = read().await;
    assert_eq!(change(&[], json!({"call_per_minute": 5})).await.status, StatusCode::PRECONDITION_REQUIRED);
    let set = change(&[("if-match", &seen)], json!({"call_per_minute": 5, "list_per_minute": 6})).await;
    assert_eq!((set.status.as_u16(), etag(&set)), (200, read().await), "{set:?}");
    let late = change(&[("if-match", &seen)], json!({"call_per_minute": 9})).await;
    let current = late.json()["current"].clone();
    let of_group = |limit: &str| current.as_array().unwrap().iter().find(|line| line["limit"] == limit && line["from"] == "group").cloned();
    assert_eq!((late.status, &of_group("call_per_minute").unwrap()["value"]), (StatusCode::PRECONDITION_FAILED, &json!(5)), "{late:?}");
    assert_eq!(etag(&late), etag(&set));
    let half = change(&[("if-match", "*")], json!({"call_per_minute": null, "other_per_minute": -1})).await;
    assert_eq!((half.status.as_u16(), read().await), (422, etag(&set)), "nothing of what is refused is done: {half:?}");
    let both = change(&[("if-match", &etag(&set))], json!({"call_per_minute": null, "other_per_minute": 7})).await;
    assert_eq!(both.status, 200, "{both:?}");
    assert_eq!((app.audited("limit.set"), app.audited("limit.clear")), (3, 1));
    let other = app.api(&token, "GET", "/api/v1/limits?server_code=project_tools", &[], None).await;
    assert_ne!(etag(&other), etag(&both), "another group has other limits");
}

#[tokio::test]
async fn who_may_only_look_changes_nothing_and_sees_no_key() {
    let app = App::start(&[]).await;
    let (operator, auditor) = (app.token_of_a("operator"), app.token_of_a("auditor"));
    let id = key_id(&app, &auditor, "system_tools", "default").await;
    for token in [&operator, &auditor] {
        for (method, path, body) in [
            ("POST", GROUPS.to_owned(), json!({"server_code": "x"})),
            ("PATCH", format!("{GROUPS}/system_tools"), json!({"name": "x"})),
            ("DELETE", format!("{GROUPS}/system_tools"), json!({})),
            ("POST", format!("{GROUPS}/system_tools/keys/{id}/reveal"), json!({"reason": "x"})),
            ("POST", format!("{GROUPS}/system_tools/keys/{id}/rotate"), json!({})),
            ("POST", format!("{GROUPS}/system_tools/connect"), json!({"host": "cursor", "reason": "x"})),
            ("PATCH", "/api/v1/limits".to_owned(), json!({"server_code": "system_tools", "limits": {}})),
        ] {
            let answer = app.api(token, method, &path, &[("if-match", "*")], Some(body)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}: {answer:?}");
        }
    }
    assert_eq!(app.audited("key.reveal"), 0);
}

#[tokio::test]
async fn the_size_of_a_list_is_that_of_what_clients_get() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    for code in ["system_tools", "medical_tools"] {
        let key = app.key(code);
        let list = app.rpc(Era::Silent, &app.group_url(code), Some(&key), "tools/list", json!({})).await;
        // The array as it went over the wire.
        let begin = list.body.find("\"tools\":").unwrap() + "\"tools\":".len();
        let mut tools = serde_json::Deserializer::from_str(&list.body[begin..]).into_iter::<Value>();
        tools.next().unwrap().unwrap();
        let size = app.api(&token, "GET", &format!("{GROUPS}/{code}/size"), &[], None).await.json();
        assert_eq!(size["bytes"], json!(tools.byte_offset()), "{size}");
        assert!(size["estimated_tokens"].as_u64().unwrap() > 100, "{size}");
    }
}

#[tokio::test]
async fn the_pages_do_the_same() {
    let app = App::start(&[]).await;
    app.account("root", "administrator");
    let mut browser = Browser::signed_in(&app, "root").await;
    let list = browser.get("/panel/groups").await;
    assert!(list.status == 200 && list.body.contains("system_tools") && list.body.contains("/panel/groups/new"), "{list:?}");
    let refused =
        browser.post("/panel/groups/new", &[("server_code", "Front Desk"), ("name", "<b>前台</b>"), ("tools", "search_users")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.body.contains("a server code is 1 to 24") && refused.body.contains("&#60;b&#62;前台"),
        "what was typed stays, as text: {}",
        refused.body
    );
    let made = browser
        .post(
            "/panel/groups/new",
            &[("server_code", "frontdesk"), ("name", "<b>前台</b>"), ("tools", "search_users"), ("allowed_roles", "admin")],
        )
        .await;
    let key = made.body.split("id=\"key-text\"").nth(1).and_then(|rest| rest.split(['>', '<']).nth(1)).unwrap().to_owned();
    assert!(made.status == 200 && status(&app, &key).await == 200, "{made:?}");
    let page = browser.get("/panel/groups/frontdesk").await;
    assert!(!page.body.contains(&key) && !page.body.contains("<b>前台") && page.body.contains("search_users"), "{page:?}");

    let form = browser.get("/panel/groups/frontdesk/edit").await;
    let seen = form.body.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = |name| vec![("seen", seen.as_str()), ("name", name), ("description", "说明")];
    let preview = browser.post("/panel/groups/frontdesk/edit", &[fields("甲"), vec![("preview", "true")]].concat()).await;
    assert!(preview.status == 200 && preview.body.contains("Who will break"), "{preview:?}");
    assert_eq!(browser.post("/panel/groups/frontdesk/edit", &fields("甲")).await.status, StatusCode::SEE_OTHER);
    let late = browser.post("/panel/groups/frontdesk/edit", &fields("乙")).await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert!(late.body.contains("甲") && late.body.contains("value=\"乙\""), "both versions are there: {}", late.body);

    let id = app.ok_json(&["key", "list", "frontdesk"])[0]["id"].as_str().unwrap().to_owned();
    let keys = format!("/panel/groups/frontdesk/keys/{id}");
    assert!(browser.post(&format!("{keys}/reveal"), &[("reason", "")]).await.status == 422);
    let shown = browser.post(&format!("{keys}/reveal"), &[("reason", "排查")]).await;
    assert!(shown.body.contains(&key) && app.audited("key.reveal") >= 1, "{shown:?}");
    let rotated = browser.post(&format!("{keys}/rotate"), &[("grace", "1h"), ("reason", "")]).await;
    assert!(rotated.status == 200 && rotated.body.contains("The old key is valid until"), "{rotated:?}");
    assert!(browser.get(&keys).await.body.contains("in its grace"));
    let connect = browser.get("/panel/groups/frontdesk/connect?host=vscode").await;
    assert!(
        connect.body.contains("vscode:mcp/install?") && connect.body.contains("KEY_OF_FRONTDESK") && !connect.body.contains("mcp_key_"),
        "{connect:?}"
    );
    let limits =
        browser.post("/panel/groups/frontdesk/limits", &[("whose", "tool:search_users"), ("limit", "calls_per_day"), ("value", "3")]).await;
    assert!(limits.status == 422 && limits.body.contains("a tool has no calls_per_day"), "{limits:?}");
    let seen = |page: &str| page.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let first = seen(&browser.get("/panel/groups/frontdesk/limits").await.body);
    let mine = |value: &'static str| [("whose", ""), ("limit", "call_per_minute"), ("value", value), ("seen", &*first)];
    assert_eq!(browser.post("/panel/groups/frontdesk/limits", &mine("41")).await.status, StatusCode::SEE_OTHER);
    let late = browser.post("/panel/groups/frontdesk/limits", &mine("43")).await;
    assert!(late.status == 412 && late.body.contains("Somebody has changed the limits meanwhile"), "{late:?}");
    assert!(late.body.contains(">41<") && late.body.contains("value=\"43\""), "what is there, and what was written: {late:?}");
    let asked = browser.get("/panel/groups/frontdesk/impact?of=delete").await;
    let seen = seen(&asked.body);
    assert_eq!(browser.post("/panel/groups/frontdesk/delete", &[("seen", &seen)]).await.status, StatusCode::SEE_OTHER);
    assert!(!app.log().contains(&key));
}
