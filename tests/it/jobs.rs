//! `job` and `drill`: what operators see of the queue, the proof over the rows, and the crash at every point.

use serde_json::{Value, json};

use crate::harness::{App, binary};

/// The finished run of one registration.
async fn registered(app: &App, user: &str) -> Value {
    let accepted = app.register(Some(&format!("evt_{user}")), &json!({"user_id": user, "username": "林晓月"})).await.json();
    app.finished(&accepted).await
}

/// Verifies; returns the exit code and the report.
fn verify(app: &App, flags: &[&str]) -> (Option<i32>, Value) {
    let output = app.cli(&[&["job", "verify", "--json"], flags].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn what_the_automation_leaves_keeps_every_rule_and_a_breach_is_named() {
    let mut app = App::start(&[]).await;
    for user in ["usr_1", "usr_2"] {
        registered(&app, user).await;
    }
    // Beside the daemon, and after it.
    let (code, report) = verify(&app, &[]);
    assert_eq!((code, &report["findings"]), (Some(0), &json!(0)), "{report:#}");
    assert_eq!(app.stop().await, Some(0));
    let (code, report) = verify(&app, &["--drained"]);
    assert_eq!(code, Some(0), "{report:#}");
    let rows = |name: &str| report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()["looked_at"].clone();
    assert_eq!((rows("one_welcome"), rows("accepted_once")), (json!(2), json!(2)));
    rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap().execute("DELETE FROM messages WHERE rowid = 1", []).unwrap();
    let (code, report) = verify(&app, &[]);
    let broken: Vec<&Value> = report["checks"].as_array().unwrap().iter().filter(|check| check["broken"] != 0).collect();
    assert_eq!((code, broken.len(), &broken[0]["name"]), (Some(1), 1, &json!("one_welcome")), "{report:#}");
    assert!(String::from_utf8(app.cli(&["job", "verify"]).stdout).unwrap().contains("has 0 welcomes"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_by_asking() {
    let app = App::idle(&[]);
    assert_eq!(app.cli(&["job", "verify"]).status.code(), Some(4));
    assert!(!app.data().exists());
}

#[tokio::test]
async fn a_run_is_shown_replayed_and_never_welcomed_twice() {
    let app = App::start(&[]).await;
    let run = registered(&app, "usr_1").await;
    let id = run["registration_id"].as_str().unwrap();
    let job = app.ok_json(&["job", "show", id]);
    assert_eq!((&job["job"]["kind"], &job["job"]["state"]), (&json!("registration"), &json!("done")), "{job:#}");
    assert!(job["steps"].as_array().unwrap().iter().any(|step| step["step"] == "deliver_welcome"));
    assert_eq!(app.ok_json(&["job", "list", "--state", "done", "--kind", "registration"]).as_array().unwrap().len(), 1);
    for verb in ["retry", "cancel"] {
        assert_eq!(app.cli(&["job", verb, id]).status.code(), Some(1), "{verb}: it is done");
        assert_eq!(app.cli(&["job", verb, "nothing"]).status.code(), Some(4), "{verb}");
    }
    app.ok(&["job", "replay", id]);
    let again = app.finished(&json!({"status_url": format!("/hooks/registration/{id}")})).await;
    assert_eq!((&again["welcome"], &again["conversation_id"]), (&run["welcome"], &run["conversation_id"]));
    assert_eq!(app.count("SELECT count(*) FROM messages"), 1);
    assert_eq!(verify(&app, &[]).0, Some(0));
}

#[test]
fn a_drill_wants_a_directory_of_its_own_and_points_that_there_are() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "").unwrap();
    let used = binary().args(["drill", "crash", "--dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(used.status.code(), Some(2), "{}", String::from_utf8_lossy(&used.stderr));
    let unknown = binary().args(["drill", "crash", "--point", "nowhere"]).output().unwrap();
    assert!(unknown.status.code() == Some(2) && String::from_utf8_lossy(&unknown.stderr).contains("accept.before_commit"));
    let armed = App::idle(&[]).command(&["serve"]).env("ANMEI_MCP_DRILL", "nowhere").output().unwrap();
    assert_eq!(armed.status.code(), Some(2), "{}", String::from_utf8_lossy(&armed.stderr));
}

#[test]
fn killed_at_every_point_nothing_is_lost() {
    let drill = binary().args(["drill", "crash"]).output().unwrap();
    let said = String::from_utf8_lossy(&drill.stdout);
    // Every point was reached, or the drill fails and names it.
    assert!(drill.status.success(), "{said}{}", String::from_utf8_lossy(&drill.stderr));
    assert_eq!(said.lines().filter(|line| line.trim_end().ends_with(" ok")).count(), anmei_mcp::drill::POINTS.len(), "{said}");
}

#[test]
fn killed_at_random_under_load_nothing_is_lost() {
    let drill = binary().args(["drill", "crash", "--random", "--cycles", "5"]).output().unwrap();
    assert!(drill.status.success(), "{}{}", String::from_utf8_lossy(&drill.stdout), String::from_utf8_lossy(&drill.stderr));
}
