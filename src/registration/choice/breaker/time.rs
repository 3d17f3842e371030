//! A breaker's own time, which never runs backwards, and how long it waits between probes.

/// How far a clock may step back before it counts as set anew, in milliseconds. Callers who read the clock and then
/// wait for the breaker come in a slightly different order.
const OUT_OF_ORDER: i64 = 1_000;
/// Lengthening of the wait by each failed probe, and its most, when the fault may pass by itself: customers wait.
const PASSING: (f64, f64) = (1.1, 1.2);
/// The same when an administrator is needed.
const FATAL: (f64, f64) = (2.0, 6.0);
/// Largest random part of a wait.
const JITTER: f64 = 0.05;

/// Turns the caller's clock, which may be set back, into time that only goes on.
#[derive(Debug, Default)]
pub(super) struct SteadyTime {
    latest: Option<i64>,
    ahead: i64,
}

impl SteadyTime {
    /// The breaker's time at the caller's `now`.
    pub(super) fn of(&mut self, now: i64) -> i64 {
        let at = now.saturating_add(self.ahead);
        let latest = self.latest.unwrap_or(at);
        if latest - at > OUT_OF_ORDER {
            self.ahead += latest - at;
        }
        let at = at.max(latest);
        self.latest = Some(at);
        at
    }

    /// A time of the breaker on the caller's clock.
    pub(super) fn shown(&self, at: i64) -> i64 {
        at - self.ahead
    }
}

/// The waits before probes.
#[derive(Debug)]
pub(super) struct Waits {
    seed: u64,
}

impl Waits {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The wait after `failed` failed probes: longer each time up to a cap, and never exactly the same, so that the
    /// probes of several agents behind one address do not come together.
    pub(super) fn next(&mut self, open_for_ms: i64, failed: u32, fatal: bool) -> i64 {
        let (growth, most) = if fatal { FATAL } else { PASSING };
        let longer = growth.powi(failed.min(64) as i32).min(most);
        (open_for_ms as f64 * longer * (1.0 + JITTER * self.share())).ceil() as i64
    }

    /// From 0 to 1: a step of a congruential generator, scrambled. Good enough to spread waits.
    fn share(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.seed ^ (self.seed >> 33)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as f64 / f64::from(u32::MAX)
    }
}
