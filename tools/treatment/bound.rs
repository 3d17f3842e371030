//! Upper bounds for the optimiser: how much the services not yet decided could still add.
//!
//! Two relaxations, each never below the truth. By count: n more sessions do at most what the n strongest ones left do
//! for every concern separately, and cost at least what the n cheapest ones left cost. By money: sessions gain less and
//! less, so each service's sessions are all valued like its first and bought fractionally, best value first.

use super::knapsack::{Candidate, Partial, Problem, SCALE, service_toll, session_toll};

/// Counts from here on are taken together: at least the cost of this many, at most the gain of all.
const HORIZON: usize = 64;

/// What is known of each suffix of the candidates before the search.
pub(super) struct Bounds {
    suffixes: Vec<Suffix>,
}

struct Suffix {
    /// By concern: what n sessions leave at least, n from 0.
    leave: Vec<Vec<i64>>,
    /// What n sessions cost at least, n from 0.
    cost: Vec<i64>,
    /// The lowest toll of opening one of these services.
    toll: i64,
}

impl Bounds {
    pub(super) fn new(problem: &Problem, ranked: &[Candidate]) -> Self {
        let suffix = |from: usize| Suffix::new(problem, ranked.get(from..).unwrap_or_default());
        Self { suffixes: (0..=ranked.len()).map(suffix).collect() }
    }

    /// The relaxation by number of sessions.
    pub(super) fn by_count(&self, depth: usize, state: &Partial, problem: &Problem) -> i64 {
        let Some(suffix) = self.suffixes.get(depth) else {
            return state.value;
        };
        let mut most = state.value;
        let room = problem.max_sessions.map_or(u32::MAX, |sessions| sessions.saturating_sub(state.sessions));
        for (count, cost) in suffix.cost.iter().enumerate().skip(1) {
            let dear = problem.budget.is_some_and(|budget| state.cost + cost > budget);
            if dear || count > room as usize {
                break;
            }
            let gain: i64 = suffix
                .leave
                .iter()
                .zip(&state.left)
                .zip(&problem.weights)
                .map(|((leave, left), weight)| weight * gained(leave, *left, count))
                .sum();
            most = most.max(state.value + gain - session_toll(problem) * count as i64 - suffix.toll);
        }
        most
    }
}

/// The relaxation by money, over the candidates from `depth` on. Without a budget it says nothing.
pub(super) fn by_money(depth: usize, state: &Partial, problem: &Problem, ranked: &[Candidate]) -> i64 {
    let Some(budget) = problem.budget else { return i64::MAX - SCALE };
    let mut money = budget - state.cost;
    let mut offers: Vec<(i64, &Candidate)> = ranked
        .get(depth..)
        .unwrap_or_default()
        .iter()
        .map(|candidate| (state.gain(candidate, problem) - session_toll(problem), candidate))
        .filter(|(gain, candidate)| *gain > 0 && candidate.max_sessions > 0)
        .collect();
    offers.sort_by(|(gain, a), (other, b)| (i128::from(*other) * i128::from(a.price)).cmp(&(i128::from(*gain) * i128::from(b.price))));
    let mut value = state.value;
    for (gain, candidate) in offers {
        let whole = candidate.price * i64::from(candidate.max_sessions);
        if whole <= money {
            value += gain * i64::from(candidate.max_sessions);
            money -= whole;
        } else {
            let part = i128::from(gain) * i128::from(money) / i128::from(candidate.price.max(1));
            return value + part as i64 + 1;
        }
    }
    value
}

impl Suffix {
    fn new(problem: &Problem, candidates: &[Candidate]) -> Self {
        let mut prices: Vec<i64> = sessions(candidates.iter()).map(|candidate| candidate.price).collect();
        prices.sort_unstable();
        prices.truncate(HORIZON);
        let leave = (0..problem.weights.len()).map(|concern| strongest(candidates, concern, prices.len())).collect();
        let mut total = 0;
        let cost = std::iter::once(0)
            .chain(prices)
            .map(|price| {
                total += price;
                total
            })
            .collect();
        let toll = candidates.iter().map(|candidate| service_toll(candidate, problem)).min().unwrap_or(0);
        Self { leave, cost, toll }
    }
}

/// Each candidate once per session it may have.
fn sessions<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> impl Iterator<Item = &'a Candidate> {
    candidates.flat_map(|candidate| std::iter::repeat_n(candidate, candidate.max_sessions as usize))
}

/// What is left of one concern after its n strongest sessions, n from 0 to at most `most`.
fn strongest(candidates: &[Candidate], concern: usize, most: usize) -> Vec<i64> {
    let treating = candidates.iter().filter(|candidate| candidate.treats.contains(&concern));
    let mut efficacies: Vec<u32> = sessions(treating).map(|candidate| candidate.efficacy.min(100)).collect();
    efficacies.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = SCALE;
    let mut leave = vec![left];
    for efficacy in efficacies {
        left = left * i64::from(100 - efficacy) / 100;
        leave.push(left);
    }
    if leave.len() > most + 1 {
        leave.truncate(most);
        leave.push(left);
    }
    leave
}

/// What `count` sessions of the strongest take away from `left` of a concern.
fn gained(leave: &[i64], left: i64, count: usize) -> i64 {
    let stays = leave.get(count).or(leave.last()).copied().unwrap_or(SCALE);
    left - (i128::from(left) * i128::from(stays) / i128::from(SCALE)) as i64
}

#[cfg(test)]
mod tests {
    use super::{gained, strongest};
    use crate::treatment::knapsack::{Candidate, SCALE};

    fn candidate(efficacy: u32, max_sessions: u32) -> Candidate {
        Candidate { price: 1, min_sessions: 0, max_sessions, efficacy, treats: vec![0], wanted: false }
    }

    #[test]
    fn the_strongest_sessions_come_first_and_end_with_the_catalogue() {
        let leave = strongest(&[candidate(20, 2), candidate(50, 1)], 0, 10);
        assert_eq!(leave, [SCALE, SCALE / 2, SCALE * 4 / 10, SCALE * 32 / 100]);
        assert_eq!(gained(&leave, SCALE, 9), SCALE * 68 / 100);
        assert_eq!(strongest(&[candidate(20, 2)], 1, 10), [SCALE]);
        assert_eq!(strongest(&[candidate(50, 3)], 0, 2), [SCALE, SCALE / 2, SCALE / 8], "the last entry stands for all that follow");
    }
}
