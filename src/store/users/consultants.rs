//! What consultants are good at, and whether they take customers. A consultant without a row has the defaults.

use rusqlite::{Connection, named_params};

use crate::store::{
    import::ConsultantRecord,
    rows::{self, Change, Json},
};

const UPSERT: &str = "
    INSERT INTO consultants (user_id, tags, is_supervisor, is_available, updated_at)
    VALUES (:user_id, coalesce(:tags, '[]'), coalesce(:is_supervisor, 0), coalesce(:is_available, 1), :now)
    ON CONFLICT (user_id) DO UPDATE SET
        tags = coalesce(:tags, tags), is_supervisor = coalesce(:is_supervisor, is_supervisor),
        is_available = coalesce(:is_available, is_available), updated_at = :now
    WHERE (tags, is_supervisor, is_available) IS NOT
        (coalesce(:tags, tags), coalesce(:is_supervisor, is_supervisor), coalesce(:is_available, is_available))";

/// Adds what is known of a consultant, or brings it up to date.
pub(in crate::store) fn upsert_consultant(db: &Connection, record: &ConsultantRecord, now_ms: i64) -> rusqlite::Result<Change> {
    rows::upsert(
        db,
        "SELECT 1 FROM consultants WHERE user_id = ?1",
        &record.user_id,
        UPSERT,
        named_params! {
            ":user_id": record.user_id,
            ":tags": record.tags.as_ref().map(Json),
            ":is_supervisor": record.is_supervisor,
            ":is_available": record.is_available,
            ":now": now_ms,
        },
    )
}
