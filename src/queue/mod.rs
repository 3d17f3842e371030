//! Durable jobs, worked off. The queue knows no job by name: handlers are handed in.
//!
//! A job is claimed under a lease and a token, kept alive by a heartbeat, and finished only by whoever still holds the
//! token. A failed try waits as its handler says (5, 15, 60 s, plus a little jitter), then the job is dead and its
//! handler is told. A soft stop puts a job back without costing it an attempt; neither does a crash.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
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
const IDLE: Duration = Duration::from_millis(250);
/// How far two clocks may drift apart between two looks before one of them was set.
const CLOCK_SLACK_MS: i64 = 1_000;
/// Most jobs claimed in one transaction.
const BATCH: usize = 64;

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
    /// The wait after the failed try `attempt` (1 for the first), without jitter; nothing gives the job up.
    fn delay(&self, attempt: u32) -> Option<Duration>;
    /// Largest share of the wait that is added at random, so that retries do not come all at once.
    fn jitter(&self) -> f64 {
        0.1
    }
    /// Hears that the job was given up.
    async fn given_up(&self, subject_id: &str, error: &JobError);
}

/// Which handler has which kind of job.
pub type Handlers = HashMap<&'static str, Arc<dyn Handler>>;

/// How jobs are worked on.
#[derive(Debug, Clone)]
pub struct QueueSettings {
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
    handlers: Handlers,
    boot_id: String,
    wake: Arc<Notify>,
    slots: Arc<Semaphore>,
    began: Instant,
    /// Wall clock minus the clock that never jumps, at the last look.
    offset: AtomicI64,
}

impl Queue {
    /// A queue over `store`. `wake` is notified by whoever adds a job.
    pub fn new(store: Store, clock: SharedClock, settings: QueueSettings, handlers: Handlers, wake: Arc<Notify>) -> Self {
        let slots = Arc::new(Semaphore::new(settings.workers));
        let boot_id = new_id(clock.as_ref());
        let (began, offset) = (Instant::now(), AtomicI64::new(clock.now_ms()));
        Self { shared: Arc::new(Shared { store, clock, settings, handlers, boot_id, wake, slots, began, offset }) }
    }

    /// Puts back what a killed process left behind. Call it once, holding the data directory's lock.
    pub async fn rescue(&self) -> Result<usize, StoreError> {
        let Shared { store, clock, boot_id, .. } = &*self.shared;
        store.rescue_orphans(boot_id, clock.now_ms()).await
    }

    /// Works until `stop`, then waits for its workers, which put unfinished jobs back.
    pub async fn run(&self, stop: CancellationToken) {
        let workers = TaskTracker::new();
        while let Some(batch) = self.next(&stop).await {
            for (job, slot) in batch {
                let (queue, stop) = (self.clone(), stop.clone());
                workers.spawn(async move {
                    queue.work(job, &stop).await;
                    drop(slot);
                });
            }
        }
        workers.close();
        workers.wait().await;
    }

    /// The next jobs, each with a slot to work in; none once stopped.
    async fn next(&self, stop: &CancellationToken) -> Option<Vec<(ClaimedJob, OwnedSemaphorePermit)>> {
        loop {
            let first = tokio::select! {
                () = stop.cancelled() => return None,
                slot = Arc::clone(&self.shared.slots).acquire_owned() => slot.ok()?,
            };
            let more = std::iter::from_fn(|| Arc::clone(&self.shared.slots).try_acquire_owned().ok());
            let slots: Vec<_> = std::iter::once(first).chain(more.take(BATCH - 1)).collect();
            let woken = self.shared.wake.notified();
            match self.claim(slots.len()).await {
                Ok(jobs) if !jobs.is_empty() => return Some(jobs.into_iter().zip(slots).collect()),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "no job could be claimed; trying again"),
            }
            drop(slots);
            tokio::select! {
                () = stop.cancelled() => return None,
                () = woken => {}
                () = tokio::time::sleep(self.until_next()) => self.expire().await,
            }
        }
    }

    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, StoreError> {
        let Shared { store, clock, settings, boot_id, .. } = &*self.shared;
        // Nobody writes to look: an idle queue costs no commit.
        let now = clock.now_ms();
        self.follow_the_clock(now).await?;
        if store.next_job()?.is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        let lease_token = new_id(clock.as_ref());
        store.claim_jobs(Claim { boot_id: boot_id.clone(), lease_token, now, lease_until: now + ms(settings.lease), most }).await
    }

    /// A wall clock that was set back would make everything that waits, wait that much longer: its times are set back too.
    /// Set forward, it makes waits shorter, which harms nobody.
    async fn follow_the_clock(&self, now: i64) -> Result<(), StoreError> {
        let Shared { store, began, offset, .. } = &*self.shared;
        let seen = now - i64::try_from(began.elapsed().as_millis()).unwrap_or_default();
        let moved = seen - offset.swap(seen, Ordering::Relaxed);
        if moved < -CLOCK_SLACK_MS {
            tracing::warn!(moved_ms = moved, "the clock was set back; waiting jobs are set back with it");
            store.shift_jobs(moved, now).await?;
        }
        Ok(())
    }

    /// Time to the next due job, at most [`IDLE`].
    fn until_next(&self) -> Duration {
        let due = self.shared.store.next_job().ok().flatten();
        let wait = due.map_or(IDLE, |due| Duration::from_millis(u64::try_from(due - self.shared.clock.now_ms()).unwrap_or(0)));
        wait.clamp(Duration::from_millis(5), IDLE)
    }

    async fn expire(&self) {
        let Shared { store, clock, .. } = &*self.shared;
        let now = clock.now_ms();
        let expired = match store.has_expired_lease(now) {
            Ok(false) => return,
            Ok(true) => store.expire_leases(now).await,
            Err(error) => Err(error),
        };
        match expired {
            Ok(jobs) => tracing::warn!(jobs, "jobs whose worker was silent for too long go on elsewhere"),
            Err(error) => tracing::error!(%error, "leases that ran out could not be looked for"),
        }
    }

    async fn work(&self, job: ClaimedJob, stop: &CancellationToken) {
        let Shared { store, clock, handlers, .. } = &*self.shared;
        let ending = match handlers.get(job.kind.as_str()) {
            Some(handler) => tokio::select! {
                result = tried(handler.as_ref(), &job) => self.ending(&job, handler.as_ref(), result).await,
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
        let now = self.shared.clock.now_ms();
        let again = match &error {
            JobError::Retry { after, .. } => wait(handler, job.attempt).map(|wait| wait.max(after.unwrap_or_default())),
            JobError::Later { .. } | JobError::Fatal(_) => None,
        };
        if let Some(wait) = again {
            tracing::warn!(job.kind, subject.id = job.subject_id, attempt = job.attempt, %error, retry_in_ms = ms(wait), "a job failed and will be tried again");
            return Ending::Retry { run_at: now + ms(wait), error: error.to_string() };
        }
        tracing::error!(job.kind, subject.id = job.subject_id, attempt = job.attempt, %error, "a job was given up");
        handler.given_up(&job.subject_id, &error).await;
        Ending::Dead { error: error.to_string() }
    }
}

/// One try. A panic is a failure of this try alone.
async fn tried(handler: &dyn Handler, job: &ClaimedJob) -> Result<(), JobError> {
    let work = AssertUnwindSafe(handler.run(&job.subject_id, job.attempt)).catch_unwind();
    work.await.unwrap_or_else(|_| Err(JobError::Retry { why: "the work panicked".into(), after: None }))
}

/// The wait after the try `attempt`, with positive jitter only, so that a promised wait is never cut short.
fn wait(handler: &dyn Handler, attempt: u32) -> Option<Duration> {
    let base = handler.delay(attempt)?;
    // Without randomness there is no jitter, and nothing is lost.
    let part = random_bytes::<2>().map_or(0.0, |bytes| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX));
    Some(base.mul_f64(1.0 + handler.jitter().clamp(0.0, 1.0) * part))
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
