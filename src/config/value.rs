//! The check of a single value: its type, its range, its form, whatever the other keys say.

use figment::{Figment, value::Value};

use super::{ByteSize, Config, HumanDuration, KeyInfo, catalogue::Kind, layers::Leaf, sample::one_line, validate::web_url};

/// What is wrong with one value on its own: its type, its range, its form.
pub(super) fn check(leaf: &Leaf, info: &KeyInfo) -> Result<(), String> {
    let alone = Figment::new().merge(leaf.clone());
    if alone.extract::<Config>().is_err() {
        return Err(format!("found {}, expected {}", found(&leaf.value, info), info.expected()));
    }
    range(&leaf.value, info)?;
    match (&info.kind, leaf.value.as_str()) {
        (Kind::Path, Some(path)) if path.starts_with('~') => Err("`~` is not expanded here; write the whole path".to_owned()),
        (Kind::Path, Some("")) => Err("is empty; write a path".to_owned()),
        (Kind::Url, Some(text)) => web_url(text).map(drop),
        _ => Ok(()),
    }
}

/// A value as it may be shown in a message.
fn found(value: &Value, info: &KeyInfo) -> String {
    let (name, shown) = match value {
        Value::String(..) | Value::Char(..) => ("the text", true),
        Value::Bool(..) => ("", true),
        Value::Num(..) => ("the number", true),
        Value::Array(..) => ("the list", true),
        Value::Dict(..) => ("a table", false),
        Value::Empty(..) => ("nothing", false),
    };
    if info.secret || !shown {
        return name.replacen("the ", "a ", 1);
    }
    let text = one_line(&serde_json::to_value(value).unwrap_or_default());
    let text = if text.chars().count() > 80 { text.chars().take(79).chain(['…']).collect() } else { text };
    format!("{name} {text}").trim_start().to_owned()
}

/// Whether a value lies within the range of its key. Both are read by the key's own type.
fn range(value: &Value, info: &KeyInfo) -> Result<(), String> {
    let (least, greatest) = &info.range;
    let measure = |value: &serde_json::Value| amount(value, &info.kind);
    let Some(given) = serde_json::to_value(value).ok().as_ref().and_then(measure) else {
        return Ok(());
    };
    let below = least.as_ref().and_then(measure).is_some_and(|least| given < least);
    let above = greatest.as_ref().and_then(measure).is_some_and(|greatest| given > greatest);
    if !below && !above {
        return Ok(());
    }
    let said = range_text(info).unwrap_or_default();
    Err(format!("{} is out of range; allowed: {said}", found(value, info)))
}

/// The range of a key in words.
pub(super) fn range_text(info: &KeyInfo) -> Option<String> {
    let shown = |value: &serde_json::Value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    match &info.range {
        (None, None) => None,
        (Some(least), None) => Some(format!("at least {}", shown(least))),
        (None, Some(greatest)) => Some(format!("at most {}", shown(greatest))),
        (Some(least), Some(greatest)) => Some(format!("{} to {}", shown(least), shown(greatest))),
    }
}

fn amount(value: &serde_json::Value, kind: &Kind) -> Option<f64> {
    match (kind, value) {
        (Kind::Duration, serde_json::Value::String(text)) => Some(text.parse::<HumanDuration>().ok()?.as_secs_f64()),
        (Kind::Size, serde_json::Value::String(text)) => Some(text.parse::<ByteSize>().ok()?.bytes() as f64),
        (_, number) => number.as_f64(),
    }
}
