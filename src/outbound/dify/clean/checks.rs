//! What no welcome may hold: links, e-mail addresses, long numbers.
//!
//! Everything is looked for in the compatibility form of the text, in small letters and without what cannot be seen.

use unicode_normalization::UnicodeNormalization;

use super::{Refusal, is_invisible};

/// Digits in a row that may be a phone number, an id or a card.
const DIGITS_IN_A_ROW: usize = 7;
/// The same with spaces, dots or hyphens between them; a date has fewer, and so has a range of prices.
const DIGITS_IN_ALL: usize = 11;
/// The same in three groups or more, as numbers of services are written; a range of prices has two.
const DIGITS_IN_GROUPS: usize = 10;
/// The most that can stand between two groups of one number.
const LONGEST_GAP: usize = 3;
/// Endings that make a name with a dot an address.
const DOMAINS: [&str; 28] = [
    "com", "cn", "net", "org", "io", "co", "me", "cc", "tv", "xyz", "top", "vip", "shop", "site", "club", "info", "biz", "app", "dev",
    "ru", "hk", "tw", "us", "uk", "ai", "link", "ly", "online",
];

/// Refuses links, addresses and long numbers.
pub(super) fn refuse(text: &str) -> Result<(), Refusal> {
    let plain: String = text.nfkc().filter(|c| !is_invisible(*c) && !matches!(c, '\u{fe00}'..='\u{fe0f}')).collect();
    let lower = plain.to_lowercase();
    if has_email(&lower) {
        return Err(Refusal::Email);
    }
    if has_link(&lower) {
        return Err(Refusal::Link);
    }
    if has_long_number(&lower) { Err(Refusal::Digits) } else { Ok(()) }
}

fn has_email(text: &str) -> bool {
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let after = chars.peek().copied().unwrap_or(' ');
        if c == '@' && before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric() {
            return true;
        }
        before = c;
    }
    false
}

fn has_link(text: &str) -> bool {
    let marks = ["://", "www.", "](", "![", "javascript:", "data:image", "data:text", "mailto:", "http:", "https:", "href=", "src="];
    marks.iter().any(|mark| text.contains(mark)) || has_domain(text)
}

/// `name.com`, also with the dots that browsers take for one.
fn has_domain(text: &str) -> bool {
    let dotted: String = text.chars().map(|c| if matches!(c, '。' | '．' | '｡') { '.' } else { c }).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    dotted.split(|c| !is_part(c)).any(|word| {
        let word = word.trim_matches(['.', '-']);
        let Some((name, _)) = word.split_once('.') else { return false };
        let mut labels = word.split('.').skip(1);
        !name.is_empty() && (labels.any(|label| DOMAINS.contains(&label)) || is_ip(word))
    })
}

fn is_ip(word: &str) -> bool {
    word.parse::<std::net::Ipv4Addr>().is_ok()
}

fn has_long_number(text: &str) -> bool {
    let (mut in_row, mut in_all, mut groups, mut gap) = (0, 0, 0, 0);
    for c in text.chars() {
        if is_digit(c) {
            groups += usize::from(in_row == 0);
            in_row += 1;
            in_all += 1;
            gap = 0;
            if in_row >= DIGITS_IN_A_ROW || in_all >= DIGITS_IN_ALL || (in_all >= DIGITS_IN_GROUPS && groups >= 3) {
                return true;
            }
        } else {
            in_row = 0;
            gap += 1;
            let joins = matches!(c, ' ' | '-' | '.' | '·' | '_' | '/' | '(' | ')' | '‐'..='―');
            if !joins || gap > LONGEST_GAP {
                (in_all, groups) = (0, 0);
            }
        }
    }
    false
}

/// Digits of any script, and the Chinese ones that spell a number out.
fn is_digit(c: char) -> bool {
    c.is_numeric() || matches!(c, '零' | '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' | '幺')
}
