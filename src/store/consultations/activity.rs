//! What a customer did, added up by the database: visits, payments and messages.
//!
//! Everything an analysis rests on comes from here, as of the time the caller names; nothing after that time counts,
//! except appointments still to come and what was paid for them.

use anmei_mcp_tools::port::Activity;
use rusqlite::{Connection, named_params};

use crate::store::{rows, services::YEAR_MS};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// A visit took place: it is completed, no complaint, and not after now.
pub(super) const VISITS: &str = "
    WITH visit AS (
        SELECT kind, status, paid_fen, occurred_at,
               status = 'completed' AND kind <> 'complaint' AND occurred_at <= :now AS took_place
        FROM consultations WHERE customer_id = :customer
    )
    SELECT count(*) FILTER (WHERE took_place),
           count(*) FILTER (WHERE took_place AND kind = 'treatment'),
           count(*) FILTER (WHERE kind <> 'complaint' AND status IN ('cancelled', 'no_show')),
           count(*) FILTER (WHERE kind = 'complaint' AND occurred_at <= :now),
           count(*) FILTER (WHERE kind <> 'complaint' AND status = 'scheduled' AND occurred_at > :now),
           min(occurred_at) FILTER (WHERE took_place),
           max(occurred_at) FILTER (WHERE took_place),
           coalesce(sum(paid_fen), 0),
           coalesce(sum(paid_fen) FILTER (WHERE occurred_at > :year_ago), 0)
    FROM visit";
pub(super) const SERVICES: &str = "
    SELECT service_code, count(*) FROM consultations
    WHERE customer_id = :customer AND status = 'completed' AND kind <> 'complaint' AND occurred_at <= :now AND service_code IS NOT NULL
    GROUP BY service_code";
pub(super) const MESSAGES: &str = "
    SELECT count(*), count(*) FILTER (WHERE created_at > :now - 30 * :day), count(*) FILTER (WHERE created_at > :now - 90 * :day),
           max(created_at)
    FROM messages WHERE sender_type = 'customer' AND sender_id = :customer AND created_at <= :now";
/// Eight hours: the clinic's time zone, which knows no summer time.
pub(super) const HOURS: &str = "
    SELECT (created_at / 3600000 + 8) % 24, count(*) FROM messages
    WHERE sender_type = 'customer' AND sender_id = :customer AND created_at BETWEEN 0 AND :now GROUP BY 1";

/// What the customer did until `now_ms`.
pub(in crate::store) fn activity(db: &Connection, customer: &str, now_ms: i64) -> rusqlite::Result<Activity> {
    // One snapshot, so that the sums agree with each other.
    let snapshot = db.unchecked_transaction()?;
    let visits = visits(&snapshot, customer, now_ms)?;
    let messages = messages(&snapshot, customer, now_ms)?;
    let person = named_params! { ":customer": customer, ":now": now_ms };
    let services = rows::all(&snapshot, SERVICES, person, |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?)))?;
    let mut hours = vec![0; 24];
    for (hour, count) in rows::all(&snapshot, HOURS, person, |row| Ok((row.get::<_, u8>(0)?, row.get::<_, u32>(1)?)))? {
        if let Some(slot) = hours.get_mut(usize::from(hour)) {
            *slot = count;
        }
    }
    Ok(Activity {
        messages: messages.messages,
        messages_30d: messages.messages_30d,
        messages_90d: messages.messages_90d,
        last_message: messages.last_message,
        messages_by_hour: hours,
        services: services.into_iter().collect(),
        ..visits
    })
}

fn visits(db: &Connection, customer: &str, now_ms: i64) -> rusqlite::Result<Activity> {
    let params = named_params! { ":customer": customer, ":now": now_ms, ":year_ago": now_ms - YEAR_MS };
    db.prepare_cached(VISITS)?.query_row(params, |row| {
        Ok(Activity {
            completed_visits: row.get(0)?,
            treatments: row.get(1)?,
            missed: row.get(2)?,
            complaints: row.get(3)?,
            upcoming: row.get(4)?,
            first_visit: rows::optional_time(row, 5)?,
            last_visit: rows::optional_time(row, 6)?,
            spent_fen: row.get(7)?,
            spent_year_fen: row.get(8)?,
            ..Activity::default()
        })
    })
}

fn messages(db: &Connection, customer: &str, now_ms: i64) -> rusqlite::Result<Activity> {
    let params = named_params! { ":customer": customer, ":now": now_ms, ":day": DAY_MS };
    db.prepare_cached(MESSAGES)?.query_row(params, |row| {
        Ok(Activity {
            messages: row.get(0)?,
            messages_30d: row.get(1)?,
            messages_90d: row.get(2)?,
            last_message: rows::optional_time(row, 3)?,
            ..Activity::default()
        })
    })
}
