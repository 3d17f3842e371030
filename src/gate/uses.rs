//! Who used which key: kept in memory, written down in batches, so that no call waits for it.
//!
//! Each thread notes in a part of its own: two workers never wait for each other, and a use that was seen before
//! allocates nothing. What is kept per key has a bound; whoever comes beyond it is counted without a name.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::store::keys::{KeyUse, Uses};

/// Parts of the book; threads beyond it share.
const PARTS: usize = 16;
/// Pairs of address and client that are told apart, per key and part, between two writes.
const MOST: usize = 64;
/// Longest client name that is kept, in bytes.
const LONGEST: usize = 100;
/// Uses that wait for a database which does not take them.
const WAITING: usize = 10_000;

/// How a key was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// Accepted.
    Current,
    /// Accepted beside its successor.
    InGrace,
    /// Not accepted: it had ended.
    Ended,
}

/// One use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) at: i64,
    pub(super) address: Option<IpAddr>,
    pub(super) client: &'a str,
    pub(super) met: Met,
}

#[derive(Debug, Default)]
struct OfKey {
    /// When something that was opened with it was seen to be open.
    open_at: i64,
    /// The latest one first.
    uses: Vec<Use>,
}

#[derive(Debug)]
struct Use {
    address: Option<IpAddr>,
    client: Box<str>,
    first_at: i64,
    last_at: i64,
    counts: [i64; 3],
}

type Part = HashMap<Arc<str>, OfKey>;

/// The book.
#[derive(Debug, Default)]
pub(super) struct Book {
    parts: [Mutex<Part>; PARTS],
    waiting: Mutex<Uses>,
}

impl Book {
    /// Notes a use.
    pub(super) fn note(&self, key: &Arc<str>, seen: Seen<'_>) {
        let mut part = self.part();
        if let Some(of_key) = part.get_mut(key) {
            of_key.note(seen);
            return;
        }
        part.entry(Arc::clone(key)).or_default().note(seen);
    }

    /// Notes that something is still open with a key.
    pub(super) fn open(&self, key: &Arc<str>, now: i64) {
        let mut part = self.part();
        match part.get_mut(key) {
            Some(of_key) => of_key.open_at = of_key.open_at.max(now),
            None => part.entry(Arc::clone(key)).or_default().open_at = now,
        }
    }

    /// Everything since the last time.
    pub(super) fn take(&self) -> Uses {
        let mut all = mem::take(&mut *lock(&self.waiting));
        for part in &self.parts {
            let part = mem::take(&mut *lock(part));
            for (key, of_key) in part {
                if of_key.open_at > 0 {
                    all.open.push((key.to_string(), of_key.open_at));
                }
                all.uses.extend(of_key.uses.into_iter().map(|one| one.written(&key)));
            }
        }
        all
    }

    /// Keeps what could not be written for the next time.
    pub(super) fn put_back(&self, mut uses: Uses) {
        uses.uses.truncate(WAITING);
        uses.open.truncate(WAITING);
        *lock(&self.waiting) = uses;
    }

    fn part(&self) -> MutexGuard<'_, Part> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PARTS;
        }
        let mine = MINE.with(|mine| *mine);
        let [first, ..] = &self.parts;
        lock(self.parts.get(mine).unwrap_or(first))
    }
}

impl OfKey {
    fn note(&mut self, seen: Seen<'_>) {
        let client = seen.client.get(..seen.client.floor_char_boundary(LONGEST)).unwrap_or_default();
        let fits = |one: &Use| one.address == seen.address && *one.client == *client;
        if let Some(at) = self.uses.iter().position(fits) {
            // A key has few users; the busy one is found at once.
            self.uses.swap(0, at);
        } else if self.uses.len() < MOST {
            self.uses.insert(0, Use::new(seen.address, client, seen.at));
        } else if let Some(at) = self.uses.iter().position(|one| one.address.is_none() && one.client.is_empty()) {
            self.uses.swap(0, at);
        } else {
            self.uses.insert(0, Use::new(None, "", seen.at));
        }
        if let Some(one) = self.uses.first_mut() {
            one.last_at = one.last_at.max(seen.at);
            let [current, in_grace, ended] = &mut one.counts;
            *match seen.met {
                Met::Current => current,
                Met::InGrace => in_grace,
                Met::Ended => ended,
            } += 1;
        }
    }
}

impl Use {
    fn new(address: Option<IpAddr>, client: &str, at: i64) -> Self {
        Self { address, client: client.into(), first_at: at, last_at: at, counts: [0; 3] }
    }

    fn written(self, key: &str) -> KeyUse {
        let [current, in_grace, ended] = self.counts;
        KeyUse {
            key_id: key.to_owned(),
            address: self.address.map(|address| address.to_canonical().to_string()).unwrap_or_default(),
            client: self.client.chars().filter(|c| !c.is_control()).collect(),
            first_at: self.first_at,
            last_at: self.last_at,
            calls: current + in_grace,
            calls_in_grace: in_grace,
            refused: ended,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(n: u32, client: &str, met: Met) -> Seen<'_> {
        Seen { at: i64::from(n), address: Some(IpAddr::V4(n.into())), client, met }
    }

    #[test]
    fn uses_are_counted_by_key_address_and_client_and_taken_once() {
        let (book, key) = (Book::default(), Arc::from("k"));
        for met in [Met::Current, Met::InGrace, Met::InGrace, Met::Ended] {
            book.note(&key, seen(1, "dify", met));
        }
        book.note(&key, seen(2, "dify\u{7}", Met::Current));
        book.open(&key, 9);
        let taken = book.take();
        assert_eq!(taken.open, [("k".to_owned(), 9)]);
        let counts: Vec<_> =
            taken.uses.iter().map(|one| (&*one.address, &*one.client, one.calls, one.calls_in_grace, one.refused)).collect();
        assert_eq!(counts, [("0.0.0.2", "dify", 1, 0, 0), ("0.0.0.1", "dify", 3, 2, 1)]);
        assert!(book.take().uses.is_empty());
    }

    #[test]
    fn a_crowd_is_counted_without_names_beyond_the_bound() {
        let (book, key) = (Book::default(), Arc::from("k"));
        let long = "x".repeat(1_000);
        for n in 0..10_000 {
            book.note(&key, seen(n, &long, Met::Current));
        }
        let uses = book.take().uses;
        assert_eq!(uses.len(), MOST + 1);
        assert_eq!(uses.iter().map(|one| one.calls).sum::<i64>(), 10_000);
        assert!(uses.iter().all(|one| one.client.len() <= LONGEST));
    }

    #[test]
    fn what_could_not_be_written_waits_for_the_next_time() {
        let (book, key) = (Book::default(), Arc::from("k"));
        book.note(&key, seen(1, "a", Met::Current));
        book.put_back(book.take());
        book.note(&key, seen(1, "a", Met::Current));
        assert_eq!(book.take().uses.iter().map(|one| one.calls).sum::<i64>(), 2);
    }
}
