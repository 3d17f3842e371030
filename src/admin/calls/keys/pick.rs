//! Which key is meant: by id, by name, by its last four characters, or by being the only one.

use crate::{admin::calls::CallError, gate::lifetime::Lifetime, store::keys::Key};

/// The key that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The one called `default`, or the only one.
    Any,
    /// The one with this id.
    Id(&'a str),
    /// The one with this name, or with these last four characters.
    Named(&'a str),
}

impl<'a> Wanted<'a> {
    /// The key of this name, if one is named.
    pub fn named(name: Option<&'a str>) -> Self {
        name.map_or(Self::Any, Self::Named)
    }
}

/// Among the keys of the group `code`.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the keys, of a group, at a time")]
pub(super) struct Keys<'a> {
    pub(super) code: &'a str,
    pub(super) keys: &'a [Key],
    pub(super) now: i64,
}

impl<'a> Keys<'a> {
    /// A key to be shown: of those in force; by its id any that is kept.
    pub(super) fn shown(self, wanted: Wanted<'_>) -> Result<&'a Key, CallError> {
        match wanted {
            Wanted::Any => self.current(),
            Wanted::Id(id) => self.by_id(id),
            Wanted::Named(name) => self.in_force(name),
        }
    }

    /// A key that nothing took the place of.
    pub(super) fn replaceable(self, wanted: Wanted<'_>) -> Result<&'a Key, CallError> {
        match wanted {
            Wanted::Any => self.current(),
            Wanted::Id(id) => self.by_id(id),
            Wanted::Named(name) => {
                let current: Vec<_> = self.keys.iter().filter(|key| key.is_current()).collect();
                self.one(&current, name)
            }
        }
    }

    /// Keys that are to be refused from now on: every one of a name that is not revoked, or all of them.
    pub(super) fn revocable(self, wanted: Wanted<'_>) -> Result<Vec<&'a Key>, CallError> {
        let open: Vec<_> = self.keys.iter().filter(|key| key.revoked_at.is_none()).collect();
        match wanted {
            Wanted::Any => Ok(open),
            Wanted::Id(id) => self.by_id(id).map(|key| vec![key]),
            Wanted::Named(name) => {
                let named: Vec<_> = open.iter().copied().filter(|key| key.name == name).collect();
                if named.is_empty() { self.one(&open, name).map(|key| vec![key]) } else { Ok(named) }
            }
        }
    }

    /// A key in force: the current one of a name goes before those in their grace.
    pub(super) fn in_force(self, name: &str) -> Result<&'a Key, CallError> {
        if let Some(key) = self.keys.iter().find(|key| key.is_current() && key.name == name) {
            return Ok(key);
        }
        let in_force: Vec<_> = self.keys.iter().filter(|key| Lifetime::from(*key).at(self.now).in_force()).collect();
        self.one(&in_force, name)
    }

    pub(super) fn by_id(self, id: &str) -> Result<&'a Key, CallError> {
        let found = self.keys.iter().find(|key| key.id == id);
        let code = self.code;
        found.ok_or_else(|| CallError::not_found(format!("分组 {code} 没有这个密钥"), format!("{code} has no key with this id")))
    }

    /// The key that is meant when none is named: the one called `default`, or the only one.
    fn current(self) -> Result<&'a Key, CallError> {
        let code = self.code;
        let current: Vec<_> = self.keys.iter().filter(|key| key.is_current()).collect();
        match (current.as_slice(), current.iter().find(|key| key.name == "default")) {
            ([], _) => Err(CallError::not_found(
                format!("分组 {code} 没有密钥；请用 `anmei-mcp key add {code} --name NAME` 或在面板中新建"),
                format!("{code} has no key; make one with `anmei-mcp key add {code} --name NAME`"),
            )),
            ([one], _) | (_, Some(one)) => Ok(one),
            (several, None) => {
                let names: Vec<_> = several.iter().map(|key| key.name.as_str()).collect();
                let names = names.join(", ");
                Err(CallError::invalid(
                    "/key",
                    format!("分组 {code} 有多个密钥，请说明是哪一个：{names}"),
                    format!("{code} has several keys; say which with --key: {names}"),
                ))
            }
        }
    }

    fn one(self, keys: &[&'a Key], wanted: &str) -> Result<&'a Key, CallError> {
        let named: Vec<_> = keys.iter().filter(|key| key.name == wanted).collect();
        let found = if named.is_empty() { keys.iter().filter(|key| key.hint == wanted).collect() } else { named };
        match found.as_slice() {
            [one] => Ok(one),
            found => {
                let (count, code) = (found.len(), self.code);
                Err(CallError::not_found(
                    format!("分组 {code} 有 {count} 个密钥名为 {wanted} 或以它结尾；`anmei-mcp key list {code}` 列出全部密钥及其状态"),
                    format!(
                        "{count} keys of {code} are named {wanted} or end with it; `anmei-mcp key list {code}` shows them, and how each stands"
                    ),
                ))
            }
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

    fn among(keys: &[Key], now: i64) -> Keys<'_> {
        Keys { code: "g", keys, now }
    }

    #[test]
    fn the_default_key_or_the_only_one_is_meant_when_none_is_named() {
        let one = [key("dify", "aaaa", None), key("dify", "bbbb", Some(1))];
        assert_eq!(among(&one, 5).current().unwrap().id, "aaaa");
        let several = [key("dify", "aaaa", None), key("cursor", "bbbb", None)];
        assert!(among(&several, 5).current().unwrap_err().to_string().contains("dify, cursor"));
        let with_default = [key("dify", "aaaa", None), key("default", "cccc", None)];
        assert_eq!(among(&with_default, 5).current().unwrap().id, "cccc");
        assert!(among(&[], 5).current().unwrap_err().to_string().contains("key add"));
    }

    #[test]
    fn a_key_is_found_by_name_then_by_its_end() {
        let keys = [key("dify", "aaaa", Some(1)), key("dify", "bbbb", None), key("cursor", "cccc", None)];
        let id = |found: Result<&Key, CallError>| found.map(|key| key.id.clone()).map_err(|error| error.to_string());
        assert_eq!(id(among(&keys, 5).in_force("dify")).unwrap(), "bbbb");
        assert_eq!(id(among(&keys, 5).in_force("aaaa")).unwrap(), "aaaa");
        assert!(id(among(&keys, 50).in_force("aaaa")).is_err());
        assert!(id(among(&keys, 5).replaceable(Wanted::Named("aaaa"))).is_err());
        assert_eq!(among(&keys, 5).revocable(Wanted::Named("dify")).unwrap().len(), 2);
        assert_eq!(among(&keys, 5).revocable(Wanted::Named("cccc")).unwrap().len(), 1);
        assert_eq!(among(&keys, 5).revocable(Wanted::Any).unwrap().len(), 3);
        assert!(among(&keys, 5).revocable(Wanted::Named("nobody")).is_err());
        assert!(among(&keys, 5).shown(Wanted::Id("nobody")).is_err());
    }
}
