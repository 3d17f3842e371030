//! The hook's routes on a real database file, by HTTP requests that never leave the process.

use std::{sync::Arc, time::Duration};

use anmei_mcp_tools::Records as _;
use axum::{Router, body::Body};
use futures_util::StreamExt;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tower::ServiceExt;

use super::{HookParts, HookSettings, HookState, router};
use crate::{
    clock::FixedClock,
    gate::{Gate, origins::Origins},
    ids::new_id_at,
    outbound::standard_webhooks::{WebhookSecret, sign},
    secret::{MasterKey, SecretText},
    settings::Book,
    store::{
        Store,
        audit::By,
        jobs::{Claim, Ending},
        keys::Key,
        policy::{Group, NewGroup, ToolPolicy},
        settings::SettingChange,
    },
};

const NOW: i64 = 1_779_271_200_000;
const KEY: &str = "hook-key-of-the-tests";
const MAX: usize = 300;

struct Hook {
    _dir: tempfile::TempDir,
    store: Store,
    clock: Arc<FixedClock>,
    secrets: Vec<WebhookSecret>,
    routes: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn statuses(&self) -> Vec<(u64, u64)> {
        self.lines().iter().map(|line| (line["line"].as_u64().unwrap(), line["status"].as_u64().unwrap())).collect()
    }
}

impl Hook {
    /// A hook with one group that offers `get_user_profile`.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("anmei.db")).unwrap();
        store.create_groups(vec![group()], By::new("test", NOW)).await.unwrap();
        let clock = Arc::new(FixedClock::at_ms(NOW));
        let secrets = vec![WebhookSecret::generate().unwrap(), WebhookSecret::generate().unwrap()];
        let settings = HookSettings {
            key: SecretText::new(KEY),
            secrets: secrets.clone(),
            origins: Origins::new(&["hook".into()], &[], "hook"),
            max_body: MAX,
            body_timeout: Duration::from_millis(200),
        };
        let parts = HookParts {
            store: store.clone(),
            clock: Arc::clone(&clock) as _,
            wake: Arc::new(Notify::new()),
            book: Book::new(store.clone(), Arc::new(MasterKey::generate().unwrap()), Arc::clone(&clock) as _),
            master: Arc::new(MasterKey::generate().unwrap()),
            gate: Arc::new(Gate::new(store.clone(), Arc::clone(&clock) as _)),
        };
        Self { _dir: dir, store, clock, secrets, routes: router(HookState::new(parts, settings)) }
    }

    async fn switch_group(&self, enabled: bool) {
        let change = crate::store::policy::GroupChange::switched(enabled);
        let _written = self.store.change_group("system_tools", change, None, By::new("test", NOW)).await.unwrap();
    }

    async fn set(&self, name: &str, value: Value) {
        let seen = self.store.policy_revision().unwrap();
        assert!(self.store.put_settings(vec![SettingChange::plain(name, value)], By::new("test", NOW), seen).await.unwrap());
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "hook");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.routes.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn keyed(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {KEY}"))], body).await
    }

    async fn register(&self, user: &str) -> Answer {
        self.keyed("POST", "/hooks/registration", json!({"user_id": user}).to_string()).await
    }

    async fn put(&self, path: &str, record: Value) -> Answer {
        self.keyed("PUT", &format!("/hooks/records/{path}"), record.to_string()).await
    }

    async fn finish_one(&self) {
        let claim = Claim { boot_id: "b".into(), lease_token: new_id_at(NOW), now: i64::MAX, lease_until: i64::MAX, most: 1 };
        let job = self.store.claim_jobs(claim).await.unwrap().remove(0);
        assert!(self.store.end_job(&job, Ending::Done, NOW).await.unwrap());
    }
}

fn group() -> NewGroup {
    let tool = ToolPolicy {
        id: "tool_1".into(),
        tool_name: "get_user_profile".into(),
        group_id: "grp_1".into(),
        version: "1.0.0".into(),
        description: None,
        enabled: true,
        timeout_seconds: 30,
        config_data: Map::new(),
        created_at: NOW,
        updated_at: NOW,
    };
    let key = Key {
        id: "key_1".into(),
        group_id: "grp_1".into(),
        name: "key".into(),
        hash: [1; 32],
        hint: "abcd".into(),
        created_at: NOW,
        ..Key::default()
    };
    let group = Group {
        subject_scoped: false,
        id: "grp_1".into(),
        server_code: "system_tools".into(),
        name: "系统工具".into(),
        description: String::new(),
        user_tier_access: Vec::new(),
        allowed_roles: Vec::new(),
        enabled: true,
        created_by: "test".into(),
        created_at: NOW,
        updated_at: NOW,
    };
    NewGroup { group, key, tools: vec![tool] }
}

#[tokio::test]
async fn a_registration_is_taken_once() {
    let hook = Hook::new().await;
    let first = hook.register("usr_1").await;
    assert_eq!(first.status, 202, "{}", first.text);
    let id = first.json()["registration_id"].as_str().unwrap().to_owned();
    assert_eq!(first.json()["status_url"], format!("/hooks/registration/{id}"));
    let again = hook.register("usr_1").await;
    assert_eq!((again.status.as_u16(), again.json()), (200, first.json()));
    assert_eq!(hook.store.count_backlog("registration").await.unwrap(), 1);
}

#[tokio::test]
async fn a_switch_that_is_off_is_answered_recorded_and_made_good_later() {
    let hook = Hook::new().await;
    hook.set("registration_automation.enabled", json!(false)).await;
    let skipped = hook.register("usr_1").await;
    assert_eq!((skipped.status.as_u16(), skipped.json()["state"].as_str()), (202, Some("skipped")), "{}", skipped.text);
    assert!(skipped.json()["reason"].as_str().unwrap().contains("registration_automation.enabled"));
    assert_eq!(hook.register("usr_1").await.status, 200);
    assert_eq!(hook.store.next_job().unwrap(), None);

    hook.set("registration_automation.enabled", json!(true)).await;
    hook.switch_group(false).await;
    let other = hook.register("usr_2").await;
    assert!(other.json()["reason"].as_str().unwrap().contains("get_user_profile"), "{}", other.text);

    hook.switch_group(true).await;
    let started = hook.register("usr_1").await;
    assert_eq!((started.status.as_u16(), &started.json()["registration_id"]), (202, &skipped.json()["registration_id"]));
    assert_eq!((started.json().get("state"), hook.store.next_job().unwrap()), (None, Some(NOW)));
}

#[tokio::test]
async fn each_sender_has_a_rate_and_hears_when_to_come_again() {
    let hook = Hook::new().await;
    hook.set("intake.per_minute", json!(6)).await;
    for n in 0..100 {
        assert_eq!(hook.register(&format!("usr_{n}")).await.status, 202);
    }
    let refused = hook.register("usr_x").await;
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].to_str().unwrap()), (429, "10"), "{}", refused.text);
    assert!(refused.text.contains("intake.per_minute"), "{}", refused.text);
    let body = json!({"user_id": "usr_signed"}).to_string();
    for secret in 0..2 {
        let signature = sign(&hook.secrets[secret..=secret], "evt_1", NOW / 1000, body.as_bytes()).unwrap();
        let time = (NOW / 1000).to_string();
        let headers = [("webhook-id", "evt_1"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature.as_str())];
        assert!(hook.send("POST", "/hooks/registration", &headers, body.clone()).await.status.is_success(), "{secret}");
    }
    hook.clock.advance_ms(10_000);
    assert_eq!(hook.register("usr_x").await.status, 202);
    assert_eq!(hook.register("usr_y").await.status, 429);
}

#[tokio::test]
async fn the_backlog_has_a_bound_and_what_ends_makes_room() {
    let hook = Hook::new().await;
    hook.set("intake.backlog", json!(2)).await;
    assert_eq!((hook.register("usr_1").await.status.as_u16(), hook.register("usr_2").await.status.as_u16()), (202, 202));
    let refused = hook.register("usr_3").await;
    assert!(refused.status == 503 && refused.headers.contains_key("retry-after"), "{}", refused.text);
    assert!(refused.text.contains("intake.backlog"), "{}", refused.text);
    let batch = hook.keyed("POST", "/hooks/registrations", "{\"user_id\":\"usr_4\"}\nx\n").await;
    assert_eq!(batch.statuses(), [(1, 503), (2, 422)]);
    hook.finish_one().await;
    hook.clock.advance_ms(1000);
    let batch = hook.keyed("POST", "/hooks/registrations", "{\"user_id\":\"usr_5\"}\n{\"user_id\":\"usr_6\"}\n").await;
    assert_eq!(batch.statuses(), [(1, 202), (2, 503)], "there is one place");
    // What is skipped needs no place.
    hook.set("registration_automation.enabled", json!(false)).await;
    assert_eq!(hook.register("usr_7").await.status, 202);
}

#[tokio::test]
async fn nothing_is_taken_when_the_disk_is_nearly_full() {
    let hook = Hook::new().await;
    hook.set("intake.disk_min_mib", json!(4_000_000_000_u32)).await;
    let user = json!({"id": "usr_1", "username": "林晓月"});
    let batch = hook.keyed("POST", "/hooks/registrations", "{\"user_id\":\"usr_1\"}").await;
    assert!(batch.statuses() == [(1, 503)] && batch.text.contains("intake.disk_min_mib"), "{}", batch.text);
    for answer in [hook.register("usr_1").await, hook.put("users/usr_1", user.clone()).await] {
        assert!(answer.status == 503 && answer.headers["retry-after"] == "5", "{}", answer.text);
        assert!(answer.text.contains("intake.disk_min_mib"), "{}", answer.text);
    }
    hook.set("intake.disk_min_mib", json!(1)).await;
    assert_eq!((hook.register("usr_1").await.status.as_u16(), hook.put("users/usr_1", user).await.status.as_u16()), (202, 200));
}

#[tokio::test]
async fn every_line_of_a_batch_has_its_answer_in_order() {
    let hook = Hook::new().await;
    let long = format!("{{\"user_id\":\"{}\"}}", "x".repeat(MAX));
    let lines = [
        "{\"user_id\":\"usr_1\",\"event_id\":\"evt_1\"}",
        "",
        "{\"userId\":\"usr_2\"}\r",
        "no json",
        "{\"user_id\":\"usr_1\"}",
        "{\"user_id\":\"a b\",\"phone\":7}",
        "{\"user_id\":\"usr_3\",\"event_id\":\"evt_1\"}",
        &long,
        "{\"user_id\":\"usr_4\",\"event_id\":7}",
        "{\"user_id\":\"usr_5\"}",
    ];
    let answer = hook.keyed("POST", "/hooks/registrations", lines.join("\n")).await;
    assert_eq!((answer.status.as_u16(), answer.headers["content-type"].to_str().unwrap()), (200, "application/x-ndjson"));
    let expected = [(1, 202), (3, 202), (4, 422), (5, 200), (6, 422), (7, 409), (8, 422), (9, 422), (10, 202)];
    assert_eq!(answer.statuses(), expected);
    let said = answer.lines();
    assert_eq!(said[0]["registration_id"], said[3]["registration_id"]);
    assert_eq!((said[4]["errors"][0]["pointer"].as_str(), said[4]["errors"][1]["pointer"].as_str()), (Some("/user_id"), Some("/phone")));
    assert!(said[6]["error"].as_str().unwrap().contains("hook.max_body") && said[5]["error"].as_str().unwrap().contains("another body"));
    assert_eq!(hook.store.count_backlog("registration").await.unwrap(), 3);
    let stranger = hook.send("POST", "/hooks/registrations", &[], lines.join("\n")).await;
    assert!(stranger.status == 401 && stranger.headers.contains_key("www-authenticate"), "{}", stranger.text);
}

#[tokio::test]
async fn a_long_batch_is_whole_and_a_signed_one_has_the_limit_of_a_body() {
    let hook = Hook::new().await;
    let body = (0..2000).map(|n| json!({"user_id": format!("usr_{n}")}).to_string()).collect::<Vec<_>>().join("\n");
    let chunks: Vec<_> = body.as_bytes().chunks(777).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    let answer = hook.keyed("POST", "/hooks/registrations", Body::from_stream(futures_util::stream::iter(chunks))).await;
    assert_eq!(answer.statuses(), (1..=2000).map(|n| (n, 202)).collect::<Vec<_>>());
    let time = (NOW / 1000).to_string();
    for (body, status) in [(&body[..200], 200), (&body[..], 413)] {
        let signature = sign(&hook.secrets, "evt_1", NOW / 1000, body.as_bytes()).unwrap();
        let headers = [("webhook-id", "evt_1"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature.as_str())];
        assert_eq!(hook.send("POST", "/hooks/registrations", &headers, body.to_owned()).await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn answers_come_while_the_batch_goes_on_and_a_cut_line_is_nobodys() {
    let hook = Hook::new().await;
    let (lines, sent) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    let body = Body::from_stream(futures_util::stream::unfold(sent, |mut sent| async { Some((sent.recv().await?, sent)) }));
    let request = Request::post("/hooks/registrations").header("host", "hook").header("authorization", format!("Bearer {KEY}"));
    let response = hook.routes.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let mut answers = response.into_body().into_data_stream();
    for (line, committed) in [("{\"user_id\":\"usr_1\"}\n{\"user_", 1), ("id\":\"usr_2\"}\n{\"user_id\":\"usr_3\"}", 2)] {
        lines.send(Ok(line)).await.unwrap();
        let answer: Value = serde_json::from_slice(&answers.next().await.unwrap().unwrap()).unwrap();
        assert_eq!((&answer["line"], &answer["status"]), (&json!(committed), &json!(202)));
        assert_eq!(hook.store.count_backlog("registration").await.unwrap(), committed, "durable before the sender has ended");
    }
    lines.send(Err(std::io::ErrorKind::ConnectionReset.into())).await.unwrap();
    assert!(answers.next().await.is_none());
    assert_eq!(hook.store.count_backlog("registration").await.unwrap(), 2, "the third line was cut off");
}

#[tokio::test]
async fn a_batch_that_falls_silent_is_ended_with_the_place_to_go_on_from() {
    let hook = Hook::new().await;
    let silent =
        futures_util::stream::iter([Ok::<_, std::io::Error>("{\"user_id\":\"usr_1\"}\n\n")]).chain(futures_util::stream::pending());
    let answer = hook.keyed("POST", "/hooks/registrations", Body::from_stream(silent)).await;
    assert_eq!(answer.statuses(), [(1, 202), (3, 408)]);
}

#[tokio::test]
async fn records_are_kept_current_and_a_repetition_changes_nothing() {
    let hook = Hook::new().await;
    let records = [
        ("users/usr_1", json!({"username": "林晓月", "phone": null})),
        ("customers/usr_1", json!({"skinType": "oily", "concerns": ["色斑"], "allergies": null})),
        ("preferences/usr_1", json!({"budgetMin": 1000, "budget_max": "5000.50"})),
        ("users/usr_2", json!({"id": "usr_2", "username": "王顾问", "roles": ["consultant"]})),
        ("consultants/usr_2", json!({"tags": ["色斑"], "isSupervisor": true})),
        ("services/peel", json!({"name": "果酸", "category": "skin", "price_min": 300, "price_max": 600, "duration": 40})),
        (
            "consultations/con_1",
            json!({"customerId": "usr_1", "kind": "treatment", "status": "completed", "occurred_at": "2026-05-20", "paid": 300}),
        ),
        ("conversations/cnv_1", json!({"customer_id": "usr_1", "title": "咨询"})),
        ("messages/msg_1", json!({"conversation_id": "cnv_1", "sender_type": "customer", "content": {"text": "你好"}})),
    ];
    for (again, expected) in [(0, true), (1, false)] {
        for (path, record) in &records {
            let answer = hook.put(path, record.clone()).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"changed": expected})), "{path} {again}");
        }
    }
    // Whoever asks whether the customer replied finds the customer.
    assert_eq!(hook.store.messages("cnv_1", 5).await.unwrap()[0].sender_id.as_deref(), Some("usr_1"));
    let extra = hook.put("customers/usr_1", json!({"city": "上海", "favouriteColour": "red"})).await;
    assert_eq!(extra.json(), json!({"changed": true, "ignored": ["favouriteColour"]}));
}

#[tokio::test]
async fn what_is_wrong_with_a_record_is_named_by_field() {
    let hook = Hook::new().await;
    let pointers = |answer: &Answer| -> Vec<String> {
        answer.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    };
    let wrong = hook.put("consultations/con_1", json!({"customer_id": "a b", "kind": "party", "paid": -1})).await;
    assert_eq!(
        (wrong.status.as_u16(), pointers(&wrong)),
        (422, ["/customer_id", "/kind", "/status", "/paid", "/occurred_at"].map(str::to_owned).into())
    );
    let other = hook.put("users/usr_1", json!({"userId": "usr_2", "username": "x"})).await;
    assert_eq!((other.status.as_u16(), pointers(&other)), (422, vec!["/userId".to_owned()]));
    let twice = hook.put("users/usr_1", json!({"username": "x", "name": "y"})).await;
    assert_eq!((twice.status.as_u16(), pointers(&twice)), (422, vec!["/name".to_owned()]));
    let dangling = hook.put("customers/usr_9", json!({"city": "上海"})).await;
    assert_eq!((dangling.status.as_u16(), pointers(&dangling)), (422, vec!["/user_id".to_owned()]));
    assert!(dangling.text.contains("usr_9 is not in users"), "{}", dangling.text);
    assert_eq!(hook.put("users/usr%201", json!({"username": "x"})).await.status, 422);
    assert_eq!(hook.keyed("PUT", "/hooks/records/users/usr_1", "[]").await.status, 400);
    for unknown in ["plans/pln_1", "secrets/x"] {
        let answer = hook.put(unknown, json!({})).await;
        assert!(answer.status == 404 && answer.text.contains("consultants"), "{}", answer.text);
    }
    assert_eq!(hook.send("PUT", "/hooks/records/users/usr_1", &[], "{}").await.status, 401);
}

#[tokio::test]
async fn records_come_by_the_line_in_their_order() {
    let hook = Hook::new().await;
    let body = [
        json!({"kind": "customers", "record": {"user_id": "usr_1", "city": "上海"}}).to_string(),
        json!({"kind": "users", "record": {"id": "usr_1", "username": "林晓月"}}).to_string(),
        json!({"kind": "customers", "record": {"user_id": "usr_1", "city": "上海", "x": 1}}).to_string(),
        "{\"kind\":\"customers\"}".to_owned(),
        json!({"kind": "nothing", "record": {}}).to_string(),
        json!({"kind": "customers", "record": {"user_id": "usr_1", "city": "上海"}}).to_string(),
    ]
    .join("\n");
    let answer = hook.keyed("POST", "/hooks/records", body).await;
    assert_eq!(answer.statuses(), [(1, 422), (2, 200), (3, 200), (4, 422), (5, 422), (6, 200)], "{}", answer.text);
    let said = answer.lines();
    assert_eq!((&said[2]["changed"], &said[2]["ignored"], &said[5]["changed"]), (&json!(true), &json!(["x"]), &json!(false)));
    assert!(said[0]["errors"][0]["detail"].as_str().unwrap().contains("usr_1 is not in users"), "{}", said[0]);
    assert!(said[3]["error"].as_str().unwrap().contains("record") && said[4]["error"].as_str().unwrap().contains("`nothing`"));
}

#[tokio::test]
async fn a_rating_is_kept_once_and_a_later_one_replaces_it() {
    let hook = Hook::new().await;
    let rate = async |body: Value| hook.keyed("POST", "/hooks/feedback", body.to_string()).await;
    let run = hook.register("usr_1").await.json()["registration_id"].clone();
    for (body, changed) in [
        (json!({"user_id": "usr_1", "rating": 2, "comment": "一般"}), true),
        (json!({"userId": "usr_1", "rating": 2, "comment": "一般"}), false),
        (json!({"registration_id": run, "rating": 5}), true),
    ] {
        let answer = rate(body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"registration_id": run, "changed": changed})));
    }
    assert_eq!(hook.store.count_backlog("feedback").await.unwrap(), 1);
    for (body, status, says) in [
        (json!({"user_id": "usr_2", "rating": 2}), 404, "registration"),
        (json!({"user_id": "usr_1", "rating": 6}), 422, "/rating"),
        (json!({"user_id": "usr_1", "rating": "5"}), 422, "/rating"),
        (json!({"rating": 1.5}), 422, "/user_id"),
        (json!({"user_id": "usr_1", "registration_id": "x", "rating": 1}), 422, "/registration_id"),
        (json!({"user_id": "usr_1", "rating": 1, "comment": 7}), 422, "/comment"),
    ] {
        let answer = rate(body.clone()).await;
        assert!(answer.status.as_u16() == status && answer.text.contains(says), "{body}: {}", answer.text);
    }
}
