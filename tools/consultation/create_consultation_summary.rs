//! `create_consultation_summary`: sums up one consultation and stores the summary.
//!
//! The text is [`super::key_points`], the type is [`super::kind`]; this file checks what the data refers to, says what
//! is missing, and stores. It refuses data with nothing in it, and ids that contradict the records: a summary filed
//! under the wrong customer is worse than none.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{given::Given, key_points, kind, signals::Signal};
use crate::{
    missing,
    port::{Consultation, Context, NewSummary},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct CreateConsultationSummary {
    /// 咨询数据对象，字段均可选：consultation_id、customer_id、type、date、concerns[]、notes、recommendations[]、outcome、next_steps[]、messages[]，可另加字段；至少要有一项内容。 / The consultation as an object; these fields are all optional and others may be added, but some content is needed.
    #[serde(deserialize_with = "Given::read")]
    consultation_data: Given,
}

/// The summary as it was stored.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StoredSummary {
    /// Id of the summary.
    summary_id: String,
    /// When it was stored, RFC 3339 in UTC.
    #[schemars(with = "String")]
    created_at: DateTime<Utc>,
    /// completed, or `needs_information` when something a later reader needs is missing.
    status: Status,
    /// Kind of consultation, such as skin, injection, laser, body, surgery, `follow_up`, complaint or general.
    consultation_type: String,
    /// Up to eight key points in the words of the data, in its order.
    key_points: Vec<String>,
    /// Fields to ask for: `customer_id`, concerns, `next_steps`; empty when completed.
    missing_fields: Vec<&'static str>,
    /// The consultation it belongs to; absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    consultation_id: Option<String>,
    /// The customer it belongs to; absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    /// What to do about the status, Chinese then English.
    note: &'static str,
}

/// Whether the summary is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Completed,
    NeedsInformation,
}

#[async_trait]
impl NativeTool for CreateConsultationSummary {
    type Output = StoredSummary;
    const SUBJECT: Subject = Subject::Named(&["consultation_data", "customer_id"]);

    fn about() -> About {
        About {
            name: "create_consultation_summary",
            title: "生成咨询小结 / Create consultation summary",
            description: "把一次咨询的数据整理成小结并保存：提取关键要点（诉求、过敏与禁忌、预算、建议、决定、下一步，最多8条，均为原文）、判断咨询类型、指出缺失信息。\
                          咨询结束后使用；每次调用新增一份小结，不会修改已有记录。\n\
                          Sums up one consultation and stores the summary: draws up to eight key points in the data's own words (concerns, allergies, budget, advice, decisions, next steps), tells the type and names what is missing. \
                          Use it when a consultation is over; every call adds a summary and changes nothing else. Returns summary_id, created_at, status, consultation_type and key_points.",
            category: "consultation",
            version: "1.0.0",
            effect: Effect::Adds,
            timeout: Duration::from_secs(10),
            example: r#"{"consultation_data": {"customer_id": "usr_0001", "concerns": ["色斑"], "notes": "预算约5000元，对利多卡因过敏。建议光子嫩肤3次疗程。", "next_steps": ["6月1日面诊"]}}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<StoredSummary, ToolError> {
        let given = self.consultation_data;
        if given.is_empty() {
            return Err(argument(
                "错误：没有可整理的内容。请至少提供 notes、concerns、messages、outcome、recommendations 或 next_steps 之一。 / \
                 Error: there is nothing to sum up. Give at least one of notes, concerns, messages, outcome, recommendations or next_steps."
                    .to_owned(),
            ));
        }
        let consultation = consultation(ctx, &given).await?;
        let customer_id = customer_id(ctx, &given, consultation.as_ref()).await?;
        let consultation_type = consultation_type(ctx, &given, consultation.as_ref()).await?;
        let missing_fields = missing_fields(&given, customer_id.is_some());
        let key_points = key_points::extract(&given);
        let stored = ctx.records.save_summary(NewSummary {
            consultation_id: given.consultation_id.clone(),
            customer_id: customer_id.clone(),
            consultation_type: consultation_type.clone(),
            key_points: key_points.clone(),
            source: serde_json::to_value(&given).map_err(|error| ToolError::Internal(format!("the data cannot be stored: {error}")))?,
            now: ctx.now,
        });
        let stored = stored.await?;
        let (status, note) = status(&missing_fields);
        Ok(StoredSummary {
            summary_id: stored.id,
            created_at: stored.created_at,
            status,
            consultation_type,
            key_points,
            missing_fields,
            consultation_id: given.consultation_id,
            customer_id,
            note,
        })
    }
}

fn argument(why: String) -> ToolError {
    ToolError::Argument { field: "consultation_data".to_owned(), why }
}

async fn consultation(ctx: &Context<'_>, given: &Given) -> Result<Option<Consultation>, ToolError> {
    let Some(id) = given.consultation_id.as_deref() else { return Ok(None) };
    match ctx.records.consultation(id).await? {
        Some(found) => Ok(Some(found)),
        None => Err(missing::consultation(id)),
    }
}

/// Whose consultation it was, by the records where they know.
async fn customer_id(ctx: &Context<'_>, given: &Given, consultation: Option<&Consultation>) -> Result<Option<String>, ToolError> {
    match (given.customer_id.as_deref(), consultation) {
        (Some(id), Some(consultation)) if id != consultation.customer_id => Err(argument(format!(
            "错误：咨询记录 {0} 不属于客户 {id}。请核对 consultation_id 与 customer_id。 / Error: consultation {0} is not customer {id}'s. Check consultation_id and customer_id.",
            consultation.id
        ))),
        (_, Some(consultation)) => Ok(Some(consultation.customer_id.clone())),
        (Some(id), None) => match ctx.records.user(id).await? {
            Some(user) => Ok(Some(user.id)),
            None => Err(missing::user(id)),
        },
        (None, None) => Ok(None),
    }
}

/// What the caller named; else what the consultation on record was about; else what the words say.
async fn consultation_type(ctx: &Context<'_>, given: &Given, consultation: Option<&Consultation>) -> Result<String, ToolError> {
    if let Some(named) = given.kind.as_deref().and_then(kind::named) {
        return Ok(named);
    }
    if let Some(consultation) = consultation {
        if ["follow_up", "complaint"].contains(&consultation.kind.as_str()) {
            return Ok(consultation.kind.clone());
        }
        if let Some(code) = &consultation.service_code {
            let services = ctx.records.services(ctx.now).await?;
            if let Some(service) = services.into_iter().find(|service| &service.code == code) {
                return Ok(service.category);
            }
        }
    }
    let prose = given.prose();
    let fields = given.concerns.iter().chain(&given.recommendations).chain(&given.outcome).chain(&given.next_steps);
    Ok(kind::voted(prose.iter().chain(fields).map(String::as_str)).to_owned())
}

/// What a later reader of the summary would ask for.
fn missing_fields(given: &Given, customer_known: bool) -> Vec<&'static str> {
    let filled = |list: &[String]| list.iter().any(|text| !text.trim().is_empty());
    let concerns = filled(&given.concerns) || key_points::speaks_of(given, &[Signal::Concern, Signal::Result]);
    let outcome = given.outcome.as_deref().is_some_and(|text| !text.trim().is_empty());
    let next = outcome || filled(&given.next_steps) || key_points::speaks_of(given, &[Signal::Decision, Signal::Next]);
    let missing = [("customer_id", customer_known), ("concerns", concerns), ("next_steps", next)];
    missing.into_iter().filter_map(|(field, known)| (!known).then_some(field)).collect()
}

fn status(missing: &[&'static str]) -> (Status, &'static str) {
    if missing.is_empty() {
        (Status::Completed, "小结已保存 / the summary is stored and complete")
    } else {
        (
            Status::NeedsInformation,
            "小结已保存，但缺少 missing_fields 所列信息：请补充后再次调用 / the summary is stored but lacks what missing_fields lists: add it and call again",
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::CreateConsultationSummary;
    use crate::{
        memory::{Memory, accepts, call, customer_account, days_ago},
        port::{Consultation, Service},
        tool::{Effect, Tool, ToolError},
    };

    fn tool() -> Tool {
        Tool::native::<CreateConsultationSummary>()
    }

    fn clinic() -> Memory {
        Memory {
            users: vec![customer_account("usr_0001", "王芳", 100), customer_account("usr_2", "张伟", 100)],
            consultations: vec![Consultation {
                id: "con_1".into(),
                customer_id: "usr_0001".into(),
                occurred_at: days_ago(1),
                kind: "consultation".into(),
                status: "completed".into(),
                summary: String::new(),
                consultant_id: None,
                consultant_name: None,
                service_code: Some("botox".into()),
                paid_fen: 0,
            }],
            services: vec![Service { code: "botox".into(), category: "injection".into(), ..Service::default() }],
            ..Memory::default()
        }
    }

    async fn summed_up(records: &Memory, data: Value) -> Result<Value, ToolError> {
        call(&tool(), records, json!({"consultation_data": data})).await
    }

    #[tokio::test]
    async fn the_example_is_summed_up_and_stored() {
        let records = clinic();
        let result = call(&tool(), &records, tool().definition.example.clone()).await.unwrap();
        assert_eq!(result["status"], "completed");
        assert_eq!(result["consultation_type"], "laser");
        assert_eq!(result["missing_fields"], json!([]));
        let expected = json!(["主诉：色斑", "预算约5000元，对利多卡因过敏", "建议光子嫩肤3次疗程", "下一步：6月1日面诊"]);
        assert_eq!(result["key_points"], expected);
        let stored = records.summaries.into_inner().unwrap();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].customer_id.as_deref(), Some("usr_0001"));
        assert_eq!(json!(stored[0].key_points), expected);
        assert_eq!(stored[0].source["notes"], "预算约5000元，对利多卡因过敏。建议光子嫩肤3次疗程。");
        assert_eq!(tool().definition.about.effect, Effect::Adds);
    }

    #[tokio::test]
    async fn nothing_to_sum_up_is_refused_and_not_stored() {
        let records = clinic();
        for data in [json!({}), json!({"customer_id": "usr_0001", "type": "skin"}), json!({"notes": "  "})] {
            let error = summed_up(&records, data).await.unwrap_err();
            assert!(
                matches!(&error, ToolError::Argument { field, why } if field == "consultation_data" && why.contains("notes")),
                "{error}"
            );
        }
        assert!(records.summaries.into_inner().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let result = summed_up(&clinic(), json!({"notes": "聊了聊天气"})).await.unwrap();
        assert_eq!(result["status"], "needs_information");
        assert_eq!(result["missing_fields"], json!(["customer_id", "concerns", "next_steps"]));
        let result = summed_up(&clinic(), json!({"notes": "色斑困扰，决定预约激光", "customer_id": "usr_2"})).await.unwrap();
        assert_eq!((&result["status"], &result["missing_fields"]), (&json!("completed"), &json!([])));
    }

    #[tokio::test]
    async fn the_type_is_named_or_on_record_or_voted() {
        let kind = async |data| summed_up(&clinic(), data).await.unwrap()["consultation_type"].clone();
        assert_eq!(kind(json!({"notes": "皮秒激光", "type": "皮肤", "consultation_id": "con_1"})).await, "skin");
        assert_eq!(kind(json!({"notes": "皮秒激光", "consultation_id": "con_1"})).await, "injection");
        assert_eq!(kind(json!({"notes": "皮秒激光"})).await, "laser");
        assert_eq!(kind(json!({"notes": "你好"})).await, "general");
        let mut records = clinic();
        records.consultations[0].kind = "complaint".into();
        let complaint = summed_up(&records, json!({"notes": "皮秒激光", "consultation_id": "con_1"})).await.unwrap();
        assert_eq!(complaint["consultation_type"], "complaint");
    }

    #[tokio::test]
    async fn the_customer_is_taken_from_the_record() {
        let result = summed_up(&clinic(), json!({"notes": "皱纹", "consultation_id": "con_1"})).await.unwrap();
        assert_eq!((&result["customer_id"], &result["consultation_id"]), (&json!("usr_0001"), &json!("con_1")));
    }

    #[tokio::test]
    async fn ids_that_are_unknown_or_disagree_are_refused() {
        let error = summed_up(&clinic(), json!({"notes": "皱纹", "consultation_id": "con_9"})).await.unwrap_err();
        assert!(matches!(&error, ToolError::NotFound(text) if text.contains("con_9")), "{error}");
        let error = summed_up(&clinic(), json!({"notes": "皱纹", "customer_id": "usr_9"})).await.unwrap_err();
        assert!(matches!(&error, ToolError::NotFound(text) if text.contains("usr_9")), "{error}");
        let error = summed_up(&clinic(), json!({"notes": "皱纹", "customer_id": "usr_2", "consultation_id": "con_1"})).await.unwrap_err();
        assert!(matches!(&error, ToolError::Argument { why, .. } if why.contains("con_1") && !why.contains("usr_0001")), "{error}");
    }

    #[tokio::test]
    async fn json_text_and_plain_text_are_understood() {
        let records = clinic();
        let config = serde_json::Map::new();
        for text in [r#"{"notes": "色斑困扰"}"#, "色斑困扰"] {
            let context =
                crate::port::Context { records: &records, now: crate::memory::now(), config: &config, progress: &crate::port::NobodyAsked };
            let Value::Object(arguments) = json!({"consultation_data": text}) else { unreachable!() };
            let answer = tool().call(arguments, &context).await.unwrap();
            assert!(answer.contains("色斑困扰"), "{answer}");
        }
    }

    #[test]
    fn the_schema_is_an_object_that_documents_its_fields() {
        let data = &tool().definition.input_schema["properties"]["consultation_data"];
        assert_eq!(data["type"], "object");
        for field in
            ["consultation_id", "customer_id", "type", "date", "concerns", "notes", "recommendations", "outcome", "next_steps", "messages"]
        {
            assert!(data["properties"][field]["description"].as_str().unwrap().contains(" / "), "{field}");
            assert!(data["description"].as_str().unwrap().contains(field), "{field}");
        }
        assert!(data.get("required").is_none());
        assert!(accepts(&tool(), &json!({"consultation_data": {"anything": 1}})));
        assert!(!accepts(&tool(), &json!({"consultation_data": {"concerns": "色斑"}})));
        assert!(!accepts(&tool(), &json!({})));
    }
}
