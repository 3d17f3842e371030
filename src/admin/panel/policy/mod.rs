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

use super::frame::PageError;
use crate::{
    admin::{
        calls::{CallError, Field},
        state::AdminState,
    },
    config::Language,
};

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

/// What is wrong with a form, if that is what an error says; else the page is another one.
fn mistakes(error: CallError) -> Result<Vec<Field>, PageError> {
    match error {
        CallError::Invalid(fields) => Ok(fields),
        CallError::Conflict(text) => Ok(vec![Field { pointer: "/".into(), text }]),
        other => Err(other.into()),
    }
}

/// The reader's half of a text that says everything twice, such as `搜索用户 / Search users`.
fn side(text: &str, language: Language) -> &str {
    match text.split_once(" / ") {
        Some((zh, en)) if !en.contains(" / ") => match language {
            Language::ZhCn => zh,
            Language::En => en,
        },
        _ => text,
    }
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
    use crate::admin::calls::said;

    #[test]
    fn a_reader_sees_their_half_of_a_text() {
        assert_eq!(side("搜索用户 / Search users", Language::ZhCn), "搜索用户");
        assert_eq!(side("搜索用户 / Search users", Language::En), "Search users");
        for whole in ["only one", "a / b / c"] {
            assert_eq!(side(whole, Language::En), whole);
        }
    }

    #[test]
    fn what_cannot_be_done_stays_on_the_form() {
        let fields = mistakes(CallError::Conflict(said("已存在", "exists"))).unwrap();
        assert_eq!(fields[0].text.en, "exists");
        assert!(mistakes(CallError::NotFound(said("无", "none"))).is_err());
    }

    #[test]
    fn a_form_without_a_version_changes_nothing() {
        assert_eq!((seen("17"), seen(""), seen("x")), (Some(17), Some(0), Some(0)));
    }
}
