//! The users of a measured installation.

use std::ops::Range;

use anyhow::{Context, Result};
use serde_json::json;

/// 2026-01-01 in milliseconds since 1970: when the first user registered.
const FIRST_REGISTERED: i64 = 1_767_225_600_000;

/// The users with these numbers as JSON lines.
pub(crate) fn people(numbers: Range<u64>) -> Result<String> {
    const FAMILY: [&str; 10] = ["王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周"];
    const GIVEN: [&str; 7] = ["伟", "芳", "晓雯", "静怡", "敏", "子涵", "欣然"];
    let mut lines = String::new();
    for (number, (family, given)) in numbers.zip(FAMILY.iter().cycle().zip(GIVEN.iter().cycle())) {
        let registered = chrono::DateTime::from_timestamp_millis(FIRST_REGISTERED + (number as i64) * 60_000);
        let person = json!({
            "id": format!("usr_{number:08}"),
            "username": format!("{family}{given}"),
            "email": format!("user{number}@example.com"),
            "phone": format!("138{number:08}"),
            "roles": ["customer"],
            "registered_at": registered.context("a date")?.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        });
        lines.push_str(&person.to_string());
        lines.push('\n');
    }
    Ok(lines)
}
