//! Which notices one client was sent and has not acknowledged.
//!
//! What to send next is "the waiting rows without these", so rows may be committed in any order and none is passed
//! over. A notice that is not acknowledged in time is forgotten here, and thereby sent again if its row still waits:
//! another tab may have acknowledged it meanwhile. The number in flight is bounded, and so are memory and traffic of a
//! client that never acknowledges.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::store::notifications::Wanted;

/// Most notices a client may owe an acknowledgement for; the next ones wait.
const IN_FLIGHT: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// In the order of sending.
    sent: VecDeque<(Instant, String)>,
    /// Whether rows may wait that were not looked at.
    unseen: bool,
}

impl Outbox {
    /// There may be new rows.
    pub(super) fn look(&mut self) {
        self.unseen = true;
    }

    /// Whether it is worth asking for rows.
    pub(super) fn has_room(&self) -> bool {
        self.unseen && self.sent.len() < IN_FLIGHT
    }

    /// The next rows, at most `limit`.
    pub(super) fn wanted(&self, limit: usize) -> Wanted {
        let limit = limit.min(IN_FLIGHT.saturating_sub(self.sent.len()));
        Wanted { except: self.sent.iter().map(|(_, id)| id.clone()).collect(), limit: limit as u32, after: String::new() }
    }

    /// Notes what was found and sent; fewer than asked for means that nothing more waits.
    pub(super) fn sent(&mut self, ids: &[String], wanted: u32, now: Instant) {
        self.unseen = ids.len() >= wanted as usize;
        self.sent.extend(ids.iter().map(|id| (now, id.clone())));
    }

    /// Notes acknowledgements.
    pub(super) fn acked(&mut self, ids: &[String]) {
        self.sent.retain(|(_, id)| !ids.contains(id));
    }

    /// When the next notice has waited for its acknowledgement for too long.
    pub(super) fn due(&self, patience: Duration) -> Option<Instant> {
        self.sent.front().map(|(at, _)| *at + patience)
    }

    /// Forgets what has waited for too long, so that it is sent again.
    pub(super) fn overdue(&mut self, now: Instant, patience: Duration) {
        while self.due(patience).is_some_and(|due| due <= now) {
            self.sent.pop_front();
            self.unseen = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_acknowledged_is_wanted_again_after_its_time() {
        let (start, patience) = (Instant::now(), Duration::from_secs(30));
        let mut outbox = Outbox::default();
        assert!(!outbox.has_room() && outbox.due(patience).is_none());
        outbox.look();
        outbox.sent(&["a".into(), "b".into()], 5, start);
        outbox.sent(&["c".into()], 5, start + Duration::from_secs(10));
        assert!(!outbox.has_room());
        outbox.acked(&["a".into()]);
        assert_eq!(outbox.wanted(9).except, ["b", "c"]);
        outbox.overdue(start + patience, patience);
        assert!(outbox.has_room());
        assert_eq!(outbox.wanted(9).except, ["c"]);
        assert_eq!(outbox.due(patience), Some(start + Duration::from_secs(40)));
    }

    #[test]
    fn the_number_in_flight_is_bounded() {
        let mut outbox = Outbox::default();
        let ids: Vec<String> = (0..IN_FLIGHT).map(|id| id.to_string()).collect();
        outbox.look();
        outbox.sent(&ids[1..], outbox.wanted(ids.len() - 1).limit, Instant::now());
        assert!(outbox.has_room());
        assert_eq!(outbox.wanted(50).limit, 1);
        outbox.sent(&ids[..1], 1, Instant::now());
        assert!(!outbox.has_room());
        outbox.acked(&ids[..10]);
        assert!(outbox.has_room());
        assert_eq!(outbox.wanted(50).limit, 10);
    }
}
