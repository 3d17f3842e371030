//! Requests that may be repeated: what the first one was answered, kept for a day.

use rusqlite::params;

use super::{Store, StoreError, rows};

/// Which request: who sent it, to what, under which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The account.
    pub account_id: String,
    /// Method and path.
    pub route: String,
    /// `Idempotency-Key`.
    pub key: String,
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is the first.
    New,
    /// It was answered so; sealed.
    Answered(Vec<u8>),
    /// It came before, and nobody knows what became of it.
    Unknown,
    /// The key came with another body.
    OtherBody,
}

impl Store {
    /// Takes note of a request, unless it came before.
    pub async fn begin_request(&self, request: RequestKey, body_mac: [u8; 32], now: i64) -> Result<Known, StoreError> {
        self.write_first(move |db| {
            let added = db
                .prepare_cached(
                    "INSERT INTO admin_idempotency (account_id, route, key, body_mac, sealed, created_at) VALUES (?1, ?2, ?3, ?4, NULL, ?5)
                     ON CONFLICT (account_id, route, key) DO NOTHING",
                )?
                .execute(params![request.account_id, request.route, request.key, body_mac, now])?;
            if added == 1 {
                return Ok(Known::New);
            }
            let found = rows::one(
                db,
                "SELECT body_mac, sealed FROM admin_idempotency WHERE account_id = ?1 AND route = ?2 AND key = ?3",
                params![request.account_id, request.route, request.key],
                |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Option<Vec<u8>>>(1)?)),
            )?;
            Ok(match found {
                Some((hash, _)) if hash != body_mac => Known::OtherBody,
                Some((_, Some(sealed))) => Known::Answered(sealed),
                _ => Known::Unknown,
            })
        })
        .await
    }

    /// Keeps a request's answer; without one, forgets the request, so that it may come again.
    pub async fn end_request(&self, request: RequestKey, sealed: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.write_first(move |db| {
            let key = params![request.account_id, request.route, request.key];
            match sealed {
                None => db.execute("DELETE FROM admin_idempotency WHERE account_id = ?1 AND route = ?2 AND key = ?3", key)?,
                Some(sealed) => db.execute(
                    "UPDATE admin_idempotency SET sealed = ?4 WHERE account_id = ?1 AND route = ?2 AND key = ?3",
                    params![request.account_id, request.route, request.key, sealed],
                )?,
            };
            Ok(())
        })
        .await
    }
}
