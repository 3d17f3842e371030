//! Changes of keys, each with its row of the audit log in the same transaction.

use rusqlite::{Connection, params};
use serde_json::json;

use super::{KEYS, Key, existing, inherit, insert, name_taken, object, row};
use crate::store::{
    Store, StoreError,
    audit::{self, By, Change},
    policy::Written,
    rows,
};

impl Store {
    /// Adds a key to a group.
    pub async fn add_key(&self, key: Key, by: By) -> Result<(), StoreError> {
        self.write(move |db| {
            insert(db, &key)?;
            let change = Change::new("key.add", object(db, &key)?).after(key.facts());
            audit::append(db, &by, &change)
        })
        .await
    }

    /// Gives a key another name. `seen` is the version the change was made on; none changes whatever is there.
    pub async fn rename_key(&self, id: &str, name: &str, seen: Option<i64>, by: By) -> Result<Written<Key>, StoreError> {
        let (id, name) = (id.to_owned(), name.to_owned());
        self.write(move |db| {
            let before = existing(db, &id)?;
            if seen.is_some_and(|seen| seen != before.version()) {
                return Ok(Written::Stale(before));
            }
            db.prepare_cached("UPDATE mcp_keys SET name = ?2 WHERE id = ?1")?
                .execute(params![id, name])
                .map_err(|error| name_taken(error, &name))?;
            changed(db, "key.rename", &before, &by)?;
            Ok(Written::Done(existing(db, &id)?))
        })
        .await
    }

    /// Puts `successor` in the place of the current key `old`, which is accepted until `grace_until`. What was set for the old
    /// one, and what it used of its day, goes on for the new one.
    pub async fn rotate_key(&self, old: &str, successor: Key, grace_until: i64, by: By) -> Result<(), StoreError> {
        let old = old.to_owned();
        self.write(move |db| {
            let before = existing(db, &old)?;
            let rotated = db.execute(
                "UPDATE mcp_keys SET rotated_at = ?2, replaced_by = ?3, grace_until = ?4 WHERE id = ?1 AND rotated_at IS NULL AND revoked_at IS NULL",
                params![old, by.at, successor.id, grace_until],
            )?;
            if rotated == 0 {
                return Err(StoreError::Conflict(format!("the key {} was rotated or revoked meanwhile", before.name)));
            }
            insert(db, &successor)?;
            changed(db, "key.rotate", &before, &by)?;
            let change = Change::new("key.add", object(db, &successor)?).after(successor.facts());
            audit::append(db, &by, &change)?;
            inherit::limits(db, &old, &successor, &by)?;
            inherit::day(db, &old, &successor)
        })
        .await
    }

    /// Revokes keys, unless they are revoked already. The sealed copy is destroyed; the hash stays, so that the holder can
    /// be told. Says how many were revoked.
    pub async fn revoke_keys(&self, ids: Vec<String>, by: By) -> Result<usize, StoreError> {
        self.write(move |db| {
            let mut revoked = 0;
            for id in &ids {
                let before = existing(db, id)?;
                let one = db.execute(
                    "UPDATE mcp_keys SET revoked_at = ?2, sealed = NULL WHERE id = ?1 AND revoked_at IS NULL",
                    params![id, by.at],
                )?;
                if one == 1 {
                    changed(db, "key.revoke", &before, &by)?;
                }
                revoked += one;
            }
            Ok(revoked)
        })
        .await
    }

    /// Ends the grace of a replaced key now.
    pub async fn retire_key(&self, id: &str, by: By) -> Result<Key, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let before = existing(db, &id)?;
            let retired = db.execute(
                "UPDATE mcp_keys SET retired_at = ?2 WHERE id = ?1 AND rotated_at IS NOT NULL AND revoked_at IS NULL AND retired_at IS NULL
                    AND grace_until > ?2 AND (expires_at IS NULL OR expires_at > ?2)",
                params![id, by.at],
            )?;
            if retired == 0 {
                return Err(StoreError::Conflict(format!(
                    "the key {} is not in its grace: only a replaced key that is still valid retires",
                    before.name
                )));
            }
            changed(db, "key.retire", &before, &by)?;
            existing(db, &id)
        })
        .await
    }

    /// Writes down that somebody was shown a key, before it is shown.
    pub async fn note_key_shown(&self, key: &Key, by: By) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |db| {
            let change = Change::new("key.reveal", object(db, &key)?).after(json!({"id": key.id, "hint": key.hint}));
            audit::append(db, &by, &change)
        })
        .await
    }

    /// Retires replaced keys that nobody has used for `quiet_ms`. What happened before `since` was not watched and does
    /// not count as quiet. Returns what was retired.
    pub async fn retire_quiet_keys(&self, since: i64, quiet_ms: i64, by: By) -> Result<Vec<Key>, StoreError> {
        self.write(move |db| {
            let quiet = rows::all(
                db,
                &format!(
                    "{KEYS} WHERE rotated_at IS NOT NULL AND revoked_at IS NULL AND retired_at IS NULL AND grace_until > ?1
                        AND (expires_at IS NULL OR expires_at > ?1) AND max(rotated_at, coalesce(last_used_at, 0), ?2) + ?3 <= ?1"
                ),
                params![by.at, since, quiet_ms],
                row,
            )?;
            for key in &quiet {
                db.execute("UPDATE mcp_keys SET retired_at = ?2 WHERE id = ?1", params![key.id, by.at])?;
                changed(db, "key.retire", key, &by)?;
            }
            Ok(quiet)
        })
        .await
    }

    /// Forgets keys that ended before `cutoff`, with their uses. Says how many.
    pub async fn forget_ended_keys(&self, cutoff: i64, by: By) -> Result<usize, StoreError> {
        self.write(move |db| {
            let ended = rows::all(
                db,
                &format!(
                    "{KEYS} WHERE revoked_at < ?1 OR retired_at < ?1 OR expires_at < ?1 OR (rotated_at IS NOT NULL AND grace_until < ?1)"
                ),
                [cutoff],
                row,
            )?;
            for key in &ended {
                let change = Change::new("key.forget", object(db, key)?).before(key.facts());
                db.execute("DELETE FROM mcp_keys WHERE id = ?1", [&key.id])?;
                audit::append(db, &by, &change)?;
            }
            Ok(ended.len())
        })
        .await
    }
}

fn changed(db: &Connection, action: &'static str, before: &Key, by: &By) -> Result<(), StoreError> {
    let after = existing(db, &before.id)?;
    let change = Change::new(action, object(db, before)?).before(before.facts()).after(after.facts());
    audit::append(db, by, &change)
}
