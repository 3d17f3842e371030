//! Finding words in what people type, Chinese or English.
//!
//! Chinese has no spaces, so a Chinese word is found anywhere; a Latin one only between word boundaries, so that
//! `egg` is not found in `beggar`. Nothing here knows what a word means.

use std::ops::Range;

/// Lower case, half-width, single spaces, and `_` and `-` as spaces: the form every comparison uses.
pub(crate) fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = half_width(c);
        if c.is_whitespace() || c == '_' || c == '-' {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// Where `word` stands in `text` (both normalised). A Latin word may carry a plural `s`.
pub(crate) fn find(text: &str, word: &str) -> Option<Range<usize>> {
    occurrences(text, word).next()
}

/// Every place where `word` stands in `text` (both normalised).
pub(crate) fn occurrences<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    text.match_indices(word)
        .map(|(at, found)| at..at + found.len())
        .filter(move |place| !word.is_empty() && starts_a_word(text, word, place.start) && ends_a_word(text, word, place.end))
}

/// Whether any of `words` stands in `text` (all normalised).
pub(crate) fn any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| find(text, word).is_some())
}

fn starts_a_word(text: &str, word: &str, start: usize) -> bool {
    let latin = |c: char| c.is_ascii_alphanumeric();
    !word.starts_with(latin) || !text.get(..start).is_some_and(|before| before.ends_with(latin))
}

fn ends_a_word(text: &str, word: &str, end: usize) -> bool {
    let latin = |c: char| c.is_ascii_alphanumeric();
    let after = text.get(end..).unwrap_or_default();
    let after = after.strip_prefix('s').unwrap_or(after);
    !word.ends_with(latin) || !after.starts_with(latin)
}

/// Splits a list that somebody typed into one string: `利多卡因、青霉素, eggs`.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(['、', '，', ',', '；', ';', '/', '\n', '。']).map(str::trim).filter(|piece| !piece.is_empty())
}

/// How alike two texts are, 0 to 1: Dice's coefficient over pairs of neighbouring characters.
pub(crate) fn similarity(a: &str, b: &str) -> f64 {
    let (a, b) = (normalise(a), normalise(b));
    if a == b {
        return 1.0;
    }
    let (a, mut b) = (pairs(&a), pairs(&b));
    let total = a.len() + b.len();
    if total == 0 {
        return 0.0;
    }
    let mut shared = 0_u32;
    for pair in &a {
        if let Some(at) = b.iter().position(|other| other == pair) {
            b.swap_remove(at);
            shared += 1;
        }
    }
    f64::from(2 * shared) / total as f64
}

fn pairs(text: &str) -> Vec<(char, char)> {
    text.chars().zip(text.chars().skip(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::{find, normalise, pieces, similarity};

    #[test]
    fn width_case_and_separators_do_not_matter() {
        assert_eq!(normalise("  ＬＩＤＯcaine_Allergy--x "), "lidocaine allergy x");
    }

    #[test]
    fn latin_words_need_boundaries_and_chinese_ones_do_not() {
        assert!(find("beggar", "egg").is_none());
        assert!(find("allergic to eggs", "egg").is_some());
        assert!(find("对egg过敏", "egg").is_some());
        assert!(find("我对利多卡因过敏", "利多卡因").is_some());
        assert!(find("anything", "").is_none());
    }

    #[test]
    fn lists_typed_as_one_string_are_split() {
        assert_eq!(pieces("利多卡因、青霉素, eggs；").collect::<Vec<_>>(), ["利多卡因", "青霉素", "eggs"]);
    }

    #[test]
    fn likeness_is_one_for_the_same_and_zero_for_strangers() {
        assert!((similarity("光子嫩肤", "光子嫩肤") - 1.0).abs() < 1e-9);
        assert!(similarity("光子嫩肤", "光子美肤") > 0.2);
        assert!(similarity("光子嫩肤", "abc") < 1e-9);
        assert!(similarity("", "x") < 1e-9);
    }
}
