//! Revisions of a plan made by the other tool.

use serde_json::{Value, json};

use super::OptimizePlan;
use crate::{
    memory::{Memory, accepts, call},
    port::{NewPlan, Records},
    tool::{Tool, ToolError},
    treatment::{
        fixture::{catalogue, customer},
        generate_treatment_plan::GenerateTreatmentPlan,
    },
};

fn tool() -> Tool {
    Tool::native::<OptimizePlan>()
}

async fn start(profile: Value, requirements: Value) -> (Memory, Value) {
    let records = Memory { services: catalogue(), customers: vec![customer("usr_1", &[], &[])], ..Memory::default() };
    let plan = call(&Tool::native::<GenerateTreatmentPlan>(), &records, json!({"customer_profile": profile, "requirements": requirements}))
        .await
        .unwrap();
    (records, plan)
}

async fn revise(records: &Memory, plan: &Value, feedback: &str) -> Result<Value, ToolError> {
    call(&tool(), records, json!({"plan_id": plan["plan_id"], "feedback": feedback})).await
}

fn codes(plan: &Value) -> Vec<String> {
    plan["treatments"].as_array().unwrap().iter().map(|entry| entry["service_code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_example_is_accepted() {
    assert!(accepts(&tool(), &tool().definition.example));
    assert!(!accepts(&tool(), &json!({"plan_id": "p", "feedback": ""})));
}

#[tokio::test]
async fn a_tighter_budget_makes_a_cheaper_child() {
    let (records, plan) = start(json!({"user_id": "usr_1"}), json!({"concerns": ["色斑", "皱纹"]})).await;
    let before = plan["estimated_cost_max_yuan"].as_f64().unwrap();
    let result = revise(&records, &plan, "太贵了，预算5000元以内").await.unwrap();
    let after = result["plan"]["estimated_cost_max_yuan"].as_f64().unwrap();
    assert!(after <= 5_000.0 && before > 5_000.0, "{before} → {after}");
    assert!((result["cost_change_yuan"].as_f64().unwrap() - (after - before)).abs() < 0.01);
    let total: f64 = result["changes"].as_array().unwrap().iter().map(|change| change["cost_change_yuan"].as_f64().unwrap()).sum();
    assert!((total - (after - before)).abs() < 0.01, "the changes add up");
    let stored = records.plans.lock().unwrap();
    assert_eq!(stored[1].parent_id.as_deref(), plan["plan_id"].as_str());
    assert_eq!(stored[1].id, result["optimized_plan_id"].as_str().unwrap());
    assert_eq!(stored[1].customer_id.as_deref(), Some("usr_1"));
    assert_eq!(result["review"]["status"], "pending_physician_review");
    assert!(result["feedback_summary"].as_str().unwrap().contains("¥5,000"));
}

#[tokio::test]
async fn the_first_plans_limits_stay_in_force() {
    let (records, plan) =
        start(json!({"allergies": ["利多卡因"]}), json!({"concerns": ["色斑", "毛孔"], "max_recovery_days": 1, "exclude": ["维C导入"]}))
            .await;
    let first = revise(&records, &plan, "最多3次").await.unwrap();
    let second = revise(&records, &first["plan"], "fewer sessions").await.unwrap();
    assert!(second["plan"]["sessions"].as_u64().unwrap() <= 2);
    for treatment in second["plan"]["treatments"].as_array().unwrap() {
        assert!(treatment["recovery_days"].as_u64().unwrap() <= 1);
        assert!(!["pico_laser", "fractional_co2", "vitamin_c_infusion"].contains(&treatment["service_code"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_new_safety_fact_removes_what_it_forbids_and_says_why() {
    let (records, plan) = start(json!({}), json!({"concerns": ["皱纹", "暗沉"]})).await;
    assert!(codes(&plan).contains(&"botox_wrinkle".to_owned()), "{plan}");
    let result = revise(&records, &plan, "我怀孕了").await.unwrap();
    assert!(codes(&result["plan"]).iter().all(|code| ["hydrafacial", "vitamin_c_infusion"].contains(&code.as_str())));
    let removed = result["changes"].as_array().unwrap().iter().find(|change| change["service_code"] == "botox_wrinkle").unwrap();
    assert_eq!(removed["kind"], "removed");
    assert!(removed["reason"].as_str().unwrap().contains("pregnancy"));
    assert!(result["reason"].as_str().unwrap().contains("皱纹"), "the price of it is named");
}

#[tokio::test]
async fn what_is_on_record_since_then_counts_too() {
    let (mut records, plan) = start(json!({"user_id": "usr_1"}), json!({"concerns": ["痘印"]})).await;
    assert!(!codes(&plan).is_empty());
    records.customers[0].conditions.push("瘢痕体质".into());
    let error = revise(&records, &plan, "太贵了").await.unwrap_err().to_string();
    assert!(error.contains("keloid"), "{error}");
}

#[tokio::test]
async fn when_nothing_is_better_it_says_so_and_stores_nothing() {
    let (records, plan) = start(json!({}), json!({"concerns": ["松弛"]})).await;
    let result = revise(&records, &plan, "恢复期不超过5天").await.unwrap();
    assert_eq!(result["optimized_plan_id"], plan["plan_id"]);
    assert_eq!(result["changes"], json!([]));
    assert_eq!(records.plans.lock().unwrap().len(), 1);
    let learnt = revise(&records, &plan, "我对花生过敏").await.unwrap();
    assert_eq!(learnt["changes"], json!([]));
    assert_ne!(learnt["optimized_plan_id"], plan["plan_id"], "a safety fact is kept with a plan");
    assert!(learnt["plan"]["warnings"].to_string().contains("花生"));
}

#[tokio::test]
async fn services_are_exchanged_and_old_wishes_yield() {
    let (records, plan) = start(json!({}), json!({"concerns": ["色斑"], "include": ["pico_laser"]})).await;
    let result = revise(&records, &plan, "把皮秒激光换成光子嫩肤").await.unwrap();
    assert!(codes(&result["plan"]).contains(&"photorejuvenation".to_owned()) && !codes(&result["plan"]).contains(&"pico_laser".to_owned()));
    let yields = revise(&records, &plan, "恢复期不超过1天").await.unwrap();
    assert!(yields["plan"]["warnings"].to_string().contains("pico_laser"));
}

#[tokio::test]
async fn impossible_and_unintelligible_feedback_is_refused_with_what_would_help() {
    let (records, plan) = start(json!({}), json!({"concerns": ["松弛"]})).await;
    let budget = revise(&records, &plan, "预算3000").await.unwrap_err().to_string();
    assert!(budget.contains("¥20,000"), "{budget}");
    let noise = revise(&records, &plan, "嗯嗯随便吧").await.unwrap_err();
    assert!(matches!(&noise, ToolError::Argument { field, .. } if field == "feedback"));
    assert!(noise.to_string().contains("预算5000"));
    let minor = revise(&records, &plan, "我才16岁").await.unwrap_err().to_string();
    assert!(minor.contains("guardian"));
    let unknown = call(&tool(), &records, json!({"plan_id": "nope", "feedback": "太贵"})).await.unwrap_err();
    assert!(matches!(unknown, ToolError::NotFound(_)));
    let foreign = records
        .save_plan(NewPlan { customer_id: None, parent_id: None, body: json!({"note": "by hand"}), now: crate::memory::now() })
        .await
        .unwrap();
    let error = call(&tool(), &records, json!({"plan_id": foreign.id, "feedback": "太贵"})).await.unwrap_err();
    assert!(matches!(error, ToolError::Argument { .. }));
    let forbidden = revise(&records, &plan, "我怀孕了，想加一个光子嫩肤").await.unwrap_err();
    assert!(matches!(&forbidden, ToolError::Argument { field, why } if field == "feedback" && why.contains("pregnancy")), "{forbidden}");
    let partly = revise(&records, &plan, "想要效果更强，前台态度不好").await.unwrap();
    assert_eq!(partly["not_understood"], json!(["前台态度不好"]));
}
