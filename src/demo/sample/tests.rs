//! The sample clinic is what the demonstration promises: big enough, consistent, and the same every time.

use std::collections::{BTreeMap, BTreeSet};

use anmei_mcp_tools::Records;
use chrono::{DateTime, Utc};

use super::generate;
use crate::{
    clock::from_ms,
    store::{Store, import::Record},
};

/// The tags that allergies, conditions and contraindications share.
const TAGS: &[&str] = &[
    "lidocaine",
    "pregnancy",
    "breastfeeding",
    "keloid",
    "photosensitivity",
    "penicillin",
    "autoimmune",
    "bleeding_disorder",
    "diabetes",
    "hypertension",
    "pacemaker",
    "skin_infection",
    "hyaluronic_acid",
    "botulinum",
    "collagen",
    "isotretinoin",
    "metal_implant",
    "herpes",
    "minor",
];

fn now() -> DateTime<Utc> {
    from_ms(1_779_271_200_000)
}

#[test]
fn it_is_the_same_every_time_and_moves_with_the_time() {
    assert_eq!(generate(now()), generate(now()));
    let ids = |records: Vec<Record>| {
        records.into_iter().filter_map(|record| if let Record::User(user) = record { Some(user.id) } else { None }).collect::<Vec<_>>()
    };
    assert_eq!(ids(generate(now())), ids(generate(from_ms(1_800_000_000_000))));
}

#[test]
fn it_is_as_big_as_promised() {
    let records = generate(now());
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let mut roles: BTreeMap<String, usize> = BTreeMap::new();
    let mut categories = BTreeSet::new();
    for record in &records {
        let kind = match record {
            Record::User(user) => {
                *roles.entry(user.roles.clone().unwrap().join(",")).or_default() += 1;
                "users"
            }
            Record::Service(service) => {
                categories.insert(service.category.clone());
                "services"
            }
            Record::Customer(_) => "customers",
            Record::Preferences(_) => "preferences",
            Record::Consultation(_) => "consultations",
            Record::Conversation(_) => "conversations",
            Record::Message(_) => "messages",
            Record::Consultant(_) => "consultants",
            Record::Plan(_) => "plans",
        };
        *count.entry(kind).or_default() += 1;
    }
    let least = [
        ("customers", 600),
        ("preferences", 400),
        ("consultations", 2_000),
        ("conversations", 1_000),
        ("messages", 4_000),
        ("services", 32),
        ("plans", 20),
    ];
    for (kind, least) in least {
        assert!(count[kind] >= least, "{kind}: {count:?}");
    }
    assert!(categories.len() >= 6, "{categories:?}");
    let team = [("consultant", 12), ("doctor", 3), ("operator", 1), ("admin", 1)];
    assert!(team.iter().all(|(role, number)| roles[*role] == *number) && roles["customer"] == 640, "{roles:?}");
}

#[test]
fn nothing_contradicts_itself() {
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut avoid: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut registered: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    let mut phones = BTreeSet::new();
    for record in generate(now()) {
        match record {
            Record::User(user) => {
                assert!(user.registered_at.unwrap() <= now());
                assert!(user.phone.is_none_or(|phone| phone.len() == 11 && phones.insert(phone)));
                registered.insert(user.id, user.registered_at.unwrap());
            }
            Record::Service(service) => {
                let list = service.contraindications.unwrap();
                assert!(list.iter().all(|tag| TAGS.contains(&tag.as_str())), "{}: {list:?}", service.code);
                avoid.insert(service.code, list);
            }
            Record::Customer(customer) => {
                let list = [customer.allergies.unwrap(), customer.conditions.unwrap()].concat();
                assert!(list.iter().all(|tag| TAGS.contains(&tag.as_str())), "{list:?}");
                assert!(!customer.concerns.unwrap().is_empty());
                tags.insert(customer.user_id, list);
            }
            Record::Consultation(visit) => {
                let past = visit.occurred_at <= now();
                assert_eq!(past, visit.status != "scheduled", "{visit:?}");
                assert!(visit.occurred_at > registered[&visit.customer_id], "{visit:?}");
                assert!(!visit.summary.unwrap().contains('{'));
                let avoided = visit.service_code.map(|code| avoid[&code].clone()).unwrap_or_default();
                assert!(!tags[&visit.customer_id].iter().any(|tag| avoided.contains(tag)));
            }
            Record::Message(message) => {
                assert!(message.created_at.unwrap() <= now());
                let text = message.content["text"].as_str().unwrap();
                assert!(!text.is_empty() && !text.contains('{'), "{text}");
            }
            Record::Conversation(conversation) => assert!(conversation.created_at.unwrap() > registered[&conversation.customer_id]),
            Record::Plan(plan) => assert!(plan.created_at.unwrap() <= now()),
            Record::Preferences(preferences) => assert!(preferences.budget_min_fen <= preferences.budget_max_fen),
            Record::Consultant(consultant) => assert!(registered.contains_key(&consultant.user_id)),
        }
    }
}

#[tokio::test]
async fn it_is_imported_whole_and_can_be_searched() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    let records = generate(now());
    let all = records.len() as u64;
    let clinic_time = now().timestamp_millis();
    assert_eq!(store.import(records, clinic_time).await.unwrap().added, all);
    assert_eq!(store.import(generate(now()), clinic_time).await.unwrap().unchanged, all);
    for query in ["张", "王", "Emily", "1380000", "example.com"] {
        assert!(!store.search_users(query, 10).await.unwrap().is_empty(), "{query}");
    }
}

#[tokio::test]
async fn customers_differ_as_they_do_in_life() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    let records = generate(now());
    let customers: Vec<String> = records
        .iter()
        .filter_map(|record| if let Record::Customer(customer) = record { Some(customer.user_id.clone()) } else { None })
        .collect();
    store.import(records, now().timestamp_millis()).await.unwrap();
    let (mut never, mut often, mut rich, mut gone, mut coming) = (0, 0, 0, 0, 0);
    for id in &customers {
        let activity = store.activity(id, now()).await.unwrap();
        never += u32::from(activity.completed_visits == 0);
        often += u32::from(activity.completed_visits >= 8);
        rich += u32::from(activity.spent_year_fen >= 3_000_000);
        gone += u32::from(activity.last_visit.is_some_and(|last| now() - last > chrono::Duration::days(180)));
        coming += u32::from(activity.upcoming > 0);
    }
    let counts = (never, often, rich, gone, coming);
    assert!(never >= 60 && often >= 40 && rich >= 20 && gone >= 60 && coming >= 60, "{counts:?}");
}

/// A sample plan is one that the tools can work on.
#[tokio::test]
async fn a_sample_plan_can_be_revised() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("anmei.db")).unwrap();
    let records = generate(now());
    let plans: Vec<String> =
        records.iter().filter_map(|record| if let Record::Plan(plan) = record { Some(plan.id.clone()) } else { None }).collect();
    store.import(records, now().timestamp_millis()).await.unwrap();
    let tool = anmei_mcp_tools::all().into_iter().find(|tool| tool.name() == "optimize_plan").unwrap();
    let config = serde_json::Map::new();
    let context = anmei_mcp_tools::Context { records: &store, now: now(), config: &config, progress: &anmei_mcp_tools::port::NobodyAsked };
    let mut revised = 0;
    for plan in &plans {
        let arguments = serde_json::json!({ "plan_id": plan, "feedback": "恢复期不超过3天" });
        let serde_json::Value::Object(arguments) = arguments else { panic!("an object") };
        match tool.call(arguments, &context).await {
            Ok(_) => revised += 1,
            // Under that limit there may be nothing left; what the plan holds must be understood all the same.
            Err(error) => assert!(!error.to_string().contains("generate_treatment_plan"), "{error}"),
        }
    }
    assert!(revised > plans.len() / 2, "{revised} of {}", plans.len());
}
