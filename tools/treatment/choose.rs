//! The optimiser: which services, how many sessions of each.
//!
//! A knapsack with three limits (money, sessions, number of services) over the options "s sessions of service i". A
//! service of efficacy e leaves (1 − e/100)ˢ of a concern after s sessions, so the expected coverage of a concern is one
//! minus the product over everything chosen that treats it: each further session gains less than the one before. The
//! objective is Σ weight × coverage minus a small price per session and per service, so that a visit that changes
//! nothing worth seeing is not proposed.
//!
//! Solved exactly by depth-first branch and bound. Equal values go to the cheaper, then the shorter, then the simpler
//! plan, then the one found first in the fixed order. The search gives up its proof, never its limits, after
//! [`MAX_NODES`] nodes: it then answers with the best plan found so far (at least as good as greedy) and says so.
//!
//! Pure: no clock, no catalogue, no text. Whatever reaches it is already safe to do.

use std::cmp::Reverse;

use super::{
    bound::{Bounds, by_money},
    knapsack::{Candidate, Partial, Problem, QUANTUM, Rank, SLACK},
};

/// When the proof of optimality is given up, so that one call never holds a worker thread for long.
pub(crate) const MAX_NODES: u32 = 60_000;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Sessions of each candidate, in the problem's order.
    pub(crate) sessions: Vec<u32>,
    /// Whether it is proven that nothing better exists.
    pub(crate) proven: bool,
}

/// The search for the best selection of at least one session. It is done in steps, so that whoever waits can be told how
/// far it is, and can stop it in between.
pub(crate) struct Search<'a> {
    problem: &'a Problem,
    /// The candidates in the order of the search: strongest first.
    order: Vec<usize>,
    ranked: Vec<Candidate>,
    bounds: Bounds,
    best: Option<(Rank, Vec<u32>)>,
    nodes: u32,
    /// What is still to be looked at, the next one last.
    open: Vec<(usize, Partial)>,
}

impl<'a> Search<'a> {
    /// Starts with what greedy finds.
    pub(crate) fn new(problem: &'a Problem) -> Self {
        let mut search = Self::unstarted(problem);
        search.greedy();
        search.open.push((0, Partial::new(problem)));
        search
    }

    /// Looks at up to `nodes` further nodes. Says whether the search is over.
    pub(crate) fn step(&mut self, nodes: u32) -> bool {
        for _ in 0..nodes {
            let Some((depth, state)) = self.open.pop() else { return true };
            self.look(depth, &state);
        }
        self.open.is_empty()
    }

    /// How many nodes were looked at.
    pub(crate) fn nodes(&self) -> u32 {
        self.nodes
    }

    /// The best selection found, or `None` when the limits leave none.
    pub(crate) fn finish(self) -> Option<Choice> {
        let (_, sessions) = self.best?;
        let mut in_order = vec![0; self.problem.candidates.len()];
        for (&at, count) in self.order.iter().zip(sessions) {
            if let Some(slot) = in_order.get_mut(at) {
                *slot = count;
            }
        }
        Some(Choice { sessions: in_order, proven: self.nodes <= MAX_NODES })
    }

    fn unstarted(problem: &'a Problem) -> Self {
        let start = Partial::new(problem);
        let mut order: Vec<(usize, &Candidate)> = problem.candidates.iter().enumerate().collect();
        order.sort_by_key(|(at, candidate)| {
            (Reverse(candidate.min_sessions), Reverse(start.gain(candidate, problem)), candidate.price, *at)
        });
        let ranked: Vec<Candidate> = order.iter().map(|(_, candidate)| (*candidate).clone()).collect();
        Self {
            problem,
            order: order.into_iter().map(|(at, _)| at).collect(),
            bounds: Bounds::new(problem, &ranked),
            ranked,
            best: None,
            nodes: 0,
            open: Vec::new(),
        }
    }

    /// A first plan: again and again the session that gains most, or most for its money.
    fn greedy(&mut self) {
        for for_its_money in [false, true] {
            let mut counts: Vec<u32> = self.ranked.iter().map(|candidate| candidate.min_sessions).collect();
            self.offer(&counts);
            while let Some(at) = self.best_step(&counts, for_its_money) {
                if let Some(count) = counts.get_mut(at) {
                    *count += 1;
                }
                self.offer(&counts);
            }
        }
    }

    fn best_step(&self, counts: &[u32], for_its_money: bool) -> Option<usize> {
        let now = self.total(counts);
        let mut best: Option<(i64, usize)> = None;
        for (at, candidate) in self.ranked.iter().enumerate() {
            let count = counts.get(at).copied().unwrap_or(0);
            let mut next = now.clone();
            if count == 0 {
                next.open(candidate, self.problem);
            }
            next.add(candidate, self.problem);
            let gain = next.value - now.value;
            if count >= candidate.max_sessions || !next.fits(self.problem) || (gain <= 0 && now.sessions > 0) {
                continue;
            }
            let merit = if for_its_money { gain / candidate.price.max(1) } else { gain };
            if best.is_none_or(|(other, _)| merit > other) {
                best = Some((merit, at));
            }
        }
        best.map(|(_, at)| at)
    }

    fn total(&self, counts: &[u32]) -> Partial {
        let mut state = Partial::new(self.problem);
        for (candidate, &count) in self.ranked.iter().zip(counts) {
            if count > 0 {
                state.open(candidate, self.problem);
            }
            for _ in 0..count {
                state.add(candidate, self.problem);
            }
        }
        state
    }

    fn offer(&mut self, counts: &[u32]) {
        let state = self.total(counts);
        if state.fits(self.problem) {
            self.keep(&state, counts);
        }
    }

    fn keep(&mut self, state: &Partial, counts: &[u32]) {
        let rank = state.rank();
        if state.sessions > 0 && self.best.as_ref().is_none_or(|(best, _)| rank > *best) {
            let mut counts = counts.to_vec();
            counts.resize(self.ranked.len(), 0);
            self.best = Some((rank, counts));
        }
    }

    fn look(&mut self, depth: usize, state: &Partial) {
        self.nodes += 1;
        let Some(candidate) = self.ranked.get(depth).cloned() else {
            let chosen = state.chosen.clone();
            return self.keep(state, &chosen);
        };
        if self.nodes > MAX_NODES || self.hopeless(depth, state) {
            return;
        }
        // The last one pushed is looked at first: many sessions before few.
        let options = self.options(&candidate, state);
        self.open.extend(options.into_iter().map(|next| (depth + 1, next)));
    }

    /// Every number of sessions of `candidate` that fits, fewest first.
    fn options(&self, candidate: &Candidate, state: &Partial) -> Vec<Partial> {
        let mut options = Vec::new();
        let mut next = state.clone();
        for count in 0..=candidate.max_sessions {
            if count == 1 {
                next.open(candidate, self.problem);
            }
            if count > 0 {
                next.add(candidate, self.problem);
            }
            if !next.fits(self.problem) {
                break;
            }
            if count >= candidate.min_sessions {
                let mut option = next.clone();
                option.chosen.push(count);
                options.push(option);
            }
        }
        options
    }

    /// Whether nothing below this node can beat the best plan so far.
    fn hopeless(&self, depth: usize, state: &Partial) -> bool {
        let Some(((value, Reverse(cost), ..), _)) = &self.best else {
            return false;
        };
        let beaten = |most: i64| {
            let most = (most + SLACK).div_euclid(QUANTUM);
            most < *value || (most == *value && state.cost > *cost)
        };
        beaten(self.bounds.by_count(depth, state, self.problem)) || beaten(by_money(depth, state, self.problem, &self.ranked))
    }
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
