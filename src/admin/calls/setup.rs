//! The setup link: how the first administrator comes to be.
//!
//! It is made when the daemon starts and nobody administers, works once within half an hour, and is worth nothing once
//! there is an administrator. Whoever has the machine makes another with `anmei-mcp admin link`.

use super::{
    CallError, Calls, RecoveryCodes, SignedIn,
    accounts::{check, field, login_text, taken},
    second_factor::Unsealed,
    sign_in::{Place, hash},
};
use crate::{
    gate::accounts::plain_login,
    ids::random_text,
    secret::{SecretText, random_bytes},
    store::{
        audit::By,
        setup_links::{FirstAdministrator, LinkState},
    },
};

/// How long a link works.
const LASTS_MS: i64 = 30 * 60 * 1000;
/// File of the data directory that holds the link where nobody sees a terminal.
pub const LINK_FILE: &str = "setup-link";

/// What the first administrator chose.
#[derive(Debug)]
pub struct FirstChoice<'a> {
    /// The login.
    pub login: &'a str,
    /// Name for people; the login when empty.
    pub display_name: &'a str,
    /// The password.
    pub password: &'a SecretText,
    /// What the page gave along for the second factor.
    pub pending: &'a str,
    /// The first one-time code; without one there is no second factor.
    pub code: &'a str,
}

impl Calls {
    /// Whether somebody who may sign in administers.
    pub fn has_administrator(&self) -> Result<bool, CallError> {
        Ok(self.store.has_administrator()?)
    }

    /// A new setup link below `root`, in the place of those before it.
    pub async fn new_setup_link(&self, root: &str, by: By) -> Result<SecretText, CallError> {
        if self.has_administrator()? {
            return Err(CallError::conflict(
                "已有管理员账号，不再需要设置链接；忘记密码请用 `anmei-mcp account password <登录名>`",
                "there is an administrator, so no setup link is needed; for a lost password use `anmei-mcp account password <login>`",
            ));
        }
        let secret = random_text(random_bytes::<32>()?);
        let expires_at = by.at + LASTS_MS;
        self.store.add_setup_link(hash(&secret), expires_at, by).await?;
        Ok(SecretText::new(format!("{}/panel/setup/{secret}", root.trim_end_matches('/'))))
    }

    /// Whether a link's secret opens the setup page at this moment; the error says why not.
    pub fn setup_link(&self, secret: &str) -> Result<(), CallError> {
        opens(self.store.setup_link(&hash(secret), self.clock.now_ms())?)
    }

    /// As whom a second factor is set up that belongs to nobody yet.
    pub fn setup_owner(secret: &str) -> String {
        format!("setup/{}", random_text(hash(secret)))
    }

    /// Makes the first administrator, and signs them in.
    pub async fn set_up_with(
        &self,
        secret: &str,
        chosen: FirstChoice<'_>,
        place: Place,
    ) -> Result<(SignedIn, Option<RecoveryCodes>), CallError> {
        self.setup_link(secret)?;
        let (login, second) = self.checked_first(secret, &chosen)?;
        let password_hash = self.password_hash("/password", &login, chosen.password).await?;
        let mut account = self.new_account(login, Some(chosen.display_name.to_owned()), password_hash, "setup");
        account.panel_role = Some("administrator".into());
        account.roles = vec!["admin".into()];
        let (factor, codes) = match second {
            Some((unsealed, codes)) => (Some(self.sealed_for(&account.id, unsealed)?), Some(codes)),
            None => (None, None),
        };
        let (session, cookie) = self.new_session(&account, &place, factor.is_some())?;
        let by = By { address: Some(place.address.to_string()), ..By::new("setup", self.clock.now_ms()) };
        let first =
            FirstAdministrator { account: account.clone(), second_factor: factor, session: session.clone(), hash: hash(cookie.expose()) };
        opens(self.store.use_setup_link(hash(secret), first, by).await?)?;
        self.forget_link_file();
        tracing::info!(account.id, "the first administrator was made with the setup link");
        Ok((SignedIn { cookie, session, account }, codes))
    }

    fn checked_first(&self, secret: &str, chosen: &FirstChoice<'_>) -> Result<(String, Option<(Unsealed, RecoveryCodes)>), CallError> {
        let mut wrong = Vec::new();
        let login = plain_login(chosen.login);
        if login.is_none() {
            wrong.push(field("/login", login_text()));
        }
        check(Some(chosen.display_name), None, None, &mut wrong);
        let login = login.filter(|_| wrong.is_empty()).ok_or(CallError::Invalid(wrong))?;
        if self.store.account_by_login(&login)?.is_some() {
            return Err(taken(&login));
        }
        let wanted = !chosen.code.trim().is_empty();
        let second = wanted.then(|| self.proved_second_factor(&Self::setup_owner(secret), chosen.pending, chosen.code)).transpose()?;
        Ok((login, second))
    }

    /// The link in the file is worth nothing any more.
    fn forget_link_file(&self) {
        let path = self.config.in_data_dir(LINK_FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %path.display(), "the used setup link could not be deleted");
            }
            _ => {}
        }
    }
}

fn opens(state: LinkState) -> Result<(), CallError> {
    match state {
        LinkState::Open => Ok(()),
        LinkState::SetUp => Err(CallError::not_found(
            "已经有管理员账号，此链接不再有效。请直接登录。",
            "There is an administrator, and this link is worth nothing any more. Sign in.",
        )),
        LinkState::Expired => Err(CallError::not_found(
            "此设置链接已过期（有效期 30 分钟）。请在服务器上运行 `anmei-mcp admin link` 获取新链接。",
            "This setup link has ended (it works for 30 minutes). Run `anmei-mcp admin link` on the server for another.",
        )),
        LinkState::Unknown => Err(CallError::not_found(
            "此设置链接无效或已被使用。请在服务器上运行 `anmei-mcp admin link` 获取新链接。",
            "This setup link is not one, or was used. Run `anmei-mcp admin link` on the server for another.",
        )),
    }
}
