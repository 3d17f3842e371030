//! Safety tags: what customers say of allergies and conditions, and what the catalogue must not be done under.
//!
//! Both sides are free text, in Chinese or English, so both are read through this one vocabulary before they are
//! compared. A word it does not know is kept as it was typed, compared as it was typed, and reported for the
//! physician: nothing said about safety is ever dropped here.

use std::{collections::BTreeSet, ops::Range};

use super::vocabulary::{DENIED_AFTER, DENIED_BEFORE, DOUBTED_BEFORE, FALSE_FRIENDS, Kind, NOTHING, TAGS, Tag};
use crate::words;

/// What one piece of text says about safety.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Tags of the vocabulary it asserts.
    pub(crate) tags: BTreeSet<String>,
    /// Words the vocabulary lacks, normalised.
    pub(crate) unknown: BTreeSet<String>,
    /// Tags it expressly denies ("未怀孕").
    pub(crate) denied: BTreeSet<String>,
}

impl Reading {
    /// Everything to be compared with a service's contraindications.
    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.tags.union(&self.unknown).cloned().collect()
    }

    /// Adds another reading.
    pub(crate) fn extend(&mut self, other: Self) {
        self.tags.extend(other.tags);
        self.unknown.extend(other.unknown);
        self.denied.extend(other.denied);
    }
}

/// Reads an entry of a list of allergies or conditions: whatever it says is meant to be about safety.
pub(crate) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    for piece in words::pieces(text) {
        let piece = words::normalise(piece);
        if piece.is_empty() || NOTHING.contains(&piece.as_str()) {
            continue;
        }
        let name = piece.replace(' ', "_");
        if TAGS.iter().any(|tag| tag.name == name) {
            reading.tags.insert(name);
            continue;
        }
        let found = mentioned(&piece, |_| true);
        if found.tags.is_empty() && found.denied.is_empty() {
            reading.unknown.insert(piece);
        }
        reading.extend(found);
    }
    reading
}

/// Reads free speech: conditions anywhere, substances only where an allergy is spoken of.
pub(crate) fn overheard(text: &str) -> Reading {
    let text = words::normalise(text);
    let allergy = speaks_of_allergy(&text);
    mentioned(&text, |tag| tag.kind == Kind::Condition || allergy)
}

/// Whether a text is about being allergic.
pub(crate) fn speaks_of_allergy(text: &str) -> bool {
    ["过敏", "allerg", "不耐受", "intoleran"].iter().any(|word| text.contains(word))
}

fn mentioned(text: &str, wanted: impl Fn(&Tag) -> bool) -> Reading {
    let mut reading = Reading::default();
    let friends: Vec<Range<usize>> = FALSE_FRIENDS.iter().flat_map(|word| words::occurrences(text, word)).collect();
    for tag in TAGS.iter().filter(|tag| wanted(tag)) {
        let name = tag.name.replace('_', " ");
        let mut denied = None;
        for word in tag.words.iter().copied().chain([name.as_str()]) {
            let meant = |place: &Range<usize>| !friends.iter().any(|friend| friend.start <= place.start && place.end <= friend.end);
            for place in words::occurrences(text, word).filter(meant) {
                denied = Some(is_denied(text, place.start, place.end) && denied.unwrap_or(true));
            }
        }
        match denied {
            Some(true) => reading.denied.insert(tag.name.to_owned()),
            Some(false) => reading.tags.insert(tag.name.to_owned()),
            None => false,
        };
    }
    reading
}

fn is_denied(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).unwrap_or_default().trim_end();
    let after = text.get(end..).unwrap_or_default().trim_start();
    let ends_with_word =
        |word: &str| before.strip_suffix(word).is_some_and(|rest| !word.is_ascii() || !rest.ends_with(|c: char| c.is_ascii_alphanumeric()));
    if DOUBTED_BEFORE.iter().any(|word| before.ends_with(word)) {
        return false;
    }
    DENIED_BEFORE.iter().any(|word| ends_with_word(word)) || DENIED_AFTER.iter().any(|word| after.starts_with(word))
}

/// Which of a customer's safety facts forbid a service with these contraindications.
pub(crate) fn conflicts(safety: &BTreeSet<String>, contraindications: &[String]) -> Vec<String> {
    let forbidden: BTreeSet<String> = contraindications.iter().flat_map(|text| read(text).all()).collect();
    safety.iter().filter(|fact| forbidden.iter().any(|tag| same(fact, tag))).cloned().collect()
}

/// Known tags are equal or different; words nobody knows also match when one contains the other.
fn same(fact: &str, tag: &str) -> bool {
    if fact == tag {
        return true;
    }
    let known = |text: &str| TAGS.iter().any(|tag| tag.name == text);
    let contains = |text: &str, word: &str| word.chars().count() > 1 && words::find(text, word).is_some();
    !known(fact) && !known(tag) && (contains(fact, tag) || contains(tag, fact))
}

/// A safety fact for people: `利多卡因过敏 (lidocaine)`, or the word as it was said.
pub(crate) fn label(fact: &str) -> String {
    let name = words::normalise(fact).replace(' ', "_");
    match TAGS.iter().find(|tag| tag.name == name) {
        Some(tag) => format!("{} ({})", tag.label, tag.name),
        None => fact.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{conflicts, label, overheard, read};
    use crate::{
        clinic::vocabulary::{Kind, TAGS},
        words::normalise,
    };

    fn tags(text: &str) -> Vec<String> {
        read(text).tags.into_iter().collect()
    }

    #[test]
    fn the_vocabulary_is_normalised_and_names_are_unique() {
        let names: BTreeSet<_> = TAGS.iter().map(|tag| tag.name).collect();
        assert_eq!(names.len(), TAGS.len());
        for tag in TAGS {
            assert!(!tag.label.is_empty());
            for word in tag.words {
                assert_eq!(*word, normalise(word), "{}", tag.name);
            }
            assert_eq!(tags(tag.name), [tag.name], "a tag must read as itself alone");
        }
        assert!(TAGS.iter().any(|tag| tag.kind == Kind::Allergen));
    }

    #[test]
    fn synonyms_in_both_languages_become_tags() {
        for (text, tag) in [
            ("利多卡因", "lidocaine"),
            ("对麻药过敏", "lidocaine"),
            ("怀孕3个月", "pregnancy"),
            ("Pregnant", "pregnancy"),
            ("哺乳期", "breastfeeding"),
            ("疤痕体质", "keloid"),
            ("光敏性皮肤", "photosensitivity"),
            ("青霉素", "penicillin"),
            ("系统性红斑狼疮", "autoimmune"),
            ("凝血功能异常", "bleeding_disorder"),
            ("II型糖尿病", "diabetes"),
            ("high blood pressure", "hypertension"),
            ("装有心脏起搏器", "pacemaker"),
            ("活动性疱疹", "skin_infection"),
            ("玻尿酸", "hyaluronic_acid"),
            ("肉毒毒素", "botulinum"),
            ("胶原蛋白", "collagen"),
            ("EGGS", "egg"),
        ] {
            assert!(read(text).tags.contains(tag), "{text} → {:?}", read(text));
        }
    }

    #[test]
    fn several_facts_in_one_string_are_all_read() {
        let reading = read("利多卡因、花生，hypertension");
        assert_eq!(reading.tags, BTreeSet::from(["lidocaine".to_owned(), "hypertension".to_owned()]));
        assert_eq!(reading.unknown, BTreeSet::from(["花生".to_owned()]));
    }

    #[test]
    fn denials_are_told_apart_and_nothing_is_nothing() {
        assert!(read("未怀孕").tags.is_empty());
        assert!(read("未怀孕").denied.contains("pregnancy"));
        assert!(read("not pregnant").denied.contains("pregnancy"));
        assert!(read("青霉素不过敏").denied.contains("penicillin"));
        assert!(read("之前没怀孕，现在怀孕了").tags.contains("pregnancy"));
        assert!(read("不知道是不是怀孕了").tags.contains("pregnancy"), "doubt counts as said");
        assert!(overheard("想改善妊娠纹和鱼尾纹").tags.is_empty());
        assert_eq!(read("无"), super::Reading::default());
        assert_eq!(read("None"), super::Reading::default());
    }

    #[test]
    fn overheard_substances_count_only_beside_an_allergy() {
        assert!(overheard("想打肉毒瘦脸").tags.is_empty());
        assert!(overheard("我对肉毒过敏").tags.contains("botulinum"));
        assert!(overheard("我怀孕了").tags.contains("pregnancy"));
    }

    #[test]
    fn both_sides_are_read_before_they_are_compared() {
        let safety = |fact: &str| read(fact).all();
        assert_eq!(conflicts(&safety("疤痕体质"), &["瘢痕体质".into()]), ["keloid"]);
        assert_eq!(conflicts(&safety("pregnant"), &["pregnancy".into(), "lidocaine".into()]), ["pregnancy"]);
        assert_eq!(conflicts(&safety("花生过敏"), &["花生".into()]), ["花生过敏"]);
        assert!(conflicts(&safety("花生"), &["lidocaine".into()]).is_empty());
        assert!(conflicts(&safety("无"), &["lidocaine".into()]).is_empty());
    }

    #[test]
    fn labels_are_for_people() {
        assert_eq!(label("keloid"), "瘢痕体质 (keloid)");
        assert_eq!(label("花生"), "花生");
    }
}
