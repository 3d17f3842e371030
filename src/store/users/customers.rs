//! What the clinic knows of a customer beyond the account, and how the customer wants to be served.
//!
//! One row each beside `users`, and only for accounts that exist. A list that a source does not mention stays; an empty
//! list clears it, so that an allergy is never forgotten by accident.

use anmei_mcp_tools::port::{Customer, Preferences};
use rusqlite::{Connection, named_params};

use crate::store::{
    import::{CustomerRecord, PreferencesRecord},
    rows::{self, Change, Json},
};

const CUSTOMER: &str = "
    SELECT user_id, gender, birth_year, city, source, skin_type, concerns, allergies, conditions FROM customers WHERE user_id = ?1";
const PREFERENCES: &str = "
    SELECT treatments, budget_min_fen, budget_max_fen, contact_time, communication_style, price_sensitivity, brand_loyalty
    FROM preferences WHERE user_id = ?1";
const UPSERT_CUSTOMER: &str = "
    INSERT INTO customers (user_id, gender, birth_year, city, source, skin_type, concerns, allergies, conditions, updated_at)
    VALUES (:user_id, :gender, :birth_year, :city, :source, :skin_type, coalesce(:concerns, '[]'), coalesce(:allergies, '[]'),
            coalesce(:conditions, '[]'), :now)
    ON CONFLICT (user_id) DO UPDATE SET
        gender = coalesce(:gender, gender), birth_year = coalesce(:birth_year, birth_year), city = coalesce(:city, city),
        source = coalesce(:source, source), skin_type = coalesce(:skin_type, skin_type), concerns = coalesce(:concerns, concerns),
        allergies = coalesce(:allergies, allergies), conditions = coalesce(:conditions, conditions), updated_at = :now
    WHERE (gender, birth_year, city, source, skin_type, concerns, allergies, conditions) IS NOT
        (coalesce(:gender, gender), coalesce(:birth_year, birth_year), coalesce(:city, city), coalesce(:source, source),
         coalesce(:skin_type, skin_type), coalesce(:concerns, concerns), coalesce(:allergies, allergies), coalesce(:conditions, conditions))";
const UPSERT_PREFERENCES: &str = "
    INSERT INTO preferences (user_id, treatments, budget_min_fen, budget_max_fen, contact_time, communication_style,
                             price_sensitivity, brand_loyalty, updated_at)
    VALUES (:user_id, coalesce(:treatments, '[]'), :budget_min, :budget_max, :contact_time, :style, :price, :brand, :now)
    ON CONFLICT (user_id) DO UPDATE SET
        treatments = coalesce(:treatments, treatments), budget_min_fen = coalesce(:budget_min, budget_min_fen),
        budget_max_fen = coalesce(:budget_max, budget_max_fen), contact_time = coalesce(:contact_time, contact_time),
        communication_style = coalesce(:style, communication_style), price_sensitivity = coalesce(:price, price_sensitivity),
        brand_loyalty = coalesce(:brand, brand_loyalty), updated_at = :now
    WHERE (treatments, budget_min_fen, budget_max_fen, contact_time, communication_style, price_sensitivity, brand_loyalty) IS NOT
        (coalesce(:treatments, treatments), coalesce(:budget_min, budget_min_fen), coalesce(:budget_max, budget_max_fen),
         coalesce(:contact_time, contact_time), coalesce(:style, communication_style), coalesce(:price, price_sensitivity),
         coalesce(:brand, brand_loyalty))";

/// What is known of the customer with this user id.
pub(in crate::store) fn customer(db: &Connection, user_id: &str) -> rusqlite::Result<Option<Customer>> {
    rows::one(db, CUSTOMER, [user_id], |row| {
        Ok(Customer {
            user_id: row.get(0)?,
            gender: row.get(1)?,
            birth_year: row.get(2)?,
            city: row.get(3)?,
            source: row.get(4)?,
            skin_type: row.get(5)?,
            concerns: rows::json(row, 6)?,
            allergies: rows::json(row, 7)?,
            conditions: rows::json(row, 8)?,
        })
    })
}

/// The customer's preferences.
pub(in crate::store) fn preferences(db: &Connection, user_id: &str) -> rusqlite::Result<Option<Preferences>> {
    rows::one(db, PREFERENCES, [user_id], |row| {
        Ok(Preferences {
            treatments: rows::json(row, 0)?,
            budget_min_fen: row.get(1)?,
            budget_max_fen: row.get(2)?,
            contact_time: row.get(3)?,
            communication_style: row.get(4)?,
            price_sensitivity: row.get(5)?,
            brand_loyalty: row.get(6)?,
        })
    })
}

/// Adds what is known of a customer, or brings it up to date.
pub(in crate::store) fn upsert_customer(db: &Connection, record: &CustomerRecord, now_ms: i64) -> rusqlite::Result<Change> {
    rows::upsert(
        db,
        "SELECT 1 FROM customers WHERE user_id = ?1",
        &record.user_id,
        UPSERT_CUSTOMER,
        named_params! {
            ":user_id": record.user_id,
            ":gender": record.gender,
            ":birth_year": record.birth_year,
            ":city": record.city,
            ":source": record.source,
            ":skin_type": record.skin_type,
            ":concerns": record.concerns.as_ref().map(Json),
            ":allergies": record.allergies.as_ref().map(Json),
            ":conditions": record.conditions.as_ref().map(Json),
            ":now": now_ms,
        },
    )
}

/// Adds a customer's preferences, or brings them up to date.
pub(in crate::store) fn upsert_preferences(db: &Connection, record: &PreferencesRecord, now_ms: i64) -> rusqlite::Result<Change> {
    rows::upsert(
        db,
        "SELECT 1 FROM preferences WHERE user_id = ?1",
        &record.user_id,
        UPSERT_PREFERENCES,
        named_params! {
            ":user_id": record.user_id,
            ":treatments": record.treatments.as_ref().map(Json),
            ":budget_min": record.budget_min_fen,
            ":budget_max": record.budget_max_fen,
            ":contact_time": record.contact_time,
            ":style": record.communication_style,
            ":price": record.price_sensitivity,
            ":brand": record.brand_loyalty,
            ":now": now_ms,
        },
    )
}
