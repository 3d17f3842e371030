//! A key as it may be seen: everything but the key itself.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    clock::rfc3339,
    gate::lifetime::{Lifetime, Standing},
    secret::SecretText,
    store::keys::Key,
};

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// In force, and nothing took its place.
    Current,
    /// In force beside its successor.
    InGrace,
    /// Its own end has come.
    Expired,
    /// Its successor is the key.
    Replaced,
    /// Somebody revoked it.
    Revoked,
}

impl KeyState {
    /// Its name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::InGrace => "in_grace",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
        }
    }
}

/// A key without the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its last four characters.
    pub hint: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: String,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// When another key took its place.
    pub rotated_at: Option<String>,
    /// Id of that key.
    pub replaced_by: Option<String>,
    /// End of its grace, once another key took its place.
    pub grace_until: Option<String>,
    /// When it was retired before the end of its grace.
    pub retired_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// When it was last accepted.
    pub last_used_at: Option<String>,
    /// From where.
    pub last_used_address: Option<String>,
    /// By which client.
    pub last_used_client: Option<String>,
    /// How it stands.
    pub state: KeyState,
    /// Until when it is in force, as things are; none for one without an end, and for one that has ended.
    pub valid_until: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Whether a copy of it is kept that can be shown.
    pub can_be_shown: bool,
    /// Its version, which a change of its name names.
    pub version: i64,
}

impl KeyView {
    /// A key as it stands at `now`.
    pub(in crate::admin::calls) fn of(key: &Key, now: i64) -> Self {
        let time = |at: Option<i64>| at.map(rfc3339);
        let standing = Lifetime::from(key).at(now);
        let (state, until) = match standing {
            Standing::Current => (KeyState::Current, key.expires_at),
            Standing::InGrace { until } => (KeyState::InGrace, Some(until)),
            Standing::Expired { .. } => (KeyState::Expired, None),
            Standing::Replaced { .. } => (KeyState::Replaced, None),
            Standing::Revoked { .. } => (KeyState::Revoked, None),
        };
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            hint: key.hint.clone(),
            created_by: key.created_by.clone(),
            created_at: rfc3339(key.created_at),
            expires_at: time(key.expires_at),
            rotated_at: time(key.rotated_at),
            replaced_by: key.replaced_by.clone(),
            grace_until: time(key.grace_until),
            retired_at: time(key.retired_at),
            revoked_at: time(key.revoked_at),
            last_used_at: time(key.last_used_at),
            last_used_address: key.last_used_address.clone(),
            last_used_client: key.last_used_client.clone(),
            state,
            valid_until: time(until),
            ended_at: time(standing.ended_at()),
            can_be_shown: key.sealed.is_some(),
            version: key.version(),
        }
    }

    /// Whether it opens its group.
    pub fn in_force(&self) -> bool {
        matches!(self.state, KeyState::Current | KeyState::InGrace)
    }
}

/// A key with its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShownKey {
    /// What may be said of it.
    #[serde(flatten)]
    pub facts: KeyView,
    /// The group it opens.
    pub server_code: String,
    /// The key itself.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String)]
    pub key: SecretText,
}

/// The one place where a key becomes part of an answer.
fn exposed<S: Serializer>(text: &SecretText, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_key_prints_nothing_and_serialises_itself() {
        let key = Key { id: "k".into(), grace_until: Some(9), rotated_at: Some(1), ..Key::default() };
        let shown = ShownKey { facts: KeyView::of(&key, 5), server_code: "g".into(), key: SecretText::new("mcp_key_secret") };
        assert!(!format!("{shown:?}").contains("secret"));
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!((&json["key"], &json["state"], &json["id"]), (&"mcp_key_secret".into(), &"in_grace".into(), &"k".into()));
        assert_eq!(json["valid_until"], "1970-01-01T00:00:00.009Z");
        assert_eq!(KeyView::of(&key, 9).ended_at.as_deref(), Some("1970-01-01T00:00:00.009Z"));
    }
}
