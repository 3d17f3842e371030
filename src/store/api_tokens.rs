//! Tokens with which programs use the admin API, each in the name of an account.

use rusqlite::{Row, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    accounts::{self, Account},
    audit::{self, By, Change},
    rows,
};
use crate::clock::rfc3339;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// UUID v7.
    pub id: String,
    /// Whose it is.
    pub account_id: String,
    /// What it is for.
    pub name: String,
    /// What it may do at most.
    pub role: String,
    /// Its last four characters.
    pub hint: String,
    /// When it was made, in milliseconds.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// Its last use, late by up to a minute.
    pub used_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

const COLUMNS: &str = "t.id, t.account_id, t.name, t.role, t.hint, t.created_at, t.expires_at, t.used_at, t.revoked_at";

impl Store {
    /// The token behind this hash with its account, whatever has become of either.
    pub fn api_token(&self, hash: &[u8; 32]) -> Result<Option<(ApiToken, Account)>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM admin_tokens t WHERE t.hash = ?1");
        self.point(|db| {
            let Some(token) = rows::one(db, &sql, [hash], token)? else { return Ok(None) };
            Ok(accounts::by_id(db, &token.account_id)?.map(|account| (token, account)))
        })
    }

    /// A token by its id, with the login of its account.
    pub fn api_token_by_id(&self, id: &str) -> Result<Option<(ApiToken, String)>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, a.login FROM admin_tokens t JOIN accounts a ON a.id = t.account_id WHERE t.id = ?1");
        self.point(|db| rows::one(db, &sql, [id], |row| Ok((token(row)?, row.get(9)?))))
    }

    /// Every token, the newest first, each with the login of its account; of one account, or of all.
    pub fn api_tokens(&self, account_id: Option<&str>) -> Result<Vec<(ApiToken, String)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, a.login FROM admin_tokens t JOIN accounts a ON a.id = t.account_id
              WHERE ?1 IS NULL OR t.account_id = ?1 ORDER BY t.created_at DESC, t.id DESC"
        );
        self.point(|db| rows::all(db, &sql, [account_id], |row| Ok((token(row)?, row.get(9)?))))
    }

    /// Keeps a new token.
    pub async fn add_api_token(&self, token: ApiToken, hash: [u8; 32], login: &str, by: By) -> Result<(), StoreError> {
        let object = object(login, &token.id);
        self.write(move |db| {
            db.prepare_cached(
                "INSERT INTO admin_tokens (id, hash, account_id, name, role, hint, created_at, expires_at, used_at, revoked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, NULL)",
            )?
            .execute(params![
                token.id,
                hash,
                token.account_id,
                token.name,
                token.role,
                token.hint,
                token.created_at,
                token.expires_at
            ])?;
            audit::append(db, &by, &Change::new("token.add", object).after(facts(&token)))
        })
        .await
    }

    /// Notes that a token was used.
    pub async fn touch_api_token(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.prepare_cached("UPDATE admin_tokens SET used_at = ?2 WHERE id = ?1")?.execute(params![id, now])?;
            Ok(())
        })
        .await
    }

    /// Revokes a token. One that was revoked before stays as it is.
    pub async fn revoke_api_token(&self, id: &str, by: By) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let sql = format!("SELECT {COLUMNS}, a.login FROM admin_tokens t JOIN accounts a ON a.id = t.account_id WHERE t.id = ?1");
            let found = rows::one(db, &sql, [&id], |row| Ok((token(row)?, row.get::<_, String>(9)?)))?;
            let (before, login) = found.ok_or_else(|| StoreError::NotFound(format!("there is no token {id}")))?;
            if before.revoked_at.is_some() {
                return Ok(());
            }
            db.execute("UPDATE admin_tokens SET revoked_at = ?2 WHERE id = ?1", params![id, by.at])?;
            let after = ApiToken { revoked_at: Some(by.at), ..before.clone() };
            audit::append(db, &by, &Change::new("token.revoke", object(&login, &id)).before(facts(&before)).after(facts(&after)))
        })
        .await
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        id: row.get(0)?,
        account_id: row.get(1)?,
        name: row.get(2)?,
        role: row.get(3)?,
        hint: row.get(4)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        used_at: row.get(7)?,
        revoked_at: row.get(8)?,
    })
}

/// What may be said of a token: everything but itself.
fn facts(token: &ApiToken) -> Value {
    json!({
        "name": token.name, "role": token.role, "hint": token.hint, "expires_at": rfc3339(token.expires_at),
        "revoked_at": token.revoked_at.map(rfc3339),
    })
}

fn object(login: &str, id: &str) -> String {
    format!("account/{login}/token/{id}")
}
