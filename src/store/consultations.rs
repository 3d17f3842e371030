//! Visits, calls and treatments, and the summaries made of them.
//!
//! What a customer did in total is added up in [`activity`]; this file reads and writes single rows.

mod activity;

use anmei_mcp_tools::port::{Consultation, NewSummary};
use rusqlite::{Connection, Row, named_params, params};

pub(super) use self::activity::activity;
use super::{
    import::ConsultationRecord,
    rows::{self, Change, Json},
};

const BY_ID: &str = "
    SELECT c.id, c.customer_id, c.occurred_at, c.kind, c.status, c.summary, c.consultant_id, u.username, c.service_code, c.paid_fen
    FROM consultations c LEFT JOIN users u ON u.id = c.consultant_id WHERE c.id = ?1";
/// Of two at the same time, the one stored last comes first.
const NEWEST: &str = "
    SELECT c.id, c.customer_id, c.occurred_at, c.kind, c.status, c.summary, c.consultant_id, u.username, c.service_code, c.paid_fen
    FROM consultations c LEFT JOIN users u ON u.id = c.consultant_id
    WHERE c.customer_id = ?1 ORDER BY c.occurred_at DESC, c.rowid DESC LIMIT ?2";
const UPSERT: &str = "
    INSERT INTO consultations (id, customer_id, consultant_id, kind, status, summary, service_code, paid_fen, occurred_at, updated_at)
    VALUES (:id, :customer_id, :consultant_id, :kind, :status, coalesce(:summary, ''), :service_code, coalesce(:paid, 0), :occurred_at, :now)
    ON CONFLICT (id) DO UPDATE SET
        customer_id = :customer_id, consultant_id = coalesce(:consultant_id, consultant_id), kind = :kind, status = :status,
        summary = coalesce(:summary, summary), service_code = coalesce(:service_code, service_code),
        paid_fen = coalesce(:paid, paid_fen), occurred_at = :occurred_at, updated_at = :now
    WHERE (customer_id, consultant_id, kind, status, summary, service_code, paid_fen, occurred_at) IS NOT
        (:customer_id, coalesce(:consultant_id, consultant_id), :kind, :status, coalesce(:summary, summary),
         coalesce(:service_code, service_code), coalesce(:paid, paid_fen), :occurred_at)";
const SUMMARY: &str = "
    INSERT INTO consultation_summaries (id, consultation_id, customer_id, consultation_type, key_points, source, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// One consultation.
pub(super) fn by_id(db: &Connection, id: &str) -> rusqlite::Result<Option<Consultation>> {
    rows::one(db, BY_ID, [id], read)
}

/// The customer's consultations, newest first.
pub(super) fn newest(db: &Connection, customer_id: &str, limit: u32) -> rusqlite::Result<Vec<Consultation>> {
    rows::all(db, NEWEST, (customer_id, limit), read)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Consultation> {
    Ok(Consultation {
        id: row.get(0)?,
        customer_id: row.get(1)?,
        occurred_at: rows::time(row, 2)?,
        kind: row.get(3)?,
        status: row.get(4)?,
        summary: row.get(5)?,
        consultant_id: row.get(6)?,
        consultant_name: row.get(7)?,
        service_code: row.get(8)?,
        paid_fen: row.get(9)?,
    })
}

/// Stores a summary under `id`.
pub(super) fn save_summary(db: &Connection, id: &str, summary: &NewSummary, now_ms: i64) -> rusqlite::Result<()> {
    db.prepare_cached(SUMMARY)?.execute(params![
        id,
        summary.consultation_id,
        summary.customer_id,
        summary.consultation_type,
        Json(&summary.key_points),
        Json(&summary.source),
        now_ms,
    ])?;
    Ok(())
}

/// Adds a consultation, or brings the stored one up to date.
pub(super) fn upsert(db: &Connection, record: &ConsultationRecord, now_ms: i64) -> rusqlite::Result<Change> {
    rows::upsert(
        db,
        "SELECT 1 FROM consultations WHERE id = ?1",
        &record.id,
        UPSERT,
        named_params! {
            ":id": record.id,
            ":customer_id": record.customer_id,
            ":consultant_id": record.consultant_id,
            ":kind": record.kind,
            ":status": record.status,
            ":summary": record.summary,
            ":service_code": record.service_code,
            ":paid": record.paid_fen,
            ":occurred_at": record.occurred_at.timestamp_millis(),
            ":now": now_ms,
        },
    )
}

/// Every read of this file, for the test that looks at their plans.
#[cfg(test)]
pub(super) const SQL: &[&str] = &[BY_ID, NEWEST, activity::VISITS, activity::SERVICES, activity::MESSAGES, activity::HOURS];
