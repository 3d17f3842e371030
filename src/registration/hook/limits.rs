//! How much the hook takes: so many registrations a minute from each sender, so many waiting, and none that the disk
//! could not keep. What was accepted is never dropped; what is refused hears when to come again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;

use super::{auth::Sender, unavailable};
use crate::{clock::SharedClock, problem::Problem, registration::RUN_JOB, settings::Intake, store::Store};

/// Smallest burst that is taken at once, however low the rate.
const LEAST_BURST: f64 = 100.0;
/// Shortest time between two looks at the disk, and between two counts of the backlog.
const LOOK_EVERY_MS: i64 = 1000;
/// When to come again after the backlog was full, or the disk: each may be better at the next look.
const COME_AGAIN: u64 = 5;
/// Longest single wait of a batch that paces itself: the rate may have been raised meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// There is no place left.
pub(super) fn backlog_full(intake: &Intake) -> Problem {
    let detail =
        format!("{} registrations wait already (setting intake.backlog). This one was not accepted; send it again later.", intake.backlog);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "backlog", detail).with_retry_after(COME_AGAIN)
}

/// What is measured.
pub(super) struct Limits {
    store: Store,
    clock: SharedClock,
    buckets: Mutex<HashMap<Sender, Bucket>>,
    tally: Mutex<Tally>,
    counting: tokio::sync::Mutex<()>,
    disk: Mutex<Option<(i64, u64)>>,
}

/// The registrations of one sender, as a token bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: i64,
}

/// Tokens that come in a millisecond, and how many are kept at most.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_ms: f64,
    burst: f64,
}

impl Rate {
    fn new(per_minute: u32) -> Self {
        let per_second = f64::from(per_minute.max(1)) / 60.0;
        Self { per_ms: per_second / 1000.0, burst: per_second.max(LEAST_BURST) }
    }
}

impl Bucket {
    /// Takes `count` tokens if `floor` remain after it; otherwise says when they will be there.
    fn take(&mut self, rate: Rate, count: f64, floor: f64, now: i64) -> Result<(), Duration> {
        // A clock that was set back gives nothing, and takes nothing away.
        let elapsed = (now - self.at).max(0) as f64;
        self.tokens = elapsed.mul_add(rate.per_ms, self.tokens).min(rate.burst);
        self.at = now;
        let short = count + floor - self.tokens;
        if short > 0.0 {
            return Err(Duration::from_secs_f64((short / rate.per_ms / 1000.0).min(86_400.0)));
        }
        self.tokens -= count;
        Ok(())
    }
}

/// How many registrations are not finished. It counts up with each acceptance, and looks at the database only when it
/// reaches the bound: then those that ended in the meantime are taken off.
#[derive(Debug, Default)]
struct Tally {
    /// Never less than those that are committed.
    accepted: u64,
    /// Places taken by what is being committed.
    held: u64,
    counted_at: Option<i64>,
}

impl Tally {
    fn take(&mut self, wanted: u64, bound: u64) -> u64 {
        let free = if self.counted_at.is_some() { bound.saturating_sub(self.accepted + self.held) } else { 0 };
        let got = wanted.min(free);
        self.held += got;
        got
    }
}

/// Places in the backlog. Those that are not kept are given back.
pub(super) struct Places<'a> {
    limits: &'a Limits,
    count: u64,
}

impl Places<'_> {
    pub(super) fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// `accepted` of them are taken for good.
    pub(super) fn keep(self, accepted: usize) {
        lock(&self.limits.tally).accepted += accepted as u64;
    }
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        let mut tally = lock(&self.limits.tally);
        tally.held = tally.held.saturating_sub(self.count);
    }
}

impl Limits {
    pub(super) fn new(store: Store, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            buckets: Mutex::default(),
            tally: Mutex::default(),
            counting: tokio::sync::Mutex::default(),
            disk: Mutex::default(),
        }
    }

    /// Lets one registration of `sender` pass, or says when to come again.
    pub(super) fn rate(&self, sender: Sender, intake: &Intake) -> Result<(), Problem> {
        let Err(wait) = self.take(sender, intake, 1.0, 0.0) else { return Ok(()) };
        let detail = format!(
            "More than {} registrations a minute came with this key or signature (setting intake.per_minute). Nothing was accepted; send it again after the time in Retry-After.",
            intake.per_minute
        );
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limit", detail).with_retry_after(wait.as_secs_f64().ceil().max(1.0) as u64))
    }

    /// Waits until `count` registrations of a batch may pass. Half of the burst is left to others with the same key.
    pub(super) async fn pace(&self, sender: Sender, intake: &Intake, count: usize) {
        let half = Rate::new(intake.per_minute).burst / 2.0;
        let mut left = count as f64;
        while left > 0.0 {
            let part = left.min(half.floor());
            match self.take(sender, intake, part, half) {
                Ok(()) => left -= part,
                Err(wait) => tokio::time::sleep(wait.min(LONGEST_WAIT)).await,
            }
        }
    }

    fn take(&self, sender: Sender, intake: &Intake, count: f64, floor: f64) -> Result<(), Duration> {
        let (rate, now) = (Rate::new(intake.per_minute), self.clock.now_ms());
        let mut buckets = lock(&self.buckets);
        buckets.entry(sender).or_insert(Bucket { tokens: rate.burst, at: now }).take(rate, count, floor, now)
    }

    /// Up to `wanted` places in the backlog; none left is a refusal.
    pub(super) async fn places(&self, intake: &Intake, wanted: usize) -> Result<Places<'_>, Problem> {
        let (wanted, bound) = (wanted as u64, u64::from(intake.backlog));
        let mut got = lock(&self.tally).take(wanted, bound);
        if got < wanted {
            self.count().await?;
            got += lock(&self.tally).take(wanted - got, bound);
        }
        if got > 0 || wanted == 0 {
            return Ok(Places { limits: self, count: got });
        }
        Err(backlog_full(intake))
    }

    /// Counts what waits, unless it was counted just now. One counts, the others wait for it.
    async fn count(&self) -> Result<(), Problem> {
        let _alone = self.counting.lock().await;
        let now = self.clock.now_ms();
        if lock(&self.tally).counted_at.is_some_and(|at| (0..LOOK_EVERY_MS).contains(&(now - at))) {
            return Ok(());
        }
        // What is accepted while the database counts may be missed by it, so it is added: too many for a while, never too few.
        let before = lock(&self.tally).accepted;
        let counted = self.store.count_backlog(RUN_JOB).await.map_err(|error| unavailable(&error))?;
        let mut tally = lock(&self.tally);
        tally.accepted = u64::from(counted) + tally.accepted.saturating_sub(before);
        tally.counted_at = Some(now);
        Ok(())
    }

    /// Whether the disk has the room that must stay free.
    pub(super) fn disk(&self, intake: &Intake) -> Result<(), Problem> {
        let least = u64::from(intake.disk_min_mib) << 20;
        if self.free()? >= least {
            return Ok(());
        }
        tracing::error!(least_mib = intake.disk_min_mib, "the disk under the database is nearly full; the hook accepts nothing");
        let detail = format!(
            "The disk has less than {} MiB left (setting intake.disk_min_mib). Nothing was accepted; send it again when there is room.",
            intake.disk_min_mib
        );
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "disk", detail).with_retry_after(COME_AGAIN))
    }

    /// Free bytes, from a look that is a second old at most.
    fn free(&self) -> Result<u64, Problem> {
        let now = self.clock.now_ms();
        let mut looked = lock(&self.disk);
        if let Some((at, free)) = *looked
            && (0..LOOK_EVERY_MS).contains(&(now - at))
        {
            return Ok(free);
        }
        let free = self.store.free_bytes().map_err(|error| {
            tracing::error!(%error, "the free room of the disk cannot be read");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "disk", "The free room of the disk cannot be read. Send it again in a second.")
        })?;
        *looked = Some((now, free));
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let rate = Rate::new(60);
        let mut bucket = Bucket { tokens: rate.burst, at: 0 };
        for _ in 0..100 {
            bucket.take(rate, 1.0, 0.0, 0).unwrap();
        }
        assert_eq!(bucket.take(rate, 1.0, 0.0, 0), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(rate, 1.0, 0.0, 400), Err(Duration::from_millis(600)));
        bucket.take(rate, 1.0, 0.0, 1000).unwrap();
        assert!(bucket.take(rate, 1.0, 0.0, -50_000).is_err(), "a clock set back gives nothing");
        bucket.take(rate, 1.0, 0.0, -49_000).unwrap();
        assert!((Rate::new(1_000_000).burst - 16_666.7).abs() < 0.1);
    }

    #[test]
    fn a_batch_leaves_half_of_the_burst() {
        let rate = Rate::new(60);
        let mut bucket = Bucket { tokens: rate.burst, at: 0 };
        bucket.take(rate, 50.0, 50.0, 0).unwrap();
        assert_eq!(bucket.take(rate, 1.0, 50.0, 0), Err(Duration::from_secs(1)));
        bucket.take(rate, 1.0, 0.0, 0).unwrap();
    }

    #[test]
    fn places_are_counted_before_any_is_given() {
        let mut tally = Tally::default();
        assert_eq!(tally.take(1, 10), 0);
        tally.counted_at = Some(0);
        tally.accepted = 7;
        assert_eq!((tally.take(2, 10), tally.take(2, 10), tally.take(2, 10)), (2, 1, 0));
    }
}
