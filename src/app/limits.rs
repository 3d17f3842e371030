//! What limits need from outside the gate: the standard of the settings, and a row for the calls of the day.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::core::Core;
use crate::{
    gate::limits::{Standard, Standards},
    registration::hours::utc_offset_ms,
    settings::Book,
};

/// How often the calls of the day are written down: a kill loses no more of them than of the call log.
const ROUND: Duration = Duration::from_secs(1);

/// The settings `limits.*`.
#[derive(Debug)]
pub(super) struct BySettings(pub(super) Book);

impl Standards for BySettings {
    fn standard(&self) -> Standard {
        // While settings cannot be read their defaults are in force.
        let settings = self.0.current().unwrap_or_default();
        let limits = &settings.limits;
        Standard {
            list_per_minute: limits.list_per_minute,
            call_per_minute: limits.call_per_minute,
            other_per_minute: limits.other_per_minute,
            concurrent_calls: limits.concurrent_calls,
            calls_per_day: limits.calls_per_day,
            offset_ms: utc_offset_ms(&settings.working_hours.utc_offset).unwrap_or_default(),
        }
    }
}

/// Works until `stop`. What could not be written is written in the next round.
pub(super) async fn keep(core: Core, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
        if let Err(error) = core.gate.flush_days().await {
            tracing::error!(%error, "the calls of the day could not be written; the next round tries again");
        }
    }
}
