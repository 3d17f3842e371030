//! Who uses which key, so that nobody is cut off when an old one ends.

use serde::Serialize;
use utoipa::ToSchema;

use super::{KeyView, Keys, Wanted};
use crate::{
    admin::calls::{CallError, Calls},
    clock::rfc3339,
    store::keys::{Key, KeyUse},
};

/// One user of a key: a client at an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyUser {
    /// The peer's address; empty when it is not known.
    pub address: String,
    /// What the client calls itself; empty when it is not known.
    pub client: String,
    /// When it was first seen.
    pub first_at: String,
    /// When it was last seen.
    pub last_at: String,
    /// Requests that were accepted.
    pub calls: i64,
    /// Those of them that came after the key had been replaced; none for a key that was not.
    pub calls_since_rotation: Option<i64>,
    /// Requests that were refused because the key had ended.
    pub refused: i64,
}

/// A key and who uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyUsers {
    /// The key.
    #[serde(flatten)]
    pub key: KeyView,
    /// Its users, the latest first; the latest 200 of each key are kept.
    pub users: Vec<KeyUser>,
}

impl KeyUsers {
    /// How many clients used it after it had been replaced.
    pub fn still(&self) -> usize {
        self.users.iter().filter(|user| user.calls_since_rotation.is_some_and(|calls| calls > 0)).count()
    }

    /// How many clients tried it after its end.
    pub fn late(&self) -> usize {
        self.users.iter().filter(|user| user.refused > 0).count()
    }
}

/// An old key that is still used although its end is near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StragglerView {
    /// The group it opens.
    pub server_code: String,
    /// Id of the key.
    pub key_id: String,
    /// Its name.
    pub name: String,
    /// When its grace ends.
    pub ends_at: String,
    /// When it was last used.
    pub last_used_at: String,
    /// How many clients have used it since it was replaced.
    pub users: i64,
}

impl Calls {
    /// Who uses the keys of a group: all of them, or those that are named.
    pub async fn key_users(&self, code: &str, wanted: Option<Wanted<'_>>) -> Result<Vec<KeyUsers>, CallError> {
        // What this process saw in the last seconds counts, too.
        self.gate.flush_uses().await?;
        let (group, keys) = self.key_rows(code)?;
        let uses = self.store.key_uses(&group.id)?;
        let now = self.clock.now_ms();
        let meant: Vec<&Key> = match wanted {
            Some(Wanted::Id(id)) => vec![Keys { code, keys: &keys, now }.by_id(id)?],
            Some(Wanted::Named(name)) => Keys { code, keys: &keys, now }.called(name)?,
            Some(Wanted::Any) | None => keys.iter().collect(),
        };
        Ok(meant.into_iter().map(|key| users(key, &uses, now)).collect())
    }

    /// Replaced keys that are still used although their end is near.
    pub fn stragglers(&self) -> Result<Vec<StragglerView>, CallError> {
        let found = self.store.stragglers(self.clock.now_ms())?;
        let view = |one: crate::store::keys::Straggler| StragglerView {
            server_code: one.code,
            key_id: one.key_id,
            name: one.name,
            ends_at: rfc3339(one.ends_at),
            last_used_at: rfc3339(one.last_used_at),
            users: one.users,
        };
        Ok(found.into_iter().map(view).collect())
    }
}

fn users(key: &Key, uses: &[KeyUse], now: i64) -> KeyUsers {
    let user = |one: &KeyUse| KeyUser {
        address: one.address.clone(),
        client: one.client.clone(),
        first_at: rfc3339(one.first_at),
        last_at: rfc3339(one.last_at),
        calls: one.calls,
        calls_since_rotation: key.rotated_at.map(|_| one.calls_in_grace),
        refused: one.refused,
    };
    KeyUsers { key: KeyView::of(key, now), users: uses.iter().filter(|one| one.key_id == key.id).map(user).collect() }
}
