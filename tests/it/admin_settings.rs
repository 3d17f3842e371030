//! Settings through the API and the panel: in force at once and everywhere, written down, refused with a reason.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admin_kit::Browser,
    harness::{Answer, App},
};

const ANY: (&str, &str) = ("if-match", "*");

async fn time_for_a_welcome(app: &App, user: &str) -> i64 {
    let answer = app.register(None, &json!({"user_id": user, "username": "林晓月", "roles": ["customer"]})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    app.count(&format!("SELECT deadline_at - accepted_at FROM registrations WHERE user_id = '{user}'"))
}

fn etag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_change_is_in_force_for_the_next_registration_and_in_every_process() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("operator");
    let path = "/api/v1/settings/welcome.deadline";
    assert_eq!(time_for_a_welcome(&app, "usr_1").await, 3_000);
    let before = app.api(&token, "GET", path, &[], None).await;
    assert_eq!(
        (etag(&before).as_str(), &before.json()["definition"]["meaning"]["en"]),
        ("\"0\"", &json!("Time from acceptance within which the customer has a welcome, whatever wrote it."))
    );
    let body = json!({"value": "7s", "reason": "国庆活动"});
    let changed = app.api(&token, "PUT", path, &[("if-match", &etag(&before))], Some(body)).await;
    assert_eq!((changed.status, &changed.json()["effective_immediately"]), (StatusCode::OK, &json!(true)), "{changed:?}");
    assert_eq!(time_for_a_welcome(&app, "usr_2").await, 7_000);
    assert_eq!(app.ok(&["settings", "get", "welcome.deadline"]), "7s\n", "another process");

    let stale = app.api(&token, "PUT", path, &[("if-match", &etag(&before))], Some(json!({"value": "9s"}))).await;
    assert_eq!((stale.status, etag(&stale)), (StatusCode::PRECONDITION_FAILED, etag(&changed)), "{stale:?}");
    assert_eq!((&stale.json()["current"]["value"], &stale.json()["current"]["changed_by"]), (&json!("7s"), &json!("account:operator")));
    app.ok(&["settings", "set", "welcome.deadline=5s", "--reason", "试"]);
    assert_eq!(app.api(&token, "GET", path, &[], None).await.json()["value"], "5s", "and back");
    let reset = app.api(&token, "POST", &format!("{path}/reset"), &[ANY], None).await;
    assert_eq!((reset.status, &reset.json()["settings"][0]["is_default"]), (StatusCode::OK, &json!(true)), "{reset:?}");
    assert_eq!(time_for_a_welcome(&app, "usr_3").await, 3_000);

    let rows: Vec<Value> = app.database().prepare("SELECT json_array(actor, action, before, after, reason, address) FROM audit_log WHERE object = 'setting/welcome.deadline' ORDER BY seq").unwrap()
        .query_map([], |row| row.get::<_, String>(0)).unwrap().map(|row| serde_json::from_str(&row.unwrap()).unwrap()).collect();
    assert_eq!(
        rows,
        [
            json!(["account:operator", "setting.set", "\"3s\"", "\"7s\"", "国庆活动", "127.0.0.1"]),
            json!(["cli:unknown", "setting.set", "\"7s\"", "\"5s\"", "试", null]),
            json!(["account:operator", "setting.reset", "\"5s\"", "\"3s\"", null, "127.0.0.1"]),
        ]
    );
    assert!(app.ok(&["audit", "verify"]).len() > 1);
}

#[tokio::test]
async fn what_is_wrong_is_named_by_its_pointer_in_both_languages_and_changes_nothing() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("operator");
    let put = async |name: &str, more: &[(&str, &str)], value: Value| {
        app.api(&token, "PUT", &format!("/api/v1/settings/{name}"), more, Some(json!({"value": value}))).await
    };
    assert_eq!(put("welcome.deadline", &[], json!("3s")).await.status, StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(put("welcome.deadlines", &[ANY], json!("3s")).await.status, StatusCode::NOT_FOUND);
    let refused = async |name: &str, language: &str, value: Value| {
        let answer = put(name, &[ANY, ("accept-language", language)], value).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        let error = answer.json()["errors"][0].clone();
        (error["pointer"].as_str().unwrap().to_owned(), error["detail"].as_str().unwrap().to_owned())
    };
    let (pointer, text) = refused("welcome.deadline", "en", json!("soon")).await;
    assert!(
        pointer == "/value" && text.starts_with("found the text \"soon\". Allowed: a length of time, 100ms to 10m"),
        "{pointer} {text}"
    );
    let (_, text) = refused("welcome.deadline", "zh-CN", json!("soon")).await;
    assert!(text.starts_with("类型不符，得到的是文本 \"soon\"。允许：时长，100ms 至 10m"), "{text}");
    let channels = json!([{"kind": "ntfy", "name": "a", "url": "https://ntfy.sh/x"}, {"kind": "wecom", "name": "b", "url": "nowhere"}]);
    let (pointer, text) = refused("notice.channels", "zh-CN", channels).await;
    assert!(pointer == "/value/1/url" && text.contains("第 2 项（b）：地址不是 http 或 https 地址"), "{pointer} {text}");

    let several = json!({"settings": {"welcome.max_chars": {"value": 300, "version": 0}, "retry.jitter": {"value": 2, "version": null}, "nope.nope": {"value": 1, "version": 0}}});
    let answer = app.api(&token, "PATCH", "/api/v1/settings", &[("accept-language", "en")], Some(several)).await;
    let pointers: Vec<Value> = answer.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(
        (answer.status, pointers),
        (StatusCode::UNPROCESSABLE_ENTITY, vec![json!("/settings/nope.nope/value"), json!("/settings/retry.jitter/value")]),
        "{answer:?}"
    );
    let unversioned = json!({"settings": {"welcome.max_chars": {"value": 300}}});
    let answer = app.api(&token, "PATCH", "/api/v1/settings", &[], Some(unversioned)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    assert_eq!(
        app.api(&token, "PATCH", "/api/v1/settings", &[], Some(json!({"settings": {}}))).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!((app.count("SELECT count(*) FROM system_settings"), app.audited("setting.set")), (0, 0), "all or none");

    // Each alone would break the rule; together they keep it.
    let both =
        json!({"settings": {"welcome.deadline": {"value": "2m", "version": 0}, "welcome.total_limit": {"value": "5m", "version": 0}}});
    let answer = app.api(&token, "PATCH", "/api/v1/settings", &[], Some(both.clone())).await;
    assert_eq!((answer.status, answer.json()["settings"].as_array().unwrap().len()), (StatusCode::OK, 2), "{answer:?}");
    let again = app.api(&token, "PATCH", "/api/v1/settings", &[], Some(both)).await;
    assert_eq!((again.status, again.json()["current"].as_array().unwrap().len()), (StatusCode::PRECONDITION_FAILED, 2), "{again:?}");
}

#[tokio::test]
async fn settings_are_listed_with_their_definitions_and_without_secrets() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("operator");
    let url = "/api/v1/settings/notice.channels";
    let channels =
        json!([{"kind": "feishu", "name": "群", "url": "https://open.feishu.cn/open-apis/bot/v2/hook/t0psecret", "secret": "t0psecret"}]);
    let set = app.api(&token, "PUT", url, &[ANY], Some(json!({"value": channels}))).await;
    assert!(set.status == StatusCode::OK && !set.body.contains("t0psecret"), "{set:?}");
    let shown = app.api(&token, "GET", url, &[], None).await;
    let mut given = shown.json()["value"].clone();
    given[0]["url"].as_str().filter(|url| url.ends_with("***")).unwrap();
    given.as_array_mut().unwrap().push(json!({"kind": "ntfy", "name": "n", "url": "https://ntfy.sh/anmei"}));
    let set = app.api(&token, "PUT", url, &[("if-match", &etag(&shown))], Some(json!({"value": given}))).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    let revealed = app.ok(&["settings", "get", "notice.channels", "--reveal"]);
    assert_eq!(revealed.matches("t0psecret").count(), 2, "a list given back with *** keeps its secrets");
    assert_eq!(app.audited("setting.reveal"), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE before LIKE '%t0psecret%' OR after LIKE '%t0psecret%'"), 0);

    let all = app.api(&token, "GET", "/api/v1/settings", &[], None).await.json();
    let sections = all["sections"].as_array().unwrap();
    assert!(sections.len() >= 16 && sections.iter().all(|section| section["meaning"]["zh"].as_str().is_some_and(|text| !text.is_empty())));
    let settings: Vec<&Value> = sections.iter().flat_map(|section| section["settings"].as_array().unwrap()).collect();
    assert!(settings.len() > 50 && settings.iter().all(|setting| setting["definition"]["name"] == setting["name"]));
    let definitions = app.api(&token, "GET", "/api/v1/settings/definitions", &[], None).await.json();
    assert_eq!(definitions["sections"].as_array().unwrap().len(), sections.len());
}

#[tokio::test]
async fn limits_are_for_administrators_and_auditors_only_look() {
    let app = App::start(&[]).await;
    let (operator, auditor, administrator) = (app.token_of_a("operator"), app.token_of_a("auditor"), app.token_of_a("administrator"));
    let put = async |token: &str, name: &str, value: Value| {
        app.api(token, "PUT", &format!("/api/v1/settings/{name}"), &[ANY], Some(json!({"value": value}))).await.status
    };
    assert_eq!(put(&operator, "limits.call_per_minute", json!(10)).await, StatusCode::FORBIDDEN);
    assert_eq!(put(&administrator, "limits.call_per_minute", json!(10)).await, StatusCode::OK);
    assert_eq!(put(&auditor, "retry.jitter", json!(0.2)).await, StatusCode::FORBIDDEN);
    assert_eq!(app.api(&auditor, "GET", "/api/v1/settings/limits.call_per_minute", &[], None).await.json()["value"], 10);
    let several =
        json!({"settings": {"retry.jitter": {"value": 0.2, "version": 0}, "limits.call_per_minute": {"value": 1, "version": null}}});
    assert_eq!(app.api(&operator, "PATCH", "/api/v1/settings", &[], Some(several)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.count("SELECT count(*) FROM system_settings"), 1);
}

/// The value of a hidden field of a form.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let start = format!("name=\"{name}\" value=\"");
    page.split(&start).nth(1).unwrap_or_else(|| panic!("no field {name}: {page}")).split('"').next().unwrap()
}

/// What a browser sends for one setting of a page, as it was read.
fn made_of(page: &str, name: &str) -> Vec<(String, String)> {
    let unescaped = |text: &str| {
        text.replace("&#34;", "\"")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    };
    ["v~", "was~"].map(|start| (format!("{start}{name}"), unescaped(hidden(page, &format!("{start}{name}"))))).to_vec()
}

async fn send(browser: &mut Browser<'_>, path: &str, fields: &[(String, String)], more: &[(&str, &str)]) -> Answer {
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more.iter().copied()).collect();
    browser.post(path, &fields).await
}

#[tokio::test]
async fn a_form_of_the_panel_changes_what_was_typed_over_and_says_what_is_wrong_beside_it() {
    let app = App::start(&[]).await;
    app.account("chen", "operator");
    let mut browser = Browser::signed_in(&app, "chen").await;
    let path = "/panel/settings/retry";
    let page = browser.get(path).await;
    assert!(
        page.status == StatusCode::OK && page.body.contains("retry.delays") && page.body.contains("value=\"5s,15s,1m\""),
        "{}",
        page.body
    );
    assert!(page.body.contains("max retries = 3") && page.body.contains("name=\"retry.on_failure\""), "{}", page.body);
    let fields = [made_of(&page.body, "retry.delays"), made_of(&page.body, "retry.jitter")].concat();

    let wrong = send(&mut browser, path, &fields, &[("retry.delays", "soon"), ("retry.jitter", "0.1")]).await;
    assert!(
        wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.body.contains("value=\"soon\"") && wrong.body.contains("Allowed: a list"),
        "{}",
        wrong.body
    );
    let saved = send(&mut browser, path, &fields, &[("retry.delays", "1s,2s"), ("retry.jitter", "0.1"), ("reason", "试")]).await;
    assert_eq!((saved.status, saved.location()), (StatusCode::SEE_OTHER, "/panel/settings/retry?said=settings-saved"));
    assert_eq!(app.ok_json(&["settings", "list", "--changed"]).as_array().unwrap().len(), 1, "what was not typed over is not changed");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'setting.set' AND reason = '试' AND actor = 'account:chen'"), 1);

    // Somebody else was faster: both values are shown, and whoever reads it decides.
    let stale = send(&mut browser, path, &fields, &[("retry.delays", "9s"), ("retry.jitter", "0.1")]).await;
    assert!(
        stale.status == StatusCode::PRECONDITION_FAILED && stale.body.contains("value=\"9s\"") && stale.body.contains("1s,2s"),
        "{}",
        stale.body
    );
    let again = [made_of(&stale.body, "retry.delays"), made_of(&stale.body, "retry.jitter")].concat();
    let theirs = send(&mut browser, path, &again, &[("retry.delays", "9s"), ("retry.jitter", "0.1"), ("theirs", "retry.delays")]).await;
    assert!(theirs.status == StatusCode::OK && theirs.body.contains("value=\"1s,2s\""), "{}", theirs.body);
    let mine = send(&mut browser, path, &again, &[("retry.delays", "9s"), ("retry.jitter", "0.1")]).await;
    assert_eq!(mine.status, StatusCode::SEE_OTHER, "{mine:?}");
    assert_eq!(app.ok(&["settings", "get", "retry.delays"]), "9s\n");

    let page = browser.get(path).await;
    let version = hidden(&page.body, "v~retry.delays").to_owned();
    let reset = browser.post("/panel/settings/retry/reset", &[("setting", &format!("retry.delays@{version}"))]).await;
    assert_eq!((reset.status, app.ok(&["settings", "get", "retry.delays"]).as_str()), (StatusCode::SEE_OTHER, "5s,15s,1m\n"));
    let untouched = browser.get("/panel/settings/nothing").await;
    assert_eq!(untouched.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_page_of_settings_is_there_and_lists_are_edited_row_by_row() {
    let app = App::start(&[]).await;
    app.account("chen", "operator");
    app.account("wu", "auditor");
    let mut browser = Browser::signed_in(&app, "chen").await;
    let first = browser.get("/panel/settings").await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    let page = browser.get(first.location()).await;
    let paths: Vec<String> =
        page.body.split("href=\"/panel/settings/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert!(paths.len() >= 16, "{paths:?}");
    for path in &paths {
        let page = browser.get(&format!("/panel/settings/{path}")).await;
        assert!(
            page.status == StatusCode::OK && !page.body.contains(" style=") && page.body.contains("class=\"setting\""),
            "{path}: {}",
            page.body
        );
    }
    let path = "/panel/settings/notice";
    let page = browser.get(path).await;
    let fields = made_of(&page.body, "notice.channels");
    let added = send(&mut browser, path, &fields, &[("add", "notice.channels~wecom")]).await;
    assert!(added.status == StatusCode::OK && added.body.contains("name=\"notice.channels~0~url\""), "{}", added.body);
    let row = [
        ("notice.channels~0~kind", "wecom"),
        ("notice.channels~0~name", "<script>alert(1)</script>"),
        ("notice.channels~0~url", "nowhere"),
    ];
    let wrong = send(&mut browser, path, &fields, &row).await;
    assert!(
        wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.body.contains("the address is not one of http or https"),
        "{}",
        wrong.body
    );
    assert!(!wrong.body.contains("<script>alert(1)"), "{}", wrong.body);
    let row = [
        ("notice.channels~0~kind", "wecom"),
        ("notice.channels~0~name", "前台"),
        ("notice.channels~0~url", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=t0psecret"),
    ];
    assert_eq!(send(&mut browser, path, &fields, &row).await.status, StatusCode::SEE_OTHER);
    let page = browser.get(path).await;
    assert!(page.body.contains("send?key=***") && !page.body.contains("t0psecret"), "{}", page.body);
    let fields = made_of(&page.body, "notice.channels");
    let removed = send(&mut browser, path, &fields, &[&row[..], &[("remove", "notice.channels~0")]].concat()).await;
    assert!(removed.status == StatusCode::OK && !removed.body.contains("notice.channels~0~url"), "{}", removed.body);

    let limits = browser.get("/panel/settings/limits").await;
    assert!(limits.body.contains("disabled") && !limits.body.contains("f-reason"), "an operator only looks: {}", limits.body);
    let mut auditor = Browser::signed_in(&app, "wu").await;
    let page = auditor.get("/panel/settings/retry").await;
    assert!(page.status == StatusCode::OK && page.body.contains("disabled") && !page.body.contains("f-reason"), "{}", page.body);
    assert_eq!(auditor.post("/panel/settings/retry", &[]).await.status, StatusCode::FORBIDDEN);
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_failure_that_is_recorded_only_makes_no_alert() {
    let app = App::start(&[("retry.delays", "50ms"), ("retry.on_failure", "record")]).await;
    let token = app.token_of_a("operator");
    app.change("CREATE TRIGGER broken BEFORE INSERT ON conversations BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END");
    let accepted = app.register(None, &json!({"user_id": "usr_1", "username": "林晓月", "roles": ["customer"]})).await;
    let run = app.finished(&accepted.json()).await;
    assert_eq!(run["state"], "dead_letter", "it is kept all the same: {run}");
    let open = |condition: &str| app.count(&format!("SELECT count(*) FROM alerts WHERE condition = '{condition}' AND resolved_at IS NULL"));
    // An alert of another kind says that there was a look after the failure.
    app.ok(&["settings", "set", "alerts.disk_low_mib=4000000000"]);
    until("a look", || open("disk_low") == 1).await;
    assert_eq!((open("dead_letter"), app.count("SELECT count(*) FROM jobs WHERE state = 'dead'")), (0, 1));

    let path = "/api/v1/settings/retry.on_failure";
    let wrong = app.api(&token, "PUT", path, &[ANY], Some(json!({"value": "ignore"}))).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
    let set = app.api(&token, "PUT", path, &[ANY], Some(json!({"value": "alert"}))).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    until("an alert", || open("dead_letter") == 1).await;
}

#[tokio::test]
async fn templates_are_previewed_before_they_are_saved_and_before_there_is_a_channel() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("operator");
    app.account("chen", "operator");
    let mut browser = Browser::signed_in(&app, "chen").await;
    let path = "/panel/settings/notice";
    let page = browser.get(path).await;
    let fields = [made_of(&page.body, "notice.title"), made_of(&page.body, "notice.message")].concat();
    assert!(page.body.contains("<pre tabindex=\"0\">新客户注册\n新客户已注册并开始咨询，等待顾问认领</pre>"), "{}", page.body);
    let typed = [("notice.title", "来客"), ("notice.message", "{username} 在等您"), ("preview", "true")];
    let shown = send(&mut browser, path, &fields, &typed).await;
    assert!(shown.status == StatusCode::OK && shown.body.contains("<pre tabindex=\"0\">来客\n林晓月 在等您</pre>"), "{}", shown.body);
    assert!(shown.body.contains("value=\"来客\""), "what was typed stays: {}", shown.body);
    let broken = [("notice.title", "来客"), ("notice.message", "{phone}"), ("preview", "true")];
    assert!(send(&mut browser, path, &fields, &broken).await.body.contains("This template cannot be used as it is."));
    assert_eq!(app.count("SELECT count(*) FROM system_settings"), 0, "nothing is saved");

    let channels = "/panel/notifications/channels";
    let empty = browser.get(channels).await;
    assert!(empty.body.contains("There is no channel yet") && empty.body.contains("name=\"push_body\""), "{}", empty.body);
    assert!(!empty.body.contains("name=\"channel\"") && !empty.body.contains("Send a test"), "{}", empty.body);
    let tried = browser.get(&format!("{channels}?push_title=Hello&push_body=%7Busername%7D%20waits")).await;
    assert!(tried.body.contains("<pre tabindex=\"0\">Hello\n林晓月 waits</pre>"), "{}", tried.body);
    let wrong = browser.get(&format!("{channels}?push_title=Hello&push_body=%7Bphone%7D")).await;
    assert!(wrong.status == StatusCode::UNPROCESSABLE_ENTITY && wrong.body.contains("id=\"wrong-push_body\""), "{}", wrong.body);
    let asked = json!({"push_title": "Hello", "push_body": "{username} waits"});
    let preview = app.api(&token, "POST", "/api/v1/pushes/preview", &[], Some(asked)).await;
    assert_eq!(preview.json(), json!({"title": "Hello", "body": "林晓月 waits", "link": null}), "{preview:?}");
}
