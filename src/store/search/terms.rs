//! What a query asks for, in the forms that the indexes know, and the column that the short ones are answered from.
//!
//! `users.name_chars` and a query's tokens are made by the same code, so they always agree. The full-text engine is given
//! quoted tokens only, and of those only what it keeps whole: a token it would split is a phrase, which an index
//! without positions refuses.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::store::users::compact_phone;

/// Longest query looked at, in characters: nobody's name is longer.
const QUERY_MAX: usize = 100;
/// What the indexes are asked for at most: each trigram and each token costs a walk through its rows. The rest of a longer
/// query is compared in Rust.
const PHRASE_MAX: usize = 12;
const TRIGRAM_WORDS: usize = 2;
const TOKENS: usize = 6;
/// Letters at the beginning of a Latin word that are tokens of their own.
const STARTS: usize = 2;

/// A query, normalised.
#[derive(Debug)]
pub(super) struct Terms {
    /// As typed, without control characters, runs of blanks and full-width forms.
    pub(super) typed: String,
    /// For comparison: lower case, no accents.
    pub(super) folded: String,
    /// The words of `folded`.
    pub(super) words: Vec<String>,
    /// The phone numbers it may mean, without and with the country code; none when it is no number.
    pub(super) phones: Vec<String>,
}

impl Terms {
    /// None for a query that holds nothing to look for.
    pub(super) fn new(query: &str) -> Option<Self> {
        let plain: String = query.nfkc().map(|c| if c.is_control() { ' ' } else { c }).take(QUERY_MAX).collect();
        let typed = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        let folded = fold(&typed);
        if folded.is_empty() {
            return None;
        }
        let words = folded.split(' ').map(str::to_owned).collect();
        let phones = phones(&typed);
        Some(Self { typed, folded, words, phones })
    }

    /// The query for `user_trigrams`: the whole text, its number, or its longest words; None when all are too short.
    pub(super) fn trigrams(&self) -> Option<String> {
        let mut ways = Vec::new();
        if long(&self.typed) {
            ways.push(quote(head(&self.typed)));
        }
        ways.extend(self.phones.first().filter(|phone| long(phone) && **phone != self.typed).map(|phone| quote(head(phone))));
        if self.words.len() > 1 {
            let mut words: Vec<&str> = self.typed.split(' ').filter(|word| long(word)).collect();
            words.sort_by_key(|word| std::cmp::Reverse(word.len()));
            words.dedup();
            let all: Vec<String> = words.into_iter().take(TRIGRAM_WORDS).map(|word| quote(head(word))).collect();
            if !all.is_empty() {
                ways.push(format!("({})", all.join(" AND ")));
            }
        }
        if ways.is_empty() { None } else { Some(ways.join(" OR ")) }
    }

    /// The query for `user_characters`: every run of the query, at the beginning of some word of the name.
    pub(super) fn characters(&self) -> Option<String> {
        let mut tokens = Vec::new();
        for run in runs(&self.folded) {
            match run {
                Run::Ideographs(text) => tokens.extend(pieces(text).map(quote)),
                Run::Letters(text) if text.chars().count() > STARTS => tokens.push(format!("{}*", quote(text))),
                Run::Letters(text) => tokens.push(quote(text)),
            }
        }
        tokens.sort();
        tokens.dedup();
        tokens.truncate(TOKENS);
        if tokens.is_empty() { None } else { Some(tokens.join(" AND ")) }
    }
}

/// Whether a text has trigrams.
fn long(text: &str) -> bool {
    text.chars().count() >= 3
}

/// The part of a text that the trigrams are asked for.
fn head(text: &str) -> &str {
    let end = text.char_indices().nth(PHRASE_MAX).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// `"…"`, with the quotes inside doubled: whatever the text holds, it is one string to the full-text engine.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn phones(typed: &str) -> Vec<String> {
    let compact = compact_phone(typed);
    let digits = compact.strip_prefix('+').unwrap_or(&compact);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    match digits.strip_prefix("86").or_else(|| digits.strip_prefix("0086")) {
        // Eight digits may be a number that happens to begin with 86.
        Some(local) if local.len() >= 6 => vec![local.to_owned(), format!("+86{local}"), digits.to_owned()],
        _ => vec![digits.to_owned(), format!("+86{digits}")],
    }
}

/// Text for comparison: compatibility forms, accents and case do not matter.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).nfc().collect()
}

/// The value of `users.name_chars`: Chinese characters singly and in pairs; of other words the first letter, the first
/// two, and the whole.
pub(in crate::store) fn name_chars(name: &str) -> String {
    let folded = fold(name);
    let mut tokens: Vec<&str> = Vec::new();
    for run in runs(&folded) {
        match run {
            Run::Ideographs(text) => {
                tokens.extend(text.split("").filter(|c| !c.is_empty()));
                tokens.extend(pieces(text).filter(|pair| pair.chars().count() > 1));
            }
            Run::Letters(text) => {
                let starts = text.char_indices().map(|(at, c)| at + c.len_utf8()).take(STARTS);
                tokens.extend(starts.filter_map(|end| text.get(..end)));
                if text.chars().count() > STARTS {
                    tokens.push(text);
                }
            }
        }
    }
    tokens.join(" ")
}

/// A stretch of a text that the index of characters knows.
#[derive(Debug, PartialEq, Eq)]
enum Run<'a> {
    /// Chinese characters, kana or hangul: no blanks tell their words apart.
    Ideographs(&'a str),
    /// Letters and digits of one word.
    Letters(&'a str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Ideograph,
    Letter,
    Other,
}

fn class(c: char) -> Class {
    match c {
        '0'..='9' | 'a'..='z' | 'A'..='Z' => Class::Letter,
        '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30fa}'
        | '\u{3400}'..='\u{4db5}'
        | '\u{4e00}'..='\u{9fcb}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{20000}'..='\u{2a6d6}' => Class::Ideograph,
        // Latin, Greek and Cyrillic, as far as the engine's tables know them as letters.
        '\u{00c0}'..='\u{024f}' | '\u{0370}'..='\u{0373}' | '\u{0386}'..='\u{03ff}' | '\u{0400}'..='\u{0527}' if c.is_alphabetic() => {
            Class::Letter
        }
        _ => Class::Other,
    }
}

fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| class(c) == Class::Other);
        let kind = class(rest.chars().next()?);
        let end = rest.find(|c| class(c) != kind).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        rest = tail;
        Some(if kind == Class::Ideograph { Run::Ideographs(run) } else { Run::Letters(run) })
    })
}

/// The pairs of neighbours, or the one character there is.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.char_indices().map(|(at, _)| at);
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).skip(1).chain((text.chars().count() == 1).then_some(text.len()));
    starts.zip(ends).filter_map(|(start, end)| text.get(start..end))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{Class, Run, Terms, class, fold, name_chars, runs};

    #[test]
    fn a_name_is_kept_by_its_characters_pairs_and_words() {
        assert_eq!(name_chars("张伟"), "张 伟 张伟");
        assert_eq!(name_chars("欧阳娜娜"), "欧 阳 娜 娜 欧阳 阳娜 娜娜");
        assert_eq!(name_chars("Li Na"), "l li n na");
        assert_eq!(name_chars("小鹿Lily🌸"), "小 鹿 小鹿 l li lily");
        assert_eq!(name_chars("ＪＯＳÉ"), "j jo jose");
        assert_eq!(name_chars("🌸 !?"), "");
    }

    #[test]
    fn folding_drops_case_accents_and_width() {
        assert_eq!(fold("ＪＯＳÉ Ångström"), "jose angstrom");
        assert_eq!(fold("한글 が"), "한글 か");
    }

    #[test]
    fn runs_are_cut_where_the_script_changes() {
        assert_eq!(runs("a1 张伟b-").collect::<Vec<_>>(), [Run::Letters("a1"), Run::Ideographs("张伟"), Run::Letters("b")]);
    }

    #[test]
    fn a_query_is_quoted_whatever_it_holds() {
        assert_eq!(Terms::new("a\"b OR c*").unwrap().trigrams().unwrap(), "\"a\"\"b OR c*\" OR (\"a\"\"b\")");
        assert_eq!(Terms::new("OR").unwrap().characters().unwrap(), "\"or\"");
        assert_eq!(Terms::new("Wei 欧阳娜").unwrap().characters().unwrap(), "\"wei\"* AND \"欧阳\" AND \"阳娜\"");
        assert_eq!(
            Terms::new("Emily emily Annabel of Nowhereland").unwrap().trigrams().unwrap(),
            "\"Emily emily \" OR (\"Nowhereland\" AND \"Annabel\")"
        );
        assert!(Terms::new(" \0\t ").is_none());
        assert!(Terms::new("\u{301}").is_none());
    }

    #[test]
    fn a_number_is_looked_for_with_and_without_its_country_code() {
        assert_eq!(Terms::new("138 1234").unwrap().phones, ["1381234", "+861381234"]);
        assert_eq!(Terms::new("+86 138-1234-8888").unwrap().phones, ["13812348888", "+8613812348888", "8613812348888"]);
        assert!(Terms::new("Li 138").unwrap().phones.is_empty());
    }

    /// The engine must take every run for one token: else a query would be a phrase, and fail.
    #[test]
    fn the_engine_keeps_every_letter_of_ours_whole() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE VIRTUAL TABLE t USING fts5 (x, tokenize = 'unicode61', detail = 'none')").unwrap();
        let mut ask = db.prepare("SELECT count(*) FROM t WHERE t MATCH ?1").unwrap();
        assert!(ask.query_row(["\"a-b\""], |row| row.get::<_, i64>(0)).is_err());
        let ours = ('\0'..='\u{2ffff}').filter(|c| class(*c) != Class::Other);
        let bad: Vec<String> = ours
            .filter(|c| ask.query_row([format!("\"a{c}b\"")], |row| row.get::<_, i64>(0)).is_err())
            .map(|c| format!("{:x}", u32::from(c)))
            .collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
}
