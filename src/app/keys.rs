//! What keys need done beside the requests: uses are written down, quiet old keys retire, ended ones are forgotten.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::core::Core;
use crate::{
    clock::rfc3339,
    store::{StoreError, audit::By},
};

/// How often, unless keys retire sooner than that.
const ROUND: Duration = Duration::from_secs(30);
/// And how often at most.
const SHORTEST: Duration = Duration::from_secs(1);

/// Works until `stop`. A round that fails is made up for by the next one.
pub(super) async fn keep(core: Core, stop: CancellationToken) {
    let pause = pause(core.config.keys.retire_after_quiet.get());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = round(&core).await {
            tracing::error!(%error, "the uses and ends of keys could not be written down; the next round tries again");
        }
    }
}

/// A key that retires after a few seconds does not wait half a minute for it.
fn pause(quiet: Duration) -> Duration {
    if quiet.is_zero() { ROUND } else { quiet.clamp(SHORTEST, ROUND) }
}

/// Uses first: a key is quiet only when nothing of it waits to be written.
async fn round(core: &Core) -> Result<(), StoreError> {
    core.gate.flush_uses().await?;
    core.tokens.flush_uses().await?;
    core.accounts.flush().await?;
    let by = By::new("daemon", core.clock.now_ms());
    let quiet = core.config.keys.retire_after_quiet.as_ms();
    if quiet > 0 {
        // What happened while no daemon watched is no quiet.
        for key in core.store.retire_quiet_keys(core.gate.opened_at(), quiet, by.clone()).await? {
            let end = key.grace_until.map(rfc3339).unwrap_or_default();
            tracing::info!(key.id = key.id, key.name = key.name, grace_until = end, "a replaced key was not used any more and is retired");
        }
    }
    let forgotten = core.store.forget_ended_keys(by.at - core.config.keys.forget_after.as_ms(), by).await?;
    if forgotten > 0 {
        tracing::info!(forgotten, "keys that ended long ago are forgotten");
    }
    Ok(())
}
