//! How well a person matches a query.
//!
//! The whole field is 1; then come its beginning, the beginning of one of its words, and any part of it; at last all
//! words of the query, scattered over name, address and number. A name counts a little more than an address or a number, and
//! the more of the field the query covers, the better. Equal scores are told apart by the shorter name, the later
//! registration, and the id, so that the same question always gets the same answer.

use std::cmp::Reverse;

use super::terms::{Terms, fold};

/// What a match is worth before coverage adds up to [`COVERAGE`].
const PREFIX: f64 = 0.85;
const WORD_START: f64 = 0.65;
const INSIDE: f64 = 0.45;
const SCATTERED: f64 = 0.3;
/// Most that coverage adds: less than the step between two kinds of match.
const COVERAGE: f64 = 0.1;
/// What an address or a number is worth less than a name.
const NOT_THE_NAME: f64 = 0.05;

/// A row that may match.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) username: String,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) registered_at: i64,
}

/// The `limit` best candidates that match at all, with their scores, best first.
pub(super) fn rank(candidates: Vec<Candidate>, terms: &Terms, limit: usize) -> Vec<(i64, f64)> {
    let mut scored: Vec<(f64, usize, Candidate)> = candidates
        .into_iter()
        .filter_map(|candidate| score(&candidate, terms).map(|score| (score, candidate.username.chars().count(), candidate)))
        .collect();
    scored.sort_by(|(a, a_length, a_row), (b, b_length, b_row)| {
        let order = |length: usize, row: &Candidate| (length, Reverse(row.registered_at));
        b.total_cmp(a).then_with(|| order(*a_length, a_row).cmp(&order(*b_length, b_row))).then_with(|| a_row.id.cmp(&b_row.id))
    });
    scored.into_iter().take(limit).map(|(score, _, candidate)| (candidate.seq, score)).collect()
}

fn score(candidate: &Candidate, terms: &Terms) -> Option<f64> {
    let name = fold(&candidate.username);
    let email = candidate.email.as_deref().map(fold).unwrap_or_default();
    let phone = candidate.phone.as_deref().unwrap_or_default();
    let number = terms.phones.iter().filter_map(|number| compare(local(phone), local(number)));
    let contact = number.chain(compare(&email, &terms.folded)).map(|score| if score < 1.0 { score - NOT_THE_NAME } else { score });
    let whole = contact.chain(compare(&name, &terms.folded)).max_by(f64::total_cmp);
    whole.or_else(|| loosely(&name, terms)).or_else(|| {
        let everywhere = terms.words.iter().all(|word| [&name, &email, phone].iter().any(|field| field.contains(word.as_str())));
        everywhere.then_some(SCATTERED)
    })
}

/// The name once everything between its letters is left out: `张 伟` is nearly 张伟, `li.na` is found in "Li Na Wang".
fn loosely(name: &str, terms: &Terms) -> Option<f64> {
    let bare = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let (name, query) = (bare(name), bare(&terms.folded));
    if query.is_empty() || !name.contains(&query) {
        return None;
    }
    Some(if name == query { PREFIX + COVERAGE } else { SCATTERED })
}

/// A Chinese number without its country code.
fn local(phone: &str) -> &str {
    phone.strip_prefix("+86").or_else(|| phone.strip_prefix("0086")).unwrap_or(phone)
}

fn compare(field: &str, query: &str) -> Option<f64> {
    let first = field.find(query)?;
    if field.len() == query.len() {
        return Some(1.0);
    }
    let base = if first == 0 {
        PREFIX
    } else if field.match_indices(query).any(|(at, _)| begins_word(field, at)) {
        WORD_START
    } else {
        INSIDE
    };
    let coverage = query.chars().count() as f64 / field.chars().count() as f64;
    Some(base + COVERAGE * coverage)
}

/// Whether a word begins at `at`: after a sign or a blank, or where ASCII letters begin or end.
fn begins_word(field: &str, at: usize) -> bool {
    let Some((before, after)) = field.split_at_checked(at) else { return false };
    match (before.chars().next_back(), after.chars().next()) {
        (Some(before), Some(after)) => !before.is_alphanumeric() || before.is_ascii() != after.is_ascii(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, rank};
    use crate::store::search::terms::Terms;

    fn person(seq: i64, username: &str, phone: &str, registered_at: i64) -> Candidate {
        let id = format!("usr_{seq}");
        Candidate {
            seq,
            id,
            username: username.into(),
            email: Some(format!("u{seq}@example.com")),
            phone: Some(phone.into()),
            registered_at,
        }
    }

    fn order(query: &str, people: Vec<Candidate>) -> Vec<i64> {
        rank(people, &Terms::new(query).unwrap(), 10).into_iter().map(|(seq, _)| seq).collect()
    }

    #[test]
    fn whole_then_beginning_then_word_then_inside() {
        let people = || {
            vec![
                person(1, "Marianna", "1", 0),
                person(2, "Li Anna", "2", 0),
                person(3, "Annabel", "3", 0),
                person(4, "Anna", "4", 0),
                person(5, "Bob", "5", 0),
            ]
        };
        assert_eq!(order("anna", people()), [4, 3, 2, 1]);
        let scores: Vec<f64> = rank(people(), &Terms::new("ANNA").unwrap(), 10).into_iter().map(|(_, score)| score).collect();
        assert!((scores[0] - 1.0).abs() < f64::EPSILON && scores.windows(2).all(|pair| pair[0] > pair[1]) && scores[3] > 0.0, "{scores:?}");
    }

    #[test]
    fn ties_go_to_the_shorter_name_the_later_registration_and_the_id() {
        let people = vec![person(1, "张小伟", "1", 5), person(2, "张伟", "2", 1), person(3, "张丽", "3", 2), person(5, "张敏", "5", 2)];
        assert_eq!(order("张", people), [3, 5, 2, 1]);
    }

    #[test]
    fn a_number_matches_with_or_without_the_country_code() {
        let people = vec![person(1, "a", "+8613812348888", 0), person(2, "b", "13812348888", 0), person(3, "c", "13800000000", 0)];
        assert_eq!(order("138 1234 8888", people), [1, 2]);
    }

    #[test]
    fn words_are_found_in_any_order_and_over_several_fields() {
        assert_eq!(order("na li", vec![person(1, "Li Na", "1", 0), person(2, "Li", "2", 0)]), [1]);
        assert_eq!(order("张伟 138", vec![person(1, "张伟", "13812348888", 0), person(2, "张伟", "15012341234", 0)]), [1]);
    }
}
