//! Whether whoever opened a stream may still read it: a session or a token may end while it is open.

use super::{Calls, sign_in::role_of};
use crate::{
    admin::{Right, Who},
    store::StoreError,
};

impl Calls {
    /// Whether a session or a token has not ended since, and its account may still look.
    pub fn is_still_admitted(&self, who: &Who) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let holds = match (&who.session_id, &who.token_id) {
            (Some(session), _) => {
                let idle = self.config.admin.session_idle.as_ms();
                self.store.admin_sessions(Some(&who.account_id), now, now - idle)?.iter().any(|(found, _)| found.id == *session)
            }
            (None, Some(token)) => {
                self.store.api_token_by_id(token)?.is_some_and(|(token, _)| token.revoked_at.is_none() && token.expires_at > now)
            }
            (None, None) => false,
        };
        let account = self.store.account(&who.account_id)?.filter(|account| account.enabled);
        Ok(holds && account.as_ref().and_then(role_of).is_some_and(|role| role.may(Right::Read)))
    }
}
