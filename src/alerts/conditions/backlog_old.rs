//! A job has been due for too long: the queue stands still, or is too slow for what comes in.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::store::StoreError;

pub(super) struct BacklogOld;

#[async_trait]
impl Condition for BacklogOld {
    fn kind(&self) -> Kind {
        Kind { name: "backlog_old", zh: "任务积压", en: "jobs wait too long", severity: "warning", flaps: true, every_ms: 0 }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let bound = scene.settings.alerts.backlog_age.as_ms();
        let Some(age) = scene.store.next_job()?.map(|due| scene.now - due).filter(|age| *age > bound) else { return Ok(Vec::new()) };
        let (age, bound) = (age / 1_000, bound / 1_000);
        Ok(vec![Finding::new(
            "",
            &format!("最早到期的任务已等待 {age} 秒，超过 {bound} 秒"),
            &format!("the oldest due job has waited for {age} s, more than {bound} s"),
            json!({"age_s": age, "bound_s": bound}),
        )])
    }
}
