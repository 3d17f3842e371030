//! Amounts in what people type: `5,000元`, `1.5万`, `8k`, `三天`, `两周`, `at most 3 sessions`.
//!
//! A Chinese numeral counts only before a unit or as a round number (`五千`): the 一 of 一点 is no amount.

/// What an amount is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Yuan.
    Money,
    /// Days; weeks and months are turned into days.
    Days,
    /// Sessions or visits.
    Sessions,
    /// Percent.
    Percent,
    /// Years of age.
    Years,
    /// Not said.
    None,
}

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) value: f64,
    pub(crate) unit: Unit,
}

/// Units with what one of them is worth. Longer words go first, so that `个月` is not read as `个`.
const UNITS: &[(&str, Unit, f64)] = &[
    ("percent", Unit::Percent, 1.0),
    ("%", Unit::Percent, 1.0),
    ("years old", Unit::Years, 1.0),
    ("year old", Unit::Years, 1.0),
    ("周岁", Unit::Years, 1.0),
    ("岁", Unit::Years, 1.0),
    ("个星期", Unit::Days, 7.0),
    ("个礼拜", Unit::Days, 7.0),
    ("星期", Unit::Days, 7.0),
    ("礼拜", Unit::Days, 7.0),
    ("周", Unit::Days, 7.0),
    ("week", Unit::Days, 7.0),
    ("个月", Unit::Days, 30.0),
    ("month", Unit::Days, 30.0),
    ("天", Unit::Days, 1.0),
    ("日", Unit::Days, 1.0),
    ("day", Unit::Days, 1.0),
    ("次", Unit::Sessions, 1.0),
    ("回", Unit::Sessions, 1.0),
    ("session", Unit::Sessions, 1.0),
    ("time", Unit::Sessions, 1.0),
    ("visit", Unit::Sessions, 1.0),
    ("treatment", Unit::Sessions, 1.0),
    ("元", Unit::Money, 1.0),
    ("块", Unit::Money, 1.0),
    ("yuan", Unit::Money, 1.0),
    ("rmb", Unit::Money, 1.0),
    ("cny", Unit::Money, 1.0),
];
const MULTIPLIERS: &[(&str, f64)] = &[("万", 10_000.0), ("千", 1_000.0), ("百", 100.0), ("k", 1_000.0), ("w", 10_000.0)];
const BEFORE_MONEY: &[&str] = &["¥", "￥", "rmb", "cny"];

/// Every amount in `text` (normalised), in order.
pub(crate) fn read(text: &str) -> Vec<Quantity> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut before = String::new();
    while let Some(c) = rest.chars().next() {
        let taken = if c.is_ascii_digit() { digits(rest) } else { numeral(rest) };
        if let Some((quantity, after)) = taken.and_then(|(value, after)| with_unit(value, after, &before, c.is_ascii_digit())) {
            found.push(quantity);
            before.clear();
            rest = after;
        } else {
            before.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    found
}

fn with_unit<'a>(value: f64, after: &'a str, before: &str, arabic: bool) -> Option<(Quantity, &'a str)> {
    let mut rest = after.trim_start();
    let mut value = value;
    for (word, factor) in MULTIPLIERS {
        if let Some(after) =
            rest.strip_prefix(word).filter(|after| !word.is_ascii() || !after.starts_with(|c: char| c.is_ascii_alphabetic()))
        {
            value *= factor;
            rest = after.trim_start();
        }
    }
    rest = ["多", "来", "个工作"].iter().find_map(|filler| rest.strip_prefix(filler)).unwrap_or(rest);
    if let Some((word, unit, worth)) = UNITS.iter().find(|(word, _, _)| rest.starts_with(word)) {
        return Some((Quantity { value: value * worth, unit: *unit }, rest.get(word.len()..).unwrap_or_default()));
    }
    let before = before.trim_end();
    let unit = if BEFORE_MONEY.iter().any(|word| before.ends_with(word)) { Unit::Money } else { Unit::None };
    (arabic || value >= 100.0).then_some((Quantity { value, unit }, rest))
}

/// `5,000.5` at the start of `text`, and what follows it.
fn digits(text: &str) -> Option<(f64, &str)> {
    let mut number = String::new();
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let more = text.get(at + c.len_utf8()..).unwrap_or_default();
        let thousands = c == ',' && more.chars().take_while(char::is_ascii_digit).count() == 3;
        let point = c == '.' && !number.contains('.') && more.starts_with(|next: char| next.is_ascii_digit());
        if c.is_ascii_digit() || point {
            number.push(c);
        } else if !thousands {
            break;
        }
        end = at + c.len_utf8();
    }
    Some((number.parse().ok()?, text.get(end..)?))
}

/// `三`, `十五`, `一万二千`, `半` at the start of `text`, and what follows it.
fn numeral(text: &str) -> Option<(f64, &str)> {
    let (mut total, mut section, mut digit, mut end) = (0.0, 0.0, None, 0);
    for (at, c) in text.char_indices() {
        if let Some(value) = digit_of(c) {
            digit = Some(value);
        } else if let Some(factor) =
            [('十', 10.0), ('百', 100.0), ('千', 1_000.0)].iter().find(|(name, _)| *name == c).map(|(_, factor)| factor)
        {
            section += digit.take().unwrap_or(1.0) * factor;
        } else if c == '万' {
            total += (section + digit.take().unwrap_or(0.0)) * 10_000.0;
            section = 0.0;
        } else {
            break;
        }
        end = at + c.len_utf8();
    }
    (end > 0).then_some((total + section + digit.unwrap_or(0.0), text.get(end..).unwrap_or_default()))
}

fn digit_of(c: char) -> Option<f64> {
    if c == '半' {
        return Some(0.5);
    }
    if c == '两' {
        return Some(2.0);
    }
    "零一二三四五六七八九".chars().position(|digit| digit == c).map(|value| value as f64)
}

#[cfg(test)]
mod tests {
    use super::{Unit, read};

    fn one(text: &str) -> (f64, Unit) {
        let found = read(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        (found[0].value, found[0].unit)
    }

    #[test]
    fn money_is_read_with_and_without_its_unit() {
        for (text, value, unit) in [
            ("预算5,000元", 5_000.0, Unit::Money),
            ("预算 1.5万", 15_000.0, Unit::None),
            ("8k以内", 8_000.0, Unit::None),
            ("under ¥3000", 3_000.0, Unit::Money),
            ("五千块", 5_000.0, Unit::Money),
            ("一万二千元", 12_000.0, Unit::Money),
            ("budget 6000 yuan", 6_000.0, Unit::Money),
            ("便宜20%", 20.0, Unit::Percent),
        ] {
            assert_eq!(one(text), (value, unit), "{text}");
        }
    }

    #[test]
    fn time_and_sessions_are_read_in_their_units() {
        assert_eq!(one("恢复期三天"), (3.0, Unit::Days));
        assert_eq!(one("恢复期最多一周"), (7.0, Unit::Days));
        assert_eq!(one("within two weeks, 2 weeks"), (14.0, Unit::Days));
        assert_eq!(one("3个月内"), (90.0, Unit::Days));
        assert_eq!(one("最多两次"), (2.0, Unit::Sessions));
        assert_eq!(one("at most 3 sessions"), (3.0, Unit::Sessions));
        assert_eq!(one("十五天"), (15.0, Unit::Days));
        assert_eq!(one("16岁"), (16.0, Unit::Years));
    }

    #[test]
    fn words_that_only_look_like_numbers_are_none() {
        assert!(read("便宜一点").is_empty());
        assert!(read("一下子太多").is_empty());
        assert_eq!(read("5000到8000元").len(), 2);
    }
}
