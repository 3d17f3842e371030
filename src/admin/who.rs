//! Who is asking, and what a role may do.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calls::CallError;
use crate::{clock::Clock, config::Language, store::audit::By};

/// How long a password that was shown is good for what needs one.
const CONFIRMED_MS: i64 = 10 * 60 * 1000;

/// What an account may do in the panel and the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything but the bodies of calls.
    Administrator,
    /// The daily work: registrations, customers, tools and agents as they are set up, settings of the automation.
    Operator,
    /// Sees everything, the bodies of calls too, and changes nothing.
    Auditor,
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// See what is shown to everybody who signed in.
    Read,
    /// See what callers sent and were answered, unredacted. A reason is recorded each time.
    ReadBodies,
    /// Do the daily work.
    Operate,
    /// Change who may do what: groups, keys, accounts, limits, the server.
    Administer,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::Read, Self::ReadBodies, Self::Operate, Self::Administer];
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Operator, Self::Auditor];

    /// Whether it has a right.
    pub fn may(self, right: Right) -> bool {
        match right {
            Right::Read => true,
            Right::ReadBodies => self == Self::Auditor,
            Right::Operate => matches!(self, Self::Administrator | Self::Operator),
            Right::Administer => self == Self::Administrator,
        }
    }

    /// Whether it has no right that `other` has not.
    pub fn within(self, other: Self) -> bool {
        Right::ALL.into_iter().all(|right| !self.may(right) || other.may(right))
    }

    /// Its name, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }

    /// The role of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Somebody who signed in, or a program with a token of theirs.
#[derive(Debug, Clone)]
pub struct Who {
    /// The account.
    pub account_id: String,
    /// Its login.
    pub login: String,
    /// Its name for people.
    pub display_name: String,
    /// What it may do here; a token's may be less than its account's.
    pub role: Role,
    /// The session, for people in a browser; none for programs.
    pub session_id: Option<String>,
    /// The API token, for programs.
    pub token_id: Option<String>,
    /// When the password was last shown, in milliseconds; none for programs, whose token was made by somebody who had.
    pub confirmed_at: Option<i64>,
    /// What a form must carry; empty for programs.
    pub csrf: String,
    /// Where the request came from.
    pub address: IpAddr,
    /// The language to answer in.
    pub language: Language,
}

impl Who {
    /// As whom a change is written down.
    pub fn by(&self, clock: &dyn Clock) -> By {
        By { address: Some(self.address.to_string()), ..By::new(format!("account:{}", self.login), clock.now_ms()) }
    }

    /// Whether the password was shown a short while ago: for what a browser left open must not do, such as showing a key
    /// or changing an account.
    pub fn confirmed(&self, clock: &dyn Clock) -> Result<(), CallError> {
        match self.confirmed_at {
            Some(at) if clock.now_ms() - at >= CONFIRMED_MS => Err(CallError::Unconfirmed),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_auditor_sees_bodies_and_changes_nothing() {
        let rights = |role: Role| Right::ALL.map(|right| role.may(right));
        assert_eq!(rights(Role::Administrator), [true, false, true, true]);
        assert_eq!(rights(Role::Operator), [true, false, true, false]);
        assert_eq!(rights(Role::Auditor), [true, true, false, false]);
        let within = |role: Role| Role::ALL.map(|other| other.within(role));
        assert_eq!(within(Role::Administrator), [true, true, false]);
        assert_eq!(within(Role::Operator), [false, true, false]);
        assert_eq!(within(Role::Auditor), [false, false, true]);
        assert!(Role::ALL.into_iter().all(|role| Role::parse(role.as_str()) == Some(role)));
    }
}
