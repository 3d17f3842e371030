//! Sessions of people in the panel, and what proves who they are beyond their password: second factors and the setup link.
//!
//! A session is kept as the hash of what the browser holds. It counts as long as neither of its two ends has come and
//! its account's password is the one that was shown to it: whoever changes a password ends every session that does not
//! know the new one, in the same commit.

use rusqlite::{Connection, Row, params};
use serde_json::json;

use super::{
    Store, StoreError,
    accounts::{self, Account},
    audit::{self, By, Change},
    rows,
};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSession {
    /// UUID v7.
    pub id: String,
    /// Who signed in.
    pub account_id: String,
    /// When, in milliseconds.
    pub created_at: i64,
    /// The last request, late by up to a minute.
    pub seen_at: i64,
    /// When it ends in any case.
    pub expires_at: i64,
    /// When the password was last shown.
    pub confirmed_at: i64,
    /// Whether a one-time code was shown as well.
    pub second_factor: bool,
    /// From where.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// How long a token that ended is still shown.
const TOKENS_KEPT: i64 = 30 * 24 * 60 * 60 * 1000;

const COLUMNS: &str = "s.id, s.account_id, s.created_at, s.seen_at, s.expires_at, s.confirmed_at, s.second_factor, s.address, s.agent";

impl Store {
    /// The session behind this hash with its account, whatever has become of either.
    pub fn admin_session(&self, hash: &[u8; 32]) -> Result<Option<(AdminSession, Account)>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM admin_sessions s WHERE s.hash = ?1");
        self.point(|db| {
            let Some(session) = rows::one(db, &sql, [hash], session)? else { return Ok(None) };
            Ok(accounts::by_id(db, &session.account_id)?.map(|account| (session, account)))
        })
    }

    /// Sessions that count at `now`, the latest first, each with its login; of one account, or of all. `idle_since` is
    /// the time since which somebody must have been seen.
    pub fn admin_sessions(&self, account_id: Option<&str>, now: i64, idle_since: i64) -> Result<Vec<(AdminSession, String)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, a.login FROM admin_sessions s JOIN accounts a ON a.id = s.account_id
              WHERE (?1 IS NULL OR s.account_id = ?1) AND s.expires_at > ?2 AND s.seen_at > ?3 AND s.confirmed_at >= a.password_changed_at
                AND a.enabled AND a.panel_role IS NOT NULL
              ORDER BY s.created_at DESC, s.id DESC"
        );
        self.point(|db| rows::all(db, &sql, params![account_id, now, idle_since], |row| Ok((session(row)?, row.get(9)?))))
    }

    /// Begins a session.
    pub async fn add_admin_session(&self, session: AdminSession, hash: [u8; 32], login: &str, by: By) -> Result<(), StoreError> {
        let object = object(login);
        self.write_first(move |db| {
            insert(db, &session, &hash)?;
            let facts = json!({"session_id": session.id, "second_factor": session.second_factor, "agent": session.agent});
            audit::append(db, &by, &Change::new("session.begin", object).after(facts))
        })
        .await
    }

    /// Notes that somebody is still there.
    pub async fn touch_admin_session(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.prepare_cached("UPDATE admin_sessions SET seen_at = max(seen_at, ?2) WHERE id = ?1")?.execute(params![id, now])?;
            Ok(())
        })
        .await
    }

    /// Notes that the password was shown again.
    pub async fn confirm_admin_session(&self, id: &str, login: &str, by: By) -> Result<(), StoreError> {
        let (id, object) = (id.to_owned(), object(login));
        self.write_first(move |db| {
            db.execute("UPDATE admin_sessions SET confirmed_at = ?2, seen_at = max(seen_at, ?2) WHERE id = ?1", params![id, by.at])?;
            audit::append(db, &by, &Change::new("session.confirm", object).after(json!({"session_id": id})))
        })
        .await
    }

    /// Ends a session. `action` says how: by its owner (`session.end`) or taken away (`session.revoke`).
    pub async fn end_admin_session(&self, id: &str, action: &'static str, by: By) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write_first(move |db| {
            let sql = format!("SELECT {COLUMNS}, a.login FROM admin_sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = ?1");
            let found = rows::one(db, &sql, [&id], |row| Ok((session(row)?, row.get::<_, String>(9)?)))?;
            let (session, login) = found.ok_or_else(|| StoreError::NotFound(format!("there is no session {id}")))?;
            db.execute("DELETE FROM admin_sessions WHERE id = ?1", [&id])?;
            audit::append(db, &by, &Change::new(action, object(&login)).before(facts(&session)))
        })
        .await
    }

    /// Ends every session of an account but one. Says how many there were.
    pub async fn end_admin_sessions(&self, account: &Account, but: Option<&str>, by: By) -> Result<usize, StoreError> {
        let (id, object, but) = (account.id.clone(), object(&account.login), but.unwrap_or_default().to_owned());
        self.write_first(move |db| {
            let ended = db.execute("DELETE FROM admin_sessions WHERE account_id = ?1 AND id <> ?2", [&id, &but])?;
            if ended > 0 {
                audit::append(db, &by, &Change::new("session.revoke", object).after(json!({"ended": ended})))?;
            }
            Ok(ended)
        })
        .await
    }

    /// Deletes what has ended: sessions, tokens, setup links, and answers to requests that nobody repeats any more.
    pub async fn prune_entry(&self, ended: i64, repeated: i64) -> Result<usize, StoreError> {
        self.write(move |db| {
            let sessions = db.execute("DELETE FROM admin_sessions WHERE expires_at <= ?1", [ended])?;
            let links = db.execute("DELETE FROM admin_setup_links WHERE expires_at <= ?1", [ended])?;
            let answers = db.execute("DELETE FROM admin_idempotency WHERE created_at <= ?1", [repeated])?;
            let tokens = db
                .execute("DELETE FROM admin_tokens WHERE min(expires_at, coalesce(revoked_at, expires_at)) <= ?1", [ended - TOKENS_KEPT])?;
            Ok(sessions + links + answers + tokens)
        })
        .await
    }
}

pub(super) fn insert(db: &Connection, session: &AdminSession, hash: &[u8; 32]) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO admin_sessions (id, hash, account_id, created_at, seen_at, expires_at, confirmed_at, second_factor, address, agent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        session.id,
        hash,
        session.account_id,
        session.created_at,
        session.seen_at,
        session.expires_at,
        session.confirmed_at,
        session.second_factor,
        session.address,
        session.agent
    ])?;
    Ok(())
}

fn session(row: &Row<'_>) -> rusqlite::Result<AdminSession> {
    Ok(AdminSession {
        id: row.get(0)?,
        account_id: row.get(1)?,
        created_at: row.get(2)?,
        seen_at: row.get(3)?,
        expires_at: row.get(4)?,
        confirmed_at: row.get(5)?,
        second_factor: row.get(6)?,
        address: row.get(7)?,
        agent: row.get(8)?,
    })
}

fn facts(session: &AdminSession) -> serde_json::Value {
    json!({"session_id": session.id, "created_at": session.created_at, "address": session.address, "agent": session.agent})
}

fn object(login: &str) -> String {
    format!("account/{login}")
}
