//! The tool from arguments to stored plan, over the in-memory records.

use serde_json::{Value, json};

use super::GenerateTreatmentPlan;
use crate::{
    clinic::vocabulary::{TAGS, Tag},
    memory::{Memory, accepts, call, customer_account},
    port::{Preferences, Service},
    tool::{Tool, ToolError},
    treatment::fixture::{Lcg, catalogue, customer, service},
};

fn tool() -> Tool {
    Tool::native::<GenerateTreatmentPlan>()
}

fn records() -> Memory {
    Memory { services: catalogue(), ..Memory::default() }
}

async fn plan(records: &Memory, profile: Value, requirements: Value) -> Result<Value, ToolError> {
    call(&tool(), records, json!({"customer_profile": profile, "requirements": requirements})).await
}

fn codes(plan: &Value) -> Vec<String> {
    plan["treatments"].as_array().unwrap().iter().map(|entry| entry["service_code"].as_str().unwrap().to_owned()).collect()
}

fn refusal(result: Result<Value, ToolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn the_example_is_accepted_and_further_properties_are() {
    assert!(accepts(&tool(), &tool().definition.example));
    assert!(accepts(&tool(), &json!({"customer_profile": {"mood": "good"}, "requirements": {"colour": 1}})));
    assert!(!accepts(&tool(), &json!({"customer_profile": {"user_id": "a b"}, "requirements": {}})));
    let schema = Value::Object(tool().definition.input_schema);
    assert!(!schema.to_string().contains("$ref"));
    assert_eq!(schema["properties"]["requirements"]["type"], "object");
}

#[tokio::test]
async fn the_example_gives_a_stored_plan_within_its_limits() {
    let records = records();
    let plan = call(&tool(), &records, tool().definition.example).await.unwrap();
    assert!(!codes(&plan).is_empty());
    assert!(!codes(&plan).contains(&"pico_laser".to_owned()), "lidocaine");
    assert!(plan["estimated_cost_max_yuan"].as_f64().unwrap() <= 20_000.0);
    assert!(
        plan["excluded"]
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["service_code"] == "pico_laser" && entry["reason_type"] == "contraindicated")
    );
    assert_eq!(plan["review"]["status"], "pending_physician_review");
    assert_eq!(plan["based_on"]["optimal"], true);
    let stored = records.plans.lock().unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].id, plan["plan_id"].as_str().unwrap());
    assert!(stored[0].body["constraints"]["safety"].as_array().unwrap().contains(&json!("lidocaine")));
}

#[tokio::test]
async fn the_record_is_merged_and_no_stored_allergy_is_dropped() {
    let records = Memory {
        customers: vec![customer("usr_1", &["lidocaine"], &["瘢痕体质"])],
        preferences: [("usr_1".to_owned(), Preferences { budget_max_fen: Some(300_000), ..Preferences::default() })].into(),
        ..records()
    };
    let plan = plan(&records, json!({"user_id": "usr_1", "allergies": ["无"], "conditions": ["光敏"]}), json!({})).await.unwrap();
    let safety = plan["based_on"]["safety"].to_string();
    for tag in ["lidocaine", "keloid", "photosensitivity"] {
        assert!(safety.contains(tag), "{safety}");
    }
    assert_eq!(codes(&plan), ["vitamin_c_infusion"], "the only one left for spots");
    assert!(plan["estimated_cost_max_yuan"].as_f64().unwrap() <= 3_000.0, "the stored budget");
    assert_eq!(plan["based_on"]["concerns"], json!(["色斑"]), "the stored concern");
    assert_eq!(records.plans.lock().unwrap()[0].customer_id.as_deref(), Some("usr_1"));
}

#[tokio::test]
async fn minors_and_strangers_get_no_plan() {
    let minor = refusal(plan(&records(), json!({"age": 17}), json!({"concerns": ["色斑"]})).await);
    assert!(minor.contains("guardian") && minor.contains("18"), "{minor}");
    let mut young = customer("usr_2", &[], &[]);
    young.birth_year = Some(2_010);
    let records = Memory { customers: vec![young], ..records() };
    let minor = refusal(plan(&records, json!({"user_id": "usr_2", "age": 25}), json!({})).await);
    assert!(minor.contains("guardian"), "the record decides: {minor}");
    let unknown = plan(&records, json!({"user_id": "nobody"}), json!({"concerns": ["色斑"]})).await.unwrap_err();
    assert!(matches!(unknown, ToolError::NotFound(_)));
    let known = Memory { users: vec![customer_account("usr_3", "王芳", 1)], ..records };
    let plan = plan(&known, json!({"user_id": "usr_3"}), json!({"concerns": ["色斑"]})).await.unwrap();
    assert!(plan["warnings"].to_string().contains("No health record"));
}

#[tokio::test]
async fn unknown_words_are_kept_compared_and_flagged() {
    let mut records = records();
    records.services[0].contraindications.push("花生".into());
    let plan = plan(&records, json!({"allergies": ["花生"]}), json!({"concerns": ["色斑"]})).await.unwrap();
    assert!(!codes(&plan).contains(&"photorejuvenation".to_owned()));
    assert!(plan["warnings"].to_string().contains("花生"));
}

#[tokio::test]
async fn safety_facts_in_invented_properties_count() {
    let hidden = plan(&records(), json!({"is_pregnant": true}), json!({"concerns": ["皱纹"]})).await;
    let text = refusal(hidden);
    assert!(text.contains("pregnancy") && text.contains("physician"), "{text}");
}

#[tokio::test]
async fn refusals_name_the_binding_constraint_and_the_nearest_relaxation() {
    let budget = refusal(plan(&records(), json!({}), json!({"concerns": ["松弛"], "budget": 5_000})).await);
    assert!(budget.contains("¥20,000") && budget.contains("budget binds"), "{budget}");
    let recovery = refusal(plan(&records(), json!({}), json!({"concerns": ["单眼皮"], "max_recovery_days": 3})).await);
    assert!(recovery.contains("at least 10"), "{recovery}");
    let concern = refusal(plan(&records(), json!({}), json!({"concerns": ["打呼噜"]})).await);
    assert!(concern.contains("打呼噜") && concern.contains("色斑"), "{concern}");
    let both = refusal(plan(&records(), json!({}), json!({"concerns": ["单眼皮"], "max_recovery_days": 3, "budget": 100})).await);
    assert!(both.contains("double_eyelid") && both.contains("all of these"), "{both}");
    let time = refusal(plan(&records(), json!({}), json!({"concerns": ["单眼皮"], "max_weeks": 1})).await);
    assert!(time.contains("time binds"), "{time}");
    let nothing = plan(&records(), json!({}), json!({})).await.unwrap_err();
    assert!(matches!(nothing, ToolError::Argument { .. }));
    let deadline = refusal(plan(&records(), json!({}), json!({"concerns": ["色斑"], "deadline": "2020-01-01"})).await);
    assert!(deadline.contains("2026-05-20"), "{deadline}");
    let span = refusal(plan(&records(), json!({}), json!({"concerns": ["色斑"], "budget_min": 9, "budget_max": 1})).await);
    assert!(span.contains("budget_min"), "{span}");
    let empty = refusal(plan(&Memory::default(), json!({}), json!({"concerns": ["色斑"]})).await);
    assert!(empty.contains("no service on offer"), "{empty}");
}

#[tokio::test]
async fn wishes_are_respected_or_refused() {
    let with = plan(&records(), json!({}), json!({"concerns": ["色斑"], "include": ["水氧清洁"], "exclude": ["皮秒激光"]})).await.unwrap();
    assert!(codes(&with).contains(&"hydrafacial".to_owned()) && !codes(&with).contains(&"pico_laser".to_owned()));
    let forbidden =
        refusal(plan(&records(), json!({"conditions": ["怀孕"]}), json!({"concerns": ["色斑"], "include": ["pico_laser"]})).await);
    assert!(forbidden.contains("requirements.include") && forbidden.contains("pregnancy"), "{forbidden}");
    let unknown = refusal(plan(&records(), json!({}), json!({"concerns": ["色斑"], "include": ["光子美肤"]})).await);
    assert!(unknown.contains("photorejuvenation"), "{unknown}");
    let dear = refusal(plan(&records(), json!({}), json!({"include": ["光子嫩肤", "皮秒激光"], "budget": 3_500})).await);
    assert!(dear.contains("¥4,000"), "{dear}");
    let named = plan(&records(), json!({}), json!({"concerns": ["光子嫩肤"]})).await.unwrap();
    assert!(codes(&named).contains(&"photorejuvenation".to_owned()));
}

#[tokio::test]
async fn a_busy_database_is_reported_as_such() {
    let down = Memory { down: true, ..records() };
    assert!(matches!(plan(&down, json!({}), json!({"concerns": ["色斑"]})).await.unwrap_err(), ToolError::Unavailable { .. }));
}

fn random_service(rng: &mut Lcg, at: u64) -> Service {
    let concerns = ["色斑", "皱纹", "毛孔粗大", "松弛"];
    let low = rng.within(1, 80) as i64 * 100;
    let treats: Vec<&str> = concerns.iter().copied().filter(|_| rng.chance(40)).collect();
    let (recovery, sessions, efficacy) = (rng.within(0, 12) as u32, rng.within(1, 5) as u32, rng.within(1, 95) as u32);
    let mut made = service(
        &format!("s{at}"),
        &format!("项目{at}"),
        &treats,
        (low, low + rng.within(0, 20) as i64 * 100),
        (recovery, sessions, efficacy),
    );
    made.contraindications = TAGS.iter().filter(|_| rng.chance(8)).map(|tag| tag.name.to_owned()).collect();
    made.enabled = rng.chance(90);
    made
}

/// Synonyms in, and no service out that lists the tag: over many random catalogues and customers, every limit respected.
#[tokio::test]
async fn nothing_contraindicated_and_nothing_over_a_limit_is_ever_proposed() {
    let mut rng = Lcg(99);
    let mut made = 0;
    for case in 0..500 {
        let services: Vec<Service> = (0..rng.within(1, 14)).map(|at| random_service(&mut rng, at)).collect();
        let records = Memory { services: services.clone(), ..Memory::default() };
        let facts: Vec<&Tag> = TAGS.iter().filter(|_| rng.chance(6)).collect();
        let said: Vec<&str> = facts.iter().map(|tag| tag.words.first().copied().unwrap_or(tag.name)).collect();
        let (budget, recovery, sessions) = (rng.within(500, 20_000), rng.within(0, 12), rng.within(1, 8));
        let requirements = json!({"concerns": ["色斑", "皱纹", "毛孔"], "budget": budget, "max_recovery_days": recovery, "max_sessions": sessions, "max_weeks": 12});
        let Ok(plan) = plan(&records, json!({"conditions": said}), requirements).await else {
            continue;
        };
        made += 1;
        assert!(plan["estimated_cost_max_yuan"].as_f64().unwrap() <= budget as f64, "case {case}");
        assert!(plan["sessions"].as_u64().unwrap() <= sessions && plan["duration_days"].as_u64().unwrap() <= 84, "case {case}");
        for code in codes(&plan) {
            let service = services.iter().find(|service| service.code == code).unwrap();
            assert!(service.enabled && u64::from(service.recovery_days) <= recovery, "case {case}");
            assert!(
                facts.iter().all(|fact| !service.contraindications.contains(&fact.name.to_owned())),
                "case {case}: {code} for {said:?}"
            );
        }
    }
    assert!(made > 150, "{made}");
}
