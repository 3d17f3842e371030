//! Keys: how each stands, who uses it, and putting new ones in the place of old ones.
//!
//! The text of a key leaves here in one type, [`ShownKey`], which is made when a key is made and when one is revealed;
//! each look at a kept copy is a row of the audit log before it is an answer.

mod change;
mod end;
mod pick;
mod uses;
mod view;

use self::pick::Keys;
pub use self::{
    change::{NewKey, RotatedKey, Rotation},
    end::End,
    pick::Wanted,
    uses::{KeyUser, KeyUsers, StragglerView},
    view::{KeyState, KeyView, ShownKey},
};
use super::{CallError, Calls};
use crate::{
    config::Reveal,
    gate::keys::{self, Hidden},
    secret::SecretText,
    store::{audit::By, keys::Key, policy::Group},
};

impl Calls {
    /// The keys of a group, by creation.
    pub fn keys(&self, code: &str) -> Result<Vec<KeyView>, CallError> {
        let now = self.clock.now_ms();
        let (_, keys) = self.key_rows(code)?;
        Ok(keys.iter().map(|key| KeyView::of(key, now)).collect())
    }

    /// One key of a group.
    pub fn key(&self, code: &str, id: &str) -> Result<KeyView, CallError> {
        let (_, keys) = self.key_rows(code)?;
        let now = self.clock.now_ms();
        Keys { code, keys: &keys, now }.by_id(id).map(|key| KeyView::of(key, now))
    }

    /// A key in force, by its name or its last four characters.
    pub fn key_in_force(&self, code: &str, wanted: &str) -> Result<KeyView, CallError> {
        let (_, keys) = self.key_rows(code)?;
        let now = self.clock.now_ms();
        Keys { code, keys: &keys, now }.in_force(wanted).map(|key| KeyView::of(key, now))
    }

    /// A key as text. The look is on record, with who looked, from where and why.
    pub async fn reveal_key(&self, code: &str, wanted: Wanted<'_>, by: &By) -> Result<ShownKey, CallError> {
        let (key, text) = self.open_key(code, wanted, by).await?;
        text.map(|text| self.shown(code, &key, text)).map_err(hidden)
    }

    /// The same for a purpose to which a key that cannot be shown is no failure.
    pub(crate) async fn open_key(&self, code: &str, wanted: Wanted<'_>, by: &By) -> Result<(Key, Result<SecretText, Hidden>), CallError> {
        let (_, keys) = self.key_rows(code)?;
        let key = Keys { code, keys: &keys, now: self.clock.now_ms() }.shown(wanted)?;
        Ok((key.clone(), self.opened(code, key, by).await?))
    }

    /// The text of a key. The look is written to the audit log first.
    pub(crate) async fn opened(&self, code: &str, key: &Key, by: &By) -> Result<Result<SecretText, Hidden>, CallError> {
        let text = match self.config.keys.reveal {
            Reveal::Sealed => keys::reveal(key, &self.master),
            Reveal::Never => Err(Hidden::NotKept),
        };
        if text.is_ok() {
            self.store.note_key_shown(key, by.clone()).await?;
            tracing::warn!(group.code = code, key.id = key.id, actor = by.actor, "a key was shown");
        }
        Ok(text)
    }

    /// The group, and its keys by creation.
    pub(crate) fn key_rows(&self, code: &str) -> Result<(Group, Vec<Key>), CallError> {
        let group = self.group_policy(code)?.group.clone();
        let keys = self.store.keys_of(&group.id)?;
        Ok((group, keys))
    }

    pub(super) fn shown(&self, code: &str, key: &Key, text: SecretText) -> ShownKey {
        ShownKey { facts: KeyView::of(key, self.clock.now_ms()), server_code: code.to_owned(), key: text }
    }
}

/// Why a key cannot be shown.
#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn hidden(why: Hidden) -> CallError {
    let zh = match why {
        Hidden::NotKept => "没有保存该密钥的副本（keys.reveal = \"never\"，或密钥已吊销），无法再次查看；请轮换出一个新密钥",
        Hidden::OtherMasterKey => "该密钥由另一个主密钥加密，无法打开；请恢复原来的主密钥，或轮换出一个新密钥",
    };
    CallError::conflict(zh, why.to_string())
}

/// A name that fits a table, a URL and an audit line.
pub fn is_key_name(text: &str) -> bool {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    (1..=64).contains(&text.chars().count()) && text.chars().all(good)
}

fn checked_name(name: &str) -> Result<&str, CallError> {
    if is_key_name(name) {
        return Ok(name);
    }
    Err(CallError::invalid(
        "/name",
        "密钥名称由 1 到 64 个字母、数字或 - _ . @ 组成，例如 dify-production",
        "a key's name is 1 to 64 letters, digits, or - _ . @, such as dify-production",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_are_plain() {
        for good in ["dify", "小林的电脑", "a@b.cn", "x_1-2"] {
            assert!(is_key_name(good), "{good}");
        }
        for bad in ["", "two words", "a/b", "<b>", &"x".repeat(65)] {
            assert!(!is_key_name(bad), "{bad}");
        }
    }
}
