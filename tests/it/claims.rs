//! Claiming a customer who waits: by the tool, by the command line, and by whom else.

use serde_json::json;

use crate::harness::{App, Era};

const RUN: &str = "01890000-0000-7000-8000-000000000001";

/// A customer who waits since a minute ago, as the automation leaves them.
fn customer_waits(app: &App) {
    let db = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    db.execute_batch(&format!(
        "INSERT INTO registrations (id, user_id, body_hash, profile, state, accepted_at, deadline_at)
              SELECT '{RUN}', 'usr_zhangwei', x'00', '{{}}', 'done', unixepoch() * 1000 - 61000, 0;
         INSERT INTO conversations (id, customer_id, registration_id, title, created_at, updated_at)
              SELECT 'cnv_new', user_id, id, '', accepted_at, accepted_at FROM registrations;
         INSERT INTO notifications (id, registration_id, kind, recipient_id, payload, created_at)
              SELECT 'ntf_1', id, 'new_customer', 'usr_consultant1', '{{}}', accepted_at + 1000 FROM registrations;
         INSERT INTO users (id, username, roles, registered_at, created_at, updated_at) VALUES ('usr_late', '林', '[\"consultant\"]', 0, 0, 0);"
    ))
    .unwrap();
}

#[tokio::test]
async fn the_first_claim_wins_by_whatever_door_and_the_others_hear_of_it() {
    let app = App::with_records(&[]).await;
    assert_eq!(app.ok_json(&["claim", "list"]), json!({"waiting": []}));
    customer_waits(&app);
    let waiting = app.ok_json(&["claim", "list"])["waiting"][0].clone();
    assert_eq!((&waiting["registration_id"], &waiting["customer_id"]), (&json!(RUN), &json!("usr_zhangwei")));
    assert!((60..70).contains(&waiting["waiting_seconds"].as_i64().unwrap()), "{waiting}");
    assert!(app.ok(&["claim", "list"]).contains("cnv_new"));

    let stranger = app.cli(&["claim", "take", RUN, "--consultant", "usr_zhangwei"]);
    assert_eq!(stranger.status.code(), Some(1));
    let arguments = json!({"consultant_id": "usr_consultant1", "customer_id": "usr_zhangwei"});
    let won = app.call(Era::Modern, "consultation_tools", "claim_customer", arguments).await["structuredContent"].clone();
    assert_eq!((&won["claimed"], &won["claimed_by_name"], &won["conversation_id"]), (&json!(true), &json!("王顾问"), &json!("cnv_new")));

    for id in [RUN, "cnv_new"] {
        let lost = app.cli(&["claim", "take", id, "--consultant", "usr_late"]);
        let text = String::from_utf8(lost.stderr).unwrap();
        assert!(lost.status.code() == Some(1) && text.contains("usr_consultant1 was first") && text.contains("via mcp"), "{text}");
    }
    let own = app.ok_json(&["claim", "take", "cnv_new", "--consultant", "usr_consultant1"]);
    assert_eq!((&own["claimed_by"], &own["via"]), (&json!("usr_consultant1"), &json!("mcp")));
    assert_eq!(app.cli(&["claim", "take", "nothing", "--consultant", "usr_late"]).status.code(), Some(4));

    let all = app.ok_json(&["claim", "list", "--all"]);
    assert_eq!((&all["waiting"], &all["claimed"]), (&json!([]), &json!([own])));
    assert!(app.ok(&["claim", "list", "--all"]).contains("usr_consultant1") && !app.ok(&["claim", "list"]).contains("usr_consultant1"));
    assert_eq!(app.count("SELECT count(*) FROM notifications WHERE kind = 'customer_claimed' AND recipient_id = 'usr_late'"), 1);
    assert_eq!(app.count("SELECT ai_controlled FROM conversations WHERE id = 'cnv_new'"), 0);
}
