//! Accounts: people who sign in, what they may open, and what they may do here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CallError, Calls, Field, Listed, pages, said};
use crate::{
    admin::who::{Role, Who},
    clock::rfc3339,
    config::Bilingual,
    gate::accounts::{PasswordError, ROLES, TIERS, account_may, plain_login},
    ids::new_id,
    secret::SecretText,
    store::{
        accounts::{Account, AccountChange, Changed},
        audit::By,
    },
};

/// Most characters of a name.
const LONGEST_NAME: usize = 100;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountView {
    /// UUID v7.
    pub id: String,
    /// What is typed to sign in.
    pub login: String,
    /// Name shown to people.
    pub display_name: String,
    /// The app's roles, by which groups are opened.
    pub roles: Vec<String>,
    /// The tier, by which groups are opened.
    pub tier: String,
    /// What it may do in the panel and the API; null keeps it out.
    pub panel_role: Option<Role>,
    /// Whether it may sign in, and what was granted to it counts.
    pub enabled: bool,
    /// Who created it.
    pub created_by: String,
    /// When (RFC 3339).
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// When its password was set.
    pub password_changed_at: String,
    /// Its last sign-in.
    pub last_sign_in_at: Option<String>,
    /// Failed sign-ins since then.
    pub failed_count: i64,
    /// The last failed one.
    pub last_failed_at: Option<String>,
    /// Whether a one-time code is asked for.
    pub second_factor: bool,
    /// Server codes of the groups it opens.
    pub opens: Vec<String>,
    /// Its version.
    #[serde(skip)]
    pub version: i64,
}

/// An account to be added.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// 2 to 64 of `a-z 0-9 . _ @ + -`, the first a letter or digit.
    pub login: String,
    /// Name for people; the login when left out.
    #[serde(default)]
    pub display_name: Option<String>,
    /// At least 12 characters.
    #[schema(value_type = String)]
    pub password: SecretText,
    /// The app's roles: admin, consultant, doctor, operator, customer.
    #[serde(default)]
    pub roles: Vec<String>,
    /// internal, external, public or premium.
    pub tier: String,
    /// What it may do in the panel and the API; left out or null keeps it out.
    #[serde(default)]
    pub panel_role: Option<Role>,
}

/// What is to be another way; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountEdit {
    /// Another name.
    pub display_name: Option<String>,
    /// Other roles.
    pub roles: Option<Vec<String>>,
    /// Another tier.
    pub tier: Option<String>,
    /// Another role in the panel; null keeps it out.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Role>)]
    pub panel_role: Option<Option<Role>>,
    /// On or off.
    pub enabled: Option<bool>,
}

/// Tells null from nothing.
#[expect(clippy::option_option, reason = "not given, taken away, or given")]
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Role>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A group, and whether an account opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The group's server code.
    pub server_code: String,
    /// Why not, in both languages; none when it does.
    pub why_not: Option<String>,
}

impl Calls {
    /// Accounts by login, `limit` of them behind `cursor`.
    pub fn accounts(&self, limit: u32, cursor: Option<&str>) -> Result<Listed<AccountView>, CallError> {
        let mut accounts = self.store.accounts()?;
        accounts.retain(|account| cursor.is_none_or(|cursor| account.login.as_str() > cursor));
        let page = pages::cut(accounts, limit, |account| account.login.clone(), |account| self.account_view(&account));
        Ok(Listed { items: page.items.into_iter().collect::<Result<_, _>>()?, next_cursor: page.next_cursor })
    }

    /// The account with this login.
    pub fn account(&self, login: &str) -> Result<AccountView, CallError> {
        self.account_view(&self.find_account(login)?)
    }

    /// Which groups an account opens, and why not the others.
    pub fn account_opens(&self, login: &str) -> Result<Vec<Opening>, CallError> {
        let account = self.find_account(login)?;
        let policy = self.gate.policy().current()?;
        let opening = |group: &std::sync::Arc<crate::gate::GroupPolicy>| Opening {
            server_code: group.group.server_code.clone(),
            why_not: account_may(&account, &group.group).err().map(|why| why.to_string()),
        };
        Ok(policy.groups().iter().map(opening).collect())
    }

    /// Adds an account.
    pub async fn add_account(&self, new: NewAccount, by: By) -> Result<AccountView, CallError> {
        let mut wrong = Vec::new();
        let login = plain_login(&new.login);
        if login.is_none() {
            wrong.push(field("/login", login_text()));
        }
        check(new.display_name.as_deref(), Some(&new.roles), Some(&new.tier), &mut wrong);
        let login = login.filter(|_| wrong.is_empty()).ok_or(CallError::Invalid(wrong))?;
        if self.store.account_by_login(&login)?.is_some() {
            return Err(taken(&login));
        }
        let password_hash = self.password_hash("/password", &login, &new.password).await?;
        let mut account = self.new_account(login, new.display_name, password_hash, &by.actor);
        account.roles = new.roles;
        account.tier = new.tier;
        account.panel_role = new.panel_role.map(|role| role.as_str().to_owned());
        self.store.add_account(account.clone(), by).await?;
        self.account_view(&account)
    }

    /// Changes an account. `seen` is the version the change is made on.
    pub async fn change_account(&self, login: &str, edit: AccountEdit, seen: Option<i64>, by: By) -> Result<AccountView, CallError> {
        let mut wrong = Vec::new();
        check(edit.display_name.as_deref(), edit.roles.as_ref(), edit.tier.as_deref(), &mut wrong);
        if !wrong.is_empty() {
            return Err(CallError::Invalid(wrong));
        }
        let login = self.find_account(login)?.login;
        let change = AccountChange {
            display_name: edit.display_name.map(|name| name.trim().to_owned()),
            roles: edit.roles,
            tier: edit.tier,
            panel_role: edit.panel_role.map(|role| role.map(|role| role.as_str().to_owned())),
            enabled: edit.enabled,
        };
        let changed = self.store.change_account(&login, change, seen, by).await?;
        self.settled(&login, changed)?;
        self.account(&login)
    }

    /// Gives an account another password; its sessions end, but for the one that is named.
    pub async fn set_password(&self, login: &str, password: &SecretText, kept: Option<&str>, by: By) -> Result<(), CallError> {
        let account = self.find_account(login)?;
        let hash = self.password_hash("/password", &account.login, password).await?;
        Ok(self.store.set_account_password(&account.login, hash, kept, by).await?)
    }

    /// Deletes an account with everything that was granted to it.
    pub async fn delete_account(&self, login: &str, seen: Option<i64>, by: By) -> Result<(), CallError> {
        let login = self.find_account(login)?.login;
        let changed = self.store.delete_account(&login, seen, by).await?;
        self.settled(&login, changed)
    }

    /// The account of whoever asks.
    pub(in crate::admin) fn own_account(&self, who: &Who) -> Result<Account, CallError> {
        self.find_account(&who.login)
    }

    /// The account with this login, as it is stored.
    pub fn find_account(&self, login: &str) -> Result<Account, CallError> {
        let found = plain_login(login).map(|login| self.store.account_by_login(&login)).transpose()?.flatten();
        found.ok_or_else(|| {
            CallError::not_found(
                format!("没有账号 {login}；`anmei-mcp account list` 可列出全部"),
                format!("there is no account {login}; `anmei-mcp account list` shows them"),
            )
        })
    }

    /// An account that is not stored yet, with no role.
    pub(super) fn new_account(&self, login: String, display_name: Option<String>, password_hash: String, created_by: &str) -> Account {
        let now = self.clock.now_ms();
        let display_name = display_name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Account {
            id: new_id(self.clock.as_ref()),
            display_name: display_name.unwrap_or_else(|| login.clone()),
            login,
            password_hash,
            roles: Vec::new(),
            tier: "internal".into(),
            panel_role: None,
            enabled: true,
            created_by: created_by.to_owned(),
            created_at: now,
            updated_at: now,
            password_changed_at: now,
            last_sign_in_at: None,
            failed_count: 0,
            last_failed_at: None,
        }
    }

    /// The hash of a new password; what is wrong with it is said of `pointer`.
    pub(super) async fn password_hash(&self, pointer: &str, login: &str, password: &SecretText) -> Result<String, CallError> {
        self.accounts.hash(login, password).await.map_err(|error| {
            let text = error.to_string();
            let (zh, en) = text.split_once(" / ").unwrap_or((&text, &text));
            match error {
                PasswordError::Short | PasswordError::Long | PasswordError::Simple | PasswordError::Login => {
                    CallError::invalid(pointer, zh, en)
                }
                PasswordError::NoRandomness(_) | PasswordError::Busy | PasswordError::Hasher(_) => CallError::unavailable(zh, en),
            }
        })
    }

    fn settled(&self, login: &str, changed: Changed) -> Result<(), CallError> {
        match changed {
            Changed::Done => Ok(()),
            Changed::LastAdministrator => Err(CallError::conflict(
                format!("{login} 是最后一个可用的管理员账号，不能停用、删除或更换角色；请先设置另一个管理员"),
                format!("{login} is the last administrator; make another one before this one is disabled, deleted or given another role"),
            )),
            Changed::Stale => {
                let current = self.account(login)?;
                let value = serde_json::to_value(&current).unwrap_or_default();
                Err(CallError::Stale { current: Box::new(value), version: current.version })
            }
        }
    }

    fn account_view(&self, account: &Account) -> Result<AccountView, CallError> {
        let policy = self.gate.policy().current()?;
        let opens = policy.groups().iter().filter(|group| account_may(account, &group.group).is_ok());
        Ok(AccountView {
            opens: opens.map(|group| group.group.server_code.clone()).collect(),
            second_factor: self.store.second_factor(&account.id)?.is_some(),
            id: account.id.clone(),
            login: account.login.clone(),
            display_name: account.display_name.clone(),
            roles: account.roles.clone(),
            tier: account.tier.clone(),
            panel_role: account.panel_role.as_deref().and_then(Role::parse),
            enabled: account.enabled,
            created_by: account.created_by.clone(),
            created_at: rfc3339(account.created_at),
            updated_at: rfc3339(account.updated_at),
            password_changed_at: rfc3339(account.password_changed_at),
            last_sign_in_at: account.last_sign_in_at.map(rfc3339),
            failed_count: account.failed_count,
            last_failed_at: account.last_failed_at.map(rfc3339),
            version: account.updated_at,
        })
    }
}

/// What a login may be.
pub(super) fn login_text() -> Bilingual {
    said(
        "登录名为 2 到 64 个字符，可用 a-z 0-9 . _ @ + -，首字符须为字母或数字",
        "a login is 2 to 64 of a-z 0-9 . _ @ + -, the first a letter or digit",
    )
}

/// The login is another account's.
pub(super) fn taken(login: &str) -> CallError {
    CallError::Invalid(vec![field("/login", said(format!("已有账号 {login}"), format!("there is an account {login} already")))])
}

pub(super) fn field(pointer: &str, text: Bilingual) -> Field {
    Field { pointer: pointer.to_owned(), text }
}

/// What is wrong with a name, roles and a tier.
pub(super) fn check(name: Option<&str>, roles: Option<&Vec<String>>, tier: Option<&str>, wrong: &mut Vec<Field>) {
    if let Some(name) = name.map(str::trim)
        && (name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control))
    {
        let zh = format!("名称最多 {LONGEST_NAME} 个字符，不能有控制字符");
        wrong.push(field("/display_name", said(zh, format!("a name has at most {LONGEST_NAME} characters, and no control characters"))));
    }
    for (at, role) in roles.into_iter().flatten().enumerate().filter(|(_, role)| !ROLES.contains(&role.as_str())) {
        let known = ROLES.join(", ");
        wrong.push(field(
            &format!("/roles/{at}"),
            said(format!("没有角色 {role}；可用：{known}"), format!("{role} is no role; there are: {known}")),
        ));
    }
    if let Some(tier) = tier.filter(|tier| !TIERS.contains(tier)) {
        let known = TIERS.join(", ");
        wrong.push(field("/tier", said(format!("没有层级 {tier}；可用：{known}"), format!("{tier} is no tier; there are: {known}"))));
    }
}
