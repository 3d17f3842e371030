//! The kinds of records that can be imported, by the name that the command line takes.

use std::{fmt, str::FromStr};

use super::fields::{self, Field};

/// A kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Accounts.
    Users,
    /// What is known of customers.
    Customers,
    /// How customers want to be served.
    Preferences,
    /// What consultants are good at, and whether they take customers.
    Consultants,
    /// Visits, calls and treatments.
    Consultations,
    /// Conversations.
    Conversations,
    /// Messages.
    Messages,
    /// The service catalogue.
    Services,
    /// Treatment plans.
    Plans,
}

/// Not a kind of records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be imported; expected one of users, customers, preferences, consultants, consultations, conversations, messages, services, plans"
)]
pub struct UnknownKind(pub String);

impl Kind {
    /// Every kind, in an order in which they can be imported: what others point at comes first.
    pub const ALL: [Self; 9] = [
        Self::Users,
        Self::Customers,
        Self::Preferences,
        Self::Consultants,
        Self::Services,
        Self::Consultations,
        Self::Conversations,
        Self::Messages,
        Self::Plans,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Customers => "customers",
            Self::Preferences => "preferences",
            Self::Consultants => "consultants",
            Self::Consultations => "consultations",
            Self::Conversations => "conversations",
            Self::Messages => "messages",
            Self::Services => "services",
            Self::Plans => "plans",
        }
    }

    /// The fields of its records.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Users => fields::USERS,
            Self::Customers => fields::CUSTOMERS,
            Self::Preferences => fields::PREFERENCES,
            Self::Consultants => fields::CONSULTANTS,
            Self::Consultations => fields::CONSULTATIONS,
            Self::Conversations => fields::CONVERSATIONS,
            Self::Messages => fields::MESSAGES,
            Self::Services => fields::SERVICES,
            Self::Plans => fields::PLANS,
        }
    }

    /// The field that a column of a file is, in snake_case or camelCase; the error names those there are.
    pub fn field(self, column: &str) -> Result<&'static Field, String> {
        let name = snake(column.trim());
        let found = self.fields().iter().find(|field| field.name == name || field.also.contains(&name.as_str()));
        found.ok_or_else(|| {
            let names: Vec<&str> = self.fields().iter().map(|field| field.name).collect();
            format!("{self} have no column `{}`; expected {}", column.trim(), names.join(", "))
        })
    }
}

/// `registeredAt` and `registered_at` are the same name.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn a_kind_is_known_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("user".parse::<Kind>().unwrap_err().to_string().starts_with("`user` cannot be imported; expected one of users, customers"));
    }

    #[test]
    fn columns_are_known_in_both_spellings_and_by_the_apps_names() {
        for column in ["registered_at", "registeredAt", " created_at ", "createdAt"] {
            assert_eq!(Kind::Users.field(column).unwrap().name, "registered_at", "{column}");
        }
        assert_eq!(Kind::Users.field("userId").unwrap().name, "id");
        assert_eq!(Kind::Messages.field("type").unwrap().name, "kind");
        let unknown = Kind::Preferences.field("Budget").unwrap_err();
        assert_eq!(
            unknown,
            "preferences have no column `Budget`; expected user_id, treatments, budget_min, budget_max, contact_time, communication_style, price_sensitivity, brand_loyalty"
        );
    }
}
