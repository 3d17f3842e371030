//! What the guard concludes, and how often it is wrong.

use super::{super::random_for_tests::Random, *};

fn settings(min_runs: u32, significance: f64) -> Rollout {
    Rollout { guard: true, min_runs, significance }
}

/// An agent as it behaves: share of fallbacks, and the median of its log-normal times.
#[derive(Clone, Copy)]
struct Agent {
    fallbacks: f64,
    median_ms: f64,
}

const USUAL: Agent = Agent { fallbacks: 0.1, median_ms: 1_500.0 };

fn run(random: &mut Random, agent: Agent, ended_at: i64) -> Run {
    // To 50 ms, so that there are ties.
    let time = (agent.median_ms * (0.6 * random.normal()).exp() / 50.0).round() as i64 * 50;
    Run { ended_at, answered_in: (!random.chance(agent.fallbacks)).then_some(time) }
}

fn runs(random: &mut Random, agent: Agent, count: usize) -> Vec<Run> {
    (0..count).map(|n| run(random, agent, n as i64 * 1_000)).collect()
}

/// Share of `rollouts` in which the candidate is called worse at some time within `count` runs.
fn alarms(rollouts: u64, count: usize, candidate: Agent, settings: &Rollout) -> f64 {
    let alarmed = (0..rollouts).filter(|seed| {
        let mut random = Random(seed * 7_919 + 1);
        let (candidate, stable) = (runs(&mut random, candidate, count), runs(&mut random, USUAL, count * 2));
        matches!(judge(&candidate, &stable, settings), Verdict::Worse { .. })
    });
    alarmed.count() as f64 / rollouts as f64
}

#[test]
fn nothing_is_concluded_before_both_have_enough_runs() {
    let mut random = Random(1);
    let (few, many) = (runs(&mut random, USUAL, 29), runs(&mut random, USUAL, 30));
    let not_enough = |have| Verdict::NotEnough { have, need: 30 };
    let rules = settings(30, 0.01);
    assert_eq!(judge(&few, &many, &rules), not_enough(29));
    assert_eq!(judge(&many, &few, &rules), not_enough(29));
    assert_eq!(judge(&[], &[], &rules), not_enough(0));
    assert!(matches!(judge(&many, &many, &rules), Verdict::Fine { next_look_at: 60, .. }));
    assert_eq!(judge(&few[..2], &few, &settings(0, 0.01)), Verdict::NotEnough { have: 2, need: LEAST_RUNS });
}

#[test]
fn a_good_candidate_is_seldom_called_worse_however_often_it_is_looked_at() {
    for (min_runs, significance, rollouts) in [(30, 0.1, 400), (10, 0.1, 400)] {
        let found = alarms(rollouts, 320, USUAL, &settings(min_runs, significance));
        let three_deviations = 3.0 * (significance * (1.0 - significance) / rollouts as f64).sqrt();
        assert!(found <= significance + three_deviations, "{found} alarms from {min_runs} runs on");
        // Far below would mean that the test cannot see anything.
        assert!(found > significance / 10.0, "{found} alarms from {min_runs} runs on");
    }
}

#[test]
fn looking_after_every_run_finds_no_more_than_looking_once_at_the_end() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let (candidate, stable) = (runs(&mut random, USUAL, 130), runs(&mut random, USUAL, 130));
        let rules = settings(15, 0.9);
        let is_worse = |until: usize| matches!(judge(&candidate[..until], &stable[..until], &rules), Verdict::Worse { .. });
        let ever = (1..=130).any(is_worse);
        assert_eq!(ever, is_worse(130), "seed {seed}");
    }
}

#[test]
fn a_look_is_the_same_in_whatever_order_the_runs_are_read_and_whatever_ended_since() {
    let mut random = Random(9);
    let (mut candidate, mut stable) = (runs(&mut random, USUAL, 60), runs(&mut random, USUAL, 60));
    let rules = settings(30, 0.01);
    let Verdict::Fine { figures, next_look_at } = judge(&candidate, &stable, &rules) else { panic!() };
    assert_eq!((figures.look, figures.candidate.runs, figures.stable.runs, next_look_at), (2, 60, 60, 120));
    candidate.reverse();
    stable.rotate_left(17);
    candidate.push(run(&mut random, USUAL, 100_000));
    stable.push(run(&mut random, USUAL, 100_000));
    assert_eq!(judge(&candidate, &stable, &rules), Verdict::Fine { figures, next_look_at });
}

#[test]
fn the_first_look_waits_for_the_stable_agent() {
    let mut random = Random(3);
    let candidate = runs(&mut random, USUAL, 100);
    let slow: Vec<_> = (0..30).map(|n| run(&mut random, USUAL, 10_000 * n)).collect();
    let Verdict::Fine { figures, .. } = judge(&candidate, &slow, &settings(30, 0.01)) else { panic!() };
    assert_eq!((figures.candidate.runs, figures.stable.runs), (100, 30));
}

#[test]
fn a_candidate_that_fails_more_often_is_found_and_the_alert_says_what() {
    let failing = Agent { fallbacks: 0.35, ..USUAL };
    assert!(alarms(200, 240, failing, &settings(30, 0.01)) > 0.95);
    let mut random = Random(4);
    let (candidate, stable) = (runs(&mut random, Agent { fallbacks: 0.6, ..USUAL }, 30), runs(&mut random, USUAL, 60));
    let verdict = judge(&candidate, &stable, &settings(30, 0.01));
    let Verdict::Worse { which: Measure::Fallbacks, candidate_value, stable_value, p, figures } = verdict else { panic!("{verdict:?}") };
    assert!(candidate_value > 0.4 && stable_value < 0.3 && p < figures.bound);
    assert!((figures.bound - 0.01 / 2.0 / 2.0).abs() < 1e-12);
    let alert = verdict.alert("欢迎 v2", "欢迎 v1").unwrap();
    assert!(alert.zh.starts_with("候选智能体「欢迎 v2」不如稳定版「欢迎 v1」：需要降级的比例 "), "{}", alert.zh);
    assert!(alert.en.contains("more of its runs ended in a fallback") && alert.en.contains(" against "), "{}", alert.en);
}

#[test]
fn a_slower_candidate_is_found_and_a_better_one_is_no_alarm() {
    let slower = Agent { median_ms: 2_400.0, ..USUAL };
    assert!(alarms(200, 240, slower, &settings(30, 0.01)) > 0.95);
    let better = Agent { fallbacks: 0.01, median_ms: 700.0 };
    assert!(alarms(200, 240, better, &settings(30, 0.01)) < 1e-9, "none at all");
    let at = |n: i64, ms| Run { ended_at: n, answered_in: Some(ms) };
    let (candidate, stable): (Vec<_>, Vec<_>) = (0..30).map(|n| (at(n, 3_000 + n), at(n, 1_000 + n))).unzip();
    let verdict = judge(&candidate, &stable, &settings(30, 0.01));
    assert!(matches!(verdict, Verdict::Worse { which: Measure::Time, candidate_value: 3014.0, stable_value: 1014.0, .. }));
    assert!(verdict.alert("b", "a").unwrap().en.contains("it takes longer to answer (median), 3014 ms against 1014 ms"));
    assert_eq!(judge(&stable, &stable, &settings(30, 0.01)).alert("b", "a"), None);
}
