//! Giving and exchanging: from a proof to a code, from a code to tokens, from a refresh token to the next pair.
//!
//! The checks that depend on nothing but the rows are made here, before the write; what parallel requests could decide
//! differently (was this used before?) is decided inside the store's write, once.

use std::{net::IpAddr, sync::Arc};

use super::{
    OauthError,
    base::{Bases, Resource},
    exchange::{entered, fewer, mismatch, needed, not_ours, replayed, same_redirect},
    lifetimes::{Lifetimes, in_force},
    mint,
    params::Params,
    pkce, scope,
    tokens::{self, Tokens},
    transaction::Transaction,
};
use crate::{
    clock::SharedClock,
    gate::{GroupPolicy, Policy},
    ids::new_id_at,
    secret::SecretText,
    store::{
        Store,
        audit::By,
        oauth_clients::Client,
        oauth_grants::{Approval, Code, Exchange, Grant, Token, TokenKind},
    },
};

/// How a person proved the right to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By a key of the group.
    Key(String),
    /// By an account whose role and tier open it.
    Account(String),
}

/// What a person allowed, and by what right.
#[derive(Debug, Clone)]
pub struct Consent<'a> {
    /// The group.
    pub group: &'a GroupPolicy,
    /// The proof of the right to it.
    pub proof: Proof,
    /// Whether tools that store something may be called.
    pub write: bool,
    /// Where the person is, as far as known.
    pub address: Option<IpAddr>,
    /// When the form with the proof arrived: what ended since, the proof does not bring back.
    pub proved_at: i64,
}

/// What became of a consent.
#[derive(Debug)]
pub enum Approved {
    /// The code that stands for the grant.
    Code(SecretText),
    /// The request had been answered before.
    Answered,
    /// The key that proved the right has ended meanwhile.
    KeyEnded,
}

/// Tokens to hand out.
#[derive(Debug)]
pub struct Issued {
    /// The access token.
    pub access: SecretText,
    /// The refresh token.
    pub refresh: Option<SecretText>,
    /// Seconds until the access token ends.
    pub expires_in: i64,
    /// What it allows.
    pub scopes: Vec<String>,
}

/// Gives and exchanges.
#[derive(Debug, Clone)]
pub struct Grants {
    store: Store,
    clock: SharedClock,
    lifetimes: Lifetimes,
    tokens: Arc<Tokens>,
    bases: Arc<Bases>,
}

/// The grant a pair of tokens comes from, and what of it they are for.
struct Share<'a> {
    grant: &'a Grant,
    resource: Resource,
    scopes: Vec<String>,
    refreshes: bool,
}

impl Grants {
    /// Grants kept in `store`.
    pub fn new(store: Store, clock: SharedClock, lifetimes: Lifetimes, tokens: Arc<Tokens>, bases: Arc<Bases>) -> Self {
        Self { store, clock, lifetimes, tokens, bases }
    }

    /// Keeps what a person consented to, and makes the code for it.
    pub async fn approve(&self, transaction: &Transaction, consent: Consent<'_>, document: Option<Client>) -> Result<Approved, OauthError> {
        let now = self.clock.now_ms();
        let text = mint::mint(mint::CODE)?;
        let Consent { group, proof, write, address, proved_at } = consent;
        let (actor, key_id, account_id) = match proof {
            Proof::Key(id) => (format!("key:{id}"), Some(id), None),
            Proof::Account(id) => (format!("account:{id}"), None, Some(id)),
        };
        let by = By { address: address.map(|address| address.to_string()), ..By::new(actor, now) };
        let resource = transaction.resource();
        let grant = Grant {
            key_id,
            account_id,
            scopes: scope::granted(&group.group.server_code, write),
            ..self.new_grant(&transaction.client_id, &group.group.id, resource, proved_at)
        };
        let code = Code {
            hash: mint::hash(text.expose()),
            transaction_id: transaction.id.clone(),
            redirect_uri: transaction.redirect_uri.clone(),
            challenge: transaction.challenge.clone(),
            created_at: now,
            expires_at: self.lifetimes.code_until(now),
            used_at: None,
            redirect_left_out: transaction.redirect_left_out,
        };
        Ok(match self.store.add_grant(grant, code, document, by).await? {
            Approval::Done => Approved::Code(text),
            Approval::Answered => Approved::Answered,
            Approval::KeyEnded => Approved::KeyEnded,
        })
    }

    /// Keeps that a person refused: the request cannot be allowed any more. False when it was answered before.
    pub async fn deny(&self, transaction: &Transaction) -> Result<bool, OauthError> {
        Ok(self.store.deny_request(&transaction.id, self.clock.now_ms(), transaction.ends_at()).await?)
    }

    /// `grant_type=authorization_code` (RFC 6749 §4.1.3).
    pub async fn redeem(&self, client: &Client, params: &Params, policy: &Policy) -> Result<Issued, OauthError> {
        let wrong = || OauthError::invalid_grant("the code is not one for this client, or it has expired; start again");
        let now = self.clock.now_ms();
        let text = needed(params, "code")?;
        if !mint::is_well_formed(mint::CODE, text) {
            return Err(wrong());
        }
        let hash = mint::hash(text);
        let (code, grant) = self.store.oauth_code(&hash)?.ok_or_else(wrong)?;
        if code.used_at.is_some() {
            // Whoever holds it now, it has been in two hands.
            self.store.exchange_code(hash, Vec::new(), now).await?;
            return Err(replayed("code"));
        }
        let fits = grant.client_id == client.id
            && same_redirect(params, &code)
            && params.get("code_verifier").is_some_and(|verifier| pkce::verifies(verifier, &code.challenge));
        if !fits || !in_force(code.created_at, code.expires_at, now) || !self.stands(&grant, now)? {
            return Err(if grant.client_id == client.id { mismatch(params, &code) } else { wrong() });
        }
        let resource = self.narrowed(params, &grant, policy)?;
        let share = Share { resource, scopes: grant.scopes.clone(), refreshes: client.may_use("refresh_token"), grant: &grant };
        let (issued, rows) = self.pair(&share, now)?;
        match self.store.exchange_code(hash, rows, now).await? {
            Exchange::Done => Ok(issued),
            Exchange::Replayed => Err(replayed("code")),
            Exchange::Ended => Err(wrong()),
        }
    }

    /// `grant_type=refresh_token` (RFC 6749 §6, RFC 9700 §4.14).
    pub async fn refresh(&self, client: &Client, params: &Params, policy: &Policy) -> Result<Issued, OauthError> {
        let wrong = || OauthError::invalid_grant("the refresh token is not one of this client, or it has ended; connect again");
        let now = self.clock.now_ms();
        let text = needed(params, "refresh_token")?;
        if !mint::is_well_formed(mint::REFRESH, text) {
            return Err(wrong());
        }
        let hash = mint::hash(text);
        let (token, grant) = self.store.oauth_token(&hash)?.filter(|(token, _)| token.kind == TokenKind::Refresh).ok_or_else(wrong)?;
        let alive = in_force(token.created_at, token.expires_at, now) && self.stands(&grant, now)?;
        if grant.client_id != client.id || !client.may_use("refresh_token") || !alive {
            return Err(wrong());
        }
        if token.used_at.is_some() {
            // Whether its successors were used decides what this means: what is still in memory counts too.
            self.tokens.flush_uses().await?;
        }
        let resource = self.narrowed(params, &grant, policy)?;
        let scopes = fewer(params, &grant)?;
        let share = Share { grant: &grant, resource, scopes, refreshes: true };
        let (issued, rows) = self.pair(&share, now)?;
        match self.store.exchange_refresh(hash, rows, now).await? {
            Exchange::Done => Ok(issued),
            Exchange::Replayed => Err(replayed("refresh token")),
            Exchange::Ended => Err(wrong()),
        }
    }

    /// `grant_type=client_credentials` (RFC 6749 §4.4): a confidential client enters one of its groups by itself.
    pub async fn by_itself(&self, client: &Client, params: &Params, (policy, base): (&Policy, &str)) -> Result<Issued, OauthError> {
        if !client.is_confidential() || !client.may_use("client_credentials") {
            return Err(OauthError::new("unauthorized_client", "this client may not use the client credentials grant"));
        }
        let now = self.clock.now_ms();
        let asked = scope::parse(params.get("scope")).map_err(|why| OauthError::new("invalid_scope", why))?;
        let resource = match params.get("resource") {
            None => super::base::root(base),
            Some(text) => self.bases.resource(base, text).ok_or_else(not_ours)?,
        };
        let group = entered(client, policy, resource.code.as_deref().or(asked.group.as_deref()))?;
        let named = params.get("scope").is_some_and(|text| text.split(' ').any(|scope| scope == scope::WRITE));
        if named && !client.may_write {
            return Err(OauthError::new("invalid_scope", "this client may not store anything; ask for tools:read"));
        }
        let grant = Grant {
            scopes: scope::granted(&group.group.server_code, asked.write && client.may_write),
            expires_at: self.lifetimes.access_until(now, i64::MAX),
            ..self.new_grant(&client.id, &group.group.id, resource.clone(), now)
        };
        let share = Share { resource, scopes: grant.scopes.clone(), refreshes: false, grant: &grant };
        let (issued, rows) = self.pair(&share, now)?;
        if let Some(token) = rows.into_iter().next() {
            self.store.add_grant_with_token(grant, token).await?;
        }
        Ok(issued)
    }

    /// RFC 7009: either token ends the whole grant. True when there was something to end.
    pub async fn revoke(&self, client: &Client, text: &str) -> Result<bool, OauthError> {
        let Some((_, grant)) = self.store.oauth_token(&mint::hash(text))? else { return Ok(false) };
        if grant.client_id != client.id {
            return Err(OauthError::invalid_grant("the token was given to another client"));
        }
        let by = By::new(format!("client:{}", client.id), self.clock.now_ms());
        Ok(self.store.revoke_grant(&grant.id, "revoked by the client", by).await?)
    }

    /// RFC 7662: what `client` may hear of an access token. None for whatever is not in force, or not its business.
    ///
    /// A resource server asks because the token was used there, so that is a use: a refresh token from before it is not
    /// taken for one whose answer was lost.
    pub fn inspect(&self, client: &Client, text: &str, policy: &Policy) -> Result<Option<(Token, Grant)>, OauthError> {
        let now = self.clock.now_ms();
        let hash = mint::hash(text);
        let Some((token, grant)) = self.store.oauth_token(&hash)? else { return Ok(None) };
        let in_force = token.kind == TokenKind::Access && token.revoked_at.is_none() && in_force(token.created_at, token.expires_at, now);
        let enabled = policy.groups().iter().any(|group| group.group.id == grant.group_id && group.group.enabled);
        let told = in_force && enabled && client.groups.contains(&grant.group_id) && self.stands(&grant, now)?;
        if told {
            self.tokens.note_use(hash, now);
        }
        Ok(told.then_some((token, grant)))
    }

    /// Whether a grant is in force, and whoever gave it still has the right.
    fn stands(&self, grant: &Grant, now: i64) -> Result<bool, OauthError> {
        let alive = grant.revoked_at.is_none() && in_force(grant.created_at, grant.expires_at, now);
        Ok(alive && tokens::lost_right(&self.store, grant)?.is_none())
    }

    /// The resource of new tokens: the grant's, or one of its group within it (RFC 8707 §2.2).
    fn narrowed(&self, params: &Params, grant: &Grant, policy: &Policy) -> Result<Resource, OauthError> {
        let whole = Resource { uri: grant.audience.clone(), code: grant.resource_code.clone() };
        if params.repeats("resource") {
            return Err(OauthError::new("invalid_target", "a token is for one resource; send `resource` once"));
        }
        let Some(text) = params.get("resource") else { return Ok(whole) };
        let base = whole.uri.rsplit_once(whole.code.as_ref().map_or("/mcp", |_| "/server/")).map_or("", |(base, _)| base);
        let asked = self.bases.resource(base, text).ok_or_else(not_ours)?;
        if asked == whole {
            return Ok(whole);
        }
        let own = policy.groups().iter().find(|group| group.group.id == grant.group_id).map(|group| group.group.server_code.as_str());
        let within = grant.resource_code.is_none() && asked.code.is_some() && asked.code.as_deref() == own && asked.uri.starts_with(base);
        if within { Ok(asked) } else { Err(OauthError::new("invalid_target", "the resource is not what was consented to")) }
    }

    fn new_grant(&self, client_id: &str, group_id: &str, resource: Resource, now: i64) -> Grant {
        Grant {
            id: new_id_at(now),
            client_id: client_id.to_owned(),
            group_id: group_id.to_owned(),
            audience: resource.uri,
            resource_code: resource.code,
            scopes: Vec::new(),
            key_id: None,
            account_id: None,
            created_at: now,
            expires_at: self.lifetimes.grant_until(now),
            used_at: None,
            revoked_at: None,
            revoked_why: None,
        }
    }

    /// An access token, and a refresh token where the client may have one, with their rows.
    fn pair(&self, share: &Share<'_>, now: i64) -> Result<(Issued, Vec<Token>), OauthError> {
        let end = share.grant.expires_at;
        let access = mint::mint(mint::ACCESS)?;
        let until = self.lifetimes.access_until(now, end);
        let row = |text: &SecretText, kind: TokenKind, expires_at: i64| Token {
            hash: mint::hash(text.expose()),
            id: new_id_at(now),
            kind,
            grant_id: share.grant.id.clone(),
            pair: 0,
            audience: share.resource.uri.clone(),
            resource_code: share.resource.code.clone(),
            scopes: share.scopes.clone(),
            created_at: now,
            expires_at,
            used_at: None,
            revoked_at: None,
        };
        let mut rows = vec![row(&access, TokenKind::Access, until)];
        let refresh = if share.refreshes { Some(mint::mint(mint::REFRESH)?) } else { None };
        rows.extend(refresh.as_ref().map(|text| row(text, TokenKind::Refresh, self.lifetimes.refresh_until(now, end))));
        let issued = Issued { access, refresh, expires_in: (until - now) / 1000, scopes: share.scopes.clone() };
        Ok((issued, rows))
    }
}
