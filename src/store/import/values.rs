//! The forms in which files write values: times, amounts, lists, flags.
//!
//! A value comes as JSON; a cell of a CSV file is a JSON string. Every function answers with the value, or with what
//! is wrong and what is expected. Amounts are read as decimals, digit by digit: a float never touches money.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;

/// Longest name, title or tag, in characters.
const NAME_MAX: usize = 200;
/// Longest text of any kind, in bytes: four times what a webhook may bring.
const TEXT_MAX: usize = 4 << 20;
/// 1990 and 2100: a time outside is a number in another unit.
const EARLIEST_MS: i64 = 631_152_000_000;
const LATEST_MS: i64 = 4_102_444_800_000;

type Read<T> = Result<T, String>;

fn refuse<T>(value: &Value, expected: &str) -> Read<T> {
    let shown: String = match value {
        Value::String(text) => text.chars().take(60).collect(),
        other => other.to_string().chars().take(60).collect(),
    };
    Err(format!("`{shown}` is not understood; expected {expected}"))
}

/// Text of any length, with what is around it cut off.
pub(super) fn text(value: &Value) -> Read<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return refuse(value, "a text"),
    };
    if text.len() > TEXT_MAX {
        return Err(format!("it has {} bytes; expected {TEXT_MAX} at most", text.len()));
    }
    Ok(text)
}

/// A short text on one line.
pub(super) fn name(value: &Value) -> Read<String> {
    let text = text(value)?;
    if text.chars().count() > NAME_MAX {
        return Err(format!("it has {} characters; expected {NAME_MAX} at most", text.chars().count()));
    }
    if text.chars().any(char::is_control) { refuse(value, "a text on one line, without control characters") } else { Ok(text) }
}

/// An id of the app.
pub(super) fn id(value: &Value) -> Read<String> {
    let text = text(value)?;
    match crate::ids::AppId::try_from(text) {
        Ok(id) => Ok(id.as_str().to_owned()),
        Err(_) => refuse(value, "an id of 1 to 64 letters, digits, `_` or `-`, such as usr_0123456789abcdef"),
    }
}

/// An e-mail address.
pub(super) fn email(value: &Value) -> Read<String> {
    let text = text(value)?;
    let good = text.len() <= 254
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if good { Ok(text) } else { refuse(value, "an e-mail address, such as lina@example.com") }
}

/// A phone number in any spelling; the store leaves out what is between its digits.
pub(super) fn phone(value: &Value) -> Read<String> {
    let text = text(value)?;
    let compact = crate::store::users::compact_phone(&text);
    let digits = compact.strip_prefix('+').unwrap_or(&compact);
    let good = (3..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if good { Ok(compact.into_owned()) } else { refuse(value, "3 to 20 digits, such as 13812348888 or +86 138-1234-8888") }
}

/// One of some words.
pub(super) fn choice(value: &Value, words: &[&str]) -> Read<String> {
    let text = text(value)?.to_ascii_lowercase();
    if words.contains(&text.as_str()) { Ok(text) } else { refuse(value, &words.join(", ")) }
}

/// A whole number within bounds.
pub(super) fn number(value: &Value, least: i64, most: i64) -> Read<i64> {
    let whole = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match whole {
        Some(whole) if (least..=most).contains(&whole) => Ok(whole),
        _ => refuse(value, &format!("a whole number from {least} to {most}")),
    }
}

/// Yes or no.
pub(super) fn flag(value: &Value) -> Read<bool> {
    let text = match value {
        Value::Bool(flag) => return Ok(*flag),
        other => text(other)?.to_ascii_lowercase(),
    };
    match text.as_str() {
        "true" | "1" | "yes" | "t" | "y" | "是" => Ok(true),
        "false" | "0" | "no" | "f" | "n" | "否" => Ok(false),
        _ => refuse(value, "true or false"),
    }
}

/// An amount in yuan, as fen.
pub(super) fn fen(value: &Value) -> Read<i64> {
    let text = match value {
        Value::String(text) => text.trim().trim_start_matches(['¥', '￥']).trim_start().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    decimal_fen(&text).map_or_else(|| refuse(value, "an amount in yuan with at most two decimals, such as 1980 or 1980.50"), Ok)
}

fn decimal_fen(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = ungrouped(whole)?;
    // Zeros after the second decimal say nothing.
    let cents = fraction.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if fraction.is_empty() || cents.len() > 2 || !digits(&whole) || !digits(fraction) {
        return None;
    }
    let cents: i64 = format!("{cents:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)
}

/// `1,980` → `1980`; commas anywhere else make it no amount.
fn ungrouped(whole: &str) -> Option<String> {
    let mut groups = whole.split(',');
    let first = groups.next().filter(|first| !first.is_empty())?;
    let mut digits = first.to_owned();
    for group in groups {
        if group.len() != 3 || first.len() > 3 {
            return None;
        }
        digits.push_str(group);
    }
    Some(digits)
}

/// A time: RFC 3339, a date or date and time at the clinic (UTC+8), or milliseconds since 1970.
pub(super) fn time(value: &Value) -> Read<DateTime<Utc>> {
    let found = match value {
        Value::Number(number) => number.as_i64().and_then(DateTime::from_timestamp_millis),
        Value::String(text) => written_time(text.trim()),
        _ => None,
    };
    match found {
        Some(time) if (EARLIEST_MS..LATEST_MS).contains(&time.timestamp_millis()) => Ok(time),
        _ => refuse(
            value,
            "a time from 1990 to 2099: 2026-05-20T18:00:00+08:00, 2026-05-20 18:00 or 2026-05-20 (at the clinic, UTC+8), or milliseconds since 1970",
        ),
    }
}

fn written_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(ms) = text.parse() {
        return DateTime::from_timestamp_millis(ms);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let local = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    let local = local.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).or_else(date)?;
    let clinic = FixedOffset::east_opt(8 * 3600)?;
    Some(local.and_local_timezone(clinic).single()?.to_utc())
}

/// A list: a JSON array of texts, or a text whose parts are separated by `;` or `|`.
pub(super) fn list(value: &Value) -> Read<Vec<String>> {
    let expected = "a list such as [\"a\", \"b\"] or a;b";
    let parsed;
    let items = match value {
        Value::Array(items) => items,
        Value::String(text) if text.trim_start().starts_with('[') => {
            parsed = serde_json::from_str::<Vec<Value>>(text).or_else(|_| refuse(value, expected))?;
            &parsed
        }
        Value::String(text) => {
            let parts = text.split([';', '；', '|']).map(str::trim).filter(|part| !part.is_empty());
            return parts.map(|part| name(&Value::from(part))).collect();
        }
        _ => return refuse(value, expected),
    };
    items.iter().map(name).filter(|item| item.as_ref().map_or(true, |item| !item.is_empty())).collect()
}

/// A list of tags. Allergies are compared with contraindications, so that `Metal Implant` must be `metal_implant`.
pub(super) fn tags(value: &Value) -> Read<Vec<String>> {
    Ok(list(value)?.into_iter().map(|tag| tag.to_lowercase().replace([' ', '-'], "_")).collect())
}

/// A JSON object.
pub(super) fn object(value: &Value) -> Read<Value> {
    let expected = "a JSON object";
    let parsed = match value {
        Value::String(text) => serde_json::from_str(text).or_else(|_| refuse(value, expected))?,
        other => other.clone(),
    };
    if parsed.is_object() { Ok(parsed) } else { refuse(value, expected) }
}

/// A message: a JSON object as it is, any other text as `{"text": …}`.
pub(super) fn content(value: &Value) -> Read<Value> {
    match value {
        Value::Object(_) => Ok(value.clone()),
        Value::String(written) => match serde_json::from_str(written) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            _ => text(value).map(|text| serde_json::json!({ "text": text })),
        },
        _ => refuse(value, "a text, or a JSON object such as {\"text\": \"…\"}"),
    }
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
