//! Accounts: people who sign in with a login and a password.
//!
//! Triggers of the schema count every change of what an account may do in `policy_revision`; signing in does not count.

use std::fmt;

use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    audit::{self, By, Change},
    rows::{self, Json, json},
};

/// An account.
#[derive(Clone, PartialEq)]
pub struct Account {
    /// UUID v7.
    pub id: String,
    /// What is typed to sign in, in lower case.
    pub login: String,
    /// Name shown to people.
    pub display_name: String,
    /// Argon2id, as a PHC text.
    pub password_hash: String,
    /// The app's roles.
    pub roles: Vec<String>,
    /// Its tier.
    pub tier: String,
    /// What it may do in the panel; none keeps it out.
    pub panel_role: Option<String>,
    /// Whether it may sign in, and what was granted to it counts.
    pub enabled: bool,
    /// Who created it.
    pub created_by: String,
    /// When, in milliseconds.
    pub created_at: i64,
    /// When an operator last changed it.
    pub updated_at: i64,
    /// When its password was set.
    pub password_changed_at: i64,
    /// Its last sign-in.
    pub last_sign_in_at: Option<i64>,
    /// Failed sign-ins since then.
    pub failed_count: i64,
    /// The last failed one.
    pub last_failed_at: Option<i64>,
}

/// The hash stays out of logs: it can be tried at leisure.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Account");
        text.field("id", &self.id).field("roles", &self.roles).field("tier", &self.tier).field("enabled", &self.enabled);
        text.finish_non_exhaustive()
    }
}

/// A change of an account; `None` leaves a field alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Another name.
    pub display_name: Option<String>,
    /// Other roles.
    pub roles: Option<Vec<String>>,
    /// Another tier.
    pub tier: Option<String>,
    /// Another role in the panel; `Some(None)` keeps it out.
    pub panel_role: Option<Option<String>>,
    /// On or off.
    pub enabled: Option<bool>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// It is done.
    Done,
    /// The account is not what was seen any more.
    Stale,
    /// Nobody would be left who administers.
    LastAdministrator,
}

/// Failed sign-ins of one account that are still to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// The account.
    pub id: String,
    /// How many.
    pub count: i64,
    /// The last of them.
    pub at: i64,
}

const COLUMNS: &str = "id, login, display_name, password_hash, roles, tier, panel_role, enabled, created_by, created_at, updated_at,
    password_changed_at, last_sign_in_at, failed_count, last_failed_at";

impl Store {
    /// The account with this id.
    pub fn account(&self, id: &str) -> Result<Option<Account>, StoreError> {
        self.point(|db| by_id(db, id))
    }

    /// The account with this login, which is compared as it is: in lower case.
    pub fn account_by_login(&self, login: &str) -> Result<Option<Account>, StoreError> {
        self.point(|db| by_login(db, login))
    }

    /// All accounts, by login.
    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.point(|db| rows::all(db, &format!("SELECT {COLUMNS} FROM accounts ORDER BY login"), [], account))
    }

    /// Adds an account.
    pub async fn add_account(&self, account: Account, by: By) -> Result<(), StoreError> {
        self.write(move |db| insert_audited(db, &account, &by)).await
    }

    /// Changes an account. `seen` is the version the change is made on, where there is one.
    pub async fn change_account(&self, login: &str, change: AccountChange, seen: Option<i64>, by: By) -> Result<Changed, StoreError> {
        let login = login.to_owned();
        self.write(move |db| {
            let action = match change.enabled {
                Some(true) => "account.enable",
                Some(false) => "account.disable",
                None => "account.set",
            };
            audited(db, (action, &login), (seen, &by), |db| {
                db.execute(
                    "UPDATE accounts SET display_name = coalesce(?2, display_name), roles = coalesce(?3, roles), tier = coalesce(?4, tier),
                            panel_role = CASE WHEN ?5 THEN ?6 ELSE panel_role END, enabled = coalesce(?7, enabled),
                            updated_at = max(?8, updated_at + 1)
                      WHERE login = ?1",
                    params![
                        login,
                        change.display_name,
                        change.roles.map(Json),
                        change.tier,
                        change.panel_role.is_some(),
                        change.panel_role.flatten(),
                        change.enabled,
                        by.at
                    ],
                )
            })
        })
        .await
    }

    /// Gives an account another password. Sessions that know the old one end; `kept` is the one that changed it.
    pub async fn set_account_password(&self, login: &str, hash: String, kept: Option<&str>, by: By) -> Result<(), StoreError> {
        let (login, kept) = (login.to_owned(), kept.map(str::to_owned));
        self.write(move |db| {
            audited(db, ("account.password", &login), (None, &by), |db| {
                db.execute("UPDATE admin_sessions SET confirmed_at = ?2 WHERE id = ?1", params![kept, by.at])?;
                db.execute(
                    "UPDATE accounts SET password_hash = ?2, password_changed_at = ?3, updated_at = max(?3, updated_at + 1),
                            failed_count = 0, last_failed_at = NULL
                      WHERE login = ?1",
                    params![login, hash, by.at],
                )
            })
            .map(drop)
        })
        .await
    }

    /// Keeps the same password under another hash, unless it was changed meanwhile.
    pub async fn rehash_account(&self, id: &str, old: String, new: String) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.execute("UPDATE accounts SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2", params![id, old, new])?;
            Ok(())
        })
        .await
    }

    /// Notes a sign-in.
    pub async fn note_sign_in(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            db.execute("UPDATE accounts SET last_sign_in_at = ?2, failed_count = 0 WHERE id = ?1", params![id, now])?;
            Ok(())
        })
        .await
    }

    /// Notes sign-ins that failed.
    pub async fn note_failed_sign_ins(&self, failures: Vec<Failures>) -> Result<(), StoreError> {
        self.write(move |db| {
            let mut update =
                db.prepare_cached("UPDATE accounts SET failed_count = failed_count + ?2, last_failed_at = ?3 WHERE id = ?1")?;
            for failure in &failures {
                update.execute(params![failure.id, failure.count, failure.at])?;
            }
            Ok(())
        })
        .await
    }

    /// Deletes an account, with what was granted to it. `seen` is the version that is meant, where there is one.
    pub async fn delete_account(&self, login: &str, seen: Option<i64>, by: By) -> Result<Changed, StoreError> {
        let login = login.to_owned();
        self.write(move |db| {
            audited(db, ("account.delete", &login), (seen, &by), |db| db.execute("DELETE FROM accounts WHERE login = ?1", [&login]))
        })
        .await
    }
}

/// Adds an account with its row of the audit log; part of a larger write.
pub(super) fn insert_audited(db: &Connection, account: &Account, by: &By) -> Result<(), StoreError> {
    insert(db, account)?;
    audit::append(db, by, &Change::new("account.add", object(&account.login)).after(facts(account)))
}

/// The account with this id.
pub(super) fn by_id(db: &Connection, id: &str) -> rusqlite::Result<Option<Account>> {
    rows::one(db, &format!("SELECT {COLUMNS} FROM accounts WHERE id = ?1"), [id], account)
}

fn insert(db: &Connection, account: &Account) -> Result<(), StoreError> {
    let taken = db.prepare_cached("SELECT 1 FROM accounts WHERE login = ?1")?.exists([&account.login])?;
    if taken {
        return Err(StoreError::Conflict(format!("there is an account {} already", account.login)));
    }
    db.prepare_cached(&format!(
        "INSERT INTO accounts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
    ))?
    .execute(params![
        account.id,
        account.login,
        account.display_name,
        account.password_hash,
        Json(&account.roles),
        account.tier,
        account.panel_role,
        account.enabled,
        account.created_by,
        account.created_at,
        account.updated_at,
        account.password_changed_at,
        account.last_sign_in_at,
        account.failed_count,
        account.last_failed_at
    ])?;
    Ok(())
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: row.get(0)?,
        login: row.get(1)?,
        display_name: row.get(2)?,
        password_hash: row.get(3)?,
        roles: json(row, 4)?,
        tier: row.get(5)?,
        panel_role: row.get(6)?,
        enabled: row.get(7)?,
        created_by: row.get(8)?,
        created_at: row.get(9)?,
        updated_at: row.get(10)?,
        password_changed_at: row.get(11)?,
        last_sign_in_at: row.get(12)?,
        failed_count: row.get(13)?,
        last_failed_at: row.get(14)?,
    })
}

/// A change of one account with its row of the audit log. What would leave nobody who administers is undone.
fn audited(
    db: &Connection,
    (action, login): (&'static str, &str),
    (seen, by): (Option<i64>, &By),
    change: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
) -> Result<Changed, StoreError> {
    let missing = || StoreError::NotFound(format!("there is no account {login}; `anmei-mcp account list` shows them"));
    let before = by_login(db, login)?.ok_or_else(missing)?;
    if seen.is_some_and(|seen| seen != before.updated_at) {
        return Ok(Changed::Stale);
    }
    if takes_the_last_administrator(db, &before, change)? {
        return Ok(Changed::LastAdministrator);
    }
    let mut row = Change::new(action, object(login)).before(facts(&before));
    row.after = by_login(db, login)?.as_ref().map(facts);
    audit::append(db, by, &row)?;
    Ok(Changed::Done)
}

/// Makes a change, unless it takes away the last account that administers; then nothing is changed.
fn takes_the_last_administrator(
    db: &Connection,
    before: &Account,
    change: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
) -> Result<bool, StoreError> {
    let administers = before.enabled && before.panel_role.as_deref() == Some("administrator");
    if !administers {
        change(db)?;
        return Ok(false);
    }
    db.execute_batch("SAVEPOINT last_administrator")?;
    change(db)?;
    let is_left = has_administrator(db)?;
    db.execute_batch(if is_left { "RELEASE last_administrator" } else { "ROLLBACK TO last_administrator; RELEASE last_administrator" })?;
    Ok(!is_left)
}

/// Whether an account that may sign in administers.
pub(super) fn has_administrator(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM accounts WHERE panel_role = 'administrator' AND enabled LIMIT 1")?.exists([])
}

fn by_login(db: &Connection, login: &str) -> rusqlite::Result<Option<Account>> {
    rows::one(db, &format!("SELECT {COLUMNS} FROM accounts WHERE login = ?1"), [login], account)
}

/// What the audit log calls an account.
fn object(login: &str) -> String {
    format!("account/{login}")
}

/// What may be said of an account: everything but the hash.
fn facts(account: &Account) -> Value {
    json!({
        "id": account.id, "display_name": account.display_name, "roles": account.roles, "tier": account.tier,
        "panel_role": account.panel_role, "enabled": account.enabled, "password_changed_at": account.password_changed_at,
    })
}
