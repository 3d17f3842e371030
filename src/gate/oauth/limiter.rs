//! So many per hour from one address: for what costs us something and nobody has to prove anything for.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

const HOUR: i64 = 3_600_000;
/// Most addresses remembered; beyond it, those whose hour has passed are forgotten, and then whoever asks waits.
const MOST: usize = 10_000;

/// Counts by address.
#[derive(Debug)]
pub struct HourlyLimit {
    most: u32,
    seen: Mutex<HashMap<IpAddr, (i64, u32)>>,
}

impl HourlyLimit {
    /// At most `most` an hour.
    pub fn new(most: u32) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// Counts one more, or says after how many seconds there is room again.
    pub fn take(&self, address: IpAddr, now: i64) -> Result<(), u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, (since, _)| (0..HOUR).contains(&(now - *since)));
        }
        let full = seen.len() >= MOST;
        let address = network(address);
        let entry = match seen.get_mut(&address) {
            Some(entry) => entry,
            None if full => return Err(60),
            None => seen.entry(address).or_insert((now, 0)),
        };
        if !(0..HOUR).contains(&(now - entry.0)) {
            *entry = (now, 0);
        }
        if entry.1 >= self.most {
            return Err(u64::try_from((entry.0 + HOUR - now) / 1000 + 1).unwrap_or(3600));
        }
        entry.1 += 1;
        Ok(())
    }
}

/// One household has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_number_an_hour() {
        let limit = HourlyLimit::new(2);
        let take = |address: &str, now: i64| limit.take(address.parse().unwrap(), now);
        assert_eq!((take("10.0.0.1", 0), take("10.0.0.1", 1), take("10.0.0.2", 1)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(take("10.0.0.1", HOUR - 1000), Err(2));
        assert_eq!(take("10.0.0.1", HOUR), Ok(()));
        assert_eq!((take("2001:db8::1", 0), take("2001:db8::2", 0), take("2001:db8::3", 0).is_err()), (Ok(()), Ok(()), true));
        assert_eq!(take("2001:db8:0:1::1", 0), Ok(()));
    }

    #[test]
    fn a_crowd_of_addresses_fills_nothing() {
        let limit = HourlyLimit::new(1);
        for n in 0..20_000_u32 {
            let _full = limit.take(IpAddr::V4(n.into()), 0);
        }
        assert!(limit.seen.lock().unwrap().len() <= MOST);
        assert_eq!(limit.take("10.0.0.1".parse().unwrap(), 0), Err(60));
        assert_eq!(limit.take("10.0.0.1".parse().unwrap(), HOUR), Ok(()));
    }
}
