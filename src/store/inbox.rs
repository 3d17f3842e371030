//! What waits to be written, in two lanes, and which of it goes into the next commit.
//!
//! Somebody outside waits for what is being accepted; the daemon's own writes can wait a little. While many are being
//! accepted, a commit takes only a few of the daemon's own: a burst is answered at once, and the work on what was
//! accepted goes on beside it, more slowly until the burst is over.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Most writes in one commit.
pub(super) const GROUP: usize = 512;
/// From this many of the first lane in one commit on, the daemon's own writes step back.
const CROWD: usize = 16;
/// How many of its own the daemon writes in the same commit then.
const BESIDE_CROWD: usize = 16;

/// Two lanes, filled by everybody and emptied by one thread.
#[derive(Debug)]
pub(super) struct Inbox<W> {
    lanes: Mutex<Lanes<W>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Lanes<W> {
    first: VecDeque<W>,
    ordinary: VecDeque<W>,
    open: bool,
}

/// Which lane a write takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody outside waits for it.
    First,
    /// The daemon's own work.
    Ordinary,
}

impl<W> Inbox<W> {
    pub(super) fn new() -> Self {
        let lanes = Lanes { first: VecDeque::new(), ordinary: VecDeque::new(), open: true };
        Self { lanes: Mutex::new(lanes), filled: Condvar::new() }
    }

    /// Adds a write; false once the inbox is closed.
    pub(super) fn put(&self, lane: Lane, work: W) -> bool {
        let mut lanes = self.lock();
        if !lanes.open {
            return false;
        }
        match lane {
            Lane::First => lanes.first.push_back(work),
            Lane::Ordinary => lanes.ordinary.push_back(work),
        }
        drop(lanes);
        self.filled.notify_one();
        true
    }

    /// Takes nothing more in. What waits is still handed out.
    pub(super) fn close(&self) {
        self.lock().open = false;
        self.filled.notify_one();
    }

    /// Waits for work and puts the next commit's into `group`, which is empty. False when there is none and will be none.
    pub(super) fn take(&self, group: &mut Vec<W>) -> bool {
        let empty = |lanes: &mut Lanes<W>| lanes.open && lanes.first.is_empty() && lanes.ordinary.is_empty();
        let mut lanes = self.filled.wait_while(self.lock(), empty).unwrap_or_else(PoisonError::into_inner);
        let first = lanes.first.len().min(GROUP);
        group.extend(lanes.first.drain(..first));
        let room = if first < CROWD { GROUP - first } else { BESIDE_CROWD };
        let own = lanes.ordinary.len().min(room);
        group.extend(lanes.ordinary.drain(..own));
        !group.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<W>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(first: usize, ordinary: usize) -> Inbox<Lane> {
        let inbox = Inbox::new();
        (0..ordinary).for_each(|_| assert!(inbox.put(Lane::Ordinary, Lane::Ordinary)));
        (0..first).for_each(|_| assert!(inbox.put(Lane::First, Lane::First)));
        inbox
    }

    fn next(inbox: &Inbox<Lane>) -> (usize, usize) {
        let mut group = Vec::new();
        assert!(inbox.take(&mut group));
        let first = group.iter().take_while(|lane| **lane == Lane::First).count();
        assert!(group.iter().skip(first).all(|lane| *lane == Lane::Ordinary), "the first lane goes first");
        (first, group.len() - first)
    }

    #[test]
    fn a_few_who_are_accepted_do_not_hold_the_daemon_back() {
        let inbox = filled(CROWD - 1, 100);
        assert_eq!(next(&inbox), (CROWD - 1, 100));
    }

    #[test]
    fn beside_a_crowd_the_daemon_goes_on_slowly_and_afterwards_at_full_speed() {
        let inbox = filled(GROUP + CROWD, 100);
        assert_eq!(next(&inbox), (GROUP, BESIDE_CROWD));
        assert_eq!(next(&inbox), (CROWD, BESIDE_CROWD));
        assert_eq!(next(&inbox), (0, 100 - 2 * BESIDE_CROWD));
    }

    #[test]
    fn a_closed_inbox_hands_out_what_waits_and_then_ends() {
        let inbox = filled(0, 2);
        inbox.close();
        assert!(!inbox.put(Lane::First, Lane::First));
        assert_eq!(next(&inbox), (0, 2));
        assert!(!inbox.take(&mut Vec::new()));
    }
}
