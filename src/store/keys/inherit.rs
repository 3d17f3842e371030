//! What a successor has from the key before it, in the transaction that puts it in its place: a rotation neither takes a
//! limit away nor begins the day anew.

use rusqlite::{Connection, params};
use serde_json::json;

use super::Key;
use crate::store::{
    StoreError,
    audit::{self, By, Change},
    rows,
};

/// The limits of its own, as they were set.
pub(super) fn limits(db: &Connection, old: &str, successor: &Key, by: &By) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO mcp_limits (scope, group_id, key_id, tool_name, kind, value, updated_by, updated_at)
         SELECT scope, group_id, ?2, tool_name, kind, value, updated_by, updated_at FROM mcp_limits WHERE key_id = ?1",
    )?
    .execute(params![old, successor.id])?;
    let sql = "SELECT g.server_code, l.kind, l.value FROM mcp_limits l JOIN mcp_tool_groups g ON g.id = l.group_id
        WHERE l.key_id = ?1 ORDER BY l.kind";
    let set = rows::all(db, sql, [&successor.id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, u32>(2)?)))?;
    for (code, kind, value) in set {
        let change = Change::new("limit.set", format!("limit/{code}/key/{}/{kind}", successor.name));
        audit::append(db, by, &change.after(json!(value)))?;
    }
    Ok(())
}

/// The calls of its day, as far as they are written down.
pub(super) fn day(db: &Connection, old: &str, successor: &Key) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO mcp_day_counts (principal, day, calls) SELECT ?2, day, calls FROM mcp_day_counts WHERE principal = ?1")?
        .execute(params![old, successor.id])?;
    Ok(())
}
