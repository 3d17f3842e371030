//! Imports against a real database file: all or nothing, again and again, and what is said about missing rows.

use anmei_mcp_tools::Records;
use serde_json::json;

use super::{
    ConsultantRecord, ConsultationRecord, ConversationRecord, CustomerRecord, ImportError, ImportSummary, MessageRecord, Mode, PlanRecord,
    PreferencesRecord, Record, ServiceRecord, UserRecord,
};
use crate::{clock::from_ms, store::Store};

const NOW: i64 = 1_779_271_200_000;

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    (dir, store)
}

fn user(id: &str) -> Record {
    Record::User(UserRecord { id: id.into(), username: format!("客户{id}"), ..UserRecord::default() })
}

fn customer(user_id: &str) -> Record {
    Record::Customer(CustomerRecord { user_id: user_id.into(), allergies: Some(vec!["lidocaine".into()]), ..CustomerRecord::default() })
}

/// One record of every kind, each pointing at the ones before.
fn clinic() -> Vec<Record> {
    let at = from_ms(NOW - 1000);
    vec![
        user("usr_1"),
        customer("usr_1"),
        Record::Preferences(PreferencesRecord { user_id: "usr_1".into(), budget_max_fen: Some(500_000), ..PreferencesRecord::default() }),
        Record::Consultant(ConsultantRecord { user_id: "usr_1".into(), tags: Some(vec!["色斑".into()]), ..ConsultantRecord::default() }),
        Record::Service(ServiceRecord {
            code: "peel".into(),
            name: "果酸".into(),
            category: "skin".into(),
            price_min_fen: 30_000,
            price_max_fen: 60_000,
            duration_minutes: 40,
            ..ServiceRecord::default()
        }),
        Record::Consultation(ConsultationRecord {
            id: "con_1".into(),
            customer_id: "usr_1".into(),
            kind: "treatment".into(),
            status: "completed".into(),
            service_code: Some("peel".into()),
            paid_fen: Some(50_000),
            occurred_at: at,
            ..ConsultationRecord::default()
        }),
        Record::Conversation(ConversationRecord {
            id: "cnv_1".into(),
            customer_id: "usr_1".into(),
            title: "咨询".into(),
            created_at: Some(from_ms(NOW - 5000)),
            ..ConversationRecord::default()
        }),
        Record::Message(MessageRecord {
            id: "msg_1".into(),
            conversation_id: "cnv_1".into(),
            sender_type: "customer".into(),
            content: json!({"text": "你好"}),
            created_at: Some(at),
            ..MessageRecord::default()
        }),
        Record::Plan(PlanRecord {
            id: "pln_1".into(),
            customer_id: Some("usr_1".into()),
            body: json!({"items": []}),
            ..PlanRecord::default()
        }),
        Record::Plan(PlanRecord {
            id: "pln_2".into(),
            parent_id: Some("pln_1".into()),
            body: json!({"items": [1]}),
            ..PlanRecord::default()
        }),
    ]
}

#[tokio::test]
async fn every_kind_is_stored_and_an_import_can_be_repeated() {
    let (_dir, store) = open();
    assert_eq!(store.import(clinic(), NOW).await.unwrap(), ImportSummary { added: 10, changed: 0, unchanged: 0 });
    assert_eq!(store.import(clinic(), NOW + 1000).await.unwrap(), ImportSummary { added: 0, changed: 0, unchanged: 10 });
    assert_eq!(store.plan("pln_2").await.unwrap().unwrap().status, "pending_physician_review");
    assert_eq!(store.services(from_ms(NOW)).await.unwrap().len(), 1);
    // The customer's message counts as the customer's although the file does not say who sent it.
    assert_eq!(store.messages("cnv_1", 10).await.unwrap()[0].sender_id.as_deref(), Some("usr_1"));
    // And it moved its conversation forward.
    assert_eq!(store.latest_conversation("usr_1").await.unwrap().unwrap().updated_at, from_ms(NOW - 1000));
}

#[tokio::test]
async fn one_bad_record_undoes_all_and_every_bad_one_is_named() {
    let (_dir, store) = open();
    let records = vec![user("usr_1"), customer("usr_x"), customer("usr_1"), customer("usr_y")];
    let Err(ImportError::Records(failures)) = store.import(records, NOW).await else { panic!("refused") };
    let said: Vec<(usize, &str)> = failures.iter().map(|failure| (failure.index, failure.why.as_str())).collect();
    assert_eq!(said, [(1, "user_id usr_x is not in users; import users first"), (3, "user_id usr_y is not in users; import users first")]);
    assert!(store.user("usr_1").await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_record_points_at_is_named_by_its_field() {
    let (_dir, store) = open();
    let expected = [
        "user_id usr_1 is not in users; import users first",
        "user_id usr_1 is not in users; import users first",
        "user_id usr_1 is not in users; import users first",
        "customer_id usr_1 is not in users; import users first",
        "customer_id usr_1 is not in users; import users first",
        "conversation_id cnv_1 is not in conversations; import conversations first",
        "parent_id pln_1 is not in plans; put the one it names before it",
    ];
    let pointing = clinic().into_iter().filter(|record| record.points_at().is_some());
    for (record, expected) in pointing.zip(expected) {
        let error = store.import(vec![record], NOW).await.unwrap_err();
        assert_eq!(error.to_string(), format!("1 record cannot be stored, so nothing was imported; the first: {expected}"));
    }
}

#[tokio::test]
async fn a_broken_rule_of_the_schema_is_the_records_fault() {
    let (_dir, store) = open();
    let mut records = clinic();
    records.push(Record::Service(ServiceRecord {
        code: "x".into(),
        price_min_fen: 2,
        price_max_fen: 1,
        duration_minutes: 1,
        ..ServiceRecord::default()
    }));
    let Err(ImportError::Records(failures)) = store.import(records, NOW).await else { panic!("refused") };
    assert!(failures[0].index == 10 && failures[0].why.contains("price_max_fen >= price_min_fen"), "{failures:?}");
}

#[tokio::test]
async fn a_rehearsal_keeps_nothing_and_progress_is_heard() {
    let (_dir, store) = open();
    let (heard, progress) = std::sync::mpsc::channel();
    let summary = store.import_with(clinic(), NOW, Mode::Rehearse, move |done| heard.send(done).unwrap()).await.unwrap();
    assert_eq!(summary.added, 10);
    assert_eq!(progress.iter().last(), Some(10));
    assert!(store.user("usr_1").await.unwrap().is_none());
    assert_eq!(store.import(clinic(), NOW).await.unwrap().added, 10);
}

#[tokio::test]
async fn records_put_one_by_one_say_what_they_changed_and_cost_only_themselves() {
    let (_dir, store) = open();
    let mut records = clinic();
    records.insert(1, customer("usr_x"));
    let put = store.put_records(records.clone(), NOW).await.unwrap();
    let refused = put[1].as_ref().unwrap_err();
    assert_eq!((refused.field, refused.why.as_str()), (Some("user_id"), "usr_x is not in users; send it to users first"));
    assert_eq!(put.iter().filter(|one| **one == Ok(true)).count(), 10);
    let again = store.put_records(records, NOW + 1).await.unwrap();
    assert_eq!(again.iter().filter(|one| **one == Ok(false)).count(), 10, "{again:?}");
}
