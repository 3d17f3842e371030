//! `generate_treatment_plan`: a plan from the catalogue, under everything known of the customer.
//!
//! Gathers the facts, screens out what must not be done, chooses the best of the rest, checks it again and stores it as
//! waiting for a physician. It refuses minors, proposes nothing contraindicated, and says what to change when nothing fits.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    constraints, make,
    plan::{Body, Kept},
    request::{CustomerProfile, Requirements},
};
use crate::{
    port::{Context, NewPlan},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GenerateTreatmentPlan {
    /// 客户资料（对象，各项可选）：user_id、age、gender、skin_type、allergies[]、conditions[]、medications[]、concerns[]、budget（元）。给出 user_id 会自动合并档案。 / The customer (object, all optional): user_id, age, gender, skin_type, allergies[], conditions[], medications[], concerns[], budget (yuan). With user_id the record is merged in.
    customer_profile: CustomerProfile,
    /// 方案要求（对象，可省略，各项可选）：concerns[] 或 goals[]、budget 或 budget_min/budget_max（元）、max_recovery_days、max_sessions、max_weeks、deadline（YYYY-MM-DD）、exclude[]、include[]（项目代码或名称）。 / Requirements (object, may be left out, all optional): concerns[] or goals[], budget or budget_min/budget_max (yuan), max_recovery_days, max_sessions, max_weeks, deadline (YYYY-MM-DD), exclude[], include[] (service codes or names).
    #[serde(default)]
    requirements: Requirements,
}

/// A stored plan.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StoredPlan {
    /// The plan's id, for optimize_plan.
    pub(crate) plan_id: String,
    #[serde(flatten)]
    pub(crate) body: Body,
}

#[async_trait]
impl NativeTool for GenerateTreatmentPlan {
    type Output = StoredPlan;
    const SUBJECT: Subject = Subject::Named(&["customer_profile", "user_id"]);
    const LONG: bool = true;

    fn about() -> About {
        About {
            name: "generate_treatment_plan",
            title: "生成治疗方案 / Generate treatment plan",
            description: "根据客户资料和要求，从诊所在售项目中计算治疗方案：在预算、恢复期、次数、时间内使诉求改善最大，绝不包含禁忌项目，并列出被排除的项目及原因。\
                          方案会保存，状态始终为待医生审核，不可直接承诺给客户。已知客户请传 customer_profile.user_id；没有合适方案时会说明是哪个条件造成、如何放宽。需按反馈调整时用 optimize_plan。\n\
                          Computes a treatment plan from the clinic's catalogue: the greatest expected improvement of the concerns within budget, recovery time, sessions and time, \
                          never with a contraindicated service, and with the reasons for what was left out. The plan is stored and always waits for a physician's review. \
                          Pass customer_profile.user_id for a known customer. When nothing fits, the error names the binding constraint and how to relax it. Revise a plan with optimize_plan.",
            category: "treatment",
            version: "1.0.0",
            effect: Effect::Adds,
            timeout: Duration::from_secs(15),
            example: r#"{"customer_profile": {"age": 30, "skin_type": "dry", "allergies": ["利多卡因"], "conditions": []}, "requirements": {"concerns": ["色斑", "暗沉"], "budget": 20000, "max_recovery_days": 7}}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<StoredPlan, ToolError> {
        let services = ctx.records.services(ctx.now).await?;
        let brief = constraints::gather(self.customer_profile, self.requirements, &services, ctx).await?;
        ctx.report(5, "已读取项目目录和客户档案 / the catalogue and the customer's record were read").await;
        let body = make::make(&brief, &services, ctx).await?;
        let kept = Kept { body, constraints: brief.constraints };
        store(kept, brief.customer_id, None, ctx).await
    }
}

/// Stores a plan, with the rules under which it may be revised.
pub(crate) async fn store(
    kept: Kept,
    customer_id: Option<String>,
    parent_id: Option<String>,
    ctx: &Context<'_>,
) -> Result<StoredPlan, ToolError> {
    let body = serde_json::to_value(&kept).map_err(|error| ToolError::Internal(format!("the plan cannot be written as JSON: {error}")))?;
    let stored = ctx.records.save_plan(NewPlan { customer_id, parent_id, body, now: ctx.now }).await?;
    Ok(StoredPlan { plan_id: stored.id, body: kept.body })
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
