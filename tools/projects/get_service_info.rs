//! `get_service_info`: the catalogue, as a customer may see it.
//!
//! One question with a word: a service, a category, a concern, or everything. A word that means nothing here gets an
//! honest `found: false` with the closest names. It shows no service that is not on offer.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    clinic::{catalogue, concerns, tags},
    money,
    port::{Context, Service},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// How many popular services and alternatives are named.
const FEW: usize = 5;

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetServiceInfo {
    /// 项目代码、名称（中/英，可只写一部分）、类别（如 skin、injection、laser、body、surgery）或想改善的问题（如 色斑）；默认 "all" 列出全部。 / A service's code, name (Chinese or English, a part will do), a category (such as skin, injection, laser, body, surgery) or a concern (such as 色斑); default "all" lists everything.
    #[serde(default = "all")]
    #[schemars(length(max = 100))]
    service_type: String,
}

fn all() -> String {
    "all".to_owned()
}

/// What the catalogue has to say.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ServiceInfo {
    /// Whether anything goes by that word.
    found: bool,
    /// What was asked for.
    query: String,
    /// How the word was understood: all, service, category, name_part, concern or nothing.
    matched_by: &'static str,
    /// The services found, when it may be more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<Brief>>,
    /// How many services there are in `services`.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_services: Option<usize>,
    /// How many categories these services belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_categories: Option<usize>,
    /// The categories of these services.
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<String>>,
    /// The services most booked in the last 365 days, at most five; empty when none was booked.
    #[serde(skip_serializing_if = "Option::is_none")]
    popular_services: Option<Vec<Popular>>,
    /// The one service found: its fields stand at the top level.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    service: Option<Detail>,
    /// Services with a similar name, when nothing goes by that word.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<Vec<Alternative>>,
    /// A sentence for the reader, when there is something to explain.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// A service in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct Brief {
    /// Stable code.
    code: String,
    /// Chinese name.
    name: String,
    /// English name.
    name_en: String,
    /// Category.
    category: String,
    /// Price of one session, such as ¥3,000–5,000.
    price_range: String,
    /// Length of one session.
    duration: String,
    /// Days until the customer looks and lives as usual.
    recovery_days: u32,
}

/// A service with everything a customer may know of it.
#[derive(Debug, Serialize, JsonSchema)]
struct Detail {
    #[serde(flatten)]
    brief: Brief,
    /// Lowest price of one session, in yuan.
    price_min_yuan: f64,
    /// Highest price of one session, in yuan.
    price_max_yuan: f64,
    /// Length of one session in minutes.
    duration_minutes: u32,
    /// What it is.
    description: String,
    /// Concerns it treats.
    treats: Vec<String>,
    /// Sessions of a usual course.
    sessions: u32,
    /// Time between two sessions.
    interval: String,
    /// Days between two sessions; 0 for a single session.
    interval_days: u32,
    /// Allergies and conditions under which it must not be done.
    contraindications: Vec<String>,
    /// Bookings in the last 365 days.
    bookings_year: u32,
}

/// A service that was booked often.
#[derive(Debug, Serialize, JsonSchema)]
struct Popular {
    /// Stable code.
    code: String,
    /// Chinese name.
    name: String,
    /// Bookings in the last 365 days.
    bookings_year: u32,
}

/// A service with a name like the one asked for.
#[derive(Debug, Serialize, JsonSchema)]
struct Alternative {
    /// Stable code.
    code: String,
    /// Chinese name.
    name: String,
    /// English name.
    name_en: String,
    /// How alike the names are, 0 to 1.
    similarity: f64,
}

#[async_trait]
impl NativeTool for GetServiceInfo {
    type Output = ServiceInfo;
    const SUBJECT: Subject = Subject::Nobody;

    fn about() -> About {
        About {
            name: "get_service_info",
            title: "查询项目信息 / Get service info",
            description: "查询诊所在售项目：价格区间、单次时长、恢复期、疗程次数与间隔、禁忌、可改善的问题。回答客户关于项目和价格的问题前先用它，不要凭记忆报价。\
                          service_type 可为项目代码、名称、类别或想改善的问题；\"all\" 列出全部项目和近一年热门项目。查不到时返回 found=false 和名称相近的项目。\n\
                          Looks up what the clinic offers: price range, length, recovery time, sessions and interval, contraindications and the concerns treated. \
                          Use it before answering questions about services or prices; never quote a price from memory. \
                          service_type takes a code, a name, a category or a concern; \"all\" lists everything with last year's most booked. An unknown word gives found=false and similar names.",
            category: "projects",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(5),
            example: r#"{"service_type": "all"}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<ServiceInfo, ToolError> {
        let services = ctx.records.services(ctx.now).await?;
        Ok(answer(&catalogue::on_offer(&services), self.service_type.trim()))
    }
}

fn answer(services: &[&Service], query: &str) -> ServiceInfo {
    let query = if query.is_empty() { "all" } else { query };
    if query.eq_ignore_ascii_case("all") || query == "全部" || query == "所有" {
        return ServiceInfo { popular_services: Some(popular(services)), ..list(services, query, "all") };
    }
    if let Some(service) = catalogue::exact(services, query) {
        return one(service, query, "service");
    }
    let readings = [
        ("category", catalogue::category(services, query)),
        ("name_part", catalogue::part(services, query)),
        ("concern", for_concern(services, query)),
    ];
    match readings.into_iter().find(|(_, found)| !found.is_empty()) {
        Some(("name_part", found)) if found.len() == 1 => {
            found.first().map_or_else(|| unknown(services, query), |service| one(service, query, "name_part"))
        }
        Some((matched_by, found)) => list(&found, query, matched_by),
        None => unknown(services, query),
    }
}

fn for_concern<'a>(services: &[&'a Service], query: &str) -> Vec<&'a Service> {
    let wanted = concerns::read(query);
    services.iter().filter(|service| wanted.iter().any(|concern| concerns::treated_by(concern, service))).copied().collect()
}

fn list(services: &[&Service], query: &str, matched_by: &'static str) -> ServiceInfo {
    let categories: BTreeSet<&str> = services.iter().map(|service| service.category.as_str()).collect();
    ServiceInfo {
        found: !services.is_empty(),
        query: query.to_owned(),
        matched_by,
        services: Some(services.iter().map(|service| brief(service)).collect()),
        total_services: Some(services.len()),
        total_categories: Some(categories.len()),
        categories: Some(categories.into_iter().map(str::to_owned).collect()),
        message: services.is_empty().then(|| "目录中暂无在售项目。 / The catalogue holds no service on offer.".to_owned()),
        ..ServiceInfo::default()
    }
}

fn one(service: &Service, query: &str, matched_by: &'static str) -> ServiceInfo {
    ServiceInfo { found: true, query: query.to_owned(), matched_by, service: Some(detail(service)), ..ServiceInfo::default() }
}

fn unknown(services: &[&Service], query: &str) -> ServiceInfo {
    let alternatives: Vec<Alternative> = catalogue::closest(services, query, FEW)
        .into_iter()
        .map(|(service, score)| Alternative {
            code: service.code.clone(),
            name: service.name.clone(),
            name_en: service.name_en.clone(),
            similarity: (score * 100.0).round() / 100.0,
        })
        .collect();
    let categories: BTreeSet<String> = services.iter().map(|service| catalogue::category_label(&service.category)).collect();
    let categories = categories.into_iter().collect::<Vec<_>>().join("、");
    ServiceInfo {
        query: query.to_owned(),
        matched_by: "nothing",
        message: Some(format!(
            "没有名为“{query}”的在售项目、类别或问题。可用 \"all\" 查看全部；现有类别：{categories}。 / Nothing on offer goes by that word. Ask for \"all\", or for a category."
        )),
        alternatives: Some(alternatives),
        ..ServiceInfo::default()
    }
}

fn popular(services: &[&Service]) -> Vec<Popular> {
    let mut booked: Vec<&&Service> = services.iter().filter(|service| service.bookings_year > 0).collect();
    booked.sort_by_key(|service| (Reverse(service.bookings_year), &service.code));
    let popular =
        |service: &&Service| Popular { code: service.code.clone(), name: service.name.clone(), bookings_year: service.bookings_year };
    booked.into_iter().take(FEW).map(popular).collect()
}

fn brief(service: &Service) -> Brief {
    Brief {
        code: service.code.clone(),
        name: service.name.clone(),
        name_en: service.name_en.clone(),
        category: service.category.clone(),
        price_range: money::range(service.price_min_fen, service.price_max_fen),
        duration: format!("约 {0} 分钟 / about {0} min", service.duration_minutes),
        recovery_days: service.recovery_days,
    }
}

fn detail(service: &Service) -> Detail {
    let single = service.sessions <= 1;
    Detail {
        brief: brief(service),
        price_min_yuan: money::to_yuan(service.price_min_fen),
        price_max_yuan: money::to_yuan(service.price_max_fen),
        duration_minutes: service.duration_minutes,
        description: service.description.clone(),
        treats: service.treats.clone(),
        sessions: service.sessions,
        interval: if single {
            "单次 / single session".to_owned()
        } else {
            format!("间隔约 {0} 天 / about {0} days apart", service.interval_days)
        },
        interval_days: if single { 0 } else { service.interval_days },
        contraindications: service.contraindications.iter().map(|text| tags::label(text)).collect(),
        bookings_year: service.bookings_year,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::GetServiceInfo;
    use crate::{
        memory::{Memory, accepts, call},
        port::Service,
        tool::{Tool, ToolError},
    };

    fn service(code: &str, name: &str, category: &str, bookings_year: u32) -> Service {
        Service {
            code: code.into(),
            name: name.into(),
            name_en: code.replace('_', " "),
            category: category.into(),
            description: "说明".into(),
            treats: vec!["色斑".into()],
            price_min_fen: 300_000,
            price_max_fen: 500_000,
            duration_minutes: 40,
            recovery_days: 3,
            sessions: 3,
            interval_days: 30,
            efficacy: 30,
            contraindications: vec!["pregnancy".into()],
            enabled: true,
            bookings_year,
        }
    }

    fn records() -> Memory {
        Memory {
            services: vec![
                service("photorejuvenation", "光子嫩肤", "laser", 7),
                service("pico_laser", "皮秒激光", "laser", 9),
                service("hydra", "水光针", "injection", 0),
                Service { enabled: false, ..service("gone", "停售项目", "skin", 99) },
            ],
            ..Memory::default()
        }
    }

    async fn ask(records: &Memory, arguments: Value) -> Value {
        call(&Tool::native::<GetServiceInfo>(), records, arguments).await.unwrap()
    }

    #[test]
    fn the_example_is_accepted() {
        let tool = Tool::native::<GetServiceInfo>();
        assert!(accepts(&tool, &tool.definition.example));
        assert!(accepts(&tool, &json!({})));
    }

    #[tokio::test]
    async fn everything_is_listed_with_what_was_booked_most() {
        let result = ask(&records(), json!({})).await;
        assert_eq!(result["total_services"], 3);
        assert_eq!(result["total_categories"], 2);
        assert_eq!(result["services"][0]["price_range"], "¥3,000–5,000");
        let popular: Vec<_> = result["popular_services"].as_array().unwrap().iter().map(|entry| entry["code"].as_str().unwrap()).collect();
        assert_eq!(popular, ["pico_laser", "photorejuvenation"], "what was never booked is not popular");
        assert!(result.get("alternatives").is_none());
    }

    #[tokio::test]
    async fn one_service_is_found_by_code_name_and_part() {
        for query in ["photorejuvenation", "光子嫩肤", "光子", "PHOTOREJUVENATION"] {
            let result = ask(&records(), json!({"service_type": query})).await;
            assert_eq!(result["found"], true, "{query}");
            assert_eq!(result["name"], "光子嫩肤");
            assert_eq!(result["duration"], "约 40 分钟 / about 40 min");
            assert_eq!(result["contraindications"], json!(["孕期或备孕 (pregnancy)"]));
            assert_eq!(result["sessions"], 3);
        }
    }

    #[tokio::test]
    async fn a_category_and_a_concern_list_their_services() {
        let result = ask(&records(), json!({"service_type": "激光"})).await;
        assert_eq!((&result["matched_by"], &result["total_services"]), (&json!("category"), &json!(2)));
        let result = ask(&records(), json!({"service_type": "雀斑"})).await;
        assert_eq!((&result["matched_by"], &result["total_services"]), (&json!("concern"), &json!(3)));
    }

    #[tokio::test]
    async fn the_unknown_gets_alternatives_and_the_disabled_is_unknown() {
        let result = ask(&records(), json!({"service_type": "光子美肤"})).await;
        assert_eq!(result["found"], false);
        assert_eq!(result["alternatives"][0]["code"], "photorejuvenation");
        let result = ask(&records(), json!({"service_type": "停售项目"})).await;
        assert_eq!(result["found"], false);
        assert!(!result.to_string().contains("gone"));
    }

    #[tokio::test]
    async fn an_empty_catalogue_and_a_busy_database_say_so() {
        let result = ask(&Memory::default(), json!({"service_type": "all"})).await;
        assert_eq!((&result["found"], &result["popular_services"]), (&json!(false), &json!([])));
        let down = Memory { down: true, ..records() };
        let error = call(&Tool::native::<GetServiceInfo>(), &down, json!({})).await.unwrap_err();
        assert!(matches!(error, ToolError::Unavailable { .. }));
    }
}
