//! A rate in one atomic: the generic cell rate algorithm.
//!
//! What is kept is the moment up to which everything admitted so far is paid for. A request moves it on by one step (a
//! minute divided by the value) and passes while it is less than a minute ahead, so that a minute's worth may come at
//! once, and afterwards one for each step.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The window of every rate, in nanoseconds.
const WINDOW: i64 = 60_000_000_000;
/// The highest value of a rate: a step of a microsecond.
pub(super) const HIGHEST: u32 = 60_000_000;

/// So many in a minute; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    step: i64,
}

impl Rate {
    pub(super) fn per_minute(value: u32) -> Self {
        Self { step: if value == 0 { 0 } else { WINDOW / i64::from(value.min(HIGHEST)) } }
    }

    /// Whether there is one at the moment `now`, in milliseconds.
    pub(super) fn has_room(self, paid_until: &AtomicI64, now_ms: i64) -> bool {
        let now = now_ms.saturating_mul(1_000_000);
        self.step == 0 || paid_until.load(Relaxed).clamp(now, now.saturating_add(WINDOW)) - now <= WINDOW - self.step
    }

    /// Takes one at the moment `now`, in milliseconds; or says how many milliseconds until there is one.
    ///
    /// Refusing writes nothing: a flood does not take the memory away from who reads beside it.
    pub(super) fn take(self, paid_until: &AtomicI64, now_ms: i64) -> Result<(), i64> {
        if self.step == 0 {
            return Ok(());
        }
        let now = now_ms.saturating_mul(1_000_000);
        let mut seen = paid_until.load(Relaxed);
        loop {
            // A moment further ahead than any admission reaches is from before the clock was set back.
            let paid = seen.clamp(now, now.saturating_add(WINDOW));
            let ahead = paid - now;
            let free = ahead <= WINDOW - self.step;
            let next = if free { paid + self.step } else { paid };
            if next != seen
                && let Err(other) = paid_until.compare_exchange_weak(seen, next, Relaxed, Relaxed)
            {
                seen = other;
                continue;
            }
            let wait = ahead - (WINDOW - self.step);
            return if free { Ok(()) } else { Err((wait.saturating_add(999_999) / 1_000_000).max(1)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_795_651_200_000;

    fn admitted(rate: Rate, times: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let cell = AtomicI64::new(0);
        times.into_iter().filter(|now| rate.take(&cell, *now).is_ok()).collect()
    }

    #[test]
    fn a_minutes_worth_comes_at_once_and_then_one_for_each_step() {
        let cell = AtomicI64::new(0);
        let rate = Rate::per_minute(240);
        assert_eq!((0..1000).filter(|_| rate.take(&cell, START).is_ok()).count(), 240);
        assert_eq!(rate.take(&cell, START), Err(250));
        assert_eq!(rate.take(&cell, START + 249), Err(1));
        assert_eq!(rate.take(&cell, START + 250), Ok(()));
        assert_eq!(rate.take(&cell, START + 250), Err(250));
        assert_eq!((0..1000).filter(|_| rate.take(&cell, START + 3_600_000).is_ok()).count(), 240, "what was not used is not saved up");
    }

    #[test]
    fn nothing_is_no_limit_and_the_highest_is_one() {
        let cell = AtomicI64::new(0);
        assert!((0..10_000).all(|_| Rate::per_minute(0).take(&cell, START).is_ok()));
        assert_eq!(cell.load(Relaxed), 0);
        assert_eq!(Rate::per_minute(u32::MAX), Rate::per_minute(HIGHEST));
        assert_eq!(admitted(Rate::per_minute(1), [0, 1, 59_999, 60_000, 60_001].map(|at| START + at)).len(), 2);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_one_step_and_not_the_difference() {
        let cell = AtomicI64::new(0);
        let rate = Rate::per_minute(60);
        assert!((0..60).all(|_| rate.take(&cell, START).is_ok()));
        let back = START - 86_400_000;
        assert_eq!(rate.take(&cell, back), Err(1000));
        assert_eq!(rate.take(&cell, back + 1000), Ok(()));
    }

    #[test]
    fn threads_together_are_given_exactly_the_value() {
        let cell = AtomicI64::new(0);
        let rate = Rate::per_minute(5000);
        let count = || (0..4000).filter(|_| rate.take(&cell, START).is_ok()).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 5000);
    }

    proptest! {
        /// Whatever comes when, no stretch of time holds more than its share and one minute's worth.
        #[test]
        fn no_stretch_of_time_holds_more_than_its_share(value in 1_u32..5000, gaps in prop::collection::vec(0_i64..2000, 1..400), length in 1_i64..300_000) {
            let mut now = START;
            let times: Vec<_> = gaps.iter().map(|gap| { now += gap; now }).collect();
            let admitted = admitted(Rate::per_minute(value), times.iter().flat_map(|at| [*at; 3]));
            let most = i64::from(value) + length * i64::from(value) / 60_000 + 1;
            for (n, from) in admitted.iter().enumerate() {
                let held = admitted.iter().skip(n).take_while(|at| **at < from + length).count();
                prop_assert!(i64::try_from(held).unwrap() <= most, "{held} in {length} ms at {value} a minute");
            }
        }

        /// Who waits as long as was said is let in, and not a moment earlier.
        #[test]
        fn the_wait_that_is_told_is_the_one_that_is_needed(value in 1_u32..2000, spent in 0_u32..4000, pause in 0_i64..90_000) {
            let (cell, rate) = (AtomicI64::new(0), Rate::per_minute(value));
            for _ in 0..spent {
                let _refused = rate.take(&cell, START);
            }
            prop_assert_eq!(rate.has_room(&cell, START + pause), cell.load(Relaxed) <= (START + pause) * 1_000_000 + WINDOW - rate.step);
            if let Err(wait) = rate.take(&cell, START + pause) {
                if wait > 1 {
                    prop_assert!(rate.take(&cell, START + pause + wait - 1).is_err());
                }
                prop_assert_eq!(rate.take(&cell, START + pause + wait), Ok(()));
            }
        }

        /// Who keeps to the rate is never refused, however long.
        #[test]
        fn who_keeps_to_the_rate_is_never_refused(value in 1_u32..6000, count in 1_usize..3000) {
            let step = i64::from(60_000_u32.div_ceil(value));
            let times = (0..count).map(|n| START + step * i64::try_from(n).unwrap());
            prop_assert_eq!(admitted(Rate::per_minute(value), times).len(), count);
        }

        /// However the clock jumps, a minute later there is room again.
        #[test]
        fn however_the_clock_jumps_there_is_room_a_minute_later(value in 1_u32..500, jumps in prop::collection::vec(-10_000_000_i64..10_000_000, 1..50)) {
            let (cell, rate) = (AtomicI64::new(0), Rate::per_minute(value));
            let mut now = START;
            for jump in jumps {
                now += jump;
                let _either = rate.take(&cell, now);
            }
            let _either = rate.take(&cell, now);
            prop_assert_eq!(rate.take(&cell, now + 60_000), Ok(()));
        }
    }
}
