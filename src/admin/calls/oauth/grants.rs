//! Grants: what was allowed, to whom, by whom, and ending it.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::calls::{
        CallError, Calls, Listed,
        pages::{self, First},
    },
    clock::rfc3339,
    store::{audit::By, oauth_grants::Grant},
};

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OauthGrantView {
    /// Its id.
    pub id: String,
    /// To whom.
    pub client_id: String,
    /// The client's name.
    pub client_name: String,
    /// The group it opens; `-` for one that is gone.
    pub server_code: String,
    /// The resource it is for.
    pub audience: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// The key that proved the right.
    pub key_id: Option<String>,
    /// The account that proved the right.
    pub account_id: Option<String>,
    /// The key by its name and last four characters, or the account by its login; none for a client that enters by itself.
    pub given_by: Option<String>,
    /// When it was given.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// When a token of it was last accepted.
    pub used_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// Why.
    pub revoked_why: Option<String>,
    /// Whether it is in force.
    pub in_force: bool,
}

/// Which grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantsWanted {
    /// Those that have ended, too.
    pub all: bool,
    /// Only of this client.
    pub client_id: Option<String>,
    /// Only for this group.
    pub server_code: Option<String>,
}

impl Calls {
    /// Grants, newest first.
    pub fn oauth_grants(&self, wanted: &GrantsWanted) -> Result<Vec<OauthGrantView>, CallError> {
        let (grants, names, now) = (self.wanted_grants(wanted)?, Names::read(self)?, self.clock.now_ms());
        Ok(grants.into_iter().map(|grant| names.view(grant, now)).collect())
    }

    /// One page of them.
    pub fn oauth_grant_page(&self, wanted: &GrantsWanted, limit: u32, cursor: Option<&str>) -> Result<Listed<OauthGrantView>, CallError> {
        let grants = self.wanted_grants(wanted)?;
        let page = pages::behind(grants, (limit, cursor), First::Newest, |grant| (grant.created_at, grant.id.as_str()))?;
        let (names, now) = (Names::read(self)?, self.clock.now_ms());
        Ok(Listed { items: page.items.into_iter().map(|grant| names.view(grant, now)).collect(), next_cursor: page.next_cursor })
    }

    fn wanted_grants(&self, wanted: &GrantsWanted) -> Result<Vec<Grant>, CallError> {
        let group = wanted.server_code.as_deref().map(|code| self.group_policy(code)).transpose()?;
        let now = self.clock.now_ms();
        let meant = |grant: &Grant| {
            (wanted.all || grant.is_in_force(now))
                && wanted.client_id.as_ref().is_none_or(|id| *id == grant.client_id)
                && group.as_ref().is_none_or(|group| group.group.id == grant.group_id)
        };
        Ok(self.store.oauth_grants()?.into_iter().filter(meant).collect())
    }

    /// Ends a grant with all of its tokens, from the next request on. False when it had ended before.
    pub async fn revoke_oauth_grant(&self, id: &str, by: &By) -> Result<bool, CallError> {
        Ok(self.store.revoke_grant(id, "revoked by an operator", by.clone()).await?)
    }
}

/// What ids stand for.
struct Names {
    clients: HashMap<String, String>,
    groups: HashMap<String, String>,
    keys: HashMap<String, String>,
    accounts: HashMap<String, String>,
}

impl Names {
    fn read(calls: &Calls) -> Result<Self, CallError> {
        let policy = calls.store.policy()?;
        Ok(Self {
            clients: calls.store.oauth_clients()?.into_iter().map(|client| (client.id, client.name)).collect(),
            groups: policy.groups.into_iter().map(|group| (group.id, group.server_code)).collect(),
            keys: policy.keys.into_iter().map(|key| (key.id, format!("{} …{}", key.name, key.hint))).collect(),
            accounts: calls.store.accounts()?.into_iter().map(|account| (account.id, account.login)).collect(),
        })
    }

    fn view(&self, grant: Grant, now: i64) -> OauthGrantView {
        // A key or an account may be gone: then its id is all there is.
        let named = |names: &HashMap<String, String>, id: &String| names.get(id).cloned().unwrap_or_else(|| id.clone());
        let key = grant.key_id.as_ref().map(|id| named(&self.keys, id));
        OauthGrantView {
            in_force: grant.is_in_force(now),
            client_name: named(&self.clients, &grant.client_id),
            server_code: self.groups.get(&grant.group_id).cloned().unwrap_or_else(|| "-".to_owned()),
            given_by: key.or_else(|| grant.account_id.as_ref().map(|id| named(&self.accounts, id))),
            id: grant.id,
            client_id: grant.client_id,
            audience: grant.audience,
            scopes: grant.scopes,
            key_id: grant.key_id,
            account_id: grant.account_id,
            created_at: rfc3339(grant.created_at),
            expires_at: rfc3339(grant.expires_at),
            used_at: grant.used_at.map(rfc3339),
            revoked_at: grant.revoked_at.map(rfc3339),
            revoked_why: grant.revoked_why,
        }
    }
}
