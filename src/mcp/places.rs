//! Places that the holders of credentials take and give back: so many for each, and so many in all where that has an end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::principal::Principal;

/// Places taken, by holder; only holders of at least one, so that the map is never larger than what is taken.
type Taken = Arc<Mutex<HashMap<Principal, usize>>>;

/// How many places there are, and who has how many.
#[derive(Debug)]
pub(super) struct Places {
    each: usize,
    all: usize,
    taken: Taken,
}

/// One of them; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    holder: Principal,
    taken: Taken,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// The holder has as many as one may have.
    Own,
}

impl Places {
    /// As many as `each` for each holder, and `all` for all of them.
    pub(super) fn new(each: usize, all: usize) -> Self {
        Self { each, all, taken: Arc::default() }
    }

    /// One more for `holder`.
    pub(super) fn take(&self, holder: Principal) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.all {
            return Err(Full::All);
        }
        let own = taken.get(&holder).copied().unwrap_or_default();
        if own >= self.each {
            return Err(Full::Own);
        }
        taken.insert(holder.clone(), own + 1);
        Ok(Place { holder, taken: Arc::clone(&self.taken) })
    }
}

impl Place {
    /// Whether it is this one's.
    pub(super) fn is_of(&self, holder: &Principal) -> bool {
        self.holder == *holder
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.holder) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_so_many_places_and_gives_them_back() {
        let places = Places::new(2, usize::MAX);
        let (mei, lan) = (Principal::named("g", "mei"), Principal::named("g", "lan"));
        let (first, second) = (places.take(mei.clone()).unwrap(), places.take(mei.clone()));
        assert!(second.is_ok() && places.take(mei.clone()).unwrap_err() == Full::Own);
        assert!(places.take(lan).is_ok(), "another key has its own");
        drop(first);
        assert!(places.take(mei).is_ok());
        drop(second);
        assert!(places.taken.lock().unwrap().is_empty(), "holders of nothing are forgotten");
    }

    #[test]
    fn when_all_are_taken_nobody_has_one_more() {
        let places = Places::new(2, 2);
        let _taken = (places.take(Principal::named("g", "mei")).unwrap(), places.take(Principal::named("g", "lan")).unwrap());
        assert_eq!(places.take(Principal::named("g", "lin")).unwrap_err(), Full::All);
    }
}
