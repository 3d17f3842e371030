//! Who still works from an old list.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::calls::{CallError, Calls},
    clock::rfc3339,
    store::stale::StaleCaller,
};

/// Somebody who works from an old list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StaleCallerView {
    /// The group.
    pub server_code: String,
    /// The key by its name and last four characters, or the principal itself.
    pub who: String,
    /// Id of the key, or the principal.
    pub key_id: String,
    /// The client that did so last.
    pub client: Option<String>,
    /// The name that was called.
    pub called: String,
    /// What is old about it: renamed, sunset, disabled, removed, out_of_scope or arguments.
    pub reason: String,
    /// How often.
    pub calls: i64,
    /// First time.
    pub first_at: String,
    /// Last time.
    pub last_at: String,
}

impl Calls {
    /// Everybody who works from an old list, the latest first: of all groups, or of one.
    pub fn stale_callers(&self, code: Option<&str>) -> Result<Vec<StaleCallerView>, CallError> {
        let only = code.map(|code| self.group_policy(code)).transpose()?;
        let names = Names::read(self)?;
        let callers = self.store.stale_callers()?;
        let meant = callers.iter().filter(|caller| only.as_ref().is_none_or(|group| group.group.id == caller.group_id));
        Ok(meant.map(|caller| names.view(caller)).collect())
    }
}

/// What ids stand for.
struct Names {
    groups: Vec<(String, String)>,
    keys: Vec<(String, String)>,
}

impl Names {
    fn read(calls: &Calls) -> Result<Self, CallError> {
        let policy = calls.store.policy()?;
        Ok(Self {
            groups: policy.groups.into_iter().map(|group| (group.id, group.server_code)).collect(),
            keys: policy.keys.into_iter().map(|key| (key.id, format!("{} …{}", key.name, key.hint))).collect(),
        })
    }

    fn view(&self, caller: &StaleCaller) -> StaleCallerView {
        StaleCallerView {
            server_code: named(&self.groups, &caller.group_id),
            who: named(&self.keys, &caller.principal),
            key_id: caller.principal.clone(),
            client: caller.client_name.clone(),
            called: caller.called.clone(),
            reason: caller.reason.clone(),
            calls: caller.calls,
            first_at: rfc3339(caller.first_at),
            last_at: rfc3339(caller.last_at),
        }
    }
}

/// A name, or the id itself: a key may be gone, and who sits at this machine has none.
fn named(names: &[(String, String)], id: &str) -> String {
    names.iter().find(|(known, _)| known == id).map_or_else(|| id.to_owned(), |(_, name)| name.clone())
}
