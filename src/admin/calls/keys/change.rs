//! New keys, and the end of old ones.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{End, Keys, ShownKey, Wanted, checked_name};
use crate::{
    admin::calls::{CallError, Calls, Field, because, groups::check::done, keys::KeyView, said, stale},
    clock::rfc3339,
    config::{HumanDuration, Reveal},
    gate::keys::{self, MintError, Order},
    secret::SecretText,
    store::{audit::By, keys::Key, policy::Written},
};

/// Longest grace: a year.
const LONGEST_GRACE: HumanDuration = HumanDuration::from_secs(8760 * 3600);

/// A further key for a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is called, such as who is to hold it: 1 to 64 letters, digits, or - _ . @.
    pub name: String,
    /// When it ends: a date (2027-01-31), a moment (2027-01-31T18:00:00+08:00), or from now on (30d). Without it: never.
    #[serde(default)]
    pub expires: Option<String>,
    /// Why; kept in the audit log.
    #[serde(default)]
    pub reason: Option<String>,
}

/// How a key is replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// How long the old one stays valid; `keys.default_grace` when nobody says.
    pub grace: Option<HumanDuration>,
    /// When the new one ends; after as long a life as the old one was given when nobody says.
    pub expires: Option<End>,
}

impl Rotation {
    /// As it stands in fields called `grace` and `expires`; blank ones are as if they were not there.
    pub fn read(grace: Option<&str>, expires: Option<&str>) -> Result<Self, CallError> {
        let mut wrong = Vec::new();
        let given = grace.map(str::trim).filter(|text| !text.is_empty());
        let grace = given.and_then(|text| text.parse().ok().filter(|grace: &HumanDuration| grace.get() <= LONGEST_GRACE.get()));
        if given.is_some() && grace.is_none() {
            let text = said(
                "宽限期须是 0s 到 8760h 之间的时长，例如 24h、7d、0s（立即失效）",
                "a grace is a length of time from 0s to 8760h, such as 24h, 7d, or 0s for none",
            );
            wrong.push(Field { pointer: "/grace".into(), text });
        }
        let expires = match End::read(expires, "/expires") {
            Ok(end) => end,
            Err(CallError::Invalid(fields)) => {
                wrong.extend(fields);
                None
            }
            Err(other) => return Err(other),
        };
        done(wrong)?;
        Ok(Self { grace, expires })
    }
}

/// A key that took the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RotatedKey {
    /// The new key.
    #[serde(flatten)]
    pub key: ShownKey,
    /// Id of the old one; none when the group had no key to be replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Last four characters of the old one.
    #[serde(skip)]
    pub old_hint: String,
    /// Until when the old one is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_key_valid_until: Option<String>,
    /// How long nobody may use the old one before it retires; none when its end comes no later than that.
    #[serde(skip)]
    pub retires_after_quiet: Option<String>,
}

impl Calls {
    /// Makes a further key for a group.
    pub async fn add_key(&self, code: &str, (name, expires): (&str, Option<End>), by: &By) -> Result<ShownKey, CallError> {
        let name = checked_name(name)?;
        let expires_at = expires.map(|end| end.after(by.at)).transpose()?;
        let group_id = self.group_policy(code)?.group.id.clone();
        let (key, text) = self.mint(Order { group_id: &group_id, name, created_by: &by.actor, expires_at })?;
        self.store.add_key(key.clone(), by.clone()).await?;
        tracing::info!(group.code = code, key.id = key.id, actor = by.actor, "a key was made");
        Ok(self.shown(code, &key, text))
    }

    /// The same from fields.
    pub async fn add_named_key(&self, code: &str, new: &NewKey, by: By) -> Result<ShownKey, CallError> {
        let (name, expires) = (checked_name(&new.name), End::read(new.expires.as_deref(), "/expires"));
        let (name, expires) = match (name, expires) {
            (Ok(name), Ok(expires)) => (name, expires),
            (Err(CallError::Invalid(mut both)), Err(CallError::Invalid(more))) => {
                both.extend(more);
                return Err(CallError::Invalid(both));
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        self.add_key(code, (name, expires), &because(by, new.reason.as_deref())?).await
    }

    /// Gives a key another name. Says what it was called. `seen` is the version the change was made on, if one was.
    pub async fn rename_key(
        &self,
        code: &str,
        (wanted, name): (Wanted<'_>, &str),
        seen: Option<i64>,
        by: &By,
    ) -> Result<(String, KeyView), CallError> {
        let name = checked_name(name)?;
        let (_, keys) = self.key_rows(code)?;
        let key = Keys { code, keys: &keys, now: self.clock.now_ms() }.renamable(wanted)?;
        match self.store.rename_key(&key.id, name, seen, by.clone()).await? {
            Written::Stale(now) => {
                let now = KeyView::of(&now, self.clock.now_ms());
                Err(stale(&now, now.version))
            }
            Written::Done(now) => Ok((key.name.clone(), KeyView::of(&now, self.clock.now_ms()))),
        }
    }

    /// Puts a new key in the place of one, which stays valid for the grace. A group without a key gets one.
    pub async fn rotate_key(&self, code: &str, wanted: Wanted<'_>, rotation: Rotation, by: &By) -> Result<RotatedKey, CallError> {
        let (group, keys) = self.key_rows(code)?;
        if wanted == Wanted::Any && !keys.iter().any(Key::is_current) {
            let key = self.add_key(code, ("default", rotation.expires), by).await?;
            return Ok(RotatedKey { key, replaces: None, old_hint: String::new(), old_key_valid_until: None, retires_after_quiet: None });
        }
        let old = Keys { code, keys: &keys, now: by.at }.replaceable(wanted)?;
        let expires_at = match rotation.expires {
            Some(end) => Some(end.after(by.at)?),
            None => old.expires_at.map(|end| by.at + (end - old.created_at)),
        };
        let grace = rotation.grace.unwrap_or(self.config.keys.default_grace);
        let until = by.at.saturating_add(grace.as_ms());
        let (key, text) = self.mint(Order { group_id: &group.id, name: &old.name, created_by: &by.actor, expires_at })?;
        // The successor goes on from what is written down of the day.
        self.gate.flush_days().await?;
        self.store.rotate_key(&old.id, key.clone(), until, by.clone()).await?;
        tracing::warn!(group.code = code, key.id = old.id, successor.id = key.id, actor = by.actor, "a key was rotated");
        let end = until.min(old.expires_at.unwrap_or(i64::MAX));
        Ok(RotatedKey {
            key: self.shown(code, &key, text),
            replaces: Some(old.id.clone()),
            old_hint: old.hint.clone(),
            old_key_valid_until: Some(rfc3339(end)),
            retires_after_quiet: self.quiet_within(end.saturating_sub(by.at)),
        })
    }

    /// After how long without a use an old key retires, if that can come before it ends `left_ms` from now.
    fn quiet_within(&self, left_ms: i64) -> Option<String> {
        let quiet = self.config.keys.retire_after_quiet;
        (!quiet.is_zero() && quiet.as_ms() < left_ms).then(|| quiet.to_string())
    }

    /// Ends the grace of a replaced key now.
    pub async fn retire_key(&self, code: &str, id: &str, by: &By) -> Result<KeyView, CallError> {
        self.key(code, id)?;
        self.store.retire_key(id, by.clone()).await?;
        tracing::warn!(group.code = code, key.id = id, actor = by.actor, "a replaced key was retired");
        self.key(code, id)
    }

    /// The same for the key in its grace with this name, or with these last four characters.
    pub async fn retire_named_key(&self, code: &str, wanted: &str, by: &By) -> Result<KeyView, CallError> {
        let (_, keys) = self.key_rows(code)?;
        let old = Keys { code, keys: &keys, now: by.at }.in_grace(wanted)?;
        self.retire_key(code, &old.id, by).await
    }

    /// Refuses keys from the next request on, and ends what is open with them. Says how many.
    pub async fn revoke_keys(&self, code: &str, wanted: Wanted<'_>, by: &By) -> Result<usize, CallError> {
        let (_, keys) = self.key_rows(code)?;
        let among = Keys { code, keys: &keys, now: self.clock.now_ms() };
        let ids = among.revocable(wanted)?.iter().map(|key| key.id.clone()).collect();
        let revoked = self.store.revoke_keys(ids, by.clone()).await?;
        tracing::warn!(group.code = code, revoked, actor = by.actor, "keys were revoked");
        Ok(revoked)
    }

    /// A key that is not stored yet, and its text.
    pub(in crate::admin::calls) fn mint(&self, order: Order<'_>) -> Result<(Key, SecretText), MintError> {
        let reveal = match self.config.keys.reveal {
            Reveal::Sealed => keys::Reveal::Sealed,
            Reveal::Never => keys::Reveal::Never,
        };
        keys::mint(order, &self.master, reveal, self.clock.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_a_length_of_time_up_to_a_year() {
        let read = |grace: &str| Rotation::read(Some(grace), None).map(|rotation| rotation.grace);
        assert_eq!(read("24h").unwrap(), Some(HumanDuration::from_secs(86_400)));
        assert_eq!(read("0s").unwrap(), Some(HumanDuration::from_secs(0)));
        assert_eq!(read(" ").unwrap(), None);
        assert!(read("8761h").is_err() && read("soon").is_err() && read("-1h").is_err());
        let both = Rotation::read(Some("x"), Some("y")).unwrap_err();
        assert!(matches!(both, CallError::Invalid(fields) if fields.len() == 2), "both are named");
    }
}
