//! Consultants over API and panel: who is there, who waits, who has whom; conversations and who may read them.

use serde_json::{Value, json};

use crate::{
    admin_kit::{Browser, Person},
    harness::App,
    registration::new_user,
};

async fn api(app: &App, token: &str, path: &str) -> Value {
    let answer = app.api(token, "GET", path, &[], None).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// A customer who waits for a consultant.
async fn waits(app: &App, n: usize) -> Value {
    app.finished(&app.register(None, &new_user(n)).await.json()).await
}

#[tokio::test]
async fn the_queue_shows_who_waits_and_a_claim_by_the_panel_wins_once() {
    let app = App::with_records(&[
        ("escalation.levels", r#"[{"after": "1s", "target": "again"}]"#),
        ("working_hours.from", "00:00"),
        ("working_hours.to", "24:00"),
    ])
    .await;
    app.change("INSERT INTO users (id, username, roles, registered_at, created_at, updated_at) VALUES ('usr_late', '林', '[\"consultant\"]', 0, 0, 0)");
    let token = app.token_of_a("operator");
    let first = waits(&app, 1).await;
    waits(&app, 2).await;
    let queue = api(&app, &token, "/api/v1/consultants/queue").await;
    let ids: Vec<_> = queue["items"].as_array().unwrap().iter().map(|one| one["registration_id"].clone()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &first["registration_id"]), "who waits longest comes first");
    assert!(queue["items"][0]["username"] == "林晓月" && queue["items"][0]["waiting_seconds"].as_i64().unwrap() < 60);
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let queue = api(&app, &token, "/api/v1/consultants/queue").await;
    assert_eq!((&queue["items"][0]["escalation_level"], &queue["items"][0]["escalated_to"]), (&json!(1), &json!("again")), "{queue}");

    let claim = |consultant: &str| Some(json!({"customer": first["registration_id"], "consultant_id": consultant, "reason": "电话沟通"}));
    let answers = futures_util::future::join_all(
        ["usr_consultant1", "usr_late"]
            .iter()
            .cycle()
            .take(10)
            .map(|consultant| app.api(&token, "POST", "/api/v1/claims", &[], claim(consultant))),
    )
    .await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.json()["claimed_by"].clone()).collect();
    assert_eq!((won.len(), answers.iter().filter(|answer| answer.status == 409).count()), (5, 5), "the winner's own, and nobody else's");
    assert!(won.iter().all(|winner| *winner == won[0]));
    let lost = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert!(lost.body.contains(won[0].as_str().unwrap()), "by whom: {lost:?}");
    assert_eq!(app.count("SELECT count(*) FROM claims WHERE via = 'panel'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'claim.take' AND reason = '电话沟通'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM registrations WHERE claimed_at IS NOT NULL"), 1);
    assert_eq!(api(&app, &token, "/api/v1/consultants/queue").await["items"].as_array().unwrap().len(), 1);
    let taken_over = format!("SELECT ai_controlled FROM conversations WHERE id = '{}'", first["conversation_id"].as_str().unwrap());
    assert_eq!(app.count(&taken_over), 0, "the AI no longer answers");

    let claims = api(&app, &token, "/api/v1/claims").await;
    assert_eq!((&claims["items"][0]["via"], &claims["items"][0]["claimed_by"]), (&json!("panel"), &won[0]));
    let staff = api(&app, &token, "/api/v1/consultants").await;
    let winner = staff["items"].as_array().unwrap().iter().find(|one| one["user_id"] == won[0]).unwrap();
    assert_eq!((&winner["claims"], &winner["open_customers"], &winner["online"]), (&json!(1), &json!(1), &json!(false)), "{staff}");
    assert_eq!((&staff["waiting"], &staff["online"], &staff["waited"]["count"]), (&json!(1), &json!(0), &json!(1)));

    for (body, status) in [
        (json!({"customer": "nothing", "consultant_id": "usr_late"}), 404),
        (json!({"customer": ids[1], "consultant_id": "usr_zhangwei"}), 422),
        (json!({"customer": ids[1]}), 422),
    ] {
        let refused = app.api(&token, "POST", "/api/v1/claims", &[], Some(body)).await;
        assert_eq!(refused.status, status, "{refused:?}");
    }
    let auditor = app.token_of_a("auditor");
    assert_eq!(app.api(&auditor, "POST", "/api/v1/claims", &[], claim("usr_late")).await.status, 403);
}

#[tokio::test]
async fn pages_claim_for_a_consultant_and_say_what_is_wrong() {
    let app = App::with_records(&[]).await;
    app.account("op", "operator");
    let mut browser = Browser::signed_in(&app, "op").await;
    let run = waits(&app, 1).await;
    let id = run["registration_id"].as_str().unwrap();
    let queue = browser.get("/panel/consultants").await;
    assert!(queue.status == 200 && queue.body.contains(&format!("/panel/consultants/claim?customer={id}")), "{queue:?}");
    let form = browser.get(&format!("/panel/consultants/claim?customer={id}")).await;
    assert!(form.body.contains("value=\"usr_consultant1\""), "{form:?}");
    let wrong = browser.post("/panel/consultants/claim", &[("customer", id), ("consultant_id", "usr_zhangwei"), ("reason", "x")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("only they may claim") && wrong.body.contains("value=\"x\""), "{wrong:?}");
    let done = browser.post("/panel/consultants/claim", &[("customer", id), ("consultant_id", "usr_consultant1"), ("reason", "")]).await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/panel/consultants?said=run-claimed"), "{done:?}");
    let lost =
        browser.post("/panel/consultants/claim", &[("customer", id), ("consultant_id", "usr_consultant2"), ("reason", "电话沟通")]).await;
    assert!(
        lost.status == 422 && lost.body.contains("usr_consultant1 was first") && lost.body.contains("value=\"电话沟通\""),
        "what was chosen stays on the form: {lost:?}"
    );
    let claims = browser.get("/panel/consultants/claims?consultant=usr_consultant1").await;
    assert!(claims.body.contains("王顾问") && claims.body.contains("林晓月"), "{claims:?}");
}

#[tokio::test]
async fn operators_read_what_is_said_and_auditors_say_why_first() {
    let app = App::with_records(&[]).await;
    let (operator, somebody) = (app.token_of_a("operator"), Person::new(&app, "auditor"));
    let auditor = somebody.token.clone();
    let run = waits(&app, 1).await;
    let conversation = run["conversation_id"].as_str().unwrap();
    let found = api(&app, &operator, &format!("/api/v1/conversations?user={}", run["user_id"].as_str().unwrap())).await;
    assert_eq!((found["items"].as_array().unwrap().len(), &found["items"][0]["id"]), (1, &json!(conversation)));
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let text = run["welcome"]["text"].clone();
    assert_eq!(api(&app, &operator, &path).await["items"][0]["text"], text);
    let seen = api(&app, &auditor, &path).await["items"][0].clone();
    assert!(seen["text"].is_null() && seen["characters"].as_i64().unwrap() > 5, "{seen}");
    let words = format!("/api/v1/conversations/{conversation}/words");
    let without = app.api(&auditor, "POST", &words, &[], Some(json!({"reason": " "}))).await;
    assert!(without.status == 422 && without.json()["errors"][0]["pointer"] == "/reason", "{without:?}");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'conversation.read'"), 0);
    let read = app.api(&auditor, "POST", &words, &[], Some(json!({"reason": "客户投诉 42"}))).await;
    assert!(read.status == 200 && read.json()["items"][0]["text"] == text, "{read:?}");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'conversation.read' AND reason = '客户投诉 42'"), 1);
    assert_eq!(app.api(&operator, "POST", &words, &[], Some(json!({"reason": "curious"}))).await.status, 403);
    assert_eq!(app.api(&operator, "GET", "/api/v1/conversations/nothing/messages", &[], None).await.status, 404);

    let mut browser = Browser::of(&app, &somebody);
    let page = browser.get(&format!("/panel/conversations/{conversation}")).await;
    assert!(page.status == 200 && !page.body.contains(text.as_str().unwrap()), "{page:?}");
    let shown = browser.post(&format!("/panel/conversations/{conversation}/words"), &[("reason", "客户投诉 42"), ("cursor", "")]).await;
    assert!(shown.status == 200 && shown.body.contains(text.as_str().unwrap()), "{shown:?}");
    let refused = browser.post(&format!("/panel/conversations/{conversation}/words"), &[("reason", ""), ("cursor", "")]).await;
    assert!(refused.status == 422 && !refused.body.contains(text.as_str().unwrap()), "{refused:?}");
}
