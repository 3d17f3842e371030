//! Tools in the API and on the pages: what they are, how groups offer them, and trying one out.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admin_kit::{Browser, etag},
    harness::{App, Era},
};

const SEARCH: &str = "/api/v1/groups/system_tools/tools/search_users";

async fn listed(app: &App) -> Vec<String> {
    let key = app.key("system_tools");
    let list = app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.json();
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_documentation_is_made_of_the_definition() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("auditor");
    let tools = app.api(&token, "GET", "/api/v1/tools?limit=200", &[], None).await.json();
    assert_eq!(tools["items"].as_array().unwrap().len(), 11, "{tools}");
    let docs = app.api(&token, "GET", "/api/v1/tools/generate_treatment_plan", &[], None).await.json();
    let arguments = docs["arguments"].as_array().unwrap();
    let of = |name: &str| arguments.iter().find(|argument| argument["name"] == name).unwrap_or_else(|| panic!("{name}: {docs}"));
    assert_eq!((&of("customer_profile")["required"], &of("customer_profile.age")["kind"]), (&json!(true), &json!("integer")));
    assert_eq!((&of("requirements.goals")["items"], &docs["annotations"]["read_only"]), (&json!("string"), &json!(false)));
    assert!(docs["output_schema"]["properties"]["plan_id"].is_object() && docs["example"].is_object(), "{docs}");
    assert_eq!(docs["groups"][0]["server_code"], "medical_tools");
    assert_eq!(app.api(&token, "GET", "/api/v1/tools/nobody", &[], None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_change_is_in_force_for_the_next_request_and_bad_ones_are_named_by_pointer() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let shown = app.api(&token, "GET", SEARCH, &[], None).await;
    let etag = shown.headers["etag"].to_str().unwrap().to_owned();
    let change = async |etag: &str, body: Value| app.api(&token, "PATCH", SEARCH, &[("if-match", etag)], Some(body)).await;
    for (body, pointer) in [
        (json!({"config_data": {"allow_contacts": true}}), "/config_data/allow_contacts"),
        (json!({"config_data": {"allow_contact": "yes"}}), "/config_data/allow_contact"),
        (json!({"config_data": 3}), "/config_data"),
        (json!({"timeout_seconds": 301}), "/timeout_seconds"),
        (json!({"timeout_seconds": "5"}), "/timeout_seconds"),
        (json!({"colour": "red"}), "/colour"),
    ] {
        let refused = change(&etag, body.clone()).await;
        let problem = refused.json();
        assert_eq!((refused.status.as_u16(), problem["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{body}: {problem}");
    }
    let off = change(&etag, json!({"enabled": false, "timeout_seconds": 7})).await;
    assert!(off.status == 200 && off.json()["effective_immediately"] == true, "{off:?}");
    assert_eq!(listed(&app).await, ["get_user_profile"]);
    let late = change(&etag, json!({"enabled": true})).await;
    assert_eq!((late.status, &late.json()["current"]["timeout_seconds"]), (StatusCode::PRECONDITION_FAILED, &json!(7)), "{late:?}");
    let new = off.headers["etag"].to_str().unwrap();
    let on = change(new, json!({"enabled": true, "description": "只按姓名", "config_data": {"allow_contact": true}})).await;
    assert_eq!((on.status.as_u16(), listed(&app).await.len()), (200, 2), "{on:?}");
    let rows = app.ok_json(&["audit", "list", "--object", "tool/system_tools/search_users"]);
    assert_eq!(rows.as_array().unwrap().len(), 2, "what was refused left nothing: {rows}");
    assert_eq!((&rows[1]["before"]["enabled"], &rows[1]["after"]["config_data"]), (&json!(false), &json!({"allow_contact": true})));
}

#[tokio::test]
async fn a_try_goes_through_dispatch_and_is_logged_as_the_account() {
    let app = App::with_records(&[("call_log.durable", "true")]).await;
    let token = app.token_of_a("operator");
    let call = async |arguments: Value| {
        app.api(&token, "POST", &format!("{SEARCH}/call"), &[], Some(json!({"arguments": arguments}))).await.json()
    };
    let done = call(json!({"query": "张", "limit": "3"})).await;
    assert_eq!((&done["outcome"], done["result"]["count"].as_u64() > Some(0)), (&json!("ok"), true), "{done}");
    let wrong = call(json!({"limit": "three"})).await;
    let pointers: Vec<_> = wrong["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert!(wrong["outcome"] == "failed" && pointers.contains(&json!("/query")) && pointers.contains(&json!("/limit")), "{wrong}");
    let logged =
        app.count("SELECT count(*) FROM mcp_call_logs WHERE channel = 'admin' AND client_name = 'operator' AND tool_name = 'search_users'");
    assert_eq!(logged, 2);
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE channel = 'admin' AND outcome = 'invalid_arguments'"), 1);
    let figures = app.api(&token, "GET", &format!("{SEARCH}/figures"), &[], None).await.json();
    assert_eq!((&figures["calls"], &figures["failed"], &figures["complete"]), (&json!(2), &json!(1), &json!(true)), "{figures}");
    let impact = app.api(&token, "GET", &format!("{SEARCH}/impact"), &[], None).await.json();
    assert_eq!((&impact["clients"][0]["channel"], &impact["clients"][0]["client"]), (&json!("admin"), &json!("operator")), "{impact}");
    app.ok(&["tool", "disable", "system_tools", "search_users"]);
    assert_eq!(call(json!({"query": "张"})).await["outcome"], "unknown_tool", "a try is no way around what the group offers");
    app.ok(&["group", "disable", "system_tools"]);
    let closed = app.api(&token, "POST", &format!("{SEARCH}/call"), &[], Some(json!({}))).await;
    assert_eq!(closed.status, StatusCode::CONFLICT, "{closed:?}");
}

#[tokio::test]
async fn an_operator_sets_tools_up_and_does_not_decide_who_sees_what() {
    let app = App::start(&[]).await;
    let (operator, auditor) = (app.token_of_a("operator"), app.token_of_a("auditor"));
    let change = async |token: &str, body: Value| app.api(token, "PATCH", SEARCH, &[("if-match", "*")], Some(body)).await.status;
    assert_eq!(change(&operator, json!({"timeout_seconds": 9})).await, 200);
    assert_eq!(change(&operator, json!({"config_data": {"allow_contact": true}})).await, 403);
    assert_eq!(change(&auditor, json!({"timeout_seconds": 9})).await, 403);
    assert_eq!(app.api(&auditor, "POST", &format!("{SEARCH}/call"), &[], Some(json!({}))).await.status, 403);
    let add = json!({"tool_name": "get_service_info"});
    assert_eq!(app.api(&operator, "POST", "/api/v1/groups/system_tools/tools", &[], Some(add)).await.status, 403);
    assert_eq!(app.api(&operator, "DELETE", SEARCH, &[("if-match", "*")], None).await.status, 403);
}

#[tokio::test]
async fn tools_are_added_taken_out_and_read_anew() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("administrator");
    let tools = "/api/v1/groups/system_tools/tools";
    let added = app.api(&token, "POST", tools, &[], Some(json!({"tool_name": "get_service_info"}))).await;
    assert_eq!((added.status, added.location()), (StatusCode::CREATED, "/api/v1/groups/system_tools/tools/get_service_info"), "{added:?}");
    assert_eq!(listed(&app).await.len(), 3);
    app.ok(&["tool", "disable", "system_tools", "get_service_info"]);
    let again = app.api(&token, "POST", tools, &[], Some(json!({"tool_name": "get_service_info"}))).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{again:?}");
    assert!(again.json()["detail"].as_str().unwrap().contains("PATCH /api/v1/groups/system_tools/tools/get_service_info"), "{again:?}");
    assert_eq!(listed(&app).await.len(), 2, "what was switched off is not switched on by it");
    let shown = app.api(&token, "GET", &format!("{tools}/get_service_info"), &[], None).await;
    let etag = shown.headers["etag"].to_str().unwrap();
    assert_eq!(
        app.api(&token, "DELETE", &format!("{tools}/get_service_info"), &[("if-match", etag)], None).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!((listed(&app).await.len(), app.audited("tool.remove")), (2, 1));
    let unfit = app.api(&token, "POST", "/api/v1/groups/welcome_tools/tools", &[], Some(json!({"tool_name": "search_users"}))).await;
    assert_eq!((unfit.status.as_u16(), &unfit.json()["errors"][0]["pointer"]), (422, &json!("/tool_name")), "{unfit:?}");
    app.change("UPDATE mcp_tool_schemas SET input_schema = '{}' WHERE tool_name = 'search_users'");
    app.change("UPDATE mcp_tools SET version = '0.9.0' WHERE tool_name = 'optimize_plan'");
    let found = app.api(&token, "POST", "/api/v1/tools/refresh", &[], None).await.json();
    assert_eq!(found["definitions"], json!([{"tool_name": "search_users", "change": "changed"}]), "{found}");
    assert_eq!(
        found["entries"],
        json!([{"server_code": "medical_tools", "tool_name": "optimize_plan", "difference": "version"}]),
        "{found}"
    );
    let again = app.api(&token, "POST", "/api/v1/tools/refresh", &[], None).await.json();
    assert_eq!((&again["definitions"], &again["effective_immediately"]), (&json!([]), &json!(true)), "{again}");
}

#[tokio::test]
async fn old_names_are_answered_until_their_end() {
    let app = App::with_records(&[]).await;
    let token = app.token_of_a("operator");
    let alias = "/api/v1/groups/system_tools/aliases/find_users";
    let set = app.api(&token, "PUT", alias, &[], Some(json!({"tool_name": "search_users", "until": "90d"}))).await;
    assert_eq!((set.status.as_u16(), &set.json()[0]["alias"]), (200, &json!("find_users")), "{set:?}");
    let answered = app.call(Era::Modern, "system_tools", "find_users", json!({"query": "张"})).await;
    assert!(answered["structuredContent"]["count"].is_u64(), "{answered}");
    let past = app.api(&token, "PUT", alias, &[], Some(json!({"tool_name": "search_users", "until": "2020-01-01"}))).await;
    assert_eq!(past.json()["errors"][0]["pointer"], "/until");
    assert_eq!(app.api(&token, "DELETE", alias, &[("if-match", "*")], None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.api(&token, "DELETE", alias, &[("if-match", "*")], None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_old_name_is_changed_on_the_version_that_was_seen_and_what_it_was_is_on_record() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("operator");
    let alias = "/api/v1/groups/system_tools/aliases/find_users";
    let put = async |more: &[(&str, &str)], tool: &str| {
        app.api(&token, "PUT", alias, more, Some(json!({"tool_name": tool, "until": "2099-01-01T00:00:00Z"}))).await
    };
    assert_eq!(put(&[("if-match", "\"1\"")], "search_users").await.status, StatusCode::NOT_FOUND, "of what there is not nothing was seen");
    let made = put(&[("if-none-match", "*")], "search_users").await;
    assert_eq!(made.status, 200, "{made:?}");
    let missing = put(&[], "get_user_profile").await;
    assert_eq!(
        (missing.status, &missing.json()["current"]["tool_name"]),
        (StatusCode::PRECONDITION_REQUIRED, &json!("search_users")),
        "{missing:?}"
    );
    assert_eq!(put(&[("if-none-match", "*")], "get_user_profile").await.status, StatusCode::PRECONDITION_FAILED);
    let shown = app.api(&token, "GET", alias, &[], None).await;
    assert_eq!((etag(&shown), &shown.json()["tool_name"]), (etag(&made), &json!("search_users")), "{shown:?}");
    let moved = put(&[("if-match", &etag(&made))], "get_user_profile").await;
    assert_eq!((moved.status.as_u16(), &moved.json()[0]["tool_name"]), (200, &json!("get_user_profile")), "{moved:?}");
    let late = put(&[("if-match", &etag(&made))], "search_users").await;
    assert_eq!((late.status, etag(&late)), (StatusCode::PRECONDITION_FAILED, etag(&moved)), "{late:?}");
    let listed = app.api(&token, "GET", "/api/v1/groups/system_tools/aliases", &[], None).await.json();
    assert_eq!(format!("\"{}\"", listed[0]["version"]), etag(&moved));
    for (more, status) in
        [(&[][..], 428), (&[("if-match", etag(&made).as_str())][..], 412), (&[("if-match", etag(&moved).as_str())][..], 204)]
    {
        assert_eq!(app.api(&token, "DELETE", alias, more, None).await.status.as_u16(), status, "{more:?}");
    }
    let rows = app.ok_json(&["audit", "list", "--object", "tool/system_tools/find_users"]);
    let told: Vec<_> = rows.as_array().unwrap().iter().map(|row| [&row["before"]["tool_name"], &row["after"]["tool_name"]]).collect();
    let (search, profile) = (json!("search_users"), json!("get_user_profile"));
    assert_eq!(told, [[&Value::Null, &search], [&search, &profile], [&profile, &Value::Null]], "{rows}");
}

#[tokio::test]
async fn the_pages_do_the_same() {
    let app = App::with_records(&[("call_log.durable", "true")]).await;
    app.account("root", "administrator");
    let mut browser = Browser::signed_in(&app, "root").await;
    let matrix = browser.get("/panel/tools").await;
    assert!(matrix.status == 200 && matrix.body.contains("/panel/groups/system_tools/tools/search_users"), "{matrix:?}");
    assert!(browser.post("/panel/tools/refresh", &[]).await.body.contains("Nothing differs"));
    let docs = browser.get("/panel/tools/generate_treatment_plan").await;
    assert!(docs.status == 200 && docs.body.contains("customer_profile.age"), "{docs:?}");
    for code in ["system_tools", "consultation_tools", "medical_tools", "project_tools", "welcome_tools"] {
        for tool in app.ok_json(&["tool", "list", "--group", code]).as_array().unwrap() {
            let path = format!("/panel/groups/{code}/tools/{}", tool["tool_name"].as_str().unwrap());
            assert_eq!(browser.get(&path).await.status, 200, "{path}");
        }
    }
    let page = "/panel/groups/system_tools/tools/search_users";
    let tried = browser.post(&format!("{page}/call"), &[("args/query", "张"), ("args/limit", "2")]).await;
    assert!(tried.status == 200 && tried.body.contains("id=\"try-result\"") && tried.body.contains("usr_zhangwei"), "{tried:?}");
    let wrong = browser.post(&format!("{page}/call"), &[("args/query", ""), ("args/limit", "many")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("is required and missing") && wrong.body.contains("value=\"many\""), "{wrong:?}");
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE channel = 'admin' AND client_name = 'root'"), 2);

    let form = browser.get(page).await;
    let seen = form.body.split("name=\"seen\" value=\"").last().unwrap().split('"').next().unwrap().to_owned();
    let bad = browser.post(page, &[("seen", &seen), ("timeout_seconds", "900"), ("description", "")]).await;
    assert!(bad.status == 422 && bad.body.contains("1 to 300"), "{bad:?}");
    let good = browser
        .post(page, &[("seen", &seen), ("timeout_seconds", "9"), ("description", "只按姓名"), ("switch-allow_contact", "true")])
        .await;
    assert_eq!(good.status, StatusCode::SEE_OTHER, "{good:?}");
    assert_eq!(app.ok_json(&["group", "show", "system_tools"])["tool_policies"][1]["config_data"], json!({"allow_contact": true}));
    let late = browser.post(page, &[("seen", &seen), ("timeout_seconds", "10"), ("description", "x")]).await;
    assert!(late.status == 412 && late.body.contains("只按姓名"), "{late:?}");
    let asked = browser.get(&format!("{page}/impact?of=disable")).await;
    let seen = asked.body.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(asked.body.contains("root"), "who tried it is named: {asked:?}");
    assert_eq!(browser.post(&format!("{page}/switch"), &[("seen", &seen), ("enabled", "false")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(listed(&app).await, ["get_user_profile"]);
}

#[tokio::test]
async fn an_old_name_is_given_moved_and_given_up_on_the_tools_page_which_says_who_calls_it() {
    let app = App::with_records(&[("call_log.durable", "true")]).await;
    app.account("operator", "operator");
    app.account("auditor", "auditor");
    let mut browser = Browser::signed_in(&app, "operator").await;
    let page = "/panel/groups/system_tools/tools/search_users";
    let set = format!("{page}/aliases");
    for (fields, field) in [
        ([("alias", "Find Users"), ("until", "90d")], "alias"),
        ([("alias", "get_user_profile"), ("until", "90d")], "alias"),
        ([("alias", "find_users"), ("until", "2020-01-01")], "until"),
        ([("alias", "find_users"), ("until", "some day")], "until"),
    ] {
        let refused = browser.post(&set, &fields).await;
        assert!(refused.status == 422 && refused.body.contains(&format!("id=\"wrong-{field}\"")), "{fields:?}: {refused:?}");
        assert!(refused.body.contains(&format!("value=\"{}\"", fields[0].1)), "what was typed is gone: {fields:?}");
    }
    for until in ["2030-01-01", "2031-01-01T00:00:00Z"] {
        let done = browser.post(&set, &[("alias", "find_users"), ("until", until)]).await;
        assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, format!("{page}?said=alias-set").as_str()), "{done:?}");
    }
    app.call(Era::Silent, "system_tools", "find_users", json!({"query": "张"})).await;
    for (language, words) in
        [("en", ["Old names", "Who still calls it", "Move its end"]), ("zh-CN", ["旧名称", "仍在使用旧名称的调用方", "改期"])]
    {
        let shown = browser.send("GET", page, &[("cookie", &format!("anmei_language={language}"))], "").await.body;
        for word in words.into_iter().chain(["2031-01-01T00:00:00.000Z", "<td><code>find_users</code></td><td>default …"]) {
            assert!(shown.contains(word), "{language} does not say {word}: {shown}");
        }
    }
    let auditor = Browser::signed_in(&app, "auditor").await;
    let read = auditor.get(page).await.body;
    assert!(read.contains("find_users") && !read.contains("/aliases"), "who may not is not offered");
    let gone = browser.post(&format!("{set}/remove"), &[("alias", "find_users")]).await;
    assert_eq!(gone.location(), format!("{page}?said=alias-removed"));
    assert_eq!(browser.post(&format!("{set}/remove"), &[("alias", "find_users")]).await.status, StatusCode::NOT_FOUND);
    assert!(browser.get(page).await.body.contains("has no old name"));
}

#[tokio::test]
async fn whoever_narrows_a_tool_sees_first_who_calls_it() {
    let app = App::with_records(&[("call_log.durable", "true")]).await;
    app.account("lin", "administrator");
    app.call(Era::Modern, "system_tools", "search_users", json!({"query": "anna"})).await;
    let mut browser = Browser::signed_in(&app, "lin").await;
    let path = "/panel/groups/system_tools/tools/search_users";
    let page = browser.get(path).await.body;
    let seen = page.split_once("name=\"seen\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    assert!(page.contains("name=\"preview\"") && page.contains("tools/search_users/impact?of=disable"), "{page}");
    let typed = [("seen", seen.as_str()), ("timeout_seconds", "7"), ("description", "by name"), ("switch-allow_contact", "true")];
    let shown = browser.post(path, &[&typed[..], &[("preview", "true")]].concat()).await;
    assert!(shown.status == 200 && shown.body.contains("1 calls in the last 30 days"), "{}", shown.body);
    assert!(shown.body.contains("value=\"7\"") && shown.body.contains("by name"), "what was typed stays: {}", shown.body);
    assert_eq!(app.audited("tool.change"), 0, "nothing is changed");
    let saved = browser.post(path, &typed).await;
    assert_eq!(
        (saved.status.as_u16(), saved.location()),
        (303, "/panel/groups/system_tools/tools/search_users?said=tool-changed"),
        "{saved:?}"
    );
    assert_eq!(app.audited("tool.change"), 1);
}
