//! `key usage`: who uses which key, so that nobody is cut off when an old one ends.

use serde_json::{Value, json};

use super::{Key, KeyUse, keys_of, output, pick, state, uses_of, with_standing};
use crate::{app::Core, clock::rfc3339};

/// Shows the users of every key that anybody has used, or of one.
pub(super) fn show(core: &Core, code: &str, wanted: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let (group_id, keys) = keys_of(core, code)?;
    let uses = core.store.key_uses(&group_id)?;
    let meant: Vec<&Key> = match wanted {
        Some(wanted) => pick::all_named(&keys, code, wanted)?,
        None => keys.iter().collect(),
    };
    let now = core.clock.now_ms();
    if as_json {
        return output::json(&meant.iter().map(|key| facts(key, &uses, now)).collect::<Vec<_>>());
    }
    let rows = meant.iter().flat_map(|key| uses_of(&uses, key).map(|one| line(key, one, now)));
    output::table(&["KEY", "NAME", "STATE", "ADDRESS", "CLIENT", "LAST", "CALLS", "SINCE ROTATION", "REFUSED"], rows)?;
    let old: Vec<_> = meant.iter().filter(|key| key.rotated_at.is_some()).copied().collect();
    old.iter().try_for_each(|key| output::say(verdict(key, &uses, now)))
}

fn line(key: &Key, one: &KeyUse, now: i64) -> Vec<String> {
    let text = |text: &str| if text.is_empty() { "-".into() } else { text.to_owned() };
    vec![
        format!("…{}", key.hint),
        key.name.clone(),
        state(key, now),
        text(&one.address),
        text(&one.client),
        rfc3339(one.last_at),
        one.calls.to_string(),
        if key.rotated_at.is_some() { one.calls_in_grace.to_string() } else { "-".into() },
        one.refused.to_string(),
    ]
}

/// What a replaced key's users mean for its end.
fn verdict(key: &Key, uses: &[KeyUse], now: i64) -> String {
    let still = uses_of(uses, key).filter(|one| one.calls_in_grace > 0).count();
    let late = uses_of(uses, key).filter(|one| one.refused > 0).count();
    let (hint, name, state) = (&key.hint, &key.name, state(key, now));
    match (still, late) {
        (0, 0) => format!("the old key …{hint} ({name}, {state}) has not been used since it was replaced"),
        (_, 0) => format!("the old key …{hint} ({name}, {state}) was still used by {still} client(s) after it was replaced"),
        _ => format!("the old key …{hint} ({name}, {state}) was tried by {late} client(s) after its end: they need the new one"),
    }
}

fn facts(key: &Key, uses: &[KeyUse], now: i64) -> Value {
    let mut facts = with_standing(key, now);
    let users: Vec<_> = uses_of(uses, key)
        .map(|one| {
            json!({
                "address": one.address, "client": one.client, "first_at": rfc3339(one.first_at), "last_at": rfc3339(one.last_at),
                "calls": one.calls, "calls_since_rotation": key.rotated_at.map(|_| one.calls_in_grace), "refused": one.refused,
            })
        })
        .collect();
    if let Some(object) = facts.as_object_mut() {
        object.insert("users".into(), users.into());
    }
    facts
}
