//! What the routes share. Handlers get at the calls by an extractor only, which says who asks and what they may do.

use super::calls::Calls;

/// The state of the routes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AdminState {
    calls: Calls,
}

impl AdminState {
    /// Routes over these calls.
    pub fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// The calls, for whoever was found to be let in.
    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }
}
