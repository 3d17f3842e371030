//! OAuth clients: those that registered themselves, those an operator added, and those known by their document's URL.

use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    rows::{self, Json, json},
};
use crate::clock::rfc3339;

/// Where a client comes from, and so how far what it says of itself can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// It registered itself (RFC 7591). Nobody verified anything.
    Dynamic,
    /// An operator added it.
    Operator,
    /// Its id is the URL of a document about it.
    Document,
}

impl ClientKind {
    /// Its name in the database and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Operator => "operator",
            Self::Document => "document",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "operator" => Self::Operator,
            "document" => Self::Document,
            _ => Self::Dynamic,
        }
    }
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Where it comes from.
    pub kind: ClientKind,
    /// Name shown to people.
    pub name: String,
    /// Its home page.
    pub uri: Option<String>,
    /// Where answers may be sent, exactly as registered.
    pub redirect_uris: Vec<String>,
    /// The grant types it may use.
    pub grant_types: Vec<String>,
    /// SHA-256 of its secret; public clients have none.
    pub secret_hash: Option<[u8; 32]>,
    /// Ids of the groups it may enter by itself, and about whose tokens it may ask.
    pub groups: Vec<String>,
    /// Whether it may enter them with the right to store something.
    pub may_write: bool,
    /// Whether it may ask about tokens (RFC 7662).
    pub may_introspect: bool,
    /// Who added it: `registration`, `document`, or an operator.
    pub created_by: String,
    /// When.
    pub created_at: i64,
    /// When it was last let do something.
    pub used_at: Option<i64>,
    /// When it was shut out.
    pub revoked_at: Option<i64>,
}

#[cfg(test)]
impl Client {
    /// One without any right, for tests.
    pub(crate) fn bare(id: &str, kind: ClientKind, created_at: i64) -> Self {
        Self {
            id: id.into(),
            kind,
            name: id.into(),
            uri: None,
            redirect_uris: Vec::new(),
            grant_types: Vec::new(),
            secret_hash: None,
            groups: Vec::new(),
            may_write: false,
            may_introspect: false,
            created_by: "registration".into(),
            created_at,
            used_at: None,
            revoked_at: None,
        }
    }
}

impl Client {
    /// Whether it holds a secret.
    pub fn is_confidential(&self) -> bool {
        self.secret_hash.is_some()
    }

    /// Whether it may use a grant type.
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|known| known == grant_type)
    }
}

/// A client that got something and then nothing for so long is forgotten, unless an operator added it.
pub const IDLE_CLIENT_MS: i64 = 90 * 24 * 3_600_000;

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is in.
    Added,
    /// There are too many already.
    Full,
}

const COLUMNS: &str = "id, kind, name, uri, redirect_uris, grant_types, secret_hash, group_ids, may_write, may_introspect, created_by, created_at, used_at, revoked_at";

impl Store {
    /// A client by its id.
    pub fn oauth_client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        self.point(|db| rows::one(db, &format!("SELECT {COLUMNS} FROM oauth_clients WHERE id = ?1"), [id], client))
    }

    /// Every client, oldest first.
    pub fn oauth_clients(&self) -> Result<Vec<Client>, StoreError> {
        self.point(|db| rows::all(db, &format!("SELECT {COLUMNS} FROM oauth_clients ORDER BY created_at, id"), [], client))
    }

    /// Adds a client that registered itself, while there are fewer than `most` of them. Those that were never used
    /// since `unused_since` make room first.
    pub async fn register_client(&self, new: Client, most: u32, unused_since: i64) -> Result<Registered, StoreError> {
        self.write(move |db| {
            let count =
                |db: &Connection| db.query_row("SELECT count(*) FROM oauth_clients WHERE kind = 'dynamic'", [], |row| row.get::<_, u32>(0));
            if count(db)? >= most {
                forget_unused(db, unused_since)?;
            }
            if count(db)? >= most {
                return Ok(Registered::Full);
            }
            insert(db, &new)?;
            Ok(Registered::Added)
        })
        .await
    }

    /// Adds a client on an operator's word.
    pub async fn add_client(&self, new: Client, by: By) -> Result<(), StoreError> {
        self.write(move |db| {
            insert(db, &new)?;
            audit::append(db, &by, &Change::new("oauth.client.add", object(&new.id)).after(facts(&new)))
        })
        .await
    }

    /// Shuts a client out, with everything it was given. Says how many grants ended.
    pub async fn revoke_client(&self, id: &str, by: By) -> Result<usize, StoreError> {
        let (id, now) = (id.to_owned(), by.at);
        self.write(move |db| {
            let before = existing(db, &id)?;
            db.execute("UPDATE oauth_clients SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1", params![id, now])?;
            let ended = db.execute(
                "UPDATE oauth_grants SET revoked_at = ?2, revoked_why = 'client revoked' WHERE client_id = ?1 AND revoked_at IS NULL",
                params![id, now],
            )?;
            let mut after = facts(&existing(db, &id)?);
            if let Some(object) = after.as_object_mut() {
                object.insert("grants_ended".into(), ended.into());
            }
            audit::append(db, &by, &Change::new("oauth.client.revoke", object(&id)).before(facts(&before)).after(after))?;
            Ok(ended)
        })
        .await
    }

    /// Lets a client in again that was shut out; what it was given stays ended.
    pub async fn restore_client(&self, id: &str, by: By) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let before = existing(db, &id)?;
            if before.revoked_at.is_none() {
                return Err(StoreError::Conflict(format!("the OAuth client {id} is not shut out")));
            }
            db.execute("UPDATE oauth_clients SET revoked_at = NULL WHERE id = ?1", [&id])?;
            let after = existing(db, &id)?;
            audit::append(db, &by, &Change::new("oauth.client.restore", object(&id)).before(facts(&before)).after(facts(&after)))
        })
        .await
    }

    /// Removes a client with everything it was given.
    pub async fn remove_client(&self, id: &str, by: By) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let before = facts(&existing(db, &id)?);
            db.execute("DELETE FROM oauth_clients WHERE id = ?1", [&id])?;
            audit::append(db, &by, &Change::new("oauth.client.remove", object(&id)).before(before))
        })
        .await
    }
}

fn existing(db: &Connection, id: &str) -> Result<Client, StoreError> {
    let found = rows::one(db, &format!("SELECT {COLUMNS} FROM oauth_clients WHERE id = ?1"), [id], client)?;
    found.ok_or_else(|| StoreError::NotFound(format!("there is no OAuth client {id}; `anmei-mcp oauth clients list` shows them")))
}

fn object(id: &str) -> String {
    format!("oauth/client/{id}")
}

/// What the audit log keeps of a client.
fn facts(client: &Client) -> Value {
    json!({
        "name": client.name, "redirect_uris": client.redirect_uris, "grant_types": client.grant_types, "group_ids": client.groups,
        "confidential": client.is_confidential(), "may_write": client.may_write, "may_introspect": client.may_introspect,
        "revoked_at": client.revoked_at.map(rfc3339),
    })
}

/// Removes self-registered clients that were made before `before` and never got anything.
pub(super) fn forget_unused(db: &Connection, before: i64) -> rusqlite::Result<usize> {
    db.execute("DELETE FROM oauth_clients WHERE kind = 'dynamic' AND used_at IS NULL AND revoked_at IS NULL AND created_at < ?1", [before])
}

/// Notes that a client was let do something.
pub(super) fn touch(db: &Connection, id: &str, now: i64) -> rusqlite::Result<usize> {
    db.prepare_cached("UPDATE oauth_clients SET used_at = max(coalesce(used_at, 0), ?2) WHERE id = ?1")?.execute(params![id, now])
}

/// Keeps the row of a client that is known by its document; what the document says today replaces what it said.
pub(super) fn keep_document(db: &Connection, client: &Client) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO oauth_clients (id, kind, name, uri, redirect_uris, grant_types, secret_hash, group_ids, may_write, may_introspect, created_by, created_at,
            used_at, revoked_at) VALUES (?1, 'document', ?2, ?3, ?4, ?5, NULL, '[]', 0, 0, 'document', ?6, ?6, NULL)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, uri = excluded.uri, redirect_uris = excluded.redirect_uris,
            grant_types = excluded.grant_types",
    )?
    .execute(params![client.id, client.name, client.uri, Json(&client.redirect_uris), Json(&client.grant_types), client.created_at])?;
    Ok(())
}

fn insert(db: &Connection, new: &Client) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO oauth_clients (id, kind, name, uri, redirect_uris, grant_types, secret_hash, group_ids, may_write, may_introspect, created_by, created_at,
            used_at, revoked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        new.id,
        new.kind.as_str(),
        new.name,
        new.uri,
        Json(&new.redirect_uris),
        Json(&new.grant_types),
        new.secret_hash,
        Json(&new.groups),
        new.may_write,
        new.may_introspect,
        new.created_by,
        new.created_at,
        new.used_at,
        new.revoked_at
    ])?;
    Ok(())
}

fn client(row: &Row<'_>) -> rusqlite::Result<Client> {
    Ok(Client {
        id: row.get(0)?,
        kind: ClientKind::read(row.get_ref(1)?.as_str()?),
        name: row.get(2)?,
        uri: row.get(3)?,
        redirect_uris: json(row, 4)?,
        grant_types: json(row, 5)?,
        secret_hash: row.get(6)?,
        groups: json(row, 7)?,
        may_write: row.get(8)?,
        may_introspect: row.get(9)?,
        created_by: row.get(10)?,
        created_at: row.get(11)?,
        used_at: row.get(12)?,
        revoked_at: row.get(13)?,
    })
}
