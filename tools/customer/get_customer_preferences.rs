//! `get_customer_preferences`: what a customer said they want, and what their history lets one infer.
//!
//! Stated preferences always win. What is inferred is listed in `inferred` with its reason, so that nobody takes it
//! for the customer's word; what neither says is empty. It refuses accounts that are no customer's.

use std::{cmp::Reverse, time::Duration};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contact_time;
use crate::{
    missing, money,
    port::{Activity, Context, Preferences, Service},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Services named as inferred preferences.
const MOST_TREATMENTS: usize = 3;
/// Visits for priced services from which on the price paid says something.
const LEAST_PRICED_VISITS: u32 = 3;
/// Share of the way from the lowest to the highest list price, below and above which somebody is, or is not, sensitive.
const SENSITIVE_BELOW: f64 = 0.25;
const RELAXED_FROM: f64 = 0.75;

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetCustomerPreferences {
    /// 客户的用户ID（1–64位字母、数字、下划线或连字符）。 / The customer's user id (1 to 64 letters, digits, _ or -).
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    user_id: String,
}

/// A customer's preferences.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CustomerPreferences {
    /// The customer's user id.
    user_id: String,
    /// Service codes or categories the customer is interested in; empty when not known.
    treatment_preferences: Vec<String>,
    /// Budget in words, such as ¥3,000–8,000; empty when not known.
    budget_range: String,
    /// Lower end of the budget in yuan; absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_min_yuan: Option<f64>,
    /// Upper end of the budget in yuan; absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_max_yuan: Option<f64>,
    /// When to call, such as 工作日晚上; empty when not known.
    preferred_contact_time: String,
    /// How to talk, such as detailed or concise; empty when not known.
    communication_style: String,
    /// low, medium or high; empty when not known.
    price_sensitivity: String,
    /// low, medium or high; empty when not known.
    brand_loyalty: String,
    /// stored (the customer's own words), inferred (from history alone) or none (nothing is known).
    source: Source,
    /// The fields that were inferred from history and not stated by the customer, each with its reason.
    inferred: Vec<Inferred>,
    /// What the source means for the reader, Chinese then English.
    note: &'static str,
}

/// Where the preferences come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Source {
    Stored,
    Inferred,
    None,
}

/// One field that the customer did not state.
#[derive(Debug, Serialize, JsonSchema)]
struct Inferred {
    /// Name of the field.
    field: &'static str,
    /// Why it is believed, Chinese then English.
    reason: String,
}

#[async_trait]
impl NativeTool for GetCustomerPreferences {
    type Output = CustomerPreferences;
    const SUBJECT: Subject = Subject::Named(&["user_id"]);

    fn about() -> About {
        About {
            name: "get_customer_preferences",
            title: "查询客户偏好 / Get customer preferences",
            description: "查询一位客户的偏好：感兴趣的项目、预算范围、方便的联系时间、沟通方式、价格敏感度、品牌忠诚度。推荐项目或联系客户前使用。\
                          以客户自述为准；由历史推断的字段列在 inferred 并附原因；未知的字段为空，不会编造。\n\
                          Returns one customer's preferences: treatments of interest, budget, time to call, manner of talking, price sensitivity and brand loyalty. Use it before recommending anything or getting in touch. \
                          What the customer stated comes first; fields inferred from history are listed in `inferred` with the reason; what is not known is empty and never made up.",
            category: "customer",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(5),
            example: r#"{"user_id": "usr_0001"}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<CustomerPreferences, ToolError> {
        let id = self.user_id.as_str();
        let user = ctx.records.user(id).await?.ok_or_else(|| missing::user(id))?;
        if !user.roles.iter().any(|role| role == "customer") {
            return Err(missing::customer_role(id, &user.roles));
        }
        let stored = ctx.records.preferences(id).await?;
        let activity = ctx.records.activity(id, ctx.now).await?;
        let services = if activity.services.is_empty() { Vec::new() } else { ctx.records.services(ctx.now).await? };
        Ok(told(user.id, stored, &activity, &services))
    }
}

fn told(user_id: String, stored: Option<Preferences>, activity: &Activity, services: &[Service]) -> CustomerPreferences {
    let is_stored = stored.is_some();
    let mut preferences = stored.unwrap_or_default();
    let inferred = infer(&mut preferences, activity, services);
    let (source, note) = if is_stored {
        (Source::Stored, "客户自述的偏好；inferred 中列出的字段除外 / stated by the customer, except for the fields listed in inferred")
    } else if inferred.is_empty() {
        (
            Source::None,
            "没有记录偏好，也没有足够的历史可供推断：请直接询问客户 / no preferences on record and too little history to infer any: ask the customer",
        )
    } else {
        (
            Source::Inferred,
            "客户没有自述偏好，以下仅由历史推断，使用前请向客户确认 / nothing stated; inferred from history alone, confirm with the customer",
        )
    };
    CustomerPreferences {
        user_id,
        budget_range: budget_range(preferences.budget_min_fen, preferences.budget_max_fen),
        budget_min_yuan: preferences.budget_min_fen.map(money::to_yuan),
        budget_max_yuan: preferences.budget_max_fen.map(money::to_yuan),
        treatment_preferences: preferences.treatments,
        preferred_contact_time: preferences.contact_time.as_deref().map(contact_time::name).unwrap_or_default(),
        communication_style: preferences.communication_style.unwrap_or_default(),
        price_sensitivity: preferences.price_sensitivity.unwrap_or_default(),
        brand_loyalty: preferences.brand_loyalty.unwrap_or_default(),
        source,
        inferred,
        note,
    }
}

fn budget_range(min: Option<i64>, max: Option<i64>) -> String {
    match (min, max) {
        (None, None) => String::new(),
        (Some(min), None) => format!("{}以上", money::yuan(min)),
        (None, Some(max)) => format!("{}以内", money::yuan(max)),
        (Some(min), Some(max)) => money::range(min, max),
    }
}

/// Fills what the customer left open and history answers.
fn infer(preferences: &mut Preferences, activity: &Activity, services: &[Service]) -> Vec<Inferred> {
    let mut inferred = Vec::new();
    if preferences.treatments.is_empty() && !activity.services.is_empty() {
        let mut taken: Vec<(&String, u32)> = activity.services.iter().map(|(code, count)| (code, *count)).collect();
        taken.sort_by_key(|(_, count)| Reverse(*count));
        taken.truncate(MOST_TREATMENTS);
        let counts: Vec<String> = taken.iter().map(|(code, count)| format!("{code}×{count}")).collect();
        preferences.treatments = taken.into_iter().map(|(code, _)| code.clone()).collect();
        inferred.push(Inferred {
            field: "treatment_preferences",
            reason: format!("由已完成项目推断：{} / services taken so far: {}", counts.join("、"), counts.join(", ")),
        });
    }
    if preferences.contact_time.is_none()
        && let Some(window) = contact_time::busiest(&activity.messages_by_hour)
    {
        preferences.contact_time = Some(window.hours());
        inferred.push(Inferred { field: "preferred_contact_time", reason: window.reason() });
    }
    if preferences.price_sensitivity.is_none()
        && let Some((level, reason)) = price_sensitivity(activity, services)
    {
        preferences.price_sensitivity = Some(level.to_owned());
        inferred.push(Inferred { field: "price_sensitivity", reason });
    }
    inferred
}

/// Where on the list prices of the services taken the amount paid lies.
fn price_sensitivity(activity: &Activity, services: &[Service]) -> Option<(&'static str, String)> {
    let (mut visits, mut lowest, mut highest) = (0, 0_i64, 0_i64);
    for service in services {
        let Some(&count) = activity.services.get(&service.code) else { continue };
        visits += count;
        lowest += i64::from(count) * service.price_min_fen;
        highest += i64::from(count) * service.price_max_fen;
    }
    // A service that left the catalogue has no list price to compare with.
    let all_priced = visits == activity.services.values().sum::<u32>();
    if visits < LEAST_PRICED_VISITS || !all_priced || highest <= lowest || activity.spent_fen <= 0 {
        return None;
    }
    let place = (activity.spent_fen - lowest) as f64 / (highest - lowest) as f64;
    let level = match place {
        low if low < SENSITIVE_BELOW => "high",
        high if high >= RELAXED_FROM => "low",
        _ => "medium",
    };
    let (paid, list) = (money::yuan(activity.spent_fen), money::range(lowest, highest));
    Some((level, format!("{visits}次项目共付{paid}，同类标价合计{list} / paid {paid} for {visits} services listed at {list} together")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::GetCustomerPreferences;
    use crate::{
        memory::{Memory, call, customer_account},
        port::{Activity, Preferences, Service},
        tool::{Tool, ToolError},
    };

    fn tool() -> Tool {
        Tool::native::<GetCustomerPreferences>()
    }

    fn clinic() -> Memory {
        Memory {
            users: vec![customer_account("usr_0001", "王芳", 100)],
            services: vec![Service { code: "ipl".into(), price_min_fen: 100_000, price_max_fen: 200_000, ..Service::default() }],
            ..Memory::default()
        }
    }

    fn taken(count: u32, spent_fen: i64) -> Activity {
        Activity { services: [("ipl".to_owned(), count)].into(), spent_fen, ..Activity::default() }
    }

    #[tokio::test]
    async fn stored_preferences_are_told_as_they_are() {
        let mut records = clinic();
        let stored = Preferences {
            treatments: vec!["skin".into()],
            budget_min_fen: Some(300_000),
            budget_max_fen: Some(800_000),
            contact_time: Some("weekday_evening".into()),
            communication_style: Some("detailed".into()),
            price_sensitivity: Some("medium".into()),
            brand_loyalty: Some("high".into()),
        };
        records.preferences.insert("usr_0001".into(), stored);
        records.activity.insert("usr_0001".into(), taken(4, 400_000));
        let example = tool().definition.example.clone();
        let result = call(&tool(), &records, example).await.unwrap();
        assert_eq!(result["budget_range"], "¥3,000–8,000");
        assert_eq!((result["budget_min_yuan"].as_f64(), result["budget_max_yuan"].as_f64()), (Some(3000.0), Some(8000.0)));
        assert_eq!(result["preferred_contact_time"], "工作日晚上");
        assert_eq!(result["price_sensitivity"], "medium");
        assert_eq!((&result["source"], &result["inferred"]), (&json!("stored"), &json!([])));
    }

    #[tokio::test]
    async fn nothing_on_record_is_said_to_be_nothing() {
        let result = call(&tool(), &clinic(), json!({"user_id": "usr_0001"})).await.unwrap();
        assert_eq!(result["source"], "none");
        assert_eq!(result["treatment_preferences"], json!([]));
        for field in ["budget_range", "preferred_contact_time", "communication_style", "price_sensitivity", "brand_loyalty"] {
            assert_eq!(result[field], "", "{field}");
        }
        assert!(result.get("budget_min_yuan").is_none());
        assert!(result["note"].as_str().unwrap().contains("ask the customer"));
    }

    #[tokio::test]
    async fn what_is_inferred_says_so_and_why() {
        let mut records = clinic();
        let mut activity = taken(4, 410_000);
        activity.messages_by_hour = (0..24).map(|hour| if hour == 20 { 7 } else { 0 }).collect();
        records.activity.insert("usr_0001".into(), activity);
        let result = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap();
        assert_eq!(result["source"], "inferred");
        assert_eq!(result["treatment_preferences"], json!(["ipl"]));
        assert_eq!(result["preferred_contact_time"], "20:00–22:00");
        assert_eq!(result["price_sensitivity"], "high");
        let fields: Vec<_> = result["inferred"].as_array().unwrap().iter().map(|entry| entry["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["treatment_preferences", "preferred_contact_time", "price_sensitivity"]);
        assert_eq!(result["brand_loyalty"], "");
    }

    #[tokio::test]
    async fn sensitivity_follows_the_place_on_the_price_list_and_needs_enough_visits() {
        let cases =
            [(4, 499_999, "high"), (4, 500_000, "medium"), (4, 699_999, "medium"), (4, 700_000, "low"), (2, 200_000, ""), (4, 0, "")];
        for (count, spent, level) in cases {
            let mut records = clinic();
            records.activity.insert("usr_0001".into(), taken(count, spent));
            let result = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap();
            assert_eq!(result["price_sensitivity"], level, "{count} services for {spent}");
        }
    }

    #[tokio::test]
    async fn one_end_of_a_budget_is_told_as_one_end() {
        let mut records = clinic();
        let stored = Preferences { budget_max_fen: Some(500_000), ..Preferences::default() };
        records.preferences.insert("usr_0001".into(), stored);
        let result = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap();
        assert_eq!(result["budget_range"], "¥5,000以内");
        assert!(result.get("budget_min_yuan").is_none());
    }

    #[tokio::test]
    async fn strangers_and_staff_have_no_preferences() {
        let mut records = clinic();
        let error = call(&tool(), &records, json!({"user_id": "usr_9"})).await.unwrap_err();
        assert!(matches!(error, ToolError::NotFound(_)), "{error}");
        records.users[0].roles = vec!["doctor".into()];
        let error = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap_err();
        assert!(matches!(&error, ToolError::NotFound(text) if text.contains("doctor")), "{error}");
    }
}
