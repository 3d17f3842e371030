//! The check of a single value: its type, its range, its form, whatever the other keys say; and how a value is read
//! from the text that a person typed.

use figment::Figment;
use serde_json::Value;

use super::{ByteSize, Config, HumanDuration, KeyInfo, Language, catalogue::Kind, layers::Leaf, sample::one_line, validate::web_url};

/// What is wrong with one value on its own: its type, its range, its form.
pub(super) fn check(leaf: &Leaf, info: &KeyInfo) -> Result<(), String> {
    let given = serde_json::to_value(&leaf.value).unwrap_or_default();
    let alone = Figment::new().merge(leaf.clone());
    if alone.extract::<Config>().is_err() {
        return Err(format!("found {}, expected {}", info.found(&given, Language::En), info.expected()));
    }
    info.check(&given)
}

impl KeyInfo {
    /// What is wrong with a value of the right type: its range, its form.
    fn check(&self, value: &Value) -> Result<(), String> {
        if !self.allows(value) {
            let allowed = self.range_text(Language::En).unwrap_or_default();
            return Err(format!("{} is out of range; allowed: {allowed}", self.found(value, Language::En)));
        }
        match (&self.kind, value.as_str()) {
            (Kind::Path, Some(path)) if path.starts_with('~') => Err("`~` is not expanded here; write the whole path".to_owned()),
            (Kind::Path, Some("")) => Err("is empty; write a path".to_owned()),
            (Kind::Url, Some(text)) => web_url(text).map(drop),
            _ => Ok(()),
        }
    }

    /// Whether a value of the right type is within the range, in size and in length.
    pub fn allows(&self, value: &Value) -> bool {
        let inside = match value {
            Value::Array(entries) => entries.iter().all(|entry| self.holds(entry)),
            one => self.holds(one),
        };
        inside && self.is_long_enough(value)
    }

    /// A value as it may be shown in a message.
    pub fn found(&self, value: &Value, language: Language) -> String {
        let (en, zh, shown) = match value {
            Value::String(_) => ("the text", "文本", true),
            Value::Bool(_) => ("", "", true),
            Value::Number(_) => ("the number", "数值", true),
            Value::Array(_) => ("the list", "列表", true),
            Value::Object(_) => ("a table", "对象", false),
            Value::Null => ("nothing", "空值", false),
        };
        let name = match language {
            Language::En => en,
            Language::ZhCn => zh,
        };
        if self.secret || !shown {
            return name.replacen("the ", "a ", 1);
        }
        let text = one_line(value);
        let text = if text.chars().count() > 80 { text.chars().take(79).chain(['…']).collect() } else { text };
        format!("{name} {text}").trim_start().to_owned()
    }

    /// The range in words, that of length included.
    pub fn range_text(&self, language: Language) -> Option<String> {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (least, greatest) = (self.range.0.as_ref().map(shown), self.range.1.as_ref().map(shown));
        let mut text = between(language, least, greatest, self.unit.of(language)).unwrap_or_default();
        let (least, greatest) = (self.length.0.filter(|least| *least > 0), self.length.1);
        let counted = match (&self.kind, language) {
            (Kind::List(_) | Kind::Json, Language::En) => "entries",
            (Kind::List(_) | Kind::Json, Language::ZhCn) => "项",
            (_, Language::En) => "characters",
            (_, Language::ZhCn) => "字",
        };
        if let Some(length) = between(language, least.map(|n| n.to_string()), greatest.map(|n| n.to_string()), counted) {
            match (text.is_empty(), language) {
                (true, _) => text = length,
                (false, Language::En) => text = format!("{text} each, {length}"),
                (false, Language::ZhCn) => text = format!("每项 {text}；{length}"),
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// Whether one value lies within the range. Both are read by the key's own type.
    fn holds(&self, value: &Value) -> bool {
        let Some(given) = amount(value, &self.kind) else { return true };
        let (least, greatest) = &self.range;
        let measure = |bound: &Value| amount(bound, &self.kind);
        !least.as_ref().and_then(measure).is_some_and(|least| given < least)
            && !greatest.as_ref().and_then(measure).is_some_and(|greatest| given > greatest)
    }

    fn is_long_enough(&self, value: &Value) -> bool {
        let length = match value {
            Value::Array(entries) => entries.len(),
            Value::Object(entries) => entries.len(),
            Value::String(text) if self.kind == Kind::Text => text.chars().count(),
            _ => return true,
        };
        let (least, greatest) = self.length;
        least.is_none_or(|least| length as u64 >= least) && greatest.is_none_or(|greatest| length as u64 <= greatest)
    }
}

fn between(language: Language, least: Option<String>, greatest: Option<String>, unit: &str) -> Option<String> {
    let words = match (language, least, greatest) {
        (_, None, None) => return None,
        (Language::En, Some(least), None) => format!("at least {least}"),
        (Language::En, None, Some(greatest)) => format!("at most {greatest}"),
        (Language::En, Some(least), Some(greatest)) => format!("{least} to {greatest}"),
        (Language::ZhCn, Some(least), None) => format!("不小于 {least}"),
        (Language::ZhCn, None, Some(greatest)) => format!("不大于 {greatest}"),
        (Language::ZhCn, Some(least), Some(greatest)) => format!("{least} 至 {greatest}"),
    };
    Some(if unit.is_empty() { words } else { format!("{words} {unit}") })
}

fn amount(value: &Value, kind: &Kind) -> Option<f64> {
    match (kind, value) {
        (Kind::List(entry), value) => amount(value, entry),
        (Kind::Duration, Value::String(text)) => Some(text.parse::<HumanDuration>().ok()?.as_secs_f64()),
        (Kind::Size, Value::String(text)) => Some(text.parse::<ByteSize>().ok()?.bytes() as f64),
        (_, number) => number.as_f64(),
    }
}

impl Kind {
    /// A text of the environment or the command line as a value of this kind; left as text when it does not fit, so
    /// that the check of types names it.
    pub fn typed(&self, text: &str) -> Value {
        let trimmed = text.trim();
        let untyped = || Value::from(text);
        match self {
            Self::Bool => match trimmed {
                "true" | "1" => Value::from(true),
                "false" | "0" => Value::from(false),
                _ => untyped(),
            },
            Self::Integer => trimmed.parse::<i64>().map_or_else(|_| untyped(), Value::from),
            Self::Number => trimmed.parse::<f64>().ok().filter(|number| number.is_finite()).map_or_else(untyped, Value::from),
            Self::Json => serde_json::from_str(trimmed).unwrap_or_else(|_| untyped()),
            Self::List(_) if trimmed.starts_with('[') => serde_json::from_str(trimmed).unwrap_or_else(|_| untyped()),
            Self::List(entry) if **entry == Self::Json && !trimmed.is_empty() => untyped(),
            Self::List(entry) => {
                let parts = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::from(parts.map(|part| entry.typed(part)).collect::<Vec<_>>())
            }
            Self::Text => untyped(),
            _ => Value::from(trimmed),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_take_the_type_of_their_key() {
        let list = Kind::List(Box::new(Kind::Text));
        assert_eq!(list.typed("a, b,,c "), json!(["a", "b", "c"]));
        assert_eq!(list.typed(r#"["a,b","c"]"#), json!(["a,b", "c"]));
        assert_eq!(list.typed(""), json!([]));
        assert_eq!(Kind::Integer.typed("12"), json!(12));
        assert_eq!(Kind::Number.typed("nan"), json!("nan"));
        assert_eq!(Kind::Text.typed("1.0"), json!("1.0"));
        assert_eq!(Kind::Bool.typed("1"), json!(true));
        assert_eq!(Kind::Bool.typed("maybe"), json!("maybe"));
        assert_eq!(Kind::Json.typed("{\"a\": 1}"), json!({"a": 1}));
        assert_eq!(Kind::List(Box::new(Kind::Json)).typed("{half"), json!("{half"));
    }
}
