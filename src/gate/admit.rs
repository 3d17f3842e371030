//! Admission: what a request shows of itself in, a [`Caller`] or a [`Refusal`] out.
//!
//! A key is looked up in the snapshot of the policy and nowhere else; the only thing that may wait is the check of a
//! token. Whoever is let in is asked for again while something of theirs stays open ([`Gate::renew`]).

use std::{net::IpAddr, sync::Arc};

use http::HeaderValue;
use subtle::ConstantTimeEq;

use super::{
    attempts::{Attempts, Verdict},
    caller::{Caller, Credential},
    keys::{self, Malformed},
    lifetime::Standing,
    limits::{Allowance, Limiter},
    policy::{GroupPolicy, KnownKey, Policy, PolicyWatch},
    refusal::{Ended, Refusal},
    token::TokenCheck,
    uses::{Book, Met, Seen},
};
use crate::{
    clock::SharedClock,
    store::{Store, StoreError},
    telemetry::figures,
};

/// Refusals of one address that are written to the call log in a minute, unless failed attempts have no limit.
const REFUSALS_WRITTEN: u32 = 120;

/// What a request shows of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presented<'a> {
    /// Its `Authorization` header.
    pub authorization: Option<&'a HeaderValue>,
    /// The server code its URL names.
    pub code: Option<&'a str>,
    /// Its path: a token is good for one resource.
    pub path: Option<&'a str>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// What the client calls itself, as far as that is known.
    pub client: Option<&'a str>,
}

/// Lets callers in.
#[derive(Debug)]
pub struct Gate {
    policy: PolicyWatch,
    clock: SharedClock,
    store: Store,
    tokens: Option<Arc<dyn TokenCheck>>,
    attempts: Attempts,
    /// Refusals of any kind, of which the call log takes so many of one address.
    refusals: Attempts,
    uses: Book,
    opened_at: i64,
}

impl Gate {
    /// A gate on the policy of `store`, for keys only and without a limit of failed attempts.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        let opened_at = clock.now_ms();
        Self {
            policy: PolicyWatch::new(store.clone()),
            clock,
            store,
            tokens: None,
            attempts: Attempts::new(0),
            refusals: Attempts::new(0),
            uses: Book::default(),
            opened_at,
        }
    }

    /// The same gate, which asks `tokens` about what is no key.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn TokenCheck>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// The same gate, which hears that many failed attempts a minute from one address; 0 for any number.
    #[must_use]
    pub fn with_failed_attempts(mut self, a_minute: u32) -> Self {
        self.attempts = Attempts::new(a_minute);
        self.refusals = Attempts::new(if a_minute == 0 { 0 } else { REFUSALS_WRITTEN });
        self
    }

    /// The same gate, with limits.
    #[must_use]
    pub fn with_limits(mut self, limiter: Limiter) -> Self {
        self.policy = self.policy.with_limiter(limiter);
        self
    }

    /// The policy in force.
    pub fn policy(&self) -> &PolicyWatch {
        &self.policy
    }

    /// Since when it watches: what happened before was not seen.
    pub fn opened_at(&self) -> i64 {
        self.opened_at
    }

    /// Admits a request into the group of its key or token.
    pub async fn admit(&self, presented: Presented<'_>) -> Result<Caller, Refusal> {
        let admitted = match bearer(presented.authorization) {
            Ok(text) => self.known(text, &presented).await,
            Err(refusal) => Err(refusal),
        };
        admitted
            .map_err(|refusal| match refusal {
                Refusal::BadKey | Refusal::Mistyped => self.count(refusal, presented.address),
                refusal => refusal,
            })
            .inspect_err(|refusal| figures::auth_failure(refusal.kind()))
    }

    /// Admits whoever may run this program on this machine (stdio, CLI) into the group named by `code`.
    pub fn admit_local(&self, code: &str) -> Result<Caller, Refusal> {
        let policy = self.policy.current()?;
        let group = policy.group(code).ok_or(Refusal::UnknownCode)?;
        admitted(&policy, group, None, (Credential::Local, None))
    }

    /// The same caller in its group as it stands now; nothing once the key, the token or the group no longer lets it in.
    ///
    /// Cheap enough to be asked several times a second: the count of changes is read, and then it is memory.
    pub fn renew(&self, caller: &Caller) -> Result<Option<Caller>, StoreError> {
        let policy = self.policy.current()?;
        let group = policy.group_by_id(&caller.group.group.id).filter(|policy| policy.group.enabled);
        let Some(group) = group.filter(|_| self.holds(&policy, &caller.credential)) else { return Ok(None) };
        let credential = caller.credential.clone();
        let allowance = self.allowance(&policy, group, &credential);
        Ok(Some(Caller { group: Arc::clone(group), revision: policy.revision, credential, allowance }))
    }

    /// Whether the caller may cease to be let in without a change of the policy: by the clock, or where tokens are kept.
    pub fn ends_by_itself(&self, caller: &Caller) -> bool {
        match &caller.credential {
            Credential::Local => false,
            Credential::Token(_) => true,
            Credential::Key { id } => {
                let policy = self.policy.held();
                policy.key_by_id(id).is_none_or(|known| known.life.expires_at.is_some() || known.life.rotated_at.is_some())
            }
        }
    }

    /// Whether the caller would be let in again. While the database does not answer nobody is cut off.
    pub fn still_admits(&self, caller: &Caller) -> bool {
        self.renew(caller).map_or(true, |renewed| renewed.is_some())
    }

    /// How much a credential may ask by the policy as it stands now.
    fn allowance(&self, policy: &Policy, group: &GroupPolicy, credential: &Credential) -> Option<Arc<Allowance>> {
        match credential {
            Credential::Local => None,
            Credential::Key { id } => policy.key_by_id(id).map(|known| Arc::clone(&known.allowance)),
            Credential::Token(grant) => Some(self.policy.limiter().allowance(&grant.principal, &group.limits, None)),
        }
    }

    fn holds(&self, policy: &Policy, credential: &Credential) -> bool {
        let now = self.clock.now_ms();
        match credential {
            Credential::Local => true,
            Credential::Token(grant) => self.tokens.as_ref().is_some_and(|tokens| tokens.still_holds(grant, now)),
            Credential::Key { id } => {
                let standing = policy.key_by_id(id).map(|known| known.life.at(now));
                if let Some(Standing::InGrace { .. }) = standing {
                    self.uses.open(id, now);
                }
                standing.is_some_and(Standing::in_force)
            }
        }
    }

    async fn known(&self, text: &str, presented: &Presented<'_>) -> Result<Caller, Refusal> {
        match &self.tokens {
            Some(tokens) if !text.starts_with(keys::PREFIX) => self.by_token(tokens.as_ref(), text, presented).await,
            _ => self.by_key(text, presented),
        }
    }

    fn by_key(&self, text: &str, presented: &Presented<'_>) -> Result<Caller, Refusal> {
        keys::check(text)?;
        let hash = keys::hash(text);
        let policy = self.policy.current()?;
        let known = policy.key(&hash).filter(|known| known.hash.ct_eq(&hash).into()).ok_or(Refusal::BadKey)?;
        let now = self.clock.now_ms();
        let seen = |met| Seen { at: now, address: presented.address, client: presented.client.unwrap_or_default(), met };
        let met = match known.life.at(now) {
            Standing::Current => Met::Current,
            Standing::InGrace { .. } => Met::InGrace,
            standing => {
                self.uses.note(&known.id, seen(Met::Ended));
                return Err(ended(known, standing));
            }
        };
        let credential = (Credential::Key { id: Arc::clone(&known.id) }, Some(Arc::clone(&known.allowance)));
        let caller = admitted(&policy, &known.group, presented.code, credential)?;
        self.uses.note(&known.id, seen(met));
        Ok(caller)
    }

    async fn by_token(&self, tokens: &dyn TokenCheck, text: &str, presented: &Presented<'_>) -> Result<Caller, Refusal> {
        let policy = self.policy.current()?;
        let grant = tokens.check(text, presented, &policy, self.clock.now_ms()).await?;
        // A token outlives its group by no request.
        let group = policy.group_by_id(&grant.group_id).ok_or(Refusal::BadKey)?;
        let allowance = self.policy.limiter().allowance(&grant.principal, &group.limits, None);
        admitted(&policy, group, presented.code, (Credential::Token(Arc::new(grant)), Some(allowance))).map_err(Refusal::of_token)
    }

    /// Whether a refusal is written down. Whoever makes very many of them, with no key or one that has ended, shall not fill
    /// the log with them.
    pub fn notes(&self, refusal: &Refusal, address: Option<IpAddr>) -> bool {
        refusal.recorded() && self.refusals.failed(address, self.clock.now_ms()) == Verdict::Heard
    }

    /// An attempt that failed; too many of them are told to wait.
    fn count(&self, refusal: Refusal, address: Option<IpAddr>) -> Refusal {
        match self.attempts.failed(address, self.clock.now_ms()) {
            Verdict::Heard => refusal,
            Verdict::TooMany { retry_after, first } => {
                if first && let Some(address) = address {
                    tracing::warn!(client.address = %address, retry_after, "too many wrong keys from one address; it has to wait");
                }
                Refusal::Throttled { retry_after }
            }
        }
    }

    /// Writes down how many calls were made on this day.
    pub async fn flush_days(&self) -> Result<(), StoreError> {
        self.policy.limiter().write_down(&self.store, self.clock.now_ms()).await
    }

    /// Writes down who used keys.
    pub async fn flush_uses(&self) -> Result<(), StoreError> {
        let uses = self.uses.take();
        if uses.is_empty() {
            return Ok(());
        }
        let written = self.store.note_key_uses(uses.clone()).await;
        if written.is_err() {
            self.uses.put_back(uses);
        }
        written
    }
}

/// What holds for every credential: the group of the URL, and one that is switched on.
fn admitted(
    policy: &Policy,
    group: &Arc<GroupPolicy>,
    code: Option<&str>,
    (credential, allowance): (Credential, Option<Arc<Allowance>>),
) -> Result<Caller, Refusal> {
    let row = &group.group;
    if let Some(code) = code
        && code != row.server_code
    {
        let other = || Refusal::OtherGroup { opens: row.server_code.clone(), group_id: row.id.clone() };
        return Err(if policy.group(code).is_some() { other() } else { Refusal::UnknownCode });
    }
    if !row.enabled {
        return Err(Refusal::Disabled { code: row.server_code.clone(), group_id: row.id.clone() });
    }
    Ok(Caller { group: Arc::clone(group), revision: policy.revision, credential, allowance })
}

fn ended(known: &KnownKey, standing: Standing) -> Refusal {
    let group = &known.group.group;
    Refusal::Ended(Box::new(Ended {
        key_id: known.id.to_string(),
        name: known.name.clone(),
        code: group.server_code.clone(),
        group_id: group.id.clone(),
        standing,
    }))
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::NotAKey => Self::BadKey,
            Malformed::Checksum => Self::Mistyped,
        }
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750); the scheme's case does not matter.
fn bearer(header: Option<&HeaderValue>) -> Result<&str, Refusal> {
    let text = header.ok_or(Refusal::NoKey)?.to_str().map_err(|_| Refusal::BadKey)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::BadKey)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(Refusal::BadKey) }
}
