//! Failed attempts, counted per address: whoever tries wrong keys is soon not heard any more.
//!
//! Only what failed comes here, so that a right key costs nothing and cannot be locked out by a neighbour behind the
//! same address. IPv6 is counted by /64, which is what one customer of a provider has.
//!
//! A table of our own: memory must have a bound whatever addresses are made up, and a keyed limiter from a crate keeps
//! what it saw until somebody sweeps it. Two generations do it without a sweep: a full one pushes the older one out, so
//! what is forgotten under a flood is what was not seen for longest.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Time in which attempts are counted.
const WINDOW_MS: i64 = 60_000;
/// Addresses in one generation: 4 MiB at most, both together.
const GENERATION: usize = 32_768;

/// Counts failed attempts.
#[derive(Debug)]
pub(super) struct Attempts {
    limit: u32,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    young: HashMap<u128, Window>,
    old: HashMap<u128, Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: i64,
    failed: u32,
}

/// What is said to an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The ordinary refusal.
    Heard,
    /// Too many: not heard for that many seconds. `first` when it is the first one beyond the limit.
    TooMany { retry_after: u64, first: bool },
}

impl Attempts {
    /// So many a minute for one address; 0 for any number.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, table: Mutex::default() }
    }

    /// Counts one.
    pub(super) fn failed(&self, address: Option<IpAddr>, now: i64) -> Verdict {
        let (Some(address), 1..) = (address, self.limit) else { return Verdict::Heard };
        let window = self.table.lock().unwrap_or_else(PoisonError::into_inner).count(prefix(address), now);
        if window.failed <= self.limit {
            return Verdict::Heard;
        }
        let left = (window.began + WINDOW_MS - now).clamp(1, WINDOW_MS);
        Verdict::TooMany { retry_after: left.unsigned_abs().div_ceil(1_000), first: window.failed == self.limit + 1 }
    }
}

impl Table {
    fn count(&mut self, address: u128, now: i64) -> Window {
        let fresh = Window { began: now, failed: 0 };
        let known = self.young.get(&address).or_else(|| self.old.get(&address)).copied();
        // A clock that was set back begins a new window, too.
        let mut window = known.filter(|known| (0..WINDOW_MS).contains(&(now - known.began))).unwrap_or(fresh);
        window.failed = window.failed.saturating_add(1);
        if self.young.len() >= GENERATION && !self.young.contains_key(&address) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(address, window);
        window
    }
}

/// The address, or the /64 it is in.
fn prefix(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_are_heard_and_then_none_until_the_minute_is_over() {
        let attempts = Attempts::new(10);
        for n in 0..10 {
            assert_eq!(attempts.failed(Some(ip("192.0.2.1")), n * 1_000), Verdict::Heard);
        }
        assert_eq!(attempts.failed(Some(ip("192.0.2.1")), 10_000), Verdict::TooMany { retry_after: 50, first: true });
        assert_eq!(attempts.failed(Some(ip("192.0.2.1")), 59_999), Verdict::TooMany { retry_after: 1, first: false });
        assert_eq!(attempts.failed(Some(ip("192.0.2.2")), 59_999), Verdict::Heard);
        assert_eq!(attempts.failed(Some(ip("192.0.2.1")), 60_000), Verdict::Heard);
    }

    #[test]
    fn a_64_is_one_address_and_a_mapped_one_is_its_ipv4() {
        let attempts = Attempts::new(1);
        assert_eq!(attempts.failed(Some(ip("2001:db8::1")), 0), Verdict::Heard);
        assert!(matches!(attempts.failed(Some(ip("2001:db8::ffff:2")), 0), Verdict::TooMany { .. }));
        assert_eq!(attempts.failed(Some(ip("2001:db8:0:1::1")), 0), Verdict::Heard);
        assert_eq!(attempts.failed(Some(ip("::ffff:192.0.2.1")), 0), Verdict::Heard);
        assert!(matches!(attempts.failed(Some(ip("192.0.2.1")), 0), Verdict::TooMany { .. }));
    }

    #[test]
    fn without_a_limit_or_an_address_everybody_is_heard() {
        let (none, one) = (Attempts::new(0), Attempts::new(1));
        for _ in 0..5 {
            assert_eq!((none.failed(Some(ip("192.0.2.1")), 0), one.failed(None, 0)), (Verdict::Heard, Verdict::Heard));
        }
    }

    #[test]
    fn memory_has_a_bound_and_who_goes_on_trying_is_not_forgotten() {
        let attempts = Attempts::new(3);
        for n in 0..200_000_u32 {
            attempts.failed(Some(IpAddr::V4(n.into())), 0);
            if n % 1_000 == 0 {
                attempts.failed(Some(ip("203.0.113.9")), 0);
            }
        }
        let table = attempts.table.lock().unwrap();
        assert!(table.young.len() + table.old.len() <= 2 * GENERATION);
        drop(table);
        assert!(matches!(attempts.failed(Some(ip("203.0.113.9")), 0), Verdict::TooMany { .. }));
    }
}
