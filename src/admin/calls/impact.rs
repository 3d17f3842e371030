//! Who will break: what is known of everybody who would be refused after a change, before it is made.
//!
//! From the keys, the grants and the accounts that open a group now, and from the call log of the last thirty days. Of a
//! log that is too long only the newest rows are looked at, and the answer says so.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallError, Calls, groups::GroupEdit, keys::KeyView, tools::policy_of};
use crate::{
    clock::rfc3339,
    gate::{GroupPolicy, accounts::account_may},
    store::{
        logged_calls::{LoggedCall, LoggedCalls, Of},
        policy::Group,
    },
};

/// The time that is looked at: thirty days.
const SPAN_MS: i64 = 30 * 24 * 3_600_000;
/// Rows of the log that are looked at, of each outcome.
const MOST: u32 = 5_000;
/// Clients that are named.
const MOST_CLIENTS: usize = 200;

/// What a change would do to those who call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Impact {
    /// From when on calls are counted.
    pub since: String,
    /// Tools that would not be offered any more.
    pub tools: Vec<String>,
    /// Keys in force, and what was called with each.
    pub keys: Vec<KeyImpact>,
    /// Clients that called, the latest first.
    pub clients: Vec<ClientImpact>,
    /// Logins of accounts that would not open the group any more.
    pub accounts: Vec<String>,
    /// OAuth grants in force that would end or be refused.
    pub grants: usize,
    /// Calls since then.
    pub calls: usize,
    /// The last of them.
    pub last_at: Option<String>,
    /// Whether these are all calls since then; else there were more than are looked at.
    pub complete: bool,
}

/// A key that would be affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyImpact {
    /// Its id.
    pub key_id: String,
    /// Its name.
    pub name: String,
    /// Its last four characters.
    pub hint: String,
    /// Calls with it.
    pub calls: usize,
    /// The last of them.
    pub last_at: Option<String>,
}

/// A client that would be affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClientImpact {
    /// Name of the key it used; none for tokens and for who sits at the machine.
    pub key: Option<String>,
    /// Name and version of the client.
    pub client: Option<String>,
    /// Id it gives itself, such as a Dify app.
    pub app_id: Option<String>,
    /// How it reached us: http, stdio, cli or admin.
    pub channel: String,
    /// Calls.
    pub calls: usize,
    /// Those of them without a result.
    pub failed: usize,
    /// The last of them.
    pub last_at: String,
}

/// A change whose effect is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Narrowing {
    /// The group is deleted.
    Delete,
    /// The group is changed.
    Edit(GroupEdit),
}

impl Calls {
    /// Who would break when a group stopped offering a tool.
    pub async fn tool_impact(&self, code: &str, name: &str) -> Result<Impact, CallError> {
        let group = self.group_policy(code)?;
        policy_of(&group, name)?;
        let since = self.clock.now_ms() - SPAN_MS;
        let of = Of::Tool { group_id: group.group.id.clone(), tool_name: name.to_owned() };
        let found = self.store.logged_calls(of, since, MOST).await?;
        let tools = self.offered(&group).into_iter().filter(|offered| offered == name).collect();
        let grants = self.grants_of(&group, |_| true)?;
        Ok(Impact { tools, grants, ..impact(&self.keys(code)?, &found, since) })
    }

    /// Who would break when a group were changed so.
    pub async fn group_impact(&self, code: &str, change: Narrowing) -> Result<Impact, CallError> {
        let before = self.group_policy(code)?;
        let since = self.clock.now_ms() - SPAN_MS;
        let after = match change {
            Narrowing::Delete => None,
            Narrowing::Edit(edit) => Some(edited(&before.group, edit)),
        };
        let closes = after.as_ref().is_none_or(|group| !group.enabled && before.group.enabled);
        let binds = after.as_ref().is_some_and(|group| group.subject_scoped && !before.group.subject_scoped);
        let found = if closes || binds {
            self.store.logged_calls(Of::Group(before.group.id.clone()), since, MOST).await?
        } else {
            LoggedCalls { calls: Vec::new(), complete: true }
        };
        let keys = if closes || binds { self.keys(code)? } else { Vec::new() };
        let accounts = self.accounts_shut_out(&before.group, after.as_ref())?;
        let shut: Vec<_> = accounts.iter().map(|(id, _)| id.as_str()).collect();
        let grants = self.grants_of(&before, |account| closes || account.is_some_and(|id| shut.contains(&id)))?;
        let tools = self.hidden_by(&before, after.as_ref().filter(|_| !closes));
        let accounts = accounts.into_iter().map(|(_, login)| login).collect();
        Ok(Impact { tools, accounts, grants, ..impact(&keys, &found, since) })
    }

    /// The tools that a group offers now and would not as `after`.
    fn hidden_by(&self, before: &GroupPolicy, after: Option<&Group>) -> Vec<String> {
        let fits = |name: &str| {
            let known = self.dispatch.catalogue().definition(name);
            after.is_some_and(|after| known.is_none_or(|known| known.fits(after)))
        };
        self.offered(before).into_iter().filter(|name| !fits(name)).collect()
    }

    /// Accounts (id and login) that open the group now, and would not as `after`.
    fn accounts_shut_out(&self, before: &Group, after: Option<&Group>) -> Result<Vec<(String, String)>, CallError> {
        let accounts = self.store.accounts()?.into_iter();
        let shut = accounts
            .filter(|account| account_may(account, before).is_ok() && after.is_none_or(|after| account_may(account, after).is_err()));
        Ok(shut.map(|account| (account.id, account.login)).collect())
    }

    /// How many grants in force on the group were proved by an account, or by none, that `meant` says.
    fn grants_of(&self, group: &GroupPolicy, meant: impl Fn(Option<&str>) -> bool) -> Result<usize, CallError> {
        let now = self.clock.now_ms();
        let grants = self.store.oauth_grants()?;
        let in_force = grants.iter().filter(|grant| grant.revoked_at.is_none() && grant.expires_at > now);
        Ok(in_force.filter(|grant| grant.group_id == group.group.id && meant(grant.account_id.as_deref())).count())
    }
}

fn edited(group: &Group, edit: GroupEdit) -> Group {
    let mut after = group.clone();
    after.enabled = edit.enabled.unwrap_or(after.enabled);
    after.subject_scoped = edit.subject_scoped.unwrap_or(after.subject_scoped);
    after.allowed_roles = edit.allowed_roles.unwrap_or(after.allowed_roles);
    after.user_tier_access = edit.user_tier_access.unwrap_or(after.user_tier_access);
    after
}

fn impact(keys: &[KeyView], found: &LoggedCalls, since: i64) -> Impact {
    let names: BTreeMap<&str, &str> = keys.iter().map(|key| (key.id.as_str(), key.name.as_str())).collect();
    let clients = clients(&found.calls, &names);
    let in_force = keys.iter().filter(|key| key.in_force());
    let of_key = |key: &KeyView| {
        let calls = || found.calls.iter().filter(|call| call.key_id.as_deref() == Some(&key.id));
        KeyImpact {
            key_id: key.id.clone(),
            name: key.name.clone(),
            hint: key.hint.clone(),
            calls: calls().count(),
            last_at: calls().map(|call| call.created_at).max().map(rfc3339),
        }
    };
    Impact {
        since: rfc3339(since),
        tools: Vec::new(),
        keys: in_force.map(of_key).collect(),
        clients,
        accounts: Vec::new(),
        grants: 0,
        calls: found.calls.len(),
        last_at: found.calls.iter().map(|call| call.created_at).max().map(rfc3339),
        complete: found.complete,
    }
}

/// Calls by key, client and channel.
fn clients(calls: &[LoggedCall], names: &BTreeMap<&str, &str>) -> Vec<ClientImpact> {
    let mut by: BTreeMap<_, (usize, usize, i64)> = BTreeMap::new();
    for call in calls {
        let who = (&call.key_id, &call.client_name, &call.caller_app_id, &call.channel);
        let (count, failed, last) = by.entry(who).or_default();
        *count += 1;
        *failed += usize::from(!call.success);
        *last = (*last).max(call.created_at);
    }
    let mut found: Vec<_> = by.into_iter().collect();
    found.sort_by_key(|(_, (.., last))| std::cmp::Reverse(*last));
    let views = found.into_iter().take(MOST_CLIENTS).map(|((key, client, app_id, channel), (calls, failed, last))| {
        let key = key.as_deref().map(|id| names.get(id).map_or_else(|| id.to_owned(), |name| (*name).to_owned()));
        ClientImpact {
            key,
            client: client.clone(),
            app_id: app_id.clone(),
            channel: channel.clone(),
            calls,
            failed,
            last_at: rfc3339(last),
        }
    });
    views.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(key: Option<&str>, client: &str, success: bool, at: i64) -> LoggedCall {
        LoggedCall {
            tool_name: "t".into(),
            key_id: key.map(str::to_owned),
            client_name: Some(client.into()),
            caller_app_id: None,
            channel: "http".into(),
            success,
            duration_ms: 1,
            created_at: at,
        }
    }

    #[test]
    fn calls_are_counted_by_key_and_client_the_latest_first() {
        let calls = [
            call(Some("k1"), "dify", true, 10),
            call(Some("k1"), "dify", false, 30),
            call(Some("gone"), "cursor", true, 40),
            call(None, "cli", true, 20),
        ];
        let names = BTreeMap::from([("k1", "prod")]);
        let told: Vec<_> = clients(&calls, &names).into_iter().map(|one| (one.key, one.client.unwrap(), one.calls, one.failed)).collect();
        assert_eq!(
            told,
            [
                (Some("gone".into()), "cursor".to_owned(), 1, 0),
                (Some("prod".into()), "dify".to_owned(), 2, 1),
                (None, "cli".to_owned(), 1, 0),
            ]
        );
    }
}
