//! Registrations over API and panel: the list, what a timeline holds, trying again and taking back, and what an agent
//! would write today without anybody hearing of it.

use std::time::{Duration, Instant};

use anmei_mcp::demo::stand_in_dify::{Behaviour, RunEntry, StandInHandle};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::{
    admin_kit::Browser,
    harness::App,
    registration::{agent, new_user},
};

/// A name that would do harm where it is not shown as text.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

async fn api(app: &App, token: &str, path: &str) -> Value {
    let answer = app.api(token, "GET", path, &[], None).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// A run that has ended, after the calls it made are in the log.
async fn ended(app: &App, n: usize) -> Value {
    let run = app.finished(&app.register(None, &new_user(n)).await.json()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    run
}

fn id(run: &Value) -> String {
    run["registration_id"].as_str().unwrap().to_owned()
}

/// The entries of a kind.
fn of<'a>(timeline: &'a Value, what: &str) -> Vec<&'a Value> {
    timeline["entries"].as_array().unwrap().iter().filter(|entry| entry["what"] == what).collect()
}

#[tokio::test]
async fn a_timeline_holds_every_thought_and_every_call_of_a_tool() {
    let app = App::with_records(&[("call_log.bodies", "full")]).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 20 }).await;
    let token = app.token_of_a("operator");
    let run = ended(&app, 1).await;
    let timeline = api(&app, &token, &format!("/api/v1/registrations/{}/timeline", id(&run))).await;
    let what: Vec<_> = timeline["entries"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    for wanted in
        ["webhook_accepted", "conversation_created", "dify_triggered", "welcome_composed", "welcome_sent", "message", "notice", "ended"]
    {
        assert!(what.contains(&wanted), "{wanted}: {what:?}");
    }
    let question = of(&timeline, "dify_triggered")[0];
    assert_eq!((&question["outcome"], &question["how"]), (&json!("answered"), &json!("good")));
    let thoughts = of(&timeline, "thought");
    let positions: Vec<_> = thoughts.iter().map(|thought| thought["detail"]["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3], "{timeline:#}");
    assert!(thoughts.iter().all(|thought| thought["part_of"] == question["id"] && !thought["words"].as_str().unwrap().is_empty()));
    assert_eq!(thoughts[2]["words"], run["welcome"]["text"], "the last thought is the answer");
    assert!(
        thoughts[0]["detail"]["input_bytes"].as_i64().unwrap() > 20 && thoughts[0]["detail"]["observation_bytes"].as_i64().unwrap() > 20
    );
    let calls = of(&timeline, "mcp_called");
    let tools: Vec<_> = calls.iter().map(|call| call["name"].as_str().unwrap()).collect();
    let made: Vec<_> = dify.ledger.runs()[0].tools.iter().map(|call| call.tool.clone()).collect();
    assert_eq!(tools, made, "each call the agent made, and no other");
    assert!(calls.iter().all(|call| call["part_of"] == question["id"] && call["outcome"] == "ok"), "{calls:?}");
    assert!(timeline["entries"].as_array().unwrap().is_sorted_by_key(|entry| entry["at"].as_str().unwrap().to_owned()));

    // Auditors see that something was said, and not what.
    let auditor = app.token_of_a("auditor");
    let seen = app.api(&auditor, "GET", &format!("/api/v1/registrations/{}/timeline", id(&run)), &[], None).await.body;
    assert!(!seen.contains(run["welcome"]["text"].as_str().unwrap()) && seen.contains("\"characters\""), "{seen}");
    let absent = app.api(&token, "GET", "/api/v1/registrations/nothing/timeline", &[], None).await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn thoughts_are_kept_word_by_word_only_where_bodies_are() {
    let app = App::start(&[]).await;
    let _dify = agent(&app, Behaviour::Normal { think_ms: 0 }).await;
    let token = app.token_of_a("operator");
    let run = ended(&app, 1).await;
    let timeline = api(&app, &token, &format!("/api/v1/registrations/{}/timeline", id(&run))).await;
    let thoughts = of(&timeline, "thought");
    assert!(!thoughts.is_empty() && thoughts.iter().all(|thought| thought["words"].is_null()), "{thoughts:?}");
    assert!(thoughts[0]["detail"]["characters"].as_i64().unwrap() > 0);
    assert_eq!(app.count("SELECT count(*) FROM agent_thoughts WHERE text IS NOT NULL"), 0);
}

#[tokio::test]
async fn what_an_agent_thought_before_it_failed_is_kept() {
    let app = App::start(&[("welcome.deadline", "1500ms")]).await;
    let _dify = agent(&app, Behaviour::CutMidRun).await;
    let token = app.token_of_a("operator");
    let run = ended(&app, 1).await;
    assert_eq!(run["state"], "done_with_fallback", "{run}");
    let timeline = api(&app, &token, &format!("/api/v1/registrations/{}/timeline", id(&run))).await;
    let failed: Vec<_> = of(&timeline, "dify_triggered").into_iter().filter(|question| question["how"] == "bad").collect();
    assert!(!failed.is_empty(), "{timeline:#}");
    assert!(of(&timeline, "thought").iter().any(|thought| thought["part_of"] == failed[0]["id"]), "{timeline:#}");
}

#[tokio::test]
async fn the_list_has_filters_and_pages() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("auditor");
    for n in 0..5 {
        app.finished(&app.register(None, &new_user(n)).await.json()).await;
    }
    let all = api(&app, &token, "/api/v1/registrations?limit=3").await;
    let next = all["next_cursor"].as_str().unwrap();
    let rest = api(&app, &token, &format!("/api/v1/registrations?limit=3&cursor={next}")).await;
    assert_eq!(
        (all["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len(), &rest["next_cursor"]),
        (3, 2, &Value::Null)
    );
    let count = async |query: &str| api(&app, &token, &format!("/api/v1/registrations?{query}")).await["items"].as_array().unwrap().len();
    assert_eq!(count("state=done_with_fallback&rung=static").await, 5);
    assert_eq!((count("state=done").await, count("failed=true").await, count("unclaimed=true").await), (0, 5, 5));
    let user = new_user(3)["user_id"].as_str().unwrap().to_owned();
    assert_eq!((count(&format!("user={user}")).await, count("user=%E6%99%93%E6%9C%88").await), (1, 5));
    assert_eq!((count("since=2100-01-01").await, count("until=2100-01-01").await), (0, 5));
    for (query, pointer) in [("state=dead", "/state"), ("limit=0", "/limit"), ("cursor=x", "/cursor"), ("since=soon", "/since")] {
        let refused = app.api(&token, "GET", &format!("/api/v1/registrations?{query}"), &[], None).await;
        assert!(refused.status == 422 && refused.json()["errors"][0]["pointer"] == pointer, "{query}: {refused:?}");
    }
}

/// A run whose job was given up, as a database that failed for long would leave it.
async fn given_up(app: &App, n: usize) -> String {
    let run = app.finished(&app.register(None, &new_user(n)).await.json()).await;
    let id = id(&run);
    app.change(&format!(
        "UPDATE registrations SET state = 'dead_letter' WHERE id = '{id}';
         DELETE FROM registration_steps WHERE registration_id = '{id}' AND step = 'deliver_welcome';
         UPDATE jobs SET state = 'dead', last_error = 'the disk was full' WHERE kind = 'registration' AND subject_id = '{id}';"
    ));
    id
}

#[tokio::test]
async fn a_dead_letter_is_tried_again_and_a_run_that_waits_is_taken_back_each_with_who_and_why() {
    let app = App::start(&[]).await;
    let token = app.token_of_a("operator");
    let dead = given_up(&app, 1).await;
    let detail = api(&app, &token, &format!("/api/v1/registrations/{dead}")).await;
    assert_eq!((&detail["can_retry"], &detail["job"]["last_error"]), (&json!(true), &json!("the disk was full")), "{detail}");
    let auditor = app.token_of_a("auditor");
    let why = || Some(json!({"reason": "磁盘已清理"}));
    let path = format!("/api/v1/registrations/{dead}/retry");
    assert_eq!(app.api(&auditor, "POST", &path, &[], why()).await.status, 403);
    let retried = app.api(&token, "POST", &path, &[], why()).await;
    assert!(retried.status == 200 && retried.json()["state"] == "ready", "{retried:?}");
    let until = Instant::now() + Duration::from_secs(10);
    while api(&app, &token, &format!("/api/v1/registrations/{dead}")).await["state"] == "accepted" {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(api(&app, &token, &format!("/api/v1/registrations/{dead}")).await["state"], "done_with_fallback");
    assert_eq!(app.count("SELECT count(*) FROM messages"), 1, "nothing is sent twice");
    let again = app.api(&token, "POST", &path, &[], why()).await;
    assert_eq!(again.status, 409, "what is done is not tried again: {again:?}");
    let row: (String, String, String) = app
        .database()
        .query_row("SELECT actor, object, reason FROM audit_log WHERE action = 'job.retry'", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(row, ("account:operator".into(), format!("registration/{dead}"), "磁盘已清理".into()));

    let waits = given_up(&app, 2).await;
    app.change(&format!(
        "UPDATE registrations SET state = 'accepted', finished_at = NULL WHERE id = '{waits}';
         UPDATE jobs SET state = 'ready', finished_at = NULL, run_at = 9000000000000 WHERE kind = 'registration' AND subject_id = '{waits}';"
    ));
    let cancelled = app.api(&token, "POST", &format!("/api/v1/registrations/{waits}/cancel"), &[], Some(json!({}))).await;
    assert!(cancelled.status == 200 && cancelled.json()["state"] == "cancelled", "{cancelled:?}");
    assert_eq!(api(&app, &token, &format!("/api/v1/registrations/{waits}")).await["state"], "cancelled");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'job.cancel'"), 1);
    let unknown = app.api(&token, "POST", "/api/v1/registrations/nothing/retry", &[], Some(json!({}))).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_run_that_has_ended_is_resumed_from_its_page_and_nothing_is_done_twice() {
    let app = App::start(&[]).await;
    app.account("operator", "operator");
    app.account("auditor", "auditor");
    let mut browser = Browser::signed_in(&app, "operator").await;
    let done = id(&app.finished(&app.register(None, &new_user(1)).await.json()).await);
    let page = format!("/panel/registrations/{done}");
    let resumable = async |browser: &Browser<'_>| browser.get(&page).await.body.contains(&format!("{page}/resume\""));
    // The job outlives the run's end by a moment.
    let until = Instant::now() + Duration::from_secs(10);
    while !resumable(&browser).await {
        assert!(Instant::now() < until, "the page offers no way");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!resumable(&Browser::signed_in(&app, "auditor").await).await, "who may not is not offered");
    let resumed = browser.post(&format!("{page}/resume"), &[("reason", "再看一遍")]).await;
    assert_eq!((resumed.status.as_u16(), resumed.location()), (303, format!("{page}?said=run-resumed").as_str()), "{resumed:?}");
    while app.count("SELECT count(*) FROM jobs WHERE kind = 'registration' AND state IN ('ready', 'running')") > 0 {
        assert!(Instant::now() < until, "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(app.count("SELECT count(*) FROM registrations WHERE state = 'done_with_fallback'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM messages"), 1, "nothing is sent twice");
    assert_eq!(app.audited("registration.replay"), 1);
    app.change("UPDATE jobs SET state = 'ready', finished_at = NULL, run_at = 9000000000000 WHERE kind = 'registration'");
    assert!(!resumable(&browser).await, "it is worked on");
    assert_eq!(browser.post(&format!("{page}/resume"), &[]).await.status, 409);
}

/// Asks, and waits for the answer.
async fn rehearsed(app: &App, token: &str, run: &str, body: Value) -> Value {
    let asked = app.api(token, "POST", &format!("/api/v1/registrations/{run}/replays"), &[], Some(body)).await;
    assert_eq!(asked.status, 201, "{asked:?}");
    assert_eq!(asked.json()["state"], "asked");
    let path = asked.headers["location"].to_str().unwrap().to_owned();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let replay = api(app, token, &path).await;
        if replay["state"] != "asked" {
            return replay;
        }
        assert!(Instant::now() < until, "no answer: {replay}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What would have changed if a customer had heard of it.
fn world(app: &App) -> Vec<i64> {
    ["messages", "conversations", "notifications", "pushes", "outgoing_events", "jobs", "agent_calls", "registration_steps", "claims"]
        .iter()
        .map(|table| app.count(&format!("SELECT count(*) FROM {table}")))
        .collect()
}

fn text(app: &App, sql: &str) -> String {
    app.database().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn last_run(dify: &StandInHandle) -> RunEntry {
    dify.ledger.runs().pop().unwrap()
}

#[tokio::test]
async fn a_replay_shows_what_an_agent_would_write_today_and_nobody_hears_of_it() {
    let app = App::with_records(&[]).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 10 }).await;
    let token = app.token_of_a("operator");
    let run = ended(&app, 1).await;
    let id = id(&run);
    let old = run["welcome"]["text"].as_str().unwrap();
    let (before, row) =
        (world(&app), text(&app, "SELECT json_group_array(json_array(id, state, welcome_text, finished_at)) FROM registrations"));

    // The prompt was changed: the agent would say something else.
    dify.behave(Behaviour::Obeys("林晓月，您好！这是新的欢迎语。".into()));
    let replay = rehearsed(&app, &token, &id, json!({"reason": "新提示词"})).await;
    assert_eq!((&replay["state"], &replay["verdict"]), (&json!("answered"), &json!("passes")), "{replay:#}");
    assert_eq!((&replay["old"]["text"], &replay["new"]["text"]), (&json!(old), &json!("林晓月，您好！这是新的欢迎语。")));
    assert_eq!((&replay["asked_by"], &replay["reason"]), (&json!("account:operator"), &json!("新提示词")));
    assert!(replay["tokens"].as_i64().unwrap() > 0 && replay["duration_ms"].as_i64().unwrap() >= 0);
    assert_eq!(replay["thoughts"].as_array().unwrap().len(), 3);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let replay = api(&app, &token, &format!("/api/v1/registrations/{id}/replays/{}", replay["id"].as_str().unwrap())).await;
    let calls: Vec<_> = replay["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["tool"].as_str().unwrap(), call["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(calls, [("get_user_profile", "ok"), ("analyze_customer", "ok")], "the same tools answer");
    assert_eq!(world(&app), before, "nothing was stored, nothing is sent");
    assert_eq!(text(&app, "SELECT json_group_array(json_array(id, state, welcome_text, finished_at)) FROM registrations"), row);
    let timeline = api(&app, &token, &format!("/api/v1/registrations/{id}/timeline")).await;
    assert_eq!(of(&timeline, "mcp_called").len(), 2, "its calls are not the run's");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'registration.rehearse'"), 1);

    // What a customer would never see says so.
    dify.behave(Behaviour::Obeys("请加微信 13800138000".into()));
    let refused = rehearsed(&app, &token, &id, json!({"agent": "管家"})).await;
    assert_eq!((&refused["state"], &refused["verdict"]), (&json!("answered"), &json!("digits")), "{refused}");
    assert!(refused["new"]["text"].as_str().unwrap().contains("13800138000"), "for people who look into it");
    dify.behave(Behaviour::Http(502));
    let failed = rehearsed(&app, &token, &id, json!({})).await;
    assert!(failed["state"] == "failed" && !failed["error"].as_str().unwrap().is_empty(), "{failed}");
    assert_eq!(world(&app), before);
    let list = api(&app, &token, &format!("/api/v1/registrations/{id}/replays")).await;
    let states: Vec<_> = list["items"].as_array().unwrap().iter().map(|replay| replay["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "answered", "answered"]);
    let unknown = app.api(&token, "POST", &format!("/api/v1/registrations/{id}/replays"), &[], Some(json!({"agent": "nobody"}))).await;
    assert!(unknown.status == 422 && unknown.json()["errors"][0]["pointer"] == "/agent", "{unknown:?}");
}

#[tokio::test]
async fn the_subject_of_a_replay_ends_with_it_and_opens_nobody_else() {
    let app = App::with_records(&[]).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 0 }).await;
    let token = app.token_of_a("operator");
    let id = id(&ended(&app, 1).await);
    let first = last_run(&dify).tools[0].arguments["user_id"].as_str().unwrap().to_owned();
    rehearsed(&app, &token, &id, json!({})).await;
    let subject = last_run(&dify).tools[0].arguments["user_id"].as_str().unwrap().to_owned();
    assert!(subject.starts_with("sub_") && subject != first, "a subject of its own: {subject}");
    let after = app.call(crate::harness::Era::Modern, "welcome_tools", "get_user_profile", json!({"user_id": subject})).await;
    assert_eq!(after["isError"], true, "{after}");
    dify.behave(Behaviour::AsksAbout("usr_zhangwei".into()));
    rehearsed(&app, &token, &id, json!({})).await;
    assert!(
        last_run(&dify).tools.iter().all(|call| call.observation.contains("只能查询当前注册任务的客户")),
        "{:?}",
        last_run(&dify).tools
    );
}

#[tokio::test]
async fn a_daemon_that_ends_in_the_midst_of_a_replay_leaves_none_that_goes_on() {
    let mut app = App::start(&[]).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 0 }).await;
    let token = app.token_of_a("operator");
    let id = id(&ended(&app, 1).await);
    dify.behave(Behaviour::Slow(Duration::from_secs(10)));
    let asked = app.api(&token, "POST", &format!("/api/v1/registrations/{id}/replays"), &[], Some(json!({}))).await;
    let path = asked.headers["location"].to_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.kill();
    app.spawn().await;
    let until = Instant::now() + Duration::from_secs(10);
    while api(&app, &token, &path).await["state"] != "unknown" {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_pages_show_hostile_names_as_text_and_do_what_the_api_does() {
    let app = App::start(&[]).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 0 }).await;
    app.account("op", "operator");
    let mut browser = Browser::signed_in(&app, "op").await;
    let body = json!({"user_id": "usr_hostile", "username": HOSTILE, "roles": ["customer"]});
    let run = app.finished(&app.register(None, &body).await.json()).await;
    let id = id(&run);
    let (run_page, conversation) =
        (format!("/panel/registrations/{id}"), format!("/panel/conversations/{}", run["conversation_id"].as_str().unwrap()));
    for path in ["/panel/registrations", &run_page, "/panel/conversations", &conversation, "/panel/consultants"] {
        for language in ["zh-CN", "en"] {
            let page = browser.send("GET", path, &[("cookie", &format!("anmei_language={language}"))], "").await;
            assert_eq!(page.status, 200, "{path}: {page:?}");
            assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"), "{path}: {}", page.body);
        }
    }
    let page = browser.get(&run_page).await.body;
    assert!(page.contains("&#60;script&#62;alert(1)") && page.contains("get_user_profile"), "{page}");

    dify.behave(Behaviour::Obeys("您好！<b>新</b>的欢迎语。".into()));
    let asked = browser.post(&format!("{run_page}/replays"), &[("agent", ""), ("reason", HOSTILE)]).await;
    assert_eq!(asked.status, 303, "{asked:?}");
    let replay = asked.location().split('?').next().unwrap().to_owned();
    let until = Instant::now() + Duration::from_secs(10);
    let page = loop {
        let page = browser.get(&replay).await.body;
        if page.contains("may be shown to customers") {
            break page;
        }
        assert!(Instant::now() < until, "{page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(page.contains("您好！新的欢迎语。") && !page.contains("<script>alert"), "both stand side by side: {page}");

    let refused = browser.get("/panel/registrations?state=dead&since=soon").await;
    assert!(refused.status == 422 && refused.body.contains("value=\"soon\""), "{refused:?}");
    let dead = given_up(&app, 2).await;
    let retried = browser.post(&format!("/panel/registrations/{dead}/retry"), &[("reason", "")]).await;
    assert_eq!(
        (retried.status.as_u16(), retried.location()),
        (303, &*format!("/panel/registrations/{dead}?said=run-retried")),
        "{retried:?}"
    );
    assert_eq!(browser.get("/panel/registrations/nothing").await.status, 404);
}

#[expect(clippy::disallowed_methods, reason = "a client of the tests, not of the product")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_run_is_watched_while_it_goes_on() {
    let app = App::start(&[("welcome.deadline", "10s")]).await;
    let _dify = agent(&app, Behaviour::Slow(Duration::from_millis(1_500))).await;
    app.account("op", "operator");
    let browser = Browser::signed_in(&app, "op").await;
    let accepted = app.register(None, &new_user(1)).await.json();
    let id = accepted["registration_id"].as_str().unwrap();
    let page = browser.get(&format!("/panel/registrations/{id}")).await.body;
    assert!(page.contains(&format!("hx-sse:connect=\"/panel/registrations/{id}/live\"")), "{page}");
    let request = client().get(format!("{}/panel/registrations/{id}/live", app.admin_root()));
    let mut parts = request.header("cookie", browser.cookie.as_deref().unwrap()).send().await.unwrap().bytes_stream();
    let mut heard = String::new();
    let until = Instant::now() + Duration::from_secs(15);
    while !(heard.contains("收到注册") && heard.contains("发送欢迎消息")) {
        assert!(Instant::now() < until, "{heard}");
        match tokio::time::timeout(Duration::from_secs(5), parts.next()).await {
            Ok(Some(Ok(part))) => heard.push_str(&String::from_utf8_lossy(&part)),
            other => panic!("{other:?}: {heard}"),
        }
    }
}
