//! The optimiser against brute force, and within its limits.

use std::time::Instant;

use super::{Candidate, Choice, Partial, Problem, Rank, Search};
use crate::treatment::{fixture::Lcg, knapsack::left_over};

/// The whole search, in steps of a few nodes.
fn choose(problem: &Problem) -> Option<Choice> {
    let mut search = Search::new(problem);
    while !search.step(7) {}
    search.finish()
}

fn candidate(rng: &mut Lcg, concerns: u64, longest: u64) -> Candidate {
    let mut treats: Vec<usize> = (0..concerns as usize).filter(|_| rng.chance(50)).collect();
    if treats.is_empty() {
        treats.push(rng.within(0, concerns - 1) as usize);
    }
    let max_sessions = rng.within(1, longest) as u32;
    Candidate {
        price: rng.within(1, 40) as i64 * 10_000,
        min_sessions: u32::from(rng.chance(5)),
        max_sessions,
        efficacy: rng.within(1, 90) as u32,
        treats,
        wanted: rng.chance(15),
    }
}

fn problem(rng: &mut Lcg, services: u64, concerns: u64, longest: u64) -> Problem {
    let (session_toll, service_toll) = *rng.pick(&[(100, 300), (10, 50), (0, 0)]);
    let candidates = (0..services).map(|_| candidate(rng, concerns, longest)).collect();
    Problem {
        candidates,
        weights: (0..concerns).map(|at| 100 - 10 * at as i64).collect(),
        budget: rng.chance(70).then(|| rng.within(5, 200) as i64 * 10_000),
        max_sessions: rng.chance(50).then(|| rng.within(1, 8) as u32),
        max_services: rng.within(1, 5) as u32,
        session_toll,
        service_toll,
    }
}

fn rank(problem: &Problem, sessions: &[u32]) -> Option<Rank> {
    let mut state = Partial::new(problem);
    // The value does not depend on the order beyond truncation, which the rank rounds away.
    for (candidate, &count) in problem.candidates.iter().zip(sessions) {
        if count > 0 {
            state.open(candidate, problem);
        }
        for _ in 0..count {
            state.add(candidate, problem);
        }
        if count < candidate.min_sessions {
            return None;
        }
    }
    (state.fits(problem) && state.sessions > 0).then(|| state.rank())
}

fn brute_force(problem: &Problem) -> Option<Rank> {
    let mut best = None;
    let mut sessions = vec![0; problem.candidates.len()];
    loop {
        best = best.max(rank(problem, &sessions));
        let Some(at) = (0..sessions.len()).find(|&at| sessions[at] < problem.candidates[at].max_sessions) else {
            return best;
        };
        sessions[at] += 1;
        sessions[..at].fill(0);
    }
}

#[test]
fn the_optimum_equals_brute_force() {
    let mut rng = Lcg(7);
    let mut solved = 0;
    for case in 0..600 {
        let (services, concerns) = (rng.within(1, 6), rng.within(1, 4));
        let problem = problem(&mut rng, services, concerns, 4);
        let expected = brute_force(&problem);
        let found = choose(&problem);
        assert_eq!(found.is_some(), expected.is_some(), "case {case}: {problem:?}");
        if let Some(Choice { sessions, proven }) = found {
            assert!(proven);
            let (value, cost, ..) = rank(&problem, &sessions).unwrap();
            let (best, least, ..) = expected.unwrap();
            assert!((value - best).abs() <= 1, "case {case}: {value} < {best}, {problem:?}");
            assert!(value < best || cost == least || (value - best).abs() == 1, "case {case}: a dearer plan of the same value");
            solved += 1;
        }
    }
    assert!(solved > 400, "{solved}");
}

#[test]
fn large_catalogues_stay_within_the_limits_and_mostly_are_proven() {
    let mut rng = Lcg(42);
    let mut proven = 0;
    let mut slowest = 0;
    for _ in 0..60 {
        let problem = Problem { session_toll: 100, service_toll: 300, max_services: 5, ..problem(&mut rng, 40, 5, 6) };
        let started = Instant::now();
        let Some(choice) = choose(&problem) else { continue };
        slowest = slowest.max(started.elapsed().as_millis());
        assert!(rank(&problem, &choice.sessions).is_some(), "a limit is broken");
        proven += u32::from(choice.proven);
    }
    println!("{proven} of 60 proven, slowest {slowest} ms");
    assert!(proven >= 30, "{proven}");
}

#[test]
fn the_same_question_has_the_same_answer() {
    let problem = problem(&mut Lcg(3), 12, 3, 5);
    assert_eq!(choose(&problem), choose(&problem));
}

#[test]
fn the_size_of_the_steps_does_not_matter() {
    let mut rng = Lcg(11);
    for _ in 0..20 {
        let problem = problem(&mut rng, 12, 3, 5);
        let mut at_once = Search::new(&problem);
        assert!(at_once.step(u32::MAX));
        assert_eq!(at_once.finish(), choose(&problem));
    }
}

#[test]
fn nothing_fits_is_none_and_one_session_is_better_than_nothing() {
    let weak = Candidate { price: 100, min_sessions: 0, max_sessions: 3, efficacy: 1, treats: vec![0], wanted: false };
    let problem = Problem {
        candidates: vec![weak],
        weights: vec![100],
        budget: Some(99),
        max_sessions: None,
        max_services: 5,
        session_toll: 100,
        service_toll: 300,
    };
    assert_eq!(choose(&problem), None);
    let affordable = Problem { budget: Some(1_000), ..problem };
    assert_eq!(choose(&affordable).unwrap().sessions, [1], "a weak session is still the best there is");
    assert_eq!(choose(&Problem { candidates: vec![], ..affordable }), None);
}

#[test]
fn sessions_gain_less_and_less() {
    let half = Candidate { price: 1, min_sessions: 0, max_sessions: 3, efficacy: 50, treats: vec![0], wanted: false };
    let problem = Problem {
        candidates: vec![half],
        weights: vec![100],
        budget: None,
        max_sessions: None,
        max_services: 5,
        session_toll: 0,
        service_toll: 0,
    };
    let left: Vec<f64> = (0..4).map(|count| left_over(&problem, &[count])[0]).collect();
    assert_eq!(left, [1.0, 0.5, 0.25, 0.125]);
}
