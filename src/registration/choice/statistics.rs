//! The two tests the guard uses. Both are one-sided: is the first sample worse than chance explains?
//!
//! * Counts: Fisher's exact test. Valid for any counts, however small; it errs on the side of no alarm.
//! * Times: the Mann–Whitney U test, as durations are skewed and a few stalls would rule any comparison of means. By
//!   the normal approximation, with the variance corrected for ties and half a step of continuity.

use std::f64::consts::PI;

/// Successes (of whatever is counted) among trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) hits: u64,
    pub(super) of: u64,
}

/// Probability of at least so many hits in `first`, given the hits of both together, were both the same.
pub(super) fn fisher_greater(first: Count, second: Count) -> f64 {
    let (hits, all) = (first.hits + second.hits, first.of + second.of);
    let least = hits.saturating_sub(second.of);
    if first.hits <= least {
        return 1.0;
    }
    let most = hits.min(first.of);
    let mut log = ln_choose(first.of, first.hits) + ln_choose(second.of, second.hits) - ln_choose(all, hits);
    let mut sum = 0.0;
    for k in first.hits..=most {
        sum += log.exp();
        // From one term of the hypergeometric distribution to the next.
        let up = (first.of - k) as f64 * (hits - k) as f64;
        let down = (k + 1) as f64 * (second.of + k + 1 - hits) as f64;
        log += (up / down).ln();
    }
    sum.min(1.0)
}

/// Probability that `first` ranks so far above `second`, were both the same.
pub(super) fn mann_whitney_greater(first: &[i64], second: &[i64]) -> f64 {
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let all = n1 + n2;
    let (rank_sum, ties) = ranked(first, second);
    let u = rank_sum - n1 * (n1 + 1.0) / 2.0;
    let variance = n1 * n2 / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    // Not a number when a sample is empty, and nothing when all values are the same.
    if variance > 0.0 { upper_tail((u - n1 * n2 / 2.0 - 0.5) / variance.sqrt()) } else { 1.0 }
}

/// The sum of the ranks of `first` among all, ties sharing the mean of theirs; and Σ(t³ − t) over the ties.
fn ranked(first: &[i64], second: &[i64]) -> (f64, f64) {
    let mut all: Vec<(i64, bool)> = first.iter().map(|value| (*value, true)).chain(second.iter().map(|value| (*value, false))).collect();
    all.sort_unstable_by_key(|(value, _)| *value);
    let (mut before, mut rank_sum, mut ties) = (0.0, 0.0, 0.0);
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let t = same.len() as f64;
        let ours = same.iter().filter(|(_, of_first)| *of_first).count() as f64;
        rank_sum += ours * (before + f64::midpoint(t, 1.0));
        ties += t * t * t - t;
        before += t;
    }
    (rank_sum, ties)
}

/// The middle value; the lower one of two.
pub(super) fn median(values: &[i64]) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// Probability that a standard normal number is above `z`.
fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z < 3.0 {
        // ½ − φ(z)·(z + z³/3 + z⁵/(3·5) + …), which converges quickly near the middle.
        let mut term = z;
        let mut sum = z;
        for k in 1..80 {
            term *= z * z / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 - density * sum
    } else {
        // Mills' ratio as a continued fraction, which does so in the tail: φ(z) / (z + 1/(z + 2/(z + 3/…))).
        density / (1..=80).rev().fold(z, |below, k| z + f64::from(k) / below)
    }
}

fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// ln n!, by multiplying for small n and by Stirling's series for the others.
fn ln_factorial(n: u64) -> f64 {
    if n < 20 {
        return (2..=n).map(|k| k as f64).product::<f64>().ln();
    }
    let x = n as f64;
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    x * x.ln() - x + (2.0 * PI * x).ln() / 2.0 + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: f64, expected: f64, what: &str) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{what}: {found} instead of {expected}");
    }

    fn fisher(a: u64, n: u64, b: u64, m: u64) -> f64 {
        fisher_greater(Count { hits: a, of: n }, Count { hits: b, of: m })
    }

    #[test]
    fn fishers_tea_tasting() {
        assert_close(fisher(4, 4, 0, 4), 1.0 / 70.0, "all four cups");
        assert_close(fisher(3, 4, 1, 4), 17.0 / 70.0, "three of four");
        assert_close(fisher(2, 4, 2, 4), 53.0 / 70.0, "two of four");
        assert_close(fisher(0, 4, 4, 4), 1.0, "none");
    }

    #[test]
    fn fisher_agrees_with_plain_counting_and_stands_large_and_empty_samples() {
        // Ways to choose, counted in whole numbers.
        let choose = |n: u64, k: u64| (0..k).fold(1_u128, |ways, i| ways * u128::from(n - i) / u128::from(i + 1));
        for (a, n, b, m) in [(7, 30, 1, 30), (3, 9, 2, 41), (12, 31, 20, 60), (1, 1, 0, 50)] {
            let ways: u128 = (a..=n.min(a + b)).filter(|k| a + b - k <= m).map(|k| choose(n, k) * choose(m, a + b - k)).sum();
            assert_close(fisher(a, n, b, m), ways as f64 / choose(n + m, a + b) as f64, "counted");
        }
        assert_eq!((fisher(0, 0, 3, 9), fisher(0, 5, 0, 5), fisher(5, 5, 5, 5)), (1.0, 1.0, 1.0));
        // One half and a little, as both sides are the same; the terms below the peak are smaller than any f64.
        let even = fisher(50_000, 100_000, 50_000, 100_000);
        assert!((0.5..0.503).contains(&even), "{even}");
        assert_close(fisher(1, 100_000, 99_999, 100_000), 1.0, "nothing unusual");
        assert!(fisher(60_000, 100_000, 50_000, 100_000) < 1e-300);
    }

    #[test]
    fn the_normal_tail_agrees_with_the_tables() {
        for (z, p) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (1.959_963_984_540_054, 0.025),
            (2.999_999_999, 0.001_349_898_036_062_2),
            (3.0, 0.001_349_898_031_630_094_6),
            (6.0, 9.865_876_450_376_98e-10),
        ] {
            assert_close(upper_tail(z), p, &z.to_string());
        }
        assert_close(upper_tail(-1.0), 1.0 - 0.158_655_253_931_457_05, "-1");
    }

    #[test]
    fn mann_whitney_agrees_with_worked_examples() {
        // Ages at diagnosis of five men and four women: U = 17, z = 1.592, two-sided p = 0.11135 with continuity.
        let p = mann_whitney_greater(&[19, 22, 16, 29, 24], &[20, 11, 17, 12]);
        assert_close(p, 0.111_346_886_533_140_41 / 2.0, "ages");
        // With ties, by hand: ranks 1, 3, 3, 3, 5.5, 5.5; first has 3 + 5.5 + 5.5 = 14, U = 8, variance 9/12·(7 − 30/30).
        let tied = mann_whitney_greater(&[2, 3, 3], &[1, 2, 2]);
        assert_close(tied, upper_tail((8.0 - 4.5 - 0.5) / 4.5_f64.sqrt()), "ties");
        assert_eq!((mann_whitney_greater(&[5; 9], &[5; 9]), mann_whitney_greater(&[], &[1])), (1.0, 1.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_lower_middle() {
        assert_eq!((median(&[]), median(&[7]), median(&[9, 1, 5]), median(&[4, 1, 3, 2])), (None, Some(7), Some(5), Some(2)));
    }
}
