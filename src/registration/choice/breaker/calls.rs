//! The calls of a closed breaker: those judged within the window, and those under way.

use std::collections::VecDeque;

/// What is known of an agent's latest calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// When each call was judged, and whether it failed.
    judged: VecDeque<(i64, bool)>,
    /// Number and beginning of each call without a result.
    under_way: VecDeque<(u64, i64)>,
}

impl Calls {
    pub(super) fn begin(&mut self, number: u64, at: i64) {
        self.under_way.push_back((number, at));
    }

    pub(super) fn end(&mut self, number: u64) {
        self.under_way.retain(|(other, _)| *other != number);
    }

    pub(super) fn judge(&mut self, at: i64, failed: bool) {
        self.judged.push_back((at, failed));
    }

    /// Calls that began before and have no result yet are forgotten as well: nobody may be left to report on them.
    pub(super) fn forget_before(&mut self, before: i64) {
        while self.judged.front().is_some_and(|(at, _)| *at <= before) {
            self.judged.pop_front();
        }
        while self.under_way.front().is_some_and(|(_, at)| *at <= before) {
            self.under_way.pop_front();
        }
    }

    /// Calls judged within the window.
    pub(super) fn judged(&self) -> usize {
        self.judged.len()
    }

    /// Those of them that failed.
    pub(super) fn failed(&self) -> usize {
        self.judged.iter().filter(|(_, failed)| *failed).count()
    }

    /// Failures since the last success.
    pub(super) fn row(&self) -> usize {
        self.judged.iter().rev().take_while(|(_, failed)| *failed).count()
    }

    /// Calls begun within the window that have no result.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }
}
