//! Notices that another process made, or that nobody spoke of, and tokens that were taken back: found by looking.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::store::Store;

/// Time between two looks. Whoever makes a notice in this process says so at once; this is for everybody else.
const LOOK: Duration = Duration::from_millis(500);

/// Tells connections of new rows that are theirs, and ends those whose tokens are revoked, until `stop`.
pub async fn follow(store: Store, hub: Hub, stop: CancellationToken) {
    let (mut seen, mut revoked) = (None, 0);
    loop {
        match store.live_revocations_since(revoked) {
            Ok((last, revocations)) => {
                revoked = last;
                hub.revoke(&revocations);
            }
            Err(error) => tracing::warn!(%error, "revoked live tokens could not be looked for"),
        }
        match store.recipients_since(seen.unwrap_or(i64::MAX)).await {
            Ok((last, recipients)) => {
                seen = Some(last);
                hub.deliver(recipients.iter().map(String::as_str));
            }
            Err(error) => tracing::warn!(%error, "new notices could not be looked for"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
