//! Who a session belongs to: nobody else may use its id, however they came to know it.

use std::sync::Arc;

use crate::gate::Caller;

/// The holder of one credential in one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Principal {
    group: String,
    key: Option<Arc<str>>,
}

impl Principal {
    pub(super) fn of(caller: &Caller) -> Self {
        Self { group: caller.group.group.id.clone(), key: caller.key_id.clone() }
    }
}
