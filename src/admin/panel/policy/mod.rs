//! The pages of groups, keys and tools.
//!
//! ```text
//! groups    the list, and making one
//! group     one group: what it is, changing it, who would break
//! keys      the keys of a group: making, replacing, ending and showing them
//! connect   what a host must be told of a group
//! limits    how much may be asked of a group
//! tools     every tool and every group, and what a tool is
//! tool      a tool in a group: how it is offered, how it does, trying it out
//! aliases   old names of a tool in a group
//! try_form  a form made of a tool's arguments, and arguments made of a form
//! ```

mod aliases;
mod connect;
mod group;
mod groups;
mod keys;
mod limits;
mod tool;
mod tools;
mod try_form;

use axum::Router;

use super::{form::mistakes, shown::side};
use crate::admin::state::AdminState;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .merge(groups::routes())
        .merge(group::routes())
        .merge(keys::routes())
        .merge(connect::routes())
        .merge(limits::routes())
        .merge(tools::routes())
        .merge(tool::routes())
        .merge(aliases::routes())
}

/// The version a form was made on.
#[expect(clippy::unnecessary_wraps, reason = "what the calls take")]
fn seen(text: &str) -> Option<i64> {
    // A form without one was not made by a page of ours: it changes nothing that was changed since 1970.
    Some(text.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_without_a_version_changes_nothing() {
        assert_eq!((seen("17"), seen(""), seen("x")), (Some(17), Some(0), Some(0)));
    }
}
