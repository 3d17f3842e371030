//! Which key is meant: by name, by its last four characters, or by being the only one.

use super::{Fault, Key, Lifetime, exit};

/// The key that is meant when none is named: the one called `default`, or the only one.
pub(super) fn current<'a>(keys: &'a [Key], code: &str) -> anyhow::Result<&'a Key> {
    let current: Vec<_> = keys.iter().filter(|key| key.is_current()).collect();
    match (current.as_slice(), current.iter().find(|key| key.name == "default")) {
        ([], _) => {
            let text = format!("{code} has no key; make one with `anmei-mcp key add {code} --name NAME`");
            Err(Fault::new(exit::NOT_FOUND, text).into())
        }
        ([one], _) | (_, Some(one)) => Ok(one),
        (several, None) => {
            let names: Vec<_> = several.iter().map(|key| key.name.as_str()).collect();
            Err(Fault::new(exit::USAGE, format!("{code} has several keys; say which with --key: {}", names.join(", "))).into())
        }
    }
}

/// A key that nothing took the place of.
pub(super) fn current_named<'a>(keys: &'a [Key], code: &str, wanted: &str) -> anyhow::Result<&'a Key> {
    let current: Vec<_> = keys.iter().filter(|key| key.is_current()).collect();
    one(&current, code, wanted)
}

/// A key in force: the current one of a name goes before those in their grace.
pub(super) fn in_force<'a>(keys: &'a [Key], code: &str, wanted: &str, now: i64) -> anyhow::Result<&'a Key> {
    if let Some(key) = keys.iter().find(|key| key.is_current() && key.name == wanted) {
        return Ok(key);
    }
    let in_force: Vec<_> = keys.iter().filter(|key| Lifetime::from(*key).at(now).in_force()).collect();
    one(&in_force, code, wanted)
}

/// Every key of that name which is not revoked, or the one with those last four characters.
pub(super) fn all_named<'a>(keys: &'a [Key], code: &str, wanted: &str) -> anyhow::Result<Vec<&'a Key>> {
    let open: Vec<_> = keys.iter().filter(|key| key.revoked_at.is_none()).collect();
    let named: Vec<_> = open.iter().copied().filter(|key| key.name == wanted).collect();
    if named.is_empty() { one(&open, code, wanted).map(|key| vec![key]) } else { Ok(named) }
}

fn one<'a>(keys: &[&'a Key], code: &str, wanted: &str) -> anyhow::Result<&'a Key> {
    let named: Vec<_> = keys.iter().filter(|key| key.name == wanted).collect();
    let found = if named.is_empty() { keys.iter().filter(|key| key.hint == wanted).collect() } else { named };
    match found.as_slice() {
        [one] => Ok(one),
        found => {
            let text = format!(
                "{} keys of {code} are named {wanted} or end with it; `anmei-mcp key list {code}` shows them, and how each stands",
                found.len()
            );
            Err(Fault::new(exit::NOT_FOUND, text).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, hint: &str, rotated_at: Option<i64>) -> Key {
        Key {
            id: hint.into(),
            name: name.into(),
            hint: hint.into(),
            rotated_at,
            grace_until: rotated_at.map(|at| at + 10),
            ..Key::default()
        }
    }

    #[test]
    fn the_default_key_or_the_only_one_is_meant_when_none_is_named() {
        let one = [key("dify", "aaaa", None), key("dify", "bbbb", Some(1))];
        assert_eq!(current(&one, "g").unwrap().id, "aaaa");
        let several = [key("dify", "aaaa", None), key("cursor", "bbbb", None)];
        assert!(current(&several, "g").unwrap_err().to_string().contains("dify, cursor"));
        let with_default = [key("dify", "aaaa", None), key("default", "cccc", None)];
        assert_eq!(current(&with_default, "g").unwrap().id, "cccc");
        assert!(current(&[], "g").unwrap_err().to_string().contains("key add"));
    }

    #[test]
    fn a_key_is_found_by_name_then_by_its_end() {
        let keys = [key("dify", "aaaa", Some(1)), key("dify", "bbbb", None), key("cursor", "cccc", None)];
        let id = |found: anyhow::Result<&Key>| found.map(|key| key.id.clone()).map_err(|error| error.to_string());
        assert_eq!(id(in_force(&keys, "g", "dify", 5)).unwrap(), "bbbb");
        assert_eq!(id(in_force(&keys, "g", "aaaa", 5)).unwrap(), "aaaa");
        assert!(id(in_force(&keys, "g", "aaaa", 50)).is_err());
        assert!(id(current_named(&keys, "g", "aaaa")).is_err());
        assert_eq!(all_named(&keys, "g", "dify").unwrap().len(), 2);
        assert_eq!(all_named(&keys, "g", "cccc").unwrap().len(), 1);
        assert!(all_named(&keys, "g", "nobody").is_err());
    }
}
