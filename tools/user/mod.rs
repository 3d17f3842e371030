//! The user set: who somebody is, and finding people. Reads only; contact data is masked unless the group's
//! `config_data` allows it.

mod get_user_profile;
mod search_users;

use crate::tool::Tool;

/// The tools of this set, in a fixed order.
pub fn tools() -> Vec<Tool> {
    vec![Tool::native::<get_user_profile::GetUserProfile>(), Tool::native::<search_users::SearchUsers>()]
}
