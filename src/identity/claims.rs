//! The values of one claim, wherever the issuer puts it.

use serde_json::{Map, Value};

/// The texts of a claim: one, or a list of them. A name with dots is the claim of that very name, or else a path into
/// objects; `scope` and `scp` are lists separated by blanks.
pub(super) fn values<'a>(claims: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    let Some(value) = find(claims, name) else { return Vec::new() };
    match value {
        Value::String(text) if matches!(name, "scope" | "scp") => text.split_whitespace().collect(),
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        find(claims.get(first)?.as_object()?, rest)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_found_flat_deep_and_under_names_with_dots() {
        let all = json!({
            "groups": ["a", 1, "b"], "one": "x y", "scope": "s1 s2", "realm_access": {"roles": ["r"], "deep": {"er": "z"}},
            "https://clinic.example/groups": ["u"], "n": 5, "o": {},
        });
        let Value::Object(all) = all else { unreachable!() };
        let of = |name: &str| values(&all, name);
        assert_eq!(of("groups"), ["a", "b"]);
        assert_eq!(of("one"), ["x y"]);
        assert_eq!(of("scope"), ["s1", "s2"]);
        assert_eq!(of("realm_access.roles"), ["r"]);
        assert_eq!(of("realm_access.deep.er"), ["z"]);
        assert_eq!(of("https://clinic.example/groups"), ["u"]);
        for nothing in ["n", "o", "o.p", "none", "groups.a", ""] {
            assert!(of(nothing).is_empty(), "{nothing}");
        }
    }
}
