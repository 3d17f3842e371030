//! Which language a text is in, as far as its script tells.
//!
//! A model that was asked in one language now and then answers in another. What tells it is the script: Han characters
//! or Latin letters. Names and brands in the other script are no sign of anything, so a text has to be mostly of its
//! own: among Han characters a Latin word weighs as much as one character. Traditional and simplified characters are
//! both Chinese here, and a text in Latin letters passes for English.

use unicode_normalization::UnicodeNormalization;

/// So much of a text must be in its language's script: less than the poorest Chinese sentence full of brand names has,
/// more than Japanese has, which writes about half of its characters in Han.
const PERCENT: usize = 60;

/// A language a welcome can be asked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Han characters.
    Chinese,
    /// Latin letters.
    English,
}

impl Language {
    /// Whether a text is mostly in this language's script. A text without letters is in every language.
    pub(super) fn is_language_of(self, text: &str) -> bool {
        let Script { han, latin_letters, latin_words, other } = Script::of(text);
        match self {
            Self::Chinese => is_mostly(han, han + latin_words + other),
            Self::English => is_mostly(latin_letters, latin_letters + han + other),
        }
    }
}

fn is_mostly(part: usize, whole: usize) -> bool {
    part * 100 >= whole * PERCENT
}

/// What a text is written in.
#[derive(Debug, Default)]
struct Script {
    han: usize,
    latin_letters: usize,
    latin_words: usize,
    other: usize,
}

impl Script {
    fn of(text: &str) -> Self {
        let mut script = Self::default();
        let mut in_word = false;
        for c in text.nfkc() {
            let is_latin = c.is_alphabetic() && c <= LAST_LATIN;
            if is_latin {
                script.latin_letters += 1;
                script.latin_words += usize::from(!in_word);
            } else if is_han(c) {
                script.han += 1;
            } else if c.is_alphabetic() {
                script.other += 1;
            }
            in_word = is_latin;
        }
        script
    }
}

/// The end of Latin Extended-B.
const LAST_LATIN: char = '\u{24f}';

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(text: &str) -> (bool, bool) {
        (Language::Chinese.is_language_of(text), Language::English.is_language_of(text))
    }

    #[test]
    fn chinese_with_names_and_brands_in_latin_letters_is_chinese() {
        for text in [
            "林晓月，您好！欢迎来到安美智享。",
            "Vivian Li，您好！欢迎加入安美智享 AnmeiSmart，顾问 Grace 很快会与您联系。",
            "您关注的紧致提升，可先了解 Thermage FLX、Ultherapy、Morpheus8，由医生面诊后确认。",
            "Ｗｅｌｃｏｍｅ，林小姐！很高兴认识您。🌟",
            "歡迎來到安美智享，很高興為您服務。",
        ] {
            assert_eq!(languages(text), (true, false), "{text}");
        }
    }

    #[test]
    fn english_with_chinese_names_is_english() {
        for text in [
            "Welcome to the clinic! Your consultant will be in touch soon.",
            "Dear 林晓月, welcome to 安美智享 (Anmei). Your consultant 陈悦 will be in touch soon.",
            "Hello Zoë, it's lovely to have you here: shall we talk about your skin?",
        ] {
            assert_eq!(languages(text), (false, true), "{text}");
        }
    }

    #[test]
    fn a_short_text_of_both_may_be_either() {
        for text in ["推荐：Botox、Juvéderm、HydraFacial，均为正品，欢迎咨询。", "Hi 李晓月, welcome to 安美智享!"]
        {
            assert_eq!(languages(text), (true, true), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_neither() {
        for text in [
            "林様、ようこそ安美智享へ。美容医療のご相談は、専門のカウンセラーが承ります。お気軽にどうぞ。",
            "안녕하세요, 林晓月 고객님. 안메이에 오신 것을 환영합니다.",
            "Здравствуйте, Линь! Добро пожаловать в клинику Anmei.",
            "สวัสดีค่ะ ยินดีต้อนรับ",
        ] {
            assert_eq!(languages(text), (false, false), "{text}");
        }
        assert_eq!(languages("🌟 8:30!"), (true, true), "nothing to judge by");
    }
}
