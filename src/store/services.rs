//! The service catalogue, with how often each service was booked.
//!
//! The catalogue is small (tens of rows) and is always read whole; the tools choose from it in memory.

use anmei_mcp_tools::port::Service;
use rusqlite::{Connection, Row, named_params};

use super::{
    import::ServiceRecord,
    rows::{self, Change, Json},
};

/// Milliseconds of the year that `bookings_year` looks back on.
pub(super) const YEAR_MS: i64 = 365 * 24 * 3_600_000;

const ALL: &str = "
    SELECT code, name, name_en, category, description, treats, price_min_fen, price_max_fen, duration_minutes, recovery_days,
           sessions, interval_days, efficacy, contraindications, enabled,
           (SELECT count(*) FROM consultations c
            WHERE c.service_code = services.code AND c.occurred_at > :since AND c.occurred_at <= :now
              AND c.status = 'completed' AND c.kind <> 'complaint')
    FROM services ORDER BY category, code";
const UPSERT: &str = "
    INSERT INTO services (code, name, name_en, category, description, treats, price_min_fen, price_max_fen, duration_minutes,
                          recovery_days, sessions, interval_days, efficacy, contraindications, enabled, updated_at)
    VALUES (:code, :name, coalesce(:name_en, ''), :category, coalesce(:description, ''), coalesce(:treats, '[]'), :price_min, :price_max,
            :minutes, coalesce(:recovery, 0), coalesce(:sessions, 1), coalesce(:interval, 0), coalesce(:efficacy, 50),
            coalesce(:avoid, '[]'), coalesce(:enabled, 1), :now)
    ON CONFLICT (code) DO UPDATE SET
        name = :name, name_en = coalesce(:name_en, name_en), category = :category, description = coalesce(:description, description),
        treats = coalesce(:treats, treats), price_min_fen = :price_min, price_max_fen = :price_max, duration_minutes = :minutes,
        recovery_days = coalesce(:recovery, recovery_days), sessions = coalesce(:sessions, sessions),
        interval_days = coalesce(:interval, interval_days), efficacy = coalesce(:efficacy, efficacy),
        contraindications = coalesce(:avoid, contraindications), enabled = coalesce(:enabled, enabled), updated_at = :now
    WHERE (name, name_en, category, description, treats, price_min_fen, price_max_fen, duration_minutes, recovery_days, sessions,
           interval_days, efficacy, contraindications, enabled) IS NOT
        (:name, coalesce(:name_en, name_en), :category, coalesce(:description, description), coalesce(:treats, treats), :price_min,
         :price_max, :minutes, coalesce(:recovery, recovery_days), coalesce(:sessions, sessions), coalesce(:interval, interval_days),
         coalesce(:efficacy, efficacy), coalesce(:avoid, contraindications), coalesce(:enabled, enabled))";

/// Every service, ordered by category and code; bookings are counted as of `now_ms`.
pub(super) fn all(db: &Connection, now_ms: i64) -> rusqlite::Result<Vec<Service>> {
    rows::all(db, ALL, named_params! { ":since": now_ms - YEAR_MS, ":now": now_ms }, read)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Service> {
    Ok(Service {
        code: row.get(0)?,
        name: row.get(1)?,
        name_en: row.get(2)?,
        category: row.get(3)?,
        description: row.get(4)?,
        treats: rows::json(row, 5)?,
        price_min_fen: row.get(6)?,
        price_max_fen: row.get(7)?,
        duration_minutes: row.get(8)?,
        recovery_days: row.get(9)?,
        sessions: row.get(10)?,
        interval_days: row.get(11)?,
        efficacy: row.get(12)?,
        contraindications: rows::json(row, 13)?,
        enabled: row.get(14)?,
        bookings_year: row.get(15)?,
    })
}

/// Adds a service, or brings the stored one up to date.
pub(super) fn upsert(db: &Connection, record: &ServiceRecord, now_ms: i64) -> rusqlite::Result<Change> {
    rows::upsert(
        db,
        "SELECT 1 FROM services WHERE code = ?1",
        &record.code,
        UPSERT,
        named_params! {
            ":code": record.code,
            ":name": record.name,
            ":name_en": record.name_en,
            ":category": record.category,
            ":description": record.description,
            ":treats": record.treats.as_ref().map(Json),
            ":price_min": record.price_min_fen,
            ":price_max": record.price_max_fen,
            ":minutes": record.duration_minutes,
            ":recovery": record.recovery_days,
            ":sessions": record.sessions,
            ":interval": record.interval_days,
            ":efficacy": record.efficacy,
            ":avoid": record.contraindications.as_ref().map(Json),
            ":enabled": record.enabled,
            ":now": now_ms,
        },
    )
}
