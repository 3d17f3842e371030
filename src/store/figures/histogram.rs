//! How many took how long, in a few bytes: buckets whose width grows with the time.
//!
//! Up to 31 ms each millisecond is a bucket; beyond, each doubling has sixteen. So a percentile that is read back, the
//! upper end of its bucket, is at most a sixteenth above the time that was measured, whatever the times are. Stored are
//! pairs of distance from the bucket before and count, as variable-length numbers.

use super::Spread;
use crate::store::StoreError;

/// Bits that tell the buckets of one doubling apart.
const FINE: u32 = 4;
/// Longest time that is told apart, in milliseconds: seven weeks.
const LONGEST: u64 = u32::MAX as u64;
/// How many buckets there are.
const BUCKETS: usize = 464;

/// The bucket of a time in milliseconds.
fn bucket(ms: i64) -> usize {
    let ms = u64::try_from(ms).unwrap_or(0).min(LONGEST);
    let doublings = (u64::BITS - ms.leading_zeros()).saturating_sub(FINE + 1);
    (u64::from(doublings << FINE) + (ms >> doublings)) as usize
}

/// The longest time of a bucket, in milliseconds.
fn upper(bucket: usize) -> i64 {
    let doublings = (bucket >> FINE).saturating_sub(1) as u32;
    let fine = (bucket - ((doublings as usize) << FINE)) as i64;
    ((fine + 1) << doublings) - 1
}

/// A few times of one kind, as a row keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store) struct Histogram(Vec<(usize, u64)>);

impl Histogram {
    /// One time.
    pub(in crate::store) fn of(ms: i64) -> Self {
        Self(vec![(bucket(ms), 1)])
    }

    /// One time more.
    pub(in crate::store) fn add(&mut self, ms: i64) {
        self.more(bucket(ms), 1);
    }

    /// Those of another.
    pub(in crate::store) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, count)| self.more(*bucket, *count));
    }

    /// One time less; one that is not there is no time.
    pub(in crate::store) fn remove(&mut self, ms: i64) {
        let bucket = bucket(ms);
        if let Ok(at) = self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket)
            && let Some((_, count)) = self.0.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.0.remove(at);
            }
        }
    }

    fn more(&mut self, bucket: usize, count: u64) {
        match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => {
                if let Some((_, counted)) = self.0.get_mut(at) {
                    *counted += count;
                }
            }
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    /// As it is stored.
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 3);
        let mut last = 0;
        for (bucket, count) in &self.0 {
            put(&mut bytes, (bucket - last) as u64);
            put(&mut bytes, *count);
            last = *bucket;
        }
        bytes
    }

    /// From what is stored.
    pub(in crate::store) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut counts = Vec::with_capacity(bytes.len() / 2);
        each(bytes, |bucket, count| counts.push((bucket, count))).map(|()| Self(counts))
    }
}

/// Many times, gathered from many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Tally {
    counts: Box<[u64; BUCKETS]>,
    duration_ms: i64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), duration_ms: 0 }
    }
}

impl Tally {
    /// Those of a stored row, which took so long together.
    pub(in crate::store) fn absorb(&mut self, spread: &[u8], duration_ms: i64) -> Result<(), StoreError> {
        self.duration_ms = self.duration_ms.saturating_add(duration_ms);
        each(spread, |bucket, count| {
            if let Some(counted) = self.counts.get_mut(bucket) {
                *counted += count;
            }
        })
    }

    /// How they are spread.
    pub(in crate::store) fn spread(&self) -> Spread {
        let count: u64 = self.counts.iter().sum();
        let mean = (count > 0).then(|| self.duration_ms as f64 / count as f64);
        Spread {
            count: usize::try_from(count).unwrap_or(usize::MAX),
            mean,
            p50: self.percentile(count, 50),
            p95: self.percentile(count, 95),
        }
    }

    /// The upper end of the bucket in which the nearest rank lies.
    fn percentile(&self, count: u64, percent: u64) -> Option<i64> {
        let rank = (count * percent).div_ceil(100).max(1);
        let mut passed = 0;
        self.counts
            .iter()
            .position(|counted| {
                passed += counted;
                passed >= rank
            })
            .map(upper)
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Hands on each pair of what is stored.
fn each(mut bytes: &[u8], mut pair: impl FnMut(usize, u64)) -> Result<(), StoreError> {
    let mut bucket = 0_usize;
    while !bytes.is_empty() {
        let read = take(&mut bytes).zip(take(&mut bytes));
        let known = read.and_then(|(distance, count)| {
            bucket = bucket.checked_add(usize::try_from(distance).ok()?).filter(|it| *it < BUCKETS)?;
            Some(count)
        });
        let count = known.ok_or_else(|| StoreError::Engine("a row of figures holds no histogram".into()))?;
        pair(bucket, count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_touch_each_other_and_are_a_sixteenth_wide_at_most() {
        assert_eq!((bucket(-5), bucket(0), bucket(31), upper(31)), (0, 0, 31, 31));
        assert_eq!(bucket(i64::MAX), BUCKETS - 1);
        for index in 1..BUCKETS {
            let (least, most) = (upper(index - 1) + 1, upper(index));
            assert_eq!((bucket(least), bucket(most)), (index, index), "{least}..={most}");
            assert!((most - least) as f64 <= least as f64 / 16.0, "{least}..={most}");
        }
    }

    #[test]
    fn a_row_that_holds_no_histogram_is_an_error() {
        for broken in [&[1][..], &[0x80, 1, 1, 0x80], &[0xff, 0xff, 3, 1]] {
            assert!(Histogram::decode(broken).is_err(), "{broken:?}");
        }
        assert_eq!(Histogram::decode(&[]).unwrap(), Histogram::default());
    }

    proptest! {
        #[test]
        fn what_is_stored_is_what_was_counted(times in prop::collection::vec(0_i64..5_000_000, 1..200), taken in any::<prop::sample::Index>()) {
            let mut gathered = Histogram::default();
            for chunk in times.chunks(7) {
                let mut part = Histogram::of(chunk[0]);
                chunk[1..].iter().for_each(|ms| part.add(*ms));
                gathered.merge(&Histogram::decode(&part.encode()).unwrap());
            }
            let mut tally = Tally::default();
            tally.absorb(&gathered.encode(), times.iter().sum()).unwrap();
            let (exact, kept) = (Spread::of(times.clone()), tally.spread());
            prop_assert_eq!((exact.count, exact.mean), (kept.count, kept.mean));
            for (exact, kept) in [(exact.p50, kept.p50), (exact.p95, kept.p95)] {
                let (exact, kept) = (exact.unwrap(), kept.unwrap());
                prop_assert!(kept >= exact && kept - exact <= exact / 16, "{} {}", exact, kept);
            }
            let one = times[taken.index(times.len())];
            let before = gathered.clone();
            gathered.remove(one);
            gathered.add(one);
            prop_assert_eq!(before, gathered);
        }
    }
}
