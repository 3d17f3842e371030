//! The receiver of events was taken out of use after failing for too long.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::{clock::rfc3339, store::StoreError};

pub(super) struct EventsDisabled;

#[async_trait]
impl Condition for EventsDisabled {
    fn kind(&self) -> Kind {
        Kind {
            name: "events_disabled", zh: "事件接收方已停用", en: "events are not sent", severity: "critical", flaps: false, every_ms: 0
        }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let endpoint = scene.store.event_endpoint()?;
        let Some(since) = endpoint.disabled_at else { return Ok(Vec::new()) };
        let (at, reason) = (rfc3339(since), endpoint.reason.as_deref().unwrap_or("-"));
        Ok(vec![Finding::new(
            "",
            &format!("事件接收方自 {at} 起停用，事件保留等待"),
            &format!("the receiver of events is out of use since {at} ({reason}); events wait"),
            json!({"disabled_at": since, "failing_since": endpoint.failing_since, "reason": endpoint.reason}),
        )])
    }
}
