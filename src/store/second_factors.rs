//! Second factors of accounts: the shared secret of one-time codes, and the codes that stand in for a lost telephone.
//!
//! A one-time code counts once: the step it belongs to is written down in the write that accepts it, so that of two
//! requests with the same code one is refused. What is decided by a person is in the audit log.

use rusqlite::params;
use serde_json::json;

use super::{
    Store, StoreError,
    accounts::Account,
    audit::{self, By, Change},
    rows,
};

/// The second factor of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// The shared secret, sealed under the master key.
    pub sealed: Vec<u8>,
    /// When it was set up, in milliseconds.
    pub enrolled_at: i64,
    /// Step of the last code that was accepted.
    pub last_step: i64,
    /// Recovery codes that are left.
    pub recovery_codes: i64,
}

/// A second factor that is set up.
#[derive(Debug, Clone)]
pub struct NewSecondFactor {
    /// The shared secret, sealed under the master key.
    pub sealed: Vec<u8>,
    /// Step of the code that proved that the telephone knows the secret.
    pub step: i64,
    /// Hashes of the recovery codes.
    pub recovery_codes: Vec<[u8; 32]>,
}

impl Store {
    /// The second factor of an account, if it has one.
    pub fn second_factor(&self, account_id: &str) -> Result<Option<SecondFactor>, StoreError> {
        self.point(|db| {
            rows::one(
                db,
                "SELECT t.sealed, t.enrolled_at, t.last_step,
                        (SELECT count(*) FROM admin_recovery_codes c WHERE c.account_id = t.account_id AND c.used_at IS NULL)
                   FROM admin_totp t WHERE t.account_id = ?1",
                [account_id],
                |row| {
                    Ok(SecondFactor { sealed: row.get(0)?, enrolled_at: row.get(1)?, last_step: row.get(2)?, recovery_codes: row.get(3)? })
                },
            )
        })
    }

    /// Uses up a step, and all before it. False when it was used up before.
    pub async fn use_totp_step(&self, account_id: &str, step: i64) -> Result<bool, StoreError> {
        let id = account_id.to_owned();
        self.write_first(move |db| {
            Ok(db.execute("UPDATE admin_totp SET last_step = ?2 WHERE account_id = ?1 AND last_step < ?2", params![id, step])? == 1)
        })
        .await
    }

    /// Whether a recovery code of this account is left unused.
    pub fn has_recovery_code(&self, account_id: &str, hash: &[u8; 32]) -> Result<bool, StoreError> {
        self.point(|db| {
            db.prepare_cached("SELECT 1 FROM admin_recovery_codes WHERE hash = ?1 AND account_id = ?2 AND used_at IS NULL")?
                .exists(params![hash, account_id])
        })
    }

    /// Uses up a recovery code. False when there is no such code, or it was used before.
    pub async fn use_recovery_code(&self, account: &Account, hash: [u8; 32], by: By) -> Result<bool, StoreError> {
        let (id, object) = (account.id.clone(), object(&account.login));
        self.write_first(move |db| {
            let used = db.execute(
                "UPDATE admin_recovery_codes SET used_at = ?3 WHERE hash = ?1 AND account_id = ?2 AND used_at IS NULL",
                params![hash, id, by.at],
            )?;
            if used == 1 {
                audit::append(db, &by, &Change::new("account.recovery_code", object))?;
            }
            Ok(used == 1)
        })
        .await
    }

    /// Gives an account a second factor, in the place of the one it may have.
    pub async fn set_second_factor(&self, account: &Account, factor: NewSecondFactor, by: By) -> Result<(), StoreError> {
        let (id, object) = (account.id.clone(), object(&account.login));
        self.write(move |db| {
            put(db, &id, &factor, by.at)?;
            let after = json!({"recovery_codes": factor.recovery_codes.len()});
            audit::append(db, &by, &Change::new("account.totp.on", object).after(after))
        })
        .await
    }

    /// Takes an account's second factor away. False when it had none.
    pub async fn remove_second_factor(&self, account: &Account, by: By) -> Result<bool, StoreError> {
        let (id, object) = (account.id.clone(), object(&account.login));
        self.write(move |db| {
            let removed = db.execute("DELETE FROM admin_totp WHERE account_id = ?1", [&id])? == 1;
            db.execute("DELETE FROM admin_recovery_codes WHERE account_id = ?1", [&id])?;
            if removed {
                audit::append(db, &by, &Change::new("account.totp.off", object))?;
            }
            Ok(removed)
        })
        .await
    }
}

/// Writes a second factor; part of a larger write.
pub(super) fn put(db: &rusqlite::Connection, account_id: &str, factor: &NewSecondFactor, now: i64) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO admin_totp (account_id, sealed, enrolled_at, last_step) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account_id) DO UPDATE SET sealed = excluded.sealed, enrolled_at = excluded.enrolled_at, last_step = excluded.last_step",
        params![account_id, factor.sealed, now, factor.step],
    )?;
    db.execute("DELETE FROM admin_recovery_codes WHERE account_id = ?1", [account_id])?;
    let mut insert = db.prepare_cached("INSERT INTO admin_recovery_codes (hash, account_id, used_at) VALUES (?1, ?2, NULL)")?;
    for hash in &factor.recovery_codes {
        insert.execute(params![hash, account_id])?;
    }
    Ok(())
}

fn object(login: &str) -> String {
    format!("account/{login}")
}
