//! OAuth grants with their codes and tokens: what was given, to whom, and what ended it.
//!
//! A grant is the family of all tokens that ever came of one consent; revoking it ends them together. Whether a code
//! was used, and which refresh token is the current one, is decided inside one write, so that of any number of
//! parallel exchanges exactly one wins.

mod rows;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    oauth_clients,
    oauth_clients::Client,
    rows as read,
};
use crate::clock::rfc3339;

use self::rows::{CODE, GRANT, TOKEN, code, grant, insert_code, insert_grant, insert_token, token};
pub use self::rows::{Code, Grant, Token, TokenKind};

/// What became of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// The grant is in force.
    Done,
    /// The request had been answered before.
    Answered,
    /// The key that proved the right has ended meanwhile.
    KeyEnded,
}

/// Refused requests that are kept at once. Nobody has to prove anything to refuse, so there must be an end to them.
const MOST_DENIALS: u32 = 10_000;

/// What became of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// The new tokens are in force.
    Done,
    /// It had been used before: everything it ever gave is revoked.
    Replayed,
    /// The grant has ended meanwhile.
    Ended,
}

impl Store {
    /// Counts whatever ends a token before its time.
    pub fn oauth_revision(&self) -> Result<i64, StoreError> {
        self.point(|db| db.prepare_cached("SELECT revision FROM oauth_revision")?.query_row([], |row| row.get(0)))
    }

    /// Keeps a grant with the code that stands for it, unless the same authorization request was answered before.
    ///
    /// The key behind a grant is looked at in this very write, so that one that ends at the same moment leaves nothing;
    /// and what a key proved ends when the key does.
    pub async fn add_grant(&self, grant: Grant, code: Code, document: Option<Client>, by: By) -> Result<Approval, StoreError> {
        self.write(move |db| {
            if is_answered(db, &code.transaction_id)? {
                return Ok(Approval::Answered);
            }
            let end = match &grant.key_id {
                Some(key) => key_end(db, key, by.at)?,
                None => Some(i64::MAX),
            };
            let Some(end) = end else { return Ok(Approval::KeyEnded) };
            let grant = Grant { expires_at: grant.expires_at.min(end), ..grant };
            if let Some(client) = &document {
                oauth_clients::keep_document(db, client)?;
            }
            insert_grant(db, &grant)?;
            audit::append(db, &by, &Change::new("oauth.grant.add", format!("oauth/grant/{}", grant.id)).after(facts(&grant)))?;
            oauth_clients::touch(db, &grant.client_id, grant.created_at)?;
            insert_code(db, &code, &grant.id)?;
            Ok(Approval::Done)
        })
        .await
    }

    /// Notes that a person refused an authorization request, whose page ends at `until`: it cannot be allowed any more.
    /// False when it was answered before.
    pub async fn deny_request(&self, transaction_id: &str, now: i64, until: i64) -> Result<bool, StoreError> {
        let id = transaction_id.to_owned();
        self.write(move |db| {
            if is_answered(db, &id)? {
                return Ok(false);
            }
            db.prepare_cached("DELETE FROM oauth_denials WHERE expires_at <= ?1")?.execute([now])?;
            db.prepare_cached(
                "INSERT INTO oauth_denials (transaction_id, expires_at)
                 SELECT ?1, ?2 WHERE (SELECT count(*) FROM oauth_denials) < ?3",
            )?
            .execute(params![id, until, MOST_DENIALS])?;
            Ok(true)
        })
        .await
    }

    /// Keeps a grant that needs no consent, with its token.
    pub async fn add_grant_with_token(&self, grant: Grant, token: Token) -> Result<(), StoreError> {
        self.write(move |db| {
            insert_grant(db, &grant)?;
            oauth_clients::touch(db, &grant.client_id, grant.created_at)?;
            insert_token(db, &token)
        })
        .await
    }

    /// A code with its grant.
    pub fn oauth_code(&self, hash: &[u8; 32]) -> Result<Option<(Code, Grant)>, StoreError> {
        let sql = format!("SELECT {CODE}, {GRANT} FROM oauth_codes c JOIN oauth_grants g ON g.id = c.grant_id WHERE c.hash = ?1");
        self.point(|db| read::one(db, &sql, [hash], |row| Ok((code(row)?, grant(row, 8)?))))
    }

    /// A token with its grant.
    pub fn oauth_token(&self, hash: &[u8; 32]) -> Result<Option<(Token, Grant)>, StoreError> {
        let sql = format!("SELECT {TOKEN}, {GRANT} FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id WHERE t.hash = ?1");
        self.point(|db| read::one(db, &sql, [hash], |row| Ok((token(row)?, grant(row, 12)?))))
    }

    /// The same by the token's id.
    pub fn oauth_token_by_id(&self, id: &str) -> Result<Option<(Token, Grant)>, StoreError> {
        let sql = format!("SELECT {TOKEN}, {GRANT} FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id WHERE t.id = ?1");
        self.point(|db| read::one(db, &sql, [id], |row| Ok((token(row)?, grant(row, 12)?))))
    }

    /// Every grant that has not been pruned, newest first.
    pub fn oauth_grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.point(|db| {
            read::all(db, &format!("SELECT {GRANT} FROM oauth_grants g ORDER BY g.created_at DESC, g.id DESC"), [], |row| grant(row, 0))
        })
    }

    /// Exchanges a code for its first tokens. A code that was exchanged before revokes its grant.
    pub async fn exchange_code(&self, hash: [u8; 32], tokens: Vec<Token>, now: i64) -> Result<Exchange, StoreError> {
        self.write_first(move |db| {
            let Some(grant) = grant_of(db, "SELECT grant_id FROM oauth_codes WHERE hash = ?1", &hash)? else { return Ok(Exchange::Ended) };
            let first = db
                .prepare_cached("UPDATE oauth_codes SET used_at = ?2 WHERE hash = ?1 AND used_at IS NULL")?
                .execute(params![hash, now])?;
            if first == 0 {
                revoke(db, &grant, "code used twice", now)?;
                return Ok(Exchange::Replayed);
            }
            if !is_live(db, &grant)? {
                return Ok(Exchange::Ended);
            }
            tokens.iter().try_for_each(|token| insert_token(db, token))?;
            Ok(Exchange::Done)
        })
        .await
    }

    /// Exchanges a refresh token for the next pair; the pair's number is set here.
    ///
    /// A token that was exchanged before revokes the family, unless nothing of what came after it was ever used: then
    /// its holder lost the answer, and what was lost is revoked in the place of the family (FAPI 2.0).
    pub async fn exchange_refresh(&self, hash: [u8; 32], tokens: Vec<Token>, now: i64) -> Result<Exchange, StoreError> {
        self.write_first(move |db| {
            let found = read::one(
                db,
                "SELECT t.grant_id, t.pair, t.used_at, t.revoked_at FROM oauth_tokens t WHERE t.hash = ?1 AND t.kind = 'refresh'",
                [hash],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?)),
            )?;
            let Some((grant, pair, used_at, revoked_at)) = found else { return Ok(Exchange::Ended) };
            if !is_live(db, &grant)? {
                return Ok(Exchange::Ended);
            }
            let lost = used_at.is_some() && revoked_at.is_none() && nothing_used_after(db, &grant, pair)?;
            if revoked_at.is_some() || (used_at.is_some() && !lost) {
                revoke(db, &grant, "refresh token used twice", now)?;
                return Ok(Exchange::Replayed);
            }
            if lost {
                db.prepare_cached("UPDATE oauth_tokens SET revoked_at = ?3 WHERE grant_id = ?1 AND pair > ?2 AND revoked_at IS NULL")?
                    .execute(params![grant, pair, now])?;
            }
            db.prepare_cached("UPDATE oauth_tokens SET used_at = ?2 WHERE hash = ?1")?.execute(params![hash, now])?;
            let next: i64 =
                db.prepare_cached("SELECT max(pair) + 1 FROM oauth_tokens WHERE grant_id = ?1")?.query_row([&grant], |row| row.get(0))?;
            tokens.into_iter().try_for_each(|token| insert_token(db, &Token { pair: next, ..token }))?;
            Ok(Exchange::Done)
        })
        .await
    }

    /// Revokes a grant with all of its tokens. False when it had ended before.
    pub async fn revoke_grant(&self, id: &str, why: &'static str, by: By) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let before = facts(&existing(db, &id)?);
            let ended = revoke(db, &id, why, by.at)?;
            if ended {
                let change = Change::new("oauth.grant.revoke", format!("oauth/grant/{id}")).before(before);
                audit::append(db, &by, &change.after(facts(&existing(db, &id)?)))?;
            }
            Ok(ended)
        })
        .await
    }

    /// Notes when access tokens, and with them their grants, were last accepted.
    pub async fn touch_tokens(&self, used: Vec<([u8; 32], i64)>) -> Result<(), StoreError> {
        self.write(move |db| {
            let mut token = db.prepare_cached(
                "UPDATE oauth_tokens SET used_at = max(coalesce(used_at, 0), ?2) WHERE hash = ?1 AND kind = 'access' RETURNING grant_id",
            )?;
            let mut grant = db.prepare_cached("UPDATE oauth_grants SET used_at = max(coalesce(used_at, 0), ?2) WHERE id = ?1")?;
            for (hash, at) in &used {
                let touched: Vec<String> = token.query_map(params![hash, at], |row| row.get(0))?.collect::<Result<_, _>>()?;
                touched.iter().try_for_each(|id| grant.execute(params![id, at]).map(drop))?;
            }
            Ok(())
        })
        .await
    }

    /// Deletes what has ended: tokens a day after their end (a used refresh token is kept until then, so that its reuse is
    /// noticed), grants a week after theirs, refused requests with their pages, clients that registered before
    /// `unused_since` and never got anything, and those that got something and have had nothing for 90 days. Says how many
    /// rows.
    pub async fn prune_oauth(&self, now: i64, unused_since: i64) -> Result<usize, StoreError> {
        const DAY: i64 = 24 * 3_600_000;
        self.write(move |db| {
            let tokens = db.execute("DELETE FROM oauth_tokens WHERE expires_at < ?1", [now - DAY])?;
            let grants = db.execute(
                "DELETE FROM oauth_grants WHERE expires_at < ?1 OR revoked_at < ?1
                    OR (created_at < ?1 AND NOT EXISTS (SELECT 1 FROM oauth_tokens t WHERE t.grant_id = oauth_grants.id))",
                [now - 7 * DAY],
            )?;
            let denials = db.execute("DELETE FROM oauth_denials WHERE expires_at <= ?1", [now])?;
            let unused = oauth_clients::forget_unused(db, unused_since)?;
            let idle = db.execute(
                "DELETE FROM oauth_clients WHERE kind <> 'operator' AND revoked_at IS NULL AND used_at < ?1
                    AND NOT EXISTS (SELECT 1 FROM oauth_grants g WHERE g.client_id = oauth_clients.id)",
                [now - oauth_clients::IDLE_CLIENT_MS],
            )?;
            Ok(tokens + grants + denials + unused + idle)
        })
        .await
    }
}

/// Whether a person allowed or refused an authorization request already.
fn is_answered(db: &Connection, transaction_id: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM oauth_codes WHERE transaction_id = ?1 UNION ALL SELECT 1 FROM oauth_denials WHERE transaction_id = ?1",
    )?
    .exists([transaction_id])
}

/// When a key that is in force at `now` ends by itself; none when it is not in force.
fn key_end(db: &Connection, id: &str, now: i64) -> rusqlite::Result<Option<i64>> {
    read::one(
        db,
        "SELECT coalesce(expires_at, ?3) FROM mcp_keys WHERE id = ?1 AND revoked_at IS NULL AND retired_at IS NULL
            AND (expires_at IS NULL OR expires_at > ?2) AND (rotated_at IS NULL OR grace_until IS NULL OR grace_until > ?2)",
        params![id, now, i64::MAX],
        |row| row.get(0),
    )
}

fn existing(db: &Connection, id: &str) -> Result<Grant, StoreError> {
    let found = read::one(db, &format!("SELECT {GRANT} FROM oauth_grants g WHERE g.id = ?1"), [id], |row| grant(row, 0))?;
    found.ok_or_else(|| StoreError::NotFound(format!("there is no OAuth grant {id}; `anmei-mcp oauth grants list` shows them")))
}

/// What the audit log keeps of a grant.
fn facts(grant: &Grant) -> Value {
    json!({
        "client_id": grant.client_id, "group_id": grant.group_id, "scopes": grant.scopes, "audience": grant.audience,
        "revoked_at": grant.revoked_at.map(rfc3339), "revoked_why": grant.revoked_why,
    })
}

fn grant_of(db: &Connection, sql: &str, hash: &[u8; 32]) -> rusqlite::Result<Option<String>> {
    read::one(db, sql, [hash], |row| row.get(0))
}

fn is_live(db: &Connection, grant: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM oauth_grants WHERE id = ?1 AND revoked_at IS NULL")?.exists([grant])
}

fn nothing_used_after(db: &Connection, grant: &str, pair: i64) -> rusqlite::Result<bool> {
    let used = db
        .prepare_cached("SELECT 1 FROM oauth_tokens WHERE grant_id = ?1 AND pair > ?2 AND used_at IS NOT NULL")?
        .exists(params![grant, pair])?;
    Ok(!used)
}

fn revoke(db: &Connection, grant: &str, why: &str, now: i64) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached("UPDATE oauth_grants SET revoked_at = ?2, revoked_why = ?3 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![grant, now, why])?;
    Ok(changed > 0)
}
