//! Treatment plans: what the tools propose, and what a physician made of it.
//!
//! A plan stored here always waits for a physician: [`save`] has no way to say otherwise.

use anmei_mcp_tools::port::{NewPlan, Plan};
use rusqlite::{Connection, named_params, params};

use super::{
    import::PlanRecord,
    rows::{self, Change, Json},
};

const UPSERT: &str = "
    INSERT INTO plans (id, customer_id, parent_id, status, body, created_at)
    VALUES (:id, :customer_id, :parent_id, coalesce(:status, 'pending_physician_review'), :body, coalesce(:created_at, :now))
    ON CONFLICT (id) DO UPDATE SET
        customer_id = coalesce(:customer_id, customer_id), parent_id = coalesce(:parent_id, parent_id),
        status = coalesce(:status, status), body = :body, created_at = coalesce(:created_at, created_at)
    WHERE (customer_id, parent_id, status, body, created_at) IS NOT
        (coalesce(:customer_id, customer_id), coalesce(:parent_id, parent_id), coalesce(:status, status), :body,
         coalesce(:created_at, created_at))";

/// One plan.
pub(super) fn by_id(db: &Connection, id: &str) -> rusqlite::Result<Option<Plan>> {
    let sql = "SELECT id, customer_id, parent_id, status, body, created_at FROM plans WHERE id = ?1";
    rows::one(db, sql, [id], |row| {
        Ok(Plan {
            id: row.get(0)?,
            customer_id: row.get(1)?,
            parent_id: row.get(2)?,
            status: row.get(3)?,
            body: rows::json(row, 4)?,
            created_at: rows::time(row, 5)?,
        })
    })
}

/// Stores a plan under `id`.
pub(super) fn save(db: &Connection, id: &str, plan: &NewPlan, now_ms: i64) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO plans (id, customer_id, parent_id, status, body, created_at) VALUES (?1, ?2, ?3, 'pending_physician_review', ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![id, plan.customer_id, plan.parent_id, Json(&plan.body), now_ms])?;
    Ok(())
}

/// Adds a plan of the app, or brings the stored one up to date.
pub(super) fn upsert(db: &Connection, record: &PlanRecord, now_ms: i64) -> rusqlite::Result<Change> {
    rows::upsert(
        db,
        "SELECT 1 FROM plans WHERE id = ?1",
        &record.id,
        UPSERT,
        named_params! {
            ":id": record.id,
            ":customer_id": record.customer_id,
            ":parent_id": record.parent_id,
            ":status": record.status,
            ":body": Json(&record.body),
            ":created_at": record.created_at.map(|at| at.timestamp_millis()),
            ":now": now_ms,
        },
    )
}
