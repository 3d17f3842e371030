//! How many connections there are, over all and from each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections by address; only addresses with at least one, so that the map is never larger than the crowd.
type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// How many connections a listener holds at this moment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<AtomicUsize>);

impl Connections {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until what is returned is dropped.
    pub(super) fn enter(&self) -> Entered {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(Arc::clone(&self.0))
    }
}

/// One connection that is counted.
#[derive(Debug)]
pub(super) struct Entered(Arc<AtomicUsize>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts connections.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    slots: Arc<Semaphore>,
    per_address: usize,
    counts: Counts,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _slot: OwnedSemaphorePermit,
    counted: Option<(IpAddr, Counts)>,
}

impl Crowd {
    /// Room for `all` connections; of one address, for `per_address` (0: as many as there is room for).
    pub(super) fn new(all: usize, per_address: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(all)), per_address, counts: Arc::default() }
    }

    /// Waits for room.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.slots).acquire_owned().await {
            Ok(slot) => slot,
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// A place for a connection from `address`; nothing when it has all that one address may have. Proxies that speak
    /// for many have no such limit (`limited` is false).
    pub(super) fn admit(&self, slot: OwnedSemaphorePermit, address: IpAddr, limited: bool) -> Option<Place> {
        if !limited || self.per_address == 0 {
            return Some(Place { _slot: slot, counted: None });
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Place { _slot: slot, counted: Some((address, Arc::clone(&self.counts))) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, counts)) = &self.counted else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_has_its_share_and_gives_it_back() {
        let (crowd, one, other) = (Crowd::new(10, 2), "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = crowd.admit(crowd.room().await, one, true).unwrap();
        let _second = crowd.admit(crowd.room().await, one, true).unwrap();
        assert!(crowd.admit(crowd.room().await, one, true).is_none());
        assert!(crowd.admit(crowd.room().await, one, false).is_some());
        assert!(crowd.admit(crowd.room().await, other, true).is_some());
        drop(first);
        assert!(crowd.admit(crowd.room().await, one, true).is_some());
        assert_eq!(crowd.counts.lock().unwrap().len(), 1, "addresses without a connection are forgotten");
    }

    #[test]
    fn a_connection_is_counted_as_long_as_it_lasts() {
        let connections = Connections::default();
        let (first, second) = (connections.enter(), connections.enter());
        assert_eq!(connections.clone().count(), 2);
        drop((first, second));
        assert_eq!(connections.count(), 0);
    }
}
