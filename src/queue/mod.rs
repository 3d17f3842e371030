//! Durable jobs, worked off. The queue knows no job by name: handlers are handed in.
//!
//! A job is claimed under a lease and a token, kept alive by a heartbeat, and finished only by whoever still holds the
//! token. A failed try waits 5, 15, 60 s (a setting, plus a little jitter), then the job is dead and its handler is
//! told. A soft stop puts a job back without costing it an attempt.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::SharedClock,
    ids::new_id,
    secret::random_bytes,
    store::{
        Store, StoreError,
        jobs::{Claim, ClaimedJob, Ending},
    },
};

/// Longest sleep between two looks for work: another process may have added some.
const IDLE: Duration = Duration::from_secs(1);

/// Why a try did not end the job.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobError {
    /// It may work later.
    #[error("{why}")]
    Retry {
        /// What happened.
        why: String,
        /// Not before that long.
        after: Option<Duration>,
    },
    /// Nothing failed; there is more to do at this time. Costs no attempt.
    #[error("goes on later")]
    Later {
        /// Not before, in milliseconds since 1970.
        run_at: i64,
    },
    /// It never will work.
    #[error("{0}")]
    Fatal(String),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Retry { why: error.to_string(), after: None }
    }
}

/// Works off one kind of job.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Does the work on `subject_id`. Must be safe to run again after it was cut off anywhere.
    async fn run(&self, subject_id: &str, attempt: u32) -> Result<(), JobError>;
    /// Hears that the job was given up.
    async fn given_up(&self, subject_id: &str, error: &JobError);
}

/// How jobs are tried.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// Waits before the second, third, … try.
    pub retry_delays: Vec<Duration>,
    /// Largest part of a wait that is added at random.
    pub jitter: f64,
    /// Jobs at once.
    pub workers: usize,
    /// How long a silent worker keeps its job.
    pub lease: Duration,
}

/// The queue of this process. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    clock: SharedClock,
    settings: QueueSettings,
    handlers: HashMap<&'static str, Arc<dyn Handler>>,
    boot_id: String,
    wake: Arc<Notify>,
    slots: Arc<Semaphore>,
}

impl Queue {
    /// A queue over `store`. `wake` is notified by whoever adds a job.
    pub fn new(
        store: Store,
        clock: SharedClock,
        settings: QueueSettings,
        handlers: HashMap<&'static str, Arc<dyn Handler>>,
        wake: Arc<Notify>,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(settings.workers));
        let boot_id = new_id(clock.as_ref());
        Self { shared: Arc::new(Shared { store, clock, settings, handlers, boot_id, wake, slots }) }
    }

    /// Puts back what a killed process left behind. Call it once, holding the data directory's lock.
    pub async fn rescue(&self) -> Result<usize, StoreError> {
        self.shared.store.rescue_orphans(&self.shared.boot_id).await
    }

    /// Works until `stop`, then waits for its workers, which put unfinished jobs back.
    pub async fn run(&self, stop: CancellationToken) {
        let workers = TaskTracker::new();
        while let Some((job, slot)) = self.next(&stop).await {
            let (queue, stop) = (self.clone(), stop.clone());
            workers.spawn(async move {
                queue.work(job, &stop).await;
                drop(slot);
            });
        }
        workers.close();
        workers.wait().await;
    }

    /// The next job with a slot to work in; none once stopped.
    async fn next(&self, stop: &CancellationToken) -> Option<(ClaimedJob, tokio::sync::OwnedSemaphorePermit)> {
        loop {
            let slot = tokio::select! {
                () = stop.cancelled() => return None,
                slot = Arc::clone(&self.shared.slots).acquire_owned() => slot.ok()?,
            };
            let woken = self.shared.wake.notified();
            match self.claim().await {
                Ok(Some(job)) => return Some((job, slot)),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "no job could be claimed; trying again"),
            }
            drop(slot);
            tokio::select! {
                () = stop.cancelled() => return None,
                () = woken => {}
                () = tokio::time::sleep(self.until_next()) => self.expire().await,
            }
        }
    }

    async fn claim(&self) -> Result<Option<ClaimedJob>, StoreError> {
        let Shared { store, clock, settings, boot_id, .. } = &*self.shared;
        // Nobody writes to look: an idle queue costs no commit.
        let now = clock.now_ms();
        match store.next_job()? {
            Some(due) if due <= now => {}
            _ => return Ok(None),
        }
        let claim = Claim { boot_id: boot_id.clone(), lease_token: new_id(clock.as_ref()), now, lease_until: now + ms(settings.lease) };
        store.claim_job(claim).await
    }

    /// Time to the next due job, at most [`IDLE`].
    fn until_next(&self) -> Duration {
        let due = self.shared.store.next_job().ok().flatten();
        let wait = due.map_or(IDLE, |due| Duration::from_millis(u64::try_from(due - self.shared.clock.now_ms()).unwrap_or(0)));
        wait.clamp(Duration::from_millis(5), IDLE)
    }

    async fn expire(&self) {
        if let Err(error) = self.shared.store.expire_leases(self.shared.clock.now_ms()).await {
            tracing::error!(%error, "leases that ran out could not be looked for");
        }
    }

    async fn work(&self, job: ClaimedJob, stop: &CancellationToken) {
        let Shared { store, clock, handlers, .. } = &*self.shared;
        let ending = match handlers.get(job.kind.as_str()) {
            Some(handler) => tokio::select! {
                result = handler.run(&job.subject_id, job.attempt) => self.ending(&job, handler.as_ref(), result).await,
                () = stop.cancelled() => Ending::Released,
                () = self.heartbeat(&job) => return,
            },
            None => Ending::Dead { error: format!("this version has no handler for jobs of the kind {}", job.kind) },
        };
        match store.end_job(&job, ending, clock.now_ms()).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(job.id, job.kind, "a job was no longer ours when it ended"),
            Err(error) => tracing::error!(job.id, job.kind, %error, "the end of a job could not be written; it will run again"),
        }
    }

    /// Extends the lease until it is lost; then the work must stop, because somebody else has it.
    async fn heartbeat(&self, job: &ClaimedJob) {
        let Shared { store, clock, settings, .. } = &*self.shared;
        loop {
            tokio::time::sleep(settings.lease / 3).await;
            match store.extend_lease(job, clock.now_ms() + ms(settings.lease)).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(job.id, job.kind, "the lease of a job was lost");
                    return;
                }
                Err(error) => tracing::error!(job.id, %error, "a lease could not be extended"),
            }
        }
    }

    async fn ending(&self, job: &ClaimedJob, handler: &dyn Handler, result: Result<(), JobError>) -> Ending {
        let error = match result {
            Ok(()) => return Ending::Done,
            Err(JobError::Later { run_at }) => return Ending::Later { run_at },
            Err(error) => error,
        };
        let Shared { clock, settings, .. } = &*self.shared;
        let again = match &error {
            JobError::Retry { after, .. } => delay(settings, job.attempt).map(|wait| wait.max(after.unwrap_or_default())),
            JobError::Later { .. } | JobError::Fatal(_) => None,
        };
        if let Some(wait) = again {
            tracing::warn!(job.kind, subject.id = job.subject_id, attempt = job.attempt, %error, retry_in_ms = ms(wait), "a job failed and will be tried again");
            return Ending::Retry { run_at: clock.now_ms() + ms(wait), error: error.to_string() };
        }
        tracing::error!(job.kind, subject.id = job.subject_id, attempt = job.attempt, %error, "a job was given up");
        handler.given_up(&job.subject_id, &error).await;
        Ending::Dead { error: error.to_string() }
    }
}

/// The wait after the try `attempt`, with positive jitter only, so that a promised wait is never cut short.
fn delay(settings: &QueueSettings, attempt: u32) -> Option<Duration> {
    let base = settings.retry_delays.get(usize::try_from(attempt).ok()?.checked_sub(1)?)?;
    // Without randomness there is no jitter, and nothing is lost.
    let part = random_bytes::<2>().map_or(0.0, |bytes| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX));
    Some(base.mul_f64(1.0 + settings.jitter * part))
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_those_of_the_setting_and_never_shorter() {
        let settings = QueueSettings {
            retry_delays: [5, 15, 60].map(Duration::from_secs).to_vec(),
            jitter: 0.1,
            workers: 1,
            lease: Duration::from_secs(30),
        };
        for (attempt, seconds) in [(1, 5.0), (2, 15.0), (3, 60.0)] {
            for _ in 0..50 {
                let wait = delay(&settings, attempt).unwrap().as_secs_f64();
                assert!((seconds..=seconds * 1.1001).contains(&wait), "{attempt}: {wait}");
            }
        }
        assert_eq!(delay(&settings, 4), None);
        assert_eq!(delay(&settings, 0), None);
    }
}
