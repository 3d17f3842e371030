//! Signing in, and who a session or a token stands for.
//!
//! Whatever is wrong (no such login, another password, an account that is switched off or has no role here, a code that
//! is missing, wrong or used up) the answer is the same in words and in time: all of it is asked inside the one check of
//! the gate, which also counts and slows down. Both ends of a session, its account and its account's role are looked at
//! on every request, so that what was taken back is out for the next one.

use std::{net::IpAddr, sync::Arc};

use sha2::{Digest, Sha256};

use super::{CallError, Calls};
use crate::{
    admin::who::{Role, Who},
    gate::{
        accounts::{SignInError, second_factor::SecondFactors},
        keys::{check_fresh, fresh},
    },
    ids::{new_id, random_text},
    secret::{NoRandomness, SecretText, random_bytes},
    store::{StoreError, accounts::Account, admin_sessions::AdminSession, api_tokens::ApiToken, audit::By},
};

/// How every API token begins.
const TOKEN_PREFIX: &str = "anmei_admin_";
/// How often the last request of a session or a token is written down, at most.
const SEEN_MS: i64 = 60_000;
/// Characters of what a browser calls itself that are kept.
const AGENT: usize = 200;

/// Where somebody signs in from.
#[derive(Debug, Clone)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub agent: String,
}

/// What somebody shows to be let in.
#[derive(Debug)]
pub struct Credentials<'a> {
    /// The login.
    pub login: &'a str,
    /// The password.
    pub password: &'a SecretText,
    /// A one-time code or a recovery code; empty where there is none.
    pub code: &'a str,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct SignedIn {
    /// What the browser keeps.
    pub cookie: SecretText,
    /// The session.
    pub session: AdminSession,
    /// Who signed in.
    pub account: Account,
}

/// Somebody who was recognised by a session or a token.
#[derive(Debug)]
pub struct Recognised {
    /// The account.
    pub account: Account,
    /// What they may do.
    pub role: Role,
    /// By what.
    pub by: Proof,
}

/// By what somebody was recognised.
#[derive(Debug)]
pub enum Proof {
    /// A session, with what its forms carry.
    Session(AdminSession, String),
    /// A token.
    Token(ApiToken),
}

impl From<NoRandomness> for CallError {
    fn from(error: NoRandomness) -> Self {
        Self::unavailable(format!("系统没有可用的随机数：{error}"), error.to_string())
    }
}

impl From<NoRandomness> for SignInError {
    fn from(error: NoRandomness) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Recognised {
    /// As the rest of the admin side knows them.
    pub fn who(self, address: IpAddr, language: crate::config::Language) -> Who {
        let (session_id, token_id, confirmed_at, csrf) = match self.by {
            Proof::Session(session, csrf) => (Some(session.id), None, Some(session.confirmed_at), csrf),
            Proof::Token(token) => (None, Some(token.id), None, String::new()),
        };
        Who {
            account_id: self.account.id,
            login: self.account.login,
            display_name: self.account.display_name,
            role: self.role,
            session_id,
            token_id,
            confirmed_at,
            csrf,
            address,
            language,
        }
    }
}

impl Calls {
    /// Signs somebody in, who has a role here.
    pub async fn sign_in(&self, shown: Credentials<'_>, place: Place) -> Result<SignedIn, SignInError> {
        let factors = SecondFactors::new(self.store.clone(), Arc::clone(&self.clock), Arc::clone(&self.master));
        let (code, address) = (shown.code.to_owned(), place.address);
        let also = move |account: Account| async move {
            if role_of(&account).is_none() {
                return Ok(false);
            }
            factors.shown(&account, &code, address).await
        };
        let account = self.accounts.sign_in_if(shown.login, shown.password, place.address, also).await?;
        let second_factor = self.store.second_factor(&account.id)?.is_some();
        let (session, cookie) = self.new_session(&account, &place, second_factor)?;
        let by = By { address: Some(place.address.to_string()), ..By::new(format!("account:{}", account.login), session.created_at) };
        self.store.add_admin_session(session.clone(), hash(cookie.expose()), &account.login, by).await?;
        Ok(SignedIn { cookie, session, account })
    }

    /// A session that is not stored yet, and what the browser keeps for it.
    pub(super) fn new_session(
        &self,
        account: &Account,
        place: &Place,
        second_factor: bool,
    ) -> Result<(AdminSession, SecretText), NoRandomness> {
        let now = self.clock.now_ms();
        let cookie = SecretText::new(random_text(random_bytes::<32>()?));
        let session = AdminSession {
            id: new_id(self.clock.as_ref()),
            account_id: account.id.clone(),
            created_at: now,
            seen_at: now,
            expires_at: now + self.config.admin.session_lifetime.as_ms(),
            confirmed_at: now,
            second_factor,
            address: place.address.to_string(),
            agent: place.agent.chars().filter(|c| !c.is_control()).take(AGENT).collect(),
        };
        Ok((session, cookie))
    }

    /// Who a browser's cookie stands for. `is_work` says whether the request counts as somebody being there.
    pub async fn by_cookie(&self, cookie: &str, is_work: bool) -> Result<Option<Recognised>, StoreError> {
        let Some((session, account)) = self.store.admin_session(&hash(cookie))? else { return Ok(None) };
        let (now, idle) = (self.clock.now_ms(), self.config.admin.session_idle.as_ms());
        let counts = now < session.expires_at && now - session.seen_at < idle && session.confirmed_at >= account.password_changed_at;
        let Some(role) = role_of(&account).filter(|_| counts && account.enabled) else { return Ok(None) };
        // With a short idle time, a minute would be too coarse.
        if is_work && now - session.seen_at >= SEEN_MS.min(idle / 10) {
            self.store.touch_admin_session(&session.id, now).await?;
        }
        let csrf = random_text::<32>(Sha256::digest(format!("anmei-mcp csrf\n{cookie}")).into());
        Ok(Some(Recognised { account, role, by: Proof::Session(session, csrf) }))
    }

    /// Who an API token stands for.
    pub async fn by_token(&self, token: &str) -> Result<Option<Recognised>, StoreError> {
        if check_fresh(TOKEN_PREFIX, token).is_err() {
            return Ok(None);
        }
        let Some((token, account)) = self.store.api_token(&hash(token))? else { return Ok(None) };
        let now = self.clock.now_ms();
        if !account.enabled || token.revoked_at.is_some() || token.expires_at <= now {
            return Ok(None);
        }
        let Some(role) = role_of(&account).and_then(|of_account| lesser(Role::parse(&token.role)?, of_account)) else { return Ok(None) };
        if token.used_at.is_none_or(|at| now - at >= SEEN_MS) {
            self.store.touch_api_token(&token.id, now).await?;
        }
        Ok(Some(Recognised { account, role, by: Proof::Token(token) }))
    }

    /// Notes that somebody who is signed in showed their password again.
    pub async fn confirm(&self, who: &Who, password: &SecretText) -> Result<(), SignInError> {
        let id = who.account_id.clone();
        let same = move |account: Account| std::future::ready(Ok(account.id == id));
        self.accounts.prove(&who.login, password, who.address, same).await?;
        if let Some(session) = &who.session_id {
            self.store.confirm_admin_session(session, &who.login, who.by(self.clock.as_ref())).await?;
        }
        Ok(())
    }

    /// Ends the session of whoever asks.
    pub async fn sign_out(&self, who: &Who) -> Result<(), CallError> {
        let Some(session) = &who.session_id else { return Ok(()) };
        match self.store.end_admin_session(session, "session.end", who.by(self.clock.as_ref())).await {
            // It was ended elsewhere in the meantime.
            Ok(()) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The text of a new API token.
pub(super) fn fresh_token() -> Result<SecretText, NoRandomness> {
    fresh(TOKEN_PREFIX).map(SecretText::new)
}

/// What a secret is looked up by.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What an account may do here.
pub(super) fn role_of(account: &Account) -> Option<Role> {
    Role::parse(account.panel_role.as_deref()?)
}

/// What is left to a token once its account has another role: what both may do.
fn lesser(token: Role, account: Role) -> Option<Role> {
    if token.within(account) { Some(token) } else { Some(account).filter(|account| account.within(token)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_does_more_than_its_account_or_than_it_was_made_for() {
        use Role::{Administrator, Auditor, Operator};
        assert_eq!(lesser(Operator, Administrator), Some(Operator));
        assert_eq!(lesser(Administrator, Operator), Some(Operator));
        assert_eq!(lesser(Auditor, Auditor), Some(Auditor));
        assert_eq!((lesser(Auditor, Administrator), lesser(Operator, Auditor)), (None, None));
    }
}
