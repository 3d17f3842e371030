//! The port's promises on a real database file, and the indexes behind every read.

use anmei_mcp_tools::{
    Records,
    port::{Activity, NewPlan, NewSummary, Participant},
};
use serde_json::json;

use crate::{
    clock::from_ms,
    store::{
        Store,
        import::{ConsultationRecord, ConversationRecord, MessageRecord, Record, ServiceRecord, UserRecord},
    },
};

/// 2026-05-20 10:00 UTC, 18:00 at the clinic.
const NOW: i64 = 1_779_271_200_000;
const DAY: i64 = 24 * 3_600_000;

fn user(id: &str, username: &str) -> Record {
    Record::User(UserRecord { id: id.into(), username: username.into(), ..UserRecord::default() })
}

fn visit(id: &str, kind: &str, status: &str, at: i64, paid_fen: i64) -> Record {
    Record::Consultation(ConsultationRecord {
        id: id.into(),
        customer_id: "usr_1".into(),
        consultant_id: Some("usr_2".into()),
        kind: kind.into(),
        status: status.into(),
        service_code: (kind == "treatment").then(|| "peel".into()),
        paid_fen: Some(paid_fen),
        occurred_at: from_ms(at),
        ..ConsultationRecord::default()
    })
}

fn message(id: &str, sender_type: &str, sender_id: Option<&str>, at: i64) -> Record {
    Record::Message(MessageRecord {
        id: id.into(),
        conversation_id: "cnv_1".into(),
        sender_type: sender_type.into(),
        sender_id: sender_id.map(Into::into),
        content: json!({"text": id}),
        created_at: Some(from_ms(at)),
        ..MessageRecord::default()
    })
}

async fn clinic(records: Vec<Record>) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    let conversation = |id: &str| {
        Record::Conversation(ConversationRecord {
            id: id.into(),
            customer_id: "usr_1".into(),
            title: "咨询".into(),
            created_at: Some(from_ms(NOW - 400 * DAY)),
            ..ConversationRecord::default()
        })
    };
    let base = vec![user("usr_1", "张伟"), user("usr_2", "林顾问"), conversation("cnv_1"), conversation("cnv_2")];
    store.import([base, records].concat(), NOW).await.unwrap();
    (dir, store)
}

#[tokio::test]
async fn activity_adds_up_what_took_place_until_now() {
    let (_dir, store) = clinic(vec![
        visit("1", "consultation", "completed", NOW - 400 * DAY, 0),
        visit("2", "treatment", "completed", NOW - 390 * DAY, 100_000),
        visit("3", "treatment", "completed", NOW - 10 * DAY, 50_000),
        visit("4", "follow_up", "completed", NOW - 3 * DAY, 0),
        visit("5", "treatment", "cancelled", NOW - 2 * DAY, 0),
        visit("6", "follow_up", "no_show", NOW - DAY, 0),
        visit("7", "complaint", "completed", NOW - DAY, 0),
        visit("8", "treatment", "scheduled", NOW + DAY, 10_000),
        visit("9", "treatment", "scheduled", NOW - DAY, 0),
        // 18:00, 01:00 and 01:00 at the clinic.
        message("m1", "customer", None, NOW - 100 * DAY),
        message("m2", "customer", Some("usr_1"), NOW - 40 * DAY + 7 * 3_600_000),
        message("m3", "customer", None, NOW - DAY + 7 * 3_600_000),
        message("m4", "consultant", Some("usr_2"), NOW - DAY),
        message("m5", "customer", None, NOW + DAY),
    ])
    .await;
    let mut hours = vec![0; 24];
    (hours[18], hours[1]) = (1, 2);
    let expected = Activity {
        completed_visits: 4,
        treatments: 2,
        missed: 2,
        complaints: 1,
        upcoming: 1,
        first_visit: Some(from_ms(NOW - 400 * DAY)),
        last_visit: Some(from_ms(NOW - 3 * DAY)),
        spent_fen: 160_000,
        spent_year_fen: 60_000,
        messages: 3,
        messages_30d: 1,
        messages_90d: 2,
        last_message: Some(from_ms(NOW - DAY + 7 * 3_600_000)),
        messages_by_hour: hours,
        services: [("peel".to_owned(), 2)].into(),
    };
    assert_eq!(store.activity("usr_1", from_ms(NOW)).await.unwrap(), expected);
    let nobody = store.activity("usr_x", from_ms(NOW)).await.unwrap();
    assert_eq!(nobody, Activity { messages_by_hour: vec![0; 24], ..Activity::default() });
}

#[tokio::test]
async fn consultations_come_newest_first_with_the_consultants_name() {
    let (_dir, store) = clinic(vec![
        visit("1", "consultation", "completed", NOW - 2 * DAY, 0),
        visit("3", "treatment", "scheduled", NOW + DAY, 0),
        visit("2", "treatment", "completed", NOW - DAY, 0),
    ])
    .await;
    let ids = |found: Vec<anmei_mcp_tools::port::Consultation>| found.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(store.consultations("usr_1", 10).await.unwrap()), ["3", "2", "1"]);
    assert_eq!(ids(store.consultations("usr_1", 2).await.unwrap()), ["3", "2"]);
    let one = store.consultation("2").await.unwrap().unwrap();
    assert_eq!((one.consultant_name.as_deref(), one.occurred_at), (Some("林顾问"), from_ms(NOW - DAY)));
    assert!(store.consultation("x").await.unwrap().is_none());
}

#[tokio::test]
async fn the_last_messages_come_oldest_first_and_name_who_wrote() {
    let (_dir, store) = clinic(vec![
        message("m1", "ai", None, NOW - 50),
        message("m2", "customer", None, NOW - 40),
        message("m3", "consultant", Some("usr_2"), NOW - 30),
        message("m4", "doctor", Some("usr_gone"), NOW - 20),
        message("m5", "system", None, NOW - 10),
        message("m6", "consultant", Some("usr_2"), NOW - 10),
    ])
    .await;
    let last = store.messages("cnv_1", 3).await.unwrap();
    assert_eq!(last.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), ["m4", "m5", "m6"]);
    assert_eq!(last[0].content, json!({"text": "m4"}));
    let people = store.participants("cnv_1").await.unwrap();
    let people: Vec<(&str, &str, &str)> =
        people.iter().map(|Participant { user_id, username, role }| (user_id.as_str(), username.as_str(), role.as_str())).collect();
    let expected = [
        ("usr_1", "张伟", "customer"),
        ("", "AI 助手", "ai"),
        ("usr_2", "林顾问", "consultant"),
        ("usr_gone", "usr_gone", "doctor"),
        ("", "系统", "system"),
    ];
    assert_eq!(people, expected);
    assert!(store.participants("cnv_x").await.unwrap().is_empty());
    assert_eq!(store.latest_conversation("usr_1").await.unwrap().unwrap().id, "cnv_1");
    assert!(store.latest_conversation("usr_2").await.unwrap().is_none());
}

#[tokio::test]
async fn services_are_ordered_and_count_bookings_of_a_year() {
    let service = |code: &str, category: &str| {
        Record::Service(ServiceRecord {
            code: code.into(),
            name: code.into(),
            category: category.into(),
            price_min_fen: 1,
            price_max_fen: 2,
            duration_minutes: 30,
            contraindications: Some(vec!["pregnancy".into()]),
            ..ServiceRecord::default()
        })
    };
    let (_dir, store) = clinic(vec![
        service("peel", "skin"),
        service("botox", "injection"),
        service("aqua", "skin"),
        visit("1", "treatment", "completed", NOW - 10 * DAY, 0),
        visit("2", "treatment", "completed", NOW - 366 * DAY, 0),
        visit("3", "treatment", "cancelled", NOW - 10 * DAY, 0),
        visit("4", "treatment", "completed", NOW + 10 * DAY, 0),
    ])
    .await;
    let found = store.services(from_ms(NOW)).await.unwrap();
    assert_eq!(
        found.iter().map(|one| (one.code.as_str(), one.bookings_year)).collect::<Vec<_>>(),
        [("botox", 0), ("aqua", 0), ("peel", 1)]
    );
    assert_eq!((found[0].sessions, found[0].efficacy, found[0].enabled), (1, 50, true));
    assert_eq!(found[0].contraindications, ["pregnancy"]);
}

#[tokio::test]
async fn a_plan_waits_for_a_physician_and_a_summary_is_kept() {
    let (_dir, store) = clinic(vec![]).await;
    let plan = NewPlan { customer_id: Some("usr_1".into()), parent_id: None, body: json!({"status": "approved"}), now: from_ms(NOW) };
    let stored = store.save_plan(plan).await.unwrap();
    let read = store.plan(&stored.id).await.unwrap().unwrap();
    assert_eq!((read.status.as_str(), read.created_at), ("pending_physician_review", from_ms(NOW)));
    assert_eq!(read.body, json!({"status": "approved"}));
    let orphan = NewPlan { customer_id: None, parent_id: Some("nothing".into()), body: json!({}), now: from_ms(NOW) };
    assert!(store.save_plan(orphan).await.is_err());
    let summary = NewSummary {
        consultation_id: None,
        customer_id: Some("usr_1".into()),
        consultation_type: "skin".into(),
        key_points: vec!["色斑".into()],
        source: json!({"concern": "色斑"}),
        now: from_ms(NOW),
    };
    let stored = store.save_summary(summary).await.unwrap();
    let kept: String = store
        .scan(move |db| db.query_row("SELECT key_points FROM consultation_summaries WHERE id = ?1", [stored.id], |row| row.get(0)))
        .await
        .unwrap();
    assert_eq!(kept, "[\"色斑\"]");
}

#[tokio::test]
async fn every_read_is_a_search_in_an_index() {
    let (_dir, store) = clinic(vec![]).await;
    let reads = [crate::store::consultations::SQL, crate::store::conversations::SQL, crate::store::messages::SQL].concat();
    for sql in reads {
        let steps: Vec<String> = store
            .scan(move |db| {
                let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                statement.raw_query().mapped(|row| row.get(3)).collect()
            })
            .await
            .unwrap();
        let full = steps.iter().any(|step| step.starts_with("SCAN ") && !step.contains("VIRTUAL TABLE"));
        assert!(!full && !steps.is_empty(), "{sql}: {steps:?}");
    }
}
