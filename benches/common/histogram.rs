//! Latencies in buckets whose width grows with the value: 0.8 % precise from 1 µs to an hour, in 26 KiB.

use std::time::Duration;

/// Buckets between one power of two and the next.
const STEPS: u64 = 128;
/// Longest latency told apart from longer ones, in µs.
const LONGEST: u64 = (1 << 32) - 1;
/// Index of [`LONGEST`], plus one.
const BUCKETS: usize = 3_328;

/// Counts of latencies.
#[derive(Clone)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST).min(LONGEST);
        if let Some(bucket) = self.buckets.get_mut(index(micros)) {
            *bucket += 1;
            self.count += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The latency in milliseconds that `share` (0.5, 0.99) of all did not exceed.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let rank = ((self.count as f64) * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in (0_u64..).zip(&self.buckets) {
            seen += count;
            if seen >= rank {
                return middle(index) / 1_000.0;
            }
        }
        0.0
    }
}

/// Keeps the eight leading bits of a value, and counts the bits it drops.
fn index(micros: u64) -> usize {
    let dropped = micros.checked_ilog2().unwrap_or(0).saturating_sub(STEPS.ilog2());
    (u64::from(dropped) * STEPS + (micros >> dropped)) as usize
}

/// The middle of a bucket, in µs.
fn middle(index: u64) -> f64 {
    let dropped = (index / STEPS).saturating_sub(1);
    let width = 1_u64 << dropped;
    ((index - dropped * STEPS) * width) as f64 + (width - 1) as f64 / 2.0
}
