//! The knapsack that the optimiser solves: options, limits, and what a selection is worth.
//!
//! All arithmetic is in integers with a fixed scale and truncating division, so that a plan is the same on every machine.

use std::cmp::Reverse;

/// What is left of an untouched concern. Fractions are integers of this scale, so that every machine agrees.
pub(super) const SCALE: i64 = 1_000_000_000;
/// One hundredth of the coverage of a concern of weight 100.
pub(super) const POINT: i64 = SCALE;
/// Differences below a hundredth of a point are none: the cheaper plan wins.
pub(super) const QUANTUM: i64 = POINT / 100;
/// What truncated divisions may add up to, on the safe side.
pub(super) const SLACK: i64 = POINT / 1_000;
/// A service that may be chosen.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Highest price of one session, in fen.
    pub(crate) price: i64,
    /// Sessions it must have at least: 1 when the customer insists on it.
    pub(crate) min_sessions: u32,
    /// Sessions it may have at most.
    pub(crate) max_sessions: u32,
    /// What one session does for a concern, in percent.
    pub(crate) efficacy: u32,
    /// Indices of the concerns it treats.
    pub(crate) treats: Vec<usize>,
    /// Whether the customer asked for it: then it costs nothing to add it to the plan.
    pub(crate) wanted: bool,
}

/// What is to be solved.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) candidates: Vec<Candidate>,
    /// Weight of each concern, 1 to 100.
    pub(crate) weights: Vec<i64>,
    /// What the plan may cost at most, in fen.
    pub(crate) budget: Option<i64>,
    /// Sessions of the whole plan.
    pub(crate) max_sessions: Option<u32>,
    /// Services of the whole plan.
    pub(crate) max_services: u32,
    /// What a session must gain to be worth it, in hundredths of a point.
    pub(crate) session_toll: i64,
    /// What a further service must gain to be worth it, in hundredths of a point.
    pub(crate) service_toll: i64,
}

/// A selection's rank: greater is better.
pub(super) type Rank = (i64, Reverse<i64>, Reverse<u32>, Reverse<u32>);

/// What is left of each concern under a selection, as a share of one.
pub(crate) fn left_over(problem: &Problem, sessions: &[u32]) -> Vec<f64> {
    let mut state = Partial::new(problem);
    for (candidate, &count) in problem.candidates.iter().zip(sessions) {
        for _ in 0..count {
            state.add(candidate, problem);
        }
    }
    state.left.iter().map(|&left| left as f64 / SCALE as f64).collect()
}

/// A selection in the making.
#[derive(Debug, Clone)]
pub(super) struct Partial {
    pub(super) left: Vec<i64>,
    pub(super) value: i64,
    pub(super) cost: i64,
    pub(super) sessions: u32,
    pub(super) services: u32,
    pub(super) chosen: Vec<u32>,
}

impl Partial {
    /// Nothing chosen yet.
    pub(super) fn new(problem: &Problem) -> Self {
        Self { left: vec![SCALE; problem.weights.len()], value: 0, cost: 0, sessions: 0, services: 0, chosen: Vec::new() }
    }

    /// What the next session of `candidate` would gain, before tolls.
    pub(super) fn gain(&self, candidate: &Candidate, problem: &Problem) -> i64 {
        let gain = |&at: &usize| {
            let (left, weight) = (self.left.get(at).copied().unwrap_or(0), problem.weights.get(at).copied().unwrap_or(0));
            weight * (left - remain(left, candidate.efficacy))
        };
        candidate.treats.iter().map(gain).sum()
    }

    /// Adds a session.
    pub(super) fn add(&mut self, candidate: &Candidate, problem: &Problem) {
        self.value += self.gain(candidate, problem) - problem.session_toll * QUANTUM;
        self.cost += candidate.price;
        self.sessions += 1;
        for &at in &candidate.treats {
            if let Some(left) = self.left.get_mut(at) {
                *left = remain(*left, candidate.efficacy);
            }
        }
    }

    /// Brings a service into the plan.
    pub(super) fn open(&mut self, candidate: &Candidate, problem: &Problem) {
        self.services += 1;
        self.value -= service_toll(candidate, problem);
    }

    /// Whether every limit is kept.
    pub(super) fn fits(&self, problem: &Problem) -> bool {
        problem.budget.is_none_or(|budget| self.cost <= budget)
            && problem.max_sessions.is_none_or(|sessions| self.sessions <= sessions)
            && self.services <= problem.max_services
    }

    /// How it compares with others.
    pub(super) fn rank(&self) -> Rank {
        (self.value.div_euclid(QUANTUM), Reverse(self.cost), Reverse(self.sessions), Reverse(self.services))
    }
}

/// What stays of `left` after one session.
fn remain(left: i64, efficacy: u32) -> i64 {
    left * i64::from(100 - efficacy.min(100)) / 100
}

/// What it takes off the value to bring this service into the plan.
pub(super) fn service_toll(candidate: &Candidate, problem: &Problem) -> i64 {
    if candidate.wanted || candidate.min_sessions > 0 { 0 } else { problem.service_toll * QUANTUM }
}

/// What one session takes off the value.
pub(super) fn session_toll(problem: &Problem) -> i64 {
    problem.session_toll * QUANTUM
}
