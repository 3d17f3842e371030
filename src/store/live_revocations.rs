//! Live tokens that were taken back before their end: one by its id, or all that a person had by then.
//!
//! Tokens themselves are not kept. A revocation is kept for as long as a token may be good.

use rusqlite::{OptionalExtension, named_params, params};

use super::{Store, StoreError, rows};

/// Longest that a token of ours may be good, in milliseconds: a revocation that is older is about nothing.
pub const LONGEST_TOKEN_MS: i64 = 366 * 24 * 3_600_000;

/// Which tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokedTokens {
    /// The token of this id.
    One(String),
    /// Every token of this user that was made before the revocation.
    OfUser(String),
}

impl RevokedTokens {
    fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::One(id) => (Some(id), None),
            Self::OfUser(id) => (None, Some(id)),
        }
    }
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Which tokens.
    pub target: RevokedTokens,
    /// The time.
    pub revoked_at: i64,
}

impl Store {
    /// Takes tokens back. Said again, it holds from the later time on.
    pub async fn revoke_live_tokens(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.write(move |db| {
            let (token, user) = revocation.target.columns();
            let outlived = revocation.revoked_at - LONGEST_TOKEN_MS;
            db.prepare_cached("DELETE FROM live_revocations WHERE revoked_at < ?1")?.execute([outlived])?;
            // A new row with a new number, so that whoever follows the numbers sees it.
            db.prepare_cached("DELETE FROM live_revocations WHERE token_id = ?1 OR user_id = ?2")?.execute(params![token, user])?;
            db.prepare_cached("INSERT INTO live_revocations (token_id, user_id, revoked_at) VALUES (?1, ?2, ?3)")?.execute(params![
                token,
                user,
                revocation.revoked_at
            ])?;
            Ok(())
        })
        .await
    }

    /// Forgets a revocation. False when there was none.
    pub async fn restore_live_tokens(&self, target: RevokedTokens) -> Result<bool, StoreError> {
        self.write(move |db| {
            let (token, user) = target.columns();
            let deleted =
                db.prepare_cached("DELETE FROM live_revocations WHERE token_id = ?1 OR user_id = ?2")?.execute(params![token, user])?;
            Ok(deleted > 0)
        })
        .await
    }

    /// Whether a token was taken back. One that does not say when it was made counts as made before.
    pub fn live_token_is_revoked(&self, token_id: Option<&str>, user_id: &str, issued_at: Option<i64>) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT 1 FROM live_revocations WHERE token_id = :token
            UNION ALL SELECT 1 FROM live_revocations WHERE user_id = :user AND (:issued IS NULL OR :issued <= revoked_at) LIMIT 1";
        self.point(|db| {
            let params = named_params! { ":token": token_id, ":user": user_id, ":issued": issued_at };
            Ok(db.prepare_cached(SQL)?.query_row(params, |_| Ok(())).optional()?.is_some())
        })
    }

    /// Revocations after the number `seen`, and the last number there is.
    pub fn live_revocations_since(&self, seen: i64) -> Result<(i64, Vec<Revocation>), StoreError> {
        const SQL: &str = "SELECT seq, token_id, user_id, revoked_at FROM live_revocations WHERE seq > ?1 ORDER BY seq";
        let found: Vec<(i64, Option<Revocation>)> = self.point(|db| {
            rows::all(db, SQL, [seen], |row| {
                let one = row.get::<_, Option<String>>(1)?.map(RevokedTokens::One);
                let target = one.or(row.get::<_, Option<String>>(2)?.map(RevokedTokens::OfUser));
                let revoked_at = row.get(3)?;
                Ok((row.get(0)?, target.map(|target| Revocation { target, revoked_at })))
            })
        })?;
        let last = found.last().map_or(seen, |(seq, _)| *seq);
        Ok((last, found.into_iter().filter_map(|(_, revocation)| revocation).collect()))
    }
}
