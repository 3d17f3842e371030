//! Agents that are not asked because they failed. The subject is the agent's name.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::store::StoreError;

pub(super) struct BreakerOpen;

#[async_trait]
impl Condition for BreakerOpen {
    fn kind(&self) -> Kind {
        Kind { name: "breaker_open", zh: "智能体熔断", en: "an agent is not asked", severity: "warning", flaps: true, every_ms: 0 }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let open = scene.breakers.open_breakers();
        Ok(open
            .into_iter()
            .map(|(agent, reason)| {
                Finding::new(
                    &*agent,
                    &format!("智能体「{agent}」已熔断，欢迎消息由备用智能体或模板代替"),
                    &format!("the agent {agent} is not asked until it works again, others or templates write instead ({reason})"),
                    json!({"agent": agent, "reason": reason}),
                )
            })
            .collect())
    }
}
