//! `analyze_customer`: segment, engagement, risk, value and next step of one customer, with the facts behind them.
//!
//! The rules are in [`super::segment`] and [`super::risk`], the formulae in [`super::engagement`], [`super::churn`] and
//! [`super::value`], the advice in [`super::advice`]; this file reads the rows, calls them and words the answer. It refuses accounts that are no customer's: a consultant has no
//! segment.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    advice::Picture,
    churn::{Churn, churn},
    contact_time::{self, ContactTimeSource},
    engagement::engagement,
    facts::{Driver, Facts},
    findings::{AnalysisType, ChurnBasis, Detail, Findings, Outlook, ValueCode},
    risk::risk,
    segment::{Behaviour, Engaged, Segment},
    value::{Value, lifetime},
};
use crate::{
    missing, money,
    port::{Activity, Context, Preferences},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Lifetime value from which on a customer is of high, or medium, value.
const HIGH_VALUE_FEN: i64 = 5_000_000;
const MEDIUM_VALUE_FEN: i64 = 1_000_000;

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AnalyzeCustomer {
    /// 客户的用户ID（1–64位字母、数字、下划线或连字符）。 / The customer's user id (1 to 64 letters, digits, _ or -).
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    user_id: String,
    /// 分析深度：basic（默认，分群与建议）、detailed（另含风险、价值、流失）、predictive（另含下一步）。 / Depth: basic (default), detailed (adds risk, value, churn) or predictive (adds next steps).
    #[serde(default)]
    analysis_type: AnalysisType,
}

#[async_trait]
impl NativeTool for AnalyzeCustomer {
    type Output = Findings;
    const SUBJECT: Subject = Subject::Named(&["user_id"]);

    fn about() -> About {
        About {
            name: "analyze_customer",
            title: "分析客户画像 / Analyze customer",
            description: "根据到店、消费、消息和档案记录分析一位客户，用于决定如何接待和跟进。basic：客户分群（新用户与流失客户分开判断）、行为模式、参与度（0–100）和建议；\
                          detailed 另含风险、流失概率、预计终身价值；predictive 另含下一步行动、最佳联系时间和沟通策略。drivers 列出每个结论所依据的事实及其影响；没有数据时会如实说明。\n\
                          Analyses one customer from visits, spend, messages and profile; use it to decide how to receive and follow up somebody. basic: segment (new customers told apart from lapsed ones), behaviour, \
                          engagement (0 to 100) and recommendations; detailed adds risk, churn probability and lifetime value; predictive adds the next best action, contact time and strategy. \
                          `drivers` lists the facts each conclusion rests on and their effect; what is not known is said to be not known.",
            category: "customer",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(10),
            example: r#"{"user_id": "usr_0001", "analysis_type": "predictive"}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<Findings, ToolError> {
        let id = self.user_id.as_str();
        let user = ctx.records.user(id).await?.ok_or_else(|| missing::user(id))?;
        if !user.roles.iter().any(|role| role == "customer") {
            return Err(missing::customer_role(id, &user.roles));
        }
        let activity = ctx.records.activity(id, ctx.now).await?;
        let customer = ctx.records.customer(id).await?.unwrap_or_default();
        let preferences = ctx.records.preferences(id).await?.unwrap_or_default();
        let services = ctx.records.services(ctx.now).await?;
        let facts = Facts { activity: &activity, registered_at: user.registered_at, now: ctx.now };
        let picture = Picture {
            is_active: user.is_active,
            facts,
            segment: Segment::of(&facts),
            customer: &customer,
            preferences: &preferences,
            services: &services,
        };
        Ok(findings(user.id, self.analysis_type, &picture))
    }
}

fn findings(user_id: String, depth: AnalysisType, picture: &Picture<'_>) -> Findings {
    let Picture { facts, segment, .. } = picture;
    let engagement = engagement(facts);
    let engaged = Engaged::of(facts, engagement.score);
    let behaviour = Behaviour::of(facts, *segment);
    let mut drivers = segment.drivers(facts);
    drivers.extend(engagement.drivers);
    let detail = (depth >= AnalysisType::Detailed).then(|| detail(picture, &mut drivers));
    let outlook = (depth >= AnalysisType::Predictive).then(|| outlook(picture, &mut drivers));
    Findings {
        user_id,
        analysis_type: depth,
        customer_segment: segment.name(),
        segment_code: *segment,
        behavior_pattern: behaviour.describe(facts),
        behavior_code: behaviour,
        engagement_level: engaged.name(),
        engagement_code: engaged,
        engagement_score: engagement.score,
        recommendations: picture.recommendations(),
        detail,
        outlook,
        drivers,
    }
}

fn detail(picture: &Picture<'_>, drivers: &mut Vec<Driver>) -> Detail {
    let facts = &picture.facts;
    let Churn { probability, drivers: factors } = churn(facts);
    drivers.extend(factors);
    let (risk, factors) = risk(facts, picture.customer, probability);
    let budget = budget(picture.preferences);
    let value = lifetime(facts, probability, budget);
    drivers.extend(value_drivers(facts.activity, budget.filter(|_| !facts.visited())));
    let (churn_basis, churn_note) = if facts.visited() {
        (
            ChurnBasis::NoReturn,
            "不再回店的概率，按其自身到店间隔估算 / chance that the customer does not come back, against their own rhythm",
        )
    } else {
        (
            ChurnBasis::NoFirstVisit,
            "尚未到店，谈不上流失：此为首次到店不发生的概率 / never visited, so nothing to lose yet: the chance that the first visit does not happen",
        )
    };
    Detail {
        risk_profile: if factors.is_empty() { risk.name().to_owned() } else { format!("{}：{}", risk.name(), factors.join("；")) },
        risk_code: risk,
        churn_probability: probability,
        churn_basis,
        churn_note,
        lifetime_value_prediction: value_text(value, facts.visited()),
        lifetime_value_code: value_code(value),
        lifetime_value_yuan: value.map(|value| money::to_yuan(value.paid_fen + value.future_fen)),
    }
}

/// Both ends of the stated budget; one end stands for both.
fn budget(preferences: &Preferences) -> Option<(i64, i64)> {
    match (preferences.budget_min_fen, preferences.budget_max_fen) {
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => Some((only, only)),
        (Some(min), Some(max)) => Some((min, max)),
    }
}

fn value_drivers(activity: &Activity, budget: Option<(i64, i64)>) -> Vec<Driver> {
    let effect = "lifetime value";
    let spent = Driver {
        fact: "spent",
        value: format!("{} (365d: {})", money::yuan(activity.spent_fen), money::yuan(activity.spent_year_fen)),
        effect: effect.to_owned(),
        note: "累计消费与近365天消费 / paid so far and in the last 365 days".to_owned(),
    };
    let budget = budget.map(|(min, max)| Driver {
        fact: "stated_budget",
        value: money::range(min, max),
        effect: effect.to_owned(),
        note: "客户自述预算（尚无到店） / the customer's stated budget (no visit yet)".to_owned(),
    });
    [Some(spent), budget].into_iter().flatten().collect()
}

fn value_code(value: Option<Value>) -> ValueCode {
    match value.map(|value| value.paid_fen + value.future_fen) {
        None => ValueCode::Unknown,
        Some(HIGH_VALUE_FEN..) => ValueCode::High,
        Some(MEDIUM_VALUE_FEN..) => ValueCode::Medium,
        Some(_) => ValueCode::Low,
    }
}

fn value_text(value: Option<Value>, visited: bool) -> String {
    let Some(Value { paid_fen, future_fen }) = value else {
        return "暂无法预测：尚无消费，也没有预算信息".into();
    };
    let tier = match value_code(value) {
        ValueCode::High => "高价值客户",
        ValueCode::Medium => "中等价值客户",
        ValueCode::Low | ValueCode::Unknown => "低价值客户",
    };
    let (paid, future) = (money::yuan(whole_yuan(paid_fen)), money::yuan(whole_yuan(future_fen)));
    if visited {
        format!("{tier}：预计终身价值约{}（已消费{paid}，未来3年预计{future}）", money::yuan(whole_yuan(paid_fen + future_fen)))
    } else {
        format!("潜在{tier}：首单预计约{future}（自述预算×到店概率，尚无消费）")
    }
}

/// Estimates are not told to the fen.
fn whole_yuan(fen: i64) -> i64 {
    fen / 100 * 100
}

fn outlook(picture: &Picture<'_>, drivers: &mut Vec<Driver>) -> Outlook {
    let next = picture.next_step();
    let strategy = picture.strategy();
    let window = contact_time::busiest(&picture.facts.activity.messages_by_hour);
    let (contact, source) = match (&picture.preferences.contact_time, window) {
        (Some(stated), _) => (format!("{}（客户自述）", contact_time::name(stated)), ContactTimeSource::Stated),
        (None, Some(window)) => {
            drivers.push(Driver {
                fact: "messages_by_hour",
                value: window.hours(),
                effect: "optimal contact time".to_owned(),
                note: window.reason(),
            });
            (format!("{}（北京时间，按客户发消息的时段）", window.hours()), ContactTimeSource::Messages)
        }
        (None, None) => ("暂无数据：首次联系时询问方便的时间".into(), ContactTimeSource::None),
    };
    Outlook {
        next_best_action: next.text,
        next_action_code: next.code,
        optimal_contact_time: contact,
        contact_time_source: source,
        personalization_strategy: strategy.text,
        strategy_code: strategy.code,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::AnalyzeCustomer;
    use crate::{
        customer::facts::tests::visits,
        memory::{Memory, accepts, call, customer_account},
        port::{Activity, Customer, Preferences},
        tool::{Tool, ToolError},
    };

    const DETAILED: [&str; 3] = ["risk_profile", "lifetime_value_prediction", "churn_probability"];
    const PREDICTIVE: [&str; 3] = ["next_best_action", "optimal_contact_time", "personalization_strategy"];

    fn tool() -> Tool {
        Tool::native::<AnalyzeCustomer>()
    }

    fn clinic(registered: i64, activity: Activity) -> Memory {
        Memory {
            users: vec![customer_account("usr_0001", "王芳", registered)],
            activity: [("usr_0001".to_owned(), activity)].into(),
            ..Memory::default()
        }
    }

    async fn analysed(records: &Memory, depth: &str) -> Value {
        call(&tool(), records, json!({"user_id": "usr_0001", "analysis_type": depth})).await.unwrap()
    }

    #[tokio::test]
    async fn the_example_is_accepted_and_answered() {
        let mut activity = visits(5, 300, 20);
        (activity.spent_fen, activity.spent_year_fen, activity.treatments) = (1_500_000, 1_500_000, 4);
        let example = tool().definition.example.clone();
        let result = call(&tool(), &clinic(400, activity), example).await.unwrap();
        assert_eq!(result["segment_code"], "regular");
        assert_eq!(result["customer_segment"], "老客户");
        for field in DETAILED.iter().chain(&PREDICTIVE) {
            assert!(result.get(field).is_some(), "{field}");
        }
        assert!(result["lifetime_value_yuan"].as_f64().unwrap() > 15_000.0);
    }

    #[tokio::test]
    async fn each_depth_adds_its_fields_and_no_more() {
        let records = clinic(1, Activity::default());
        let (basic, detailed) = (analysed(&records, "basic").await, analysed(&records, "detailed").await);
        assert!(DETAILED.iter().chain(&PREDICTIVE).all(|field| basic.get(field).is_none()), "{basic:#}");
        assert!(DETAILED.iter().all(|field| detailed.get(field).is_some()));
        assert!(PREDICTIVE.iter().all(|field| detailed.get(field).is_none()));
        let default = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap();
        assert_eq!(default, basic);
    }

    #[tokio::test]
    async fn a_new_customer_is_not_a_lapsed_one() {
        let new = analysed(&clinic(1, Activity::default()), "detailed").await;
        assert_eq!((&new["customer_segment"], &new["segment_code"]), (&json!("新用户"), &json!("new")));
        assert_eq!(new["engagement_level"], "待观察");
        assert_eq!(new["churn_basis"], "no_first_visit");
        assert_eq!(new["lifetime_value_code"], "unknown");
        assert!(new.get("lifetime_value_yuan").is_none());

        let lapsed = analysed(&clinic(700, visits(3, 600, 400)), "detailed").await;
        assert_eq!((&lapsed["customer_segment"], &lapsed["segment_code"]), (&json!("流失客户"), &json!("lapsed")));
        assert_eq!(lapsed["churn_basis"], "no_return");
        assert!(lapsed["churn_probability"].as_f64() > new["churn_probability"].as_f64());
    }

    #[tokio::test]
    async fn every_conclusion_names_its_facts() {
        let result = analysed(&clinic(700, visits(3, 600, 400)), "predictive").await;
        let effects: Vec<&str> = result["drivers"].as_array().unwrap().iter().map(|driver| driver["effect"].as_str().unwrap()).collect();
        for part in ["segment", "engagement", "churn odds", "lifetime value"] {
            assert!(effects.iter().any(|effect| effect.starts_with(part)), "{part}: {effects:?}");
        }
        for driver in result["drivers"].as_array().unwrap() {
            assert!(driver["note"].as_str().unwrap().contains(" / "), "{driver}");
        }
    }

    #[tokio::test]
    async fn a_budget_gives_a_first_value_before_the_first_visit() {
        let mut records = clinic(1, Activity::default());
        let preferences = Preferences { budget_min_fen: Some(300_000), budget_max_fen: Some(800_000), ..Preferences::default() };
        records.preferences.insert("usr_0001".into(), preferences);
        let result = analysed(&records, "detailed").await;
        assert!(result["lifetime_value_yuan"].as_f64().unwrap() > 0.0);
        assert!(result["lifetime_value_prediction"].as_str().unwrap().contains("自述预算"));
    }

    #[tokio::test]
    async fn the_contact_time_is_stated_or_observed_or_not_known() {
        let mut records = clinic(1, Activity::default());
        let unknown = analysed(&records, "predictive").await;
        assert_eq!(unknown["contact_time_source"], "none");
        assert!(unknown["optimal_contact_time"].as_str().unwrap().contains("暂无数据"));

        let mut hours = vec![0; 24];
        hours[20] = 6;
        records.activity.get_mut("usr_0001").unwrap().messages_by_hour = hours;
        let observed = analysed(&records, "predictive").await;
        assert_eq!(observed["contact_time_source"], "messages");
        assert!(observed["optimal_contact_time"].as_str().unwrap().starts_with("20:00–22:00"));

        let preferences = Preferences { contact_time: Some("weekday_evening".into()), ..Preferences::default() };
        records.preferences.insert("usr_0001".into(), preferences);
        let stated = analysed(&records, "predictive").await;
        assert_eq!(stated["contact_time_source"], "stated");
        assert!(stated["optimal_contact_time"].as_str().unwrap().starts_with("工作日晚上"));
    }

    #[tokio::test]
    async fn allergies_on_record_are_a_risk_and_a_recommendation() {
        let mut records = clinic(1, Activity::default());
        records.customers.push(Customer { user_id: "usr_0001".into(), allergies: vec!["lidocaine".into()], ..Customer::default() });
        let result = analysed(&records, "detailed").await;
        assert!(result["risk_profile"].as_str().unwrap().contains("1项过敏或禁忌"));
        assert!(result["recommendations"].to_string().contains("lidocaine"));
    }

    #[tokio::test]
    async fn strangers_and_staff_are_not_analysed() {
        let mut records = clinic(1, Activity::default());
        let error = call(&tool(), &records, json!({"user_id": "usr_9"})).await.unwrap_err();
        assert!(matches!(&error, ToolError::NotFound(text) if text.contains("search_users")), "{error}");
        records.users[0].roles = vec!["consultant".into()];
        let error = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap_err();
        assert!(matches!(&error, ToolError::NotFound(text) if text.contains("consultant") && text.contains("Error")), "{error}");
    }

    #[test]
    fn the_schema_names_the_depths() {
        assert!(!accepts(&tool(), &json!({"user_id": "usr_1", "analysis_type": "full"})));
        let depth = &tool().definition.input_schema["properties"]["analysis_type"];
        assert_eq!(depth["enum"], json!(["basic", "detailed", "predictive"]));
        assert_eq!(depth["default"], "basic");
        for name in ["basic", "detailed", "predictive"] {
            assert!(depth["description"].as_str().unwrap().contains(name));
        }
    }
}
