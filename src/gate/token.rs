//! Bearer tokens that are not keys: what a grant is, and who is asked about one.
//!
//! The gate does not know how tokens are made or kept. It asks a [`TokenCheck`] about every bearer that does not begin
//! as a key does, and puts the grant through the same checks as a key: its group exists, is switched on, and is the
//! one the URL names.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{Policy, Presented};

/// What an accepted token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Id of the token, never its text.
    pub id: Arc<str>,
    /// Who holds it: the same for every token that a refresh makes of it.
    pub principal: Arc<str>,
    /// The client it was given to.
    pub client_id: Arc<str>,
    /// The group it opens.
    pub group_id: Arc<str>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: i64,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Nobody knows it. Its bearer is a stranger.
    Unknown,
    /// It was a token once, or is one for something else; the text says which, to its holder.
    Invalid {
        /// What is the matter, and what to do.
        why: String,
    },
    /// It is in force, but not for this.
    InsufficientScope {
        /// The scopes that are needed, separated by spaces.
        needed: String,
        /// What is the matter, and what to do.
        why: String,
    },
    /// It cannot be checked at the moment.
    Unavailable(String),
}

/// Knows tokens.
#[async_trait]
pub trait TokenCheck: Send + Sync + Debug {
    /// The grant behind a bearer, at `now`. `policy` is the one in force.
    async fn check(&self, bearer: &str, presented: &Presented<'_>, policy: &Policy, now: i64) -> Result<Grant, TokenRefusal>;

    /// Whether a grant that was accepted still holds. Asked again and again while something is open: it must be cheap.
    fn still_holds(&self, grant: &Grant, now: i64) -> bool;
}
