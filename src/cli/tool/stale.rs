//! `tool stale`: who still works from an old list.

use clap::Args;
use serde_json::{Value, json};

use super::super::{group, output};
use crate::{app::Core, clock::rfc3339, store::stale::StaleCaller};

#[derive(Debug, Args)]
pub(in super::super) struct StaleArgs {
    /// Only this group
    #[arg(long, value_name = "CODE")]
    group: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StaleArgs, core: &Core) -> anyhow::Result<()> {
    let only = args.group.as_deref().map(|code| group::find(core, code)).transpose()?;
    let callers = core.store.stale_callers()?;
    let callers: Vec<_> = callers.iter().filter(|caller| only.as_ref().is_none_or(|group| group.group.id == caller.group_id)).collect();
    let names = Names::read(core)?;
    if args.json {
        return output::json(&callers.iter().map(|caller| names.facts(caller)).collect::<Vec<_>>());
    }
    if callers.is_empty() {
        return output::say("nobody works from an old list");
    }
    output::table(
        &["GROUP", "WHO", "CLIENT", "CALLED", "WHY", "CALLS", "LAST"],
        callers.iter().map(|caller| {
            vec![
                names.group(&caller.group_id),
                names.who(&caller.principal),
                caller.client_name.clone().unwrap_or_else(|| "-".into()),
                caller.called.clone(),
                caller.reason.replace('_', " "),
                caller.calls.to_string(),
                rfc3339(caller.last_at),
            ]
        }),
    )
}

/// The stale callers behind one key, for programs.
pub(in super::super) fn of_key(core: &Core, key_id: &str) -> anyhow::Result<Vec<Value>> {
    let names = Names::read(core)?;
    let callers = core.store.stale_callers()?;
    Ok(callers.iter().filter(|caller| caller.principal == key_id).map(|caller| names.facts(caller)).collect())
}

/// What ids stand for.
struct Names {
    groups: Vec<(String, String)>,
    keys: Vec<(String, String)>,
}

impl Names {
    fn read(core: &Core) -> anyhow::Result<Self> {
        let policy = core.store.policy()?;
        Ok(Self {
            groups: policy.groups.into_iter().map(|group| (group.id, group.server_code)).collect(),
            keys: policy.keys.into_iter().map(|key| (key.id, format!("{} …{}", key.name, key.hint))).collect(),
        })
    }

    fn group(&self, id: &str) -> String {
        named(&self.groups, id)
    }

    fn who(&self, principal: &str) -> String {
        named(&self.keys, principal)
    }

    fn facts(&self, caller: &StaleCaller) -> Value {
        json!({
            "server_code": self.group(&caller.group_id), "who": self.who(&caller.principal), "key_id": caller.principal,
            "client": caller.client_name, "called": caller.called, "reason": caller.reason, "calls": caller.calls,
            "first_at": rfc3339(caller.first_at), "last_at": rfc3339(caller.last_at),
        })
    }
}

/// A name, or the id itself: a key may be gone, and who sits at this machine has none.
fn named(names: &[(String, String)], id: &str) -> String {
    names.iter().find(|(known, _)| known == id).map_or_else(|| id.to_owned(), |(_, name)| name.clone())
}
