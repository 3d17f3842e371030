//! `get_consultation_history`: a customer's visits, treatments and complaints, newest first.
//!
//! An empty history and an unknown customer are told apart: the one is an answer, the other an error.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    missing, money,
    port::{Consultation, Context},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetConsultationHistory {
    /// 客户的用户ID（1–64位字母、数字、下划线或连字符）。 / The customer's user id (1 to 64 letters, digits, _ or -).
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    customer_id: String,
    /// 最多返回多少条，1–50，默认10。 / How many entries at most, 1 to 50; default 10.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 50))]
    limit: u32,
}

fn default_limit() -> u32 {
    10
}

/// The history.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct History {
    /// The entries, newest first.
    result: Vec<Entry>,
    /// How many there are in `result`.
    count: usize,
}

/// One visit, call or treatment.
#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    /// Id of the consultation.
    consultation_id: String,
    /// When it took place or is to take place, RFC 3339 in UTC.
    #[schemars(with = "String")]
    date: DateTime<Utc>,
    /// consultation, treatment, `follow_up` or complaint.
    #[serde(rename = "type")]
    kind: String,
    /// The notes of the consultant or doctor.
    summary: String,
    /// Name of the consultant or doctor; 未指定 when nobody was assigned.
    consultant: String,
    /// User id of the consultant or doctor; absent when nobody was assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    consultant_id: Option<String>,
    /// scheduled, completed, cancelled or `no_show`.
    status: String,
    /// Code of the service it was about; absent when it was about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_code: Option<String>,
    /// What the customer paid, such as ¥3,000; absent when nothing was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid: Option<String>,
    /// The same in yuan.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_yuan: Option<f64>,
}

#[async_trait]
impl NativeTool for GetConsultationHistory {
    type Output = History;
    const SUBJECT: Subject = Subject::Named(&["customer_id"]);

    fn about() -> About {
        About {
            name: "get_consultation_history",
            title: "查询咨询历史 / Get consultation history",
            description: "查询一位客户的到店、治疗、随访与投诉记录，最新在前：编号、时间、类型、记录摘要、顾问、状态，以及项目和付款（如有）。\
                          接待客户、解答“上次做了什么”或制定方案前使用；尚无记录时返回空列表。\n\
                          Returns one customer's consultations, treatments, follow-ups and complaints, newest first: id, date, type, notes, consultant and status, with service and payment where there are any. \
                          Use it before receiving a customer, to answer what was done last time, or before planning; a customer without history is an empty list.",
            category: "consultation",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(5),
            example: r#"{"customer_id": "usr_0001", "limit": 10}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<History, ToolError> {
        let rows = ctx.records.consultations(&self.customer_id, self.limit).await?;
        if rows.is_empty() && ctx.records.user(&self.customer_id).await?.is_none() {
            return Err(missing::user(&self.customer_id));
        }
        let result: Vec<Entry> = rows.into_iter().map(entry).collect();
        Ok(History { count: result.len(), result })
    }
}

fn entry(row: Consultation) -> Entry {
    let paid = (row.paid_fen > 0).then_some(row.paid_fen);
    Entry {
        consultation_id: row.id,
        date: row.occurred_at,
        kind: row.kind,
        summary: row.summary,
        consultant: row.consultant_name.or_else(|| row.consultant_id.clone()).unwrap_or_else(|| "未指定".to_owned()),
        consultant_id: row.consultant_id,
        status: row.status,
        service_code: row.service_code,
        paid: paid.map(money::yuan),
        paid_yuan: paid.map(money::to_yuan),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::GetConsultationHistory;
    use crate::{
        memory::{Memory, accepts, call, customer_account, days_ago},
        port::Consultation,
        tool::{Tool, ToolError},
    };

    fn tool() -> Tool {
        Tool::native::<GetConsultationHistory>()
    }

    fn visit(id: &str, days: i64) -> Consultation {
        Consultation {
            id: id.into(),
            customer_id: "usr_0001".into(),
            occurred_at: days_ago(days),
            kind: "treatment".into(),
            status: "completed".into(),
            summary: "光子嫩肤第一次".into(),
            consultant_id: Some("usr_c1".into()),
            consultant_name: Some("李医生".into()),
            service_code: Some("photorejuvenation".into()),
            paid_fen: 128_000,
        }
    }

    fn clinic(rows: Vec<Consultation>) -> Memory {
        Memory { users: vec![customer_account("usr_0001", "王芳", 100)], consultations: rows, ..Memory::default() }
    }

    #[tokio::test]
    async fn the_example_is_answered_newest_first() {
        let records = clinic(vec![visit("con_1", 30), visit("con_2", 3)]);
        let result = call(&tool(), &records, tool().definition.example.clone()).await.unwrap();
        assert_eq!(result["count"], 2);
        let expected = json!({
            "consultation_id": "con_2", "date": "2026-05-17T10:00:00Z", "type": "treatment", "summary": "光子嫩肤第一次", "consultant": "李医生",
            "consultant_id": "usr_c1", "status": "completed", "service_code": "photorejuvenation", "paid": "¥1,280", "paid_yuan": 1280.0,
        });
        assert_eq!(result["result"][0], expected);
        assert_eq!(records.asked.into_inner(), 1);
    }

    #[tokio::test]
    async fn what_is_not_known_is_left_out() {
        let mut row = visit("con_1", 3);
        (row.consultant_id, row.consultant_name, row.service_code, row.paid_fen) = (None, None, None, 0);
        let result = call(&tool(), &clinic(vec![row]), json!({"customer_id": "usr_0001"})).await.unwrap();
        let entry = &result["result"][0];
        assert_eq!(entry["consultant"], "未指定");
        assert!(["consultant_id", "service_code", "paid", "paid_yuan"].iter().all(|field| entry.get(field).is_none()));
    }

    #[tokio::test]
    async fn the_limit_holds() {
        let records = clinic((0..12).map(|day| visit(&format!("con_{day}"), day)).collect());
        let result = call(&tool(), &records, json!({"customer_id": "usr_0001", "limit": 2})).await.unwrap();
        assert_eq!(result["count"], 2);
        let default = call(&tool(), &records, json!({"customer_id": "usr_0001"})).await.unwrap();
        assert_eq!(default["count"], 10);
    }

    #[tokio::test]
    async fn no_history_is_an_answer_and_no_customer_an_error() {
        let result = call(&tool(), &clinic(Vec::new()), json!({"customer_id": "usr_0001"})).await.unwrap();
        assert_eq!(result, json!({"result": [], "count": 0}));
        let error = call(&tool(), &clinic(Vec::new()), json!({"customer_id": "usr_9"})).await.unwrap_err();
        assert!(matches!(error, ToolError::NotFound(_)), "{error}");
    }

    #[test]
    fn the_schema_bounds_the_limit() {
        assert!(!accepts(&tool(), &json!({"customer_id": "usr_1", "limit": 51})));
        assert!(!accepts(&tool(), &json!({"customer_id": "usr_1", "limit": 0})));
        assert_eq!(tool().definition.input_schema["properties"]["limit"]["default"], 10);
    }
}
