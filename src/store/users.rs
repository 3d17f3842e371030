//! The people of the clinic: accounts, what is known of customers, and their preferences.
//!
//! Every writer of `users` goes through [`upsert`]: it alone knows how the columns behind the search are made. It
//! refuses to forget: a field that a source does not mention keeps its stored value.

mod consultants;
mod customers;

use std::borrow::Cow;

use anmei_mcp_tools::port::User;
use rusqlite::{Connection, Row, named_params};
use unicode_normalization::UnicodeNormalization;

pub(super) use self::{
    consultants::upsert_consultant,
    customers::{customer, preferences, upsert_customer, upsert_preferences},
};
use super::{
    import::UserRecord,
    rows::{self, Change, Json},
    search::name_chars,
};

/// The hot path of the daemon: one look-up through the UNIQUE index of `id`.
const BY_ID: &str = "SELECT id, username, email, phone, avatar, roles, is_active, registered_at FROM users WHERE id = ?1";
const BY_SEQ: &str = "SELECT id, username, email, phone, avatar, roles, is_active, registered_at FROM users WHERE seq = ?1";
const EXISTS: &str = "SELECT 1 FROM users WHERE id = ?1";
const UPSERT: &str = "
    INSERT INTO users (id, username, email, phone, avatar, roles, is_active, name_chars, registered_at, created_at, updated_at)
    VALUES (:id, :username, :email, :phone, :avatar, coalesce(:roles, '[\"customer\"]'), coalesce(:is_active, 1), :name_chars,
            coalesce(:registered_at, :now), :now, :now)
    ON CONFLICT (id) DO UPDATE SET
        username = :username, email = coalesce(:email, email), phone = coalesce(:phone, phone), avatar = coalesce(:avatar, avatar),
        roles = coalesce(:roles, roles), is_active = coalesce(:is_active, is_active), name_chars = :name_chars,
        registered_at = coalesce(:registered_at, registered_at), updated_at = :now
    WHERE (username, email, phone, avatar, roles, is_active, name_chars, registered_at) IS NOT
        (:username, coalesce(:email, email), coalesce(:phone, phone), coalesce(:avatar, avatar), coalesce(:roles, roles),
         coalesce(:is_active, is_active), :name_chars, coalesce(:registered_at, registered_at))";

/// The user with this id.
pub(super) fn by_id(db: &Connection, id: &str) -> rusqlite::Result<Option<User>> {
    rows::one(db, BY_ID, [id], read)
}

/// The user in this row.
pub(super) fn by_seq(db: &Connection, seq: i64) -> rusqlite::Result<Option<User>> {
    rows::one(db, BY_SEQ, [seq], read)
}

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        username: row.get(1)?,
        email: row.get(2)?,
        phone: row.get(3)?,
        avatar: row.get(4)?,
        roles: rows::json(row, 5)?,
        is_active: row.get(6)?,
        registered_at: rows::time(row, 7)?,
    })
}

/// Adds a user, or brings the stored one up to date. Fields that are `None` keep what is stored.
pub(super) fn upsert(db: &Connection, user: &UserRecord, now_ms: i64) -> rusqlite::Result<Change> {
    let phone = user.phone.as_deref().map(compact_phone);
    rows::upsert(
        db,
        EXISTS,
        &user.id,
        UPSERT,
        named_params! {
            ":id": user.id,
            ":username": user.username,
            ":email": user.email,
            ":phone": phone,
            ":avatar": user.avatar,
            ":roles": user.roles.as_ref().map(Json),
            ":is_active": user.is_active,
            ":name_chars": name_chars(&user.username),
            ":registered_at": user.registered_at.map(|at| at.timestamp_millis()),
            ":now": now_ms,
        },
    )
}

/// A phone number without the blanks, hyphens and brackets people type between its digits, so that it is found
/// however it is written. What holds other signs is no plain number and stays as it is.
pub(super) fn compact_phone(phone: &str) -> Cow<'_, str> {
    if phone.bytes().all(|b| b.is_ascii_digit()) {
        return Cow::Borrowed(phone);
    }
    let text: String = phone.nfkc().collect();
    let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
    let digits = compact.strip_prefix('+').unwrap_or(&compact);
    if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() { Cow::Owned(compact) } else { Cow::Owned(phone.trim().to_owned()) }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{by_id, compact_phone, upsert};
    use crate::{
        clock::from_ms,
        store::{import::UserRecord, migrate::SCHEMA, rows::Change},
    };

    fn zhang() -> UserRecord {
        UserRecord {
            id: "usr_1".into(),
            username: "张伟".into(),
            phone: Some("138 1234-8888".into()),
            roles: Some(vec!["customer".into(), "doctor".into()]),
            registered_at: Some(from_ms(1_700_000_000_000)),
            ..UserRecord::default()
        }
    }

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db
    }

    #[test]
    fn a_user_is_added_left_alone_and_changed() {
        let db = database();
        assert_eq!(upsert(&db, &zhang(), 1).unwrap(), Change::Added);
        assert_eq!(upsert(&db, &zhang(), 2).unwrap(), Change::Unchanged);
        let renamed = UserRecord { username: "张玮".into(), ..zhang() };
        assert_eq!(upsert(&db, &renamed, 3).unwrap(), Change::Changed);
        let user = by_id(&db, "usr_1").unwrap().unwrap();
        assert_eq!((user.username.as_str(), user.phone.as_deref()), ("张玮", Some("13812348888")));
        assert_eq!(user.roles, ["customer", "doctor"]);
        assert!(user.is_active);
        assert!(by_id(&db, "usr_2").unwrap().is_none());
    }

    #[test]
    fn what_a_source_does_not_mention_stays() {
        let db = database();
        upsert(&db, &zhang(), 1).unwrap();
        let bare = UserRecord { id: "usr_1".into(), username: "张伟".into(), ..UserRecord::default() };
        assert_eq!(upsert(&db, &bare, 2).unwrap(), Change::Unchanged);
        assert_eq!(by_id(&db, "usr_1").unwrap().unwrap().phone.as_deref(), Some("13812348888"));
    }

    #[test]
    fn a_phone_number_loses_what_is_between_its_digits() {
        assert_eq!(compact_phone("13812348888"), "13812348888");
        assert_eq!(compact_phone("+86 (138) 1234-8888"), "+8613812348888");
        assert_eq!(compact_phone("１３８１２３４８８８８"), "13812348888");
        assert_eq!(compact_phone(" 8888 ext. 12 "), "8888 ext. 12");
    }

    #[test]
    fn reads_by_key_use_the_unique_index() {
        let plan: String = database().query_row(&format!("EXPLAIN QUERY PLAN {}", super::BY_ID), ["x"], |row| row.get(3)).unwrap();
        assert_eq!(plan, "SEARCH users USING INDEX sqlite_autoindex_users_1 (id=?)");
    }
}
