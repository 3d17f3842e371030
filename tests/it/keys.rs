//! Keys through the front door: several per group, ends of every kind, rotation with an observed cut-over, and what each
//! of them is told. Part of invariant I2.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::harness::{Answer, App, Era};

/// What a request with this key is answered.
async fn list(app: &App, key: &str) -> Answer {
    app.rpc(Era::Silent, &app.root_url(), Some(key), "tools/list", json!({})).await
}

async fn status(app: &App, key: &str) -> u16 {
    list(app, key).await.status.as_u16()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

fn add(app: &App, code: &str, name: &str, more: &[&str]) -> String {
    text(&app.ok_json(&[&["key", "add", code, "--name", name], more].concat())["key"])
}

/// The last four characters of a key, by which it is told from others of its name.
fn hint(key: &str) -> &str {
    &key[key.len() - 4..]
}

/// Waits until a condition holds that the daemon's half-minute round or a stop brings about.
async fn stop_and_start(app: &mut App) {
    app.stop().await;
    app.spawn().await;
}

#[tokio::test]
async fn a_group_has_several_keys_and_each_is_seen_by_its_name() {
    let app = App::start(&[]).await;
    let (first, dify) = (app.key("system_tools"), add(&app, "system_tools", "dify", &["--expires", "30d", "--reason", "新集成"]));
    assert_eq!((status(&app, &first).await, status(&app, &dify).await), (200, 200));
    assert_eq!(text(&app.ok_json(&["key", "show", "system_tools", "--key", "dify"])["key"]), dify);
    let keys = app.ok_json(&["key", "list", "system_tools"]);
    let names: Vec<_> = keys.as_array().unwrap().iter().map(|key| (text(&key["name"]), text(&key["state"]))).collect();
    assert_eq!(names, [("default".into(), "current".into()), ("dify".to_owned(), "current".to_owned())]);
    assert!(keys[1]["expires_at"].is_string() && keys[0]["expires_at"].is_null(), "{keys}");
    assert!(text(&keys[1]["created_by"]).starts_with("cli:"), "{keys}");
    assert!(!keys.to_string().contains(&dify) && !app.ok(&["key", "list", "system_tools"]).contains(&dify));

    let taken = app.cli(&["key", "add", "system_tools", "--name", "dify"]);
    assert!(!taken.status.success() && String::from_utf8_lossy(&taken.stderr).contains("dify already"), "{taken:?}");
    app.ok(&["key", "rename", "system_tools", "dify", "cursor"]);
    assert_eq!(text(&app.ok_json(&["key", "show", "system_tools", "--key", "cursor"])["key"]), dify);
    for (args, code) in [
        (&["key", "show", "system_tools", "--key", "dify"][..], 4),
        (&["key", "show", "no_such_group"], 4),
        (&["key", "add", "system_tools", "--name", "two words"], 2),
        (&["key", "add", "system_tools", "--name", "x", "--expires", "2020-01-01"], 2),
        (&["key", "add", "system_tools", "--name", "x", "--expires", "soon"], 2),
        (&["key", "add", "system_tools"], 2),
    ] {
        let refused = app.cli(args);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&refused.stderr));
    }
}

#[tokio::test]
async fn every_way_a_key_can_end_is_told_to_its_holder_and_to_nobody_else() {
    let app = App::start(&[]).await;
    let expired = add(&app, "system_tools", "expired", &["--expires", "1500ms"]);
    let revoked = add(&app, "system_tools", "revoked", &[]);
    let replaced = add(&app, "system_tools", "replaced", &[]);
    for key in [&expired, &revoked, &replaced] {
        assert_eq!(status(&app, key).await, 200);
    }
    app.ok(&["key", "revoke", "system_tools", "--key", "revoked", "--reason", "泄露"]);
    app.ok(&["key", "rotate", "system_tools", "--key", "replaced", "--grace", "0s"]);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for (key, kind, word, fix) in [
        (&expired, "key-expired", "expired on", "key rotate system_tools --key expired"),
        (&revoked, "key-revoked", "revoked on", "key add system_tools"),
        (&replaced, "key-replaced", "replaced on", "key show system_tools --key replaced"),
    ] {
        for url in [app.root_url(), app.group_url("system_tools"), app.group_url("medical_tools"), app.group_url("no_such_group")] {
            let answer = app.rpc(Era::Modern, &url, Some(key), "tools/list", json!({})).await;
            let problem = answer.json();
            assert_eq!((answer.status.as_u16(), text(&problem["type"])), (401, format!("urn:anmei-mcp:problem:{kind}")), "{url}");
            let detail = text(&problem["detail"]);
            assert!(detail.contains(word) && detail.contains(fix) && detail.contains('Z'), "{detail}");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
        }
    }
    // A stranger who made up a key hears what one without a key hears.
    let stranger = list(&app, "mcp_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    let nobody = app.send("POST", &app.root_url(), &[], "").await;
    assert_eq!((stranger.status, &stranger.body), (nobody.status, &nobody.body));
    assert!(stranger.body.contains("urn:anmei-mcp:problem:unauthorized"));
    // What the log says of each is more than the stranger hears.
    app.ok(&["group", "list"]);
}

#[tokio::test]
async fn a_key_is_refused_by_its_form_alone_and_the_older_form_still_opens() {
    let app = App::start(&[("call_log.durable", "true")]).await;
    let key = app.key("system_tools");
    let (head, check) = key.rsplit_once('_').unwrap();
    assert!(head.strip_prefix("mcp_key_").unwrap().len() == 30 && check.len() == 6, "{key}");
    let mistyped = format!("{head}_{}", if check == "000000" { "000001" } else { "000000" });
    assert_eq!(status(&app, &mistyped).await, 401);
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'refused' AND error_message LIKE '%mistyped%'"), 1);

    // A key of the first release: its hash was put in by that release.
    let older = format!("mcp_key_{}", "Ab-_9".repeat(9).get(..43).unwrap());
    let hash = anmei_mcp::gate::keys::hash(&older).map(|byte| format!("{byte:02x}")).concat();
    app.change(&format!(
        "INSERT INTO mcp_keys (id, group_id, name, hash, hint, created_at) SELECT 'old', id, 'old', x'{hash}', '9Ab-', 1 FROM mcp_tool_groups WHERE server_code = 'system_tools'"
    ));
    assert_eq!(status(&app, &older).await, 200);
}

#[tokio::test]
async fn a_rotation_shows_who_still_uses_the_old_key() {
    let mut app = App::start(&[]).await;
    let old = app.key("system_tools");
    assert_eq!(status(&app, &old).await, 200);
    let rotated = app.ok_json(&["key", "rotate", "system_tools", "--grace", "1h", "--reason", "季度轮换"]);
    let new = text(&rotated["key"]);
    assert!(rotated["old_key_valid_until"].is_string() && rotated["state"] == "current", "{rotated}");
    for (key, agent, calls) in [(&old, "dify/1.0", 3), (&new, "cursor/2.0", 2)] {
        for _ in 0..calls {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("user-agent", agent)];
            let answer = app.send("POST", &app.root_url(), &headers, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
            assert_eq!(answer.status, 200);
        }
    }
    // An orderly stop writes down what was seen; so does each half minute.
    stop_and_start(&mut app).await;
    let usage = app.ok_json(&["key", "usage", "system_tools"]);
    let of = |state: &str| usage.as_array().unwrap().iter().find(|key| key["state"] == state).unwrap().clone();
    let (in_grace, current) = (of("in_grace"), of("current"));
    let user = |key: &Value, agent: &str| key["users"].as_array().unwrap().iter().find(|user| user["client"] == agent).cloned();
    let dify = user(&in_grace, "dify/1.0").unwrap();
    assert_eq!((&dify["calls"], &dify["calls_since_rotation"], &dify["refused"]), (&json!(3), &json!(3), &json!(0)), "{usage}");
    assert_eq!(dify["address"], "127.0.0.1", "{usage}");
    let before = in_grace["users"].as_array().unwrap().iter().find(|user| user["client"] != "dify/1.0").unwrap();
    assert_eq!((&before["calls"], &before["calls_since_rotation"]), (&json!(1), &json!(0)), "the call before the rotation: {usage}");
    assert_eq!(user(&current, "cursor/2.0").unwrap()["calls"], 2);
    assert_eq!((&in_grace["last_used_client"], &in_grace["last_used_address"]), (&json!("dify/1.0"), &json!("127.0.0.1")));
    let shown = app.ok(&["key", "usage", "system_tools"]);
    assert!(shown.contains("dify/1.0") && shown.contains("still used by 1 client(s)"), "{shown}");
    assert!(app.ok(&["group", "show", "system_tools"]).contains("in grace until"));

    // After its end the same client is seen to knock in vain.
    app.change("UPDATE mcp_keys SET grace_until = rotated_at WHERE rotated_at IS NOT NULL");
    assert_eq!(status(&app, &old).await, 401);
    stop_and_start(&mut app).await;
    assert!(app.ok(&["key", "usage", "system_tools"]).contains("was tried by 1 client(s) after its end"));
}

#[tokio::test]
async fn an_old_key_that_nobody_uses_retires_by_itself_and_its_holder_is_told() {
    let app = App::start(&[("keys.retire_after_quiet", "1s")]).await;
    let old = app.key("system_tools");
    assert_eq!(status(&app, &old).await, 200);
    let said = app.ok(&["key", "rotate", "system_tools", "--grace", "1h"]);
    assert!(said.contains("or until nobody has used it for 1s"), "{said}");
    let until = Instant::now() + Duration::from_secs(20);
    while app.count("SELECT count(*) FROM mcp_keys WHERE retired_at IS NOT NULL") == 0 {
        assert!(Instant::now() < until, "it does not retire: {}", app.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = list(&app, &old).await;
    let (problem, successor) = (refused.json(), app.key("system_tools"));
    assert_eq!((refused.status.as_u16(), text(&problem["type"])), (401, "urn:anmei-mcp:problem:key-replaced".into()));
    let detail = text(&problem["detail"]);
    for part in ["was replaced on", "was retired on", "key show system_tools --key default"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert_eq!(status(&app, &successor).await, 200, "its successor goes on");
    let keys = app.ok_json(&["key", "list", "system_tools"]);
    let states: Vec<_> = keys.as_array().unwrap().iter().map(|key| (&key["state"], key["retired_at"].is_string())).collect();
    assert_eq!(states, [(&json!("replaced"), true), (&json!("current"), false)], "{keys}");
    assert!(app.ok(&["key", "list", "system_tools"]).contains("replaced, retired on"));
    let times = "retired_at >= rotated_at + 1000 AND retired_at < grace_until";
    assert_eq!(app.count(&format!("SELECT count(*) FROM mcp_keys WHERE {times}")), 1, "quiet for so long, and before its grace ended");
    let audited = app.ok_json(&["audit", "list", "--action", "key.retire"]);
    assert_eq!(audited.as_array().unwrap().len(), 1, "{audited}");
    assert_eq!((&audited[0]["actor"], &audited[0]["object"]), (&json!("daemon"), &json!("key/system_tools/default")));
}

#[test]
fn a_rotation_speaks_of_retirement_only_where_it_can_come_before_the_end() {
    let app = App::idle(&[]);
    let said = app.ok(&["key", "rotate", "system_tools"]);
    assert!(said.contains("or until nobody has used it for 12h"), "by the defaults it can: {said}");
    for grace in ["12h", "1h", "0s"] {
        let said = app.ok(&["key", "rotate", "system_tools", "--grace", grace]);
        assert!(said.contains("is valid until") && !said.contains("nobody has used it"), "{grace}: {said}");
    }
    let app = App::idle(&[("keys.retire_after_quiet", "0s")]);
    let said = app.ok(&["key", "rotate", "system_tools", "--grace", "48h"]);
    assert!(said.contains("is valid until") && !said.contains("nobody has used it"), "{said}");
}

#[tokio::test]
async fn an_old_key_ends_alone_and_a_name_that_it_shares_with_its_successor_revokes_neither() {
    let app = App::start(&[]).await;
    let old = add(&app, "system_tools", "dify", &[]);
    let early = app.cli(&["key", "retire", "system_tools", "dify"]);
    assert!(early.status.code() == Some(4) && String::from_utf8_lossy(&early.stderr).contains("only a replaced key"), "{early:?}");
    let new = text(&app.ok_json(&["key", "rotate", "system_tools", "--key", "dify", "--grace", "1h"])["key"]);
    let shared = app.cli(&["key", "revoke", "system_tools", "--key", "dify"]);
    let said = String::from_utf8_lossy(&shared.stderr);
    assert_eq!(shared.status.code(), Some(2), "{said}");
    for (key, state) in [(&old, "in_grace"), (&new, "current")] {
        assert!(said.contains(&format!("…{} ({state})", hint(key))), "{said}");
        assert_eq!(status(&app, key).await, 200, "{state}");
    }
    app.ok(&["key", "retire", "system_tools", "dify", "--reason", "迁移完成"]);
    let refused = list(&app, &old).await;
    assert!(refused.status == 401 && refused.body.contains("key-replaced") && refused.body.contains("was retired on"), "{refused:?}");
    assert_eq!(status(&app, &new).await, 200);
    let audited = app.ok_json(&["audit", "list", "--action", "key.retire"]);
    assert_eq!((&audited[0]["object"], &audited[0]["reason"]), (&json!("key/system_tools/dify"), &json!("迁移完成")), "{audited}");
    assert_eq!(app.cli(&["key", "retire", "system_tools", hint(&old)]).status.code(), Some(4), "once");
    app.ok(&["key", "revoke", "system_tools", "--key", hint(&old)]);
    assert_eq!(status(&app, &new).await, 200, "of two keys of a name the one that was meant");
    app.ok(&["key", "revoke", "system_tools", "--key", "dify"]);
    assert_eq!(status(&app, &new).await, 401, "a name that one key has names it");
}

#[tokio::test]
async fn a_key_that_has_expired_is_not_handed_out() {
    let app = App::idle(&[]);
    let expired = add(&app, "system_tools", "dify", &["--expires", "1ms"]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let show = ["key", "show", "system_tools", "--key"];
    for name in ["dify", hint(&expired)] {
        let refused = app.cli(&[&show[..], &[name]].concat());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(4) && !String::from_utf8_lossy(&refused.stdout).contains(&expired), "{refused:?}");
        for part in ["expired", "key rotate system_tools --key dify", "key add system_tools"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let new = text(&app.ok_json(&["key", "rotate", "system_tools", "--key", "dify", "--expires", "30d"])["key"]);
    assert_eq!(text(&app.ok_json(&[&show[..], &["dify"]].concat())["key"]), new);
}

#[tokio::test]
async fn uses_of_keys_are_no_change_of_the_policy() {
    let mut app = App::start(&[]).await;
    let key = app.key("system_tools");
    app.ok(&["key", "rotate", "system_tools", "--grace", "1h"]);
    let revision = "SELECT revision FROM policy_revision";
    let before = app.count(revision);
    for _ in 0..5 {
        assert_eq!(status(&app, &key).await, 200);
    }
    stop_and_start(&mut app).await;
    assert!(app.count("SELECT count(*) FROM mcp_keys WHERE last_used_at IS NOT NULL") == 1);
    assert_eq!(app.count(revision), before);
}

#[tokio::test]
async fn revocation_ends_what_is_open_within_a_second() {
    let app = App::start(&[]).await;
    let key = add(&app, "system_tools", "streamer", &[]);
    let (headers, body) = Era::Modern.request(Some(&key), "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut request = client().post(app.root_url());
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    let response = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    let first = tokio::time::timeout(Duration::from_secs(3), stream.next()).await.unwrap().unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("acknowledged"));
    app.ok(&["key", "revoke", "system_tools", "--key", "streamer"]);
    let revoked = Instant::now();
    tokio::time::timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = stream.next().await {} })
        .await
        .unwrap_or_else(|_| panic!("still open {:?} after the revocation", revoked.elapsed()));
    assert_eq!(status(&app, &app.key("system_tools")).await, 200, "other keys of the group go on");
}

#[tokio::test]
async fn every_change_and_every_look_is_a_row_of_the_audit_log() {
    let app = App::start(&[]).await;
    let key = add(&app, "system_tools", "dify", &["--reason", "新集成"]);
    app.ok(&["key", "show", "system_tools", "--key", "dify", "--reason", "配置 Dify"]);
    app.ok(&["key", "rename", "system_tools", "dify", "dify-prod"]);
    let rotated = app.ok_json(&["key", "rotate", "system_tools", "--key", "dify-prod"]);
    for one in [hint(&key), text(&rotated["hint"]).as_str()] {
        app.ok(&["key", "revoke", "system_tools", "--key", one]);
    }
    app.ok(&["group", "create", "lab", "--tool", "search_users"]);
    app.ok(&["group", "disable", "lab"]);
    app.ok(&["group", "set", "lab", "--subject-scoped", "true"]);
    app.ok(&["tool", "disable", "lab", "search_users"]);
    app.ok(&["tool", "enable", "lab", "get_user_profile"]);
    app.ok(&["group", "delete", "lab", "--yes"]);
    let mut rows = app.ok_json(&["audit", "list"]);
    // The daemon's own: a link for the first administrator.
    rows.as_array_mut().unwrap().retain(|row| row["action"] != "setup.link");
    let actions: Vec<_> = rows.as_array().unwrap().iter().skip(5).map(|row| text(&row["action"])).collect();
    let expected = [
        "key.add",
        "key.reveal",
        "key.rename",
        "key.rotate",
        "key.add",
        "key.revoke",
        "key.revoke",
        "group.create",
        "group.disable",
        "group.set",
        "tool.change",
        "tool.add",
        "group.delete",
    ];
    assert_eq!(actions, expected);
    let reveal = &rows[6];
    assert_eq!((&reveal["reason"], &reveal["object"]), (&json!("配置 Dify"), &json!("key/system_tools/dify")));
    assert!(text(&reveal["actor"]).starts_with("cli:"));
    assert_eq!((&rows[14]["before"]["enabled"], &rows[13]["before"]["enabled"]), (&json!(false), &json!(true)), "{rows}");
    assert!(!rows.to_string().contains(&key) && !rows.to_string().contains("sealed"), "no secret in the log");
    assert_eq!(app.ok_json(&["audit", "list", "--object", "key/system_tools", "--action", "key.reveal"]).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_audit_log_that_was_changed_is_found() {
    let app = App::idle(&[]);
    app.ok(&["key", "show", "system_tools"]);
    let proof = app.ok_json(&["audit", "verify"]);
    assert_eq!((&proof["rows"], &proof["intact"], proof.get("broken_at")), (&json!(6), &json!(true), Some(&Value::Null)), "{proof}");
    let head = text(&proof["head"]);
    assert!(app.ok(&["audit", "verify", "--expect", &head]).contains(&head));
    app.change("DROP TRIGGER audit_log_kept; DELETE FROM audit_log WHERE seq = 6;");
    assert!(app.cli(&["audit", "verify"]).status.success());
    let cut = app.cli(&["audit", "verify", "--expect", &head]);
    assert!(cut.status.code() == Some(1) && String::from_utf8_lossy(&cut.stderr).contains("cut off"), "{cut:?}");
    app.change("DROP TRIGGER audit_log_unchanged; UPDATE audit_log SET actor = 'nobody' WHERE seq = 2;");
    let changed = app.cli(&["audit", "verify"]);
    assert!(changed.status.code() == Some(1) && String::from_utf8_lossy(&changed.stderr).contains("row 2"), "{changed:?}");
    let proof: Value = serde_json::from_slice(&app.cli(&["audit", "verify", "--json"]).stdout).unwrap();
    assert_eq!((&proof["intact"], &proof["broken_at"]), (&json!(false), &json!(2)), "{proof}");
}

#[tokio::test]
async fn wrong_keys_are_throttled_by_address_and_a_right_one_never_is() {
    let app = App::start(&[("keys.failed_attempts", "5")]).await;
    let right = app.key("system_tools");
    let wrong = "mcp_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let first = list(&app, wrong).await;
    for _ in 0..4 {
        let again = list(&app, wrong).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
    }
    for _ in 0..3 {
        let waits = list(&app, wrong).await;
        assert_eq!(waits.status, 429, "{waits:?}");
        let seconds: u64 = waits.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{waits:?}");
        assert!(!waits.headers.contains_key("www-authenticate"));
        assert_eq!(status(&app, &right).await, 200, "a neighbour with the right key is let in");
    }
    // No key at all is no attempt: clients ask so to find out how to authorize.
    assert_eq!(app.send("POST", &app.root_url(), &[], "").await.status, 401);
    assert_eq!(app.log().matches("too many wrong keys").count(), 1, "said once");
    app.ok(&["group", "list"]);
}

#[tokio::test]
async fn whoever_is_refused_again_and_again_does_not_fill_the_log() {
    let app = App::start(&[("keys.failed_attempts", "5"), ("call_log.durable", "true")]).await;
    for n in 0..130 {
        assert_eq!(app.send("POST", &app.root_url(), &[], "").await.status, 401, "{n}");
    }
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'refused'"), 120);
}

#[expect(clippy::disallowed_methods, reason = "a client of the tests, not of the product")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
