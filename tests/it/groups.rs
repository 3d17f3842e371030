//! I2: a key sees and calls exactly its own group's enabled tools. Every key × group × method × transport is tried.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admin_kit::Person,
    harness::{Answer, App, ERAS, Era, GROUPS, HOOK_KEY},
    oauth_kit::text,
};

/// What a group's key must see.
fn tools_of(app: &App) -> BTreeMap<String, Vec<String>> {
    let groups = app.ok_json(&["group", "list"]);
    let names = |group: &Value| group["tools"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    groups.as_array().unwrap().iter().map(|group| (group["server_code"].as_str().unwrap().to_owned(), names(group))).collect()
}

fn listed(answer: &Value) -> Vec<String> {
    answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn i2_every_key_sees_and_calls_exactly_its_own_group() {
    for fast_lane in ["true", "false"] {
        let app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        let tools = tools_of(&app);
        assert_eq!(tools.values().flatten().count(), 14, "{tools:?}");
        let keys: BTreeMap<_, _> = GROUPS.iter().map(|code| (*code, app.key(code))).collect();
        for era in ERAS {
            for (holder, key) in &keys {
                for target in GROUPS.iter().map(|code| Some(*code)).chain([None]) {
                    one_cell(&app, era, (holder, key), target, &tools).await;
                }
            }
        }
    }
}

/// One key on one URL: list, and a call of every tool there is.
async fn one_cell(app: &App, era: Era, (holder, key): (&str, &str), target: Option<&str>, tools: &BTreeMap<String, Vec<String>>) {
    let url = target.map_or_else(|| app.root_url(), |code| app.group_url(code));
    let at_home = target.is_none_or(|code| code == holder);
    let list = app.rpc(era, &url, Some(key), "tools/list", json!({})).await;
    if at_home {
        assert_eq!(listed(&list.json()), tools[holder], "{era:?} {holder} {target:?}");
    } else {
        assert_eq!(list.status, StatusCode::FORBIDDEN, "{era:?} {holder} {target:?}");
    }
    for name in tools.values().flatten() {
        let answer = app.rpc(era, &url, Some(key), "tools/call", json!({"name": name, "arguments": {"nobody": 1}})).await;
        let reached = at_home && tools[holder].contains(name);
        match (at_home, reached) {
            (false, _) => assert_eq!(answer.status, StatusCode::FORBIDDEN, "{era:?} {holder} {target:?} {name}"),
            (true, false) => assert_eq!(answer.json()["error"]["code"], -32602, "{era:?} {holder} {target:?} {name}"),
            (true, true) => assert_eq!(answer.json()["result"]["isError"], true, "{era:?} {holder} {target:?} {name}"),
        }
    }
}

#[tokio::test]
async fn i2_other_methods_are_closed_to_strangers_and_to_other_groups_too() {
    let app = App::start(&[]).await;
    let other = app.key("project_tools");
    for era in ERAS {
        for method in ["initialize", "ping", "server/discover", "resources/list", "prompts/list", "subscriptions/listen", "no/such"] {
            for (key, status) in [(None, 401), (Some("mcp_key_wrong"), 401), (Some(other.as_str()), 403)] {
                let answer = app.rpc(era, &app.group_url("system_tools"), key, method, json!({})).await;
                assert_eq!(answer.status.as_u16(), status, "{era:?} {method} {key:?}");
            }
        }
    }
    for method in ["GET", "DELETE", "PUT", "OPTIONS"] {
        for url in [app.group_url("system_tools"), app.root_url()] {
            assert_eq!(app.send(method, &url, &[], "").await.status, StatusCode::UNAUTHORIZED, "{method} {url}");
        }
    }
}

/// Method, path and kind of every route of the MCP listener. That none is missing, `src/app/routes_tests.rs` holds.
const ROUTES: &str = include_str!("mcp_routes.txt");
/// The same of the admin side: with a right in the place of the kind.
const ADMIN_ROUTES: &str = include_str!("admin_routes.txt");
/// Where a proxy offers the listener.
const PREFIX: &str = "/apps/anmei";

/// Methods and paths of one kind.
fn routes(kind: &str) -> Vec<(&'static str, &'static str)> {
    let lines = ROUTES.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_kind: Vec<_> = lines.filter(|words| words[2] == kind).map(|words| (words[0], words[1])).collect();
    assert!(of_kind.len() >= 5, "{kind}: {of_kind:?}");
    of_kind
}

/// A credential that lets nobody in where it is shown.
struct Shown {
    name: &'static str,
    authorization: Option<String>,
    cookie: Option<String>,
    /// The group whose URLs are asked.
    code: &'static str,
    /// Status and kind of the refusal.
    told: (u16, &'static str),
}

/// What everybody hears who shows nothing that was ever given out.
const STRANGER: (u16, &str) = (401, "unauthorized");

impl Shown {
    fn header(name: &'static str, authorization: Option<String>) -> Self {
        Self { name, authorization, cookie: None, code: "system_tools", told: STRANGER }
    }

    fn bearer(name: &'static str, token: &str) -> Self {
        Self::header(name, Some(format!("Bearer {token}")))
    }

    fn told(self, status: u16, kind: &'static str) -> Self {
        Self { told: (status, kind), ..self }
    }

    /// Sends something with it.
    async fn send(&self, app: &App, (method, url): (&str, &str), (kind, body): (&str, String)) -> Answer {
        let mut headers = vec![("content-type", kind)];
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(self.cookie.as_deref().map(|value| ("cookie", value)));
        app.send(method, url, &headers, body).await
    }
}

/// What was never a credential here, or is one of something else; `valid` is a key in force.
fn strange(app: &App, valid: &str) -> Vec<Shown> {
    let (head, check) = valid.rsplit_once('_').unwrap();
    let mistyped = format!("{head}_{}", check.chars().rev().collect::<String>());
    let person = Person::new(app, "administrator");
    vec![
        Shown::header("none", None),
        Shown::header("empty", Some(String::new())),
        Shown::header("no token", Some("Bearer".into())),
        Shown::header("basic", Some(format!("Basic {valid}"))),
        Shown::header("without a scheme", Some(valid.to_owned())),
        Shown::bearer("malformed", "mcp_key_wrong"),
        Shown::bearer("bad check characters", &mistyped),
        Shown::bearer("unknown", "mcp_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        Shown::bearer("upper case", &valid.to_uppercase()),
        Shown::bearer("two in one", &format!("{valid} {valid}")),
        Shown::bearer("the hook's key", HOOK_KEY),
        Shown::bearer("an API token of the admin side", &person.token),
        Shown { cookie: Some(person.cookie()), ..Shown::header("a session of the panel", None) },
        Shown { cookie: Some(format!("anmei_admin={valid}; key={valid}")), ..Shown::header("a key in a cookie", None) },
    ]
}

/// What was given out, and does not hold, or not there.
async fn ended(app: &App) -> Vec<Shown> {
    let client = app.client().await;
    let (elsewhere, given_back) = (app.tokens(&client, "medical_tools").await, app.tokens(&client, "system_tools").await);
    let (elsewhere, given_back) = (text(&elsewhere, "access_token"), text(&given_back, "access_token"));
    app.post_form("/oauth/revoke", &[], &[("client_id", client.as_str()), ("token", given_back)]).await;
    let add = |name: &str, more: &[&str]| {
        let made = app.ok_json(&[&["key", "add", "system_tools", "--name", name], more].concat());
        made["key"].as_str().unwrap().to_owned()
    };
    let (revoked, replaced, expired) = (add("b", &[]), add("c", &[]), add("d", &["--expires", "1ms"]));
    app.ok(&["key", "revoke", "system_tools", "--key", "b"]);
    app.ok(&["key", "rotate", "system_tools", "--key", "c", "--grace", "0s"]);
    let disabled = app.key("project_tools");
    app.ok(&["group", "disable", "project_tools"]);
    vec![
        Shown::bearer("a revoked key", &revoked).told(401, "key-revoked"),
        Shown::bearer("a replaced key", &replaced).told(401, "key-replaced"),
        Shown::bearer("an expired key", &expired).told(401, "key-expired"),
        Shown::bearer("another group's key", &app.key("medical_tools")).told(403, "other-group"),
        Shown { code: "project_tools", ..Shown::bearer("a disabled group's key", &disabled).told(403, "group-disabled") },
        Shown::bearer("a token of another audience", elsewhere).told(401, "invalid-token"),
        Shown::bearer("a revoked token", given_back).told(401, "invalid-token"),
    ]
}

/// Asks every gated route with one credential; returns what strangers were told.
async fn every_gated_route(app: &App, shown: &Shown, methods: &[&str], suffix: &str) -> Vec<String> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_users", "arguments": {"query": "x"}}});
    let mut bodies = Vec::new();
    for (_, path) in routes("gated") {
        // At the root, a key opens whatever group it is of.
        if shown.told.1 == "other-group" && !path.contains("{server_code}") {
            continue;
        }
        for (prefix, method) in ["", PREFIX].iter().flat_map(|prefix| methods.iter().map(move |method| (prefix, *method))) {
            let url = format!("{}{prefix}{}{suffix}", app.mcp_root(), path.replace("{server_code}", shown.code));
            let answer = shown.send(app, (method, &url), ("application/json", call.to_string())).await;
            let (status, kind) = shown.told;
            let said = answer.json()["type"].as_str().unwrap().to_owned();
            assert!(answer.status == status && said.ends_with(kind), "{method} {url} with {}: {answer:?}", shown.name);
            let challenge = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap());
            assert_eq!(challenge.is_some(), status == 401, "{method} {url} with {}", shown.name);
            if let Some(challenge) = challenge {
                assert_eq!(challenge.contains("error="), shown.authorization.is_some(), "{}: {challenge}", shown.name);
            }
            bodies.extend((shown.told == STRANGER).then_some(answer.body));
        }
    }
    bodies
}

#[tokio::test]
async fn i2_every_credential_that_is_not_in_force_is_refused_on_every_route() {
    let app = App::start(&[("mcp.public_url", &format!("https://clinic.example{PREFIX}"))]).await;
    let valid = app.key("system_tools");
    let (strange, ended) = (strange(&app, &valid), ended(&app).await);
    let before = app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome <> 'refused'");
    let mut bodies = Vec::new();
    for shown in strange.iter().chain(&ended) {
        bodies.extend(every_gated_route(&app, shown, &["POST", "GET", "DELETE"], "").await);
    }
    // A key in the address is no key, whatever else is sent.
    let query = format!("?key={valid}&authorization=Bearer%20{valid}&access_token={valid}");
    for shown in [&strange[0], &strange[5], &ended[0]] {
        bodies.extend(every_gated_route(&app, shown, &["POST", "GET"], &query).await);
        bodies.extend(every_gated_route(&app, shown, &["PUT", "PATCH", "OPTIONS"], "").await);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "a stranger hears the same bytes, whatever was sent and wherever to: {bodies:?}");
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome <> 'refused'"), before, "nothing was done");
}

/// The authorization server is asked by those who have nothing yet: documents are the same for everybody, and what a form must
/// prove is not proven by a credential of something else.
#[tokio::test]
async fn i2_no_credential_of_something_else_proves_anything_to_the_authorization_server() {
    let app = App::start(&[]).await;
    let valid = app.key("system_tools");
    let mut shown = strange(&app, &valid);
    shown.push(Shown::bearer("a key in force", &valid));
    let form = format!("grant_type=client_credentials&client_id=nobody&action=allow&key={valid}&token={valid}");
    for (method, path) in routes("form") {
        for shown in &shown {
            let url = format!("{}{path}", app.mcp_root());
            let answer = shown.send(&app, (method, &url), ("application/x-www-form-urlencoded", form.clone())).await;
            assert!(answer.status.is_client_error(), "{method} {path} with {}: {answer:?}", shown.name);
        }
    }
    for (method, path) in routes("open") {
        let url =
            format!("{}{}", app.mcp_root(), path.replace("{server_code}", "system_tools").replace("{*tail}", "oauth-protected-resource"));
        let mut bodies = Vec::new();
        for shown in &shown {
            let answer = shown.send(&app, (method, &url), ("application/json", String::new())).await;
            assert_eq!(answer.status, StatusCode::OK, "{method} {url} with {}", shown.name);
            bodies.push(answer.body);
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{method} {url}: {bodies:?}");
    }
}

#[tokio::test]
async fn i2_what_opens_a_group_opens_nothing_of_the_admin_side() {
    let app = App::start(&[]).await;
    let key = app.key("system_tools");
    let tokens = app.tokens(&app.client().await, "system_tools").await;
    let [by_key, by_token] = [key.as_str(), text(&tokens, "access_token")].map(|token| format!("Bearer {token}"));
    let cookie = format!("anmei_admin={key}");
    let shown = [("authorization", by_key.as_str()), ("authorization", by_token.as_str()), ("cookie", cookie.as_str())];
    let root = app.admin_root();
    let own_page = [("origin", root), ("sec-fetch-site", "same-origin"), ("if-match", "*"), ("content-type", "application/json")];
    let lines = ADMIN_ROUTES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let asked: Vec<_> = lines.map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|words| words[2] != "anybody").collect();
    assert!(asked.len() > 200, "{}", asked.len());
    for words in asked {
        let method = if words[0] == "ANY" { "GET" } else { words[0] };
        let path: Vec<_> = words[1].split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect();
        let path = path.join("/");
        for (name, value) in shown {
            let mut headers = own_page.to_vec();
            headers.push((name, value));
            let answer = app.send(method, &format!("{root}{path}"), &headers, "{}").await;
            // A browser without a session is led to the page where one signs in.
            let to_sign_in = name == "cookie" && path.starts_with("/panel");
            let expected = if to_sign_in { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
            assert_eq!(answer.status, expected, "{method} {path} with {name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_stranger_cannot_tell_which_groups_exist() {
    let app = App::start(&[]).await;
    app.ok(&["group", "disable", "medical_tools"]);
    let mut answers = Vec::new();
    for code in ["system_tools", "medical_tools", "no_such_group"] {
        for key in [None, Some("mcp_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
            let answer = app.rpc(Era::Silent, &app.group_url(code), key, "tools/list", json!({})).await;
            assert!(answer.headers.contains_key("www-authenticate"));
            answers.push((answer.status, answer.body));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "one text for everybody: {answers:?}");
}

#[tokio::test]
async fn the_holder_of_a_key_hears_what_is_the_matter() {
    let app = App::start(&[]).await;
    let key = app.key("system_tools");
    let status = async |code: &str| app.rpc(Era::Silent, &app.group_url(code), Some(&key), "tools/list", json!({})).await;
    assert_eq!(status("system_tools").await.status, 200);
    assert_eq!(status("no_such_group").await.status, 404);
    let other = status("medical_tools").await;
    assert!(other.status == 403 && other.body.contains("system_tools"), "{other:?}");
    app.ok(&["group", "disable", "system_tools"]);
    let disabled = status("system_tools").await;
    assert!(disabled.status == 403 && disabled.body.contains("disabled"), "{disabled:?}");
    app.ok(&["group", "enable", "system_tools"]);
    assert_eq!(status("system_tools").await.status, 200);
}

#[tokio::test]
async fn a_change_by_another_process_is_in_force_for_the_next_request() {
    for fast_lane in ["true", "false"] {
        let app = App::start(&[("mcp.fast_lane", fast_lane)]).await;
        let key = app.key("system_tools");
        let names = async || listed(&app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.json());
        assert_eq!(names().await, ["get_user_profile", "search_users"]);
        app.ok(&["tool", "disable", "system_tools", "search_users"]);
        assert_eq!(names().await, ["get_user_profile"]);
        let call = app
            .rpc(Era::Modern, &app.root_url(), Some(&key), "tools/call", json!({"name": "search_users", "arguments": {"query": "x"}}))
            .await;
        let error = &call.json()["error"];
        assert!(error["code"] == -32602 && error["message"].as_str().unwrap().contains("get_user_profile"), "{error}");
        app.ok(&["tool", "enable", "system_tools", "get_service_info"]);
        assert_eq!(names().await, ["get_user_profile", "get_service_info"]);
        app.ok(&["tool", "set", "system_tools", "get_user_profile", "--description", "只读资料"]);
        let list = app.rpc(Era::Modern, &app.root_url(), Some(&key), "tools/list", json!({})).await.json();
        assert_eq!(list["result"]["tools"][0]["description"], "只读资料");
    }
}

#[tokio::test]
async fn keys_rotate_with_grace_and_are_revoked_at_once() {
    let app = App::start(&[]).await;
    let old = app.key("system_tools");
    let status = async |key: &str| app.rpc(Era::Silent, &app.root_url(), Some(key), "tools/list", json!({})).await.status.as_u16();
    let new = app.ok_json(&["key", "rotate", "system_tools", "--grace", "24h"])["key"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    assert_eq!((status(&old).await, status(&new).await, app.key("system_tools") == new), (200, 200, true));
    let last = app.ok_json(&["key", "rotate", "system_tools", "--grace", "0s"])["key"].as_str().unwrap().to_owned();
    assert_eq!((status(&new).await, status(&last).await), (401, 200));
    app.ok(&["key", "revoke", "system_tools"]);
    assert_eq!((status(&old).await, status(&last).await), (401, 401));
}

#[tokio::test]
async fn i6_the_bytes_of_a_list_change_only_when_the_group_changes() {
    let mut app = App::start(&[]).await;
    let key = app.key("consultation_tools");
    let mut first = None;
    for round in 0..3 {
        for era in [Era::Modern, Era::Silent] {
            let body =
                app.rpc(era, &app.group_url("consultation_tools"), Some(&key), "tools/list", json!({})).await.json()["result"]["tools"]
                    .to_string();
            assert_eq!(*first.get_or_insert_with(|| body.clone()), body, "round {round} {era:?}");
        }
        if round == 0 {
            app.ok(&["tool", "disable", "system_tools", "search_users"]);
        } else {
            app.stop().await;
            app.spawn().await;
        }
    }
}
