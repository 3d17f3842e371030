//! Why something is done or looked at, as requests say it that say nothing else.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    admin::{
        Who,
        calls::{CallError, Calls, because, with_reason},
    },
    store::audit::By,
};

/// Why something is done, where that may be left out: a body, or the query where the body is something else.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Because {
    /// The reason, in words; kept in the audit log.
    #[schema(max_length = 500)]
    #[param(max_length = 500)]
    reason: Option<String>,
}

impl Because {
    /// Whoever does it, with the reason.
    pub(super) fn by(&self, calls: &Calls, who: &Who) -> Result<By, CallError> {
        because(who.by(calls.clock.as_ref()), self.reason.as_deref())
    }
}

/// Why something is looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// The reason, in words. It becomes a row of the audit log before anything is shown.
    #[schema(min_length = 2, max_length = 500)]
    pub(super) reason: String,
}

impl Why {
    /// Whoever looks, with the reason.
    pub(super) fn by(&self, calls: &Calls, who: &Who) -> Result<By, CallError> {
        with_reason(who.by(calls.clock.as_ref()), Some(&self.reason))
    }
}
