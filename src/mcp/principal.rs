//! Who a session belongs to: nobody else may use its id, however they came to know it.

use crate::gate::Caller;

/// The holder of one credential in one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Principal {
    group: String,
    credential: String,
}

impl Principal {
    pub(super) fn of(caller: &Caller) -> Self {
        Self { group: caller.group.group.id.clone(), credential: caller.principal().to_owned() }
    }

    #[cfg(test)]
    pub(super) fn named(group: &str, credential: &str) -> Self {
        Self { group: group.to_owned(), credential: credential.to_owned() }
    }
}
