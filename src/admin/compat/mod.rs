//! Paths of the existing app, so that its panel can point here: thin, over the same calls and behind the same door.
//!
//! ```text
//! mcp_admin   /mcp/admin/…: groups, keys and tools, in the envelope {success, message, data}
//! automation  /registration-automation/metrics and /admin/registration-automation/dashboard, plain as the PRD has them
//! days        figures day by day, for these
//! envelope    that envelope, for answers and refusals
//! ```

mod automation;
mod days;
mod envelope;
mod mcp_admin;

use axum::Router;

pub(super) use self::envelope::enveloped;
use super::state::AdminState;

/// The routes.
pub(super) fn router() -> Router<AdminState> {
    mcp_admin::routes().merge(automation::routes())
}
