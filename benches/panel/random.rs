//! Chance that is the same in every run, and moments that look like a clinic's days.

use std::f64::consts::TAU;

pub(crate) const DAY_MS: i64 = 86_400_000;
/// How many days are filled.
pub(crate) const DAYS: i64 = 90;

/// Numbers from a seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 on, below `end`.
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        (self.next() % u64::try_from(end.max(1)).unwrap_or(1)) as i64
    }

    /// A number from `least` to `most`.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below(most - least + 1)
    }

    /// Whether something happens that happens so often in a thousand.
    pub(crate) fn chance(&mut self, in_a_thousand: i64) -> bool {
        self.below(1_000) < in_a_thousand
    }

    /// `usual`, or one of the others, each so often in ten thousand.
    pub(crate) fn mostly<T: Copy>(&mut self, usual: T, others: &[(i64, T)]) -> T {
        let mut number = self.below(10_000);
        for (share, other) in others {
            if number < *share {
                return *other;
            }
            number -= share;
        }
        usual
    }

    /// One of `all`.
    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(usize::try_from(self.below(all.len() as i64)).unwrap_or(0))
    }

    /// A time that usually is `typical`, sometimes a multiple of it.
    pub(crate) fn time(&mut self, typical: i64) -> i64 {
        let steps: i64 = (0..4).map(|_| self.below(1_000)).sum();
        let deviations = (steps as f64 - 1_998.0) / 577.0;
        (typical as f64 * (0.7 * deviations).exp()).ceil() as i64
    }

    /// A UUID v7 of that moment.
    pub(crate) fn id(&mut self, at: i64) -> String {
        let (one, other) = (self.next(), self.next());
        let (high, low) = (at >> 16, at & 0xffff);
        format!("{high:08x}-{low:04x}-7{:03x}-8{:03x}-{:012x}", one & 0xfff, (one >> 12) & 0xfff, other & 0xffff_ffff_ffff)
    }
}

/// The days that end now.
#[derive(Clone, Copy)]
pub(crate) struct Days {
    since: i64,
}

impl Days {
    pub(crate) fn before(now: i64) -> Self {
        Self { since: now - DAYS * DAY_MS }
    }

    /// The moment up to which `share` of everything has happened: most of it in the hours around noon.
    pub(crate) fn at(self, share: f64) -> i64 {
        let days = share * DAYS as f64;
        self.since + ((days.floor() + time_of_day(days.fract())) * DAY_MS as f64) as i64
    }

    /// Whether a moment lies in the last so many days.
    pub(crate) fn in_last(self, days: i64, at: i64) -> bool {
        at >= self.since + (DAYS - days) * DAY_MS
    }
}

/// The part of the day by which this share of its events has come.
fn time_of_day(share: f64) -> f64 {
    let (mut early, mut late) = (0.0, 1.0);
    for _ in 0..24 {
        let middle = f64::midpoint(early, late);
        if middle - 0.9 * (TAU * middle).sin() / TAU < share {
            early = middle;
        } else {
            late = middle;
        }
    }
    early
}
