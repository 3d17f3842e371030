//! What was said in conversations.
//!
//! A registration's welcome is written by `registrations`, in the transaction of the step that delivers it. Storing a
//! message moves its conversation's `updated_at` forward, never back.

use anmei_mcp_tools::port::Message;
use rusqlite::{Connection, named_params};

use super::{
    import::MessageRecord,
    rows::{self, Change, Json},
};

const LAST: &str = "
    SELECT id, sender_type, sender_id, type, content, created_at FROM messages
    WHERE conversation_id = ?1 ORDER BY created_at DESC, rowid DESC LIMIT ?2";
/// A customer's message counts as the customer's activity, so its sender is filled in where the file leaves it out.
const UPSERT: &str = "
    INSERT INTO messages (id, conversation_id, registration_id, sender_type, sender_id, type, content, created_at)
    VALUES (:id, :conversation_id, NULL, :sender_type,
            coalesce(:sender_id, iif(:sender_type = 'customer', (SELECT customer_id FROM conversations WHERE id = :conversation_id), NULL)),
            coalesce(:type, 'text'), :content, coalesce(:created_at, :now))
    ON CONFLICT (id) DO UPDATE SET
        conversation_id = :conversation_id, sender_type = :sender_type, sender_id = coalesce(:sender_id, sender_id),
        type = coalesce(:type, type), content = :content, created_at = coalesce(:created_at, created_at)
    WHERE (conversation_id, sender_type, sender_id, type, content, created_at) IS NOT
        (:conversation_id, :sender_type, coalesce(:sender_id, sender_id), coalesce(:type, type), :content,
         coalesce(:created_at, created_at))";
const TOUCH: &str = "UPDATE conversations SET updated_at = ?2 WHERE id = ?1 AND updated_at < ?2";

/// Moves a conversation's `updated_at` forward to a message's time.
fn touch(db: &Connection, conversation_id: &str, at_ms: i64) -> rusqlite::Result<()> {
    db.prepare_cached(TOUCH)?.execute((conversation_id, at_ms))?;
    Ok(())
}

/// The last `limit` messages of a conversation, oldest of them first.
pub(super) fn last(db: &Connection, conversation_id: &str, limit: u32) -> rusqlite::Result<Vec<Message>> {
    let mut found = rows::all(db, LAST, (conversation_id, limit), |row| {
        Ok(Message {
            id: row.get(0)?,
            sender_type: row.get(1)?,
            sender_id: row.get(2)?,
            kind: row.get(3)?,
            content: rows::json(row, 4)?,
            created_at: rows::time(row, 5)?,
        })
    })?;
    found.reverse();
    Ok(found)
}

/// Adds a message of the app, or brings the stored one up to date.
pub(super) fn upsert(db: &Connection, record: &MessageRecord, now_ms: i64) -> rusqlite::Result<Change> {
    let created_at = record.created_at.map(|at| at.timestamp_millis());
    let change = rows::upsert(
        db,
        "SELECT 1 FROM messages WHERE id = ?1",
        &record.id,
        UPSERT,
        named_params! {
            ":id": record.id,
            ":conversation_id": record.conversation_id,
            ":sender_type": record.sender_type,
            ":sender_id": record.sender_id,
            ":type": record.kind,
            ":content": Json(&record.content),
            ":created_at": created_at,
            ":now": now_ms,
        },
    )?;
    if change != Change::Unchanged {
        touch(db, &record.conversation_id, created_at.unwrap_or(now_ms))?;
    }
    Ok(change)
}

/// Every read of this file, for the test that looks at their plans.
#[cfg(test)]
pub(super) const SQL: &[&str] = &[LAST];
