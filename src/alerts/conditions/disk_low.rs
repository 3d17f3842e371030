//! The disk under the data directory is nearly full: before the database cannot grow, and nothing can be accepted.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::store::StoreError;

const MIB: u64 = 1024 * 1024;

pub(super) struct DiskLow;

#[async_trait]
impl Condition for DiskLow {
    fn kind(&self) -> Kind {
        Kind { name: "disk_low", zh: "磁盘空间不足", en: "the disk is nearly full", severity: "critical", flaps: true, every_ms: 0 }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let free =
            scene.store.free_bytes().map_err(|error| StoreError::Engine(format!("the disk cannot be asked for its room: {error}")))?;
        let (free, bound) = (free / MIB, u64::from(scene.settings.alerts.disk_low_mib));
        if free >= bound {
            return Ok(Vec::new());
        }
        Ok(vec![Finding::new(
            "",
            &format!("数据目录所在磁盘仅剩 {free} MiB，低于 {bound} MiB"),
            &format!("the disk of the data directory has {free} MiB left, less than {bound} MiB"),
            json!({"free_mib": free, "bound_mib": bound}),
        )])
    }
}
