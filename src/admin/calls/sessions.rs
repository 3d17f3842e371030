//! Sessions and API tokens: who is signed in, what programs hold, and taking either back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    CallError, Calls, Field, Listed,
    accounts::field,
    pages::{self, First},
    said,
    sign_in::{fresh_token, hash, role_of},
};
use crate::{
    admin::who::{Right, Role, Who},
    clock::rfc3339,
    ids::new_id,
    store::{accounts::Account, admin_sessions::AdminSession, api_tokens::ApiToken, audit::By},
};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Days that a token lasts when nobody says how many.
const DAYS: u32 = 90;
/// Most days of a token.
const MOST_DAYS: u32 = 366;
/// Most characters of a token's name.
const LONGEST_NAME: usize = 100;
/// Most tokens in force of one account.
const MOST_TOKENS: usize = 50;

/// A session in the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionView {
    /// UUID v7.
    pub id: String,
    /// Whose it is.
    pub login: String,
    /// When it began (RFC 3339).
    pub created_at: String,
    /// The last request, late by up to a minute.
    pub seen_at: String,
    /// When it ends in any case.
    pub expires_at: String,
    /// Whether a one-time code was shown.
    pub second_factor: bool,
    /// From where.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// An API token, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenView {
    /// UUID v7.
    pub id: String,
    /// Whose program it is for.
    pub login: String,
    /// What it is for.
    pub name: String,
    /// What it may do at most; never more than its account.
    pub role: Role,
    /// Its last four characters.
    pub hint: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// Its last use, late by up to a minute.
    pub used_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// Whether it is accepted at this moment.
    pub in_force: bool,
}

/// A token to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for: 1 to 100 characters.
    pub name: String,
    /// What it may do: no more than the account.
    pub role: Role,
    /// After how many days it ends: 1 to 366.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 366, default = 90)]
    pub days: Option<u32>,
}

/// A token that was just made: the only moment it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MadeToken {
    /// The token: sent as `Authorization: Bearer …`.
    pub token: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub view: TokenView,
}

impl Calls {
    /// Who is signed in; an administrator sees everybody, others see themselves.
    pub fn sessions(&self, who: &Who) -> Result<Vec<SessionView>, CallError> {
        let (now, idle) = (self.clock.now_ms(), self.config.admin.session_idle.as_ms());
        let sessions = self.store.admin_sessions(only(who), now, now - idle)?;
        Ok(sessions.into_iter().map(|(session, login)| session_view(session, login, who.session_id.as_deref())).collect())
    }

    /// One page of them, the latest first.
    pub fn session_page(&self, who: &Who, limit: u32, cursor: Option<&str>) -> Result<Listed<SessionView>, CallError> {
        let (now, idle) = (self.clock.now_ms(), self.config.admin.session_idle.as_ms());
        let sessions = self.store.admin_sessions(only(who), now, now - idle)?;
        let page = pages::behind(sessions, (limit, cursor), First::Newest, |(session, _)| (session.created_at, session.id.as_str()))?;
        let view = |(session, login)| session_view(session, login, who.session_id.as_deref());
        Ok(Listed { items: page.items.into_iter().map(view).collect(), next_cursor: page.next_cursor })
    }

    /// Ends a session: one's own, or as an administrator anybody's.
    pub async fn end_session(&self, id: &str, who: &Who) -> Result<(), CallError> {
        if !self.sessions(who)?.iter().any(|session| session.id == id) {
            return Err(CallError::not_found(format!("没有登录会话 {id}"), format!("there is no session {id}")));
        }
        Ok(self.store.end_admin_session(id, "session.revoke", who.by(self.clock.as_ref())).await?)
    }

    /// Ends every session of an account, but for the one that is named. Says how many there were.
    pub async fn end_sessions(&self, account: &Account, but: Option<&str>, by: By) -> Result<usize, CallError> {
        Ok(self.store.end_admin_sessions(account, but, by).await?)
    }

    /// API tokens, the newest first; an administrator sees everybody's, others their own.
    pub fn api_tokens(&self, who: &Who) -> Result<Vec<TokenView>, CallError> {
        let now = self.clock.now_ms();
        let tokens = self.store.api_tokens(only(who))?;
        Ok(tokens.into_iter().map(|(token, login)| token_view(token, login, now)).collect())
    }

    /// One page of them.
    pub fn api_token_page(&self, who: &Who, limit: u32, cursor: Option<&str>) -> Result<Listed<TokenView>, CallError> {
        let (now, tokens) = (self.clock.now_ms(), self.store.api_tokens(only(who))?);
        let page = pages::behind(tokens, (limit, cursor), First::Newest, |(token, _)| (token.created_at, token.id.as_str()))?;
        let view = |(token, login)| token_view(token, login, now);
        Ok(Listed { items: page.items.into_iter().map(view).collect(), next_cursor: page.next_cursor })
    }

    /// One of those.
    pub fn api_token(&self, id: &str, who: &Who) -> Result<TokenView, CallError> {
        let found = self.store.api_token_by_id(id)?.filter(|(token, _)| only(who).is_none_or(|own| own == token.account_id));
        found
            .map(|(token, login)| token_view(token, login, self.clock.now_ms()))
            .ok_or_else(|| CallError::not_found(format!("没有令牌 {id}"), format!("there is no token {id}")))
    }

    /// Makes a token for a program of whoever asks.
    pub async fn add_api_token(&self, new: NewToken, who: &Who) -> Result<MadeToken, CallError> {
        who.confirmed(self.clock.as_ref())?;
        let account = self.own_account(who)?;
        self.make_api_token(new, (&account, who.role), who.by(self.clock.as_ref())).await
    }

    /// Makes a token for a program of an account, whatever its role is.
    pub async fn add_api_token_of(&self, new: NewToken, login: &str, by: By) -> Result<MadeToken, CallError> {
        let account = self.find_account(login)?;
        let role = role_of(&account).ok_or_else(|| {
            let login = &account.login;
            CallError::conflict(
                format!("账号 {login} 没有面板角色；请先运行 `anmei-mcp account set {login} --panel-role …`"),
                format!("the account {login} has no role in the panel; run `anmei-mcp account set {login} --panel-role …` first"),
            )
        })?;
        self.make_api_token(new, (&account, role), by).await
    }

    async fn make_api_token(&self, new: NewToken, (account, most): (&Account, Role), by: By) -> Result<MadeToken, CallError> {
        let days = self.checked_token(&new, account, most)?;
        let text = fresh_token()?;
        let now = self.clock.now_ms();
        let token = ApiToken {
            id: new_id(self.clock.as_ref()),
            account_id: account.id.clone(),
            name: new.name.trim().to_owned(),
            role: new.role.as_str().to_owned(),
            hint: text.expose().chars().skip(text.expose().len().saturating_sub(4)).collect(),
            created_at: now,
            expires_at: now + i64::from(days) * DAY_MS,
            used_at: None,
            revoked_at: None,
        };
        self.store.add_api_token(token.clone(), hash(text.expose()), &account.login, by).await?;
        Ok(MadeToken { token: text.expose().to_owned(), view: token_view(token, account.login.clone(), now) })
    }

    /// Revokes a token: one's own, or as an administrator anybody's.
    pub async fn revoke_api_token(&self, id: &str, who: &Who) -> Result<(), CallError> {
        let token = self.api_token(id, who)?;
        Ok(self.store.revoke_api_token(&token.id, who.by(self.clock.as_ref())).await?)
    }

    fn checked_token(&self, new: &NewToken, account: &Account, most: Role) -> Result<u32, CallError> {
        let mut wrong: Vec<Field> = Vec::new();
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            let zh = format!("请填写用途，最多 {LONGEST_NAME} 个字符");
            wrong.push(field("/name", said(zh, format!("say what it is for, in at most {LONGEST_NAME} characters"))));
        }
        if !new.role.within(most) {
            wrong.push(field("/role", said("令牌的权限不能超过账号的角色", "a token may not do more than its account")));
        }
        let days = new.days.unwrap_or(DAYS);
        if !(1..=MOST_DAYS).contains(&days) {
            let zh = format!("{days} 超出范围：1 到 {MOST_DAYS} 天");
            wrong.push(field("/days", said(zh, format!("{days} is out of range: 1 to {MOST_DAYS} days"))));
        }
        if !wrong.is_empty() {
            return Err(CallError::Invalid(wrong));
        }
        let now = self.clock.now_ms();
        let own = self.store.api_tokens(Some(&account.id))?;
        if own.iter().filter(|(token, _)| is_in_force(token, now)).count() >= MOST_TOKENS {
            return Err(CallError::conflict(
                format!("已有 {MOST_TOKENS} 个有效令牌，请先吊销不再使用的"),
                format!("there are {MOST_TOKENS} tokens in force; revoke those that are not used any more"),
            ));
        }
        Ok(days)
    }
}

/// Whose rows somebody sees: none for all.
fn only(who: &Who) -> Option<&str> {
    (!who.role.may(Right::Administer)).then_some(who.account_id.as_str())
}

fn is_in_force(token: &ApiToken, now: i64) -> bool {
    token.revoked_at.is_none() && token.expires_at > now
}

fn session_view(session: AdminSession, login: String, current: Option<&str>) -> SessionView {
    SessionView {
        current: current == Some(session.id.as_str()),
        id: session.id,
        login,
        created_at: rfc3339(session.created_at),
        seen_at: rfc3339(session.seen_at),
        expires_at: rfc3339(session.expires_at),
        second_factor: session.second_factor,
        address: session.address,
        agent: session.agent,
    }
}

fn token_view(token: ApiToken, login: String, now: i64) -> TokenView {
    TokenView {
        in_force: is_in_force(&token, now),
        role: Role::parse(&token.role).unwrap_or(Role::Operator),
        id: token.id,
        login,
        name: token.name,
        hint: token.hint,
        created_at: rfc3339(token.created_at),
        expires_at: rfc3339(token.expires_at),
        used_at: token.used_at.map(rfc3339),
        revoked_at: token.revoked_at.map(rfc3339),
    }
}
