use anmei_mcp_tools::{
    Records,
    port::{NewPlan, NewSummary, RecordsError},
};
use serde_json::json;
use tempfile::TempDir;

use super::Confined;
use crate::{
    clock::from_ms,
    store::{
        Store,
        import::{
            ConsultationRecord, ConversationRecord, CustomerRecord, MessageRecord, PlanRecord, PreferencesRecord, Record, UserRecord,
        },
    },
};

const NOW: i64 = 1_779_271_200_000;

/// Everything that can be known of one person; ids end with theirs.
fn known(user_id: &str) -> Vec<Record> {
    let id = |kind: &str| format!("{kind}_{user_id}");
    vec![
        Record::User(UserRecord { id: user_id.into(), username: "张伟".into(), ..UserRecord::default() }),
        Record::Customer(CustomerRecord { user_id: user_id.into(), ..CustomerRecord::default() }),
        Record::Preferences(PreferencesRecord { user_id: user_id.into(), ..PreferencesRecord::default() }),
        Record::Consultation(ConsultationRecord {
            id: id("con"),
            customer_id: user_id.into(),
            kind: "consultation".into(),
            status: "completed".into(),
            occurred_at: from_ms(NOW),
            ..ConsultationRecord::default()
        }),
        Record::Conversation(ConversationRecord {
            id: id("cnv"),
            customer_id: user_id.into(),
            title: "咨询".into(),
            ..ConversationRecord::default()
        }),
        Record::Message(MessageRecord {
            id: id("msg"),
            conversation_id: id("cnv"),
            sender_type: "customer".into(),
            content: json!({"text": "你好"}),
            ..MessageRecord::default()
        }),
        Record::Plan(PlanRecord {
            id: id("pln"),
            customer_id: Some(user_id.into()),
            body: json!({"treatments": []}),
            ..PlanRecord::default()
        }),
    ]
}

async fn clinic() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
    store.import([known("me"), known("you")].concat(), NOW).await.unwrap();
    (dir, store)
}

/// Which questions about `user_id` were answered with something of theirs.
async fn found(records: &dyn Records, user_id: &str) -> Vec<&'static str> {
    let id = |kind: &str| format!("{kind}_{user_id}");
    let summary = NewSummary {
        consultation_id: None,
        customer_id: Some(user_id.into()),
        consultation_type: "skin".into(),
        key_points: Vec::new(),
        source: json!({}),
        now: from_ms(NOW),
    };
    let plan = NewPlan { customer_id: Some(user_id.into()), parent_id: None, body: json!({}), now: from_ms(NOW) };
    let some = |items: Result<usize, RecordsError>| items.is_ok_and(|count| count > 0);
    let asked = [
        ("user", records.user(user_id).await.unwrap().is_some()),
        ("customer", records.customer(user_id).await.unwrap().is_some()),
        ("preferences", records.preferences(user_id).await.unwrap().is_some()),
        ("activity", records.activity(user_id, from_ms(NOW)).await.is_ok()),
        ("consultations", some(records.consultations(user_id, 9).await.map(|list| list.len()))),
        ("consultation", records.consultation(&id("con")).await.unwrap().is_some()),
        ("save_summary", records.save_summary(summary).await.is_ok()),
        ("conversation", records.conversation(&id("cnv")).await.unwrap().is_some()),
        ("latest_conversation", records.latest_conversation(user_id).await.unwrap().is_some()),
        ("messages", some(records.messages(&id("cnv"), 9).await.map(|list| list.len()))),
        ("participants", some(records.participants(&id("cnv")).await.map(|list| list.len()))),
        ("plan", records.plan(&id("pln")).await.unwrap().is_some()),
        ("save_plan", records.save_plan(plan).await.is_ok()),
    ];
    asked.into_iter().filter(|(_, found)| *found).map(|(question, _)| question).collect()
}

#[tokio::test]
async fn every_question_is_answered_about_one_person_and_none_about_another() {
    let (_dir, store) = clinic().await;
    let confined = Confined { records: &store, user_id: Some("me") };
    assert_eq!(found(&store, "you").await.len(), 13, "there is something to be found");
    assert_eq!(found(&confined, "me").await.len(), 13);
    assert_eq!(found(&confined, "you").await, [""; 0]);
    assert_eq!(found(&Confined { records: &store, user_id: None }, "me").await, [""; 0]);
}

#[tokio::test]
async fn searching_is_refused_and_what_is_no_person_is_open() {
    let (_dir, store) = clinic().await;
    let confined = Confined { records: &store, user_id: Some("me") };
    assert!(matches!(confined.search_users("张", 5).await, Err(RecordsError::OutOfScope)));
    assert_eq!(confined.services(from_ms(NOW)).await.unwrap().len(), 0);
    let nobodys = NewPlan { customer_id: None, parent_id: None, body: json!({}), now: from_ms(NOW) };
    assert!(matches!(confined.save_plan(nobodys).await, Err(RecordsError::OutOfScope)));
}
