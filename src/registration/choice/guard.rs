//! The guard of a roll-out: is the candidate worse than the stable agent, beyond what chance explains?
//!
//! Compared are the runs of both since the roll-out began: the share that ended in a fallback (Fisher's exact test) and
//! the time to the answer of those that did not (Mann–Whitney U, with ties). Both tests are one-sided: a better
//! candidate is no alarm.
//!
//! **Looking again and again.** Whoever looks after every run finds a "significant" difference sooner or later. So there
//! are fixed looks: the k-th is taken over the runs that had ended when the candidate reached `min_runs`·2^(k−1) of them
//! (and the stable agent `min_runs`). It may spend `significance` / (k·(k+1)), half of it on each comparison. These
//! parts add up to `significance`: so much, at most, is the probability that a candidate as good as the stable agent is
//! ever called worse, over both comparisons and however long the roll-out lasts. A look is a function of the runs up to
//! its moment, so [`judge`] may be called at any time, in any process, and after a restart, without a memory of its own.

use serde::Serialize;

use super::statistics::{Count, fisher_greater, mann_whitney_greater, median};
use crate::settings::Rollout;

#[cfg(test)]
mod tests;

/// Runs below which the approximation behind the comparison of times is not relied on.
const LEAST_RUNS: usize = 10;

/// One run in which an agent was asked for a welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When its outcome was known. Runs are compared in this order, which later runs do not change.
    pub ended_at: i64,
    /// Time from asking to the answer, in milliseconds; `None` when the agent gave none and a fallback was used.
    pub answered_in: Option<i64>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Share of runs that ended in a fallback.
    Fallbacks,
    /// Time to the answer, in milliseconds.
    Time,
}

/// One side's figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Side {
    /// Runs looked at.
    pub runs: usize,
    /// Share of them that ended in a fallback.
    pub fallback_share: f64,
    /// Median time to the answer, in milliseconds; `None` without an answer.
    pub median_ms: Option<i64>,
}

/// What one look showed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Number of the look, from 1.
    pub look: u32,
    /// The candidate.
    pub candidate: Side,
    /// The stable agent.
    pub stable: Side,
    /// Probability of a share of fallbacks like the candidate's, were both the same.
    pub p_fallbacks: f64,
    /// Probability of times like the candidate's, were both the same.
    pub p_time: f64,
    /// A probability below this is called worse.
    pub bound: f64,
}

/// What is known of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing can be concluded yet.
    NotEnough {
        /// Runs of the side that has fewer.
        have: usize,
        /// Runs needed of each.
        need: usize,
    },
    /// No look showed it to be worse.
    Fine {
        /// The latest look.
        #[serde(flatten)]
        figures: Figures,
        /// Runs of the candidate at which the next look is taken.
        next_look_at: usize,
    },
    /// A look showed it to be worse: roll it back.
    Worse {
        /// In what.
        which: Measure,
        /// The candidate's share, or its median time.
        candidate_value: f64,
        /// The stable agent's.
        stable_value: f64,
        /// Probability of such a difference, were both the same.
        p: f64,
        /// The look that showed it.
        #[serde(flatten)]
        figures: Figures,
    },
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Compares the runs of both agents since the roll-out began. The first look that showed a difference decides.
pub fn judge(candidate: &[Run], stable: &[Run], settings: &Rollout) -> Verdict {
    let need = (settings.min_runs as usize).max(LEAST_RUNS);
    let (candidate, stable) = (by_end(candidate), by_end(stable));
    let Some(enough) = stable.get(need - 1) else {
        return Verdict::NotEnough { have: stable.len().min(candidate.len()), need };
    };
    let mut latest = None;
    let mut runs_at_look = need;
    for look in 1_u32.. {
        let Some(last) = candidate.get(runs_at_look - 1) else { break };
        let moment = last.ended_at.max(enough.ended_at);
        let figures = take_look(look, until(&candidate, moment), until(&stable, moment), settings.significance);
        if let Some(worse) = worse(figures) {
            return worse;
        }
        latest = Some(figures);
        runs_at_look = runs_at_look.saturating_mul(2);
    }
    let not_enough = Verdict::NotEnough { have: candidate.len(), need };
    latest.map_or(not_enough, |figures| Verdict::Fine { figures, next_look_at: runs_at_look })
}

fn by_end(runs: &[Run]) -> Vec<Run> {
    let mut sorted = runs.to_vec();
    sorted.sort_by_key(|run| run.ended_at);
    sorted
}

fn until(runs: &[Run], moment: i64) -> &[Run] {
    runs.get(..runs.partition_point(|run| run.ended_at <= moment)).unwrap_or(runs)
}

fn take_look(look: u32, candidate: &[Run], stable: &[Run], significance: f64) -> Figures {
    let k = f64::from(look);
    let (ours, theirs) = (times(candidate), times(stable));
    Figures {
        look,
        candidate: side(candidate, &ours),
        stable: side(stable, &theirs),
        p_fallbacks: fisher_greater(fallbacks(candidate, &ours), fallbacks(stable, &theirs)),
        p_time: mann_whitney_greater(&ours, &theirs),
        bound: significance / (k * (k + 1.0)) / 2.0,
    }
}

fn times(runs: &[Run]) -> Vec<i64> {
    runs.iter().filter_map(|run| run.answered_in).collect()
}

fn fallbacks(runs: &[Run], times: &[i64]) -> Count {
    Count { hits: (runs.len() - times.len()) as u64, of: runs.len() as u64 }
}

fn side(runs: &[Run], times: &[i64]) -> Side {
    let Count { hits, of } = fallbacks(runs, times);
    Side { runs: runs.len(), fallback_share: hits as f64 / of.max(1) as f64, median_ms: median(times) }
}

fn worse(figures: Figures) -> Option<Verdict> {
    let Figures { candidate, stable, .. } = figures;
    let middle = |side: Side| side.median_ms.unwrap_or_default() as f64;
    let (which, candidate_value, stable_value, p) = if figures.p_fallbacks < figures.bound {
        (Measure::Fallbacks, candidate.fallback_share, stable.fallback_share, figures.p_fallbacks)
    } else if figures.p_time < figures.bound {
        (Measure::Time, middle(candidate), middle(stable), figures.p_time)
    } else {
        return None;
    };
    Some(Verdict::Worse { which, candidate_value, stable_value, p, figures })
}

impl Verdict {
    /// What an administrator is told when the candidate is worse. Names as shown to people.
    pub fn alert(&self, candidate: &str, stable: &str) -> Option<Sentence> {
        let Self::Worse { which, candidate_value, stable_value, p, figures } = self else { return None };
        let shown = |value: &f64| match which {
            Measure::Fallbacks => format!("{:.1} %", value * 100.0),
            Measure::Time => format!("{value:.0} ms"),
        };
        let (zh, en) = match which {
            Measure::Fallbacks => ("需要降级的比例", "more of its runs ended in a fallback"),
            Measure::Time => ("回答耗时(中位数)", "it takes longer to answer (median)"),
        };
        let (ours, theirs) = (shown(candidate_value), shown(stable_value));
        let (runs, stable_runs) = (figures.candidate.runs, figures.stable.runs);
        let chance = format!("p = {p:.1e} < {:.1e}", figures.bound);
        Some(Sentence {
            zh: format!(
                "候选智能体「{candidate}」不如稳定版「{stable}」：{zh} {ours}，稳定版 {theirs}（{runs} 次与 {stable_runs} 次运行，{chance}）"
            ),
            en: format!(
                "The candidate {candidate} is worse than {stable}: {en}, {ours} against {theirs} ({runs} and {stable_runs} runs, {chance})"
            ),
        })
    }
}
