//! Who is offered a new customer first: the rules of `assignment.rule`, over what is known of the consultants.
//!
//! Pure: the same candidates in any order give the same answer. Whoever takes no customers is never named; those who
//! are connected go before those who are not, because a name in a notice nobody reads helps no customer.

use std::cmp::Reverse;

use crate::settings::AssignmentRule;

/// A consultant who may be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The account.
    pub id: String,
    /// What the person is good at: concerns, categories, service codes.
    pub tags: Vec<String>,
    /// Customers claimed within the last 24 hours.
    pub claims_today: i64,
    /// When the rule last named this one.
    pub last_assigned_at: Option<i64>,
    /// Whether a live connection is open.
    pub online: bool,
    /// Whether new customers are taken.
    pub available: bool,
}

/// The consultant whom `rule` names for a customer with these concerns and treatments of interest.
///
/// Ties go to the lower id. `first_come` names nobody.
pub fn choose<'a>(rule: AssignmentRule, candidates: &'a [Candidate], wanted: &[String]) -> Option<&'a Candidate> {
    let offline = |one: &Candidate| !one.online;
    let available = candidates.iter().filter(|one| one.available);
    match rule {
        AssignmentRule::FirstCome => None,
        AssignmentRule::RoundRobin => available.min_by_key(|one| (offline(one), one.last_assigned_at, one.id.as_str())),
        AssignmentRule::LeastLoaded => available.min_by_key(|one| (offline(one), one.claims_today, one.last_assigned_at, one.id.as_str())),
        AssignmentRule::TagMatch => {
            let wanted = words(wanted);
            available
                .min_by_key(|one| (offline(one), Reverse(in_common(one, &wanted)), one.claims_today, one.last_assigned_at, one.id.as_str()))
        }
    }
}

/// How many different tags of `candidate` are wanted.
fn in_common(candidate: &Candidate, wanted: &[String]) -> usize {
    words(&candidate.tags).iter().filter(|tag| wanted.contains(tag)).count()
}

/// Tags as they are compared: each once, without regard to case and outer spaces.
fn words(tags: &[String]) -> Vec<String> {
    let mut words: Vec<String> = tags.iter().map(|tag| tag.trim().to_lowercase()).filter(|tag| !tag.is_empty()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str) -> Candidate {
        Candidate { id: id.into(), tags: Vec::new(), claims_today: 0, last_assigned_at: None, online: true, available: true }
    }

    fn tagged(id: &str, tags: &[&str]) -> Candidate {
        Candidate { tags: texts(tags), ..candidate(id) }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    /// The answer, which must not depend on the order of the candidates.
    fn chosen(rule: AssignmentRule, candidates: &[Candidate], wanted: &[&str]) -> Option<String> {
        let mut candidates = candidates.to_vec();
        let answer = choose(rule, &candidates, &texts(wanted)).map(|one| one.id.clone());
        for _ in 0..candidates.len() {
            candidates.rotate_left(1);
            assert_eq!(choose(rule, &candidates, &texts(wanted)).map(|one| one.id.clone()), answer);
        }
        candidates.reverse();
        assert_eq!(choose(rule, &candidates, &texts(wanted)).map(|one| one.id.clone()), answer);
        answer
    }

    #[test]
    fn the_first_come_rule_names_nobody_and_nobody_is_named_of_none() {
        assert_eq!(chosen(AssignmentRule::FirstCome, &[candidate("a")], &[]), None);
        for rule in [AssignmentRule::RoundRobin, AssignmentRule::LeastLoaded, AssignmentRule::TagMatch] {
            assert_eq!(chosen(rule, &[], &["色斑"]), None);
        }
    }

    #[test]
    fn round_robin_goes_through_everybody_before_it_repeats() {
        let mut candidates = vec![candidate("c"), candidate("a"), candidate("b")];
        let mut named = Vec::new();
        for now in 1..=6 {
            let id = chosen(AssignmentRule::RoundRobin, &candidates, &[]).unwrap();
            candidates.iter_mut().find(|one| one.id == id).unwrap().last_assigned_at = Some(now);
            named.push(id);
        }
        assert_eq!(named, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn the_least_loaded_is_named_and_equal_load_goes_round() {
        let loaded = |id: &str, claims_today, last_assigned_at| Candidate { claims_today, last_assigned_at, ..candidate(id) };
        let candidates = [loaded("a", 2, None), loaded("b", 1, Some(9)), loaded("c", 1, Some(5))];
        assert_eq!(chosen(AssignmentRule::LeastLoaded, &candidates, &[]).as_deref(), Some("c"));
        let candidates = [loaded("a", 3, None), loaded("b", 0, None), loaded("c", 0, None)];
        assert_eq!(chosen(AssignmentRule::LeastLoaded, &candidates, &[]).as_deref(), Some("b"));
    }

    #[test]
    fn tags_in_common_decide_and_then_load() {
        let mut candidates = vec![tagged("a", &["皱纹"]), tagged("b", &["色斑", "Laser "]), tagged("c", &["色斑", "色斑", "色斑"])];
        assert_eq!(chosen(AssignmentRule::TagMatch, &candidates, &["色斑", "laser"]).as_deref(), Some("b"));
        candidates[1].claims_today = 1;
        assert_eq!(chosen(AssignmentRule::TagMatch, &candidates, &["色斑"]).as_deref(), Some("c"), "equal tags: less load");
        assert_eq!(chosen(AssignmentRule::TagMatch, &candidates, &["脱发"]).as_deref(), Some("a"), "no tags: still somebody");
        assert_eq!(chosen(AssignmentRule::TagMatch, &candidates, &["", " "]).as_deref(), Some("a"));
    }

    #[test]
    fn the_connected_go_first_and_who_takes_no_customers_is_never_named() {
        let offline = Candidate { online: false, ..tagged("a", &["色斑"]) };
        let online = Candidate { claims_today: 9, last_assigned_at: Some(9), ..candidate("b") };
        let away = Candidate { available: false, ..tagged("0", &["色斑"]) };
        for rule in [AssignmentRule::RoundRobin, AssignmentRule::LeastLoaded, AssignmentRule::TagMatch] {
            assert_eq!(chosen(rule, &[offline.clone(), online.clone(), away.clone()], &["色斑"]).as_deref(), Some("b"));
            assert_eq!(chosen(rule, &[offline.clone(), away.clone()], &["色斑"]).as_deref(), Some("a"));
            assert_eq!(chosen(rule, std::slice::from_ref(&away), &["色斑"]), None);
        }
    }
}
