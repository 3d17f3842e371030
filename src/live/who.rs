//! Who is at the other end of a connection.

use serde::{Deserialize, Serialize};

use crate::store::{
    live_revocations::{Revocation, RevokedTokens},
    notifications::Audience,
};

/// The part a person plays; the later one counts for more when a person plays several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A customer.
    Customer = 1,
    /// Runs the clinic's business.
    Operator = 2,
    /// A doctor.
    Doctor = 3,
    /// A consultant: is told of new customers and claims them.
    Consultant = 4,
    /// An administrator.
    Admin = 5,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Customer, Self::Operator, Self::Doctor, Self::Consultant, Self::Admin];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Operator => "operator",
            Self::Doctor => "doctor",
            Self::Consultant => "consultant",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "customer" => Self::Customer,
            "operator" => Self::Operator,
            "doctor" => Self::Doctor,
            "consultant" => Self::Consultant,
            "admin" => Self::Admin,
            _ => return None,
        })
    }
}

/// Somebody whose token was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The app's user id.
    pub user_id: String,
    /// The role that counts for most.
    pub role: Role,
    /// All roles, in falling order.
    pub roles: Vec<Role>,
    /// When the token ends, in milliseconds.
    pub expires_at: i64,
    /// The token's own id, where it has one.
    pub token_id: Option<String>,
    /// When the token was made, in milliseconds, where it says so.
    pub issued_at: Option<i64>,
}

impl Who {
    /// Somebody with these roles; nobody has none.
    pub(super) fn new(user_id: String, mut roles: Vec<Role>, expires_at: i64) -> Option<Self> {
        roles.sort_unstable_by(|a, b| b.cmp(a));
        roles.dedup();
        Some(Self { user_id, role: *roles.first()?, roles, expires_at, token_id: None, issued_at: None })
    }

    /// The same person, by this token.
    pub(super) fn by(self, token_id: Option<String>, issued_at: Option<i64>) -> Self {
        Self { token_id, issued_at, ..self }
    }

    /// Whether this revocation is about the token the person came with. A token that does not say when it was made
    /// counts as made before.
    pub(super) fn is_revoked_by(&self, revocation: &Revocation) -> bool {
        match &revocation.target {
            RevokedTokens::One(id) => self.token_id.as_ref() == Some(id),
            RevokedTokens::OfUser(id) => self.user_id == *id && self.issued_at.is_none_or(|at| at <= revocation.revoked_at),
        }
    }

    /// Whether the person plays this part, among others.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whose notices this person gets.
    pub(super) fn audience(&self) -> Audience {
        Audience { user_id: self.user_id.clone(), consultant: self.has(Role::Consultant) }
    }
}
