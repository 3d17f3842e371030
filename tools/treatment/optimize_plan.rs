//! `optimize_plan`: a stored plan, chosen again under its own constraints and what the customer said of it.
//!
//! A better plan is stored as a child of the first; the first is never changed. When nothing better exists it says so and
//! stores nothing, unless the feedback brought a new safety fact, which must not be lost. Feedback that no rule
//! understands is refused with examples.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::{self, Edit},
    constraints::{self, Brief},
    feedback::{self, Current, Heard},
    generate_treatment_plan::{StoredPlan, store},
    make, person,
    plan::{Body, Kept, Review},
    screen::Screen,
};
use crate::{
    clinic::concerns,
    money,
    port::{Context, Plan, Service},
    tool::{About, Effect, NativeTool, ToolError},
};

const EXAMPLES: &str = "预算5000元以内；太贵了；恢复期不超过3天；最多2次；3个月内做完；不要热玛吉；把热玛吉换成光子嫩肤；我怀孕了；对利多卡因过敏；想要更强的效果；更想改善毛孔 / \
                        budget 5000 yuan, too expensive, downtime at most 3 days, fewer sessions, no surgery, allergic to lidocaine, stronger effect, focus on wrinkles";

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct OptimizePlan {
    /// 要优化的方案ID（generate_treatment_plan 或 optimize_plan 返回）。 / Id of the plan to revise, as returned by generate_treatment_plan or optimize_plan.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    plan_id: String,
    /// 反馈文本（1–2000字，中文或英文）。能理解：预算/太贵、恢复期、次数、时长、不要/加入/更换项目、过敏或怀孕等、效果更强、改变诉求。例：“太贵了，预算5000以内，恢复期不超过3天”。 / Feedback in Chinese or English, 1 to 2000 characters: budget or too expensive, recovery, sessions, length, services to drop, add or exchange, allergies or pregnancy, stronger effect, other concerns.
    #[schemars(length(min = 1, max = 2000))]
    feedback: String,
}

/// The revised plan, and how it differs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Revision {
    /// Id of the revised plan; the original's when nothing better exists.
    optimized_plan_id: String,
    /// Id of the plan that was revised.
    original_plan_id: String,
    /// What was added, removed or changed; empty when nothing better exists.
    changes: Vec<Edit>,
    /// Why the plan is as it is, in one paragraph.
    reason: String,
    /// What the changes do to the highest cost, such as -¥2,000.
    cost_change: String,
    /// The same in yuan.
    cost_change_yuan: f64,
    /// When it was revised, RFC 3339 in UTC.
    #[schemars(with = "String")]
    optimized_at: DateTime<Utc>,
    /// How the feedback was understood, in one sentence.
    feedback_summary: String,
    /// What the feedback asks to improve.
    improvement_areas: Vec<String>,
    /// Parts of the feedback that were not understood and had no effect.
    not_understood: Vec<String>,
    /// The plan in force after this call.
    plan: StoredPlan,
    /// The physician's review, which every plan needs.
    review: Review,
}

#[async_trait]
impl NativeTool for OptimizePlan {
    type Output = Revision;

    fn about() -> About {
        About {
            name: "optimize_plan",
            title: "优化治疗方案 / Optimize treatment plan",
            description: "按客户反馈重新计算已有方案：在原条件加上反馈中的新条件（预算、恢复期、次数、项目增减、过敏或怀孕、效果、诉求）下重新求最优，保存为新方案并说明每处变化和费用差。\
                          没有更好的方案时如实说明且不另存；新方案同样须医生审核。反馈中未理解的部分列在 not_understood。\n\
                          Recomputes a stored plan after the customer's feedback, under its own constraints plus those the feedback adds, stores the result as a new plan and explains every change with its cost. \
                          When nothing better exists it says so and stores nothing. The new plan waits for a physician's review. What was not understood is listed in not_understood.",
            category: "treatment",
            version: "1.0.0",
            effect: Effect::Adds,
            timeout: Duration::from_secs(15),
            example: r#"{"plan_id": "plan_0001", "feedback": "太贵了，预算控制在5000元以内，恢复期不超过3天"}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<Revision, ToolError> {
        let original = load(&self.plan_id, ctx).await?;
        let services = ctx.records.services(ctx.now).await?;
        let heard = understand(&self.feedback, &original.kept.body, &services)?;
        let brief = brief(&original, &heard, &services, ctx).await.map_err(about_feedback)?;
        let body = make::make(&brief, &services, ctx).await.map_err(about_feedback)?;
        let learnt = brief.constraints.safety != original.kept.constraints.safety;
        let answer = Answer { original, heard, brief, services, now: ctx.now };
        if changes::same(&answer.original.kept.body, &body) && !learnt {
            return Ok(answer.unchanged());
        }
        let kept = Kept { body, constraints: answer.brief.constraints.clone() };
        let parent = Some(answer.original.plan.id.clone());
        let stored = store(kept, answer.original.plan.customer_id.clone(), parent, ctx).await?;
        Ok(answer.changed(stored))
    }
}

/// This tool has no `requirements`: what is wrong with the new constraints is wrong with the feedback.
fn about_feedback(error: ToolError) -> ToolError {
    match error {
        ToolError::Argument { why, .. } => constraints::argument("feedback", &why),
        other => other,
    }
}

struct Original {
    plan: Plan,
    kept: Kept,
}

async fn load(plan_id: &str, ctx: &Context<'_>) -> Result<Original, ToolError> {
    let Some(plan) = ctx.records.plan(plan_id).await? else {
        return Err(ToolError::NotFound(format!(
            "错误：没有ID为 {plan_id} 的方案。请用 generate_treatment_plan 生成方案，并使用其返回的 plan_id。 / \
             Error: there is no plan with id {plan_id}. Make one with generate_treatment_plan and use the plan_id it returns."
        )));
    };
    match Kept::deserialize(&plan.body) {
        Ok(kept) => Ok(Original { plan, kept }),
        Err(_) => Err(constraints::argument(
            "plan_id",
            "该方案不是由 generate_treatment_plan 生成，缺少可重新求解的条件；请重新生成方案。 / this plan was not made by generate_treatment_plan and holds no constraints to solve again: make a new one",
        )),
    }
}

fn understand(text: &str, body: &Body, services: &[Service]) -> Result<Heard, ToolError> {
    let current = Current {
        cost: cost(body),
        recovery: body.treatments.iter().map(|treatment| treatment.recovery_days).max().unwrap_or_default(),
        sessions: body.sessions,
        days: body.duration_days,
    };
    let heard = feedback::read(text, current, services);
    if heard.minor {
        return Err(about_feedback(person::minor_refused()));
    }
    if heard.areas.is_empty() {
        let why = format!("没有能理解的要求，方案未改动。可以这样说：{EXAMPLES} / nothing in it was understood, the plan is unchanged");
        return Err(constraints::argument("feedback", &why));
    }
    Ok(heard)
}

/// The original's brief, with what the feedback and the customer's record add to it.
async fn brief(original: &Original, heard: &Heard, services: &[Service], ctx: &Context<'_>) -> Result<Brief, ToolError> {
    let based_on = &original.kept.body.based_on;
    let feedback = "客户反馈 / the customer's feedback".to_owned();
    let mut brief = Brief {
        constraints: feedback::apply(heard, &original.kept.constraints),
        customer_id: original.plan.customer_id.clone().or_else(|| based_on.customer_id.clone()),
        age: based_on.age,
        gender: based_on.gender.clone(),
        skin_type: based_on.skin_type.clone(),
        sources: based_on.sources.clone(),
        warnings: Vec::new(),
    };
    if !brief.sources.contains(&feedback) {
        brief.sources.push(feedback);
    }
    person::refresh(&mut brief, ctx).await?;
    if brief.constraints.concerns.is_empty() {
        return Err(constraints::argument("feedback", "去掉后没有要改善的诉求了。 / no concern would be left to treat"));
    }
    give_up_wishes(&mut brief, heard, services, ctx.now);
    Ok(brief)
}

/// A service the customer insisted on earlier yields to what forbids it now; one asked for just now does not, and is refused.
fn give_up_wishes(brief: &mut Brief, heard: &Heard, services: &[Service], now: DateTime<Utc>) {
    let concerns = concerns::read_all(&brief.constraints.concerns);
    let screen = Screen::new(&brief.constraints, &concerns, now);
    let forbidden = |code: &&String| {
        let service = services.iter().find(|service| service.code == **code && service.enabled);
        !heard.include.contains(*code) && service.is_none_or(|service| !screen.reasons(service).is_empty())
    };
    let given_up: Vec<String> = brief.constraints.include.iter().filter(forbidden).cloned().collect();
    for code in given_up {
        brief.constraints.include.remove(&code);
        brief
            .warnings
            .push(format!("原先指定的 {code} 在新条件下不能保留。 / {code}, asked for earlier, cannot stay under the new constraints."));
    }
}

fn cost(body: &Body) -> i64 {
    money::to_fen(body.estimated_cost_max_yuan).unwrap_or_default()
}

struct Answer {
    original: Original,
    heard: Heard,
    brief: Brief,
    services: Vec<Service>,
    now: DateTime<Utc>,
}

impl Answer {
    fn unchanged(self) -> Revision {
        let Original { plan, kept } = self.original;
        let mut body = kept.body;
        body.review.required = plan.status != "approved";
        body.review.status = plan.status;
        Revision {
            optimized_plan_id: plan.id.clone(),
            original_plan_id: plan.id.clone(),
            changes: Vec::new(),
            reason: "按反馈重新求解后，原方案在新条件下仍是最优，因此未改动，也未另存。 / Solved again under the feedback: the plan is still the best choice, so nothing was changed or stored.".to_owned(),
            cost_change: changes::signed(0),
            cost_change_yuan: 0.0,
            optimized_at: self.now,
            feedback_summary: summary(&self.heard),
            improvement_areas: self.heard.areas,
            not_understood: self.heard.not_understood,
            review: body.review.clone(),
            plan: StoredPlan { plan_id: plan.id, body },
        }
    }

    fn changed(self, plan: StoredPlan) -> Revision {
        let old = &self.original.kept.body;
        let concerns = concerns::read_all(&self.brief.constraints.concerns);
        let screen = Screen::new(&self.brief.constraints, &concerns, self.now);
        let changes = changes::between(&old.treatments, &plan.body.treatments, &self.services, &screen);
        let difference = cost(&plan.body) - cost(old);
        Revision {
            optimized_plan_id: plan.plan_id.clone(),
            original_plan_id: self.original.plan.id.clone(),
            reason: changes::reason(old, &plan.body, &changes, &concerns),
            changes,
            cost_change: changes::signed(difference),
            cost_change_yuan: money::to_yuan(difference),
            optimized_at: self.now,
            feedback_summary: summary(&self.heard),
            improvement_areas: self.heard.areas,
            not_understood: self.heard.not_understood,
            review: Review::pending(),
            plan,
        }
    }
}

fn summary(heard: &Heard) -> String {
    let missed = if heard.not_understood.is_empty() {
        String::new()
    } else {
        format!("；未理解 {0} 处 / {0} not understood", heard.not_understood.len())
    };
    format!("理解为：{}{missed}", heard.areas.join("；"))
}

#[cfg(test)]
#[path = "optimize_tests.rs"]
mod tests;
