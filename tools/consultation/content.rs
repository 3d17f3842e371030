//! The readable text of a stored message.
//!
//! The app stores `{"text": …}` for text, `media_info` for media, an event name for system messages and a card for
//! structured ones. What has no text gets a short label; a form nobody knows is shown as its JSON, cut short.

use serde_json::Value;

/// Longest JSON shown in place of a text.
const JSON_CHARS: usize = 500;

/// What a person would read.
pub(super) fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(_) => object(content),
        other => shortened(other),
    }
}

fn object(content: &Value) -> String {
    let field = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let media = || field("/media_info/name").or_else(|| field("/media_info/url")).map(|name| format!("[媒体 / media: {name}]"));
    let title = || field("/title").or_else(|| field("/data/title"));
    let event = || field("/system_event_type").map(|event| format!("[系统 / system: {event}]"));
    match (field("/text"), media()) {
        (Some(text), Some(media)) => format!("{text} {media}"),
        (Some(text), None) => text.to_owned(),
        (None, Some(media)) => media,
        (None, None) => title().map(str::to_owned).or_else(event).unwrap_or_else(|| shortened(content)),
    }
}

fn shortened(value: &Value) -> String {
    let json = value.to_string();
    match json.char_indices().nth(JSON_CHARS) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()),
        None => json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn each_form_of_the_app_has_a_text() {
        assert_eq!(text(&json!("你好")), "你好");
        assert_eq!(text(&json!({"text": "你好", "source": "registration_automation"})), "你好");
        assert_eq!(text(&json!({"media_info": {"name": "a.jpg", "url": "/a.jpg"}})), "[媒体 / media: a.jpg]");
        assert_eq!(text(&json!({"text": "看这里", "media_info": {"url": "/a.jpg"}})), "看这里 [媒体 / media: /a.jpg]");
        assert_eq!(text(&json!({"system_event_type": "takeover"})), "[系统 / system: takeover]");
        assert_eq!(text(&json!({"card_type": "appointment", "title": "预约确认"})), "预约确认");
    }

    #[test]
    fn an_unknown_form_is_its_json_cut_short() {
        assert_eq!(text(&json!({"a": 1})), r#"{"a":1}"#);
        assert_eq!(text(&json!(null)), "");
        let long = text(&json!({"a": "很".repeat(2_000)}));
        assert_eq!(long.chars().count(), 501);
        assert!(long.ends_with('…'));
    }
}
