//! The shares of PRD 10.1 over the last hour: runs that brought a welcome, and runs in which an agent answered.
//!
//! A run that ended with a fallback's welcome is a success of the automation: the customer has a conversation and a
//! welcome in it. That no agent wrote it is the other share's matter.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene, percent};
use crate::store::{StoreError, figures::Share};

const HOUR_MS: i64 = 3_600_000;
/// Both count the rows of an hour.
const EVERY_MS: i64 = 10_000;
/// Share of runs in which an agent must have answered (PRD 10.1).
const AGENTS_BOUND: f64 = 0.95;

pub(super) struct Automation;

#[async_trait]
impl Condition for Automation {
    fn kind(&self) -> Kind {
        Kind {
            name: "success_rate",
            zh: "自动化成功率过低",
            en: "too few runs succeed",
            severity: "critical",
            flaps: true,
            every_ms: EVERY_MS,
        }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let share = scene.store.automation_success(scene.now - HOUR_MS).await?;
        Ok(below(scene, share, scene.settings.alerts.success_rate, ("自动化成功率", "runs brought a welcome")))
    }
}

pub(super) struct Agents;

#[async_trait]
impl Condition for Agents {
    fn kind(&self) -> Kind {
        Kind {
            name: "agent_success",
            zh: "智能体成功率过低",
            en: "agents answer too seldom",
            severity: "warning",
            flaps: true,
            every_ms: EVERY_MS,
        }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let share = scene.store.agent_success(scene.now - HOUR_MS).await?;
        Ok(below(scene, share, AGENTS_BOUND, ("智能体调用成功率", "runs that asked an agent got an answer")))
    }
}

fn below(scene: &Scene<'_>, share: Share, bound: f64, (zh, en): (&str, &str)) -> Vec<Finding> {
    let Share { hits, of } = share;
    let Some(value) = share.value().filter(|value| *value < bound && of >= i64::from(scene.settings.alerts.success_min_runs)) else {
        return Vec::new();
    };
    vec![Finding::new(
        "",
        &format!("最近一小时{zh} {}（{hits}/{of}），低于 {}", percent(value), percent(bound)),
        &format!("{hits} of {of} {en} in the last hour: {}, below {}", percent(value), percent(bound)),
        json!({"hits": hits, "of": of, "share": value, "bound": bound}),
    )]
}
