//! What people say is personal: who reads it.
//!
//! Operators and administrators work with customers and read what is said to them. Auditors see that something was
//! said, by whom, when and how long it is; the words of a conversation they read as they read the bodies of calls: with
//! a reason that is written down first.

use crate::admin::{Right, Role};

/// Whether the words of customers, consultants and agents are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// They are.
    Shown,
    /// Only how long they are.
    Withheld,
}

impl Words {
    /// What a role reads without giving a reason.
    pub fn of(role: Role) -> Self {
        if role.may(Right::Operate) { Self::Shown } else { Self::Withheld }
    }

    /// A text, if it is shown.
    pub(super) fn show(self, text: impl Into<String>) -> Option<String> {
        match self {
            Self::Shown => Some(text.into()),
            Self::Withheld => None,
        }
    }
}

/// How long a text is.
pub(super) fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auditor_gives_a_reason_first() {
        let shown = Role::ALL.map(|role| Words::of(role).show("x").is_some());
        assert_eq!(shown, [true, true, false]);
    }
}
