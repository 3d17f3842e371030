//! Registrations arrive, and none ends well.
//!
//! Looked at are those of the last hour (or twice the setting, if that is longer): a run that failed days ago is a dead
//! letter, no sign that nothing works today.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::store::StoreError;

const HOUR_MS: i64 = 3_600_000;

pub(super) struct NoSuccess;

#[async_trait]
impl Condition for NoSuccess {
    fn kind(&self) -> Kind {
        Kind {
            name: "no_success",
            zh: "注册自动化没有成功",
            en: "no registration succeeds",
            severity: "critical",
            flaps: true,
            every_ms: 0,
        }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        if !scene.settings.registration_automation.enabled {
            return Ok(Vec::new());
        }
        let patience = scene.settings.alerts.no_success_for.as_ms();
        let arrivals = scene.store.arrivals_without_success(scene.now - HOUR_MS.max(2 * patience))?;
        let Some(waiting) = arrivals.first_at.map(|at| scene.now - at).filter(|waiting| *waiting >= patience) else {
            return Ok(Vec::new());
        };
        let (count, seconds) = (arrivals.count, waiting / 1_000);
        Ok(vec![Finding::new(
            "",
            &format!("{count} 个注册已到达，{seconds} 秒内没有一个成功"),
            &format!("{count} registrations came, and none has succeeded for {seconds} s"),
            json!({"registrations": count, "first_at": arrivals.first_at, "last_success_at": arrivals.last_success_at}),
        )])
    }
}
