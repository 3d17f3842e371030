//! Somebody who was let in, and by what.

use std::sync::Arc;

use super::{limits::Allowance, policy::GroupPolicy, token::Grant};

/// By what somebody was let in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A key.
    Key {
        /// Its id.
        id: Arc<str>,
    },
    /// A token.
    Token(Arc<Grant>),
    /// People at the machine itself (stdio, CLI).
    Local,
}

/// Somebody who was let in, into one group.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The group, as it stood when the request arrived.
    pub group: Arc<GroupPolicy>,
    /// Revision of the policy it is from.
    pub revision: i64,
    /// By what.
    pub credential: Credential,
    /// How much may be asked; people at the machine itself have no limit of their own.
    pub allowance: Option<Arc<Allowance>>,
}

impl Caller {
    /// Whose limits, sessions and tasks these are: the same for every request of one holder.
    pub fn principal(&self) -> &str {
        match &self.credential {
            Credential::Key { id } => id,
            Credential::Token(grant) => &grant.principal,
            Credential::Local => "local",
        }
    }

    /// The key used, if it was one.
    pub fn key_id(&self) -> Option<&str> {
        match &self.credential {
            Credential::Key { id } => Some(id),
            Credential::Token(_) | Credential::Local => None,
        }
    }

    /// The key used, if it was one, to be kept.
    pub fn shared_key_id(&self) -> Option<Arc<str>> {
        match &self.credential {
            Credential::Key { id } => Some(Arc::clone(id)),
            Credential::Token(_) | Credential::Local => None,
        }
    }

    /// Whether it may be used for `scope`. A key opens all of its group.
    pub fn has_scope(&self, scope: &str) -> bool {
        match &self.credential {
            Credential::Key { .. } | Credential::Local => true,
            Credential::Token(grant) => grant.scopes.iter().any(|has| has == scope),
        }
    }
}
