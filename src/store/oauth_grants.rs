//! OAuth grants with their codes and tokens: what was given, to whom, and what ended it.
//!
//! A grant is the family of all tokens that ever came of one consent; revoking it ends them together. Whether a code
//! was used, and which refresh token is the current one, is decided inside one write, so that of any number of
//! parallel exchanges exactly one wins.

use rusqlite::{Connection, Row, params};
use serde_json::json;

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    oauth_clients,
    oauth_clients::Client,
    rows::{self, Json, json},
};

/// What somebody consented to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// UUID v7.
    pub id: String,
    /// To whom.
    pub client_id: String,
    /// The group it opens.
    pub group_id: String,
    /// The resource it is for.
    pub audience: String,
    /// Server code in that resource; none for the root.
    pub resource_code: Option<String>,
    /// What it allows.
    pub scopes: Vec<String>,
    /// The key that proved the right.
    pub key_id: Option<String>,
    /// The account that proved the right.
    pub account_id: Option<String>,
    /// When it was given.
    pub created_at: i64,
    /// When it ends, whatever is refreshed.
    pub expires_at: i64,
    /// When a token of it was last accepted.
    pub used_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// Why.
    pub revoked_why: Option<String>,
}

/// A code that stands for a grant until it is exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// The authorization request it answers.
    pub transaction_id: String,
    /// Where it is sent.
    pub redirect_uri: String,
    /// PKCE challenge.
    pub challenge: String,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// When it was exchanged.
    pub used_at: Option<i64>,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Calling.
    Access,
    /// Getting the next pair.
    Refresh,
}

impl TokenKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// A token. The token itself is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// UUID v7.
    pub id: String,
    /// What it is for.
    pub kind: TokenKind,
    /// The grant it comes from.
    pub grant_id: String,
    /// How many exchanges came before it.
    pub pair: i64,
    /// The resource it is for.
    pub audience: String,
    /// Server code in that resource; none for the root.
    pub resource_code: Option<String>,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// Access: when it was last accepted. Refresh: when it was exchanged.
    pub used_at: Option<i64>,
    /// When it was revoked by itself.
    pub revoked_at: Option<i64>,
}

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

const GRANT: &str = "g.id, g.client_id, g.group_id, g.audience, g.resource_code, g.scopes, g.key_id, g.account_id, g.created_at, g.expires_at, g.used_at, g.revoked_at, g.revoked_why";
const CODE: &str = "c.hash, c.transaction_id, c.redirect_uri, c.challenge, c.created_at, c.expires_at, c.used_at";
const TOKEN: &str =
    "t.hash, t.id, t.kind, t.grant_id, t.pair, t.audience, t.resource_code, t.scopes, t.created_at, t.expires_at, t.used_at, t.revoked_at";

impl Store {
    /// Counts whatever ends a token before its time.
    pub fn oauth_revision(&self) -> Result<i64, StoreError> {
        self.point(|db| db.prepare_cached("SELECT revision FROM oauth_revision")?.query_row([], |row| row.get(0)))
    }

    /// Keeps a grant with the code that stands for it. False when the same authorization request was approved before.
    pub async fn add_grant(&self, grant: Grant, code: Code, document: Option<Client>, by: By) -> Result<bool, StoreError> {
        self.write(move |db| {
            let known = db.prepare_cached("SELECT 1 FROM oauth_codes WHERE transaction_id = ?1")?.exists([&code.transaction_id])?;
            if known {
                return Ok(false);
            }
            if let Some(client) = &document {
                oauth_clients::keep_document(db, client)?;
            }
            insert_grant(db, &grant)?;
            let facts =
                json!({"client_id": grant.client_id, "group_id": grant.group_id, "scopes": grant.scopes, "audience": grant.audience});
            audit::append(db, &by, &Change::new("oauth.grant.add", format!("oauth/grant/{}", grant.id)).after(facts))?;
            oauth_clients::touch(db, &grant.client_id, grant.created_at)?;
            db.prepare_cached(
                "INSERT INTO oauth_codes (hash, grant_id, transaction_id, redirect_uri, challenge, created_at, expires_at, used_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)",
            )?
            .execute(params![
                code.hash,
                grant.id,
                code.transaction_id,
                code.redirect_uri,
                code.challenge,
                code.created_at,
                code.expires_at
            ])?;
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
        self.point(|db| rows::one(db, &sql, [hash], |row| Ok((code(row)?, grant(row, 7)?))))
    }

    /// A token with its grant.
    pub fn oauth_token(&self, hash: &[u8; 32]) -> Result<Option<(Token, Grant)>, StoreError> {
        let sql = format!("SELECT {TOKEN}, {GRANT} FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id WHERE t.hash = ?1");
        self.point(|db| rows::one(db, &sql, [hash], |row| Ok((token(row)?, grant(row, 12)?))))
    }

    /// Whether neither the access token with this id nor its grant was revoked.
    pub fn oauth_token_holds(&self, id: &str) -> Result<bool, StoreError> {
        const HOLDS: &str = "SELECT 1 FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id
            WHERE t.id = ?1 AND t.revoked_at IS NULL AND g.revoked_at IS NULL";
        self.point(|db| db.prepare_cached(HOLDS)?.exists([id]))
    }

    /// Every grant that has not been pruned, newest first.
    pub fn oauth_grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.point(|db| {
            rows::all(db, &format!("SELECT {GRANT} FROM oauth_grants g ORDER BY g.created_at DESC, g.id DESC"), [], |row| grant(row, 0))
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
            let found = rows::one(
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
            let exists = db.prepare_cached("SELECT 1 FROM oauth_grants WHERE id = ?1")?.exists([&id])?;
            if !exists {
                return Err(StoreError::NotFound(format!("there is no OAuth grant {id}; `anmei-mcp oauth grants list` shows them")));
            }
            let ended = revoke(db, &id, why, by.at)?;
            if ended {
                audit::append(db, &by, &Change::new("oauth.grant.revoke", format!("oauth/grant/{id}")))?;
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
    /// noticed), grants a week after theirs, clients that registered before `unused_since` and never got anything, and
    /// those that got something and have had nothing for 90 days. Says how many rows.
    pub async fn prune_oauth(&self, now: i64, unused_since: i64) -> Result<usize, StoreError> {
        const DAY: i64 = 24 * 3_600_000;
        self.write(move |db| {
            let tokens = db.execute("DELETE FROM oauth_tokens WHERE expires_at < ?1", [now - DAY])?;
            let grants = db.execute(
                "DELETE FROM oauth_grants WHERE expires_at < ?1 OR revoked_at < ?1
                    OR (created_at < ?1 AND NOT EXISTS (SELECT 1 FROM oauth_tokens t WHERE t.grant_id = oauth_grants.id))",
                [now - 7 * DAY],
            )?;
            let unused = oauth_clients::forget_unused(db, unused_since)?;
            let idle = db.execute(
                "DELETE FROM oauth_clients WHERE kind <> 'operator' AND revoked_at IS NULL AND used_at < ?1
                    AND NOT EXISTS (SELECT 1 FROM oauth_grants g WHERE g.client_id = oauth_clients.id)",
                [now - 90 * DAY],
            )?;
            Ok(tokens + grants + unused + idle)
        })
        .await
    }
}

fn grant_of(db: &Connection, sql: &str, hash: &[u8; 32]) -> rusqlite::Result<Option<String>> {
    rows::one(db, sql, [hash], |row| row.get(0))
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

fn insert_grant(db: &Connection, grant: &Grant) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO oauth_grants (id, client_id, group_id, audience, resource_code, scopes, key_id, account_id, created_at, expires_at, used_at,
            revoked_at, revoked_why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, NULL, NULL)",
    )?
    .execute(params![
        grant.id,
        grant.client_id,
        grant.group_id,
        grant.audience,
        grant.resource_code,
        Json(&grant.scopes),
        grant.key_id,
        grant.account_id,
        grant.created_at,
        grant.expires_at
    ])?;
    Ok(())
}

fn insert_token(db: &Connection, token: &Token) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO oauth_tokens (hash, id, kind, grant_id, pair, audience, resource_code, scopes, created_at, expires_at, used_at, revoked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, NULL)",
    )?
    .execute(params![
        token.hash,
        token.id,
        token.kind.as_str(),
        token.grant_id,
        token.pair,
        token.audience,
        token.resource_code,
        Json(&token.scopes),
        token.created_at,
        token.expires_at
    ])?;
    Ok(())
}

fn code(row: &Row<'_>) -> rusqlite::Result<Code> {
    Ok(Code {
        hash: row.get(0)?,
        transaction_id: row.get(1)?,
        redirect_uri: row.get(2)?,
        challenge: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        used_at: row.get(6)?,
    })
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        hash: row.get(0)?,
        id: row.get(1)?,
        kind: if row.get_ref(2)?.as_str()? == "refresh" { TokenKind::Refresh } else { TokenKind::Access },
        grant_id: row.get(3)?,
        pair: row.get(4)?,
        audience: row.get(5)?,
        resource_code: row.get(6)?,
        scopes: json(row, 7)?,
        created_at: row.get(8)?,
        expires_at: row.get(9)?,
        used_at: row.get(10)?,
        revoked_at: row.get(11)?,
    })
}

/// The grant whose columns begin at `at`.
fn grant(row: &Row<'_>, at: usize) -> rusqlite::Result<Grant> {
    Ok(Grant {
        id: row.get(at)?,
        client_id: row.get(at + 1)?,
        group_id: row.get(at + 2)?,
        audience: row.get(at + 3)?,
        resource_code: row.get(at + 4)?,
        scopes: json(row, at + 5)?,
        key_id: row.get(at + 6)?,
        account_id: row.get(at + 7)?,
        created_at: row.get(at + 8)?,
        expires_at: row.get(at + 9)?,
        used_at: row.get(at + 10)?,
        revoked_at: row.get(at + 11)?,
        revoked_why: row.get(at + 12)?,
    })
}
