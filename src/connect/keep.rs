//! Keys that stand in a host's file already: what is there stays where only a placeholder is known.
//!
//! A placeholder in the place of a key that works takes the host's access away, so that none is ever put over one, and none
//! is put where nothing stands.

use serde_json::{Map, Value};

use super::{
    merge::{MergeError, read},
    pieces::{FilePiece, Put},
};

/// Other members by which an entry may say where its key is: what they hold is no text of ours.
const OTHER_WAYS: [&str; 3] = ["bearer_token", "bearer_token_env_var", "env_http_headers"];

/// What of a file stays.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// The entries, with the keys of the file in the place of placeholders.
    pub(super) puts: Vec<Put>,
    /// Names of entries whose keys stay.
    pub(super) stay: Vec<String>,
    /// Names of entries for which there is a placeholder only, and no key in the file.
    pub(super) without: Vec<String>,
}

/// The entries of `piece` as they may be put into the file that holds `text`.
pub(super) fn keep(text: &str, piece: &FilePiece, placeholders: &[String]) -> Result<Kept, MergeError> {
    let mut kept = Kept { puts: Vec::new(), stay: Vec::new(), without: Vec::new() };
    let whole = if placeholders.is_empty() { Value::Null } else { read(text, piece.format)? };
    for put in &piece.puts {
        let Put::Member { table, name, value } = put else {
            kept.puts.push(put.clone());
            continue;
        };
        let Some(place) = placeholder(value, placeholders) else {
            kept.puts.push(put.clone());
            continue;
        };
        let holder = table.map_or(Some(&whole), |table| whole.get(table));
        let entry = holder.and_then(|holder| holder.get(name)).and_then(Value::as_object);
        match entry.and_then(|entry| with_own_key(value, &place, entry)) {
            Some(value) => {
                kept.puts.push(Put::Member { table: *table, name: name.clone(), value });
                kept.stay.push(name.clone());
            }
            None => kept.without.push(name.clone()),
        }
    }
    Ok(kept)
}

/// Where the placeholder stands in an entry.
struct Place<'a> {
    /// The member, such as `headers`.
    outer: &'a str,
    /// The member in it, such as `Authorization`.
    inner: &'a str,
    /// What stands there.
    text: &'a str,
}

fn placeholder<'a>(value: &'a Map<String, Value>, placeholders: &[String]) -> Option<Place<'a>> {
    let is_one = |text: &str| {
        let bare = text.strip_prefix("Bearer ").unwrap_or(text);
        placeholders.iter().any(|placeholder| placeholder == bare)
    };
    value.iter().find_map(|(outer, held)| {
        let (inner, text) = held.as_object()?.iter().find_map(|(inner, text)| Some((inner, text.as_str().filter(|text| is_one(text))?)))?;
        Some(Place { outer, inner, text })
    })
}

/// The entry with the key that stands in the file, if one does.
fn with_own_key(value: &Map<String, Value>, place: &Place<'_>, entry: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut value = value.clone();
    // The names of headers are one name in any case.
    let held = entry.get(place.outer).and_then(Value::as_object);
    let own = held.and_then(|held| held.iter().find(|(name, _)| name.eq_ignore_ascii_case(place.inner)));
    if let Some((name, Value::String(text))) = own
        && !text.trim().is_empty()
        && text != place.text
    {
        value.insert(place.outer.to_owned(), Value::Object(Map::from_iter([(name.clone(), Value::String(text.clone()))])));
        return Some(value);
    }
    let (way, held) = OTHER_WAYS.into_iter().find_map(|way| Some((way, entry.get(way).filter(|held| !held.is_null())?)))?;
    value.remove(place.outer);
    value.insert(way.to_owned(), held.clone());
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connect::pieces::Format;

    fn piece(format: Format, value: &Value) -> FilePiece {
        let value = value.as_object().cloned().unwrap();
        FilePiece { format, puts: vec![Put::Member { table: Some("servers"), name: "ours".into(), value }] }
    }

    /// What the entry becomes in a file that holds `text`; nothing when it may not be put.
    fn kept(text: &str, piece: &FilePiece) -> Option<Value> {
        let kept = keep(text, piece, &["KEY_OF_A".to_owned()]).unwrap();
        assert_eq!(kept.stay.len() + kept.without.len(), 1, "{kept:?}");
        let Some(Put::Member { value, .. }) = kept.puts.first() else { return None };
        Some(Value::Object(value.clone()))
    }

    #[test]
    fn the_key_that_stands_in_the_file_stays_however_it_is_written() {
        let ours = piece(Format::Json, &json!({"url": "new", "headers": {"Authorization": "Bearer KEY_OF_A"}}));
        let theirs = |header: &str, text: &str| {
            let entry = format!("{{\"url\": \"old\", \"headers\": {{\"{header}\": \"{text}\"}},}}");
            kept(&format!("{{ // mine\n \"servers\": {{\"ours\": {entry}}} }}"), &ours)
        };
        assert_eq!(theirs("Authorization", "Bearer k"), Some(json!({"url": "new", "headers": {"Authorization": "Bearer k"}})));
        assert_eq!(theirs("authorization", "Bearer ${K}"), Some(json!({"url": "new", "headers": {"authorization": "Bearer ${K}"}})));
        assert_eq!(theirs("Authorization", "Bearer KEY_OF_A"), None, "a placeholder is no key");
        assert_eq!(theirs("Authorization", " "), None);
        assert_eq!(theirs("X-Other", "k"), None);
        let variable = piece(Format::Json, &json!({"command": "c", "env": {"ANMEI_MCP_API_KEY": "KEY_OF_A"}}));
        assert_eq!(
            kept(r#"{"servers": {"ours": {"command": "c", "env": {"ANMEI_MCP_API_KEY": "k"}}}}"#, &variable),
            Some(json!({"command": "c", "env": {"ANMEI_MCP_API_KEY": "k"}}))
        );
        let codex = piece(Format::Toml, &json!({"url": "new", "http_headers": {"Authorization": "Bearer KEY_OF_A"}}));
        assert_eq!(
            kept("[servers.ours]\nurl = 'old'\nhttp_headers = { Authorization = 'Bearer k' }\n", &codex),
            Some(json!({"url": "new", "http_headers": {"Authorization": "Bearer k"}}))
        );
        assert_eq!(
            kept("[servers.ours]\nurl = 'old'\nbearer_token_env_var = 'K'\n", &codex),
            Some(json!({"url": "new", "bearer_token_env_var": "K"}))
        );
    }

    #[test]
    fn where_nothing_stands_no_placeholder_is_put() {
        let ours = piece(Format::Json, &json!({"url": "u", "headers": {"Authorization": "Bearer KEY_OF_A"}}));
        for text in [
            "",
            "{}",
            r#"{"servers": 3}"#,
            r#"{"servers": {"ours": {"command": "x"}}}"#,
            r#"{"ours": {"headers": {"Authorization": "k"}}}"#,
        ] {
            assert_eq!(kept(text, &ours), None, "{text}");
        }
        assert!(matches!(keep("{", &ours, &["KEY_OF_A".to_owned()]), Err(MergeError::Syntax { .. })));
    }

    #[test]
    fn an_entry_without_a_placeholder_is_put_as_it_is() {
        let ours = piece(Format::Json, &json!({"url": "u", "headers": {"Authorization": "Bearer ${input:x}"}}));
        for placeholders in [&["KEY_OF_A".to_owned()][..], &[]] {
            let kept = keep("{}", &ours, placeholders).unwrap();
            assert_eq!((kept.puts, kept.stay.len(), kept.without.len()), (ours.puts.clone(), 0, 0));
        }
    }
}
