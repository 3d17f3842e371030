//! How often a password may be tried: per account and address, and per address.
//!
//! The delay doubles with each failure and belongs to the address that failed, so a stranger cannot lock a person out
//! of their account; an address that goes through many logins is slowed down as a whole. An attempt counts when it
//! begins, so that many at once are no way around it. An address is its network: /24 of IPv4, /64 of IPv6.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Failures of one address on one account that cost nothing but the failure: typing errors.
const FREE: u32 = 3;
/// The longest delay of one address on one account.
const LONGEST_MS: i64 = 15 * 60 * 1000;
/// Failures of one address, over all accounts, that cost nothing more.
const FREE_OF_ADDRESS: u32 = 20;
/// The longest delay of a whole address. Short: many people may share one.
const LONGEST_OF_ADDRESS_MS: i64 = 60 * 1000;
/// A failure is forgotten after this.
const FORGOTTEN_MS: i64 = 60 * 60 * 1000;
/// Entries kept. Beyond it the oldest go.
const MOST: usize = 8192;

type Key = (Option<String>, IpAddr);

#[derive(Debug, Clone, Copy)]
struct Entry {
    failures: u32,
    last: i64,
    until: i64,
}

/// Counts failures.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<Key, Entry>>);

impl Throttle {
    /// Begins an attempt, which counts as a failure until [`Self::forgive`] says otherwise. The error is the time to wait.
    pub(super) fn begin(&self, login: &str, from: IpAddr, now: i64) -> Result<(), Duration> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = keys(login, from);
        let wait = keys.iter().filter_map(|key| entries.get(key)).filter(|entry| fresh(entry, now)).map(|entry| entry.until - now).max();
        if let Some(wait) = wait.filter(|wait| *wait > 0) {
            return Err(Duration::from_millis(wait.min(LONGEST_MS).unsigned_abs()));
        }
        make_room(&mut entries, now);
        for key in keys {
            let whole_address = key.0.is_none();
            let entry = entries.entry(key).or_insert(Entry { failures: 0, last: now, until: now });
            let failures = if fresh(entry, now) { entry.failures.saturating_add(1) } else { 1 };
            *entry = Entry { failures, last: now, until: now + delay(failures, whole_address) };
        }
        Ok(())
    }

    /// The attempt was no failure: it worked (and what the account's owner mistyped before is forgotten), or never came
    /// to an answer.
    pub(super) fn forgive(&self, login: &str, from: IpAddr, worked: bool) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(login, from) {
            if worked && key.0.is_some() {
                entries.remove(&key);
            } else if let Some(entry) = entries.get_mut(&key) {
                entry.failures = entry.failures.saturating_sub(1);
                entry.until = entry.last;
            }
        }
    }
}

fn keys(login: &str, from: IpAddr) -> [Key; 2] {
    let network = network(from);
    [(Some(login.to_owned()), network), (None, network)]
}

/// The network an address belongs to.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Whether an entry still counts. One from the future (the clock went back) does not.
fn fresh(entry: &Entry, now: i64) -> bool {
    (0..FORGOTTEN_MS).contains(&(now - entry.last))
}

fn delay(failures: u32, whole_address: bool) -> i64 {
    let (free, longest) = if whole_address { (FREE_OF_ADDRESS, LONGEST_OF_ADDRESS_MS) } else { (FREE, LONGEST_MS) };
    match failures.checked_sub(free) {
        None | Some(0) => 0,
        Some(over) => 1000_i64.checked_shl(over.min(20)).unwrap_or(longest).min(longest),
    }
}

fn make_room(entries: &mut HashMap<Key, Entry>, now: i64) {
    if entries.len() < MOST {
        return;
    }
    entries.retain(|_, entry| fresh(entry, now));
    if entries.len() >= MOST {
        let mut ages: Vec<i64> = entries.values().map(|entry| entry.last).collect();
        ages.sort_unstable();
        let middle = ages.get(ages.len() / 2).copied().unwrap_or(now);
        entries.retain(|_, entry| entry.last > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> IpAddr {
        "203.0.113.7".parse().unwrap()
    }

    #[test]
    fn the_delay_doubles_and_has_an_end() {
        let throttle = Throttle::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..16 {
            throttle.begin("mei", home(), now).unwrap();
            let wait = throttle.begin("mei", home(), now).map_or_else(
                |wait| wait.as_secs(),
                |()| {
                    throttle.forgive("mei", home(), false);
                    0
                },
            );
            waits.push(wait);
            now += i64::try_from(wait).unwrap() * 1000;
        }
        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn a_stranger_locks_nobody_out_and_a_right_password_wipes_the_slate() {
        let throttle = Throttle::default();
        let stranger: IpAddr = "198.51.100.1".parse().unwrap();
        let refused = (0..50).filter(|_| throttle.begin("mei", stranger, 0).is_err()).count();
        assert_eq!(refused, 46);
        assert!(throttle.begin("mei", home(), 0).is_ok());
        assert!(throttle.begin("mei", home(), 0).is_ok());
        throttle.forgive("mei", home(), true);
        let tries = (0..10).filter(|_| throttle.begin("mei", home(), 0).is_ok()).count();
        assert_eq!(tries, 4);
    }

    #[test]
    fn neighbours_of_a_network_count_together_and_many_logins_slow_the_address() {
        let throttle = Throttle::default();
        let tries = (0..100_u8).filter(|last| throttle.begin("mei", IpAddr::from([198, 51, 100, *last]), 0).is_ok()).count();
        assert_eq!(tries, 4);
        let throttle = Throttle::default();
        let sprayed = (0..100).filter(|n| throttle.begin(&format!("login{n}"), home(), 0).is_ok()).count();
        assert_eq!(sprayed, 21);
    }

    #[test]
    fn an_hour_forgets_a_clock_that_went_back_does_not_prolong_and_the_memory_has_an_end() {
        let throttle = Throttle::default();
        for _ in 0..4 {
            throttle.begin("mei", home(), 1_000_000).unwrap();
        }
        assert!(throttle.begin("mei", home(), 1_000_000).is_err());
        assert!(throttle.begin("mei", home(), 0).is_ok());
        assert!(throttle.begin("mei", home(), FORGOTTEN_MS + 1_000_000).is_ok());
        for n in 0..20_000_u32 {
            let _refused = throttle.begin("mei", IpAddr::from(Ipv4Addr::from_bits(n << 8)), i64::from(n));
        }
        assert!(throttle.0.lock().unwrap().len() <= MOST + 1);
    }
}
