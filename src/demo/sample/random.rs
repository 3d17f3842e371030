//! Random numbers that are the same on every machine: SplitMix64.

/// The generator.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn within(&mut self, low: u32, high: u32) -> u32 {
        let width = u64::from(high.saturating_sub(low)) + 1;
        low + (self.next() % width) as u32
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.within(1, 100) <= percent
    }

    /// One of `items`; the empty value when there are none.
    pub(super) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let at = self.within(0, (items.len().max(1) - 1) as u32);
        items.get(at as usize).copied().unwrap_or_default()
    }

    /// Between `low` and `high` different ones of `items`, in their order.
    pub(super) fn some(&mut self, items: &[&str], low: u32, high: u32) -> Vec<String> {
        let mut wanted = self.within(low, high) as usize;
        let mut left = items.len();
        let mut chosen = Vec::new();
        for item in items {
            if self.within(1, left.max(1) as u32) as usize <= wanted {
                chosen.push((*item).to_owned());
                wanted -= 1;
            }
            left -= 1;
        }
        chosen
    }

    /// An id like the app's: `usr_` and 32 hexadecimal digits.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}_{:016x}{:016x}", self.next(), self.next())
    }
}
