//! Once an hour: deletes what was kept long enough, and keeps the write-ahead log short.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    clock::SharedClock,
    settings::Book,
    store::{Store, StoreError, prune::Cutoffs},
};

/// Length of the write-ahead log beyond which it is emptied.
const LONG_WAL: u64 = 64 * 1024 * 1024;

/// How long a request to the admin API may be repeated.
const REPEATED_MS: i64 = 24 * 60 * 60 * 1000;

/// Keeps the database small.
pub(super) struct Housekeeper {
    pub(super) store: Store,
    pub(super) book: Book,
    pub(super) clock: SharedClock,
    /// After how many milliseconds an OAuth client that never got anything is forgotten.
    pub(super) unused_client_ms: i64,
    /// Time between two rounds.
    pub(super) period: Duration,
}

impl Housekeeper {
    /// Works until `stop`. A round that fails is made up for by the next one.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            let round = tokio::select! {
                () = stop.cancelled() => return,
                round = self.round() => round,
            };
            if let Err(error) = round {
                tracing::error!(%error, "old rows could not be deleted; the next round tries again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.period) => {}
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        let (kept, now) = (&self.book.current()?.retention, self.clock.now_ms());
        let cutoffs = Cutoffs {
            jobs: now - kept.jobs.as_ms(),
            deliveries: now - kept.deliveries.as_ms(),
            call_log: now - kept.call_log.as_ms(),
            subjects: now,
            tasks: now,
        };
        let pruned = self.store.prune(cutoffs).await?;
        if pruned.total() > 0 {
            tracing::info!(?pruned, "old rows were deleted");
        }
        let figures = self.store.prune_figures(now).await?;
        if figures > 0 {
            tracing::debug!(figures, "figures of long ago were deleted");
        }
        let unused_since = now - self.unused_client_ms;
        let forgotten = self.store.prune_oauth(now, unused_since).await?;
        if forgotten > 0 {
            tracing::info!(forgotten, "ended grants, tokens and unused clients were forgotten");
        }
        let ended = self.store.prune_entry(now, now - REPEATED_MS).await?;
        if ended > 0 {
            tracing::info!(ended, "ended sessions of the panel and answers to repeated requests were forgotten");
        }
        if let Some(bytes) = self.store.empty_long_wal(LONG_WAL).await? {
            tracing::info!(bytes, "a long write-ahead log was emptied");
        }
        Ok(())
    }
}
