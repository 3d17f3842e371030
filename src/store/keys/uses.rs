//! Who used keys, written down in batches. No change of the policy: nothing is built anew because of it.

use rusqlite::{Connection, params};

use super::{KeyUse, Uses};
use crate::store::{Store, StoreError};

/// Rows of uses that are kept for one key: the latest.
pub(super) const USES_PER_KEY: u32 = 200;

impl Store {
    /// Writes down who used keys. A key that is gone by now is nobody's.
    pub async fn note_key_uses(&self, uses: Uses) -> Result<(), StoreError> {
        self.write(move |db| {
            for one in &uses.uses {
                note(db, one)?;
            }
            for (key, at) in &uses.open {
                db.prepare_cached("UPDATE mcp_keys SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1")?
                    .execute(params![key, at])?;
            }
            Ok(())
        })
        .await
    }
}

fn note(db: &Connection, one: &KeyUse) -> Result<(), StoreError> {
    let known = db.prepare_cached("SELECT 1 FROM mcp_keys WHERE id = ?1")?.exists([&one.key_id])?;
    if !known {
        return Ok(());
    }
    db.prepare_cached(
        "INSERT INTO mcp_key_uses (key_id, address, client, first_at, last_at, calls, calls_in_grace, refused)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (key_id, address, client) DO UPDATE SET last_at = max(last_at, excluded.last_at), calls = calls + excluded.calls,
            calls_in_grace = calls_in_grace + excluded.calls_in_grace, refused = refused + excluded.refused",
    )?
    .execute(params![one.key_id, one.address, one.client, one.first_at, one.last_at, one.calls, one.calls_in_grace, one.refused])?;
    if one.calls > 0 {
        db.prepare_cached(
            "UPDATE mcp_keys SET last_used_at = ?2, last_used_address = nullif(?3, ''), last_used_client = nullif(?4, '')
              WHERE id = ?1 AND coalesce(last_used_at, 0) <= ?2",
        )?
        .execute(params![one.key_id, one.last_at, one.address, one.client])?;
    }
    db.prepare_cached(
        "DELETE FROM mcp_key_uses WHERE key_id = ?1 AND (address, client) IN
            (SELECT address, client FROM mcp_key_uses WHERE key_id = ?1 ORDER BY last_at DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![one.key_id, USES_PER_KEY])?;
    Ok(())
}
