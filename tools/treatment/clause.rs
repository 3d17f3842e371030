//! One clause of feedback: its amounts, the services it names, and whether it wants them.
//!
//! It decides nothing about the plan; the rules in [`super::feedback`] and [`super::limits`] do.

use super::{
    feedback::Heard,
    lexicon::{BODY_PARTS, EXCHANGE, NEGATIVE, NO_ALLERGEN, PAINLESS, POSITIVE, REVERSED},
    limits,
    quantities::{self, Quantity, Unit},
};
use crate::{clinic::catalogue, port::Service, words};

/// Splits what was said at its punctuation. A comma between digits and a decimal point are none.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut clauses = Vec::new();
    for line in text.lines() {
        let line = words::normalise(&line.replace(['’', '‘'], "'"));
        let mut clause = String::new();
        for (at, c) in line.char_indices() {
            let next = line.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
            let inside_number = clause.ends_with(|last: char| last.is_ascii_digit()) && next.is_some_and(|next| next.is_ascii_digit());
            let ends = match c {
                ',' => !inside_number,
                '.' => !inside_number && next.is_none_or(char::is_whitespace),
                '。' | ';' | '!' | '?' => true,
                _ => false,
            };
            if ends {
                clauses.push(std::mem::take(&mut clause));
            } else {
                clause.push(c);
            }
        }
        clauses.push(clause);
    }
    clauses.iter().map(|clause| clause.trim().to_owned()).filter(|clause| !clause.is_empty()).collect()
}

/// A clause with what stands in it.
pub(super) struct Clause<'a> {
    /// Normalised.
    pub(super) text: String,
    pub(super) quantities: Vec<Quantity>,
    named: Vec<(&'a Service, std::ops::Range<usize>)>,
}

impl<'a> Clause<'a> {
    pub(super) fn new(text: &str, offered: &[&'a Service]) -> Self {
        Self { text: text.to_owned(), quantities: quantities::read(text), named: catalogue::mentioned(offered, text) }
    }

    /// The greatest amount in this unit.
    pub(super) fn most(&self, unit: Unit) -> Option<f64> {
        self.quantities.iter().filter(|quantity| quantity.unit == unit).map(|quantity| quantity.value).max_by(f64::total_cmp)
    }

    pub(super) fn age(&self) -> Option<f64> {
        self.most(Unit::Years)
    }

    /// The services it speaks of, each with whether it is wanted. Those it only mentions are left out.
    pub(super) fn services(&self, offered: &[&'a Service]) -> Vec<(&'a Service, bool)> {
        let negative = self.turns_down();
        let mut found: Vec<(&Service, bool)> = Vec::new();
        for (service, place) in &self.named {
            let exchanged = self.exchanged(place.start);
            if exchanged.is_some() || negative || words::any(&self.text, POSITIVE) {
                found.push((service, exchanged.unwrap_or(!negative)));
            }
        }
        if found.is_empty() && negative {
            found.extend(self.category(offered).into_iter().map(|service| (service, false)));
        }
        found
    }

    fn turns_down(&self) -> bool {
        let text = PAINLESS.iter().fold(self.text.clone(), |text, word| text.replace(word, " "));
        words::any(&text, NEGATIVE)
    }

    /// In an exchange, whether the service named at `place` comes (true) or goes.
    fn exchanged(&self, place: usize) -> Option<bool> {
        let start = |markers: &[&str]| markers.iter().filter_map(|word| words::find(&self.text, word)).map(|found| found.start).min();
        if let Some(marker) = start(REVERSED) {
            return Some(place < marker);
        }
        let exchange = words::any(&self.text, &["换", "改", "replace", "exchange", "swap", "switch", "change"]);
        let marker = start(EXCHANGE).filter(|_| exchange)?;
        Some(place > marker)
    }

    /// The services of a category named in so many words (`不想打针`, `no surgery`).
    fn category(&self, offered: &[&'a Service]) -> Vec<&'a Service> {
        let mut found = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for service in offered {
            if !BODY_PARTS.contains(&service.category.as_str()) && !seen.contains(&service.category.as_str()) {
                seen.push(&service.category);
                if catalogue::names_category(&self.text, &service.category) {
                    found.extend(catalogue::category(offered, &service.category));
                }
            }
        }
        found
    }

    /// The clause without the names of services, whose words may sound like concerns.
    pub(super) fn without_services(&self) -> String {
        let mut text = self.text.clone();
        let mut places: Vec<_> = self.named.iter().map(|(_, place)| place.clone()).collect();
        places.sort_by_key(|place| std::cmp::Reverse(place.start));
        for place in places {
            text.replace_range(place, " ");
        }
        text
    }

    /// Whether it only repeats something already understood (`太贵了，真的太贵了`).
    pub(super) fn repeats(&self, heard: &Heard) -> bool {
        let cheap = heard.budget.is_some() && limits::expensive(&self.text);
        cheap || self.named.iter().any(|(service, _)| heard.exclude.contains(&service.code) || heard.include.contains(&service.code))
    }
}

/// What somebody says they are allergic to, when the vocabulary lacks it: `对花生过敏`, `allergic to peanuts`.
pub(super) fn unknown_allergen(text: &str) -> Option<String> {
    let after = |marker: &str| words::find(text, marker).and_then(|place| text.get(place.end..));
    let before = |marker: &str| text.find(marker).and_then(|at| text.get(..at)).map(str::trim_end);
    let chinese = || before("过敏").map(|before| before.rsplit_once('对').map_or(before, |(_, after)| after));
    let english = || before(" allergy").and_then(|before| before.rsplit(' ').next());
    let word = after("allergic to").or_else(|| after("allergy to")).or_else(chinese).or_else(english)?;
    let word = word.trim().trim_start_matches(['我', '她', '他', '也', '有']).trim();
    (!word.is_empty() && word.chars().count() <= 40 && !NO_ALLERGEN.contains(&word)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{split, unknown_allergen};

    #[test]
    fn clauses_end_at_punctuation_but_numbers_stay_whole() {
        assert_eq!(split("太贵了，预算5,000元。恢复期1.5周!\nOK. Thanks"), ["太贵了", "预算5,000元", "恢复期1.5周", "ok", "thanks"]);
    }

    #[test]
    fn an_allergen_nobody_knows_is_kept_as_it_was_said() {
        assert_eq!(unknown_allergen("我对花生过敏").as_deref(), Some("花生"));
        assert_eq!(unknown_allergen("i'm allergic to peanuts").as_deref(), Some("peanuts"));
        assert_eq!(unknown_allergen("我花生过敏").as_deref(), Some("花生"));
        assert_eq!(unknown_allergen("i have a peanut allergy").as_deref(), Some("peanut"));
        assert_eq!(unknown_allergen("皮肤容易过敏").as_deref(), Some("皮肤容易"));
        assert_eq!(unknown_allergen("没有过敏"), None);
        assert_eq!(unknown_allergen("太贵了"), None);
    }
}
