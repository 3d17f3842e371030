//! Keys of groups and who uses them. What a key may do follows from its times; the gate knows how.
//!
//! Read here; changed in `change`, used in `uses`. A key is current, or was replaced by another one (`rotated_at`) and ends with its grace, or earlier when nobody used it
//! any more or somebody ended the grace (`retired_at`), or when it was revoked. Ended keys stay for a while, so that whoever still holds one can be
//! told what happened to it.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Store, StoreError, rows, version::version_of};
use crate::clock::rfc3339;

mod change;
mod inherit;
mod uses;

/// A key that opens a group. The key itself is not in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Key {
    /// UUID v7.
    pub id: String,
    /// The group it opens.
    pub group_id: String,
    /// Name shown to people; no two current keys of a group have the same.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// The key, sealed under the master key.
    pub sealed: Option<Vec<u8>>,
    /// Its last four characters.
    pub hint: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: i64,
    /// When it ends by itself.
    pub expires_at: Option<i64>,
    /// When another key took its place.
    pub rotated_at: Option<i64>,
    /// The key that took its place.
    pub replaced_by: Option<String>,
    /// End of its grace, once another key took its place.
    pub grace_until: Option<i64>,
    /// When it was retired before the end of its grace: nobody used it any more, or somebody ended the grace.
    pub retired_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// When it was last accepted.
    pub last_used_at: Option<i64>,
    /// From where.
    pub last_used_address: Option<String>,
    /// By which client.
    pub last_used_client: Option<String>,
}

impl Key {
    /// Whether nothing took its place. It may have expired.
    pub fn is_current(&self) -> bool {
        self.rotated_at.is_none() && self.revoked_at.is_none()
    }

    /// Its version, which a change names: another one after every change, and the same however often it is used.
    pub fn version(&self) -> i64 {
        let times = [self.expires_at, self.rotated_at, self.grace_until, self.retired_at, self.revoked_at];
        version_of(&json!([self.id, self.name, self.replaced_by, times]))
    }

    /// What may be said of it without showing it.
    pub fn facts(&self) -> Value {
        let time = |at: Option<i64>| at.map(rfc3339);
        json!({
            "id": self.id, "name": self.name, "hint": self.hint, "created_by": self.created_by, "created_at": rfc3339(self.created_at),
            "expires_at": time(self.expires_at), "rotated_at": time(self.rotated_at), "replaced_by": self.replaced_by,
            "grace_until": time(self.grace_until), "retired_at": time(self.retired_at), "revoked_at": time(self.revoked_at),
            "last_used_at": time(self.last_used_at), "last_used_address": self.last_used_address, "last_used_client": self.last_used_client,
        })
    }
}

/// One user of a key: a client at an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyUse {
    /// The key.
    pub key_id: String,
    /// The peer's address; empty when it is not known.
    pub address: String,
    /// What the client calls itself; empty when it is not known.
    pub client: String,
    /// When it was first seen.
    pub first_at: i64,
    /// When it was last seen.
    pub last_at: i64,
    /// Requests that were accepted.
    pub calls: i64,
    /// Those of them that came after the key had been replaced.
    pub calls_in_grace: i64,
    /// Requests that were refused because the key had ended.
    pub refused: i64,
}

/// Uses since the last time they were written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uses {
    /// Requests.
    pub uses: Vec<KeyUse>,
    /// Keys with which something was seen to be open, and when.
    pub open: Vec<(String, i64)>,
}

impl Uses {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.open.is_empty()
    }
}

/// An old key that is still used although its end is near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Straggler {
    /// The key's id.
    pub key_id: String,
    /// Its name.
    pub name: String,
    /// Server code of its group.
    pub code: String,
    /// When its grace ends.
    pub ends_at: i64,
    /// When it was last used.
    pub last_used_at: i64,
    /// How many pairs of client and address have used it since it was replaced.
    pub users: i64,
}

impl Store {
    /// Keys of a group, by creation.
    pub fn keys_of(&self, group_id: &str) -> Result<Vec<Key>, StoreError> {
        self.point(|db| rows::all(db, &format!("{KEYS} WHERE group_id = ?1 ORDER BY created_at, id"), [group_id], row))
    }

    /// Who used the keys of a group, the latest first.
    pub fn key_uses(&self, group_id: &str) -> Result<Vec<KeyUse>, StoreError> {
        self.point(|db| {
            let sql = "SELECT u.key_id, u.address, u.client, u.first_at, u.last_at, u.calls, u.calls_in_grace, u.refused
                FROM mcp_keys k JOIN mcp_key_uses u ON u.key_id = k.id WHERE k.group_id = ?1 ORDER BY u.last_at DESC, u.address, u.client";
            rows::all(db, sql, [group_id], a_use)
        })
    }

    /// Replaced keys that were used in the last tenth of their grace, or in its last hour (half of it, when it is shorter than two).
    pub fn stragglers(&self, now: i64) -> Result<Vec<Straggler>, StoreError> {
        self.point(|db| {
            let sql = "SELECT k.id, k.name, g.server_code, k.grace_until, k.last_used_at,
                    (SELECT count(*) FROM mcp_key_uses u WHERE u.key_id = k.id AND u.calls_in_grace > 0)
                FROM mcp_keys k JOIN mcp_tool_groups g ON g.id = k.group_id
                WHERE k.rotated_at IS NOT NULL AND k.revoked_at IS NULL AND k.retired_at IS NULL AND k.grace_until > ?1
                    AND k.last_used_at > k.rotated_at
                    AND k.last_used_at >= k.grace_until - max((k.grace_until - k.rotated_at) / 10, min(3600000, (k.grace_until - k.rotated_at) / 2))
                ORDER BY k.grace_until, k.id";
            rows::all(db, sql, [now], |row| {
                Ok(Straggler {
                    key_id: row.get(0)?,
                    name: row.get(1)?,
                    code: row.get(2)?,
                    ends_at: row.get(3)?,
                    last_used_at: row.get(4)?,
                    users: row.get(5)?,
                })
            })
        })
    }
}

const KEYS: &str =
    "SELECT id, group_id, name, hash, sealed, hint, created_by, created_at, expires_at, rotated_at, replaced_by, grace_until,
    retired_at, revoked_at, last_used_at, last_used_address, last_used_client FROM mcp_keys";

/// All keys of all groups.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Key>> {
    rows::all(db, &format!("{KEYS} ORDER BY created_at, id"), [], row)
}

pub(super) fn insert(db: &Connection, key: &Key) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO mcp_keys (id, group_id, name, hash, sealed, hint, created_by, created_at, expires_at, rotated_at, replaced_by, grace_until,
            retired_at, revoked_at, last_used_at, last_used_address, last_used_client)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?
    .execute(params![
        key.id,
        key.group_id,
        key.name,
        key.hash,
        key.sealed,
        key.hint,
        key.created_by,
        key.created_at,
        key.expires_at,
        key.rotated_at,
        key.replaced_by,
        key.grace_until,
        key.retired_at,
        key.revoked_at,
        key.last_used_at,
        key.last_used_address,
        key.last_used_client
    ])
    .map_err(|error| name_taken(error, &key.name))?;
    Ok(())
}

/// What the audit log calls a key.
pub(super) fn object(db: &Connection, key: &Key) -> Result<String, StoreError> {
    let code: Option<String> = rows::one(db, "SELECT server_code FROM mcp_tool_groups WHERE id = ?1", [&key.group_id], |row| row.get(0))?;
    Ok(format!("key/{}/{}", code.as_deref().unwrap_or("?"), key.name))
}

fn existing(db: &Connection, id: &str) -> Result<Key, StoreError> {
    let found = rows::one(db, &format!("{KEYS} WHERE id = ?1"), [id], row)?;
    found.ok_or_else(|| StoreError::NotFound("the key is gone".into()))
}

fn name_taken(error: rusqlite::Error, name: &str) -> StoreError {
    match StoreError::from(error) {
        StoreError::Conflict(_) => {
            StoreError::Conflict(format!("the group has a key named {name} already; rotate or revoke that one, or choose another name"))
        }
        other => other,
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: row.get(0)?,
        group_id: row.get(1)?,
        name: row.get(2)?,
        hash: row.get(3)?,
        sealed: row.get(4)?,
        hint: row.get(5)?,
        created_by: row.get(6)?,
        created_at: row.get(7)?,
        expires_at: row.get(8)?,
        rotated_at: row.get(9)?,
        replaced_by: row.get(10)?,
        grace_until: row.get(11)?,
        retired_at: row.get(12)?,
        revoked_at: row.get(13)?,
        last_used_at: row.get(14)?,
        last_used_address: row.get(15)?,
        last_used_client: row.get(16)?,
    })
}

fn a_use(row: &Row<'_>) -> rusqlite::Result<KeyUse> {
    Ok(KeyUse {
        key_id: row.get(0)?,
        address: row.get(1)?,
        client: row.get(2)?,
        first_at: row.get(3)?,
        last_at: row.get(4)?,
        calls: row.get(5)?,
        calls_in_grace: row.get(6)?,
        refused: row.get(7)?,
    })
}

#[cfg(test)]
mod tests;
