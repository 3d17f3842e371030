//! Roll-outs that were rolled back. The guard opens these alerts with the roll-back itself; here they are resolved, when
//! somebody has decided: rolled it out again, disabled it, or given it another part. The subject is the agent's id.

use async_trait::async_trait;

use super::{Condition, Finding, Kind, Scene};
use crate::store::{StoreError, agents::Agent};

const NAME: &str = "rolled_back";

pub(super) struct RolledBack;

#[async_trait]
impl Condition for RolledBack {
    fn kind(&self) -> Kind {
        Kind { name: NAME, zh: "灰度发布已回滚", en: "a roll-out was rolled back", severity: "critical", flaps: false, every_ms: 0 }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        if scene.open(NAME).next().is_none() {
            return Ok(Vec::new());
        }
        let waits = |agent: &Agent| agent.enabled && agent.part == "candidate" && agent.rollout_percent == 0;
        let waiting: Vec<String> = scene.store.agents()?.into_iter().filter(waits).map(|agent| agent.id).collect();
        Ok(scene.open(NAME).filter(|alert| waiting.contains(&alert.subject)).map(Finding::again).collect())
    }
}
