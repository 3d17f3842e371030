//! Grants, codes and tokens as rows: what each holds, and how it is written and read.

use rusqlite::{Connection, Row, params};

use crate::store::{
    StoreError,
    rows::{Json, json},
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

impl Grant {
    /// Whether a token of it would be accepted at `now`, as far as the grant goes.
    pub fn is_in_force(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at > now
    }
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
    /// Whether the request left the redirect URI out: then the exchange may, too.
    pub redirect_left_out: bool,
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
    pub(super) fn as_str(self) -> &'static str {
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

pub(super) const GRANT: &str = "g.id, g.client_id, g.group_id, g.audience, g.resource_code, g.scopes, g.key_id, g.account_id, g.created_at, g.expires_at, g.used_at, g.revoked_at, g.revoked_why";
pub(super) const CODE: &str =
    "c.hash, c.transaction_id, c.redirect_uri, c.challenge, c.created_at, c.expires_at, c.used_at, c.redirect_left_out";
pub(super) const TOKEN: &str =
    "t.hash, t.id, t.kind, t.grant_id, t.pair, t.audience, t.resource_code, t.scopes, t.created_at, t.expires_at, t.used_at, t.revoked_at";

pub(super) fn insert_grant(db: &Connection, grant: &Grant) -> Result<(), StoreError> {
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

pub(super) fn insert_code(db: &Connection, code: &Code, grant: &str) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO oauth_codes (hash, grant_id, transaction_id, redirect_uri, challenge, created_at, expires_at, used_at, redirect_left_out)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8)",
    )?
    .execute(params![
        code.hash,
        grant,
        code.transaction_id,
        code.redirect_uri,
        code.challenge,
        code.created_at,
        code.expires_at,
        code.redirect_left_out
    ])?;
    Ok(())
}

pub(super) fn insert_token(db: &Connection, token: &Token) -> Result<(), StoreError> {
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

pub(super) fn code(row: &Row<'_>) -> rusqlite::Result<Code> {
    Ok(Code {
        hash: row.get(0)?,
        transaction_id: row.get(1)?,
        redirect_uri: row.get(2)?,
        challenge: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        used_at: row.get(6)?,
        redirect_left_out: row.get(7)?,
    })
}

pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
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
pub(super) fn grant(row: &Row<'_>, at: usize) -> rusqlite::Result<Grant> {
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
