//! Which key is meant: by id, by name, by its last four characters, or by being the only one.

use super::KeyView;
use crate::{
    admin::calls::CallError,
    gate::lifetime::{Lifetime, Standing},
    store::keys::Key,
};

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

    /// A key to be given another name: the current one of a name, though it may have expired, goes before those in force.
    pub(super) fn renamable(self, wanted: Wanted<'_>) -> Result<&'a Key, CallError> {
        if let Wanted::Named(name) = wanted
            && let Some(key) = self.keys.iter().find(|key| key.is_current() && key.name == name)
        {
            return Ok(key);
        }
        self.shown(wanted)
    }

    /// A key that nothing took the place of. It may have expired: then a successor is what it lacks.
    pub(super) fn replaceable(self, wanted: Wanted<'_>) -> Result<&'a Key, CallError> {
        let current = self.those(Key::is_current);
        match wanted {
            Wanted::Any => self.meant(&current),
            Wanted::Id(id) => self.by_id(id),
            Wanted::Named(name) => self.one(&current, name),
        }
    }

    /// A replaced key that is still accepted.
    pub(super) fn in_grace(self, name: &str) -> Result<&'a Key, CallError> {
        let in_grace = self.those(|key| matches!(self.standing(key), Standing::InGrace { .. }));
        if named(&in_grace, name).is_empty() {
            let code = self.code;
            return Err(CallError::not_found(
                format!(
                    "分组 {code} 没有名为 {name} 或以它结尾、仍在宽限期内的密钥；只有被替换的密钥可以提前停用，其他密钥请吊销。`anmei-mcp key list {code}` 列出全部密钥及其状态"
                ),
                format!(
                    "no key of {code} in its grace is named {name} or ends with it: only a replaced key retires, any other is revoked. `anmei-mcp key list {code}` shows how each stands"
                ),
            ));
        }
        self.one(&in_grace, name)
    }

    /// Keys that are to be refused from now on: one that is not revoked yet, or all of them. A name that an old key shares
    /// with its successor names neither, or whoever ends the old one would end the new one with it.
    pub(super) fn revocable(self, wanted: Wanted<'_>) -> Result<Vec<&'a Key>, CallError> {
        let open = self.those(|key| key.revoked_at.is_none());
        match wanted {
            Wanted::Any => Ok(open),
            Wanted::Id(id) => self.by_id(id).map(|key| vec![key]),
            Wanted::Named(name) => self.one(&open, name).map(|key| vec![key]),
        }
    }

    /// Every key of a name that is not revoked, so that an old one is seen beside its successor; or the one with these last
    /// four characters.
    pub(super) fn called(self, name: &str) -> Result<Vec<&'a Key>, CallError> {
        let called = named(&self.those(|key| key.revoked_at.is_none()), name);
        if called.is_empty() { Err(self.none(name)) } else { Ok(called) }
    }

    /// A key in force: the current one of a name goes before those in their grace.
    pub(super) fn in_force(self, name: &str) -> Result<&'a Key, CallError> {
        let in_force = self.those(|key| self.standing(key).in_force());
        if let Some(key) = in_force.iter().copied().find(|key| key.is_current() && key.name == name) {
            return Ok(key);
        }
        if named(&in_force, name).is_empty()
            && let Some(key) = named(&self.those(Key::is_current), name).first()
        {
            return Err(self.expired(&format!(" {name}"), &format!(" --key {}", key.name)));
        }
        self.one(&in_force, name)
    }

    pub(super) fn by_id(self, id: &str) -> Result<&'a Key, CallError> {
        let found = self.keys.iter().find(|key| key.id == id);
        let code = self.code;
        found.ok_or_else(|| CallError::not_found(format!("分组 {code} 没有这个密钥"), format!("{code} has no key with this id")))
    }

    /// The key in force that is meant when none is named. One in its grace is not: it is about to end.
    fn current(self) -> Result<&'a Key, CallError> {
        let current = self.those(|key| self.standing(key) == Standing::Current);
        if current.is_empty() && self.keys.iter().any(Key::is_current) {
            return Err(self.expired("", ""));
        }
        self.meant(&current)
    }

    /// The key that is meant when none is named: the one called `default`, or the only one.
    fn meant(self, current: &[&'a Key]) -> Result<&'a Key, CallError> {
        let code = self.code;
        match (current, current.iter().find(|key| key.name == "default")) {
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
        match named(keys, wanted).as_slice() {
            [one] => Ok(one),
            [] => Err(self.none(wanted)),
            several => Err(self.several(several, wanted)),
        }
    }

    fn none(self, wanted: &str) -> CallError {
        let code = self.code;
        CallError::not_found(
            format!("分组 {code} 没有可用于此操作、名为 {wanted} 或以它结尾的密钥；`anmei-mcp key list {code}` 列出全部密钥及其状态"),
            format!(
                "no key of {code} that this could be done with is named {wanted} or ends with it; `anmei-mcp key list {code}` shows the keys, and how each stands"
            ),
        )
    }

    fn several(self, keys: &[&Key], wanted: &str) -> CallError {
        let each: Vec<_> = keys.iter().map(|key| format!("…{} ({})", key.hint, KeyView::of(key, self.now).state.as_str())).collect();
        let (code, count, each) = (self.code, keys.len(), each.join(", "));
        CallError::invalid(
            "/key",
            format!("分组 {code} 有 {count} 个名为 {wanted} 的密钥，请用末四位字符说明是哪一个：{each}"),
            format!("{count} keys of {code} are named {wanted}; name one by its last four characters: {each}"),
        )
    }

    /// Nothing is in force where there was something: what makes it good again. `whose` and `option` name a key, if one was named.
    fn expired(self, whose: &str, option: &str) -> CallError {
        let code = self.code;
        CallError::not_found(
            format!(
                "分组 {code} 的密钥{whose}已过期；`anmei-mcp key rotate {code}{option}` 用新密钥替换它，`anmei-mcp key add {code} --name NAME` 另建一个"
            ),
            format!(
                "the key{whose} of {code} has expired; `anmei-mcp key rotate {code}{option}` puts a new one in its place, `anmei-mcp key add {code} --name NAME` makes another"
            ),
        )
    }

    fn those(self, fit: impl Fn(&Key) -> bool) -> Vec<&'a Key> {
        self.keys.iter().filter(|key| fit(key)).collect()
    }

    fn standing(self, key: &Key) -> Standing {
        Lifetime::from(key).at(self.now)
    }
}

/// Those of a name; when there is none, those with these last four characters.
fn named<'a>(keys: &[&'a Key], wanted: &str) -> Vec<&'a Key> {
    let named: Vec<_> = keys.iter().copied().filter(|key| key.name == wanted).collect();
    if named.is_empty() { keys.iter().copied().filter(|key| key.hint == wanted).collect() } else { named }
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
        assert_eq!(among(&one, 5).shown(Wanted::Any).unwrap().id, "aaaa");
        let several = [key("dify", "aaaa", None), key("cursor", "bbbb", None)];
        assert!(among(&several, 5).shown(Wanted::Any).unwrap_err().to_string().contains("dify, cursor"));
        let with_default = [key("dify", "aaaa", None), key("default", "cccc", None)];
        assert_eq!(among(&with_default, 5).shown(Wanted::Any).unwrap().id, "cccc");
        assert!(among(&[], 5).shown(Wanted::Any).unwrap_err().to_string().contains("key add"));
    }

    #[test]
    fn a_key_is_found_by_name_then_by_its_end() {
        let keys = [key("dify", "aaaa", Some(1)), key("dify", "bbbb", None), key("cursor", "cccc", None)];
        let id = |found: Result<&Key, CallError>| found.map(|key| key.id.clone()).map_err(|error| error.to_string());
        assert_eq!(id(among(&keys, 5).in_force("dify")).unwrap(), "bbbb");
        assert_eq!(id(among(&keys, 5).in_force("aaaa")).unwrap(), "aaaa");
        assert!(id(among(&keys, 50).in_force("aaaa")).is_err());
        assert!(id(among(&keys, 5).replaceable(Wanted::Named("aaaa"))).is_err());
        assert_eq!(
            (id(among(&keys, 5).in_grace("dify")).unwrap(), id(among(&keys, 5).in_grace("aaaa")).unwrap()),
            ("aaaa".into(), "aaaa".into())
        );
        assert!(id(among(&keys, 5).in_grace("cursor")).unwrap_err().contains("only a replaced key"));
        assert_eq!(among(&keys, 5).called("dify").unwrap().len(), 2);
        assert!(among(&keys, 5).called("nobody").is_err());
        assert_eq!(among(&keys, 5).revocable(Wanted::Named("cccc")).unwrap().len(), 1);
        assert_eq!(among(&keys, 5).revocable(Wanted::Any).unwrap().len(), 3);
        assert!(among(&keys, 5).revocable(Wanted::Named("nobody")).is_err());
        assert!(among(&keys, 5).shown(Wanted::Id("nobody")).is_err());
    }

    #[test]
    fn a_name_that_two_keys_share_revokes_neither_and_both_are_told_apart() {
        let keys = [key("dify", "aaaa", Some(1)), key("dify", "bbbb", None)];
        let said = among(&keys, 5).revocable(Wanted::Named("dify")).unwrap_err().to_string();
        assert!(said.contains("…aaaa (in_grace)") && said.contains("…bbbb (current)") && said.contains("last four"), "{said}");
        let one = among(&keys, 5).revocable(Wanted::Named("aaaa")).unwrap();
        assert_eq!(one.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["aaaa"]);
    }

    #[test]
    fn an_expired_key_is_not_shown_and_what_helps_is_said() {
        let expired = |name, hint| Key { expires_at: Some(3), ..key(name, hint, None) };
        let keys = [expired("default", "aaaa"), key("dify", "bbbb", None)];
        assert_eq!(among(&keys, 5).shown(Wanted::Any).unwrap().id, "bbbb", "what is in force goes before what is called default");
        let keys = [expired("default", "aaaa"), expired("dify", "bbbb")];
        for wanted in [Wanted::Any, Wanted::Named("default"), Wanted::Named("aaaa")] {
            let said = among(&keys, 5).shown(wanted).unwrap_err().to_string();
            assert!(said.contains("expired") && said.contains("key rotate g") && said.contains("key add g"), "{wanted:?}: {said}");
            assert_eq!(among(&keys, 2).shown(wanted).unwrap().id, "aaaa", "{wanted:?} before its end");
        }
        assert_eq!(among(&keys, 5).replaceable(Wanted::Any).unwrap().id, "aaaa", "a successor is what it lacks");
        assert_eq!(among(&keys, 5).renamable(Wanted::Named("dify")).unwrap().id, "bbbb");
        let keys = [Key { expires_at: Some(3), ..key("dify", "aaaa", None) }, key("dify", "bbbb", Some(1))];
        assert_eq!(among(&keys, 5).in_force("dify").unwrap().id, "bbbb", "the one that opens, though it was replaced");
    }
}
