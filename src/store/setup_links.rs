//! The setup link: with it the first administrator is made, once, as long as there is none.

use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    accounts::{self, Account},
    admin_sessions::{self, AdminSession},
    audit::{self, By, Change},
    second_factors::{self, NewSecondFactor},
};

/// What came of opening or using a setup link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It can be used; or was, just now.
    Open,
    /// Nobody made it, or it was used, or another one took its place.
    Unknown,
    /// It was not used in time.
    Expired,
    /// There is an administrator.
    SetUp,
}

/// The first administrator, signed in.
#[derive(Debug, Clone)]
pub struct FirstAdministrator {
    /// The account.
    pub account: Account,
    /// Its second factor.
    pub second_factor: Option<NewSecondFactor>,
    /// Its first session.
    pub session: AdminSession,
    /// Hash of what the browser gets for it.
    pub hash: [u8; 32],
}

impl Store {
    /// Whether an account that may sign in administers.
    pub fn has_administrator(&self) -> Result<bool, StoreError> {
        self.point(accounts::has_administrator)
    }

    /// Keeps a new setup link in the place of all before it.
    pub async fn add_setup_link(&self, hash: [u8; 32], expires_at: i64, by: By) -> Result<(), StoreError> {
        self.write(move |db| {
            db.execute("DELETE FROM admin_setup_links", [])?;
            db.execute(
                "INSERT INTO admin_setup_links (hash, created_at, expires_at, used_at) VALUES (?1, ?2, ?3, NULL)",
                params![hash, by.at, expires_at],
            )?;
            audit::append(db, &by, &Change::new("setup.link", "admin/setup"))
        })
        .await
    }

    /// How a setup link stands at `now`.
    pub fn setup_link(&self, hash: &[u8; 32], now: i64) -> Result<LinkState, StoreError> {
        self.point(|db| state(db, hash, now))
    }

    /// Makes the first administrator with a link, which is used up by it.
    pub async fn use_setup_link(&self, link: [u8; 32], first: FirstAdministrator, by: By) -> Result<LinkState, StoreError> {
        self.write_first(move |db| {
            let found = state(db, &link, by.at)?;
            if found != LinkState::Open {
                return Ok(found);
            }
            db.execute("UPDATE admin_setup_links SET used_at = ?2 WHERE hash = ?1", params![link, by.at])?;
            accounts::insert_audited(db, &first.account, &by)?;
            if let Some(factor) = &first.second_factor {
                second_factors::put(db, &first.account.id, factor, by.at)?;
                let object = format!("account/{}", first.account.login);
                audit::append(db, &by, &Change::new("account.totp.on", object))?;
            }
            admin_sessions::insert(db, &first.session, &first.hash)?;
            audit::append(db, &by, &Change::new("setup.done", format!("account/{}", first.account.login)))?;
            Ok(LinkState::Open)
        })
        .await
    }
}

fn state(db: &Connection, hash: &[u8; 32], now: i64) -> rusqlite::Result<LinkState> {
    let found = super::rows::one(db, "SELECT expires_at, used_at FROM admin_setup_links WHERE hash = ?1", [hash], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    Ok(match found {
        None | Some((_, Some(_))) => LinkState::Unknown,
        Some((expires_at, None)) if expires_at <= now => LinkState::Expired,
        Some(_) if accounts::has_administrator(db)? => LinkState::SetUp,
        Some(_) => LinkState::Open,
    })
}
