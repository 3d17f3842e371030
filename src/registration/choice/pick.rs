//! Which agent a user gets: the share of a roll-out, and the weights within it.
//!
//! Everything follows from hashes of ids, so nothing is stored, every process decides alike, and a user keeps the
//! agent. A roll-out compares one number of the user with its percentage: raising the percentage adds users and moves
//! nobody else. Within a part each agent draws a lot for the user, stretched by its weight, and the highest lot wins
//! (rendezvous hashing): changing one weight moves users to or from that agent only.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// What an agent is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Serves everybody who is in no roll-out.
    Stable,
    /// Serves the users of its roll-out.
    Candidate,
    /// Serves when another one failed.
    Fallback,
}

/// A text is no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no part of an agent; there are stable, candidate and fallback")]
pub struct UnknownPart(String);

impl std::str::FromStr for Part {
    type Err = UnknownPart;

    fn from_str(text: &str) -> Result<Self, UnknownPart> {
        match text {
            "stable" => Ok(Self::Stable),
            "candidate" => Ok(Self::Candidate),
            "fallback" => Ok(Self::Fallback),
            other => Err(UnknownPart(other.to_owned())),
        }
    }
}

/// An agent as far as the choice goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrant {
    /// Its id.
    pub id: String,
    /// Where it is used.
    pub environment: String,
    /// Its version, recorded on the run.
    pub version: String,
    /// What it is there for.
    pub part: Part,
    /// Its share among those of the same part. With 0 it gets nobody, not even as a fallback.
    pub weight: u32,
    /// Of a candidate: the percentage of users it may get.
    pub rollout_percent: u8,
    /// Whether it may be chosen.
    pub enabled: bool,
}

/// The agent that `user_id` gets in `environment`; `None` when none is enabled there.
///
/// Several candidates share, by weight, the users within reach of each: so the largest of their percentages is the
/// share of users on trial. Without a stable agent those for the case of failure serve.
pub fn choose<'a>(entrants: &'a [Entrant], environment: &str, user_id: &str) -> Option<&'a Entrant> {
    let place = hundredth(user_id);
    let of = |part| in_use(entrants, environment).filter(move |entrant| entrant.part == part);
    heaviest(of(Part::Candidate).filter(|entrant| place < entrant.rollout_percent), user_id)
        .or_else(|| heaviest(of(Part::Stable), user_id))
        .or_else(|| heaviest(of(Part::Fallback), user_id))
}

/// The agent to ask when those `tried` gave no answer, or may not be asked: one that is there for it, else a stable
/// one. Never a candidate: a failure elsewhere must not raise the share of users on trial.
pub fn fallback<'a>(entrants: &'a [Entrant], environment: &str, user_id: &str, tried: &[&str]) -> Option<&'a Entrant> {
    let of = |part| in_use(entrants, environment).filter(move |other| other.part == part && !tried.contains(&other.id.as_str()));
    heaviest(of(Part::Fallback), user_id).or_else(|| heaviest(of(Part::Stable), user_id))
}

/// The share of all users that each agent gets in `environment` as the first to be asked, by id: what [`choose`] comes
/// to over many users. Nobody who gets none is in it.
pub fn shares<'a>(entrants: &'a [Entrant], environment: &str) -> BTreeMap<&'a str, f64> {
    let of = |part| in_use(entrants, environment).filter(|entrant| entrant.part == part).collect::<Vec<_>>();
    let (candidates, stable, fallback) = (of(Part::Candidate), of(Part::Stable), of(Part::Fallback));
    let others = if stable.is_empty() { fallback } else { stable };
    let mut hundredths = BTreeMap::<&str, f64>::new();
    for place in 0..100 {
        let reached: Vec<&Entrant> = candidates.iter().copied().filter(|candidate| place < candidate.rollout_percent).collect();
        let among = if reached.is_empty() { &others } else { &reached };
        let sum: f64 = among.iter().map(|entrant| f64::from(entrant.weight)).sum();
        for entrant in among {
            *hundredths.entry(&entrant.id).or_default() += f64::from(entrant.weight) / sum;
        }
    }
    hundredths.into_iter().map(|(id, hundredths)| (id, hundredths / 100.0)).collect()
}

fn in_use<'a>(entrants: &'a [Entrant], environment: &str) -> impl Iterator<Item = &'a Entrant> {
    entrants.iter().filter(move |entrant| entrant.enabled && entrant.weight > 0 && entrant.environment == environment)
}

/// The user's place among a hundred equal groups.
fn hundredth(user_id: &str) -> u8 {
    let hash = hash(&["rollout", user_id]);
    ((u128::from(hash) * 100) >> 64) as u8
}

fn heaviest<'a>(entrants: impl Iterator<Item = &'a Entrant>, user_id: &str) -> Option<&'a Entrant> {
    entrants.max_by(|a, b| lot(a, user_id).total_cmp(&lot(b, user_id)).then_with(|| a.id.cmp(&b.id)))
}

/// Weight over an exponentially distributed number: each agent's is the highest with a probability of its share.
fn lot(entrant: &Entrant, user_id: &str) -> f64 {
    let even = ((hash(&["share", &entrant.id, user_id]) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(entrant.weight) / -even.ln()
}

/// A stable hash of texts; their lengths go in as well, so that no two lists run into the same bytes.
fn hash(texts: &[&str]) -> u64 {
    let mut digest = Sha256::new_with_prefix(b"anmei-mcp/choice/v1");
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const USERS: usize = 100_000;

    fn entrant(id: &str, part: Part, weight: u32, rollout_percent: u8) -> Entrant {
        let (environment, version) = ("production".to_owned(), "1".to_owned());
        Entrant { id: id.into(), environment, version, part, weight, rollout_percent, enabled: true }
    }

    fn users() -> impl Iterator<Item = String> {
        (0..USERS).map(|n| format!("usr_{n:032x}"))
    }

    fn chosen(entrants: &[Entrant]) -> Vec<&str> {
        users().map(|user| choose(entrants, "production", &user).unwrap().id.as_str()).collect()
    }

    fn counts<'a>(chosen: &[&'a str]) -> BTreeMap<&'a str, usize> {
        chosen.iter().fold(BTreeMap::new(), |mut counts, id| {
            *counts.entry(*id).or_default() += 1;
            counts
        })
    }

    /// Four standard deviations of a binomial count: a right share is outside once in 16 000 times; the users are fixed.
    fn assert_share(count: usize, share: f64, what: &str) {
        let (expected, deviation) = (USERS as f64 * share, (USERS as f64 * share * (1.0 - share)).sqrt());
        assert!((count as f64 - expected).abs() <= 4.0 * deviation, "{what}: {count} users instead of {expected}");
    }

    #[test]
    fn a_candidate_gets_its_percentage_and_no_user_falls_out_as_it_grows() {
        let mut before = BTreeSet::new();
        for percent in [0, 1, 10, 50, 99, 100] {
            let entrants = [entrant("old", Part::Stable, 100, 0), entrant("new", Part::Candidate, 100, percent)];
            let chosen = chosen(&entrants);
            let on_trial: BTreeSet<usize> = (0..USERS).filter(|user| chosen[*user] == "new").collect();
            assert_share(on_trial.len(), f64::from(percent) / 100.0, "new");
            assert!(before.is_subset(&on_trial), "someone fell out at {percent} %");
            before = on_trial;
        }
        assert_eq!(before.len(), USERS);
    }

    #[test]
    fn weights_are_shares() {
        let entrants = [entrant("a", Part::Stable, 70, 0), entrant("b", Part::Stable, 20, 0), entrant("c", Part::Stable, 10, 0)];
        let chosen = chosen(&entrants);
        let counts = counts(&chosen);
        for (id, share) in [("a", 0.7), ("b", 0.2), ("c", 0.1)] {
            assert_share(counts[id], share, id);
        }
    }

    #[test]
    fn a_user_keeps_the_agent_whatever_the_order_of_the_list_and_in_every_version_of_this_program() {
        let mut entrants = vec![
            entrant("a", Part::Stable, 1, 0),
            entrant("b", Part::Stable, 1, 0),
            entrant("new", Part::Candidate, 1, 30),
            entrant("spare", Part::Fallback, 1, 0),
        ];
        let first: Vec<String> = chosen(&entrants).into_iter().map(str::to_owned).collect();
        entrants.reverse();
        assert_eq!(chosen(&entrants), first);
        // Computed once, apart from this program: a change of the hash would move every user.
        assert_eq!(hash(&["rollout", "usr_1"]), 0x77b2_4ca8_445e_125e);
    }

    #[test]
    fn changing_one_weight_moves_users_to_or_from_that_agent_only() {
        let mut entrants = [entrant("a", Part::Stable, 50, 0), entrant("b", Part::Stable, 50, 0), entrant("c", Part::Stable, 50, 0)];
        let before: Vec<String> = chosen(&entrants).into_iter().map(str::to_owned).collect();
        entrants[2].weight = 100;
        let after = chosen(&entrants);
        let moved: Vec<_> = (0..USERS).filter(|user| before[*user] != after[*user]).collect();
        assert!(moved.iter().all(|user| after[*user] == "c"));
        // From a third to a half: no fewer users can move.
        assert_share(moved.len(), 1.0 / 2.0 - 1.0 / 3.0, "moved");
    }

    #[test]
    fn an_agent_that_leaves_moves_its_own_users_only() {
        let all = [entrant("a", Part::Stable, 1, 0), entrant("b", Part::Stable, 1, 0), entrant("c", Part::Stable, 1, 0)];
        let (before, after) = (chosen(&all), chosen(&all[..2]));
        assert!((0..USERS).all(|user| before[user] == "c" || before[user] == after[user]));
    }

    #[test]
    fn several_candidates_expose_no_more_users_than_the_largest_percentage() {
        let entrants = [entrant("old", Part::Stable, 1, 0), entrant("x", Part::Candidate, 30, 10), entrant("y", Part::Candidate, 10, 50)];
        let chosen = chosen(&entrants);
        let counts = counts(&chosen);
        assert_share(counts["old"], 0.5, "old");
        assert_share(counts["x"], 0.1 * 0.75, "x");
        assert_share(counts["y"], 0.4 + 0.1 * 0.25, "y");
    }

    #[test]
    fn the_shares_that_are_shown_are_those_that_are_given() {
        let mut entrants = [
            entrant("a", Part::Stable, 70, 0),
            entrant("b", Part::Stable, 30, 0),
            entrant("x", Part::Candidate, 30, 10),
            entrant("y", Part::Candidate, 10, 50),
            entrant("spare", Part::Fallback, 1, 0),
            entrant("none", Part::Stable, 0, 0),
        ];
        for _ in 0..2 {
            let (chosen, shares) = (chosen(&entrants), shares(&entrants, "production"));
            assert!((shares.values().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
            for (id, count) in counts(&chosen) {
                assert_share(count, shares[id], id);
            }
            assert_eq!(shares.len(), counts(&chosen).len());
            // Then without a stable agent.
            entrants[0].enabled = false;
            entrants[1].weight = 0;
        }
        assert!(shares(&entrants, "staging").is_empty());
    }

    #[test]
    fn weight_zero_gets_nobody() {
        let mut entrants =
            vec![entrant("old", Part::Stable, 1, 0), entrant("new", Part::Candidate, 0, 100), entrant("off", Part::Stable, 0, 0)];
        assert!(chosen(&entrants).iter().all(|id| *id == "old"));
        assert_eq!(fallback(&entrants, "production", "usr_1", &["old"]), None);
        entrants[0].weight = 0;
        assert_eq!(choose(&entrants, "production", "usr_1"), None);
    }

    #[test]
    fn only_enabled_agents_of_the_environment_are_chosen() {
        assert_eq!(choose(&[], "production", "usr_1"), None);
        let mut entrants = [entrant("a", Part::Stable, 1, 0), entrant("b", Part::Stable, 1, 0)];
        entrants[0].environment = "staging".into();
        assert!(chosen(&entrants).iter().all(|id| *id == "b"));
        assert_eq!(choose(&entrants, "staging", "usr_1").unwrap().id, "a");
        entrants[1].enabled = false;
        assert_eq!(choose(&entrants, "production", "usr_1"), None);
    }

    #[test]
    fn a_fallback_is_another_agent_first_one_that_is_there_for_it_and_never_a_candidate() {
        let entrants = [
            entrant("a", Part::Stable, 1, 0),
            entrant("b", Part::Stable, 1, 0),
            entrant("new", Part::Candidate, 1, 100),
            entrant("spare", Part::Fallback, 1, 0),
        ];
        for user in users().take(1_000) {
            let next = |tried: &[&str]| fallback(&entrants, "production", &user, tried).map(|entrant| entrant.id.as_str());
            assert_eq!(next(&["a"]), Some("spare"));
            assert_eq!(next(&["a", "spare"]), Some("b"));
            assert_eq!(next(&["a", "b", "spare"]), None);
        }
        assert_eq!(choose(&entrants[3..], "production", "usr_1").unwrap().id, "spare");
    }

    #[test]
    fn a_part_is_read_as_it_is_stored() {
        assert_eq!("candidate".parse(), Ok(Part::Candidate));
        assert!("Stable".parse::<Part>().unwrap_err().to_string().contains("stable, candidate and fallback"));
    }
}
