//! Admission: a bearer key and perhaps a server code in, a [`Caller`] or a [`Refusal`] out.
//!
//! A stranger (no key, or one that is not in force) hears the same words whatever group was named, so that groups
//! cannot be probed for. The holder of a key in force hears what is the matter.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderValue, StatusCode};
use subtle::ConstantTimeEq;

use super::{
    keys,
    policy::{GroupPolicy, PolicyWatch},
};
use crate::{
    clock::SharedClock,
    problem::Problem,
    store::{Store, StoreError},
};

/// Somebody who was let in, into one group.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The group, as it stood when the request arrived.
    pub group: Arc<GroupPolicy>,
    /// Revision of the policy it is from.
    pub revision: i64,
    /// The key used; none for people at the machine itself (stdio, CLI).
    pub key_id: Option<Arc<str>>,
}

/// Why a request was not let in.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// No key was presented.
    NoKey,
    /// What was presented is not a key in force.
    BadKey,
    /// The key is for another group than the URL names.
    OtherGroup {
        /// The group the key opens.
        opens: String,
        /// The group's id.
        group_id: String,
    },
    /// The group is switched off.
    Disabled {
        /// Its server code.
        code: String,
        /// Its id.
        group_id: String,
    },
    /// There is no such group (said to holders of some key only).
    UnknownCode,
    /// The policy cannot be read.
    Unavailable(String),
}

impl Refusal {
    /// The group the request got as far as, for the call log.
    pub fn group_id(&self) -> Option<&str> {
        match self {
            Self::OtherGroup { group_id, .. } | Self::Disabled { group_id, .. } => Some(group_id),
            Self::NoKey | Self::BadKey | Self::UnknownCode | Self::Unavailable(_) => None,
        }
    }

    /// What the caller is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::NoKey => Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "No key was sent. Add the header `Authorization: Bearer mcp_key_…`; an operator finds the key with `anmei-mcp key show <server-code>`.",
            ),
            Self::BadKey => Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "The key is not accepted: it may be mistyped, rotated out or revoked. Ask an operator for the current one (`anmei-mcp key show <server-code>`).",
            ),
            Self::OtherGroup { opens, .. } => Problem::new(
                StatusCode::FORBIDDEN,
                "other-group",
                format!(
                    "This key opens the group {opens}, not the one in this URL. Use /server/{opens}/mcp, or the key of the group you mean."
                ),
            ),
            Self::Disabled { code, .. } => Problem::new(
                StatusCode::FORBIDDEN,
                "group-disabled",
                format!("The group {code} is disabled. An operator enables it with `anmei-mcp group enable {code}`."),
            ),
            Self::UnknownCode => Problem::new(
                StatusCode::NOT_FOUND,
                "unknown-group",
                "There is no group with the server code in this URL. `anmei-mcp group list` shows the codes.",
            ),
            Self::Unavailable(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The key cannot be checked at the moment because the database does not answer. Try again in a second.",
            ),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Lets callers in.
#[derive(Debug)]
pub struct Gate {
    policy: PolicyWatch,
    clock: SharedClock,
    store: Store,
    used: Mutex<HashMap<Arc<str>, i64>>,
}

impl Gate {
    /// A gate on the policy of `store`.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { policy: PolicyWatch::new(store.clone()), clock, store, used: Mutex::default() }
    }

    /// The policy in force.
    pub fn policy(&self) -> &PolicyWatch {
        &self.policy
    }

    /// Admits a request by its `Authorization` header, into the group of its key; `code` is the group its URL names.
    pub fn admit(&self, authorization: Option<&HeaderValue>, code: Option<&str>) -> Result<Caller, Refusal> {
        let presented = bearer(authorization)?;
        let hash = keys::hash(presented);
        let policy = self.policy.current()?;
        let known = policy.key(&hash).ok_or(Refusal::BadKey)?;
        let same = bool::from(known.hash.ct_eq(&hash));
        let now = self.clock.now_ms();
        let in_force = !known.revoked && known.expires_at.is_none_or(|end| now < end);
        if !same || !in_force {
            return Err(Refusal::BadKey);
        }
        let group = &known.group;
        if let Some(code) = code
            && code != group.group.server_code
        {
            return Err(if policy.group(code).is_some() { other_group(group) } else { Refusal::UnknownCode });
        }
        if !group.group.enabled {
            return Err(disabled(group));
        }
        self.note_use(&known.id, now);
        Ok(Caller { group: Arc::clone(group), revision: policy.revision, key_id: Some(Arc::clone(&known.id)) })
    }

    /// Admits whoever may run this program on this machine (stdio, CLI) into the group named by `code`.
    pub fn admit_local(&self, code: &str) -> Result<Caller, Refusal> {
        let policy = self.policy.current()?;
        let group = policy.group(code).ok_or(Refusal::UnknownCode)?;
        if !group.group.enabled {
            return Err(disabled(group));
        }
        Ok(Caller { group: Arc::clone(group), revision: policy.revision, key_id: None })
    }

    /// Remembers that a key was used; [`Self::flush_uses`] writes it down, so that no call waits for it.
    fn note_use(&self, key: &Arc<str>, now: i64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(key) {
            Some(at) => *at = now,
            None => {
                used.insert(Arc::clone(key), now);
            }
        }
    }

    /// Writes down when keys were last used.
    pub async fn flush_uses(&self) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.store.touch_keys(used.into_iter().map(|(key, at)| (key.to_string(), at)).collect()).await
    }
}

fn other_group(group: &GroupPolicy) -> Refusal {
    Refusal::OtherGroup { opens: group.group.server_code.clone(), group_id: group.group.id.clone() }
}

fn disabled(group: &GroupPolicy) -> Refusal {
    Refusal::Disabled { code: group.group.server_code.clone(), group_id: group.group.id.clone() }
}

/// The token of `Authorization: Bearer …` (RFC 6750); the scheme's case does not matter.
fn bearer(header: Option<&HeaderValue>) -> Result<&str, Refusal> {
    let text = header.ok_or(Refusal::NoKey)?.to_str().map_err(|_| Refusal::BadKey)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::BadKey)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(Refusal::BadKey) }
}
