//! Access tokens at the door: what one stands for, and whether it still does.
//!
//! What was looked up is kept in memory, up to [`MOST`] tokens, for as long as neither the policy's revision nor that of
//! the grants has moved: both are asked on every request, so that a revocation by any process is in force for the next
//! one. What nobody knows is never kept. A token for one group's URL is for that URL alone (RFC 8707); one for the root
//! resource is good wherever its one group is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use async_trait::async_trait;

use super::{lifetimes::in_force, mint};
use crate::{
    gate::{Grant, Policy, Presented, TokenCheck, TokenRefusal, accounts::account_may},
    store::{
        Store, StoreError,
        oauth_grants::{self, Token, TokenKind},
    },
};

/// Most tokens kept in memory. When there are more, all are forgotten: looking one up takes microseconds.
const MOST: usize = 4096;

/// What a token stands for, with everything that can end it by time alone.
#[derive(Debug)]
struct Known {
    token: Token,
    grant: oauth_grants::Grant,
    shared: Grant,
    /// Why it is not in force, whatever the time; for its holder.
    ended: Option<String>,
}

#[derive(Debug, Default)]
struct Cache {
    revisions: (i64, i64),
    known: HashMap<[u8; 32], Arc<Known>>,
}

/// Knows access tokens.
#[derive(Debug)]
pub struct Tokens {
    store: Store,
    cache: RwLock<Cache>,
    used: Mutex<HashMap<[u8; 32], i64>>,
}

impl Tokens {
    /// The tokens in `store`.
    pub fn new(store: Store) -> Self {
        Self { store, cache: RwLock::default(), used: Mutex::default() }
    }

    /// Writes down which tokens were used, and when.
    pub async fn flush_uses(&self) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.store.touch_tokens(used.into_iter().collect()).await
    }

    fn known(&self, hash: [u8; 32], policy: &Policy) -> Result<Option<Arc<Known>>, StoreError> {
        let revisions = (policy.revision, self.store.oauth_revision()?);
        {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            if cache.revisions == revisions
                && let Some(known) = cache.known.get(&hash)
            {
                return Ok(Some(Arc::clone(known)));
            }
        }
        let Some((token, grant)) = self.store.oauth_token(&hash)?.filter(|(token, _)| token.kind == TokenKind::Access) else {
            return Ok(None);
        };
        let known = Arc::new(Known { shared: shared(&token, &grant), ended: ended(&self.store, &token, &grant)?, token, grant });
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.revisions != revisions || cache.known.len() >= MOST {
            // Of two requests that saw different revisions, the later one's is kept: the other's look-ups go in vain.
            *cache = Cache { revisions, known: HashMap::new() };
        }
        cache.known.insert(hash, Arc::clone(&known));
        Ok(Some(known))
    }

    /// Notes that a token was accepted, here or by a resource server that asked about it.
    pub(super) fn note_use(&self, hash: [u8; 32], now: i64) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, now);
    }
}

fn shared(token: &Token, grant: &oauth_grants::Grant) -> Grant {
    Grant {
        id: token.id.as_str().into(),
        principal: grant.id.as_str().into(),
        client_id: grant.client_id.as_str().into(),
        group_id: grant.group_id.as_str().into(),
        scopes: token.scopes.clone(),
        expires_at: token.expires_at.min(grant.expires_at),
    }
}

/// What ended a token before its time, in words for its holder.
fn ended(store: &Store, token: &Token, grant: &oauth_grants::Grant) -> Result<Option<String>, StoreError> {
    if token.revoked_at.is_some() || grant.revoked_at.is_some() {
        return Ok(Some("The token was revoked. Connect again to get a new one.".into()));
    }
    lost_right(store, grant)
}

/// Whether the account behind a grant still has the right it proved, by the password it proved it with.
pub(super) fn lost_right(store: &Store, grant: &oauth_grants::Grant) -> Result<Option<String>, StoreError> {
    let Some(id) = &grant.account_id else { return Ok(None) };
    let lost =
        || Some("The account that granted this access no longer has the right to the group. Connect again with another one.".to_owned());
    let Some(account) = store.account(id)? else { return Ok(lost()) };
    if grant.created_at < account.password_changed_at {
        // Whoever changed it may have done so because somebody else knew it.
        return Ok(Some("The password of the account that granted this access was changed since. Connect again.".to_owned()));
    }
    // A group that is gone or switched off has answers of its own.
    let group = store.group(&grant.group_id)?.filter(|group| group.enabled);
    Ok(group.and_then(|group| account_may(&account, &group).err()).and_then(|_| lost()))
}

#[async_trait]
impl TokenCheck for Tokens {
    async fn check(&self, bearer: &str, presented: &Presented<'_>, policy: &Policy, now: i64) -> Result<Grant, TokenRefusal> {
        if !mint::is_well_formed(mint::ACCESS, bearer) {
            return Err(TokenRefusal::Unknown);
        }
        let hash = mint::hash(bearer);
        let found = self.known(hash, policy).map_err(|error| TokenRefusal::Unavailable(error.to_string()))?;
        let known = found.ok_or(TokenRefusal::Unknown)?;
        let invalid = |why: &str| Err(TokenRefusal::Invalid { why: why.to_owned() });
        if let Some(why) = &known.ended {
            return invalid(why);
        }
        let alive =
            in_force(known.token.created_at, known.token.expires_at, now) && in_force(known.grant.created_at, known.grant.expires_at, now);
        if !alive {
            return invalid("The token has expired. Refresh it, or connect again.");
        }
        if known.token.resource_code.is_some() && known.token.resource_code.as_deref() != presented.code {
            return invalid("The token is for another resource than this URL. Ask for a token for this URL (the `resource` parameter).");
        }
        self.note_use(hash, now);
        Ok(known.shared.clone())
    }

    fn still_holds(&self, grant: &Grant, now: i64) -> bool {
        if now >= grant.expires_at {
            return false;
        }
        let holds = || {
            let Some((token, grant)) = self.store.oauth_token_by_id(&grant.id)? else { return Ok::<_, StoreError>(false) };
            Ok(ended(&self.store, &token, &grant)?.is_none())
        };
        // An unreadable database cuts nobody.
        holds().unwrap_or(true)
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
