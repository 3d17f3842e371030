//! Conversations between a customer and the clinic.
//!
//! Those that a registration opens are written by `registrations`, in the transaction of the step that does it. This file
//! reads them all, and keeps those of the app current; it never moves `updated_at` back.

use anmei_mcp_tools::port::{Conversation, Participant};
use rusqlite::{Connection, Row, named_params};

use super::{
    import::ConversationRecord,
    rows::{self, Change},
};

const BY_ID: &str = "SELECT id, customer_id, title, ai_controlled, status, created_at, updated_at FROM conversations WHERE id = ?1";
/// Of two changed in the same millisecond, the one stored last.
const LATEST: &str = "
    SELECT id, customer_id, title, ai_controlled, status, created_at, updated_at FROM conversations
    WHERE customer_id = ?1 ORDER BY updated_at DESC, rowid DESC LIMIT 1";
/// `updated_at` never goes back: messages stored since may be later than what the file knows.
const UPSERT: &str = "
    INSERT INTO conversations (id, customer_id, registration_id, title, ai_controlled, agent_id, status, created_at, updated_at)
    VALUES (:id, :customer_id, NULL, :title, coalesce(:ai_controlled, 1), NULL, coalesce(:status, 'open'), coalesce(:created_at, :now),
            coalesce(:updated_at, :created_at, :now))
    ON CONFLICT (id) DO UPDATE SET
        customer_id = :customer_id, title = :title, ai_controlled = coalesce(:ai_controlled, ai_controlled),
        status = coalesce(:status, status), created_at = coalesce(:created_at, created_at),
        updated_at = max(updated_at, coalesce(:updated_at, updated_at))
    WHERE (customer_id, title, ai_controlled, status, created_at, updated_at) IS NOT
        (:customer_id, :title, coalesce(:ai_controlled, ai_controlled), coalesce(:status, status), coalesce(:created_at, created_at),
         max(updated_at, coalesce(:updated_at, updated_at)))";
const SENDERS: &str = "
    SELECT m.sender_type, m.sender_id, u.username FROM messages m LEFT JOIN users u ON u.id = m.sender_id
    WHERE m.conversation_id = ?1 GROUP BY m.sender_type, m.sender_id ORDER BY min(m.created_at), min(m.rowid)";

/// One conversation.
pub(super) fn by_id(db: &Connection, id: &str) -> rusqlite::Result<Option<Conversation>> {
    rows::one(db, BY_ID, [id], read)
}

/// The customer's conversation that changed last.
pub(super) fn latest(db: &Connection, customer_id: &str) -> rusqlite::Result<Option<Conversation>> {
    rows::one(db, LATEST, [customer_id], read)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        id: row.get(0)?,
        customer_id: row.get(1)?,
        title: row.get(2)?,
        ai_controlled: row.get(3)?,
        status: row.get(4)?,
        created_at: rows::time(row, 5)?,
        updated_at: rows::time(row, 6)?,
    })
}

/// The customer, then everybody who wrote, in the order of their first message. Nobody for an unknown conversation.
pub(super) fn participants(db: &Connection, id: &str) -> rusqlite::Result<Vec<Participant>> {
    let sql = "SELECT c.customer_id, u.username FROM conversations c JOIN users u ON u.id = c.customer_id WHERE c.id = ?1";
    let customer =
        rows::one(db, sql, [id], |row| Ok(Participant { user_id: row.get(0)?, username: row.get(1)?, role: "customer".into() }))?;
    let Some(customer) = customer else { return Ok(Vec::new()) };
    let mut found = vec![customer];
    for sender in rows::all(db, SENDERS, [id], sender)? {
        let known = found.iter().any(|one| if sender.user_id.is_empty() { one.role == sender.role } else { one.user_id == sender.user_id });
        if !known {
            found.push(sender);
        }
    }
    Ok(found)
}

/// A sender without an account (the AI, the system) has no id, and the name that people see; an account that is gone
/// shows its id.
fn sender(row: &Row<'_>) -> rusqlite::Result<Participant> {
    let role: String = row.get(0)?;
    let user_id: String = row.get::<_, Option<String>>(1)?.unwrap_or_default();
    let fallback = || match role.as_str() {
        "ai" => "AI 助手".to_owned(),
        "system" => "系统".to_owned(),
        _ => user_id.clone(),
    };
    let username = row.get::<_, Option<String>>(2)?.unwrap_or_else(fallback);
    Ok(Participant { user_id, username, role })
}

/// Adds a conversation of the app, or brings the stored one up to date.
pub(super) fn upsert(db: &Connection, record: &ConversationRecord, now_ms: i64) -> rusqlite::Result<Change> {
    rows::upsert(
        db,
        "SELECT 1 FROM conversations WHERE id = ?1",
        &record.id,
        UPSERT,
        named_params! {
            ":id": record.id,
            ":customer_id": record.customer_id,
            ":title": record.title,
            ":ai_controlled": record.ai_controlled,
            ":status": record.status,
            ":created_at": record.created_at.map(|at| at.timestamp_millis()),
            ":updated_at": record.updated_at.map(|at| at.timestamp_millis()),
            ":now": now_ms,
        },
    )
}

/// Every read of this file, for the test that looks at their plans.
#[cfg(test)]
pub(super) const SQL: &[&str] = &[BY_ID, LATEST, SENDERS];
