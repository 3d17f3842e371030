//! A key that was replaced is still used, and its grace is nearly over: whoever uses it will be refused.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::{clock::rfc3339, store::StoreError};

pub(super) struct OldKeyInUse;

#[async_trait]
impl Condition for OldKeyInUse {
    fn kind(&self) -> Kind {
        Kind {
            name: "old_key_in_use",
            zh: "旧密钥即将失效但仍在使用",
            en: "an old key is about to end and is still used",
            severity: "warning",
            flaps: false,
            every_ms: 10_000,
        }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let stragglers = scene.store.stragglers(scene.now)?;
        let findings = stragglers.into_iter().map(|key| {
            let (name, code, end) = (&key.name, &key.code, rfc3339(key.ends_at));
            Finding::new(
                key.key_id.clone(),
                &format!("工具组 {code} 的旧密钥 {name} 将于 {end} 失效，仍有客户端在使用；见 `anmei-mcp key usage {code}`"),
                &format!("the old key {name} of {code} ends on {end}, and clients still use it; see `anmei-mcp key usage {code}`"),
                json!({"group": code, "name": name, "ends_at": key.ends_at, "last_used_at": key.last_used_at, "users": key.users}),
            )
        });
        Ok(findings.collect())
    }
}
