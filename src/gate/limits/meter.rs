//! What was used: rates, running calls, calls of the day. A meter outlives every policy.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use crate::store::limits::DayCount;

/// Length of a day, in milliseconds.
const DAY: i64 = 86_400_000;
/// Meters of tokens that are kept before those that have rested for two days are looked for.
const MANY: usize = 10_000;

/// What one principal used. On a cache line of its own, so that a flood of one key does not slow another's check.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Meter {
    pub(super) lists: AtomicI64,
    pub(super) calls: AtomicI64,
    pub(super) others: AtomicI64,
    pub(super) running: Count,
    pub(super) day: Day,
}

/// What one tool of one group was used, by whomever.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct ToolMeter {
    pub(super) calls: AtomicI64,
    pub(super) running: Count,
}

/// Calls that run at this moment.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU32);

impl Count {
    /// Takes a place, if fewer than `most` are taken; 0 is no limit.
    pub(super) fn enter(&self, most: u32) -> bool {
        let more = |running: u32| (most == 0 || running < most).then(|| running.saturating_add(1));
        self.0.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    pub(super) fn has_room(&self, most: u32) -> bool {
        most == 0 || self.0.load(Relaxed) < most
    }

    pub(super) fn leave(&self) {
        // One that entered leaves once, so there is one to take off.
        let _none = self.0.fetch_update(Relaxed, Relaxed, |running| running.checked_sub(1));
    }
}

/// Calls of a day: the day's number in the upper half, how many in the lower.
#[derive(Debug, Default)]
pub(super) struct Day {
    packed: AtomicU64,
    written: AtomicU64,
}

impl Day {
    /// Counts one more on `day`, if fewer than `most` are counted; 0 is no limit.
    pub(super) fn take(&self, day: u32, most: u32) -> bool {
        let more = |packed: u64| {
            let used = used_on(packed, day);
            (most == 0 || used < most).then(|| pack(day, used.saturating_add(1)))
        };
        self.packed.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Takes one off again: another limit refused what was counted.
    pub(super) fn give_back(&self, day: u32) {
        let less = |packed: u64| used_on(packed, day).checked_sub(1).map(|used| pack(day, used));
        let _other_day = self.packed.fetch_update(Relaxed, Relaxed, less);
    }

    pub(super) fn used(&self, day: u32) -> u32 {
        used_on(self.packed.load(Relaxed), day)
    }

    fn is_counted(&self) -> bool {
        self.packed.load(Relaxed) != 0
    }

    fn seed(&self, day: u32, used: u32) {
        let packed = pack(day, used);
        self.packed.store(packed, Relaxed);
        self.written.store(packed, Relaxed);
    }

    /// What is to be written down, if it changed since the last time.
    fn unwritten(&self) -> Option<(u32, u32)> {
        let packed = self.packed.load(Relaxed);
        (self.written.swap(packed, Relaxed) != packed).then_some(((packed >> 32) as u32, packed as u32))
    }
}

fn pack(day: u32, used: u32) -> u64 {
    (u64::from(day) << 32) | u64::from(used)
}

fn used_on(packed: u64, day: u32) -> u32 {
    if (packed >> 32) as u32 == day { packed as u32 } else { 0 }
}

/// The number of the day in which a moment lies, where midnight is `offset` ahead of UTC's; and when the next begins.
pub(super) fn day_of(now_ms: i64, offset_ms: i64) -> (u32, i64) {
    let day = now_ms.saturating_add(offset_ms).div_euclid(DAY);
    (u32::try_from(day).unwrap_or_default(), (day + 1) * DAY - offset_ms)
}

/// Every meter of this process.
#[derive(Debug, Default)]
pub struct Meters {
    principals: Mutex<HashMap<Arc<str>, Arc<Meter>>>,
    tools: Mutex<HashMap<(String, String), Arc<ToolMeter>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meters {
    /// The meter of a principal.
    pub(super) fn of(&self, principal: &Arc<str>) -> Arc<Meter> {
        Arc::clone(lock(&self.principals).entry(Arc::clone(principal)).or_default())
    }

    /// Begins with the calls that a process before this one wrote down; what this one counted already stays.
    pub(super) fn remember(&self, kept: Vec<DayCount>) {
        let mut meters = lock(&self.principals);
        for DayCount { principal, day, calls } in kept {
            let meter = meters.entry(principal).or_default();
            if !meter.day.is_counted() {
                meter.day.seed(day, calls);
            }
        }
    }

    /// The meter of a tool in a group.
    pub(super) fn of_tool(&self, group_id: &str, tool_name: &str) -> Arc<ToolMeter> {
        Arc::clone(lock(&self.tools).entry((group_id.to_owned(), tool_name.to_owned())).or_default())
    }

    /// Forgets meters that nobody holds any more and that have nothing to tell a later one: those of tokens come and go.
    pub(super) fn tidy(&self, today: u32) {
        let mut meters = lock(&self.principals);
        if meters.len() > MANY {
            meters.retain(|_, meter| {
                Arc::strong_count(meter) > 1 || ((meter.day.packed.load(Relaxed) >> 32) as u32).saturating_add(1) >= today
            });
        }
    }

    /// Calls of the day that are not written down yet, by principal.
    pub(super) fn unwritten(&self) -> Vec<DayCount> {
        let meters = lock(&self.principals);
        let changed = meters.iter().filter_map(|(principal, meter)| {
            let (day, calls) = meter.day.unwritten()?;
            Some(DayCount { principal: Arc::clone(principal), day, calls })
        });
        changed.collect()
    }

    /// These could not be written down after all.
    pub(super) fn again(&self, counts: &[DayCount]) {
        let meters = lock(&self.principals);
        for meter in counts.iter().filter_map(|count| meters.get(&count.principal)) {
            meter.day.written.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_given_back_and_never_more_than_there_are() {
        let count = Count::default();
        assert!(count.enter(2) && count.enter(2) && !count.enter(2));
        count.leave();
        assert!(count.enter(2) && !count.enter(2) && count.enter(0));
        for _ in 0..5 {
            count.leave();
        }
        assert!(count.enter(1) && !count.enter(1), "who leaves without a place takes none away");
    }

    #[test]
    fn a_day_ends_at_the_clinics_midnight() {
        let offset = 8 * 3_600_000;
        // 2026-11-26T15:59:59.999Z is the last moment of the 26th at +08:00.
        let last = 1_795_708_799_999;
        let (day, end) = day_of(last, offset);
        assert_eq!((day_of(last + 1, offset).0, end), (day + 1, last + 1));
        assert_eq!(day_of(last, 0).0, day);
        assert_eq!(day_of(last + 1, 0).0, day, "in UTC the day goes on");
        assert_eq!(day_of(-1, 0).0, 0, "before 1970 there is no day");
    }

    #[test]
    fn calls_of_a_day_are_counted_written_once_and_read_again() {
        let (meters, key) = (Meters::default(), Arc::from("key"));
        let meter = meters.of(&key);
        assert!(meter.day.take(5, 2) && meter.day.take(5, 2) && !meter.day.take(5, 2));
        let written = meters.unwritten();
        assert_eq!(written, [DayCount { principal: Arc::clone(&key), day: 5, calls: 2 }]);
        assert!(meters.unwritten().is_empty());
        meters.again(&written);
        assert_eq!(meters.unwritten(), written);
        let later = Meters::default();
        later.remember(written.clone());
        assert!(later.unwritten().is_empty(), "what was read is written");
        let again = later.of(&key);
        assert!(!again.day.take(5, 2) && again.day.take(6, 2));
        assert_eq!((again.day.used(5), again.day.used(6)), (0, 1));
        again.day.give_back(6);
        again.day.give_back(6);
        again.day.give_back(5);
        assert_eq!(again.day.used(6), 0);
        later.remember(written);
        assert_eq!(later.of(&key).day.used(6), 0, "what was counted since is not overwritten");
        assert!(Arc::ptr_eq(&again, &later.of(&key)));
    }

    #[test]
    fn threads_together_are_given_exactly_the_quota() {
        let day = Day::default();
        let count = || (0..2000).filter(|_| day.take(1, 3000)).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((total, day.used(1)), (3000, 3000));
    }

    proptest! {
        #[test]
        fn every_moment_is_in_the_day_that_is_said_and_before_its_end(now in 0_i64..4_000_000_000_000, quarters in -56_i64..57) {
            let offset = quarters * 900_000;
            let (day, end) = day_of(now, offset);
            prop_assert!(now < end && end - now <= DAY);
            if now + offset >= 0 {
                prop_assert_eq!(day_of(end, offset).0, day + 1);
            }
        }
    }
}
